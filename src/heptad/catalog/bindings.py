# SPDX-License-Identifier: Apache-2.0
"""A source's map, parsed and typed, as ingest needs it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlglot import exp

from heptad.engine.sql.identifiers import quote
from heptad.engine.sql.maps import columns_read, map_types, parse_map
from heptad.ingest.checks import Binding
from heptad.ingest.typed import Given, Marks

if TYPE_CHECKING:
    from heptad.sources.config import Source
    from heptad.standards.tables import Table

_CONVERSIONS = ("TRY_STRPTIME",)


def binding_of(source: Source, table: type[Table], columns: tuple[str, ...]) -> Binding:
    """Parse a source's map over its columns.

    A field without an entry is read from the column of its own name, whatever its case.

    Raises:
        InputError: if an entry is not a scalar expression over the columns.
    """
    trees = trees_of(source, table, columns)
    types = map_types(trees, columns, place=_place(source))
    given = {name: Given(tree.sql("duckdb"), types[name]) for name, tree in trees.items()}
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
        name: parse_map(text, columns, place=f"{_place(source)}, map of {name}")
        for name, text in source.map.items()
    }
    for field in table.fields.values():
        for name in (field.name, *(c.name for c in field.columns())):
            if name not in trees and name in folded:
                trees[name] = exp.column(exp.to_identifier(folded[name], quoted=True))
    return trees


def personal_columns(
    source: Source, table: type[Table], columns: tuple[str, ...]
) -> tuple[str, ...]:
    """Return the source's columns from which personal fields are made."""
    trees = trees_of(source, table, columns)
    found: set[str] = set()
    for field in table.fields.values():
        for name in {field.name, *(c.name for c in field.columns())} & trees.keys():
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


def _place(source: Source) -> str:
    return f"heptad.toml line {source.line}" if source.line else f"source {source.name}"
