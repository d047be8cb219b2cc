# SPDX-License-Identifier: Apache-2.0
"""Work ahead: results in the order of the items, few of them waiting, errors told."""

from __future__ import annotations

import threading
import time
from random import Random

import pytest

from heptad.ingest.ahead import Ahead
from tests.waiting import until


@pytest.mark.parametrize("threads", [0, 1, 3])
def test_results_come_in_the_order_of_the_items(threads):
    random, got = Random(1), []
    naps = [random.random() / 200 for _ in range(60)]

    def work(item):
        time.sleep(naps[item])
        return item * 2

    ahead = Ahead(work, got.append, threads)
    for item in range(60):
        ahead.add(item)
    ahead.finish()
    ahead.close()
    assert got == [2 * item for item in range(60)]


def test_results_are_taken_by_the_thread_that_adds_and_work_is_done_by_others():
    workers, takers = set(), set()
    ahead = Ahead(
        lambda _: workers.add(threading.get_ident()),
        lambda _: takers.add(threading.get_ident()),
        2,
    )
    for item in range(20):
        ahead.add(item)
    ahead.finish()
    ahead.close()
    assert takers == {threading.get_ident()}
    assert threading.get_ident() not in workers


def test_few_items_wait():
    begun, got = [], []
    free = threading.Event()

    def work(item):
        begun.append(item)
        assert free.wait(10)
        return item

    ahead = Ahead(work, got.append, 2)
    adding = threading.Thread(target=lambda: [ahead.add(item) for item in range(50)])
    adding.start()
    until(lambda: len(begun) == 2)
    time.sleep(0.2)
    assert adding.is_alive()  # it waits for the first
    assert sorted(begun) == [0, 1]
    free.set()
    adding.join(10)
    ahead.finish()
    ahead.close()
    assert got == list(range(50))


@pytest.mark.parametrize("threads", [0, 2])
def test_an_error_is_raised_where_items_are_added_and_nothing_after_it_is_taken(threads):
    got = []

    def work(item):
        if item == 3:
            raise ValueError("no")
        return item

    ahead = Ahead(work, got.append, threads)
    with pytest.raises(ValueError, match="no"):
        any(map(ahead.add, range(20)))
    ahead.close()
    ahead.finish()
    assert got == [0, 1, 2]
