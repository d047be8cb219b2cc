# SPDX-License-Identifier: Apache-2.0
"""The index of decisions: where each lies in the log, found by id, subject or application."""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

import pyarrow as pa
from sqlalchemy import bindparam, delete, func, select

from heptad.catalog.inserts import insert_all, upsert
from heptad.catalog.schema import DecisionCountRow, DecisionRow
from heptad.standards.errors import Conflict, InputError, UnknownName
from heptad.standards.time import day

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager

    from sqlalchemy import BindParameter, Connection, Select

    from heptad.catalog.store import Store
    from heptad.catalog.versions import Versions

_CHUNK, _PART = 500, 100_000
LAST = "\U0010ffff"
"""Sorts after every other character."""


class Entry(NamedTuple):
    """One decision in the index.

    Attributes:
        place: its number in the log.
        id: the decision's id, its idempotency key.
        app: the application that decided.
        subject: key of the person whom it is about; None if nobody.
        event_time: the instant that it decides for, µs UTC.
        outcome: approve, decline, refer, …
        body: SHA-256 of the request that asked for it, 32 bytes.
    """

    place: int
    id: str
    app: str
    subject: str | None
    event_time: int
    outcome: str
    body: bytes


class Page(NamedTuple):
    """A part of a list, and the cursor at which it goes on; None at the end."""

    entries: list[Entry]
    cursor: str | None


class Decisions:
    """An index over the log of decisions; whatever is lost here is rebuilt from the log.

    Attributes:
        behind: called before the index is read, so that it holds all that the log holds.
    """

    def __init__(self, store: Store, versions: Versions) -> None:
        self._store, self._versions = store, versions
        self.behind: Callable[[], None] = lambda: None

    def insert(
        self, entries: Sequence[Entry], versions: Mapping[str, Mapping[str, int]] | None = None
    ) -> int:
        """Add decisions that the log holds; those that are in the index already are left.

        Args:
            entries: the decisions.
            versions: application → table → version that the decisions name; they are pinned.

        Returns:
            How many were added.

        Raises:
            Conflict: if an id or a place is taken by another decision; nothing is added.
        """
        with self._store.write() as connection:
            fresh = entries
            try:
                self._add(fresh)
            except Conflict:
                # Rare, after a kill between log and index: only then look for what is there.
                fresh = _missing(connection, entries)
                self._add(fresh)
            for app, named in (versions or {}).items():
                self._versions.pin(named, f"app:{app}")
        return len(fresh)

    def find(self, id: str) -> Entry | None:  # noqa: A002
        """Return a decision, or None."""
        return self.known([id]).get(id)

    def get(self, id: str) -> Entry:  # noqa: A002
        """Return a decision.

        Raises:
            UnknownName: if there is none of that id.
        """
        found = self.find(id)
        if found is None:
            raise UnknownName("There is no decision of this id.", got=id, do="see `heptad log`")
        return found

    def starting(self, start: str, limit: int = 2) -> list[str]:
        """Return ids that begin with a text, the exact one first."""
        column = DecisionRow.id
        near = column.startswith(start, autoescape=True)
        if self._store.path is not None:
            # LIKE of SQLite reads the whole table, and takes "A" for "a".
            near = (column >= start) & (column < start + LAST)
        wanted = select(column).where(near)
        with self._read() as connection:
            found = connection.execute(wanted.order_by(column).limit(limit)).scalars()
            return list(found)

    def known(self, ids: Iterable[str]) -> dict[str, Entry]:
        """Return the decisions, by id, that are in the index."""
        wanted = list(dict.fromkeys(ids))
        with self._read() as connection:
            return {e.id: e for e in _select(connection, _BY_ID, wanted)}

    def asked(self, requests: Mapping[str, bytes]) -> dict[str, Entry]:
        """Return the decisions that answer requests which were made before.

        Args:
            requests: id → SHA-256 of the body.

        Raises:
            Conflict: if an id was used before with another body.
        """
        found = self.known(requests)
        for id_, entry in found.items():
            if entry.body != requests[id_]:
                raise Conflict(
                    "This id was used before for another request.",
                    got=id_,
                    do="give each request an id of its own, and repeat it unchanged",
                )
        return found

    def page(  # noqa: PLR0913 - what is listed, by name
        self,
        *,
        app: str | None = None,
        subject: str | None = None,
        outcome: str | None = None,
        since: int | None = None,
        until: int | None = None,
        cursor: str | None = None,
        limit: int = 50,
    ) -> Page:
        """List decisions, the last one first.

        A cursor stays good while decisions are added: the pages that follow it do not change.

        Args:
            app: only of this application.
            subject: only about this person.
            outcome: only with this outcome, or one of several with commas between.
            since: only of what happened from this instant on, µs UTC; the order is that of the
                log, in which what is dated back stands late.
            until: only of what had happened by this instant, µs UTC.
            cursor: where the page before ended.
            limit: entries of the page, 1 to 1000.

        Raises:
            InputError: if the cursor is not one of this list.
        """
        limit = max(1, min(limit, 1000))
        asked = {"app": app, "subject": subject, "outcome": outcome}
        wanted = select(*_COLUMNS).order_by(DecisionRow.place.desc()).limit(limit + 1)
        for name, value in asked.items():
            if value is not None:
                some = value.split(",") if name == "outcome" else [value]
                wanted = wanted.where(getattr(DecisionRow, name).in_(some))
        if since is not None:
            asked["since"] = str(since)
            wanted = wanted.where(DecisionRow.event_time >= since)
        if until is not None:
            asked["until"] = str(until)
            wanted = wanted.where(DecisionRow.event_time <= until)
        if cursor is not None:
            wanted = wanted.where(DecisionRow.place < _place(cursor, asked))
        with self._read() as connection:
            found = [Entry(*row) for row in connection.execute(wanted)]
        more = len(found) > limit
        return Page(found[:limit], _cursor(found[limit - 1].place, asked) if more else None)

    def counts(self, app: str | None = None, *, at: int | None = None) -> dict[str, int]:
        """Count decisions by outcome.

        Args:
            app: only of this application.
            at: only of what had happened by this instant, µs UTC, to the microsecond.
        """
        wanted = select(DecisionCountRow.outcome, func.sum(DecisionCountRow.n))
        if app is not None:
            wanted = wanted.where(DecisionCountRow.app == app)
        if at is not None:
            wanted = wanted.where(DecisionCountRow.day < at // day)
        with self._read() as connection:
            rows = connection.execute(wanted.group_by(DecisionCountRow.outcome))
            found = Counter({row[0]: int(row[1]) for row in rows})
        if at is not None:
            found += self._of_day(app, at)
        return dict(sorted(found.items()))

    def _of_day(self, app: str | None, at: int) -> Counter[str]:
        """Count what had happened between midnight and an instant of that day, by outcome."""
        with self._read() as connection:
            found = connection.execute(of_day(app, at))
            return Counter({str(name): int(n) for name, n in found})

    def by_day(self, app: str, *, at: int | None = None) -> dict[int, dict[str, int]]:
        """Count an application's decisions by day (first instant, µs UTC) and outcome.

        Args:
            app: its name.
            at: only of what had happened by this instant, µs UTC.
        """
        if at is not None:
            last, today = at // day * day, self._of_day(app, at)
            before = {d: of for d, of in self.by_day(app).items() if d < last}
            return before | ({last: dict(sorted(today.items()))} if today else {})
        wanted = select(DecisionCountRow.day, DecisionCountRow.outcome, DecisionCountRow.n)
        wanted = wanted.where(DecisionCountRow.app == app)
        wanted = wanted.order_by(DecisionCountRow.day, DecisionCountRow.outcome)
        days: dict[int, dict[str, int]] = {}
        with self._read() as connection:
            for row in connection.execute(wanted):
                days.setdefault(row.day * day, {})[row.outcome] = row.n
        return days

    def ids(self) -> Iterator[pa.Array]:
        """Yield the ids of all decisions, in parts."""
        with self._read() as connection:
            found = connection.execution_options(yield_per=_PART).execute(select(DecisionRow.id))
            for part in found.scalars().partitions():
                yield pa.array(part, pa.string())

    def size(self) -> int:
        """Return the place after the last indexed one: from there the log is to be indexed."""
        with self._read() as connection:
            last = connection.execute(select(func.max(DecisionRow.place))).scalar()
        return 0 if last is None else last + 1

    def clear(self) -> None:
        """Forget all entries, before the index is built again from the log."""
        with self._store.write() as connection:
            connection.execute(delete(DecisionRow))
            connection.execute(delete(DecisionCountRow))

    def _read(self) -> AbstractContextManager[Connection]:
        """Read the index once it has followed."""
        self.behind()
        return self._store.read()

    def _add(self, entries: Sequence[Entry]) -> None:
        """Insert entries, all or none, and count them."""
        if entries:
            with self._store.write() as connection:
                insert_all(connection, DecisionRow, Entry._fields, entries)
                _count(connection, entries)


_COLUMNS = [getattr(DecisionRow, name) for name in Entry._fields]
_SOME: BindParameter[Any] = bindparam("values", expanding=True)
_BY_ID = select(*_COLUMNS).where(DecisionRow.id.in_(_SOME))
_BY_PLACE = select(*_COLUMNS).where(DecisionRow.place.in_(_SOME))


def of_day(app: str | None, at: int) -> Select[str, int]:
    """Return what counts decisions between midnight and an instant of that day, by outcome.

    Args:
        app: only of this application; of those that decided for that day by default.
        at: the instant, µs UTC.
    """
    that_day = select(DecisionCountRow.app).where(DecisionCountRow.day == at // day)
    wanted = select(DecisionRow.outcome, func.count()).group_by(DecisionRow.outcome)
    return wanted.where(
        DecisionRow.app.in_(that_day if app is None else [app]),
        DecisionRow.event_time >= at // day * day,
        DecisionRow.event_time <= at,
    )


def _missing(connection: Connection, entries: Sequence[Entry]) -> list[Entry]:
    """Return the entries that are not in the index.

    Raises:
        Conflict: if one has the id or the place of another.
    """
    places = {entry.place: entry for entry in entries}
    ids = {entry.id: entry for entry in entries}
    met = _select(connection, _BY_ID, list(ids))
    met += _select(connection, _BY_PLACE, list(places))
    wrong = next((e for e in met if ids.get(e.id) != e or places.get(e.place) != e), None)
    if wrong or len(places) < len(entries) or len(ids) < len(entries):
        raise Conflict(
            "Two decisions have the same id or the same place in the log.",
            got=wrong.id if wrong else "the same one twice",
            do="run `heptad log verify`",
        )
    known = {entry.id for entry in met}
    return [entry for entry in entries if entry.id not in known]


def _select(connection: Connection, wanted: Select[Any], values: Sequence[Any]) -> list[Entry]:
    """Return the entries that a query finds by one of the values."""
    found: list[Entry] = []
    for start in range(0, len(values), _CHUNK):
        chunk = {"values": values[start : start + _CHUNK]}
        found += [Entry(*row) for row in connection.execute(wanted, chunk)]
    return found


def _count(connection: Connection, entries: Iterable[Entry]) -> None:
    """Add new entries to the counts by outcome and day."""
    counted = Counter((e.app, e.outcome, e.event_time // day) for e in entries)
    rows = [
        {"app": app, "outcome": outcome, "day": number, "n": n}
        for (app, outcome, number), n in sorted(counted.items())
    ]
    upsert(connection, DecisionCountRow, rows, add=("n",))


def _seal(asked: Mapping[str, str | None]) -> bytes:
    """Return what tells the cursors of one list from those of another."""
    return hashlib.sha256(repr(sorted(asked.items())).encode()).digest()[:6]


def _cursor(place: int, asked: Mapping[str, str | None]) -> str:
    """Write the place at which a page ended."""
    return urlsafe_b64encode(_seal(asked) + place.to_bytes(9, "big")).decode()


def _place(cursor: str, asked: Mapping[str, str | None]) -> int:
    """Read a cursor.

    Raises:
        InputError: if it was not given out for this list.
    """
    try:
        packed = urlsafe_b64decode(cursor.encode("ascii"))
    except ValueError:
        packed = b""
    if len(packed) != 15 or packed[:6] != _seal(asked):
        raise InputError(
            "The cursor does not belong to this list.", got=cursor, do="start without a cursor"
        )
    return int.from_bytes(packed[6:], "big")
