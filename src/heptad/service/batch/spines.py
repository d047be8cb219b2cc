# SPDX-License-Identifier: Apache-2.0
"""Spines: where features are asked, one row per (keys, t, k)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from heptad.service.features import Feature, parts_of
from heptad.standards.errors import ContractError, UnknownName, suggest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from heptad.standards import Table


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

    def key(self, entity: str) -> pa.Array:
        """Return the keys of an entity.

        Raises:
            UnknownName: if the spine has none.
        """
        if entity not in self.keys:
            raise UnknownName(
                f"The spine has no column that names a {entity}.",
                got=entity,
                do=suggest(entity, self.keys),
            )
        return self.keys[entity]


def relation(spine: Spine, entities: Sequence[str]) -> pa.Table:
    """Return the relation that queries join: `_i`, `_t`, `_k`, `_own` and the keys."""
    n = len(spine)
    columns: dict[str, Any] = {
        "_i": pa.array(np.arange(n, dtype=np.int64)),
        "_t": spine.t,
        "_k": spine.k,
        "_own": spine.own if spine.own is not None else pa.nulls(n, pa.string()),
    }
    return pa.table(columns | {entity: spine.key(entity) for entity in entities})


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
