# SPDX-License-Identifier: Apache-2.0
"""Versions of stored tables: their data files with digests, their contracts, and who needs them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from sqlalchemy import delete, func, insert, or_, select, update

from heptad.catalog.contracts import Change, Contract, changes
from heptad.catalog.inserts import upsert
from heptad.catalog.schema import ContractRow, DataFileRow, PinRow, VersionRow
from heptad.standards.errors import Conflict, Corrupt, UnknownName

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from heptad.catalog.store import Store
    from heptad.standards.tables import Table


class Stored(Protocol):
    """A data file as the engine describes it."""

    @property
    def path(self) -> str:
        """Path inside the table's folder."""
        ...

    @property
    def size(self) -> int:
        """Bytes."""
        ...

    @property
    def sha256(self) -> str:
        """Digest of the bytes, hexadecimal."""
        ...

    @property
    def rows(self) -> int:
        """Rows in the file."""
        ...

    @property
    def partition(self) -> Any:
        """What its rows have in common, as plain data; None if nothing."""
        ...


@dataclass(frozen=True, slots=True)
class DataFile:
    """One data file of a table version."""

    path: str
    size: int
    sha256: str
    rows: int
    partition: Any = None


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a stored table.

    Attributes:
        load: the load that made it; None for compaction and other upkeep.
        instant: when it became durable, µs UTC.
        contract: hash of the declaration that its rows follow.
        rows: stored rows, all versions of a row counted.
        size: bytes of its data files.
        files: how many data files it has.
    """

    table: str
    version: int
    load: int | None
    instant: int
    contract: str | None
    rows: int
    size: int
    files: int


class Versions:
    """The versions of every stored table: what is durable, and what must stay.

    Attributes:
        awaited: called before the versions of tables are listed, so that what was answered is
            among them.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self.awaited: Callable[[], None] = lambda: None

    def add(
        self,
        table: str,
        version: int,
        files: Iterable[Stored],
        *,
        load: int | None = None,
        contract: str | None = None,
    ) -> Version:
        """Record a version that the lake has committed; recording it again changes nothing.

        Args:
            table: name of the table.
            version: its version in the lake; numbers may be skipped, never reused.
            files: all data files of that version, not only the new ones.
            load: the load that made it.
            contract: hash of the declaration; the one of the version before if not given.

        Raises:
            Conflict: if a later version is recorded, or this one was made by another load.
            Corrupt: if a file that was there before has another size or digest now.
        """
        listed = {file.path: file for file in files}
        with self._store.write() as connection:
            last = self.latest(table)
            if last is not None and last.version >= version:
                return self._again(table, version, load)
            live = self._live(table)
            _same(table, listed, live)
            new = [listed[path] for path in listed.keys() - live.keys()]
            gone = sorted(live.keys() - listed.keys())
            here = (DataFileRow.table == table) & DataFileRow.dropped.is_(None)
            for start in range(0, len(gone), 500):
                chunk = gone[start : start + 500]
                statement = update(DataFileRow).where(here, DataFileRow.path.in_(chunk))
                connection.execute(statement.values(dropped=version))
            if new:
                rows = [{**_plain(file), "table": table, "added": version} for file in new]
                connection.execute(insert(DataFileRow), rows)
            made = Version(
                table=table,
                version=version,
                load=load,
                instant=self._store.clock.now(),
                contract=contract or (last.contract if last else None),
                rows=sum(file.rows for file in listed.values()),
                size=sum(file.size for file in listed.values()),
                files=len(listed),
            )
            connection.execute(
                insert(VersionRow), {name: getattr(made, name) for name in made.__slots__}
            )
        return made

    def _again(self, table: str, version: int, load: int | None) -> Version:
        """Return a version that was recorded before, if it is the same."""
        found = self.find(table, version)
        if found is None or (load is not None and found.load != load):
            raise Conflict(
                f"{table} is already past version {version}.",
                got=f"load {load}",
                do="run `heptad doctor`",
            )
        return found

    def find(self, table: str, version: int) -> Version | None:
        """Return one version, or None if it is not recorded."""
        return self._one(VersionRow.table == table, VersionRow.version == version)

    def get(self, table: str, version: int) -> Version:
        """Return one version.

        Raises:
            UnknownName: if it is not recorded.
        """
        found = self.find(table, version)
        if found is None:
            raise UnknownName(
                f"{table} has no version {version}.",
                do=f"see them with `heptad tables show {table}`",
            )
        return found

    def latest(self, table: str) -> Version | None:
        """Return the last durable version of a table."""
        return self._one(VersionRow.table == table)

    def durable(self, table: str) -> int | None:
        """Return the number up to which the lake must keep everything; None if nothing is."""
        found = self.latest(table)
        return None if found is None else found.version

    def at(self, table: str, instant: int) -> Version | None:
        """Return the version that was the last one at an instant, µs UTC."""
        return self._one(VersionRow.table == table, VersionRow.instant <= instant)

    def of_load(self, load: int) -> Version | None:
        """Return the version that a load made."""
        return self._one(VersionRow.load == load)

    def current(self) -> dict[str, Version]:
        """Return the last version of every table, by name."""
        self.awaited()
        last = select(VersionRow.table, func.max(VersionRow.version)).group_by(VersionRow.table)
        with self._store.read() as connection:
            tables = [(str(table), int(version)) for table, version in connection.execute(last)]
            return {table: self.get(table, version) for table, version in sorted(tables)}

    def history(self, table: str, limit: int = 50) -> list[Version]:
        """Return the versions of a table, the last one first."""
        self.awaited()
        wanted = select(*_COLUMNS).where(VersionRow.table == table)
        wanted = wanted.order_by(VersionRow.version.desc()).limit(limit)
        with self._store.read() as connection:
            return [Version(*row) for row in connection.execute(wanted)]

    def files(self, table: str, version: int | None = None) -> list[DataFile]:
        """Return the data files of a version (the last one if not given), by path."""
        if version is None:
            version = self.durable(table) or 0
        wanted = select(*_FILE).where(
            DataFileRow.table == table,
            DataFileRow.added <= version,
            or_(DataFileRow.dropped.is_(None), DataFileRow.dropped > version),
        )
        with self._store.read() as connection:
            found = [DataFile(*row) for row in connection.execute(wanted)]
        return sorted(found, key=lambda file: file.path)

    def pin(self, versions: Mapping[str, int], holder: str) -> None:
        """Keep versions while `holder` names them.

        Args:
            versions: table → version.
            holder: who needs them, for example "app:fraud" for its kept decisions.
        """
        now = self._store.clock.now()
        rows = [
            {"table": table, "version": version, "holder": holder, "last": now}
            for table, version in sorted(versions.items())
        ]
        with self._store.write() as connection:
            upsert(connection, PinRow, rows, update=("last",))

    def unpin(self, holder: str, before: int | None = None) -> int:
        """Let go of what `holder` kept, or only of what it last named before an instant.

        Returns:
            How many versions it let go.
        """
        gone = delete(PinRow).where(PinRow.holder == holder)
        if before is not None:
            gone = gone.where(PinRow.last < before)
        with self._store.write() as connection:
            return int(connection.execute(gone).rowcount)

    def pinned(self, table: str) -> set[int]:
        """Return the versions that kept decisions or models name."""
        self.awaited()
        with self._store.read() as connection:
            wanted = select(PinRow.version).where(PinRow.table == table).distinct()
            return {int(row[0]) for row in connection.execute(wanted)}

    def declare(self, table: type[Table]) -> list[Change]:
        """Record the declaration of a table, if it is new, and say what changed."""
        name, new = table.__name__, table.contract()
        with self._store.write() as connection:
            last = self.contract(name)
            if last is not None and last.hash == table.version_hash():
                return []
            row = {
                "table": name,
                "hash": table.version_hash(),
                "contract": new,
                "since": self._store.clock.now(),
            }
            connection.execute(insert(ContractRow), row)
        return changes(last.contract if last else {}, new)

    def contract(self, table: str, hash: str | None = None) -> Contract | None:  # noqa: A002
        """Return the declaration of a table, the last one or the one with a hash."""
        kept = self.contracts(table)
        return next((c for c in reversed(kept) if hash in (None, c.hash)), None)

    def contracts(self, table: str) -> list[Contract]:
        """Return the declarations of a table, the first one first."""
        wanted = select(
            ContractRow.table, ContractRow.hash, ContractRow.contract, ContractRow.since
        )
        wanted = wanted.where(ContractRow.table == table).order_by(ContractRow.id)
        with self._store.read() as connection:
            return [Contract(*row) for row in connection.execute(wanted)]

    def _one(self, *conditions: Any) -> Version | None:
        """Return the highest version that fits."""
        wanted = select(*_COLUMNS).where(*conditions).order_by(VersionRow.version.desc()).limit(1)
        with self._store.read() as connection:
            row = connection.execute(wanted).first()
        return None if row is None else Version(*row)

    def _live(self, table: str) -> dict[str, DataFile]:
        """Return the files of the last version by path."""
        wanted = select(*_FILE).where(DataFileRow.table == table, DataFileRow.dropped.is_(None))
        with self._store.read() as connection:
            return {row.path: DataFile(*row) for row in connection.execute(wanted)}


_COLUMNS = [getattr(VersionRow, name) for name in Version.__slots__]
_FILE = [getattr(DataFileRow, name) for name in DataFile.__slots__]


def _plain(file: Stored) -> dict[str, Any]:
    """Return the columns of a data file's row."""
    return {name: getattr(file, name) for name in DataFile.__slots__}


def _same(table: str, listed: Mapping[str, Stored], live: Mapping[str, DataFile]) -> None:
    """Refuse a file that changed while it kept its name."""
    for path in sorted(listed.keys() & live.keys()):
        now, before = listed[path], live[path]
        if (now.size, now.sha256) != (before.size, before.sha256):
            raise Corrupt(
                f"A data file of {table} is not what was recorded.",
                got=f"{now.size} bytes, sha256 {now.sha256}",
                do="restore it from a backup, then run `heptad doctor`",
                place=path,
            )
