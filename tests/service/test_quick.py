# SPDX-License-Identifier: Apache-2.0
"""The quick way answers what the slow way would have answered, and loses nothing."""

from __future__ import annotations

import errno
import os
import random
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest

from heptad.catalog import pending as pending_module
from heptad.catalog.compacting import crowded
from heptad.catalog.pending import Pending
from heptad.runtime import Platform
from heptad.service.decisions import log as log_module
from heptad.service.decisions import quick as quick_module
from heptad.service.decisions.taking import Ask
from heptad.service.stream import reels
from heptad.service.stream.reels import Reel
from heptad.standards.errors import Busy, Conflict, HeptadError
from heptad.standards.time import hour, minute, parse_instant, second

NOW = parse_instant("2026-03-02T12:00:00Z")
WAIT = 30


class Ticking:
    """A clock that moves by itself, so that each row has an instant of its own."""

    def __init__(self, at: int) -> None:
        self.at = at

    def now(self) -> int:
        self.at += 3
        return self.at


def written(us: int) -> str:
    return datetime.fromtimestamp(us / second, UTC).isoformat()


DRAW = random.Random(1)


def payment(n, draw=DRAW, **more):
    """A payment of the last hour; now and then in another currency, or declined."""
    row = {
        "id": f"p{n}",
        "event_time": written(NOW - draw.randrange(hour)),
        "customer": f"c{draw.randrange(4)}",
        "merchant": f"m{draw.randrange(3)}",
        "device": draw.choice(["d1", "d2", None]),
        "country": draw.choice(["IT", "FR"]),
        "channel": draw.choice(["terminal", "online"]),
        "amount": f"{draw.randrange(1, 90_000)}",
        "currency": draw.choice(["EUR", "EUR", "USD", "JPY", "CHF"]),
        "status": draw.choice(["authorised", "authorised", "declined"]),
        "card": "4111111111111111",
    }
    return row | more


def rate(n, base, value, at=NOW - 48 * hour):
    return {"id": f"r{n}", "event_time": written(at), "base": base, "quote": "EUR", "rate": value}


def label(n, about):
    return {
        "id": f"l{n}",
        "event_time": written(NOW - 9 * 24 * hour + n * minute),
        "customer": "c1",
        "payment": about,
        "fraud": "true" if n % 2 else "false",
    }


def opened(folder, clock=None, more=""):
    text = '[project]\nname = "quick"\n' + more
    (folder / "heptad.toml").write_text(text, encoding="utf-8")
    return Platform.open(folder, clock=clock or Ticking(NOW))


def settled(platform):
    """Wait until the reels are built."""
    current = platform.intake.quick.current
    for _ in range(WAIT * 100):
        if current.ready:
            return platform
        threading.Event().wait(0.01)
    raise AssertionError("the reels were not built")


def quickened(platform):
    platform.quicken()
    return settled(platform)


@pytest.fixture
def platform(tmp_path):
    """A project with rates and payments, served the quick way."""
    with opened(tmp_path) as found:
        found.store("Rate", [rate(1, "USD", "0.9"), rate(2, "JPY", "0.006")])
        found.accept("Payment", [payment(n) for n in range(40)])
        yield quickened(found)


def slowly(platform, entry):
    """What the batch reading gives for the row of a decision, at its own versions and instants."""
    app, then = platform.apps[entry.decision.app], entry.decision
    spine_rows = platform.desk._rows_then(app, [then])
    from heptad.service.batch.history import spine_of

    found = platform.desk._features_then(app, spine_of(app.on, spine_rows), then)
    return {name: column.to_pylist()[0] for name, column in found.items()}


def bypassed(platform):
    """Whether rows are really taken the quick way: nothing of them is stored yet."""
    return sum(line.rows for line in platform.intake.quick.pending.lines.values())


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


def test_what_a_kill_left_in_the_journal_is_stored_once(tmp_path, monkeypatch):
    with opened(tmp_path) as platform:
        platform.accept("Payment", [payment(n) for n in range(5)])
        quickened(platform)
        made = [platform.accept("Payment", [payment(10 + n)])[1][0] for n in range(6)]
        # As after a kill: nothing is poured, nothing is indexed, nothing is tidied up.
        monkeypatch.setattr(Pending, "pour", lambda self, name: None)
        monkeypatch.setattr(platform.log, "settle", lambda: None)
        made += [platform.accept("Payment", [payment(20 + n)])[1][0] for n in range(6)]
        monkeypatch.setattr(Pending, "close", lambda self: self._journal.close())
    monkeypatch.undo()
    for _ in range(2):
        with opened(tmp_path, Ticking(NOW + hour)) as platform:
            assert len(platform.read("Payment")) == 17
            assert {d.public["id"] for d in made} <= {
                e.public["id"] for e in platform.log.entries()
            }
            report = platform.replay()
            assert report.identical, report.findings[:3]
            assert platform.log.check_index() == len(platform.log) == 17


def test_a_row_that_was_asked_again_after_the_disk_refused_is_stored_once(tmp_path, monkeypatch):
    """The append that was refused lies in the journal all the same, whole."""
    synced, refused = os.fdatasync, []

    def failing(handle):
        synced(handle)
        if not refused:
            refused.append(handle)
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    with opened(tmp_path) as platform:
        platform.accept("Payment", [payment(n) for n in range(5)])
        quickened(platform)
        platform.accept("Payment", [payment(10)])
        monkeypatch.setattr(Pending, "pour", lambda self, name: None)
        monkeypatch.setattr(platform.log, "settle", lambda: None)
        monkeypatch.setattr(os, "fdatasync", failing)
        with pytest.raises(Busy):
            platform.accept("Payment", [payment(11)])
        made = platform.accept("Payment", [payment(11, amount="7.77", currency="EUR")])[1]
        monkeypatch.setattr(Pending, "close", lambda self: self._journal.close())
    monkeypatch.undo()
    with opened(tmp_path, Ticking(NOW + hour)) as platform:
        rows = {row["id"]: row for row in platform.read("Payment").to_pylist()}
        assert platform.catalog.versions.history("Payment")[0].rows == 7
        assert rows["p11"]["amount"] == 777
        assert platform.replay([entry.public["id"] for entry in made]).identical


def test_a_refused_row_takes_no_version_that_was_promised_to_another(tmp_path, monkeypatch):
    """It lies in the journal behind all that was stored of its version."""
    synced = os.fdatasync

    def failing(handle):
        synced(handle)
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with opened(tmp_path) as platform:
        platform.accept("Payment", [payment(n) for n in range(5)])
        quickened(platform)
        platform.accept("Payment", [payment(10)])
        with monkeypatch.context() as patched:
            patched.setattr(os, "fdatasync", failing)
            with pytest.raises(Busy):
                platform.accept("Payment", [payment(11)])
        assert "p10" in platform.read("Payment").column("id").to_pylist()
        monkeypatch.setattr(Pending, "pour", lambda self, name: None)
        monkeypatch.setattr(platform.log, "settle", lambda: None)
        made = platform.accept("Payment", [payment(12)])[1]
        monkeypatch.setattr(Pending, "close", lambda self: self._journal.close())
    monkeypatch.undo()
    with opened(tmp_path, Ticking(NOW + hour)) as platform:
        version = made[0].decision.tables["Payment"]
        there = platform.read("Payment", version=version).column("id").to_pylist()
        assert sorted(there) == sorted([*(f"p{n}" for n in range(5)), "p10", "p12"])
        assert platform.catalog.versions.history("Payment")[0].version == version
        assert platform.replay().identical


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


def test_a_journal_that_could_not_be_removed_is_let_go_of_and_removed_later(tmp_path, monkeypatch):
    def refused(*_):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with opened(tmp_path) as platform:
        pending = platform._stores.pending
        quickened(platform)
        platform.accept("Payment", [payment(1)])
        platform.intake.quick.stop()
        for name in ("rename", "fsync"):
            with monkeypatch.context() as patched:
                patched.setattr(Path if name == "rename" else os, name, refused)
                with pytest.raises(Busy):
                    pending.trim(whole=True)
            assert any(pending.folder.glob("*/*.seg"))
        with monkeypatch.context() as patched:
            patched.setattr(Path, "rename", refused)
            pending.close()
        pending.trim(whole=True)
        assert not [p for p in pending.folder.rglob("*") if p.is_file() and p.suffix == ".seg"]
        platform.intake.quick = None


def test_a_pour_that_fails_is_tried_again_and_reads_wait_for_it(platform, monkeypatch):
    commit, failures = platform.lake.commit, [1, 1]

    def failing(*parts, **more):
        if failures:
            failures.pop()
            raise Busy("The disk refused.")
        return commit(*parts, **more)

    monkeypatch.setattr(platform.lake, "commit", failing)
    made = platform.accept("Payment", [payment(700)])[1]
    for _ in range(3):
        try:
            rows = platform.read("Payment")
        except Busy:
            continue
    assert "p700" in rows.column("id").to_pylist()
    made += platform.accept("Payment", [payment(701)])[1]
    assert platform.read("Payment").column("id").to_pylist().count("p700") == 1
    assert platform.replay().identical
    assert len(made) == 2


def test_a_look_for_small_files_stores_nothing(platform):
    platform.accept("Payment", [payment(300)])
    assert bypassed(platform) == 1
    assert not crowded(platform._stores.lake, "Payment")
    assert bypassed(platform) == 1


def test_rows_that_come_while_others_are_stored_wait_for_the_next_time(platform, monkeypatch):
    stored, more = [], iter(range(500, 520))

    def pour(loading, table, rows, until):
        stored.append(len(rows))
        # As from callers who never stop: without an end this would go on until none is left.
        for n in (next(more, None), next(more, None)):
            if n is not None:
                platform.accept("Payment", [payment(n)])
        return original(loading, table, rows, until)

    original = pending_module.pour
    monkeypatch.setattr(pending_module, "pour", pour)
    pending = platform.intake.quick.pending
    for n in range(100, 103):
        platform.accept("Payment", [payment(n)])
    pending.pour("Payment")
    assert stored == [3]
    assert bypassed(platform) == 2
    pending.pour("Payment")
    assert stored == [3, 2]


def test_few_rows_that_come_while_many_are_stored_call_for_no_second_time(platform, monkeypatch):
    monkeypatch.setattr(quick_module, "POUR_ROWS", 4)
    asked, stored, original = platform.intake.quick._many, [], pending_module.pour
    done = threading.Event()

    def pour(loading, table, rows, until):
        if not stored:
            platform.accept("Payment", [payment(600)])
            stored.append((len(rows), asked.is_set()))
            done.set()
        return original(loading, table, rows, until)

    monkeypatch.setattr(pending_module, "pour", pour)
    platform.accept("Payment", [payment(n) for n in range(590, 594)])
    assert done.wait(WAIT)
    assert stored == [(4, False)]


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


def test_the_index_follows_the_log_by_whole_appends(platform, monkeypatch):
    """Else what is backed up beside a server that decides would end within one."""
    floors = []

    def between(*given):
        platform.log.settle()
        floors.append(platform.catalog.settings.log_floor)
        return entry(*given)

    entry = log_module.entry
    monkeypatch.setattr(log_module, "entry", between)
    asks = [Ask("Payment", [payment(n)], "fraud") for n in range(800, 804)]
    assert None not in platform.intake.quick.at_once(asks).values()
    monkeypatch.undo()
    platform.log.settle()
    assert floors == [40] * len(asks)
    assert platform.catalog.settings.log_floor == 40 + len(asks)


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
