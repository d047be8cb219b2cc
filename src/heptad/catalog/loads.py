# SPDX-License-Identifier: Apache-2.0
"""Loads: every attempt to bring rows into a table, in two phases that survive a kill."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from sqlalchemy import bindparam, func, insert, select, update

from heptad.catalog.files import IS_HELD, files_of, hold, let_go, sift, take_over
from heptad.catalog.schema import LoadFileRow, LoadRow
from heptad.standards.errors import Conflict, HeptadError, UnknownName

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sqlalchemy import Connection

    from heptad.catalog.files import Sifted, SourceFile
    from heptad.catalog.store import Store
    from heptad.catalog.versions import Stored, Versions

Status = Literal["started", "staged", "committed", "refused", "failed"]
Known = Literal["mapped", "assumed", "arrival"]


@dataclass(frozen=True, slots=True)
class Counts:
    """What became of the rows of a load.

    Attributes:
        read: rows read from the source.
        accepted: rows written.
        quarantined: reason → rows that were set aside for it.
        duplicates: rows dropped because the table holds the same content.
        corrections: rows among the accepted that are a new version of a known row.
        deletions: rows among the accepted that say that a row is gone.
    """

    read: int = 0
    accepted: int = 0
    quarantined: Mapping[str, int] = field(default_factory=dict)
    duplicates: int = 0
    corrections: int = 0
    deletions: int = 0


@dataclass(frozen=True, slots=True)
class Load:
    """One load.

    Attributes:
        id: number of the load, never reused; the `_load` of the rows that it wrote.
        status: started, staged, committed, refused or failed.
        started: when it began, µs UTC.
        ended: when it was committed, refused or failed; None before.
        arrival: the instant at which its rows became known to the institution.
        known: how known_time was set: "mapped", "assumed" (history) or "arrival".
        contract: hash of the table's declaration.
        counts: what became of its rows.
        staged: where its data files wait, as `Lake.stage` named it; None if it has none.
        watermark: how far a SQL source has been read.
        version: the table version that it made; None if it wrote nothing.
        error: why it was refused or failed, as a problem document.
        epoch: which opening of the catalog began it.
    """

    id: int
    source: str
    table: str
    status: Status
    started: int
    ended: int | None
    arrival: int
    known: Known
    contract: str | None
    counts: Counts
    staged: str | None
    watermark: str | None
    version: int | None
    error: dict[str, Any] | None
    epoch: str


class Loads:
    """The loads of a project.

    A load is *started*, writes data files aside, is *staged* with all that is known of it, then
    the lake commits under its number and it is *committed*. After a kill, `unfinished` names what
    was under way: a started load wrote nothing that counts, so it is `failed`; a staged one is
    committed again by the lake, which repeats nothing, and then `committed` here.
    """

    def __init__(self, store: Store, versions: Versions) -> None:
        self._store, self._versions = store, versions
        self._last: int | None = None
        self._moving = threading.Lock()
        self._newest: dict[str, int] = {}

    def begin(
        self,
        source: str,
        table: str,
        *,
        known: Known = "arrival",
        arrival: int | None = None,
        contract: str | None = None,
    ) -> Load:
        """Begin a load.

        Args:
            source: name of the source.
            table: name of the table.
            known: how known_time is set.
            arrival: when its rows became known, µs UTC. If not given: now, or the arrival of the
                last load, of any table, if the clock was set back: what was decided as known at
                an instant must never come to know more.
            contract: hash of the table's declaration.

        Raises:
            Conflict: inside a transaction: its number could be given out again if that is undone.
        """
        if self._store.writing:
            raise Conflict("A load cannot begin inside a transaction.", got=f"{source} → {table}")
        now = self._store.clock.now()
        self.arrival()  # from now on it is followed
        with self._store.write() as connection:
            if arrival is None:
                arrival = max(now, self.arrival())
            row = {
                "source": source,
                "table": table,
                "status": "started",
                "started": now,
                "arrival": arrival,
                "known": known,
                "contract": contract,
                "epoch": self._store.epoch,
                **_flat(Counts()),
            }
            number = connection.execute(_BEGUN, row).scalar_one()
            self._store.after_commit(partial(self._arrived, arrival))
            return self._read(connection, number)

    def staged(
        self,
        load: int,
        counts: Counts,
        *,
        staged: str | None = None,
        files: Sequence[SourceFile] = (),
        watermark: str | None = None,
        again: bool = False,
    ) -> Load:
        """Record that a load's data files are durable aside, and what they came from.

        Args:
            load: number of a started load.
            counts: what became of its rows.
            staged: where its data files wait; None if it wrote none.
            files: the source files that it read; from now on their content counts as loaded.
            watermark: how far a SQL source has been read.
            again: load content that was loaded before once more (after a change of the map).

        Raises:
            Conflict: if the load is not started, or a file's content is loaded or being loaded.
        """
        values = {**_flat(counts), "staged": staged, "watermark": watermark}
        with self._store.write() as connection:
            found = self._read(connection, load)
            self._move(connection, found, "staged", ("started",), values)
            hold(connection, load, found.table, files, again=again)
            return self._read(connection, load)

    def committed(self, load: int, version: int | None, files: Iterable[Stored] = ()) -> Load:
        """Record that the lake has committed a load; doing so again changes nothing.

        Args:
            load: number of a staged load.
            version: the table version that it made; None if it wrote nothing.
            files: all data files of that version, as `Lake.files` lists them.

        Raises:
            Conflict: if the load is not staged, or was committed as another version.
        """
        with self._store.write() as connection:
            found = self._read(connection, load)
            if found.status == "committed" and found.version == version:
                return found
            values = {"version": version, "ended": self._store.clock.now()}
            self._move(connection, found, "committed", ("staged",), values)
            take_over(connection, load, found.table)
            if version is not None:
                self._versions.add(found.table, version, files, load=load, contract=found.contract)
            ended = self._read(connection, load)
        self._newest[found.table] = max(load, self.newest(found.table))
        return ended

    def failed(self, load: int, error: Exception | str) -> Load:
        """Record that a load broke off; its files may be loaded by another."""
        return self._end(load, "failed", error)

    def refused(self, load: int, error: Exception | str) -> Load:
        """Record that a load was refused, for example because its schema drifted."""
        return self._end(load, "refused", error)

    def unfinished(self, *, mine: bool = False) -> list[Load]:
        """Return loads that were started or staged and never ended, the oldest first.

        Args:
            mine: also those begun through this very opening of the catalog, which may be running.
        """
        wanted = _LOADS.where(LoadRow.status.in_(("started", "staged"))).order_by(LoadRow.id)
        if not mine:
            wanted = wanted.where(LoadRow.epoch != self._store.epoch)
        with self._store.read() as connection:
            return [_load(row._mapping) for row in connection.execute(wanted)]

    def get(self, load: int) -> Load:
        """Return a load by its number.

        Raises:
            UnknownName: if there is none.
        """
        with self._store.read() as connection:
            return self._read(connection, load)

    def recent(
        self,
        table: str | None = None,
        *,
        source: str | None = None,
        status: Status | None = None,
        before: int | None = None,
        until: int | None = None,
        limit: int = 50,
    ) -> list[Load]:
        """Return loads, the last one first.

        Args:
            table: of one table only.
            source: of one source only.
            status: those that stand so only.
            before: the number at which a page goes on.
            until: those that had begun by this instant, µs UTC.
            limit: most of them.
        """
        wanted = _LOADS.order_by(LoadRow.id.desc()).limit(limit)
        by = ((LoadRow.table, table), (LoadRow.source, source), (LoadRow.status, status))
        for column, value in by:
            if value is not None:
                wanted = wanted.where(column == value)
        if before is not None:
            wanted = wanted.where(LoadRow.id < before)
        if until is not None:
            wanted = wanted.where(LoadRow.started <= until)
        with self._store.read() as connection:
            return [_load(row._mapping) for row in connection.execute(wanted)]

    def arrival(self) -> int:
        """Return the instant at which rows last became known, of any table; 0 if none came.

        Where nobody else writes, it is read once and then followed, since every read of a
        decision asks for it.
        """
        last = self._last
        if last is not None:
            return last
        with self._store.read() as connection:
            last = connection.execute(select(func.max(LoadRow.arrival))).scalar() or 0
        if self._store.alone and not self._store.writing:
            self._arrived(last)
        return last

    def _arrived(self, arrival: int) -> None:
        """Remember the last arrival, once it is durable; it never falls."""
        if self._store.alone:
            with self._moving:
                self._last = max(arrival, self._last or 0)

    def newest(self, table: str) -> int:
        """Return the number of the last committed load of a table, kept in memory; 0 if none."""
        if table not in self._newest:
            last = select(func.max(LoadRow.id)).where(
                LoadRow.table == table, LoadRow.status == "committed"
            )
            with self._store.read() as connection:
                self._newest.setdefault(table, connection.execute(last).scalar() or 0)
        return self._newest[table]

    def corrected(self, table: str) -> bool:
        """Tell whether any key of a table may have several versions."""
        changes = LoadRow.corrections + LoadRow.deletions > 0
        wanted = select(LoadRow.id).where(LoadRow.table == table, changes).limit(1)
        with self._store.read() as connection:
            return connection.execute(wanted).first() is not None

    def first(self, source: str, table: str) -> Load | None:
        """Return the first committed load of a source: what came with it is history."""
        return self._committed(source, table, LoadRow.id.asc())

    def watermark(self, source: str, table: str) -> str | None:
        """Return how far a SQL source has been read by committed loads."""
        last = self._committed(source, table, LoadRow.id.desc(), LoadRow.watermark.is_not(None))
        return None if last is None else last.watermark

    def seen(self, sha256: str, table: str) -> Load | None:
        """Return the committed load that brought this content into the table, or None."""
        with self._store.read() as connection:
            row = connection.execute(_SEEN, {"content": sha256, "into": table}).first()
        return None if row is None else _load(row._mapping)

    def sift(self, table: str, listed: Sequence[SourceFile]) -> Sifted:
        """Tell files that are new from those whose content the table holds already."""
        with self._store.read() as connection:
            return sift(connection, table, listed)

    def files(self, load: int) -> list[SourceFile]:
        """Return the source files of a load, by path."""
        with self._store.read() as connection:
            return files_of(connection, load)

    def _read(self, connection: Connection, load: int) -> Load:
        row = connection.execute(_ONE, {"number": load}).first()
        if row is None:
            raise UnknownName(f"There is no load {load}.", do="see `heptad loads`")
        return _load(row._mapping)

    def _move(
        self,
        connection: Connection,
        load: Load,
        to: Status,
        since: tuple[Status, ...],
        values: dict[str, Any],
    ) -> None:
        """Change the status of a load, if it is in one of the states that allow it."""
        if load.status not in since:
            raise Conflict(
                f"Load {load.id} of {load.source} into {load.table} is {load.status}: "
                f"it cannot become {to}.",
                got=load.status,
                do="begin another load",
            )
        connection.execute(_MOVED, {"number": load.id, "status": to} | values)

    def _end(self, load: int, status: Status, error: Exception | str) -> Load:
        """End a load without rows, and let its files be loaded by another."""
        problem = error.to_dict() if isinstance(error, HeptadError) else {"detail": str(error)}
        with self._store.write() as connection:
            found = self._read(connection, load)
            values = {"error": problem, "ended": self._store.clock.now()}
            self._move(connection, found, status, ("started", "staged"), values)
            let_go(connection, load)
            return self._read(connection, load)

    def _committed(self, source: str, table: str, order: Any, *more: Any) -> Load | None:
        """Return one committed load of a source."""
        wanted = _LOADS.where(
            LoadRow.source == source, LoadRow.table == table, LoadRow.status == "committed", *more
        )
        with self._store.read() as connection:
            row = connection.execute(wanted.order_by(order).limit(1)).first()
        return None if row is None else _load(row._mapping)


_LOADS = select(*LoadRow.__table__.columns)
# Written once: to write a statement anew costs more than to run it.
_ONE = _LOADS.where(LoadRow.id == bindparam("number"))
_BEGUN = insert(LoadRow).returning(LoadRow.id)
_MOVED = update(LoadRow).where(LoadRow.id == bindparam("number"))
_SEEN = (
    _LOADS.join(LoadFileRow, LoadFileRow.load == LoadRow.id)
    .where(LoadFileRow.table == bindparam("into"), LoadFileRow.sha256 == bindparam("content"))
    .where(IS_HELD, LoadRow.status == "committed")
)


def _load(row: Mapping[Any, Any]) -> Load:
    """Build a load from its row."""
    own = {name: row[name] for name in Load.__slots__ if name != "counts"}
    return Load(**own, counts=Counts(**{name: row[name] for name in Counts.__slots__}))


def _flat(counts: Counts) -> dict[str, Any]:
    """Return counts as columns."""
    flat: dict[str, Any] = {name: getattr(counts, name) for name in Counts.__slots__}
    return flat | {"quarantined": dict(counts.quarantined)}
