# SPDX-License-Identifier: Apache-2.0
"""Features on Spark: tier 1 by the plans of the range join, tier 2 by the kernel in its workers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from heptad.service.batch.encoding import whole
from heptad.service.batch.history import compute
from heptad.service.batch.plans import choose
from heptad.service.batch.programs import compiled
from heptad.service.batch.spines import relation
from heptad.service.batch.sweep import coded, events_of, swept
from heptad.service.batch.windows import plan
from heptad.service.features import parts_of, result_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from pyspark.sql import DataFrame

    from heptad.engine.spark.session import Spark
    from heptad.service.batch.programs import Compiled
    from heptad.service.batch.spines import Spine
    from heptad.service.batch.windows import Stored
    from heptad.service.features import Feature
    from heptad.standards import Table

_SPARK = {
    "integer": "bigint", "number": "double", "text": "string", "instant": "bigint", "day": "date",
    "flag": "boolean",
}  # fmt: skip


def on_spark(
    spark: Spark,
    features: Sequence[Feature],
    spine: Spine,
    tables: Callable[[type[Table]], Stored],
) -> dict[str, pa.Array]:
    """Compute features on Spark, in spine order; see `heptad.service.batch.history.compute`."""
    return compute(spark, features, spine, tables, "join", sweep_on_spark)


def sweep_on_spark(
    spark: Spark,
    features: Sequence[Feature],
    spine: Spine,
    span: tuple[int, int],
    tables: Callable[[type[Table]], Stored],
) -> dict[str, pa.Array]:
    """Compute features of one table and key by the kernel in Spark's workers, in spine order."""
    from heptad.engine.spark.session import collected

    with _Sweep(spark, features, spine, span, tables) as frame:
        found = collected(frame).sort_by("_i")
    return {f.name: found.column(f"f{n}").combine_chunks() for n, f in enumerate(features)}


class _Sweep:
    """The plan of a sweep; its events live as long as the block."""

    def __init__(
        self,
        spark: Spark,
        features: Sequence[Feature],
        spine: Spine,
        span: tuple[int, int],
        tables: Callable[[type[Table]], Stored],
    ) -> None:
        self._spark, self._features, self._made = spark, features, compiled(features)
        keys, codes = coded([whole(spine.key(e)) for e in features[0].entities])
        sql, asked = events_of(self._made, keys, span, tables)
        self._owned = spine.own_table is self._made.table and spine.own is not None
        self._spine = relation(spine, []).append_column("_code", pa.array(codes))
        self._events = spark.views(sql, {"spine": asked})

    def __enter__(self) -> DataFrame:
        fields = (f"f{n} {_type(f)}" for n, f in enumerate(self._features))
        schema = ", ".join(["_i bigint", *fields])
        work = _work(self._made, self._owned)
        return self._spark.grouped(self._spine, self._events.__enter__(), work, schema)

    def __exit__(self, *error: object) -> None:
        self._events.__exit__(*error)


def _type(feature: Feature) -> str:
    """Return Spark's type of a feature's values."""
    kind = result_of(feature)
    if kind == "list":
        return f"array<{_SPARK[feature.of.columns()[0].kind]}>"
    return _SPARK[kind]


def _work(made: Compiled, owned: bool) -> Callable[[pa.Table, pa.Table], pa.Table]:
    """Return what a worker does with the rows and the events of one bucket of keys."""

    def work(rows: pa.Table, events: pa.Table) -> pa.Table:
        code, t, k = (
            np.array(rows.column(name).to_numpy(), np.int64) for name in ("_code", "_t", "_k")
        )
        numbers = np.unique(code[code >= 0])
        entity = np.where(code >= 0, np.searchsorted(numbers, code), -1)
        at = np.searchsorted(numbers, events.column("_code").to_numpy())
        place = events.schema.get_field_index("_code")
        known = events.set_column(place, "_code", pa.array(at, pa.int64()))
        own = whole(rows.column("_own")) if owned else None
        found = swept(made, known, len(numbers), (entity, t, k, own))
        columns = {f"f{n}": found[f.name] for n, f in enumerate(made.features)}
        return pa.table({"_i": rows.column("_i")} | columns)

    return work


def planned(
    spark: Spark,
    features: Sequence[Feature],
    spine: Spine,
    tables: Callable[[type[Table]], Stored],
) -> Iterator[tuple[list[str], DataFrame]]:
    """Yield what Spark would run, and which features each of its queries computes."""
    from heptad.service.batch.history import grouped, span_of

    flat, span = parts_of(features), span_of(spine)
    asked = relation(spine, sorted({e for f in flat for e in f.entities}))
    for group in grouped(flat):
        swept_ones = choose(spark, group, spine, tables, "join")
        joined = [f for f in group if f.name not in swept_ones]
        for query in plan(joined, tables, spine.own_table, span) if joined else []:
            with spark.views(query.sql, {"spine": asked}) as frame:
                yield list(query.columns), frame
        rest = [f for f in group if f.name in swept_ones]
        if rest:
            with _Sweep(spark, rest, spine, span, tables) as frame:
                yield [f.name for f in rest], frame
