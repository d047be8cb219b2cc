# SPDX-License-Identifier: Apache-2.0
"""A group of posted rows on the quick way: checked, made durable in the journal, decided from the reels.

What the quick way answers is what the slow one would have answered. It takes clean new rows only;
whatever else is posted is left to the slow way, as is a decision that the reels cannot serve.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from heptad.ingest.report import NEW, RowsReport
from heptad.ingest.rowwise import RowCheck, Unusual
from heptad.security.tokens import pan_token
from heptad.service.decisions.deciding import decide_each, plain_row
from heptad.service.decisions.desk import hashes_of
from heptad.service.stream.reels import told
from heptad.service.stream.slots import beside
from heptad.service.stream.streams import OutOfReach
from heptad.sources.cells import flat
from heptad.standards.errors import ContractError, HeptadError
from heptad.standards.fields import Text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from heptad.catalog.pending import Line, Pending
    from heptad.service.app import App
    from heptad.service.decisions.deciding import Asked
    from heptad.service.decisions.decision import Decision
    from heptad.service.decisions.desk import Desk
    from heptad.service.decisions.log import DecisionLog
    from heptad.service.decisions.records import Opened
    from heptad.service.stream.current import Current
    from heptad.service.stream.slots import Slot

    Row = Mapping[str, Any]

MOST_ROWS = 500
"""Rows of one request; more are stored quicker by a load."""
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
        since: when it began to wait, seconds of `time.perf_counter`.
    """

    table: str
    rows: Sequence[Row]
    app: str | None = None
    asked: Asked | None = None
    done: Callable[[Taken | BaseException | None], None] = lambda _: None
    since: float = 0.0


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


class Taking:
    """Takes the rows of a group of requests, and decides them; one thread at a time uses it.

    Args:
        apps: the applications by name.
        desk: tells what decisions rest on.
        log: where they are recorded.
        pending: rows that wait to be stored.
        current: the reels.
        pepper: of card numbers.
        now: the present, microseconds.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - the parts that it is made from
        self,
        apps: Mapping[str, App],
        desk: Desk,
        log: DecisionLog,
        pending: Pending,
        current: Current,
        pepper: bytes,
        now: Callable[[], int],
    ) -> None:
        self._desk, self._log, self._pepper, self._now = desk, log, pepper, now
        self.pending, self.current = pending, current
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

    def takes(self, table: str) -> bool:
        """Whether rows of a table may go the quick way."""
        return table in self._checks

    @property
    def tables(self) -> list[str]:
        """The tables whose rows may go the quick way."""
        return list(self._checks)

    @property
    def closed(self) -> set[str]:
        """Those of them that take no row just now: being changed, or their keys being read."""
        return {name for name in self._checks if not self._open(self.pending.lines[name])}

    def _open(self, line: Line) -> bool:
        return not line.shut and self.current.keys[line.table.__name__] is not None

    def serve(self, group: Sequence[Ask]) -> tuple[dict[Ask, Taken], list[Ask]]:
        """Serve a group.

        Returns:
            What was taken, and who came to a closed table; who is in neither goes the slow way.
        """
        turns = [turn for ask in group if (turn := self._checked(ask)) is not None]
        with self.pending.gate:
            closed = self.closed
            late = [turn.ask for turn in turns if turn.ask.table in closed]
            turns = [turn for turn in turns if turn.ask.table not in closed]
            turns = self._timed(self._accepted(turns))
            if not turns:
                return {}, late
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
        return {turn.ask: answer for turn, answer in taken.items()}, late

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
            if len(mine) < len(turn.keys) or mine & met[line]:
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
        """Return, of each line, which of the keys that come now may have been met."""
        asked: dict[Line, list[str]] = defaultdict(list)
        for turn in turns:
            asked[turn.line] += turn.keys
        found: dict[Line, set[str]] = {}
        for line, keys in asked.items():
            known = self.current.keys[line.table.__name__]
            assert known is not None  # noqa: S101 - the line would be closed
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
