# SPDX-License-Identifier: Apache-2.0
"""Which column of a source fills which field of a table, recorded with each load."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

from sqlglot import exp

from heptad.catalog.bindings import parts_of, trees_of
from heptad.catalog.lineage import Edge, Node
from heptad.engine.sql.maps import columns_read

if TYPE_CHECKING:
    from heptad.catalog.lineage import Lineage
    from heptad.sources.binding import Source
    from heptad.standards.tables import Table


class Traces:
    """Records the lineage of loads; of rows that are posted again and again, only what is new."""

    def __init__(self, lineage: Lineage) -> None:
        self._lineage = lineage
        self._posted: dict[tuple[str, str], set[str]] = {}

    def load(self, source: Source, table: type[Table], columns: tuple[str, ...], load: int) -> None:
        """Record that a load filled a table from a source's columns by its map."""
        self._lineage.record(
            _scope(source, table),
            edges_of(source, table, columns),
            definition=_version(source),
            load=load,
        )

    def post(self, source: Source, table: type[Table], columns: tuple[str, ...], load: int) -> None:
        """Record that rows with these columns were posted, beside the columns posted before."""
        key = (source.name, table.__name__)
        if key not in self._posted:
            before = self._lineage.into(table.__name__)
            mine = {e.origin.column for e in before if e.origin.name == source.name}
            self._posted[key] = mine
        known = self._posted[key]
        if not known.issuperset(columns):
            self.load(source, table, tuple(sorted(known.union(columns))), load)
            known.update(columns)


def edges_of(source: Source, table: type[Table], columns: tuple[str, ...]) -> set[Edge]:
    """Return the edges from a source's columns to the fields of a table.

    Args:
        source: the binding.
        table: the table that it fills.
        columns: the source's columns, all of them.
    """
    fields = {part: f.name for f in table.fields.values() for part in parts_of(f)}
    edges = set()
    for entry, tree in trees_of(source, table, columns).items():
        name = fields.get(entry, entry)
        how = "" if isinstance(tree, exp.Column) else source.map[entry]
        if name in source.codes:
            how = f"{how or tree.name}, translated by codes"
        target = Node("table", table.__name__, name)
        edges |= {Edge(Node("source", source.name, c), target, how) for c in columns_read(tree)}
    return edges


def _scope(source: Source, table: type[Table]) -> str:
    return f"source:{source.name} → {table.__name__}"


def _version(source: Source) -> str:
    """Return a hash of what the binding says of columns."""
    codes = {name: dict(words) for name, words in source.codes.items()}
    text = json.dumps([dict(source.map), codes], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
