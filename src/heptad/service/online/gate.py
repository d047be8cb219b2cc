# SPDX-License-Identifier: Apache-2.0
"""A row store as others may see it: every access recorded, what a purpose does not cover masked."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from heptad.engine.protocols import Cell
from heptad.engine.rowkeys import after_key
from heptad.security.masks import HIDDEN
from heptad.service.features import tables_of
from heptad.service.online.values import MARKS, NOBODY, column_of, table_of
from heptad.standards.errors import Refused

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping
    from contextlib import AbstractContextManager

    from heptad.engine.protocols import Family, Store
    from heptad.service.features import Feature
    from heptad.service.reads.guard import Access, Guard

MASKED = HIDDEN.encode()


class Gate:
    """A row store for one role and one purpose.

    Rows of the online store can be read and never written; of their values those are masked that
    the purpose does not cover, or that rest on a basis which a person can end. What others keep
    here in tables of their own, the gate does not look into.

    Args:
        rows: the store.
        guard: decides and records.
        features: every feature that may be kept.
        who: the account under which accesses are recorded.
        role: in which role.
        purpose: why.

    Raises:
        Refused: if the role may not act for the purpose.
    """

    def __init__(
        self,
        rows: Store,
        guard: Guard,
        features: Iterable[Feature],
        *,
        who: str,
        role: str,
        purpose: str,
    ) -> None:
        self._rows, self._guard = rows, guard
        self._who, self._role, self._purpose = who, role, purpose
        listed = list(features)
        self._features = {column_of(feature): feature for feature in listed}
        self._entities = {table_of(f): f.entity for f in listed if len(f.entities) == 1}
        with self._access("open"):
            pass

    def tables(self) -> list[str]:
        """Return the names of the tables, sorted."""
        return self._rows.tables()

    def families(self, table: str) -> dict[str, Family]:
        """Return how a table's families are kept."""
        return self._rows.families(table)

    def create(self, table: str, families: Mapping[str, Family]) -> None:
        """Create a table."""
        with self._writing("create", table):
            self._rows.create(table, families)

    def drop(self, table: str) -> None:
        """Remove a table and all its rows."""
        with self._writing("drop", table):
            self._rows.drop(table)

    def sweep(self, table: str) -> int:
        """Remove what is not visible any more; return how many cells."""
        return self._rows.sweep(table)

    def put(
        self, table: str, row: bytes, cells: Mapping[bytes, bytes], timestamp: int | None = None
    ) -> None:
        """Write cells of one row."""
        self.put_many(table, [(row, cells)], timestamp)

    def put_many(
        self,
        table: str,
        rows: Iterable[tuple[bytes, Mapping[bytes, bytes]]],
        timestamp: int | None = None,
    ) -> None:
        """Write many rows."""
        with self._writing("put", table) as access:
            listed = list(rows)
            access.read.rows = len(listed)
            self._rows.put_many(table, listed, timestamp)

    def delete(
        self,
        table: str,
        row: bytes,
        columns: Collection[bytes] | None = None,
        *,
        until: int | None = None,
    ) -> None:
        """Remove cells of one row."""
        with self._writing("delete", table):
            self._rows.delete(table, row, columns, until=until)

    def check_and_put(
        self,
        table: str,
        row: bytes,
        column: bytes,
        expected: bytes | None,
        cells: Mapping[bytes, bytes],
        timestamp: int | None = None,
    ) -> bool:
        """Write cells if a column's newest value is what is expected; say whether."""
        with self._writing("put", table):
            return self._rows.check_and_put(table, row, column, expected, cells, timestamp)

    def get(
        self,
        table: str,
        row: bytes,
        columns: Collection[bytes] | None = None,
        *,
        until: int | None = None,
    ) -> dict[bytes, bytes]:
        """Read the newest value of each column of a row."""
        found = self.get_cells(table, row, columns, until=until)
        return {column: cell.value for column, cell in found.items()}

    def get_cells(
        self,
        table: str,
        row: bytes,
        columns: Collection[bytes] | None = None,
        *,
        until: int | None = None,
    ) -> dict[bytes, Cell]:
        """Read the newest cell of each column of a row."""
        with self._access("get", table) as access:
            found = self._rows.get_cells(table, row, columns, until=until)
            self._note(access, table, [row] if found else [])
            return self._masked(access, table, found)

    def cells(
        self, table: str, row: bytes, column: bytes, *, until: int | None = None
    ) -> list[Cell]:
        """Read the versions of one column."""
        with self._access("get", table) as access:
            found = self._rows.cells(table, row, column, until=until)
            self._note(access, table, [row] if found else [])
            return [self._masked(access, table, {column: cell})[column] for cell in found]

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
        """Read rows in the order of their keys."""
        ends = [end for end in (stop, after_key(prefix)) if end is not None]
        found = self.scan_cells(
            table, max(start, prefix), min(ends, default=None),
            columns=columns, until=until, reverse=reverse,
        )  # fmt: skip
        for row, cells in islice(found, limit):
            yield row, {column: cell.value for column, cell in cells.items()}

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
        """Read rows with timestamps: recorded before the first is given, and when it ends."""
        with self._access("scan", table) as access:
            bounds = {"start": repr(start), "stop": repr(stop)}
            access.read.detail |= bounds
        seen: list[bytes] = []
        try:
            for row, cells in self._rows.scan_cells(
                table, start, stop, columns=columns, until=until, reverse=reverse
            ):
                seen.append(row)
                yield row, self._masked(access, table, cells)
        finally:
            with self._access("scanned", table) as ended:
                self._note(ended, table, seen)

    def _access(self, action: str, table: str = "") -> AbstractContextManager[Access]:
        return self._guard.reading(
            f"row {action}", who=self._who, role=self._role, purpose=self._purpose, table=table
        )

    def _writing(self, action: str, table: str) -> AbstractContextManager[Access]:
        if table == MARKS or table.startswith("online_"):
            raise Refused(
                f"The rows of {table} are kept by the platform.",
                got=action,
                do="write into a table of your own",
            )
        return self._access(action, table)

    def _note(self, access: Access, table: str, rows: Collection[bytes]) -> None:
        """Note whom an answer is about."""
        access.read.rows = len(rows)
        entity = self._entities.get(table)
        if entity is not None:
            named = (row.decode(errors="replace") for row in rows if row != NOBODY)
            access.about(f"{entity}:{name}" for name in named)

    def _masked(self, access: Access, table: str, cells: Mapping[bytes, Cell]) -> dict[bytes, Cell]:
        """Hide the values that the purpose does not cover."""
        if not table.startswith("online_"):
            return dict(cells)
        return {
            column: cell if self._covers(access, column) else Cell(MASKED, cell.timestamp)
            for column, cell in cells.items()
        }

    def _covers(self, access: Access, column: bytes) -> bool:
        feature = self._features.get(column)
        if feature is None:
            return False
        try:
            return not any(access.ground(table).withdrawable for table in tables_of(feature))
        except Refused:
            return False
