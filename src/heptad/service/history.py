# SPDX-License-Identifier: Apache-2.0
"""Compute features for a spine of (key, t, k) on the batch engine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from heptad.service.features import Feature, parts_of
from heptad.service.finish import finish
from heptad.service.windows import STATE_COLUMNS, Stored, plan
from heptad.standards.errors import ContractError, UnknownName, suggest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from heptad.standards import Table

_EXACT = 2**53


class Queries(Protocol):
    """What is needed of the engine: a query over Arrow tables given by name."""

    def arrow(
        self, sql: str, params: Sequence[object] | None = None, **tables: pa.Table
    ) -> pa.Table:
        """Run one query."""
        ...


@dataclass(frozen=True)
class Spine:
    """Where features are asked: one row per (keys, t, k).

    Attributes:
        keys: entity → (n,) text column of its keys, nulls allowed.
        t: (n,) int64 microseconds, the instant asked about.
        k: (n,) int64 microseconds, what was known by then counts.
        own: (n,) text, the key of the row that the spine row is, or None.
        own_table: the table of those rows, or None.
    """

    keys: Mapping[str, pa.Array]
    t: pa.Array
    k: pa.Array
    own: pa.Array | None = None
    own_table: type[Table] | None = None

    def __len__(self) -> int:
        return len(self.t)

    def arrow(self, entities: Sequence[str]) -> pa.Table:
        """Return the relation that the queries join."""
        n = len(self)
        columns: dict[str, Any] = {
            "_i": pa.array(np.arange(n, dtype=np.int64)),
            "_t": self.t,
            "_k": self.k,
            "_own": self.own if self.own is not None else pa.nulls(n, pa.string()),
        }
        for entity in entities:
            if entity not in self.keys:
                raise UnknownName(
                    f"The spine has no column that names a {entity}.",
                    got=entity,
                    do=suggest(entity, self.keys),
                )
            columns[entity] = self.keys[entity]
        return pa.table(columns)


def spine_of(table: type[Table], rows: pa.Table) -> Spine:
    """Return the spine of rows of a table: each asks at its own event_time, known_time and key.

    Args:
        table: the table that the rows belong to.
        rows: its key, event_time, known_time and key columns, as stored.
    """
    from heptad.standards import Ref

    keys: dict[str, pa.Array] = {}
    for field in table.fields.values():
        if field.name not in rows.column_names or field.kind != "text" or field.sealed:
            continue
        column = rows.column(field.name)
        keys[field.title] = column
        if isinstance(field, Ref):
            keys.setdefault(field.target_name, column)
        if field.key:
            keys[table.__name__] = column
    return Spine(
        keys,
        instants(rows.column("event_time")),
        instants(rows.column("known_time")),
        None if table.state else rows.column(table.key.name),
        None if table.state else table,
    )


def instants(column: pa.ChunkedArray | pa.Array) -> pa.Array:
    """Return a column of instants as int64 microseconds."""
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if pa.types.is_timestamp(array.type):
        array = array.cast(pa.timestamp("us", "UTC"))
        return array.cast(pa.int64())
    return array.cast(pa.int64())


def compute(
    queries: Queries,
    features: Sequence[Feature],
    spine: Spine,
    tables: Callable[[type[Table]], Stored],
) -> dict[str, pa.Array]:
    """Compute features in spine order.

    Returns:
        Feature name → (n,) Arrow array: int64, double, text or boolean; null where there is no
        value.

    Raises:
        ContractError: if a total leaves 64 bits.
    """
    if not features or not len(spine):
        return {f.name: pa.nulls(len(spine)) for f in features}
    state: dict[str, list[pa.Array]] = {}
    relation = spine.arrow(sorted({e for f in parts_of(features) for e in f.entities}))
    edges = pc.min_max(spine.t)
    span = edges["min"].as_py(), edges["max"].as_py()
    for query in plan(features, tables, spine.own_table, span):
        try:
            answer = queries.arrow(f"{query.sql} ORDER BY _i", spine=relation)
        except Exception as error:
            if "out of range" not in str(error).lower() and "overflow" not in str(error).lower():
                raise
            names = ", ".join(query.columns)
            raise ContractError(
                f"A total leaves 64 bits in one of: {names}.",
                do="shorten the window, or check the unit of the amounts",
            ) from error
        for name, columns in query.columns.items():
            state[name] = [answer.column(c).combine_chunks() for c in columns]
    return {f.name: _filled(f, _finished(f, state)) for f in features}


def _filled(feature: Feature, values: pa.Array) -> pa.Array:
    """Put the default where there is no value."""
    if feature.default is None:
        return values
    return pc.fill_null(values, pa.scalar(feature.default, values.type))


def _finished(feature: Feature, state: Mapping[str, list[pa.Array]]) -> pa.Array:
    """Turn the state of one feature into its values."""
    if feature.parts:
        above, below = (state[f"{feature.name}#{i}"][0] for i in (0, 1))
        return _quotients(above, below)
    columns = state[feature.name]
    if feature.op == "spread":
        rows = zip(*(c.to_pylist() for c in columns), strict=True)
        values = [finish("spread", [int(v or 0) for v in row]) for row in rows]
        return pa.array(values, pa.float64())
    if feature.op in STATE_COLUMNS:
        return _quotients(columns[0], columns[1])
    return columns[0]


def _quotients(above: pa.Array, below: pa.Array) -> pa.Array:
    """Divide two integer columns, each result correctly rounded; null for null or zero below."""
    missing = pc.or_(pc.is_null(above), pc.is_null(below)).to_numpy(zero_copy_only=False)
    a = pc.fill_null(above, 0).to_numpy(zero_copy_only=False).astype(np.int64)
    b = pc.fill_null(below, 0).to_numpy(zero_copy_only=False).astype(np.int64)
    none = missing | (b == 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        values = a / b
    # Above 2^53 the conversion to float would round before the division does.
    for i in np.flatnonzero(~none & ((np.abs(a) > _EXACT) | (np.abs(b) > _EXACT))):
        values[i] = int(a[i]) / int(b[i])
    return pa.array(values, pa.float64(), mask=none)


def spine_from(table: pa.Table, features: Sequence[Feature]) -> Spine:
    """Read a spine that a user gives.

    Args:
        table: `event_time`, optionally `known_time`, and for each key of the features a column
            named after its entity (`Customer`) or its field (`customer`).
        features: whose keys are needed.

    Raises:
        ContractError: if an instant is missing.
        UnknownName: if a key has no column.
    """
    if "event_time" not in table.column_names:
        raise ContractError(
            "A spine needs the column event_time: the instant asked about.",
            got=", ".join(table.column_names),
        )
    t = instants(table.column("event_time"))
    k = instants(table.column("known_time")) if "known_time" in table.column_names else t
    if t.null_count or k.null_count:
        raise ContractError("A spine has no missing instants.", got=t.null_count + k.null_count)
    keys: dict[str, pa.Array] = {}
    for feature in parts_of(features):
        for entity, end in zip(feature.entities, feature.ends, strict=True):
            names = (entity, end.name, entity.lower())
            found = next((n for n in names if n in table.column_names), None)
            if found is None:
                raise UnknownName(
                    f"The spine has no column that names a {entity}.",
                    got=", ".join(table.column_names),
                    do=f"add the column {end.name!r}",
                )
            keys[entity] = table.column(found).cast(pa.string())
    return Spine(keys, t, k)
