# SPDX-License-Identifier: Apache-2.0
"""Work on batches in other threads, some batches ahead of who takes the results, in order."""

from __future__ import annotations

from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future

Item = TypeVar("Item")
Result = TypeVar("Result")


class Ahead(Generic[Item, Result]):
    """Runs `work` on each item and gives each result to `then`, in the order of the items.

    `then` runs in the thread that adds. Not for several adding threads.

    Args:
        work: makes a result of an item.
        then: takes a result.
        threads: how many items are worked on at once; 0 works in the thread that adds.
    """

    def __init__(
        self, work: Callable[[Item], Result], then: Callable[[Result], None], threads: int
    ) -> None:
        self._work, self._then = work, then
        self._pool = ThreadPoolExecutor(threads, "ahead") if threads else None
        self._most = threads + 1
        self._waiting: deque[Future[Result]] = deque()

    def add(self, item: Item) -> None:
        """Begin with an item; give on what is done, and wait if too much is not.

        Raises:
            Exception: as `work` did on this item or one before, or `then`.
        """
        if self._pool is None:
            self._then(self._work(item))
            return
        self._waiting.append(self._pool.submit(self._work, item))
        while len(self._waiting) > self._most or (self._waiting and self._waiting[0].done()):
            self._give()

    def finish(self) -> None:
        """Wait for all items and give their results on.

        Raises:
            Exception: as `add` does.
        """
        while self._waiting:
            self._give()

    def close(self) -> None:
        """Forget what is not begun, and wait for what is."""
        self._waiting.clear()
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def _give(self) -> None:
        self._then(self._waiting.popleft().result())
