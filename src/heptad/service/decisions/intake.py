# SPDX-License-Identifier: Apache-2.0
"""Where rows come in one by one and are decided: callers that wait are served together."""

from __future__ import annotations

import threading
import unicodedata
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from heptad.service.decisions.deciding import select_rows
from heptad.service.decisions.grouping import Grouped
from heptad.service.decisions.taking import Ask
from heptad.standards.errors import Busy, Conflict, ContractError, HeptadError, UnknownName

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from heptad.catalog.loading import Loading
    from heptad.ingest.report import RowsReport
    from heptad.service.app import App
    from heptad.service.decisions.deciding import Asked
    from heptad.service.decisions.desk import Desk
    from heptad.service.decisions.log import DecisionLog
    from heptad.service.decisions.quick import Quick
    from heptad.service.decisions.records import Opened
    from heptad.service.decisions.taking import Taken
    from heptad.service.reads.reads import Reads
    from heptad.standards import Table

    Row = Mapping[str, Any]

TURNS = 1024
"""Locks among which requests with an id of their own are spread."""
MOST_ROWS = 10_000
"""Rows stored in one go for several callers."""


@dataclass(frozen=True, slots=True)
class _Post:
    """Rows of a table that a caller sends."""

    table: str
    rows: Sequence[Row]


@dataclass(frozen=True, slots=True)
class _Please:
    """One row that a caller wants decided: a new one, or a stored one by its key."""

    app: str
    row: Row | None
    key: str | None
    asked: Asked | None

    @property
    def rows(self) -> Sequence[Row]:
        """The rows to be stored first."""
        return () if self.row is None else (self.row,)


@dataclass(frozen=True, slots=True)
class _Left:
    """Stored rows that an application is still to decide."""

    app: str
    keys: Sequence[str]
    asked: Asked | None = None


class Intake:
    """Stores rows and decides them, for many callers at once.

    What each caller is answered is what one after the other would have been answered.

    Args:
        apps: the applications by name.
        loading: stores rows.
        reads: finds which rows are new.
        desk: decides.
        log: knows which requests were answered before.
        platform: the open platform, for applications that complete new rows.

    Attributes:
        quick: takes clean new rows, while the project is served.
    """

    def __init__(
        self,
        apps: Mapping[str, App],
        loading: Loading,
        reads: Reads,
        desk: Desk,
        log: DecisionLog,
        platform: Any,
    ) -> None:
        self._apps, self._loading, self._reads = apps, loading, reads
        self._platform = platform
        self._desk, self._log = desk, log
        self._turns = [threading.Lock() for _ in range(TURNS)]
        self.quick: Quick | None = None
        self._accept: Grouped[_Post, tuple[RowsReport, list[Opened]]] = Grouped(self._accepted)
        self._decide: Grouped[_Please, Opened] = Grouped(self._decided)
        self._leave: Grouped[_Left, dict[str, Opened | BaseException]] = Grouped(self._left)

    def accept(self, table: str, rows: Sequence[Row]) -> tuple[RowsReport, list[Opened]]:
        """Store rows and decide those that an application decides on; see `Platform.accept`."""
        rows = self._completed(table, rows)
        taken = self.quick.ask(Ask(table, rows)) if self.quick is not None else None
        return self.finished(taken) if taken is not None else self._accept(_Post(table, rows))

    def _completed(self, table: str, rows: Sequence[Row]) -> Sequence[Row]:
        """Let applications complete the new ones among the rows that they decide on."""
        apps = [a for a in self._apps.values() if a.prepare and a.on.__name__ == table]
        if not apps or not rows:
            return rows
        there = self._there(apps[0].on, rows)
        found = []
        for row in rows:
            new = isinstance(row, dict) and str(row.get(apps[0].on.key.name)) not in there
            for app in apps if new else ():
                row = app.prepare(self._platform, row) if app.prepare else row  # noqa: PLW2901
            found.append(row)
        return found

    def _there(self, table: type[Table], rows: Sequence[Row]) -> set[str]:
        """Return the keys of rows that are stored already."""
        name = table.key.name
        keys = [str(row[name]) for row in rows if isinstance(row, dict) and name in row]
        found = select_rows(self._reads.queries, table, self._reads.stored(table), keys=keys)
        return set(found.column(name).to_pylist())

    def finished(self, taken: Taken) -> tuple[RowsReport, list[Opened]]:
        """Decide what the quick way left, and tell what became of rows that it took."""
        if taken.failed is not None:
            raise taken.failed
        made: dict[str, list[Opened]] = {name: [] for name in self._apps}
        for entry in taken.made:
            made[str(entry.public["app"])].append(entry)
        for name in taken.undecided:
            for answer in self._leave(_Left(name, taken.report.accepted)).values():
                if isinstance(answer, BaseException):
                    raise answer
                made[name].append(answer)
        return taken.report, [
            entry for found in made.values() for entry in sorted(found, key=_when)
        ]

    def decide_one(
        self, app: App, row: Row | None = None, key: str | None = None, name: str | None = None
    ) -> Opened:
        """Decide one row; see `Platform.decide_one`."""
        # Of requests with the same id the second waits until the first is answered.
        with self.turn(name) if name else nullcontext():
            asked = self._desk.asked(app.name, row if key is None else key, name) if name else None
            if asked and (before := self._log.answered(asked.id, asked.body)):
                return before
            if row is not None and key is None and app.prepare is not None:
                # A row that is there already keeps what it was completed with.
                key = next(iter(self._there(app.on, [row])), None)
                row = self._completed(app.on.__name__, [row])[0] if key is None else None
            taken = None
            if row is not None and key is None and self.quick is not None:
                taken = self.quick.ask(Ask(app.on.__name__, [row], app.name, asked))
            if taken is not None:
                return self.decided(taken, app, asked)
            return self._decide(_Please(app.name, row, key, asked))

    def decided(self, taken: Taken, app: App, asked: Asked | None) -> Opened:
        """Return the decision of one row that the quick way took."""
        if taken.failed is not None:
            raise taken.failed
        if taken.made:
            return taken.made[0]
        (key,) = taken.report.accepted
        found = self._leave(_Left(app.name, [key], asked))
        answer = found.get(key, _erased(app.on.__name__, key))
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def turn(self, name: str) -> threading.Lock:
        """Return the lock that whoever answers a request of this id holds."""
        return self._turns[hash(name) % TURNS]

    def _accepted(
        self, posts: Sequence[_Post]
    ) -> list[tuple[RowsReport, list[Opened]] | BaseException]:
        return _in_groups(posts, lambda p: p.table, self._key_of, self._accept_group)

    def _decided(self, asked: Sequence[_Please]) -> list[Opened | BaseException]:
        return _in_groups(asked, lambda p: p.app, self._key_of_asked, self._decide_group)

    def _left(self, group: Sequence[_Left]) -> list[dict[str, Opened | BaseException]]:
        """Decide what the quick way left, for several callers together."""
        found: dict[str, dict[str, Opened | BaseException]] = {}
        for name in {left.app for left in group}:
            mine = [left for left in group if left.app == name]
            asked = {left.keys[0]: left.asked for left in mine if left.asked is not None}
            found[name] = self._made(self._apps[name], [k for x in mine for k in x.keys], asked)
        return [
            {k: answer for k in left.keys if (answer := found[left.app].get(k)) is not None}
            for left in group
        ]

    def _key_of(self, post: _Post) -> list[str]:
        return _keys(self._loading.table(post.table), post.rows)

    def _key_of_asked(self, please: _Please) -> list[str]:
        table = self._apps[please.app].on
        return _keys(table, please.rows) if please.key is None else [_plain(please.key)]

    def _accept_group(
        self, posts: Sequence[_Post]
    ) -> list[tuple[RowsReport, list[Opened]] | BaseException]:
        """Store and decide what several callers sent to one table."""
        name = posts[0].table
        parts = self._stored(name, [post.rows for post in posts])
        wanted = [[*self._fresh(name, part), *part.duplicates] for part in parts]
        made: list[list[Opened]] = [[] for _ in posts]
        failed: dict[int, BaseException] = {}
        for app in self._apps.values():
            if app.on.__name__ != name:
                continue
            found = self._made(app, [key for keys in wanted for key in keys])
            for n, keys in enumerate(wanted):
                answers = [found[key] for key in dict.fromkeys(keys) if key in found]
                for answer in answers:
                    if isinstance(answer, BaseException):
                        failed.setdefault(n, answer)
                made[n] += sorted(
                    (x for x in answers if not isinstance(x, BaseException)), key=_when
                )
        return [
            failed.get(n, (part, decided))
            for n, (part, decided) in enumerate(zip(parts, made, strict=True))
        ]

    def _decide_group(self, group: Sequence[_Please]) -> list[Opened | BaseException]:
        """Store the new rows and decide all that several callers want from one application."""
        app = self._apps[group[0].app]
        name = app.on.__name__
        parts = self._stored(name, [please.rows for please in group])
        keys: list[str | BaseException] = []
        for please, part in zip(group, parts, strict=True):
            try:
                keys.append(please.key if please.key is not None else self._stored_key(name, part))
            except HeptadError as error:
                keys.append(error)
        asked = {
            k: p.asked for k, p in zip(keys, group, strict=True) if p.asked and isinstance(k, str)
        }
        erased: list[str] = []
        found = self._made(app, [k for k in keys if isinstance(k, str)], asked, erased)
        found |= {key: _erased(name, key) for key in erased}
        return [found.get(k, _no_row(name, k)) if isinstance(k, str) else k for k in keys]

    def _stored(self, table: str, parts: Sequence[Sequence[Row]]) -> list[RowsReport]:
        """Store rows of several callers; nothing is stored if it fails."""
        report = self._loading.load_rows(table, [row for rows in parts for row in rows])
        return report.parts([len(rows) for rows in parts])

    def _stored_key(self, table: str, part: RowsReport) -> str:
        """Return the key of one row that was sent.

        Raises:
            ContractError: if it was refused by a check.
            Conflict: if it is a correction of a row that was stored before.
        """
        if part.rejected:
            raise ContractError(part.rejected[0].says, do=part.rejected[0].do)
        key = (*part.accepted, *part.duplicates)[0]
        if part.accepted and not self._fresh(table, part):
            raise Conflict(
                f"{table} {key} was stored before with other values.",
                got=key,
                do="it is kept as a correction, which opens no decision; "
                "ask for the first one by its key",
            )
        return key

    def _fresh(self, table: str, report: RowsReport) -> Sequence[str]:
        """Return the keys that rows brought for the first time, and that are not deleted."""
        declared = self._loading.table(table)
        return self._reads.opened(declared, report) if declared.state else report.opened

    def _made(
        self,
        app: App,
        keys: Sequence[str],
        asked: Mapping[str, Asked] | None = None,
        erased: list[str] | None = None,
    ) -> dict[str, Opened | BaseException]:
        """Decide rows by their keys; where one fails, each by itself."""
        try:
            return self._all_made(app, keys, asked, erased)
        except HeptadError as error:
            if len(keys) == 1:
                return {keys[0]: error}
        found: dict[str, Opened | BaseException] = {}
        for key in keys:
            found |= self._made(app, [key], asked, erased)
        return found

    def _all_made(
        self,
        app: App,
        keys: Sequence[str],
        asked: Mapping[str, Asked] | None,
        erased: list[str] | None,
    ) -> dict[str, Opened | BaseException]:
        if not keys:
            return {}
        each = self._desk.each(app, keys=keys, asked=asked, erased=erased)
        return {str(entry.public["row_key"]): entry for batch in each for entry in batch}


def _in_groups(
    given: Sequence[Any],
    kind: Callable[[Any], str],
    keys: Callable[[Any], list[str]],
    serve: Callable[[Sequence[Any]], Sequence[Any]],
) -> list[Any]:
    """Serve calls in groups that do not touch each other; one that fails as a group, one by one.

    Args:
        given: the calls.
        kind: only calls of one kind go together.
        keys: the rows that a call is about; two calls about the same row do not go together.
        serve: answers a group; where it raises it has changed nothing.
    """
    answers: dict[int, Any] = {}
    for group in _apart(given, kind, keys):
        try:
            found = serve([given[n] for n in group])
        except Busy as error:
            found = [error] * len(group)
        except HeptadError as error:
            found = [error] if len(group) == 1 else [_alone(serve, given[n]) for n in group]
        answers |= zip(group, found, strict=True)
    return [answers[n] for n in range(len(given))]


def _alone(serve: Callable[[Sequence[Any]], Sequence[Any]], given: Any) -> Any:
    try:
        return serve([given])[0]
    except HeptadError as error:
        return error


def _apart(
    given: Sequence[Any], kind: Callable[[Any], str], keys: Callable[[Any], list[str]]
) -> list[list[int]]:
    """Divide calls, in order, into groups of one kind whose rows differ; see `_in_groups`."""
    open_groups: dict[str, tuple[list[int], set[str], int]] = {}
    groups: list[list[int]] = []
    for n, call in enumerate(given):
        try:
            touched = keys(call)
        except HeptadError:
            groups.append([n])
            continue
        group, seen, size = open_groups.get(kind(call), ([], set(), 0))
        if not group or size + len(touched) > MOST_ROWS or not seen.isdisjoint(touched):
            group, seen, size = [], set(), 0
            groups.append(group)
        group.append(n)
        seen.update(touched)
        open_groups[kind(call)] = (group, seen, size + len(touched))
    return groups


def _keys(table: type[Table], rows: Sequence[Row]) -> list[str]:
    """Return what the keys of rows are, at most: two that ingest takes for one are one here."""
    name = table.key.name
    return [_plain(row.get(name)) if isinstance(row, dict) else "" for row in rows]


def _plain(value: object) -> str:
    return " ".join(unicodedata.normalize("NFC", str(value)).split()).casefold()


def _when(entry: Opened) -> tuple[int, str]:
    """Decisions of one application are told in the order of their rows."""
    return int(entry.public["event_time"]), str(entry.public["row_key"])


def _erased(table: str, key: str) -> Conflict:
    return Conflict(
        f"The person whom {table} {key} is about is erased: nothing is decided about them.",
        got=key,
        do="leave the row out; if the person has come back: `heptad subject revive KEY --reason …`",
    )


def _no_row(table: str, key: str) -> UnknownName:
    return UnknownName(
        f"{table} has no row {key!r}.", got=key, do=f"see `heptad tables rows {table}`"
    )
