# SPDX-License-Identifier: Apache-2.0
"""HBase's Thrift 1 protocol, as far as our gateway speaks it: its calls, types and numbers."""

from __future__ import annotations

import io
from functools import cache
from typing import Any

TYPES = """
struct TCell { 1: binary value, 2: i64 timestamp }
struct TColumn { 1: binary columnName, 2: TCell cell }
struct TRowResult { 1: binary row, 2: map<binary, TCell> columns, 3: list<TColumn> sortedColumns }
struct ColumnDescriptor {
  1: binary name, 2: i32 maxVersions = 3, 3: string compression = "NONE", 4: bool inMemory = 0,
  5: string bloomFilterType = "NONE", 6: i32 bloomFilterVectorSize = 0,
  7: i32 bloomFilterNbHashes = 0, 8: bool blockCacheEnabled = 0, 9: i32 timeToLive = -1
}
struct TRegionInfo {
  1: binary startKey, 2: binary endKey, 3: i64 id, 4: binary name, 5: byte version,
  6: binary serverName, 7: i32 port
}
struct Mutation { 1: bool isDelete = 0, 2: binary column, 3: binary value, 4: bool writeToWAL = 1 }
struct BatchMutation { 1: binary row, 2: list<Mutation> mutations }
struct TIncrement { 1: binary table, 2: binary row, 3: binary column, 4: i64 ammount }
struct TScan {
  1: binary startRow, 2: binary stopRow, 3: i64 timestamp, 4: list<binary> columns, 5: i32 caching,
  6: binary filterString, 7: i32 batchSize, 8: bool sortColumns, 9: bool reversed
}
exception IOError { 1: string message }
exception IllegalArgument { 1: string message }
exception AlreadyExists { 1: string message }
"""

ROW, ROWS = "1: binary table, 2: binary row", "1: binary table, 2: list<binary> rows"
WITH = "map<binary, binary> attributes"
CALLS: dict[str, tuple[str, str]] = {
    "enableTable": ("void", "1: binary table"),
    "disableTable": ("void", "1: binary table"),
    "isTableEnabled": ("bool", "1: binary table"),
    "compact": ("void", "1: binary table"),
    "majorCompact": ("void", "1: binary table"),
    "getTableNames": ("list<binary>", ""),
    "getColumnDescriptors": ("map<binary, ColumnDescriptor>", "1: binary table"),
    "getTableRegions": ("list<TRegionInfo>", "1: binary table"),
    "createTable": ("void", "1: binary table, 2: list<ColumnDescriptor> families"),
    "deleteTable": ("void", "1: binary table"),
    "get": ("list<TCell>", f"{ROW}, 3: binary column, 4: {WITH}"),
    "getVer": ("list<TCell>", f"{ROW}, 3: binary column, 4: i32 versions, 5: {WITH}"),
    "getVerTs": (
        "list<TCell>", f"{ROW}, 3: binary column, 4: i64 timestamp, 5: i32 versions, 6: {WITH}"),
    "getRow": ("list<TRowResult>", f"{ROW}, 3: {WITH}"),
    "getRowWithColumns": ("list<TRowResult>", f"{ROW}, 3: list<binary> columns, 4: {WITH}"),
    "getRowTs": ("list<TRowResult>", f"{ROW}, 3: i64 timestamp, 4: {WITH}"),
    "getRowWithColumnsTs": (
        "list<TRowResult>", f"{ROW}, 3: list<binary> columns, 4: i64 timestamp, 5: {WITH}"),
    "getRows": ("list<TRowResult>", f"{ROWS}, 3: {WITH}"),
    "getRowsWithColumns": ("list<TRowResult>", f"{ROWS}, 3: list<binary> columns, 4: {WITH}"),
    "getRowsTs": ("list<TRowResult>", f"{ROWS}, 3: i64 timestamp, 4: {WITH}"),
    "getRowsWithColumnsTs": (
        "list<TRowResult>", f"{ROWS}, 3: list<binary> columns, 4: i64 timestamp, 5: {WITH}"),
    "mutateRow": ("void", f"{ROW}, 3: list<Mutation> mutations, 4: {WITH}"),
    "mutateRowTs": ("void", f"{ROW}, 3: list<Mutation> mutations, 4: i64 timestamp, 5: {WITH}"),
    "mutateRows": ("void", f"1: binary table, 2: list<BatchMutation> batches, 3: {WITH}"),
    "mutateRowsTs": (
        "void", f"1: binary table, 2: list<BatchMutation> batches, 3: i64 timestamp, 4: {WITH}"),
    "atomicIncrement": ("i64", f"{ROW}, 3: binary column, 4: i64 amount"),
    "increment": ("void", "1: TIncrement increment"),
    "incrementRows": ("void", "1: list<TIncrement> increments"),
    "deleteAll": ("void", f"{ROW}, 3: binary column, 4: {WITH}"),
    "deleteAllTs": ("void", f"{ROW}, 3: binary column, 4: i64 timestamp, 5: {WITH}"),
    "deleteAllRow": ("void", f"{ROW}, 3: {WITH}"),
    "deleteAllRowTs": ("void", f"{ROW}, 3: i64 timestamp, 4: {WITH}"),
    "scannerOpenWithScan": ("i32", f"1: binary table, 2: TScan scan, 3: {WITH}"),
    "scannerOpen": ("i32", f"1: binary table, 2: binary start, 3: list<binary> columns, 4: {WITH}"),
    "scannerOpenWithStop": (
        "i32", f"1: binary table, 2: binary start, 3: binary stop, 4: list<binary> columns, "
        f"5: {WITH}"),
    "scannerOpenWithPrefix": (
        "i32", f"1: binary table, 2: binary prefix, 3: list<binary> columns, 4: {WITH}"),
    "scannerOpenTs": (
        "i32", f"1: binary table, 2: binary start, 3: list<binary> columns, 4: i64 timestamp, "
        f"5: {WITH}"),
    "scannerOpenWithStopTs": (
        "i32", f"1: binary table, 2: binary start, 3: binary stop, 4: list<binary> columns, "
        f"5: i64 timestamp, 6: {WITH}"),
    "scannerGet": ("list<TRowResult>", "1: i32 id"),
    "scannerGetList": ("list<TRowResult>", "1: i32 id, 2: i32 most"),
    "scannerClose": ("void", "1: i32 id"),
    "checkAndPut": (
        "bool", f"{ROW}, 3: binary column, 5: binary value, 6: Mutation change, 7: {WITH}"),
}  # fmt: skip
"""Call → what it gives, and its arguments with their numbers."""
_THROWS = "throws (1: IOError io, 2: IllegalArgument argument, 3: AlreadyExists exists)"


def idl() -> str:
    """Return the protocol in Thrift's language."""
    calls = "\n".join(
        f"  {gives} {name}({arguments}) {_THROWS}" for name, (gives, arguments) in CALLS.items()
    )
    return f"{TYPES}\nservice Hbase {{\n{calls}\n}}\n"


@cache
def protocol() -> Any:
    """Return the types and calls as thriftpy2 makes them.

    Raises:
        InputError: if the package is not installed.
    """
    from heptad.standards.errors import InputError

    try:
        from thriftpy2 import load_fp
    except ImportError as error:
        raise InputError(
            "The HBase gateway needs a package that is not installed.",
            do="run `pip install 'heptad[hbase]'`",
        ) from error
    return load_fp(io.StringIO(idl()), module_name="heptad_hbase_thrift")
