# SPDX-License-Identifier: Apache-2.0
"""The quick way of posted rows while a project is served: who serves them when, and what stores them."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from concurrent.futures import Future
from typing import TYPE_CHECKING

from heptad.catalog.courtesy import behind, serving
from heptad.service.decisions.taking import Taking
from heptad.service.stream.cold import Cold
from heptad.service.stream.current import Current
from heptad.standards.errors import Busy

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from heptad.catalog.loading import Loading
    from heptad.security.keys import KeyStore
    from heptad.service.app import App
    from heptad.service.decisions.desk import Desk
    from heptad.service.decisions.log import DecisionLog
    from heptad.service.decisions.taking import Ask, Taken
    from heptad.service.reads.guard import Guard
    from heptad.service.reads.reads import Reads
    from heptad.service.stores import Stores

GROUP, MOST = 256, 2048
"""Requests that are served together, and that may wait."""
SHUT_S, LOOK_S = 2.0, 0.005
"""A request whose table is being changed waits so long for it, then goes the slow way; it is looked
after so often."""
SWIFT_S = 0.1
"""A group that took longer is followed by one that a thread of ours serves."""
POUR_ROWS, POUR_S = 5_000, 5.0
"""So many rows wait to be stored at most, or so many seconds, about."""
AGAIN_S = 1.0
"""Storing that failed is tried again after so long, not with every group that is served meanwhile."""
_LOG = logging.getLogger("heptad.quick")


class Quick:
    """Serves requests in groups, by one thread; another stores what waits, one builds reels.

    A thread that has few requests and need not wait serves them itself: handing them over, and
    the answers back, takes as long as deciding them.

    Args:
        taking: takes and decides the rows of a group.
        log: where decisions are recorded.
        loading: the stores.
        keys: asked for by whoever decides.
    """

    def __init__(self, taking: Taking, log: DecisionLog, loading: Loading, keys: KeyStore) -> None:
        self._taking, self._log, self._loading, self._keys = taking, log, loading, keys
        self.pending, self.current = taking.pending, taking.current
        self._asks: deque[Ask] = deque()
        self._some = threading.Condition()
        self._turn, self._swift = threading.Lock(), True
        self._stop = threading.Event()
        self._many = threading.Event()
        works = (self._serving, self._pouring, self._building)
        self._threads = [threading.Thread(target=work, daemon=True) for work in works]

    def start(self) -> None:
        """Begin to serve."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Serve what waits, store all rows, and end."""
        with self._turn:
            self._stop.set()
        for event in (self._many, self.current.old):
            event.set()
        with self._some:
            self._some.notify_all()
        for thread in self._threads:
            thread.join()

    def takes(self, table: str) -> bool:
        """Whether rows of a table may go the quick way."""
        return self._taking.takes(table)

    def submit(self, ask: Ask) -> None:
        """Let a request be served; `ask.done` is called from another thread.

        Raises:
            Busy: if too many wait.
        """
        with self._some:
            if self._stop.is_set():
                raise Busy("The server is stopping.", do="send it again in a while")
            if len(self._asks) >= MOST:
                raise Busy("Too many requests wait already.", do="send it again in a second")
            ask.since = time.perf_counter()
            self._asks.append(ask)
            if len(self._asks) == 1:
                self._some.notify()

    def at_once(self, group: Sequence[Ask]) -> dict[Ask, Taken | BaseException | None] | None:
        """Serve a few requests in the caller's own thread, if nobody has to be waited for.

        Returns:
            What became of each, None for the slow way, but for those who wait and are told by
            `ask.done`; None in all if others are being served, or wait, or the last group took
            long, as on a slow disk: then they are to be submitted.
        """
        if not self._swift or not self._turn.acquire(blocking=False):
            return None
        try:
            if self._asks or self._stop.is_set():
                return None
            if not (self.pending.free and self._log.free and self._keys.free):
                return None
            with serving():
                return self._told(group)
        finally:
            self._turn.release()

    def ask(self, ask: Ask) -> Taken | None:
        """Serve a request and wait for it.

        Returns:
            What was taken; None if it must go the slow way, nothing of it having been done.

        Raises:
            HeptadError: why nothing was taken.
        """
        if not self.takes(ask.table):
            return None
        answer: Future[Taken | BaseException | None] = Future()
        ask.done = answer.set_result
        self.submit(ask)
        found = answer.result()
        if isinstance(found, BaseException):
            raise found
        return found

    def _serving(self) -> None:
        while True:
            with self._some:
                while not (group := self._next()) and not self._stop.is_set():
                    self._some.wait(LOOK_S if self._asks else None)
                group = group or self._next()
            if not group:
                return
            with self._turn, serving():
                for ask, answer in self._told(group).items():
                    ask.done(answer)

    def _next(self) -> list[Ask]:
        """Take the next group out of those who wait.

        Who writes to a table that is being changed goes on waiting. The slow way would change it, too,
        and keep it shut for the next ones, and so on, for as long as there are many.
        """
        closed = set() if self._stop.is_set() else self._taking.closed
        if not closed:
            return [self._asks.popleft() for _ in range(min(len(self._asks), GROUP))]
        now = time.perf_counter()
        group: list[Ask] = []
        for _ in range(len(self._asks)):
            ask = self._asks.popleft()
            ready = ask.table not in closed or self._overdue(ask, now)
            if ready and len(group) < GROUP:
                group.append(ask)
            else:
                self._asks.append(ask)
        return group

    @staticmethod
    def _overdue(ask: Ask, now: float) -> bool:
        """Whether a request has waited for its table for so long that it goes the slow way."""
        return 0 < ask.since < now - SHUT_S

    def _told(self, group: Sequence[Ask]) -> dict[Ask, Taken | BaseException | None]:
        """Serve a group, and return what callers are told, but for those who go on waiting."""
        begun = time.perf_counter()
        try:
            found, late = self._served(group)
            waiting = self._waiting(late) if late else ()
            return {ask: found.get(ask) for ask in group if ask not in waiting}
        except BaseException as error:  # noqa: BLE001 - each caller is told, none waits for ever
            return dict.fromkeys(group, error)
        finally:
            self._swift = time.perf_counter() - begun <= SWIFT_S

    def _waiting(self, late: Sequence[Ask]) -> set[Ask]:
        """Let those go on waiting whose table was closed just as they were to be served."""
        now = time.perf_counter()
        with self._some:
            found = [] if self._stop.is_set() else [a for a in late if not self._overdue(a, now)]
            for ask in found:
                ask.since = ask.since or now
            self._asks.extendleft(reversed(found))
            self._some.notify()
        return set(found)

    def _served(self, group: Sequence[Ask]) -> tuple[dict[Ask, Taken], list[Ask]]:
        """Serve a group, and have rows stored if many wait by now."""
        found = self._taking.serve(group)
        if self._crammed():
            self._many.set()
        return found

    def _crammed(self) -> bool:
        """Whether so many rows wait that they are to be stored soon."""
        return sum(line.fresh for line in list(self.pending.lines.values())) >= POUR_ROWS

    def _pouring(self) -> None:
        """Store what waits, again and again, and at the end."""
        with behind(self._crammed):
            while not self._stop.is_set():
                self._many.wait(POUR_S)
                self._many.clear()
                if not self._poured():
                    self._stop.wait(AGAIN_S)
        self._threads[0].join()
        self._poured()

    def _poured(self) -> bool:
        """Store what waits; return whether that went well."""
        try:
            self.pending.pour_all()
            self._log.settle()
            self.pending.trim()
            for name in self._taking.tables:
                self._loading.tidy(name, wait=False)
        except Exception as error:  # noqa: BLE001 - it is tried again in a second
            _LOG.warning("rows that were taken could not be stored yet: %s", error)
            return False
        return True

    def _building(self) -> None:
        """Build reels whenever some are old."""
        try:
            self._log.ready()
        except Exception as error:  # noqa: BLE001 - it is tried again when a decision is recorded
            _LOG.warning("the ids of decisions could not be read: %s", error)
        while not self._stop.is_set():
            self.current.old.wait()
            if self._stop.is_set():
                return
            try:
                self.current.build()
            except Exception as error:  # noqa: BLE001 - the slow way answers meanwhile
                _LOG.warning("features could not be made current: %s", error)
                self._stop.wait(POUR_S)
                self.current.old.set()


def quickened(
    stores: Stores, apps: Mapping[str, App], reads: Reads, desk: Desk, guard: Guard
) -> Quick:
    """Make the quick way of a project, for the tables that its applications decide on.

    An application whose reads rest on a consent, which may end at any moment, decides the slow way.
    """
    free = {name: app for name, app in apps.items() if not guard.consents(app)}
    loading, pending, now = stores.loading, stores.pending, stores.clock.now
    most = stores.project.engine.stream_events

    def cold(name: str, events: int) -> Cold:
        # 13 bits of the sieve for each event, or up to twice as many.
        sieve = max(1 << 24, 1 << (13 * events // 8).bit_length())
        return Cold(lambda: stores.rows, name, events=most, sieve_bytes=sieve, lasting=False)

    current = Current(free.values(), reads, pending, loading, now, cold)
    pepper = stores.keys.pepper("pan")
    taking = Taking(apps, desk, stores.log, pending, current, pepper, now)
    quick = Quick(taking, stores.log, loading, stores.keys)
    loading.changing = current.changing
    stores.lake.awaited = pending.pour
    stores.log.landed = pending.pour_all
    stores.catalog.versions.awaited = stores.settle
    stores.streams_dropped = current.dropped
    return quick
