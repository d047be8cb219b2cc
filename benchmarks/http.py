# SPDX-License-Identifier: Apache-2.0
"""Decisions over HTTP: open loops of posted payments, overload, and what a kill leaves of them."""

from __future__ import annotations

import json
import random
import re
import tempfile
import time
import urllib.request
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks import load
from benchmarks.harness import Row, child

if TYPE_CHECKING:
    from collections.abc import Callable

RATES = (100, 300, 1000)
CUSTOMERS = 20_000


def payment(
    number: int, draw: random.Random, at: float, customers: int = CUSTOMERS
) -> dict[str, str]:
    """Return a payment of one of some customers that happened at an instant, seconds since 1970."""
    return {
        "id": f"p{number}",
        "event_time": datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds"),
        "customer": f"c{draw.randrange(customers)}",
        "merchant": f"m{draw.randrange(2000)}",
        "country": draw.choice(("ES", "FR", "DE", "IT", "PT")),
        "amount": f"{draw.randrange(1, 900)}.{draw.randrange(100):02d}",
        "currency": "EUR",
        "device": f"d{draw.randrange(customers)}",
        "channel": "online",
        "status": "authorised",
        "card": "4111111111111111",
    }


def make_project(home: Path, rows: int, seed: int, customers: int = CUSTOMERS) -> None:
    """Write a project whose payments fill the last sixty days; its customers have names."""
    draw, now = random.Random(seed), time.time()
    first = payment(0, draw, now)
    with (home / "payments.csv").open("w", encoding="utf-8") as file:
        file.write(",".join(first) + "\n")
        for n in range(rows):
            at = now - 60 * 86_400 * (1 - n / rows) - 120
            file.write(",".join(payment(n, draw, at, customers).values()) + "\n")
    with (home / "customers.csv").open("w", encoding="utf-8") as file:
        file.write("id,event_time,name\n")
        file.writelines(f"c{n},2020-01-01T00:00:00Z,Ana {n}\n" for n in range(customers))
    (home / "heptad.toml").write_text(
        '[project]\nname = "http"\n[engine]\nthreads = 1\n'
        '[[source]]\ntable = "Customer"\nfrom = "customers.csv"\n'
        '[[source]]\ntable = "Payment"\nfrom = "payments.csv"\n',
        encoding="utf-8",
    )


def served(home: str, port: int) -> None:
    """Serve a project until killed."""
    from heptad.terminal.serve import run

    run(Path(home), host="127.0.0.1", port=port)


def drive(  # noqa: PLR0917 - what is sent how
    port: int, rate: float, seconds: float, first: int, seed: int,
    app: str = "fraud", made: Callable[[int, random.Random, float], dict[str, Any]] = payment,
) -> dict[str, Any]:  # fmt: skip
    """Send rows in an open loop, payments by default: at their times, whether those before were answered or not.

    Args:
        port: of the server.
        rate: a second; 0 is a closed loop of `load.CALLERS` callers.
        seconds: how long.
        first: number of the first row.
        seed: of the rows and their times.
        app: what decides them.
        made: makes a row: number, draw, instant.

    Returns:
        Latencies from when each was due, by status, and the ids answered.
    """
    draw = random.Random(seed)

    def request(number: int, at: float) -> bytes:
        row = made(first + number, draw, at - 0.05)
        return load.post(port, f"/v1/apps/{app}/decide", {"row": row})

    if rate:
        found = load.open_loop(port, request, load.at_random(rate, seconds, seed), seconds)
    else:
        found = load.closed_loop(port, request, seconds)
    bodies = [one.body for one in found if one.status == 200]
    ids = [json.loads(body)["id"] for body in bodies if body != b"{}"]
    return load.summary(found, seconds) | {"ids": ids}


def loaded(home: str) -> dict[str, Any]:
    """Load the project's history."""
    from heptad.runtime import Platform

    with Platform.open(home) as platform:
        start = time.perf_counter()
        reports = platform.load()
        rows = {r.table: r.accepted for r in reports}
        return {"seconds": time.perf_counter() - start, "rows": rows["Payment"]}


def audit(home: str, answered: str, sample: int, table: str = "Payment") -> dict[str, Any]:
    """Open a killed project: which answered decisions are there, and are they those of the batch?"""
    from heptad.runtime import Platform

    names: list[str] = json.loads(Path(answered).read_text(encoding="utf-8"))
    with Platform.open(home) as platform:
        told = [entry.public for entry in platform.log.entries()]
        seen = Counter(str(one["id"]) for one in told)
        there = {str(one["id"]): str(one["row_key"]) for one in told}
        keys = Counter(platform.read(table).column("id").to_pylist())
        lost = [n for n in names if seen[n] != 1 or keys[there[n]] != 1]
        report = platform.replay(random.Random(0).sample(names, min(sample, len(names))))
        return {
            "lost": len(lost),
            "doubled": sum(n > 1 for n in keys.values()),
            "identical": report.identical,
            "derived": dict(report.derived),
            "outcomes": dict(Counter(str(one["outcome"]) for one in told)),
        }


def in_process(home: str, rows: int, seed: int) -> dict[str, Any]:
    """Decide payments durably without HTTP, 64 at a time, and count the CPU that it takes."""
    import resource
    from threading import Semaphore

    from heptad.runtime import Platform
    from heptad.service.decisions.taking import Ask, Taken

    draw, room = random.Random(seed), Semaphore(64)
    answers: Counter[str] = Counter()

    def done(found: Any) -> None:
        answers["decided" if isinstance(found, Taken) and found.made else "else"] += 1
        room.release()

    with Platform.open(home) as platform:
        _ready(platform)
        quick = platform.intake.quick
        assert quick is not None
        asks = [
            Ask("Payment", [payment(5_000_000 + n, draw, time.time() - 1)], "fraud", done=done)
            for n in range(rows)
        ]
        used, start = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
        for ask in asks:
            room.acquire()
            quick.submit(ask)
        for _ in range(64):
            room.acquire()
        wall, now = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF)
        cpu = now.ru_utime + now.ru_stime - used.ru_utime - used.ru_stime
    return {"wall": wall, "cpu": cpu, "answers": dict(answers)}


def _ready(platform: Any) -> None:
    platform.quicken()
    while not platform.intake.quick.current.ready:
        time.sleep(0.05)


def memory(home: str) -> dict[str, Any]:
    """Measure what is held once the reels, keys and ids of a project are built."""
    import ctypes
    import gc

    import pyarrow as pa

    from heptad.runtime import Platform

    with Platform.open(home) as platform:
        platform.accept("Payment", [payment(9_000_000, random.Random(1), time.time() - 1)])
        start = time.perf_counter()
        _ready(platform)
        seconds = time.perf_counter() - start
        # What building let go of lies with the allocators still; it is used again.
        gc.collect()
        pa.default_memory_pool().release_unused()
        ctypes.CDLL(None).malloc_trim(0)
        text = Path("/proc/self/status").read_text(encoding="utf-8")
        return {"mib": int(re.search(r"VmRSS:\s+(\d+)", text)[1]) / 1024, "seconds": seconds}  # type: ignore[index]


def _windows(server: load.Server) -> float:
    """Return the memory that the server's streams take, MiB."""
    with urllib.request.urlopen(f"http://127.0.0.1:{server.port}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    return (
        sum(float(n) for n in re.findall(r"^heptad_stream_bytes{.*} (\d+)", text, re.MULTILINE))
        / 2**20
    )


def memory_rows(*, quick: bool, seed: int) -> list[Row]:
    """Memory for customers with ten payments each: what more of them take, told of a million."""
    few, many = (5_000, 20_000) if quick else (20_000, 100_000)
    found = []
    with tempfile.TemporaryDirectory(prefix="heptad-bench-") as scratch:
        for customers in (few, many):
            home = Path(scratch, f"{customers}")
            home.mkdir()
            make_project(home, 10 * customers, seed, customers)
            child("benchmarks.http:loaded", home)
            found.append(child("benchmarks.http:memory", home).answer)
    each = (found[1]["mib"] - found[0]["mib"]) / (many - few)
    return [
        Row("reel-memory", f"reels, keys and ids per million customers with ten payments, from "
            f"{few:,} and {many:,}", each * 1e6 / 1024, "GiB", detail={"found": found})
    ]  # fmt: skip


def http_rows(*, quick: bool, seed: int) -> list[Row]:
    """Open loops of posted payments beside an empty handler, overload, and a kill."""
    n, long, overload = (20_000, 5, 10) if quick else (200_000, 20, 30)
    with tempfile.TemporaryDirectory(prefix="heptad-bench-") as scratch:
        home, answered = Path(scratch, "project"), Path(scratch, "answered.json")
        home.mkdir()
        make_project(home, n, seed)
        found = child("benchmarks.http:loaded", home).answer
        assert found["rows"] == n, found
        with load.server("benchmarks.http:served", home) as ours:
            rows = _open_loops(ours, long, seed)
            rows += _overloaded(ours, overload, seed)
        ids = [name for row in rows for name in row.detail.pop("ids", [])]
        answered.write_text(json.dumps(ids), encoding="utf-8")
        found = child("benchmarks.http:audit", home, answered, 300).answer
        assert found["identical"] and not found["doubled"], found
        rows.append(
            Row("http-lost", f"of {len(ids):,} answered decisions lost by kill -9", found["lost"],
                "decisions", 0, detail=found, missed="" if ids else "no decision was answered")
        )  # fmt: skip
        alone = child("benchmarks.http:in_process", home, 5_000 if quick else 30_000, seed).answer
        rows.append(
            Row("core-hour", "durable decisions per core-hour, in process",
                3600 * alone["answers"]["decided"] / alone["cpu"], "decisions", detail=alone)
        )  # fmt: skip
    return rows + memory_rows(quick=quick, seed=seed)


def _open_loops(ours: load.Server, long: float, seed: int) -> list[Row]:
    """Measure latency at each rate, and that of a handler that does nothing."""
    rows: list[Row] = []
    with load.server("benchmarks.load:empty") as empty:
        child("benchmarks.http:drive", ours.port, 100, 3, 1_000_000, seed)
        for place, rate in enumerate(RATES, 2):
            bare = child("benchmarks.http:drive", empty.port, rate, long, 0, seed).answer
            cpu = ours.cpu
            mine = child(
                "benchmarks.http:drive", ours.port, rate, long, place * 1_000_000, seed
            ).answer
            cpu = ours.cpu - cpu
            mine["empty"] = {k: v for k, v in bare.items() if k != "ids"}
            mine["core_hour"] = 3600 * len(mine["ids"]) / cpu
            missed, bound = load.unanswered(empty=bare, ours=mine), 2 * bare["p99_windows"] + 3
            aimed = rate == max(RATES)
            rows += [
                Row(f"http-{rate}", f"p50 of durable decisions at {rate}/s", mine["p50"], "ms",
                    3.0 if aimed else None, detail=mine, missed=missed),
                Row(f"http-{rate}-p99", f"p99 by seconds, median; twice the empty handler's + 3 ms"
                    f" is {bound:.1f}", mine["p99_windows"], "ms", bound if aimed else None,
                    missed=missed),
            ]  # fmt: skip
        rows.append(
            Row("http-core-hour", "durable decisions per core-hour, over HTTP", mine["core_hour"],
                "decisions")
        )  # fmt: skip
    return rows


def _overloaded(ours: load.Server, long: float, seed: int) -> list[Row]:
    """Ask for ten times as much as there is to be had, then see how soon all is well.

    What there is to be had is measured for as long: for some seconds more is decided than can be
    stored in the long run.
    """
    peak = child("benchmarks.http:drive", ours.port, 0, long, 10_000_000, seed).answer
    before, windows = ours.own_mib, _windows(ours)
    many = child(
        "benchmarks.http:drive", ours.port, 10 * peak["per_second"], long, 20_000_000, seed
    ).answer
    after, windows = ours.own_mib, _windows(ours) - windows
    calm = child("benchmarks.http:drive", ours.port, 100, 2, 90_000_000, seed).answer
    odd = {s: n for s, n in many["statuses"].items() if s not in ("200", "429", "503")}
    detail = {
        "peak": {k: v for k, v in peak.items() if k != "ids"},
        "overload": {k: v for k, v in many.items() if k != "ids"},
        "after": {k: v for k, v in calm.items() if k != "ids"},
        "mib": [before, after],
        "other": odd,
        "ids": [*peak["ids"], *many["ids"], *calm["ids"]],
    }
    return [
        Row("overload", f"goodput under {many['sent'] / long:,.0f}/s for {long} s / the peak of "
            f"{peak['per_second']:,.0f}/s in {long} s", many["per_second"] / peak["per_second"], "share", 0.8,
            least=True, detail=detail),
        Row("overload-mib", "memory grown meanwhile, of that windows of the payments decided: "
            f"{windows:.0f}", after - before, "MiB"),
        Row("overload-after", "p50 in the two seconds after it, at 100/s", calm["p50"], "ms"),
    ]  # fmt: skip
