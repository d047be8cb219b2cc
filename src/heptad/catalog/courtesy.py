# SPDX-License-Identifier: Apache-2.0
"""Callers go first: what works in the background stands back while they are served.

Python runs one thread at a time. A thread that draws cases from decisions holds up all who wait for a
decision meanwhile, unless it lets them pass between two small steps.
"""

from __future__ import annotations

import math
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

T = TypeVar("T")

STEP_S = 0.0003
"""How long is worked before anybody is let pass."""
SHARE, LONGEST_S = 40.0, 0.02
"""Who works in the background waits for callers so many times as long as it worked, at most."""
HURRIED = 4.0, 0.01
"""The same for work that is urgent, as storing rows when many wait in memory."""
CALM_S = 0.1
"""A crowd is over when nobody has been turned away for so long."""
CROWDED_S = 0.25
"""In a crowd so long, without looking whether anybody is being served: whoever is turned away is not, and
what works between two groups of those who were let in keeps both from the next one."""
GAP_S = 0.0002
"""Callers served at shorter intervals follow each other: nobody steps in between."""
BREATH_S, LATELY_S = 0.00005, 1.0
"""If somebody was served lately, the interpreter is given up so long after each step at least: whoever
has come during the step would otherwise wait until it is taken away."""


class _Mine(threading.local):
    """What a thread has told of itself."""

    behind = False
    since = 0.0
    hurry: Callable[[], bool] | None = None
    awaited: Callable[[], bool] | None = None


_mine = _Mine()
_free = threading.Event()
_free.set()
_served = [0.0]
_crowd = [-math.inf]


@contextmanager
def serving() -> Iterator[None]:
    """Let the background stand back while the block serves callers."""
    _free.clear()
    try:
        yield
    finally:
        _served[0] = time.perf_counter()
        _free.set()


@contextmanager
def behind(hurry: Callable[[], bool] | None = None) -> Iterator[None]:
    """Let this thread stand back for callers during the block, wherever `pass_by` is called.

    Args:
        hurry: tells whether the work has become urgent; it never is by default.
    """
    before, _mine.behind, _mine.since = (_mine.behind, _mine.hurry), True, time.perf_counter()
    _mine.hurry = hurry
    try:
        yield
    finally:
        _mine.behind, _mine.hurry = before


@contextmanager
def awaited(now: Callable[[], bool] = lambda: True) -> Iterator[None]:
    """Let this thread stand back for nobody while callers wait for what it does in the block.

    Else they wait for it, and it for them. Within another such block, whoever waits for either counts.

    Args:
        now: tells whether anybody waits for it; by default somebody always may.
    """
    before = _mine.awaited
    _mine.awaited = now if before is None else lambda: before() or now()
    try:
        yield
    finally:
        _mine.awaited = before


def pass_by() -> None:
    """Let callers pass, between two small steps; does nothing in a thread that is not `behind`.

    However many callers there are, the thread works a fortieth of the time, or a fifth in a hurry.
    """
    if not _mine.behind:
        return
    now = time.perf_counter()
    if (worked := now - _mine.since) < STEP_S or (_mine.awaited and _mine.awaited()):
        return
    urgent = _mine.hurry is not None and _mine.hurry()
    crowd = now - _crowd[0] < CALM_S
    share, longest = HURRIED if urgent else (SHARE, CROWDED_S if crowd else LONGEST_S)
    end = now + min(share * worked, longest)
    if crowd and not urgent:
        time.sleep(end - now)
        now = time.perf_counter()
    if now - _served[0] < LATELY_S:
        time.sleep(BREATH_S)
        now = time.perf_counter()
    while now < end:
        if not _free.is_set():
            _free.wait(end - now)
        elif now - _served[0] < GAP_S:
            time.sleep(GAP_S)
        else:
            break
        now = time.perf_counter()
    _mine.since = now


def crowded() -> None:
    """Tell that so many ask that some are turned away."""
    _crowd[0] = time.perf_counter()


def make_way(longest_s: float) -> None:
    """Wait until nobody is being served in another thread, some seconds at most."""
    if not _free.is_set():
        _free.wait(longest_s)


def passing(items: Iterable[T]) -> Iterator[T]:
    """Yield items, letting callers pass between them; see `pass_by`."""
    for item in items:
        pass_by()
        yield item
