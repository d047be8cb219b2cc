# SPDX-License-Identifier: Apache-2.0
"""The SQL text by which DuckDB reads a table's Parquet files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from heptad.engine.local.arrow import duckdb_type
from heptad.engine.sql.identifiers import literal, quote

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from heptad.standards.fields import Column


def relation_of(paths: Iterable[str], columns: Sequence[Column]) -> str:
    """Return SQL text, in parentheses, that reads Parquet files as the given columns.

    Columns are found by name, and are NULL where a file lacks them. DuckDB's own way to do so
    (`hive_partitioning`, `union_by_name`) would let a folder `id=7` above the project replace
    the column `id`.
    """
    wanted = ", ".join(_projected(c) for c in columns)
    listed = ", ".join(literal(str(path)) for path in paths)
    if not listed:
        empty = ", ".join(f"NULL::{duckdb_type(c.kind)} AS {quote(c.name)}" for c in columns)
        return f"(SELECT {empty} WHERE false)"
    stored = ", ".join(
        f"{literal(c.name)}: {{name: {literal(c.name)}, type: {literal(duckdb_type(c.kind))}, "
        "default_value: NULL}"
        for c in columns
        if c.name != "_month"
    )
    return f"(SELECT {wanted} FROM read_parquet([{listed}], schema = MAP {{{stored}}}))"


def _projected(column: Column) -> str:
    """Return a column as selected from the files; the month is that of event_time."""
    if column.name == "_month":
        return 'strftime(make_timestamp("event_time"), \'%Y-%m\') AS "_month"'
    return quote(column.name)
