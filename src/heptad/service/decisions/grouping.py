# SPDX-License-Identifier: Apache-2.0
"""Calls made together: while one group is worked on, the callers that come form the next."""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING, Generic, TypeVar

from heptad.standards.errors import Busy

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Given = TypeVar("Given")
Made = TypeVar("Made")


class _Call(Generic[Given, Made]):
    """One caller's call, and what became of it."""

    __slots__ = ("answer", "given", "told")

    def __init__(self, given: Given) -> None:
        self.given = given
        self.answer: Made | BaseException | None = None
        self.told = threading.Event()


class Grouped(Generic[Given, Made]):
    """A function of many, called one by one from many threads.

    Alone, a caller is served at once. Otherwise the first who waits serves all who wait: a step
    whose cost hardly depends on how many it is for, such as a sync, is paid once for all of them.

    Args:
        work: gives the answers to a group, in order; an exception among them is raised to its
            caller, one raised by `work` to all.
        most: calls that may wait; more are refused.
        group: calls of one group.
    """

    def __init__(
        self,
        work: Callable[[Sequence[Given]], Sequence[Made | BaseException]],
        *,
        most: int = 4096,
        group: int = 256,
    ) -> None:
        self._work, self._most, self._group = work, most, group
        self._lock = threading.Lock()
        self._waiting: deque[_Call[Given, Made]] = deque()
        self._led = False

    def __call__(self, given: Given) -> Made:
        """Return the answer to one call.

        Raises:
            Busy: if too many wait.
        """
        call: _Call[Given, Made] = _Call(given)
        with self._lock:
            if len(self._waiting) >= self._most:
                raise Busy("Too many calls wait already.", do="send it again in a second")
            self._waiting.append(call)
            leads, self._led = not self._led, True
        if not leads:
            call.told.wait()
        if call.answer is None:
            self._lead()
        if isinstance(call.answer, BaseException):
            raise call.answer
        return call.answer  # type: ignore[return-value]

    def _lead(self) -> None:
        """Serve those who wait, then wake them and the leader of the next group."""
        with self._lock:
            size = min(len(self._waiting), self._group)
            group = [self._waiting.popleft() for _ in range(size)]
        try:
            answers = self._work([call.given for call in group])
            for call, answer in zip(group, answers, strict=True):
                call.answer = answer
        except BaseException as error:  # noqa: BLE001 - each caller is told, none waits for ever
            for call in group:
                call.answer = error
        with self._lock:
            following = self._waiting[0] if self._waiting else None
            self._led = following is not None
        if following is not None:
            following.told.set()
        for call in group:
            call.told.set()
