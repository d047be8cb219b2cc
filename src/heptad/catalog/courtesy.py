# SPDX-License-Identifier: Apache-2.0
"""Callers go first: what works in the background stands back while they are served.

Python runs one thread at a time. A thread that draws cases from decisions holds up all who wait for a
decision meanwhile, unless it lets them pass between two small steps.
"""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

T = TypeVar("T")

STEP_S = 0.0005
"""How long is worked before anybody is let pass."""
SHARE, LONGEST_S = 4.0, 0.01
"""Who works in the background waits for callers so many times as long as it worked, at most."""
GAP_S = 0.001
"""Callers served at shorter intervals follow each other: nobody steps in between."""


class _Mine(threading.local):
    """What a thread has told of itself."""

    behind = False
    since = 0.0


_mine = _Mine()
_free = threading.Event()
_free.set()
_served = [0.0]


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
def behind() -> Iterator[None]:
    """Let this thread stand back for callers during the block, wherever `pass_by` is called."""
    before, _mine.behind, _mine.since = _mine.behind, True, time.perf_counter()
    try:
        yield
    finally:
        _mine.behind = before


def pass_by() -> None:
    """Let callers pass, between two small steps; does nothing in a thread that is not `behind`.

    However many callers there are, the thread works a fifth of the time.
    """
    if not _mine.behind:
        return
    now = time.perf_counter()
    if (worked := now - _mine.since) < STEP_S:
        return
    end = now + min(SHARE * worked, LONGEST_S)
    while now < end:
        if not _free.is_set():
            _free.wait(end - now)
        elif now - _served[0] < GAP_S:
            time.sleep(GAP_S)
        else:
            break
        now = time.perf_counter()
    _mine.since = now


def passing(items: Iterable[T]) -> Iterator[T]:
    """Yield items, letting callers pass between them; see `pass_by`."""
    for item in items:
        pass_by()
        yield item
