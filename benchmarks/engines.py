# SPDX-License-Identifier: Apache-2.0
"""Features on other engines: Spark on two cores, Feast's DuckDB store, Flink's SQL."""

from __future__ import annotations

import json
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.features import WINDOWS, Purchase, asked, checks, payments, write
from benchmarks.harness import ROOT, Row, child, seconds
from benchmarks.peer import environment
from heptad.standards import day, hour

FEAST = ROOT / "benchmarks" / "peers" / "feast"


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
    return {"seconds": spent, "first_seconds": begun, "checks": checks(pa.table(values))}


def spark_rows(*, quick: bool, seed: int) -> list[Row]:
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


def for_feast(folder: str) -> dict[str, Any]:
    """Write events and spine as Feast wants them: with instants as timestamps, and rows numbered."""
    import duckdb

    tables = f"{folder}/tables"
    with duckdb.connect() as connection:
        connection.execute(
            f"COPY (SELECT customer, amount, make_timestamp(event_time) AS event_timestamp "
            f"FROM '{tables}/events.parquet') TO '{folder}/feast.parquet'"
        )
        connection.execute(
            f"COPY (SELECT customer, make_timestamp(t) AS event_timestamp, "
            f"row_number() OVER () - 1 AS i FROM '{tables}/spine.parquet') "
            f"TO '{folder}/feast-spine.parquet'"
        )
    return {}


def feast_rows(*, quick: bool, seed: int) -> list[Row]:
    """Feast's latest value within the longest window, beside all twelve features here."""
    events, rows = (1_000_000, 100_000) if quick else (10_000_000, 1_000_000)
    python = environment("feast")
    with tempfile.TemporaryDirectory(prefix="heptad-bench-") as scratch:
        write(Path(scratch), events, rows, events // 50, seed)
        mine = child("benchmarks.features:ours", scratch)
        child("benchmarks.engines:for_feast", scratch)
        command = [str(python), str(FEAST / "history.py"), scratch, str(max(WINDOWS))]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    theirs = json.loads(done.stdout.splitlines()[-1])
    assert mine.answer["checks"][-1] == theirs["check"], "answers differ"
    what = f"{events:,} events × {rows:,} rows: twelve features here / Feast 0.67's latest value"
    detail = {"ours": vars(mine), "feast": theirs}
    return [
        Row("feast", what, seconds(mine) / theirs["seconds"], "ratio of seconds", 1.0, detail=detail),
        Row("feast-memory", f"{what}: peak memory", mine.peak_mib / theirs["peak_mib"], "ratio", 0.5,
            detail=detail),
    ]  # fmt: skip


def on_flink(folder: str, n: int, seed: int) -> dict[str, Any]:
    """Flink's SQL on the stream's rows, one query for each window, and the stream on the same."""
    import pyarrow.parquet as pq

    from heptad.engine.flink import environment as flink
    from heptad.engine.local.duck import Duck
    from heptad.service.batch.flink import Source
    from heptad.service.batch.flink import on_flink as computed
    from heptad.service.batch.windows import Stored
    from heptad.service.stream.streams import Stream

    features, rows = asked((hour, day, 7 * day)), payments(n, n // 50, seed, 1)
    place = Path(folder)
    (place / "tables").mkdir()
    (place / "job").mkdir()
    pq.write_table(rows, place / "tables" / "events.parquet")
    with Duck(place, threads=2, memory_limit="2GB") as duck:
        stored = Stored(f"read_parquet('{place}/tables/events.parquet')", corrected=False)
        found = computed(flink.install(), features, Source(Purchase, stored, duck), place / "job")
    wrote = [f.stat().st_mtime for f in (place / "job").rglob("*part-*")]
    spent = max(wrote) - (place / "job" / "started").stat().st_mtime
    Stream(features).follow(rows.slice(0, 1))
    stream, begin = Stream(features), time.perf_counter()
    mine = [stream.follow(rows.slice(at, 16_384)) for at in range(0, n, 16_384)]
    took = time.perf_counter() - begin
    for feature in features:
        ours = [v for part in mine for v in part[feature.name].to_pylist()]
        assert found.column(feature.name).to_pylist() == ours, feature.name
    return {"flink": n / spent, "stream": n / took, "flink_seconds": spent}


def flink_rows(*, quick: bool, seed: int) -> list[Row]:
    """Twelve window features of each event as itself: here, and in Flink's SQL on two slots."""
    n = 20_000 if quick else 50_000
    with tempfile.TemporaryDirectory(prefix="heptad-bench-") as scratch:
        run = child("benchmarks.engines:on_flink", scratch, n, seed)
    answer = run.answer
    what = f"12 window features of {n:,} events, micro-batches, one thread / Flink 2.3's SQL"
    return [
        Row("stream-flink", f"{what}, two slots, its start not counted",
            answer["stream"] / answer["flink"], "ratio of events a second on the wall", detail=answer)
    ]  # fmt: skip
