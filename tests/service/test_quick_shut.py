# SPDX-License-Identifier: Apache-2.0
"""Rows wait while their table is being changed; the slow way, which changes it too, gets none of them."""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from concurrent.futures import TimeoutError as NotYet

import pytest

from heptad.catalog import courtesy
from heptad.catalog import pending as pending_module
from heptad.service.decisions import quick as quick_module
from heptad.service.decisions.taking import Ask
from tests.service.quickly import bypassed, payment, served, slowly
from tests.waiting import until

WAIT = 30
MANY = 20


@pytest.fixture
def platform(tmp_path):
    with pytest.MonkeyPatch.context() as patched, served(tmp_path) as found:
        patched.setattr(quick_module, "SHUT_S", 2.0 * WAIT)  # nobody gives up on a slow machine
        yield found


@pytest.fixture
def pool():
    with ThreadPoolExecutor(MANY) as found:
        yield found


def test_rows_wait_while_their_table_is_changed_and_are_taken_then(platform):
    quick = platform.intake.quick
    asks = [Ask("Payment", [payment(n)], "fraud") for n in range(700, 703)]
    asked = [Future() for _ in asks]
    for ask, answer in zip(asks, asked, strict=True):
        ask.done = answer.set_result
    with quick.pending.shut(["Payment"]):
        assert quick.at_once(asks[:1]) == {}
        for ask in asks[1:]:
            quick.submit(ask)
        with pytest.raises(NotYet):
            next(as_completed(asked, timeout=0.5))
        assert bypassed(platform) == 0
    for ask, answer in zip(asks, asked, strict=True):
        (entry,) = answer.result(WAIT).made
        assert entry.public["row_key"] == ask.rows[0]["id"]
        assert dict(entry.decision.features) == slowly(platform, entry)


def test_rows_wait_while_the_keys_of_their_table_are_read(platform, pool):
    quick = platform.intake.quick
    with quick.pending.gate:
        known, quick.current.keys["Payment"] = quick.current.keys["Payment"], None
    asked = pool.submit(quick.ask, Ask("Payment", [payment(700)], "fraud"))
    with pytest.raises(NotYet):
        asked.result(0.5)
    with quick.pending.gate:
        quick.current.keys["Payment"] = known
    assert asked.result(WAIT).made


def test_who_writes_elsewhere_is_served_while_others_wait(platform, pool, monkeypatch):
    quick = platform.intake.quick
    monkeypatch.setattr(type(quick._taking), "closed", {"Payment"})
    asked = pool.submit(quick.ask, Ask("Payment", [payment(700)], "fraud"))
    until(lambda: quick._asks)
    given = threading.Event()
    quick.submit(Ask("Rate", [{}], done=lambda _: given.set()))
    assert given.wait(WAIT)
    assert not asked.done()
    monkeypatch.undo()
    assert asked.result(WAIT).made


def test_who_waits_for_long_goes_the_slow_way(platform, monkeypatch):
    quick = platform.intake.quick
    monkeypatch.setattr(quick_module, "SHUT_S", 0.1)
    with quick.pending.shut(["Payment"]):
        assert quick.ask(Ask("Payment", [payment(700)])) is None


def test_whoever_waits_is_told_when_serving_ends(platform, pool):
    quick = platform.intake.quick
    with quick.pending.shut(["Payment"]):
        asked = pool.submit(quick.ask, Ask("Payment", [payment(700)]))
        until(lambda: quick._asks)
        quick.stop()
        assert asked.result(WAIT) is None


def test_rows_go_the_quick_way_again_after_one_that_went_the_slow_one(platform, pool):
    """Not all of those that come while a slow one is stored follow it, and shut the table in turn."""
    slow = []
    load = platform._stores.loading.load_rows

    def counted(table, rows, *more):
        slow.append(len(rows))
        return load(table, rows, *more)

    platform._stores.loading.load_rows = counted
    correction = payment(3) | {"amount": "1.00", "currency": "EUR"}
    posts = [[correction], *([payment(n)] for n in range(700, 700 + MANY))]
    for answer in [pool.submit(platform.accept, "Payment", rows) for rows in posts]:
        answer.result(WAIT)
    assert sum(slow) == 1
    assert platform.replay().identical


def test_what_the_streams_cannot_say_yet_is_decided_together(platform, pool, monkeypatch):
    quick, desk, intake = platform.intake.quick, platform.desk, platform.intake
    each, groups = desk.each, []

    def counted(app, **more):
        if not groups:  # the others come while the first one is decided
            until(lambda: len(intake._leave._waiting) == MANY - 1)
        groups.append(len(more["keys"]))
        return each(app, **more)

    monkeypatch.setattr(quick.current.old, "set", lambda: None)
    monkeypatch.setattr(desk, "each", counted)
    with quick.pending.gate:
        for slot in quick.current.all:
            quick.current.forget(slot)
    app = platform.apps["fraud"]
    rows = [payment(n) for n in range(700, 700 + MANY)]
    ids = ["asked-p700"] + [None] * (MANY - 1)  # two of them might have to take turns
    asked = [
        pool.submit(intake.decide_one, app, r, None, i) for r, i in zip(rows, ids, strict=True)
    ]
    made = [answer.result(WAIT) for answer in asked]
    assert groups == [1, MANY - 1]
    assert [entry.public["row_key"] for entry in made] == [r["id"] for r in rows]
    again = intake.decide_one(app, rows[0], None, "asked-p700")
    assert again.public["id"] == made[0].public["id"]
    assert all(dict(entry.decision.features) == slowly(platform, entry) for entry in made)


def test_nobody_stands_back_with_rows_that_others_wait_for(platform, pool, monkeypatch):
    monkeypatch.setattr(courtesy, "STEP_S", 0.0)
    monkeypatch.setattr(courtesy, "SHARE", 1e9)
    monkeypatch.setattr(courtesy, "LONGEST_S", 3.0)
    pending, pour, go_on = platform._stores.pending, pending_module.pour, threading.Event()
    stood = []

    def stored(*given):
        assert go_on.wait(WAIT)
        begun = time.perf_counter()
        courtesy.pass_by()
        stood.append(time.perf_counter() - begun)
        with courtesy.awaited():
            return pour(*given)

    def poured_behind():
        with courtesy.behind():
            pending.pour("Payment")

    monkeypatch.setattr(platform.intake.quick, "_poured", lambda: True)  # nobody else stores them
    monkeypatch.setattr(pending_module, "pour", stored)
    for others in (0, 1):
        go_on.clear()
        platform.accept("Payment", [payment(700 + others)])
        storing = [pool.submit(poured_behind)]
        until(lambda: pending.lines["Payment"].batches[0].held)
        storing += [pool.submit(pending.pour, "Payment") for _ in range(others)]
        until(lambda n=others: len(pending._waiters) == n)
        with courtesy.serving():
            go_on.set()
            for each in storing:
                each.result(WAIT)
    assert stood[0] >= 3.0 > 2.5 > stood[1]
    assert bypassed(platform) == 0


def test_nobody_stands_back_with_a_table_shut(platform, monkeypatch):
    """Else those whom it stands back for wait for it."""
    monkeypatch.setattr(courtesy, "STEP_S", 0.0)
    monkeypatch.setattr(courtesy, "SHARE", 1e9)
    monkeypatch.setattr(courtesy, "LONGEST_S", 60.0)
    monkeypatch.setattr(platform.intake.quick, "_poured", lambda: True)  # nobody else stores them
    changing = platform._stores.loading.changing
    platform.accept("Payment", [payment(700)])

    def passed():
        with courtesy.behind(), changing(["Payment"], moved=True):
            assert bypassed(platform) == 0  # what waited is stored by now
            courtesy.pass_by()

    with courtesy.serving():
        thread = threading.Thread(target=passed, daemon=True)
        thread.start()
        thread.join(WAIT)
        assert not thread.is_alive()
