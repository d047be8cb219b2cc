# SPDX-License-Identifier: Apache-2.0
"""The platform: loads beside a bare copy, reads of old versions, the durable log."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.first import first_rows
from benchmarks.harness import Row, child, paired, seconds
from benchmarks.http import http_rows
from benchmarks.reads import reads_rows

FULL, QUICK = 10_000_000, 1_000_000
TYPES = (
    "{'id': 'VARCHAR', 'event_time': 'TIMESTAMP', 'customer': 'VARCHAR', 'merchant': 'VARCHAR', "
    "'country': 'VARCHAR', 'amount': 'DECIMAL(18,2)', 'currency': 'VARCHAR', 'status': 'VARCHAR'}"
)


def write_csv(path: Path, rows: int, seed: int, bad: float = 0.0) -> None:
    """Write payments over one year; `bad` is the share of rows with one broken value."""
    import duckdb

    broken = f"(hash(i, {seed + 1}) % 1000000) < {int(bad * 1e6)}"
    duckdb.connect(config={"threads": 2, "memory_limit": "2GB"}).execute(
        f"""COPY (SELECT printf('p%010d', i) AS id,
        strftime(TIMESTAMP '2025-01-01' + INTERVAL (i * 31536000 // {rows}) SECOND,
                 '%Y-%m-%d %H:%M:%S') AS event_time,
        printf('c%07d', hash(i, {seed}) % 200000) AS customer,
        printf('m%05d', hash(i, {seed}, 1) % 20000) AS merchant,
        CASE WHEN {broken} AND i % 3 = 0 THEN 'XX'
             ELSE ['ES','FR','DE','IT','PT'][1 + (hash(i, 2) % 5)::INTEGER] END AS country,
        CASE WHEN {broken} AND i % 3 = 1 THEN '12.3.4'
             ELSE printf('%d.%02d', hash(i, 3) % 900, hash(i, 4) % 100) END AS amount,
        CASE WHEN {broken} AND i % 3 = 2 THEN '' ELSE 'EUR' END AS currency,
        'authorised' AS status FROM range({rows}) t(i)) TO '{path}' (FORMAT csv, HEADER)"""
    )


def bare_copy(csv: str, out: str) -> dict[str, Any]:
    """DuckDB's own copy of the CSV to Parquet, all types given: no checks, no durability."""
    import duckdb

    start = time.perf_counter()
    connection = duckdb.connect(config={"threads": 2, "memory_limit": "1GB"})
    connection.execute(
        f"COPY (SELECT * FROM read_csv('{csv}', header=true, auto_detect=false, delim=',', "
        f"quote='\"', columns={TYPES}, ignore_errors=true)) TO '{out}' (FORMAT parquet)"
    )
    spent = time.perf_counter() - start
    n, total = connection.execute(f"SELECT count(*), sum(amount) FROM '{out}'").fetchone()  # type: ignore[misc]
    return {"seconds": spent, "rows": n, "cents": int(total * 100)}


def load(folder: str, table: str) -> dict[str, Any]:
    """Load the project in a folder with all checks, durably."""
    import benchmarks.tables  # noqa: F401 - declares the tables
    from heptad.catalog import Catalog
    from heptad.catalog.loading import Loading
    from heptad.engine.local.duck import Duck
    from heptad.engine.local.lake import Lake
    from heptad.security.keys import Keys
    from heptad.sources.config import read_project
    from heptad.standards.tables import named
    from heptad.standards.time import FixedClock, parse_instant

    home = Path(folder)
    declared = named(table)
    clock = FixedClock(parse_instant("2026-02-01"))
    start = time.perf_counter()
    project = read_project(home)
    lake = Lake(home / "tables", clock=clock)
    loading = Loading(
        project, {table: declared}, Catalog(home / "catalog.sqlite", clock=clock), lake,
        Keys(home / "keys", clock=clock), clock,
    )  # fmt: skip
    (report,) = loading.load()
    spent = time.perf_counter() - start
    with Duck(home) as duck:
        found = duck.arrow(
            f"SELECT count(*) AS n, sum(amount) AS cents FROM {lake.relation(table, table=declared)}"
        ).to_pylist()[0]
    aside = sum(report.quarantined.values())
    return {"seconds": spent, "rows": found["n"], "cents": int(found["cents"]), "aside": aside}


def make_project(home: Path, csv: Path, table: str) -> None:
    """Lay a project of one table down, its payments in a file that is there."""
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    os.link(csv, home / "payments.csv")
    (home / "heptad.toml").write_text(
        f'[project]\nname = "bench"\n[engine]\nmemory = "1GB"\nthreads = 2\n'
        f'[[source]]\ntable = "{table}"\nfrom = "payments.csv"\n',
        encoding="utf-8",
    )


def load_rows(*, quick: bool, seed: int) -> list[Row]:
    """Loads of payments beside a bare copy, clean and with one per cent of bad rows."""
    n, times = (QUICK, 3) if quick else (FULL, 3)
    with tempfile.TemporaryDirectory(prefix="heptad-bench-") as scratch:
        place = Path(scratch)
        clean, dirty = place / "clean.csv", place / "dirty.csv"
        write_csv(clean, n, seed)
        write_csv(dirty, n, seed, bad=0.01)

        def ours(csv: Path, table: str = "PlainPayment") -> Any:
            make_project(place / "project", csv, table)
            return child("benchmarks.platform:load", place / "project", table)

        def bare() -> Any:
            (place / "bare.parquet").unlink(missing_ok=True)
            return child("benchmarks.platform:bare_copy", clean, place / "bare.parquet")

        mine, theirs, ratio = paired(lambda: ours(clean), bare, times)
        same = {(r.answer["rows"], r.answer["cents"]) for r in (*mine, *theirs)}
        assert len(same) == 1, f"loads differ: {same}"
        detail = {"ours": [vars(r) for r in mine], "bare": [vars(r) for r in theirs], "rows": n}
        rows = [
            Row("load", f"{n:,} payments from CSV with all checks / DuckDB's bare copy", ratio,
                "ratio of seconds", 2.5, detail=detail),
            Row("load-memory", "peak memory of that load", max(r.peak_mib for r in mine) / 1024,
                "GiB", 2.0),
        ]  # fmt: skip
        bad, good, ratio = paired(lambda: ours(dirty), lambda: ours(clean), times)
        kept = {(r.answer["rows"], r.answer["aside"]) for r in bad}
        assert len(kept) == 1 and sum(next(iter(kept))) == n, kept
        detail = {"bad": [vars(r) for r in bad], "clean": [vars(r) for r in good]}
        rows.append(
            Row("load-bad", "the same with 1 % bad rows / without", ratio, "ratio of seconds", 1.3,
                detail=detail)
        )  # fmt: skip
        few = place / "few.csv"
        write_csv(few, n // 10, seed)
        plain, sealed = ours(few), ours(few, "SealedPayment")
        rows.append(
            Row("load-sealed", f"{n // 10:,} payments with a tokenised card and a sealed column",
                sealed.answer["rows"] / seconds(sealed), "rows a second",
                detail={"sealed": vars(sealed), "plain": vars(plain),
                        "ratio": seconds(sealed) / seconds(plain)})
        )  # fmt: skip
    return rows


def read_versions(folder: str, batches: int, each: int) -> dict[str, Any]:
    """Time the same as-of read of the same rows: at an old version, and where it is the latest."""
    from benchmarks.tables import PlainPayment, payments
    from heptad.engine.local.duck import Duck
    from heptad.engine.local.lake import Lake
    from heptad.service.reads.asof import read_sql

    home, half = Path(folder), batches // 2
    (home / "quarantine").mkdir(parents=True, exist_ok=True)
    lakes = {"old": Lake(home / "tables" / "long"), "latest": Lake(home / "tables" / "short")}
    for name, lake in lakes.items():
        lake.create(PlainPayment)
        for n in range(batches if name == "old" else half):
            stage = lake.stage("PlainPayment")
            payments(stage, n * each, each)
            lake.commit("PlainPayment", stage, load=n + 1, table=PlainPayment)
    version = lakes["latest"].version("PlainPayment")
    spent: dict[str, list[float]] = {name: [] for name in lakes}
    sums = set()
    with Duck(home) as duck:
        for _ in range(9):
            for name, lake in lakes.items():
                start = time.perf_counter()
                relation = lake.relation("PlainPayment", version, table=PlainPayment)
                sql = read_sql(PlainPayment, relation, t=None, k=half * each * 1_000_000)
                found = duck.arrow(f"SELECT count(*) AS n, sum(amount) AS s FROM ({sql})")
                spent[name].append(time.perf_counter() - start)
                sums.add(tuple(found.to_pylist()[0].values()))
    assert len(sums) == 1, sums
    return {name: sorted(s)[4] for name, s in spent.items()} | {"rows": half * each}


def asof_rows(*, quick: bool, seed: int) -> list[Row]:
    """Reads of an old version beside the same read where that version is the latest."""
    del seed
    with tempfile.TemporaryDirectory(prefix="heptad-bench-") as scratch:
        run = child("benchmarks.platform:read_versions", scratch, 40, 10_000 if quick else 50_000)
    ratio = run.answer["old"] / run.answer["latest"]
    what = f"as-of read of {run.answer['rows']:,} rows at an old version / as the latest"
    return [Row("asof", what, ratio, "ratio of seconds", 1.2, detail=vars(run))]


def append_log(folder: str, records: int, batch: int) -> dict[str, Any]:
    """Append records of 400 bytes to a signed log, each batch durable before the next."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from heptad.engine.local.segments import Segments
    from heptad.security.ledger import Ledger

    body = os.urandom(400)
    todo = [[body] * batch] * (records // batch)
    with Segments(Path(folder) / "log") as segments:
        ledger = Ledger(segments, Ed25519PrivateKey.generate(), "bench")
        start = time.perf_counter()
        for part in todo:
            ledger.add(part)
        spent = time.perf_counter() - start
        assert len(ledger) == len(todo) * batch
    return {"seconds": spent, "records": len(todo) * batch}


def append_bare(folder: str, records: int, batch: int) -> dict[str, Any]:
    """Append the same bytes to a plain file with fdatasync after each batch."""
    body = os.urandom(400) * batch
    handle = os.open(Path(folder) / "bare", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    start = time.perf_counter()
    for _ in range(records // batch):
        os.write(handle, body)
        os.fdatasync(handle)
    spent = time.perf_counter() - start
    os.close(handle)
    return {"seconds": spent, "records": records // batch * batch}


def log_rows(*, quick: bool, seed: int) -> list[Row]:
    """Durable records a second, in batches of 256 and one by one."""
    del seed
    rows = []
    for batch, records, target in ((256, 512_000, 100_000.0), (1, 4_000, None)):
        n = records // (4 if quick else 1)
        with tempfile.TemporaryDirectory(prefix="heptad-bench-", dir=Path.cwd()) as scratch:
            ours = child("benchmarks.platform:append_log", scratch, n, batch)
            bare = child("benchmarks.platform:append_bare", scratch, n, batch)
        rate, peer = (r.answer["records"] / r.answer["seconds"] for r in (ours, bare))
        what = (
            f"durable signed records in batches of {batch}; bare append + fdatasync {peer:,.0f}/s"
        )
        rows.append(Row(f"log-{batch}", what, rate, "records a second", target, least=True,
                        detail={"ours": vars(ours), "bare": vars(bare)}))  # fmt: skip
    return rows


ROWS = {
    "load": load_rows,
    "asof": asof_rows,
    "log": log_rows,
    "reads": reads_rows,
    "first": first_rows,
    "http": http_rows,
}
