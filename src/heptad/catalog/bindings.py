# SPDX-License-Identifier: Apache-2.0
"""A source's map, parsed and typed, as ingest needs it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlglot import exp, parse_one
from sqlglot.errors import SqlglotError

from heptad.engine.sql.maps import LONGEST, columns_read, map_types, parse_map
from heptad.ingest.checks import Binding
from heptad.ingest.typed import Given, Marks
from heptad.standards.fields import Place

if TYPE_CHECKING:
    from heptad.sources.binding import Source
    from heptad.standards.fields import Field
    from heptad.standards.tables import Table

RECORD = "_record"
"""The record number, which a map may read: a key for rows that have none."""

_CONVERSIONS = ("TRY_STRPTIME",)


def binding_of(source: Source, table: type[Table], columns: tuple[str, ...]) -> Binding:
    """Parse a source's map over its columns.

    A field without an entry is read from the column of its own name, whatever its case.

    Raises:
        InputError: if an entry is not a scalar expression over the columns.
    """
    trees = trees_of(source, table, columns)
    made = {name: tree for name, tree in trees.items() if not isinstance(tree, exp.Column)}
    types = map_types(made, (*columns, RECORD), place=_place(source, "")) if made else {}
    given = {
        name: Given(tree.sql("duckdb"), types.get(name, "VARCHAR")) for name, tree in trees.items()
    }
    failing = {name: sql for name, tree in trees.items() if (sql := _failing(tree))}
    return Binding(
        table,
        columns,
        given,
        failing,
        source.zone,
        Marks(source.format.decimal, source.format.thousands),
        source.codes,
    )


def trees_of(source: Source, table: type[Table], columns: tuple[str, ...]) -> dict[str, exp.Expr]:
    """Return field → its expression over the source's columns."""
    folded = {name.lower(): name for name in columns}
    trees = {
        name: parse_map(text, (*columns, RECORD), place=f"{_place(source, name)}, map of {name}")
        for name, text in source.map.items()
    }
    for field in table.fields.values():
        for name in (field.name, *parts_of(field)):
            found = folded.get(name) or folded.get(name.replace("_", "."))
            if name not in trees and found:
                trees[name] = exp.column(exp.to_identifier(found, quoted=True))
    return trees


def parts_of(field: Field) -> tuple[str, ...]:
    """Return the names under which the parts of a place may be given."""
    return (f"{field.name}_lat", f"{field.name}_lon") if isinstance(field, Place) else ()


def wanted_columns(source: Source) -> tuple[str, ...]:
    """Return the columns that a map names, as far as they can be seen without the source."""
    names = [name for text in source.map.values() for name in columns_named(text)]
    return tuple(name for name in dict.fromkeys(names) if name != RECORD)


def columns_named(text: str) -> tuple[str, ...]:
    """Return the columns that one entry of a map names; none if it cannot be read."""
    try:
        tree = parse_one(text[:LONGEST], read="duckdb")
    except (SqlglotError, RecursionError, ValueError, IndexError):
        return ()  # whoever reads the map says what is wrong with it
    names = dict.fromkeys(column.name for column in tree.find_all(exp.Column))
    return tuple(name for name in names if name)


def personal_columns(
    source: Source, table: type[Table], columns: tuple[str, ...]
) -> tuple[str, ...]:
    """Return the source's columns from which personal fields are made."""
    trees = trees_of(source, table, columns)
    found: set[str] = set()
    for field in table.fields.values():
        for name in {field.name, *parts_of(field)} & trees.keys():
            found |= columns_read(trees[name]) if field.personal else set()
    return tuple(sorted(found))


def _failing(tree: exp.Expr) -> str:
    """Return the condition under which a conversion in a map failed: a value went in, none came out."""
    conditions = []
    for node in tree.walk():
        named = isinstance(node, exp.Anonymous) and str(node.this).upper() in _CONVERSIONS
        if isinstance(node, exp.TryCast) or named:
            inner = node.this if isinstance(node, exp.TryCast) else node.expressions[0]
            conditions.append(
                f"(({inner.sql('duckdb')}) IS NOT NULL AND {node.sql('duckdb')} IS NULL)"
            )
    return " OR ".join(conditions)


def _place(source: Source, name: str) -> str:
    """Say where the map of a field stands."""
    line = source.lines.get(name) or source.line
    return f"heptad.toml line {line}" if line else f"source {source.name}"
