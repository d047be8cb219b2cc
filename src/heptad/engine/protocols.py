# SPDX-License-Identifier: Apache-2.0
"""What an engine must be able to do: keep tables, keep rows, keep a log of records."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    import pyarrow as pa

    from heptad.standards.fields import Column
    from heptad.standards.tables import Table


@dataclass(frozen=True, slots=True)
class Family:
    """How the cells of one column family are kept.

    Attributes:
        versions: how many values of a column are kept, newest first.
        ttl: for how long, in microseconds after a cell's timestamp; None for ever.
    """

    versions: int = 1
    ttl: int | None = None


@dataclass(frozen=True, slots=True)
class Cell:
    """One value of one column of one row.

    Attributes:
        value: the bytes.
        timestamp: microseconds since 1970, UTC.
    """

    value: bytes
    timestamp: int


class Tables(Protocol):
    """Tables whose every version can be read; a load lands once."""

    def create(self, table: type[Table]) -> int:
        """Create a table; return its version."""
        ...

    def evolve(self, table: type[Table]) -> int:
        """Add the optional columns that a table has been given; return its version."""
        ...

    def version(self, name: str) -> int:
        """Return the last acknowledged version."""
        ...

    def schema(self, name: str, version: int | None = None) -> tuple[Column, ...]:
        """Return the columns stored at a version."""
        ...

    def stage(self, name: str) -> Path:
        """Return a folder for new Parquet files."""
        ...

    def commit(self, name: str, staged: Path, *, load: int, table: type[Table]) -> int:
        """Make staged files part of the table, once per load; return the version."""
        ...

    def relation(
        self,
        name: str,
        version: int | None = None,
        *,
        table: type[Table],
        months: tuple[str | None, str | None] = (None, None),
    ) -> str:
        """Return SQL text that reads a version in the local engine."""
        ...

    def paths(self, name: str, version: int | None = None) -> list[Path]:
        """Return the Parquet files of a version, for engines that read them themselves."""
        ...

    def compact(self, name: str) -> int:
        """Merge small files; return the version."""
        ...


class Batch(Protocol):
    """An engine that answers the queries of feature plans, written in DuckDB's dialect."""

    def relation(self, columns: Sequence[Column], paths: Sequence[Path]) -> str:
        """Make Parquet files readable as a table; return its name in queries."""
        ...

    def arrow(
        self, sql: str, params: Sequence[object] | None = None, **tables: pa.Table
    ) -> pa.Table:
        """Run one query over Arrow tables given by name, in the order of `_i`."""
        ...


class Rows(Protocol):
    """Rows found by key, in HBase's model.

    A table holds rows in the order of their keys' bytes; a row holds columns, named
    `family:qualifier`; a column holds cells, newest first.
    """

    def create(self, table: str, families: Mapping[str, Family]) -> None:
        """Create a table, or set how its families are kept."""
        ...

    def put(
        self, table: str, row: bytes, cells: Mapping[bytes, bytes], timestamp: int | None = None
    ) -> None:
        """Write cells of one row, all or none, durable at return."""
        ...

    def put_many(
        self,
        table: str,
        rows: Iterable[tuple[bytes, Mapping[bytes, bytes]]],
        timestamp: int | None = None,
    ) -> None:
        """Write many rows, durable at return."""
        ...

    def get(
        self,
        table: str,
        row: bytes,
        columns: Collection[bytes] | None = None,
        *,
        until: int | None = None,
    ) -> dict[bytes, bytes]:
        """Return the newest value of each column of a row."""
        ...

    def cells(
        self, table: str, row: bytes, column: bytes, *, until: int | None = None
    ) -> list[Cell]:
        """Return the kept versions of one column, newest first."""
        ...

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
        """Give rows in the order of their keys."""
        ...

    def delete(
        self,
        table: str,
        row: bytes,
        columns: Collection[bytes] | None = None,
        *,
        until: int | None = None,
    ) -> None:
        """Remove cells of one row, durable at return."""
        ...

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
        ...


class Store(Rows, Protocol):
    """Rows, and what a gateway needs beside: all about tables, and cells with their timestamps."""

    def tables(self) -> list[str]:
        """Return the names of the tables, sorted."""
        ...

    def families(self, table: str) -> dict[str, Family]:
        """Return how a table's families are kept."""
        ...

    def drop(self, table: str) -> None:
        """Remove a table and all its rows."""
        ...

    def sweep(self, table: str) -> int:
        """Remove what is not visible any more; return how many cells."""
        ...

    def get_cells(
        self,
        table: str,
        row: bytes,
        columns: Collection[bytes] | None = None,
        *,
        until: int | None = None,
    ) -> dict[bytes, Cell]:
        """Return the newest cell of each column of a row."""
        ...

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
        """Give rows in the order of their keys, with the newest cell of each column."""
        ...


class Streams(Protocol):
    """A log of records that are never changed."""

    def append(self, records: Sequence[bytes]) -> range:
        """Add records, durable at return; return their numbers."""
        ...

    def read(self, number: int) -> bytes:
        """Return one record."""
        ...

    def iterate(self, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        """Give records in order."""
        ...

    def __len__(self) -> int:
        """Return how many records there are."""
        ...
