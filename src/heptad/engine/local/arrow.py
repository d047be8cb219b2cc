# SPDX-License-Identifier: Apache-2.0
"""What each kind of column is in Arrow, in DuckDB and in Delta."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa

from heptad.standards.fields import Column, Kind

if TYPE_CHECKING:
    from collections.abc import Iterable

    from deltalake import Schema

# An instant is stored as the integer that every window is computed in: no zone, no rounding,
# and row groups are pruned by it. The Delta field says what it means.
_ARROW: dict[Kind, pa.DataType] = {
    "text": pa.string(),
    "integer": pa.int64(),
    "instant": pa.int64(),
    "day": pa.date32(),
    "flag": pa.bool_(),
    "sealed": pa.binary(),
}
_DUCKDB: dict[Kind, str] = {
    "text": "VARCHAR",
    "integer": "BIGINT",
    "instant": "BIGINT",
    "day": "DATE",
    "flag": "BOOLEAN",
    "sealed": "BLOB",
}
_DELTA: dict[Kind, str] = {
    "text": "string",
    "integer": "long",
    "instant": "long",
    "day": "date",
    "flag": "boolean",
    "sealed": "binary",
}
_MEANING: dict[Kind, str] = {
    "instant": "microseconds since 1970-01-01T00:00:00Z",
    "sealed": "ciphertext under the subject's key",
}
_KIND = "heptad.kind"
_OPTIONAL = "heptad.optional"


def arrow_type(kind: Kind) -> pa.DataType:
    """Return the Arrow type of a kind; an instant is int64 microseconds."""
    return _ARROW[kind]


def duckdb_type(kind: Kind) -> str:
    """Return the DuckDB type of a kind; an instant is BIGINT microseconds."""
    return _DUCKDB[kind]


def arrow_schema(columns: Iterable[Column]) -> pa.Schema:
    """Return the Arrow schema of a stored table, `_month` included if it is among the columns."""
    return pa.schema([pa.field(c.name, _ARROW[c.kind]) for c in columns])


def delta_schema(columns: Iterable[Column]) -> Schema:
    """Return the Delta schema of a stored table.

    Every field is nullable there: a row that says "deleted" has no other values. What must be
    present is checked when rows come in.
    """
    from deltalake import Field, Schema
    from deltalake.schema import PrimitiveType

    return Schema(
        [
            Field(c.name, PrimitiveType(_DELTA[c.kind]), nullable=True, metadata=_metadata(c))
            for c in columns
        ]
    )


def delta_columns(schema: Schema) -> tuple[Column, ...]:
    """Return the columns that a Delta schema written by `delta_schema` holds, in its order."""
    return tuple(
        Column(f.name, f.metadata[_KIND], optional=f.metadata[_OPTIONAL] == "true")
        for f in schema.fields
    )


def holds(kind: Kind, found: pa.DataType) -> bool:
    """Whether a Parquet column read as `found` holds values of `kind` without a cast."""
    if pa.types.is_dictionary(found):
        found = found.value_type
    if kind == "text":
        return bool(
            pa.types.is_string(found)
            or pa.types.is_large_string(found)
            or pa.types.is_string_view(found)
        )
    if kind == "sealed":
        return bool(
            pa.types.is_binary(found)
            or pa.types.is_large_binary(found)
            or pa.types.is_binary_view(found)
        )
    return bool(found.equals(_ARROW[kind]))


def _metadata(column: Column) -> dict[str, str]:
    """Return the Delta metadata from which the column can be read back."""
    metadata = {_KIND: column.kind, _OPTIONAL: str(column.optional).lower()}
    if column.kind in _MEANING:
        metadata["comment"] = _MEANING[column.kind]
    return metadata
