# SPDX-License-Identifier: Apache-2.0
"""The calls of HBase's Thrift 1 protocol, carried out on a row store."""

from __future__ import annotations

import struct
from itertools import count, islice
from typing import TYPE_CHECKING, Any

from heptad.engine.hbase.protocol import protocol
from heptad.engine.protocols import Family
from heptad.engine.rowkeys import after_key
from heptad.standards.errors import Busy, Conflict, ContractError
from heptad.standards.time import SystemClock, second

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    _Columns = Collection[bytes] | None

    from heptad.engine.protocols import Cell, Store
    from heptad.standards.time import Clock

MILLI = 1000
MOST_SCANNERS = 64
"""Scans that one connection may have open."""
MOST_ROWS = 10_000
"""Rows that one call answers at most."""
ENDLESS = 2**31 - 1
TRIES = 100


class Calls:
    """Answers the calls of one connection; each method is named as the protocol names it.

    HBase counts time in milliseconds, we in microseconds: a cell written here is of a whole
    millisecond, and one of ours is shown cut to it.

    Args:
        rows: the store.
        disabled: the tables that are disabled, shared by all connections.
        clock: tells the timestamp of cells written without one.
    """

    def __init__(self, rows: Store, disabled: set[str], clock: Clock | None = None) -> None:
        self._rows, self._disabled, self._clock = rows, disabled, clock or SystemClock()
        self._scanners: dict[int, Iterator[tuple[bytes, dict[bytes, Cell], bool]]] = {}
        self._numbers = count(1)
        self._types = protocol()

    def enableTable(self, table: bytes) -> None:  # noqa: N802
        """Let a table be read and written."""
        self._disabled.discard(self._table(table, enabled=False))

    def disableTable(self, table: bytes) -> None:  # noqa: N802
        """Let nobody read or write a table."""
        self._disabled.add(self._table(table))

    def isTableEnabled(self, table: bytes) -> bool:  # noqa: N802
        """Tell whether a table may be read and written."""
        return self._table(table, enabled=False) not in self._disabled

    def compact(self, table: bytes) -> None:
        """Do nothing: files are merged as need be."""
        self._table(table)

    def majorCompact(self, table: bytes) -> None:  # noqa: N802
        """Remove from disk what is not visible any more."""
        self._rows.sweep(self._table(table))

    def getTableNames(self) -> list[bytes]:  # noqa: N802
        """List the tables."""
        return [name.encode() for name in self._rows.tables()]

    def getColumnDescriptors(self, table: bytes) -> dict[bytes, Any]:  # noqa: N802
        """Say how the families of a table are kept."""
        found = self._rows.families(self._table(table, enabled=False))
        return {f"{name}:".encode(): self._descriptor(name, f) for name, f in found.items()}

    def getTableRegions(self, table: bytes) -> list[Any]:  # noqa: N802
        """Name the one region that a table has."""
        name = self._table(table, enabled=False)
        return [self._types.TRegionInfo(
            startKey=b"", endKey=b"", id=0, name=name.encode(), version=1,
            serverName=b"localhost", port=0,
        )]  # fmt: skip

    def createTable(self, table: bytes, families: Sequence[Any]) -> None:  # noqa: N802
        """Create a table."""
        name = _text(table)
        if name in self._rows.tables():
            raise Conflict(f"There is a table {name} already.", got=name)
        self._rows.create(name, {_text(f.name).rstrip(":"): _family(f) for f in families or ()})

    def deleteTable(self, table: bytes) -> None:  # noqa: N802
        """Remove a table, which must be disabled."""
        name = self._table(table, enabled=False)
        if name not in self._disabled:
            raise ContractError(f"The table {name} is not disabled.", do="disable it first")
        self._rows.drop(name)
        self._disabled.discard(name)

    def get(self, table: bytes, row: bytes, column: bytes) -> list[Any]:
        """Read the newest version of a column."""
        return self.getVer(table, row, column, 1)

    def getVer(self, table: bytes, row: bytes, column: bytes, versions: int) -> list[Any]:  # noqa: N802
        """Read versions of a column, newest first."""
        return self._versions(table, row, column, None, versions)

    def getVerTs(  # noqa: N802
        self, table: bytes, row: bytes, column: bytes, timestamp: int, versions: int
    ) -> list[Any]:
        """Read versions of a column from before an instant, newest first."""
        return self._versions(table, row, column, timestamp, versions)

    def getRow(self, table: bytes, row: bytes) -> list[Any]:  # noqa: N802
        """Read a row."""
        return self._read(table, [row], None, None)

    def getRowWithColumns(self, table: bytes, row: bytes, columns: _Columns) -> list[Any]:  # noqa: N802
        """Read some columns of a row."""
        return self._read(table, [row], columns, None)

    def getRowTs(self, table: bytes, row: bytes, timestamp: int) -> list[Any]:  # noqa: N802
        """Read a row as it was before an instant."""
        return self._read(table, [row], None, timestamp)

    def getRowWithColumnsTs(  # noqa: N802
        self, table: bytes, row: bytes, columns: _Columns, timestamp: int
    ) -> list[Any]:
        """Read some columns of a row as they were before an instant."""
        return self._read(table, [row], columns, timestamp)

    def getRows(self, table: bytes, rows: Sequence[bytes]) -> list[Any]:  # noqa: N802
        """Read rows."""
        return self._read(table, rows, None, None)

    def getRowsWithColumns(  # noqa: N802
        self, table: bytes, rows: Sequence[bytes], columns: _Columns
    ) -> list[Any]:
        """Read some columns of rows."""
        return self._read(table, rows, columns, None)

    def getRowsTs(self, table: bytes, rows: Sequence[bytes], timestamp: int) -> list[Any]:  # noqa: N802
        """Read rows as they were before an instant."""
        return self._read(table, rows, None, timestamp)

    def getRowsWithColumnsTs(  # noqa: N802
        self, table: bytes, rows: Sequence[bytes], columns: _Columns, timestamp: int
    ) -> list[Any]:
        """Read some columns of rows as they were before an instant."""
        return self._read(table, rows, columns, timestamp)

    def mutateRow(self, table: bytes, row: bytes, mutations: Sequence[Any]) -> None:  # noqa: N802
        """Write to and delete from a row."""
        self._mutate(table, [(row, mutations)], None)

    def mutateRowTs(  # noqa: N802
        self, table: bytes, row: bytes, mutations: Sequence[Any], timestamp: int
    ) -> None:
        """Write to a row at an instant, and delete from it what is as old."""
        self._mutate(table, [(row, mutations)], timestamp)

    def mutateRows(self, table: bytes, batches: Sequence[Any]) -> None:  # noqa: N802
        """Write to and delete from rows."""
        self._mutate(table, [(b.row, b.mutations) for b in batches], None)

    def mutateRowsTs(self, table: bytes, batches: Sequence[Any], timestamp: int) -> None:  # noqa: N802
        """Write to rows at an instant, and delete from them what is as old."""
        self._mutate(table, [(b.row, b.mutations) for b in batches], timestamp)

    def atomicIncrement(self, table: bytes, row: bytes, column: bytes, amount: int) -> int:  # noqa: N802
        """Add to a counter, eight bytes that hold a signed number; return what it holds then."""
        name = self._table(table)
        for _ in range(TRIES):
            held = self._rows.get(name, row, [column]).get(column)
            if held is not None and len(held) != 8:
                raise ContractError("A counter has eight bytes.", got=f"{len(held)} bytes")
            value = (struct.unpack("!q", held)[0] if held else 0) + (amount or 0)
            value = (value + 2**63) % 2**64 - 2**63
            made = {column: struct.pack("!q", value)}
            if self._rows.check_and_put(name, row, column, held, made, self._now()):
                return int(value)
        raise Busy("Others keep changing this counter.", do="try again")

    def increment(self, increment: Any) -> None:
        """Add to a counter."""
        i = increment
        self.atomicIncrement(i.table, i.row, i.column, i.ammount)

    def incrementRows(self, increments: Sequence[Any]) -> None:  # noqa: N802
        """Add to counters, one after the other."""
        for one in increments:
            self.increment(one)

    def deleteAll(self, table: bytes, row: bytes, column: bytes) -> None:  # noqa: N802
        """Delete a column or a family of a row."""
        self._rows.delete(self._table(table), row, [column])

    def deleteAllTs(self, table: bytes, row: bytes, column: bytes, timestamp: int) -> None:  # noqa: N802
        """Delete of a column or a family what is as old as an instant, or older."""
        self._rows.delete(self._table(table), row, [column], until=_through(timestamp))

    def deleteAllRow(self, table: bytes, row: bytes) -> None:  # noqa: N802
        """Delete a row."""
        self._rows.delete(self._table(table), row)

    def deleteAllRowTs(self, table: bytes, row: bytes, timestamp: int) -> None:  # noqa: N802
        """Delete of a row what is as old as an instant, or older."""
        self._rows.delete(self._table(table), row, until=_through(timestamp))

    def checkAndPut(  # noqa: N802
        self, table: bytes, row: bytes, column: bytes, value: bytes | None, change: Any
    ) -> bool:
        """Write a cell if a column holds a value, or none where none is named."""
        made = {change.column: change.value or b""}
        return self._rows.check_and_put(
            self._table(table), row, column, value or None, made, self._now()
        )

    def scannerOpenWithScan(self, table: bytes, scan: Any) -> int:  # noqa: N802
        """Begin a scan; return its number."""
        if scan.filterString:
            raise ContractError("This gateway has no filters.", do="choose among the rows yourself")
        low, high = scan.startRow or b"", scan.stopRow or None
        if scan.reversed:
            # From the start, inclusive, down to the stop, exclusive.
            low, high = (high + b"\0" if high else b""), (low + b"\0" if low else None)
        found = self._scan(
            table, (low, high), scan.columns, scan.timestamp, reverse=bool(scan.reversed)
        )
        parts = _in_parts(found, scan.batchSize) if (scan.batchSize or 0) > 0 else found
        return self._opened((row, cells, bool(scan.sortColumns)) for row, cells in parts)

    def scannerOpen(self, table: bytes, start: bytes, columns: _Columns) -> int:  # noqa: N802
        """Begin a scan at a row."""
        return self._plain_scan(table, (start, None), columns, None)

    def scannerOpenWithStop(  # noqa: N802
        self, table: bytes, start: bytes, stop: bytes, columns: _Columns
    ) -> int:
        """Begin a scan of the rows from one to before another."""
        return self._plain_scan(table, (start, stop), columns, None)

    def scannerOpenWithPrefix(self, table: bytes, prefix: bytes, columns: _Columns) -> int:  # noqa: N802
        """Begin a scan of the rows that begin with a prefix."""
        return self._plain_scan(table, (prefix, after_key(prefix)), columns, None)

    def scannerOpenTs(  # noqa: N802
        self, table: bytes, start: bytes, columns: _Columns, timestamp: int
    ) -> int:
        """Begin a scan at a row, of what is from before an instant."""
        return self._plain_scan(table, (start, None), columns, timestamp)

    def scannerOpenWithStopTs(  # noqa: N802 - as the protocol has it
        self, table: bytes, start: bytes, stop: bytes, columns: _Columns, timestamp: int
    ) -> int:
        """Begin a scan from one row to before another, of what is from before an instant."""
        return self._plain_scan(table, (start, stop), columns, timestamp)

    def scannerGet(self, id: int) -> list[Any]:  # noqa: N802, A002 - as the protocol has it
        """Give the next row of a scan."""
        return self.scannerGetList(id, 1)

    def scannerGetList(self, id: int, most: int) -> list[Any]:  # noqa: N802, A002
        """Give the next rows of a scan; none at its end."""
        if id not in self._scanners:
            raise ContractError("There is no such scan, or it was closed.", got=id)
        rows = islice(self._scanners[id], max(0, min(most or 1, MOST_ROWS)))
        return [self._result(row, cells, ordered=o) for row, cells, o in rows]

    def scannerClose(self, id: int) -> None:  # noqa: N802, A002
        """End a scan."""
        self._scanners.pop(id, None)

    def close(self) -> None:
        """End every scan."""
        self._scanners.clear()

    def _plain_scan(
        self, table: bytes, bounds: tuple[bytes, bytes | None], columns: _Columns,
        timestamp: int | None,
    ) -> int:  # fmt: skip
        found = self._scan(table, (bounds[0] or b"", bounds[1] or None), columns, timestamp)
        return self._opened((row, cells, False) for row, cells in found)

    def _opened(self, rows: Iterator[tuple[bytes, dict[bytes, Cell], bool]]) -> int:
        if len(self._scanners) >= MOST_SCANNERS:
            raise Busy("Too many scans are open.", do="close those that are done")
        number = next(self._numbers)
        self._scanners[number] = rows
        return number

    def _scan(
        self,
        table: bytes,
        bounds: tuple[bytes, bytes | None],
        columns: _Columns,
        timestamp: int | None,
        *,
        reverse: bool = False,
    ) -> Iterator[tuple[bytes, dict[bytes, Cell]]]:
        return self._rows.scan_cells(
            self._table(table), *bounds, columns=columns or None, until=_before(timestamp),
            reverse=reverse,
        )  # fmt: skip

    def _read(
        self, table: bytes, rows: Sequence[bytes], columns: _Columns, timestamp: int | None
    ) -> list[Any]:
        name, until = self._table(table), _before(timestamp)
        if len(rows) > MOST_ROWS:
            raise ContractError(f"At most {MOST_ROWS:,} rows a call.", got=len(rows))
        found = [
            (row, self._rows.get_cells(name, row, columns or None, until=until)) for row in rows
        ]
        return [self._result(row, cells) for row, cells in found if cells]

    def _versions(
        self, table: bytes, row: bytes, column: bytes, timestamp: int | None, versions: int
    ) -> list[Any]:
        name, until = self._table(table), _before(timestamp)
        whole = b":" in column
        names = [column] if whole else sorted(self._rows.get(name, row, [column]))
        found = [cell for c in names for cell in self._rows.cells(name, row, c, until=until)]
        return [self._cell(cell) for cell in found[: max(0, versions)]]

    def _mutate(
        self, table: bytes, batches: Sequence[tuple[bytes, Sequence[Any]]], timestamp: int | None
    ) -> None:
        """Write first, then delete, as HBase does."""
        name = self._table(table)
        at = self._now() if timestamp is None else timestamp * MILLI
        puts = [
            (row, {m.column: m.value or b"" for m in found if not m.isDelete})
            for row, found in batches
        ]
        self._rows.put_many(name, [(row, cells) for row, cells in puts if cells], at)
        for row, found in batches:
            if gone := [m.column for m in found if m.isDelete]:
                self._rows.delete(name, row, gone, until=_through(timestamp))

    def _result(self, row: bytes, cells: Mapping[bytes, Cell], *, ordered: bool = False) -> Any:
        told = {column: self._cell(cell) for column, cell in cells.items()}
        if not ordered:
            return self._types.TRowResult(row=row, columns=told)
        columns = [
            self._types.TColumn(columnName=column, cell=cell)
            for column, cell in sorted(told.items())
        ]
        return self._types.TRowResult(row=row, sortedColumns=columns)

    def _cell(self, cell: Cell) -> Any:
        return self._types.TCell(value=cell.value, timestamp=cell.timestamp // MILLI)

    def _descriptor(self, name: str, family: Family) -> Any:
        lives = ENDLESS if family.ttl is None else min(max(1, family.ttl // second), ENDLESS)
        return self._types.ColumnDescriptor(
            name=f"{name}:".encode(), maxVersions=min(family.versions, ENDLESS), timeToLive=lives
        )

    def _table(self, table: bytes, *, enabled: bool = True) -> str:
        name = _text(table)
        self._rows.families(name)
        if enabled and name in self._disabled:
            raise ContractError(f"The table {name} is disabled.", do="enable it")
        return name

    def _now(self) -> int:
        return self._clock.now() // MILLI * MILLI


def _in_parts(
    rows: Iterator[tuple[bytes, dict[bytes, Cell]]], n: int
) -> Iterator[tuple[bytes, dict[bytes, Cell]]]:
    """Cut rows into parts of at most n columns."""
    for row, cells in rows:
        columns = iter(sorted(cells.items()))
        while part := dict(islice(columns, n)):
            yield row, part


def _family(told: Any) -> Family:
    lives = told.timeToLive
    ttl = None if lives in (-1, ENDLESS, None) else lives * second
    return Family(told.maxVersions or 0, ttl)


def _before(timestamp: int | None) -> int | None:
    """Return the last microsecond that lies before a millisecond."""
    return None if timestamp is None else timestamp * MILLI - 1


def _through(timestamp: int | None) -> int | None:
    """Return the last microsecond of a millisecond."""
    return None if timestamp is None else timestamp * MILLI + MILLI - 1


def _text(name: bytes | None) -> str:
    try:
        return (name or b"").decode("ascii")
    except UnicodeDecodeError as error:
        raise ContractError("A name is letters, digits and _.", got=repr(name)) from error
