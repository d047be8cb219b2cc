# SPDX-License-Identifier: Apache-2.0
"""Calls that wait are served together, each with its own answer."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from heptad.service.decisions.grouping import Grouped
from heptad.standards.errors import Busy, InputError

THREADS = 40


class Held:
    """Work that stops at a gate, and remembers its groups."""

    def __init__(self) -> None:
        self.gate, self.begun = threading.Event(), threading.Event()
        self.groups: list[list[int]] = []

    def __call__(self, given):
        self.groups.append(list(given))
        self.begun.set()
        assert self.gate.wait(30)
        return [InputError("odd", got=n) if n % 2 else 10 * n for n in given]


def answered(grouped, n):
    try:
        return grouped(n)
    except InputError as error:
        return error.got


def test_those_who_wait_are_one_group_and_each_gets_its_own_answer():
    work = Held()
    grouped = Grouped(work, group=16)
    with ThreadPoolExecutor(THREADS) as pool:
        first = pool.submit(answered, grouped, 0)
        assert work.begun.wait(30)
        others = [pool.submit(answered, grouped, n) for n in range(1, THREADS)]
        while len(grouped._waiting) < THREADS - 1:
            threading.Event().wait(0.001)
        work.gate.set()
        found = [f.result(30) for f in (first, *others)]
    assert found == [n if n % 2 else 10 * n for n in range(THREADS)]
    assert [len(g) for g in work.groups] == [1, 16, 16, 7]
    assert sorted(n for g in work.groups for n in g) == list(range(THREADS))
    assert answered(grouped, 4) == 40
    assert work.groups[-1] == [4]


def test_what_the_work_raises_is_raised_to_all_and_the_next_are_served():
    done = []

    def work(given):
        done.append(len(given))
        if len(done) == 1:
            raise KeyboardInterrupt
        return list(given)

    grouped = Grouped(work)
    with pytest.raises(KeyboardInterrupt):
        grouped(1)
    assert grouped(2) == 2


def test_more_than_may_wait_are_refused_at_once():
    work = Held()
    grouped = Grouped(work, most=3)
    with ThreadPoolExecutor(8) as pool:
        calls = [pool.submit(grouped, 0)]
        assert work.begun.wait(30)
        calls += [pool.submit(grouped, 2) for _ in range(3)]
        while len(grouped._waiting) < 3:
            threading.Event().wait(0.001)
        with pytest.raises(Busy):
            grouped(4)
        work.gate.set()
        assert [call.result(30) for call in calls] == [0, 20, 20, 20]
