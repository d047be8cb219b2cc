# SPDX-License-Identifier: Apache-2.0
"""The quick way answers what the slow way would have answered, and loses nothing."""

from __future__ import annotations

import random
import threading

import pytest

from heptad.service.decisions.taking import Ask
from heptad.service.stream import reels
from heptad.service.stream.reels import Reel
from heptad.standards.errors import Busy, Conflict, HeptadError
from heptad.standards.time import hour, second
from tests.service.quickly import (
    NOW,
    bypassed,
    label,
    opened,
    payment,
    quickened,
    rate,
    served,
    settled,
    slowly,
    written,
)

WAIT = 30


@pytest.fixture
def platform(tmp_path):
    with served(tmp_path) as found:
        yield found


def test_decisions_are_those_of_the_batch_reading_bit_for_bit(platform):
    made = []
    for n in range(100, 130):
        report, found = platform.accept("Payment", [payment(n)])
        assert report.accepted == (f"p{n}",)
        made += found
    assert len(made) == 30
    assert {d.public["outcome"] for d in made} > {"approve"}
    assert any(d.decision.features["spend_1d"] is None for d in made), "CHF has no rate"
    assert any(d.decision.row["currency"] == "JPY" for d in made)
    assert dict(made[-1].decision.features) == slowly(platform, made[-1])
    report = platform.replay()
    assert report.identical, report.findings[:3]
    assert report.derived["identical"] == 70
    assert len(platform.read("Payment")) == 70


def test_rows_are_stored_as_the_slow_way_stores_them(tmp_path):
    draw = random.Random(4)
    rows = [payment(n, draw) for n in range(30)]
    stored = {}
    for name in ("slow", "quick"):
        folder = tmp_path / name
        folder.mkdir()
        with opened(folder) as platform:
            platform.keys.pepper = lambda use: use.encode().ljust(32, b"-")
            platform.accept("Payment", [payment(99, random.Random(2))])
            if name == "quick":
                quickened(platform)
            for start in range(0, 30, 10):
                platform.accept("Payment", rows[start : start + 10])
            found = platform.read("Payment", version=platform.lake.version("Payment")).to_pylist()
            stored[name] = [
                {k: v for k, v in row.items() if k not in ("known_time", "_load", "_line")}
                for row in sorted(found, key=lambda row: row["id"])
            ]
            known = sorted(row["known_time"] for row in found if row["id"] != "p99")
            assert name == "slow" or len({*known}) == len(known)
    assert stored["quick"] == stored["slow"]


def test_nobody_reads_a_table_without_a_row_that_was_answered(platform):
    for n in range(200, 203):
        platform.accept("Payment", [payment(n)])
        assert bypassed(platform)
        assert f"p{n}" in platform.read("Payment").column("id").to_pylist()
    platform.accept("Payment", [payment(205)])
    assert platform.catalog.versions.current()["Payment"].rows == 44
    platform.accept("Payment", [payment(206)])
    assert platform.explore("SELECT count(*) AS n FROM Payment").rows[0][0].as_py() == 45


def test_what_is_unusual_known_or_wrong_goes_the_slow_way_with_the_same_answers(platform):
    first = payment(300)
    made = platform.accept("Payment", [first])[1]
    again, same = platform.accept("Payment", [first])
    assert (again.duplicates, again.accepted) == (("p300",), ())
    assert [d.public["id"] for d in same] == [d.public["id"] for d in made]
    changed, none = platform.accept("Payment", [first | {"amount": "7"}])
    assert (changed.corrections, none) == (1, [])
    refused, none = platform.accept("Payment", [payment(301, amount="no"), payment(302)])
    assert [r.reason for r in refused.rejected] == ["parse"]
    assert refused.accepted == ("p302",)
    later, _ = platform.accept("Payment", [payment(303, event_time=written(NOW + 2 * second))])
    assert later.accepted == ("p303",)
    with pytest.raises(Conflict):
        platform.decide_one("fraud", row=first | {"amount": "8"}, name="other")
    # The reels follow what came the slow way: a correction, and a row known only later.
    settled(platform)
    platform.clock.at = NOW + 5 * second
    made = [platform.accept("Payment", [payment(n)])[1][0] for n in range(310, 320)]
    assert dict(made[-1].decision.features) == slowly(platform, made[-1])
    assert platform.replay().identical


def test_an_id_is_answered_once_whichever_way_it_comes(platform):
    row = payment(400)
    first = platform.decide_one("fraud", row=row, name="order-1")
    assert bypassed(platform)
    assert platform.decide_one("fraud", row=row, name="order-1").decision == first.decision
    with pytest.raises(Conflict):
        platform.decide_one("fraud", row=payment(401), name="order-1")
    assert "p401" not in platform.read("Payment").column("id").to_pylist()
    assert len(platform.log) == 41


def test_labels_rates_and_corrections_are_seen_by_the_next_decision(platform):
    made = []
    for n in range(2):
        assert len(platform.store("Label", [label(n, f"p{n}"), label(n + 9, "p901")]).accepted) == 2
        settled(platform)
        platform.store("Rate", [rate(10 + n, "CHF", f"1.0{n}", NOW - 47 * hour)])
        settled(platform)
        made += platform.accept("Payment", [payment(500 + n, currency="CHF")])[1]
        # p901 was labelled before it came.
        made += platform.accept("Payment", [payment(910 + n if n else 901, merchant="m0")])[1]
        settled(platform)
        made += platform.accept("Payment", [payment(600 + n, merchant="m0")])[1]
    assert any(d.decision.features["merchant_checked_28d"] for d in made)
    assert platform.replay().identical


def test_a_reel_that_breaks_at_a_load_is_built_anew(platform, monkeypatch):
    broken = []

    def breaks(reel, rows, rates):
        broken.append(reel)
        raise Busy("the disk refused")

    with monkeypatch.context() as patched:
        patched.setattr(Reel, "apply", breaks)
        patched.setattr(platform.intake.quick.current.old, "set", lambda: None)
        assert len(platform.store("Label", [label(1, "p1"), label(2, "p2")]).accepted) == 2
        assert broken
        assert not platform.intake.quick.current.ready
    platform.intake.quick.current.old.set()
    settled(platform)
    made = [platform.accept("Payment", [payment(800 + n, merchant="m0")])[1][0] for n in range(3)]
    assert dict(made[-1].decision.features) == slowly(platform, made[-1])
    assert platform.replay().identical


def test_rows_that_nobody_asks_about_are_taken_before_they_are_many(platform, monkeypatch):
    monkeypatch.setattr(reels, "AHEAD", 4)
    current = platform.intake.quick.current
    slots = [s for s in current.all if s.shape.table.__name__ == "Payment" and not s.shape.own]
    for n in range(100, 120):
        platform.accept("Payment", [payment(n)])
        assert slots
        assert all(len(slot.reel._waiting) < 4 for slot in slots)
    rows = [{"event_time": NOW, "customer": f"c{n}", "merchant": f"m{n}"} for n in range(4)]
    took = [slot.reel.values(rows) for slot in slots]
    for slot in slots:
        current.forget(slot)
    settled(platform)
    assert took == [slot.reel.values(rows) for slot in slots]
    assert any(value for part in took for values in part for value in values.values())


def test_few_rows_are_read_one_by_one_as_many_are_in_columns(platform, monkeypatch):
    platform.store("Label", [label(n, f"p{n}") for n in range(30)])
    current = settled(platform).intake.quick.current
    draw = random.Random(8)
    rows = [
        {"event_time": NOW - draw.randrange(2 * hour), "customer": f"c{draw.randrange(6)}",
         "merchant": draw.choice(["m0", "m1", "nobody", None]), "device": draw.choice(["d1", None])}
        for _ in range(60)
    ]  # fmt: skip
    told = []
    for slot in (slot for slot in current.slots["fraud"] if not slot.shape.own):
        monkeypatch.setattr(reels, "FEW", 0)
        wanted = slot.reel.values(rows)
        monkeypatch.setattr(reels, "FEW", 3)
        assert [slot.reel.values(rows[n : n + 3]) for n in range(0, 60, 3)] == [
            wanted[n : n + 3] for n in range(0, 60, 3)
        ]
        told += [found for found in wanted if any(found.values())]
    assert told


@pytest.mark.slow
def test_many_threads_are_served_together_and_everything_replays(platform):
    draw = random.Random(9)
    rows = [payment(1000 + n, draw) for n in range(120)]
    failed = []

    def work(part):
        for row in part:
            try:
                if int(row["id"][1:]) % 3:
                    platform.accept("Payment", [row])
                else:
                    platform.decide_one("fraud", row=row, name=f"ask-{row['id']}")
            except HeptadError as error:
                failed.append(error)

    threads = [threading.Thread(target=work, args=(rows[n::6],)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    assert len(platform.read("Payment")) == 160
    assert len(platform.log) == 160
    report = platform.replay()
    assert report.identical, report.findings[:3]
    assert platform.log.check_index() == 160


def test_a_reel_that_cannot_take_a_row_is_built_anew(platform, monkeypatch):
    def refused(reel):
        raise Busy("the disk refused")

    monkeypatch.setattr(reels, "AHEAD", 1)
    current = platform.intake.quick.current
    others = [s for s in current.all if s.shape.table.__name__ == "Payment" and not s.shape.own]
    with monkeypatch.context() as patched:
        patched.setattr(current.old, "set", lambda: None)
        patched.setattr(Reel, "_catch_up", refused)
        current.put(others[0].shape.table, {"event_time": NOW, "known_time": NOW},
                    [s for s in current.all if s not in others])  # fmt: skip
        assert all(slot.reel is None for slot in others)
    current.old.set()
    settled(platform)
    made = platform.accept("Payment", [payment(800)])[1]
    assert dict(made[0].decision.features) == slowly(platform, made[0])


def held_by_another(lock):
    """Let another thread hold a lock until the event is set; returns the event and the thread."""
    there, enough = threading.Event(), threading.Event()

    def hold():
        with lock:
            there.set()
            enough.wait(WAIT)

    thread = threading.Thread(target=hold)
    thread.start()
    assert there.wait(WAIT)
    return enough, thread


@pytest.mark.parametrize("what", ["served", "rows", "log", "keys", "slow", "waiting", "stopped"])
def test_who_would_have_to_wait_hands_the_request_over(platform, what):
    quick = platform.intake.quick
    ask = Ask("Payment", [payment(700)], "fraud")
    locks = {
        "served": quick._turn,
        "rows": quick.pending.gate,
        "log": platform.log._lock,
        "keys": platform.keys._vault._lock,
    }
    if what in locks:
        enough, thread = held_by_another(locks[what])
        assert quick.at_once([ask]) is None
        enough.set()
        thread.join()
    elif what == "slow":
        quick._swift = False
        assert quick.at_once([ask]) is None
        assert quick.ask(Ask("Payment", [payment(701)], "fraud")).made  # a group of the thread
    elif what == "waiting":
        quick._asks.append(ask)
        assert quick.at_once([ask]) is None
        quick._asks.clear()
    else:
        quick.stop()
        assert quick.at_once([ask]) is None
        return
    assert quick.at_once([ask])[ask].made[0].public["row_key"] == "p700"


def test_requests_served_by_their_own_thread_are_answered_as_by_the_other(platform):
    quick = platform.intake.quick
    asks = [Ask("Payment", [payment(n)], "fraud") for n in range(800, 830)]
    odd = [
        Ask("Payment", [payment(800)]),  # known by now
        Ask("Payment", [payment(831, currency="?")]),
        Ask("Nowhere", [{}]),
    ]
    found = quick.at_once(asks)
    assert [found[ask].made[0].public["row_key"] for ask in asks] == [
        f"p{n}" for n in range(800, 830)
    ]
    quick._swift = True
    assert [quick.at_once([ask]) for ask in odd] == [{ask: None} for ask in odd]
    for ask in asks:
        entry = found[ask].made[0]
        assert dict(entry.decision.features) == slowly(platform, entry)
    assert platform.replay().decided == {"identical": 40 + len(asks)}


def test_what_the_log_cannot_take_at_once_is_decided_the_slow_way(platform):
    (entry, *_) = platform.log.entries()
    assert platform.log.record_at_once([entry.decision]) is None
    assert len(platform.log) == 40
    platform.erasing.erase(["Customer:c1"], "asked for it", who="test", role="admin")
    settled(platform)
    ask = Ask("Payment", [payment(900, customer="c1")], "fraud")
    found = platform.intake.quick.ask(ask)
    assert found.undecided == ["fraud"]
    assert not found.made
    with pytest.raises(Conflict):
        platform.intake.decided(found, platform.apps["fraud"], None)
