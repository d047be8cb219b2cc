# SPDX-License-Identifier: Apache-2.0
"""Features: history beside hand-written DuckDB plans, the stream, recovery of its state."""

from __future__ import annotations

import tempfile
import time
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.harness import Row, Run, child, seconds
from heptad.service.features import Feature, count, largest, latest, named, total
from heptad.standards import Instant, Integer, Table, Text, day, hour

if TYPE_CHECKING:
    from collections.abc import Callable

YEAR = 365 * day
WINDOWS = (7 * day, 30 * day, 90 * day)
THREADS = 2
SAMPLED = 1000
"""Rows of a large spine that are compared with those computed by hand."""


class Purchase(Table):
    """One purchase, as the benchmarks make it."""

    id = Text("Its id", key=True)
    event_time = Instant("When it was made")
    customer = Text("Who made it")
    amount = Integer("What was paid, in cents")


def asked(windows: tuple[int, ...] = WINDOWS) -> list[Feature]:
    """Three windows × (total, count, largest, latest)."""
    by = Purchase.customer
    made: dict[str, Feature] = {}
    for n, over in enumerate(windows):
        made[f"total_{n}"] = total(Purchase.amount, by=by, over=over)
        made[f"count_{n}"] = count(Purchase.id, by=by, over=over)
        made[f"largest_{n}"] = largest(Purchase.amount, by=by, over=over)
        made[f"latest_{n}"] = latest(Purchase.amount, by=by, over=over)
    return list(named(made).values())


def write(folder: Path, events: int, rows: int, keys: int, seed: int) -> None:
    """Write events of one year in order of time, and a spine."""
    import duckdb

    con = duckdb.connect(config={"threads": THREADS, "memory_limit": "2GB"})
    for name in ("tables", "quarantine"):
        (folder / name).mkdir(exist_ok=True)
    con.execute(
        f"""COPY (SELECT printf('p%010d', i) AS id, (i * ({YEAR} // {events}))::BIGINT AS event_time,
        (i * ({YEAR} // {events}))::BIGINT AS known_time, false AS _deleted,
        printf('c%07d', hash(i, {seed}) % {keys}) AS customer,
        (hash(i, {seed}, 3) % 100000)::BIGINT AS amount, 1::BIGINT AS _load, i AS _line
        FROM range({events}) t(i)) TO '{folder}/tables/events.parquet' (FORMAT parquet)"""
    )
    con.execute(
        f"""COPY (SELECT printf('c%07d', hash(i, {seed}, 7) % {keys}) AS customer,
        (hash(i, {seed}, 8) % {YEAR})::BIGINT AS t FROM range({rows}) t(i))
        TO '{folder}/tables/spine.parquet' (FORMAT parquet)"""
    )


def checks(table: Any) -> list[list[int]]:
    """Return what tells answers apart: of each feature the values there are, and a weighted sum."""
    import pyarrow.compute as pc

    found = []
    for n in range(len(WINDOWS)):
        for op in ("total", "count", "largest", "latest"):
            column = table.column(f"{op}_{n}")
            weights = np.arange(len(column), dtype=np.int64) % 1009
            values = pc.fill_null(column.cast("int64"), -1).to_numpy()
            found.append([len(column) - column.null_count, int((values * weights).sum())])
    return found


def ours(folder: str, plans: str = "cheapest", memory: str = "2GB") -> dict[str, Any]:
    """Heptad's history of a spine."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    import heptad.engine.local.kernel.reading  # noqa: F401 - compiled once, kept on disk
    from heptad.engine.local.duck import Duck
    from heptad.service.batch.history import compute, spine_from
    from heptad.service.batch.windows import Stored

    features = asked()
    relation = f"read_parquet('{folder}/tables/events.parquet')"
    given = pq.read_table(f"{folder}/tables/spine.parquet").rename_columns(
        ["customer", "event_time"]
    )
    with Duck(Path(folder), threads=THREADS, memory_limit=memory) as duck:
        start = time.perf_counter()
        stored = Stored(relation, corrected=False)
        values = compute(duck, features, spine_from(given, features), lambda _: stored, plans)  # type: ignore[arg-type]
        spent = time.perf_counter() - start
    table = pa.table(values)
    sample = checks(table.take(np.arange(0, len(table), max(1, len(table) // SAMPLED))))
    return {"seconds": spent, "checks": checks(table), "sample": sample}


def by_parts(folder: str, at_once: int) -> dict[str, Any]:
    """Heptad's history of a spine, laid on disk by key where there are more than so many events."""
    from heptad.service.batch import spool

    spool.AT_ONCE = at_once
    return ours(folder, memory="1GB")


def by_hand(folder: str, plan: str, nth: int = 1) -> dict[str, Any]:
    """The same features written by hand in DuckDB: a range join, or windows over a union.

    Args:
        folder: where events and spine are.
        plan: join or union.
        nth: only every so many-th row of the spine, and the events of its keys.
    """
    import duckdb

    con = duckdb.connect(config={"threads": THREADS, "memory_limit": "6GB"})
    con.execute("SET enable_progress_bar = false")
    start = time.perf_counter()
    con.execute(
        f"CREATE TABLE s AS SELECT * FROM (SELECT *, row_number() OVER () AS i "
        f"FROM '{folder}/tables/spine.parquet') WHERE (i - 1) % {nth} = 0"
    )
    of_these = "" if nth == 1 else " WHERE customer IN (SELECT customer FROM s)"
    con.execute(f"CREATE VIEW e AS SELECT * FROM '{folder}/tables/events.parquet'{of_these}")
    table = con.sql(join_sql() if plan == "join" else union_sql()).to_arrow_table()
    return {"seconds": time.perf_counter() - start, "checks": checks(table)}


def join_sql() -> str:
    """Return the range join."""
    columns = []
    for n, over in enumerate(WINDOWS):
        held = f"FILTER (WHERE e.event_time > s.t - {over})"
        columns.append(
            f"coalesce(sum(e.amount) {held}, 0)::BIGINT AS total_{n}, count(e.id) {held} AS count_{n},"
            f"max(e.amount) {held} AS largest_{n},"
            f"arg_max(e.amount, (e.event_time, e.id)) {held} AS latest_{n}"
        )
    return (
        f"SELECT {', '.join(columns)} FROM s LEFT JOIN e ON e.customer = s.customer "
        f"AND e.event_time <= s.t AND e.event_time > s.t - {max(WINDOWS)} GROUP BY s.i ORDER BY s.i"
    )


def union_sql() -> str:
    """Return the windows over the union of events and spine."""
    columns, windows = [], []
    for n, over in enumerate(WINDOWS):
        columns.append(
            f"coalesce(sum(amount) OVER w{n}, 0)::BIGINT AS total_{n}, count(id) OVER w{n} AS count_{n},"
            f"max(amount) OVER w{n} AS largest_{n}, arg_max(amount, (us, id)) OVER w{n} AS latest_{n}"
        )
        windows.append(
            f"w{n} AS (PARTITION BY customer ORDER BY us RANGE BETWEEN {over - 1} PRECEDING "
            f"AND CURRENT ROW)"
        )
    return (
        f"SELECT * EXCLUDE i FROM (SELECT i, {', '.join(columns)} FROM "
        f"(SELECT customer, event_time AS us, id, amount, NULL AS i FROM e UNION ALL "
        f"SELECT customer, t, NULL, NULL, i FROM s) WINDOW {', '.join(windows)}) "
        f"WHERE i IS NOT NULL ORDER BY i"
    )


def _history(per_key: int, *, quick: bool, seed: int) -> list[Row]:
    """Three windows × four operators, beside DuckDB by hand; equal first."""
    faster = "join" if per_key < 100 else "union"
    peers = {
        p: f"benchmarks.features:by_hand {p}" for p in (("join", "union") if quick else (faster,))
    }
    what, mine, found = _beside(per_key, peers, quick=quick, seed=seed)
    best = min(found, key=lambda p: seconds(found[p]))
    detail = {"ours": vars(mine)} | {p: vars(r) for p, r in found.items()}
    return [
        Row(f"history-{per_key}", f"{what} / by hand ({best})", seconds(mine) / seconds(found[best]),
            "ratio of seconds", 1.2, detail=detail),
    ]  # fmt: skip


def _frames(per_key: int, *, quick: bool, seed: int) -> list[Row]:
    """The same features in pandas and in Polars."""
    peers = {p: f"benchmarks.frames:in_{p}" for p in ("pandas", "polars")}
    what, mine, found = _beside(per_key, peers, quick=quick, seed=seed)
    return [
        Row(f"history-{per_key}-{name}", f"{what}: in {name} / here", seconds(run) / seconds(mine),
            "ratio of seconds", detail={"ours": vars(mine), name: vars(run)})
        for name, run in found.items()
    ]  # fmt: skip


def _beside(
    per_key: int, peers: dict[str, str], *, quick: bool, seed: int
) -> tuple[str, Run, dict[str, Run]]:
    """Run peers and ourselves on the same events; refuse to compare unequal answers."""
    events, rows = (1_000_000, 100_000) if quick else (10_000_000, 1_000_000)
    with tempfile.TemporaryDirectory(prefix="heptad-bench-") as scratch:
        write(Path(scratch), events, rows, max(1, events // per_key), seed)
        found = {}
        for name, work in peers.items():
            function, *given = work.split()
            found[name] = child(function, scratch, *given)
        mine = child("benchmarks.features:ours", scratch)
    for name, run in found.items():
        assert run.answer["checks"] == mine.answer["checks"], f"{name} answers otherwise"
    return f"{events:,} events × {rows:,} rows, {per_key:,} events per key", mine, found


def large_rows(*, quick: bool, seed: int) -> list[Row]:
    """A history that does not fit into memory, by parts on disk; a sample of it by hand."""
    events, rows, most = (10_000_000, 100_000, 1.5) if quick else (100_000_000, 1_000_000, 4.0)
    with tempfile.TemporaryDirectory(prefix="heptad-bench-") as scratch:
        write(Path(scratch), events, rows, events // 50, seed)
        mine = child("benchmarks.features:by_parts", scratch, events // 10)
        peer = child("benchmarks.features:by_hand", scratch, "join", rows // SAMPLED)
    assert mine.answer["sample"] == peer.answer["checks"], "answers differ"
    return [
        Row("history-large", f"{events:,} events × {rows:,} rows by parts on disk: peak memory",
            mine.peak_mib / 1024, "GiB", most, detail={"ours": vars(mine), "sample": vars(peer)}),
        Row("history-large-seconds", "the same: seconds on the wall", seconds(mine), "s"),
        Row("history-large-cpu", "the same: seconds of CPU", mine.cpu, "s"),
    ]  # fmt: skip


def payments(n: int, keys: int, seed: int, start: int = 0) -> Any:
    """Return n stored rows in order of known_time, 5 seconds apart."""
    import pyarrow as pa

    made = np.random.default_rng(seed)
    at = (start + np.arange(n)) * 5_000_000
    return pa.table({
        "id": pa.array([f"p{i:010d}" for i in range(start, start + n)]),
        "event_time": at,
        "known_time": at,
        "_deleted": np.zeros(n, bool),
        "customer": pa.array([f"c{c:07d}" for c in made.integers(0, keys, n)]),
        "amount": made.integers(0, 100_000, n),
    })  # fmt: skip


def streamed(n: int, seed: int) -> dict[str, Any]:
    """Follow rows in micro-batches and one by one; keep and take back the state."""
    from heptad.engine.local.kernel import asking
    from heptad.service.stream.stepping import Stepper
    from heptad.service.stream.streams import Stream

    windows = (hour, day, 7 * day)
    rows, keys, size = payments(n, n // 50, seed), n // 50, 16_384
    stream = Stream(asked(windows))
    stream.follow(rows.slice(0, size))
    start = time.process_time()
    for at in range(size, n, size):
        stream.follow(rows.slice(at, size))
    rate = (n - size) / (time.process_time() - start)
    (group,) = stream.groups
    hot = payments(20_000, 1, seed + 1, n)
    kernel, python = [], []
    for at in range(0, 10_000, 100):
        # One key, so that each event is taken and read before the next.
        ((_, taken),) = stream._rows(hot.slice(at, 100))
        ask = asking.Ask(taken.entity, taken.us, taken.ids, taken.id_at)
        (out, ok), short = group.room(100), np.zeros(100, np.uint8)
        begin = time.perf_counter()
        done, _ = asking.follow(group.pool, group.ring, taken, 0, group.windows, stream.late,
                               stream.most, group.program, ask, out, ok, short)  # fmt: skip
        kernel.append((time.perf_counter() - begin) / 100)
        if done < 100:
            kernel.pop()
            group.grow()
    stepper = Stepper(stream)
    for row in payments(2000, keys, seed + 2, n + 20_000).to_pylist():
        begin = time.perf_counter()
        stepper.follow(row)
        python.append(time.perf_counter() - begin)
    return {
        "rate": rate,
        "kernel_us": float(np.median(kernel) * 1e6),
        "kernel_p99_us": float(np.quantile(kernel, 0.99) * 1e6),
        "python_us": float(np.median(python) * 1e6),
        "python_p99_us": float(np.quantile(python, 0.99) * 1e6),
    }


def recovered(n: int, seed: int) -> dict[str, Any]:
    """Take back a state of n events, and read from it."""
    import resource

    from heptad.service.stream.streams import Stream

    features = asked((hour, day, 100_000 * day))
    stream, size = Stream(features), 65_536
    for at in range(0, n, size):
        stream.apply(payments(min(size, n - at), n // 10, seed + at, at))
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    kept = stream.snapshot()
    other = Stream(features)
    start, wall = time.process_time(), time.perf_counter()
    other.restore(kept)
    spent, wall = time.process_time() - start, time.perf_counter() - wall
    names = [f"c{c:07d}" for c in range(1000)]
    t = [n * 5_000_000] * len(names)
    one, two = (s.values({"customer": names}, t) for s in (stream, other))
    assert {k: v.to_pylist() for k, v in one.items()} == {k: v.to_pylist() for k, v in two.items()}
    return {"cpu": spent, "wall": wall, "bytes": len(kept), "peak_mib": used, "keys": n // 10}


def stream_rows(*, quick: bool, seed: int) -> list[Row]:
    """Twelve window features of one key, in micro-batches and one event at a time."""
    run = child("benchmarks.features:streamed", 300_000 if quick else 1_000_000, seed)
    answer = run.answer
    what = "12 window features of each event as itself"
    return [
        Row("stream", f"{what}, micro-batches of 16,384", answer["rate"],
            "events a CPU-second", 400_000, least=True, detail=answer),
        Row("stream-one", f"{what}, one event in the kernel, p50 of means of 100",
            answer["kernel_us"], "µs", 5),
        Row("stream-python", f"{what}, one event through Python, p50", answer["python_us"], "µs", 50),
    ]  # fmt: skip


def recovery_rows(*, quick: bool, seed: int) -> list[Row]:
    """Recovery of the state of a stream."""
    found = []
    for n, most in ((1_000_000, 2.0),) if quick else ((1_000_000, 2.0), (10_000_000, 10.0)):
        run = child("benchmarks.features:recovered", n, seed)
        name = f"recovery-{n // 1_000_000}m"
        found.append(
            Row(name, f"take back a state of {n:,} events, {n // 10:,} keys", run.answer["cpu"],
                "CPU-seconds", most, detail=vars(run))
        )  # fmt: skip
        memory = run.answer["peak_mib"] / run.answer["keys"] * 1_000_000 / 1024
        found.append(
            Row(f"{name}-memory", "memory of the stream per million keys of ten events", memory,
                "GiB")
        )  # fmt: skip
    return found


def _of(module: str, name: str) -> Callable[..., list[Row]]:
    """Return rows of another module, which is imported when they are asked for."""

    def rows(*, quick: bool, seed: int) -> list[Row]:
        found: list[Row] = getattr(import_module(f"benchmarks.{module}"), name)(
            quick=quick, seed=seed
        )
        return found

    return rows


ROWS: dict[str, Callable[..., list[Row]]] = {
    "history-50": partial(_history, 50),
    "history-5000": partial(_history, 5_000),
    "frames-50": partial(_frames, 50),
    "frames-5000": partial(_frames, 5_000),
    "feast": _of("engines", "feast_rows"),
    "spark": _of("engines", "spark_rows"),
    "large": large_rows,
    "cost": _of("costs", "cost_rows"),
    "stream": stream_rows,
    "flink": _of("engines", "flink_rows"),
    "river": _of("streams", "river_rows"),
    "spilled": _of("streams", "spilled_rows"),
    "recovery": recovery_rows,
    "online": _of("online", "online_rows"),
    "places": _of("places", "place_rows"),
    "http": _of("http", "http_rows"),
}
