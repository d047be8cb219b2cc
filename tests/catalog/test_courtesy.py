# SPDX-License-Identifier: Apache-2.0
"""Work in the background stands back while callers are served, and is done all the same."""

from __future__ import annotations

import threading
import time
from types import SimpleNamespace

import pytest

from heptad.catalog import courtesy
from heptad.catalog.courtesy import awaited, behind, make_way, pass_by, passing, serving

STEPS, STEP_S = 20, 0.002


def worked() -> float:
    """Seconds that some steps take, with callers let pass between them."""
    begun = time.perf_counter()
    for _ in passing(range(STEPS)):
        end = time.perf_counter() + STEP_S
        while time.perf_counter() < end:
            pass
    return time.perf_counter() - begun


def test_who_works_behind_stands_back_for_a_while_and_goes_on() -> None:
    with behind():
        alone = worked()
        with serving():
            crowded = worked()
    # Some of the callers' time is taken all the same: the work is late, not left.
    assert crowded >= STEPS * courtesy.LONGEST_S * 0.9
    assert crowded >= 2 * alone


def test_urgent_work_stands_back_for_less() -> None:
    urgent = threading.Event()
    with behind(urgent.is_set), serving():
        patient = worked()
        urgent.set()
        hurried = worked()
    assert STEPS * STEP_S * 3 <= hurried < patient - STEPS * (courtesy.LONGEST_S - 0.01) / 2


def test_who_does_not_work_behind_waits_for_nobody(monkeypatch) -> None:
    monkeypatch.setattr(courtesy, "LONGEST_S", 60.0)
    monkeypatch.setattr(courtesy, "SHARE", 1e6)
    begun = time.perf_counter()
    with serving():
        worked()
    with behind():
        worked()
    assert time.perf_counter() - begun < 30


def test_who_is_waited_for_stands_back_for_nobody(monkeypatch) -> None:
    monkeypatch.setattr(courtesy, "LONGEST_S", 60.0)
    monkeypatch.setattr(courtesy, "SHARE", 1e6)
    begun = time.perf_counter()
    with serving(), behind(), awaited():
        worked()
    assert time.perf_counter() - begun < 30


def test_who_is_waited_for_no_more_stands_back_again() -> None:
    waits = threading.Event()
    waits.set()
    with serving(), behind():
        with awaited(waits.is_set):
            alone = worked()
            waits.clear()
            assert worked() >= 2 * alone
        assert worked() >= 2 * alone


def test_who_stands_back_goes_on_as_soon_as_the_callers_are_served(monkeypatch) -> None:
    monkeypatch.setattr(courtesy, "LONGEST_S", 60.0)
    monkeypatch.setattr(courtesy, "SHARE", 1e6)
    entered, went_on = threading.Event(), threading.Event()

    def work() -> None:
        with behind():
            time.sleep(2 * courtesy.STEP_S)
            entered.set()
            pass_by()
            went_on.set()

    thread = threading.Thread(target=work)
    with serving():
        thread.start()
        assert entered.wait(10)
        assert not went_on.wait(0.2)
    assert went_on.wait(10)
    thread.join()


def test_who_works_behind_does_not_step_in_between_callers_that_follow_each_other(
    monkeypatch,
) -> None:
    monkeypatch.setattr(courtesy, "LONGEST_S", 60.0)
    monkeypatch.setattr(courtesy, "SHARE", 1e6)
    monkeypatch.setattr(courtesy, "GAP_S", 0.1)
    stood, ended = [], threading.Event()

    def work() -> None:
        with behind():
            time.sleep(2 * courtesy.STEP_S)
            pass_by()
            stood.append(ended.is_set())

    with serving():
        thread = threading.Thread(target=work)
        thread.start()
    for _ in range(50):
        with serving():
            pass
        time.sleep(0.005)
    ended.set()
    thread.join(10)
    assert stood == [True]


@pytest.mark.parametrize("lately", [True, False])
def test_each_step_ends_with_a_breath_where_somebody_was_served_lately_only(
    monkeypatch, lately
) -> None:
    slept: list[float] = []
    clock = SimpleNamespace(perf_counter=time.perf_counter, sleep=slept.append)
    served = time.perf_counter() - (0.3 if lately else courtesy.LATELY_S)
    monkeypatch.setattr(courtesy, "time", clock)
    monkeypatch.setattr(courtesy, "_served", [served])
    with behind():
        worked()
    assert set(slept) == ({courtesy.BREATH_S} if lately else set())
    assert len(slept) >= (STEPS - 1 if lately else 0)


def test_who_makes_way_waits_until_the_others_are_served_and_no_longer_than_told() -> None:
    begun = time.perf_counter()
    make_way(60)
    assert time.perf_counter() - begun < 1
    with serving():
        make_way(0.1)
    assert time.perf_counter() - begun >= 0.1
    entered, went_on = threading.Event(), threading.Event()

    def wait() -> None:
        entered.set()
        make_way(60)
        went_on.set()

    with serving():
        thread = threading.Thread(target=wait)
        thread.start()
        assert entered.wait(10)
        assert not went_on.wait(0.1)
    assert went_on.wait(10)
    thread.join()


@pytest.mark.parametrize(("urgent", "ago"), [(False, 0.0), (True, 0.0), (False, 1.0)])
def test_in_a_crowd_the_background_stands_back_though_nobody_is_served_at_the_moment(
    monkeypatch: pytest.MonkeyPatch, urgent: bool, ago: float
) -> None:
    monkeypatch.setattr(courtesy, "_crowd", [time.perf_counter() - ago])
    with behind(lambda: urgent):
        waited = time.perf_counter()
        while time.perf_counter() - waited < 3 * courtesy.STEP_S:
            pass
        begun = time.perf_counter()
        courtesy.pass_by()
        spent = time.perf_counter() - begun
    assert (spent < 0.01) if urgent or ago else (spent >= courtesy.SHARE * courtesy.STEP_S)
