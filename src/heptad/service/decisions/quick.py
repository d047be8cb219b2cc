# SPDX-License-Identifier: Apache-2.0
"""The quick way of a posted row: checked, made durable in the journal, decided from the reels.

What the quick way answers is what the slow one would have answered. It takes clean new rows only;
whatever else is posted is left to the slow way, as is a decision that the reels cannot serve.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import defaultdict, deque
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from heptad.catalog.courtesy import behind, serving
from heptad.ingest.report import NEW, RowsReport
from heptad.ingest.rowwise import RowCheck, Unusual
from heptad.security.tokens import pan_token
from heptad.service.decisions.deciding import decide_each, plain_row
from heptad.service.decisions.desk import hashes_of
from heptad.service.stream.cold import Cold
from heptad.service.stream.current import Current, beside
from heptad.service.stream.reels import told
from heptad.service.stream.streams import OutOfReach
from heptad.sources.cells import flat
from heptad.standards.errors import Busy, ContractError, HeptadError
from heptad.standards.fields import Text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from heptad.catalog.loading import Loading
    from heptad.catalog.pending import Line, Pending
    from heptad.security.keys import KeyStore
    from heptad.service.app import App
    from heptad.service.decisions.deciding import Asked
    from heptad.service.decisions.decision import Decision
    from heptad.service.decisions.desk import Desk
    from heptad.service.decisions.log import DecisionLog
    from heptad.service.decisions.records import Opened
    from heptad.service.reads.guard import Guard
    from heptad.service.reads.reads import Reads
    from heptad.service.stores import Stores
    from heptad.service.stream.current import Slot

    Row = Mapping[str, Any]

GROUP, MOST = 256, 2048
"""Requests that are served together, and that may wait."""
MOST_ROWS = 500
"""Rows of one request; more are stored quicker by a load."""
SWIFT_S = 0.1
"""A group that took longer is followed by one that a thread of ours serves."""
POUR_ROWS, POUR_S = 5_000, 5.0
"""So many rows wait to be stored at most, or so many seconds, about."""
_LOG = logging.getLogger("heptad.quick")


@dataclass(eq=False)
class Ask:
    """One request: rows of a table to be stored, and decided.

    Attributes:
        table: name of the table.
        rows: plain values by field name.
        app: the application that is asked; None for all that decide on the table.
        asked: the request's id, if its caller gave one.
        done: is told what became of it: `Taken`, None for the slow way, or an error.
    """

    table: str
    rows: Sequence[Row]
    app: str | None = None
    asked: Asked | None = None
    done: Callable[[Taken | BaseException | None], None] = lambda _: None


@dataclass(eq=False)
class Taken:
    """Rows that were taken, durably.

    Attributes:
        report: what became of the rows.
        made: the decisions, recorded.
        undecided: applications that are still to decide them, the slow way.
        failed: why one was not decided.
    """

    report: RowsReport
    made: list[Opened] = field(default_factory=list)
    undecided: list[str] = field(default_factory=list)
    failed: HeptadError | None = None


@dataclass(eq=False)
class _Turn:
    """One request on its way."""

    ask: Ask
    line: Line
    rows: list[dict[str, Any]]
    keys: list[str]


class Quick:
    """Serves requests in groups, by one thread; another stores what waits, one builds reels.

    A thread that has few requests and need not wait serves them itself: handing them over, and
    the answers back, takes as long as deciding them.

    Args:
        apps: the applications by name.
        desk: tells what decisions rest on.
        log: where they are recorded.
        loading: the stores.
        pending: rows that wait to be stored.
        current: the reels.
        keys: hold the pepper of card numbers.
        now: the present, microseconds.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - the parts that it is made from
        self,
        apps: Mapping[str, App],
        desk: Desk,
        log: DecisionLog,
        loading: Loading,
        pending: Pending,
        current: Current,
        keys: KeyStore,
        now: Callable[[], int],
    ) -> None:
        self._desk, self._log, self._loading, self._now = desk, log, loading, now
        self.pending, self.current = pending, current
        self._keys, self._pepper = keys, keys.pepper("pan")
        self._apps: dict[str, list[App]] = defaultdict(list)
        self._checks: dict[str, RowCheck] = {}
        self._pans: dict[str, list[str]] = {}
        self._hashes = {app.name: hashes_of(app) for app in apps.values()}
        self._last = current.arrived
        # A row that an application completes first goes the slow way, which lets it.
        completed = {app.on for app in apps.values() if app.prepare is not None}
        for app in apps.values():
            name = app.on.__name__
            self._apps[name].append(app)
            if name not in self._checks and app.on not in completed and RowCheck.fits(app.on):
                self._checks[name] = RowCheck(app.on)
                texts = [f for f in app.on.fields.values() if isinstance(f, Text)]
                self._pans[name] = [f.name for f in texts if f.pan]
                pending.open(app.on)
                current.watch(app.on)
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
        return table in self._checks

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
            self._asks.append(ask)
            if len(self._asks) == 1:
                self._some.notify()

    def at_once(self, group: Sequence[Ask]) -> dict[Ask, Taken | BaseException | None] | None:
        """Serve a few requests in the caller's own thread, if nobody has to be waited for.

        Returns:
            What became of each, None for the slow way; None in all if others are being served, or
            wait, or the last group took long, as on a slow disk: then they are to be submitted.
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
                while not self._asks and not self._stop.is_set():
                    self._some.wait()
                group = [self._asks.popleft() for _ in range(min(len(self._asks), GROUP))]
            if not group:
                return
            with self._turn, serving():
                for ask, answer in self._told(group).items():
                    ask.done(answer)

    def _told(self, group: Sequence[Ask]) -> dict[Ask, Taken | BaseException | None]:
        """Serve a group, and return what each caller is told: None for the slow way."""
        told, begun = dict.fromkeys(group), time.perf_counter()
        try:
            return told | self._served(group)
        except BaseException as error:  # noqa: BLE001 - each caller is told, none waits for ever
            return dict.fromkeys(group, error)
        finally:
            self._swift = time.perf_counter() - begun <= SWIFT_S

    def _served(self, group: Sequence[Ask]) -> dict[Ask, Taken | BaseException | None]:
        """Serve a group; who is not in the answer goes the slow way."""
        turns = [turn for ask in group if (turn := self._checked(ask)) is not None]
        with self.pending.gate:
            turns = self._timed(self._accepted(turns))
            if not turns:
                return {}
            by_line: dict[Line, list[_Turn]] = defaultdict(list)
            for turn in turns:
                by_line[turn.line].append(turn)
            self.pending.take(
                [(line, [r for t in mine for r in t.rows]) for line, mine in by_line.items()]
            )
            found = {line: self._known(line, mine) for line, mine in by_line.items()}
            named = {
                app.name: self.current.versions(app) for line in found for app in self._of(line)
            }
            versions = {line: line.coming for line in by_line}
        taken = {turn: _taken(turn, versions[turn.line]) for turn in turns}
        for line, mine in by_line.items():
            for app in self._of(line):
                self._decide(app, named[app.name], mine, found[line], taken)
        if sum(line.fresh for line in by_line) >= POUR_ROWS:
            self._many.set()
        return {turn.ask: answer for turn, answer in taken.items()}

    def _of(self, line: Line) -> list[App]:
        return self._apps[line.table.__name__]

    def _checked(self, ask: Ask) -> _Turn | None:
        """Check the rows of a request; None if one is not plainly right."""
        check, line = self._checks.get(ask.table), self.pending.lines.get(ask.table)
        if check is None or line is None or not 0 < len(ask.rows) <= MOST_ROWS:
            return None
        try:
            rows = [check(flat(row)) for row in ask.rows]
        except (Unusual, ValueError, TypeError, AttributeError, RecursionError):
            return None
        for name in self._pans[ask.table]:
            for row in rows:
                if row[name] is not None:
                    row[name] = pan_token(row[name], self._pepper)
        key = line.table.key.name
        return _Turn(ask, line, rows, [row[key] for row in rows])

    def _accepted(self, turns: Sequence[_Turn]) -> list[_Turn]:
        """Return the requests whose rows are new, and whose ids are."""
        met = self._met(turns)
        names: set[str] = set()
        found = []
        for turn in turns:
            asked, line = turn.ask.asked, turn.line
            mine = set(turn.keys)
            if line not in met or len(mine) < len(turn.keys) or mine & met[line]:
                continue
            if asked is not None and (asked.id in names or self._log.met(asked.id)):
                continue
            met[line] |= mine
            if asked is not None:
                names.add(asked.id)
            found.append(turn)
        # Rows of one table follow each other: they are read before those of the next are taken.
        return sorted(found, key=lambda turn: turn.ask.table)

    def _met(self, turns: Sequence[_Turn]) -> dict[Line, set[str]]:
        """Return, of each line that takes rows at once, which of their keys may have been met."""
        asked: dict[Line, list[str]] = defaultdict(list)
        for turn in turns:
            asked[turn.line] += turn.keys
        found: dict[Line, set[str]] = {}
        for line, keys in asked.items():
            known = self.current.keys[line.table.__name__]
            if known is not None and not line.shut:
                found[line] = {k for k, there in zip(keys, known.known(keys), strict=True) if there}
        return found

    def _timed(self, turns: Sequence[_Turn]) -> list[_Turn]:
        """Say when each row counts as known; leave out what has not happened yet."""
        k = max(self._now(), max(self._last, self.current.arrived) + 1)
        turns = [t for t in turns if all(row["event_time"] <= k for row in t.rows)]
        total = sum(len(turn.rows) for turn in turns)
        while (due := self.current.next_due()) <= k + total:
            k = max(k, due)
            self.current.due(k)
        for row in (row for turn in turns for row in turn.rows):
            row["known_time"] = k
            k += 1
        self._last = max(self._last, k)
        return turns

    def _known(self, line: Line, turns: Sequence[_Turn]) -> dict[str, list[Any]]:
        """Note new keys, and read the features of the rows, which are durable already."""
        keys = self.current.keys[line.table.__name__]
        assert keys is not None  # noqa: S101 - nothing is accepted without
        keys.add(new := [key for turn in turns for key in turn.keys])
        self.current.came(line.table, new)
        try:
            return self._read(line, turns)
        except Exception:  # noqa: BLE001 - the rows are taken; the slow way decides them
            # No reel is trusted that may have taken some of the rows only.
            _LOG.exception("features could not be read at once")
            for slot in self.current.all:
                self.current.forget(slot)
            return {}

    def _read(self, line: Line, turns: Sequence[_Turn]) -> dict[str, list[Any]]:
        """Let the reels take new rows of a table, and read what applications decide on.

        Returns:
            Application → per row its features, or None where the reels cannot say.
        """
        rows = [row for turn in turns for row in turn.rows]
        found: dict[str, list[Any]] = {}
        owned: dict[Slot, list[Any]] = {}
        served = [a for a in self._of(line) if self.current.served(a, rows[0]["known_time"])]
        for app in served:
            for slot in self.current.slots[app.name]:
                if slot.shape.own and not slot.shape.links and slot.reel is not None:
                    owned[slot] = []
        for app in served:
            others = [s for s in self.current.slots[app.name] if s not in owned]
            found[app.name] = [beside(others, rows)]
        for row in rows:
            self.current.put(line.table, row, owned)
            for slot, values in owned.items():
                values.append(self._followed(slot, row))
        for app in served:
            mine = [owned[s] for s in self.current.slots[app.name] if s in owned]
            parts = [*found[app.name], *mine]
            found[app.name] = [_joined(app, values) for values in zip(*parts, strict=True)]
        return found

    def _followed(self, slot: Slot, row: Row) -> dict[str, Any] | None:
        """Let a reel take a row and read it; None if it cannot say."""
        if slot.reel is None:
            slot.extra.append(row)
            return None
        try:
            return slot.reel.follow(row, self.current.rates)
        except (OutOfReach, ContractError):
            return None
        except OverflowError:
            self.current.forget(slot)
            return None

    def _decide(
        self,
        app: App,
        tables: Mapping[str, int],
        turns: Sequence[_Turn],
        found: Mapping[str, Sequence[Any]],
        taken: Mapping[_Turn, Taken],
    ) -> None:
        """Decide and record the rows of a group that an application decides on."""
        name, features = app.name, iter(found.get(app.name, ()))
        wanted: list[tuple[_Turn, Row, Any]] = []
        for turn in turns:
            values = [next(features, None) for _ in turn.rows]
            if turn.ask.app not in (None, name):
                continue
            if any(value is None for value in values):
                taken[turn].undecided.append(name)
            else:
                wanted += [(turn, row, v) for row, v in zip(turn.rows, values, strict=True)]
        if not wanted:
            return
        key = app.on.key.name
        asked = {t.keys[0]: t.ask.asked for t, _, _ in wanted if t.ask.asked is not None}
        at_once = self._desk.at_once(app, tables, self._hashes[name], asked)
        rows = (
            (plain_row(app.on, row), values, (row["event_time"], row["known_time"]))
            for _, row, values in wanted
        )
        made, failed = decide_each(app, rows, at_once)
        turn_of = {row[key]: turn for turn, row, _ in wanted}
        for row_key, error in failed.items():
            error.place = error.place or f"{app.on.__name__} {row_key}"
            taken[turn_of[row_key]].failed = error
        for entry in self._recorded(name, made, turn_of, taken):
            taken[turn_of[str(entry.public["row_key"])]].made.append(entry)

    def _recorded(
        self,
        app: str,
        made: Sequence[Decision],
        turn_of: Mapping[str, _Turn],
        taken: Mapping[_Turn, Taken],
    ) -> Sequence[Opened]:
        """Record decisions; if the log refuses, the callers are told, and the rows are stored.

        What the log cannot take at once is decided the slow way.
        """
        turns = {turn_of[decision.row_key] for decision in made}
        try:
            recorded = self._log.record_at_once(made)
        except HeptadError as error:
            for turn in turns:
                taken[turn].failed = error
            return ()
        if recorded is None:
            for turn in turns:
                taken[turn].undecided.append(app)
            return ()
        return recorded

    def _pouring(self) -> None:
        """Store what waits, again and again, and at the end."""
        with behind():
            while not self._stop.is_set():
                self._many.wait(POUR_S)
                self._many.clear()
                self._pour()
        self._threads[0].join()
        self._pour()

    def _pour(self) -> None:
        try:
            self.pending.pour_all()
            self._log.settle()
            self.pending.trim()
            for name in self._checks:
                self._loading.tidy(name, wait=False)
        except Exception as error:  # noqa: BLE001 - it is tried again in a second
            _LOG.warning("rows that were taken could not be stored yet: %s", error)

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


def _taken(turn: _Turn, version: int) -> Taken:
    keys = tuple(turn.keys)
    return Taken(
        RowsReport(turn.ask.table, accepted=keys, version=version, became=(NEW,) * len(keys))
    )


def _joined(app: App, values: Sequence[dict[str, Any] | None]) -> dict[str, Any] | None:
    """Put together what the reels of an application say of one row."""
    found: dict[str, Any] = {}
    for part in values:
        if part is None:
            return None
        found |= part
    return told(app.features.values(), found)


def quickened(
    stores: Stores, apps: Mapping[str, App], reads: Reads, desk: Desk, guard: Guard
) -> Quick:
    """Make the quick way of a project, for the tables that its applications decide on.

    An application whose reads rest on a consent, which may end at any moment, decides the slow way.
    """
    free = {name: app for name, app in apps.items() if not guard.consents(app)}
    loading, pending, now = stores.loading, stores.pending, stores.clock.now
    most = stores.project.engine.stream_events

    def cold(name: str, events: int) -> Cold | None:
        if events <= most:
            return None
        # 13 bits of the sieve for each event, or up to twice as many.
        sieve = max(1 << 24, 1 << (13 * events // 8).bit_length())
        return Cold(stores.rows, name, events=most, sieve_bytes=sieve, lasting=False)

    current = Current(free.values(), reads, pending, loading, now, cold)
    quick = Quick(apps, desk, stores.log, loading, pending, current, stores.keys, now)
    loading.changing = current.changing
    stores.lake.awaited = pending.pour
    stores.log.landed = pending.pour_all
    stores.catalog.versions.awaited = stores.settle
    return quick
