# SPDX-License-Identifier: Apache-2.0
"""How long the value of a feature holds if no row comes: until an event enters or leaves its window."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from heptad.service.batch.windows import events_sql
from heptad.service.features import parts_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import numpy.typing as npt

    from heptad.service.batch.history import Queries
    from heptad.service.batch.windows import Stored
    from heptad.service.features import Feature
    from heptad.standards import Table

    Ints = npt.NDArray[np.int64]

LASTS = 2**62
"""A value that holds for ever."""


def lasting(
    queries: Queries,
    features: Sequence[Feature],
    keys: Mapping[str, pa.Array],
    tables: Callable[[type[Table]], Stored],
    now: int,
) -> dict[str, Ints]:
    """Say until when values hold that were computed at `now`, as known then.

    The instant is never too late; it may be earlier than need be, since `where` and what the
    operator makes of the events are not looked at.

    Args:
        queries: the engine.
        features: of one table and key; names are unique.
        keys: entity → (n,) its keys, distinct.
        tables: gives the stored versions of a table.
        now: the instant of the values, microseconds.

    Returns:
        Feature name → (n,) the first instant at which its value may be another.
    """
    n = len(next(iter(keys.values())))
    groups: dict[tuple[str, str], list[Feature]] = defaultdict(list)
    for feature in parts_of(features):
        groups[feature.table.__name__, repr(feature.keys)].append(feature)
    asked = pa.table({**keys, "_code": pa.array(np.arange(n, dtype=np.int64))})
    found: dict[str, Ints] = {}
    for group in groups.values():
        until = _until(queries, group, asked, tables, now)
        for feature in group:
            name = feature.name.partition("#")[0]
            found[name] = np.minimum(found.get(name, LASTS), until[feature.name])
    return found


def _until(
    queries: Queries,
    group: Sequence[Feature],
    asked: pa.Table,
    tables: Callable[[type[Table]], Stored],
    now: int,
) -> dict[str, Ints]:
    """Answer for features of one table and key."""
    told = [f"least({', '.join(_changes(f, now))}) AS u{i}" for i, f in enumerate(group)]
    events = events_sql(group, tables, (now, LASTS), {})
    answer = queries.arrow(f"SELECT _code, {', '.join(told)} FROM ({events}) GROUP BY _code",
                           spine=asked)  # fmt: skip
    code = answer.column("_code").to_numpy()
    rates = min((_rates(queries, tables, now) for f in group if f.into), default=LASTS)
    found = {}
    for i, feature in enumerate(group):
        until = np.full(len(asked), LASTS, np.int64)
        until[code] = answer.column(f"u{i}").to_numpy()
        found[feature.name] = np.minimum(until, min(_own_change(feature, now), rates))
    return found


def _changes(feature: Feature, now: int) -> list[str]:
    """SQL of the first instants after `now` at which an event changes what a window holds."""
    moves = ["_from", "_to"]
    if not feature.every:
        moves.append(f"_us + {feature.delay}")
        if isinstance(feature.over, int):
            moves.append(f"_us + {feature.delay + feature.over}")
    return [f"coalesce(min({m}) FILTER ({m} > {now}), {LASTS})" for m in moves]


def _own_change(feature: Feature, now: int) -> int:
    """Return when a value changes though no event enters or leaves."""
    if feature.op in ("decayed", "since"):
        return now
    if not feature.every:
        return LASTS
    return ((now - feature.delay) // feature.every + 1) * feature.every + feature.delay


def _rates(queries: Queries, tables: Callable[[type[Table]], Stored], now: int) -> int:
    """Return when a rate becomes known that is stored already."""
    from heptad.standards.model import Rate

    relation = tables(Rate).relation
    answer = queries.arrow(f"SELECT min(known_time) AS k FROM {relation} WHERE known_time > {now}")
    (first,) = answer.column("k").to_pylist()
    return LASTS if first is None else int(first)
