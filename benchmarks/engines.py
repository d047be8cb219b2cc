# SPDX-License-Identifier: Apache-2.0
"""Features on other engines: Spark on two cores beside the local engine, the same definitions."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.features import Purchase, _checks, asked, write
from benchmarks.harness import Row, child, seconds


def on_two_cores(folder: str) -> dict[str, Any]:
    """Heptad's history of a spine on Spark, in a session that has been used before."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from heptad.engine.spark.session import Spark
    from heptad.service.batch.history import spine_from
    from heptad.service.batch.spark import on_spark
    from heptad.service.batch.windows import Stored

    features = asked()
    given = pq.read_table(f"{folder}/tables/spine.parquet").rename_columns(
        ["customer", "event_time"]
    )
    begin = time.perf_counter()
    more = {"spark.driver.memory": "3g", "spark.local.dir": folder}
    with Spark(2, more) as spark:
        files = [Path(folder) / "tables" / "events.parquet"]
        stored = Stored(spark.relation(Purchase.columns(), files), corrected=False)
        on_spark(spark, features, spine_from(given.slice(0, 100), features), lambda _: stored)
        begun, start = time.perf_counter() - begin, time.perf_counter()
        values = on_spark(spark, features, spine_from(given, features), lambda _: stored)
        spent = time.perf_counter() - start
    return {"seconds": spent, "first_seconds": begun, "checks": _checks(pa.table(values))}


def engine_rows(*, quick: bool, seed: int) -> list[Row]:
    """Three windows × four operators at 50 events per key, here and on Spark."""
    events, rows = (1_000_000, 100_000) if quick else (10_000_000, 1_000_000)
    with tempfile.TemporaryDirectory(prefix="heptad-bench-") as scratch:
        write(Path(scratch), events, rows, events // 50, seed)
        mine = child("benchmarks.features:ours", scratch)
        spark = child("benchmarks.engines:on_two_cores", scratch)
    assert mine.answer["checks"] == spark.answer["checks"], "answers differ"
    return [
        Row("engines-spark",
            f"{events:,} events × {rows:,} rows: Spark local[2], begun before / the local engine",
            spark.answer["seconds"] / seconds(mine), "ratio of seconds", 4.0, least=True,
            detail={"ours": vars(mine), "spark": vars(spark)})
    ]  # fmt: skip
