# SPDX-License-Identifier: Apache-2.0
"""Compute features for a spine of (key, t, k) on the batch engine, by the cheapest plan."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from heptad.service.batch.encoding import filled, quotients
from heptad.service.batch.plans import Plans, choose
from heptad.service.batch.spines import Spine, instants, relation, spine_from, spine_of
from heptad.service.batch.sweep import Queries, sweep, too_large
from heptad.service.batch.windows import STATE_COLUMNS, Stored, plan
from heptad.service.features import Feature, parts_of
from heptad.service.operators.finish import finish

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from heptad.standards import Table

    Sweeping = Callable[
        [Any, Sequence[Feature], Spine, tuple[int, int], Callable[[type[Table]], Stored]],
        dict[str, pa.Array],
    ]

__all__ = ["Queries", "Spine", "compute", "instants", "spine_from", "spine_of"]


def compute(
    queries: Queries,
    features: Sequence[Feature],
    spine: Spine,
    tables: Callable[[type[Table]], Stored],
    plans: Plans = "cheapest",
    sweeping: Sweeping = sweep,
) -> dict[str, pa.Array]:
    """Compute features in spine order.

    Args:
        queries: the engine.
        features: what to compute; names are unique.
        spine: where they are asked.
        tables: gives the stored versions of a table.
        plans: join or kernel for all features that have a choice; by cost otherwise. All plans
            give the same bits.
        sweeping: where the kernel runs; in this process by default.

    Returns:
        Feature name → (n,) Arrow array: int64, double, text, boolean, day or list; null where
        there is no value.

    Raises:
        ContractError: if a total leaves 64 bits.
    """
    if not features or not len(spine):
        return {f.name: pa.nulls(len(spine)) for f in features}
    flat, span = parts_of(features), span_of(spine)
    asked = relation(spine, sorted({e for f in flat for e in f.entities}))
    values: dict[str, pa.Array] = {}
    for group in grouped(flat):
        swept = choose(queries, group, spine, tables, plans)
        joined = [f for f in group if f.name not in swept]
        if joined:
            values |= _joined(queries, joined, asked, spine.own_table, span, tables)
        if swept:
            chosen = [f for f in group if f.name in swept]
            values |= sweeping(queries, chosen, spine, span, tables)
    return filled(features, values)


def span_of(spine: Spine) -> tuple[int, int]:
    """Return the least and the greatest t of a spine; 0 where it has no rows, which a plan may."""
    if not len(spine):
        return 0, 0
    edges = pc.min_max(spine.t)
    return edges["min"].as_py(), edges["max"].as_py()


def grouped(flat: Sequence[Feature]) -> list[list[Feature]]:
    """Return features by table and key, which are computed together."""
    groups: dict[tuple[str, str], list[Feature]] = defaultdict(list)
    for feature in flat:
        groups[feature.table.__name__, repr(feature.keys)].append(feature)
    return list(groups.values())


def _joined(
    queries: Queries,
    features: Sequence[Feature],
    asked: pa.Table,
    own: type[Table] | None,
    span: tuple[int, int],
    tables: Callable[[type[Table]], Stored],
) -> dict[str, pa.Array]:
    """Compute features by a range join of the spine with the events."""
    by_name = {f.name: f for f in features}
    state: dict[str, list[pa.Array]] = {}
    for query in plan(features, tables, own, span):
        try:
            answer = queries.arrow(f"{query.sql} ORDER BY _i", spine=asked)
        except Exception as error:
            if "out of range" not in str(error).lower() and "overflow" not in str(error).lower():
                raise
            raise too_large(query.columns) from error
        for name, columns in query.columns.items():
            state[name] = [answer.column(c).combine_chunks() for c in columns]
    return {name: _finished(by_name[name], columns) for name, columns in state.items()}


def _finished(feature: Feature, columns: Sequence[pa.Array]) -> pa.Array:
    """Turn the state of one feature into its values."""
    if feature.op == "spread":
        rows = zip(*(c.to_pylist() for c in columns), strict=True)
        values = [finish("spread", [int(v or 0) for v in row]) for row in rows]
        return pa.array(values, pa.float64())
    if feature.op in STATE_COLUMNS:
        return quotients(columns[0], columns[1])
    return columns[0]
