# SPDX-License-Identifier: Apache-2.0
"""Rows by key in RocksDB, in HBase's model: families, versions, time to live, scans."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING

from rocksdict import WriteBatch, WriteOptions

from heptad.engine.cells import (
    check_table,
    doomed,
    families_of,
    is_wanted,
    judged,
    newest,
    newest_cells,
    wanted_of,
)
from heptad.engine.local.rocks import open_rocks, refusals
from heptad.engine.protocols import Cell, Family
from heptad.engine.rowkeys import (
    END,
    STAMP,
    after,
    column_key,
    column_of,
    escaped,
    prefix_of,
    row_key,
    stamp_key,
    stamp_of,
    unescaped,
)
from heptad.security.lasting import confirm
from heptad.standards.errors import Busy
from heptad.standards.time import SystemClock

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping
    from pathlib import Path
    from types import TracebackType

    from heptad.engine.cells import Judged, Stored
    from heptad.standards.time import Clock

_TABLE = b"T"
_BEYOND = b"\xff" * 16
"""A key after all that are kept."""


class Rows:
    """The row store of one project; one process writes it.

    A cell is visible while it is among its column's newest `Family.versions` and not older than
    `Family.ttl`; what is not visible is removed from disk by `sweep`, and nothing brings it back.
    A column may be asked for as `family:qualifier`, a whole family as `family` or `family:`.

    Args:
        folder: where RocksDB keeps its files.
        clock: tells the timestamp of cells written without one, and the age of all.
        read_only: read what was there at opening, beside the process that writes.

    Raises:
        Busy: if another process has it open for writing, or the disk refuses.
        Corrupt: if its files are damaged.
    """

    def __init__(
        self, folder: Path, *, clock: Clock | None = None, read_only: bool = False
    ) -> None:
        self._clock = clock or SystemClock()
        self._lock = threading.RLock()
        self._folder, self._unsure = folder, False
        self._synced = WriteOptions()
        self._synced.sync = True
        self._store = open_rocks(folder, read_only=read_only)
        self._open = True
        try:
            with refusals():
                self._families = {
                    key[len(_TABLE) :].decode(): _families(value)
                    for key, value in self._pairs(_TABLE, after(_TABLE))
                }
        except BaseException:
            self._store.close()
            raise

    def create(self, table: str, families: Mapping[str, Family]) -> None:
        """Create a table, or add families and change how they are kept; durable at return.

        Raises:
            ContractError: if a name or a setting cannot be kept.
        """
        check_table(table, families)
        with self._lock:
            merged = self._families.get(table, {}) | dict(families)
            settings = {name: [f.versions, f.ttl] for name, f in merged.items()}
            with refusals():
                self._store.put(
                    _TABLE + table.encode(), json.dumps(settings).encode(), write_opt=self._synced
                )
                confirm(self._folder / "CURRENT")
            self._families[table] = merged

    def tables(self) -> list[str]:
        """Return the names of the tables, sorted."""
        return sorted(self._families)

    def families(self, table: str) -> dict[str, Family]:
        """Return how a table's families are kept."""
        return dict(self._known(table))

    def drop(self, table: str) -> None:
        """Remove a table and all its rows, durable at return."""
        with self._lock:
            self._known(table)
            prefix = prefix_of(table)
            batch = WriteBatch(raw_mode=True)
            batch.delete_range(prefix, after(prefix))
            batch.delete(_TABLE + table.encode())
            self._write(batch)
            del self._families[table]

    def put(
        self, table: str, row: bytes, cells: Mapping[bytes, bytes], timestamp: int | None = None
    ) -> None:
        """Write cells of one row, all or none, durable at return.

        Args:
            table: the table.
            row: the row's key, not empty.
            cells: value by column.
            timestamp: of the cells, microseconds; None is now. A cell of the same column and
                timestamp is replaced.

        Raises:
            UnknownName: if there is no such table or family.
            ContractError: if the key is empty, or a column or timestamp is malformed.
        """
        self.put_many(table, [(row, cells)], timestamp)

    def put_many(
        self,
        table: str,
        rows: Iterable[tuple[bytes, Mapping[bytes, bytes]]],
        timestamp: int | None = None,
    ) -> None:
        """Write many rows, all or none, with one wait for the disk."""
        families, prefix = self._known(table), prefix_of(table)
        stamp = stamp_key(self._clock.now() if timestamp is None else timestamp)
        batch = WriteBatch(raw_mode=True)
        for row, cells in rows:
            start = prefix + row_key(row)
            for column, value in cells.items():
                batch.put(start + column_key(column, families) + stamp, value)
        with self._lock:
            self._write(batch)

    def get(
        self,
        table: str,
        row: bytes,
        columns: Collection[bytes] | None = None,
        *,
        until: int | None = None,
    ) -> dict[bytes, bytes]:
        """Return the newest value of each column of a row; {} if there is none.

        Args:
            table: the table.
            row: the row's key.
            columns: which columns or families; None is all.
            until: only cells with a timestamp up to this, microseconds.
        """
        start = prefix_of(table) + row_key(row)
        wanted = self._wanted(table, columns)
        if until is None:
            return self._newest(table, start, wanted)
        for _, stored in self._stored(table, start, after(start)):
            return newest(self._judged(table, stored), wanted, until)
        return {}

    def get_cells(
        self,
        table: str,
        row: bytes,
        columns: Collection[bytes] | None = None,
        *,
        until: int | None = None,
    ) -> dict[bytes, Cell]:
        """Return what `get` does, each value with its timestamp."""
        start = prefix_of(table) + row_key(row)
        wanted = self._wanted(table, columns)
        for _, stored in self._stored(table, start, after(start)):
            return newest_cells(self._judged(table, stored), wanted, until)
        return {}

    def cells(
        self, table: str, row: bytes, column: bytes, *, until: int | None = None
    ) -> list[Cell]:
        """Return the visible versions of one column, newest first."""
        start = prefix_of(table) + row_key(row)
        first = start + column_key(column, self._known(table))
        for _, stored in self._stored(table, first, after(first)):
            return [
                Cell(value, stamp)
                for _, _, stamp, value, visible in self._judged(table, stored)
                if visible and (until is None or stamp <= until)
            ]
        return []

    def scan(  # noqa: PLR0913 - HBase's scan, by name
        self,
        table: str,
        start: bytes = b"",
        stop: bytes | None = None,
        *,
        prefix: bytes = b"",
        columns: Collection[bytes] | None = None,
        until: int | None = None,
        reverse: bool = False,
        limit: int | None = None,
    ) -> Iterator[tuple[bytes, dict[bytes, bytes]]]:
        """Give rows in the order of their keys' bytes, as they were when the scan began.

        Args:
            table: the table.
            start: first key.
            stop: first key that is not given any more; None is no end.
            prefix: only keys that begin with this.
            columns: which columns or families; rows with none of them are left out.
            until: only cells with a timestamp up to this, microseconds.
            reverse: from the last key down to the first.
            limit: most rows.

        Yields:
            Key, and newest value by column.

        Raises:
            Corrupt: if the scan met damaged data; what it gave until then is not all.
        """
        wanted = self._wanted(table, columns)
        lower, upper = _bounds(table, start, stop, prefix)
        left = -1 if limit is None else limit
        for key, stored in self._stored(table, lower, upper, reverse=reverse):
            if left == 0:
                return
            if cells := newest(self._judged(table, stored), wanted, until):
                left -= 1
                yield key, cells

    def scan_cells(
        self,
        table: str,
        start: bytes = b"",
        stop: bytes | None = None,
        *,
        columns: Collection[bytes] | None = None,
        until: int | None = None,
        reverse: bool = False,
    ) -> Iterator[tuple[bytes, dict[bytes, Cell]]]:
        """Give what `scan` does, each value with its timestamp."""
        wanted = self._wanted(table, columns)
        lower, upper = _bounds(table, start, stop, b"")
        for key, stored in self._stored(table, lower, upper, reverse=reverse):
            if cells := newest_cells(self._judged(table, stored), wanted, until):
                yield key, cells

    def delete(
        self,
        table: str,
        row: bytes,
        columns: Collection[bytes] | None = None,
        *,
        until: int | None = None,
    ) -> None:
        """Remove cells of one row, all or none, durable at return.

        Unlike HBase's, a deletion leaves no mark: a cell written later stays, whatever its
        timestamp.

        Args:
            table: the table.
            row: the row's key.
            columns: which columns or families; None is all.
            until: only cells with a timestamp up to this, microseconds.
        """
        start = prefix_of(table) + row_key(row)
        wanted = self._wanted(table, columns)
        with self._lock:
            batch = WriteBatch(raw_mode=True)
            for _, stored in self._stored(table, start, after(start)):
                for key in doomed(self._judged(table, stored), wanted, until):
                    batch.delete(key)
            self._write(batch)

    def check_and_put(
        self,
        table: str,
        row: bytes,
        column: bytes,
        expected: bytes | None,
        cells: Mapping[bytes, bytes],
        timestamp: int | None = None,
    ) -> bool:
        """Write cells if a column's newest value is what is expected; say whether.

        Args:
            table: the table.
            row: the row's key.
            column: the column looked at.
            expected: its newest value; None if it should have none.
            cells: value by column, to be written.
            timestamp: of the cells, microseconds; None is now.
        """
        column_key(column, self._known(table))
        with self._lock:
            if self.get(table, row, [column]).get(column) != expected:
                return False
            self.put(table, row, cells, timestamp)
            return True

    def sweep(self, table: str) -> int:
        """Remove from disk what is not visible any more; return how many cells."""
        prefix = prefix_of(table)
        with self._lock:
            batch = WriteBatch(raw_mode=True)
            for _, stored in self._stored(table, prefix, after(prefix)):
                for key, _, _, _, visible in self._judged(table, stored):
                    if not visible:
                        batch.delete(key)
            swept = len(batch)
            self._write(batch)
            return swept

    def check(self) -> int:
        """Read every cell on disk, checksums and all; return how many there are.

        Raises:
            Corrupt: if a block is damaged.
        """
        return sum(1 for _ in self._pairs(b"", _BEYOND))

    def purge(self) -> None:
        """Write all files anew, so that no byte of removed cells is left in them."""
        with self._lock, refusals():
            self._store.flush()
            self._store.compact_range(None, None)

    def close(self) -> None:
        """Close the store; it cannot be used afterwards."""
        if self._open:
            self._open = False
            with refusals():
                self._store.close()

    def __enter__(self) -> Rows:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _known(self, table: str) -> dict[str, Family]:
        return families_of(table, self._families)

    def _wanted(self, table: str, columns: Collection[bytes] | None) -> frozenset[bytes] | None:
        return wanted_of(columns, self._known(table))

    def _write(self, batch: WriteBatch) -> None:
        if self._unsure:
            raise Busy(
                "The row store refused a write, so what it shows may not be on the disk.",
                do="open it again",
            )
        if len(batch):
            self._unsure = True
            with refusals():
                self._store.write(batch, write_opt=self._synced)
                confirm(self._folder / "CURRENT")
            self._unsure = False

    def _pairs(
        self, lower: bytes, upper: bytes, *, reverse: bool = False
    ) -> Iterator[tuple[bytes, bytes]]:
        """Give key and value of all that lies from `lower` up to but not at `upper`."""
        # The bounds of ReadOptions are of no use: rocksdict encodes them unlike raw keys.
        with refusals():
            found = self._store.iter()
            found.seek_for_prev(upper) if reverse else found.seek(lower)
        step = found.prev if reverse else found.next
        while found.valid():
            key = found.key()
            if key < lower or key >= upper:
                break
            yield key, found.value()
            step()
        # An iterator that meets damage just ends; only its status says so.
        with refusals():
            found.status()

    def _stored(
        self, table: str, lower: bytes, upper: bytes, *, reverse: bool = False
    ) -> Iterator[tuple[bytes, list[Stored]]]:
        """Give each row in the bounds with its cells on disk, by column, newest first."""
        skip = len(prefix_of(table))
        row = b""
        cells: list[Stored] = []
        for key, value in self._pairs(lower, upper, reverse=reverse):
            end = key.index(END, skip)
            if key[skip:end] != row and cells:
                yield unescaped(row), cells[::-1] if reverse else cells
                cells = []
            row = key[skip:end]
            cells.append((key, key[end + len(END) : -STAMP], stamp_of(key), value))
        if cells:
            yield unescaped(row), cells[::-1] if reverse else cells

    def _newest(
        self, table: str, start: bytes, wanted: frozenset[bytes] | None
    ) -> dict[bytes, bytes]:
        """Return the newest value of each column of a row, which is the first that is met."""
        skip, last = len(start), b""
        now = self._clock.now()
        lives = {name: family.ttl for name, family in self._known(table).items()}
        values: dict[bytes, bytes] = {}
        for key, value in self._pairs(start, after(start)):
            here = key[skip:-STAMP]
            if here == last:
                continue
            last = here
            column, name = column_of(here)
            ttl = lives[name]
            young = ttl is None or stamp_of(key) > now - ttl
            if young and (wanted is None or is_wanted(column, wanted)):
                values[column] = value
        return values

    def _judged(self, table: str, cells: Iterable[Stored]) -> Iterator[Judged]:
        return judged(cells, self._known(table), self._clock.now())


def _bounds(table: str, start: bytes, stop: bytes | None, prefix: bytes) -> tuple[bytes, bytes]:
    """Return the bounds of a scan as stored."""
    here = prefix_of(table)
    ends = [after(here + escaped(prefix)), after(here)]
    ends += [] if stop is None else [here + escaped(stop)]
    return here + max(escaped(start), escaped(prefix)), min(ends)


def _families(value: bytes) -> dict[str, Family]:
    return {name: Family(*settings) for name, settings in json.loads(value).items()}
