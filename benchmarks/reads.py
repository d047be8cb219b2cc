# SPDX-License-Identifier: Apache-2.0
"""Reads under a purpose: what deciding, narrowing and recording them cost."""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.harness import Row, child

if TYPE_CHECKING:
    from collections.abc import Callable

REPEATS, RECORDS, THREADS = 15, 400, 16


def _cpu(work: Callable[[], object]) -> float:
    """Return the median of CPU seconds."""
    work()
    spent = []
    for _ in range(REPEATS):
        start = time.process_time()
        work()
        spent.append(time.process_time() - start)
    return statistics.median(spent)


def _wall(work: Callable[[], object], n: int) -> float:
    """Return the median of seconds on the clock."""
    spent = []
    for _ in range(n):
        start = time.perf_counter()
        work()
        spent.append(time.perf_counter() - start)
    return statistics.median(spent)


def measure(folder: str, payments: int, customers: int) -> dict[str, Any]:
    """Read a table plainly and narrowed: to two thirds who agreed, to all who do; record reads."""
    from heptad.runtime import Platform
    from heptad.security.access import Read
    from heptad.standards.time import FixedClock, parse_instant

    home = Path(folder)
    (home / "heptad.toml").write_text('[project]\nname = "reads"\n', encoding="utf-8")
    clock = FixedClock(parse_instant("2026-06-01"))
    with Platform.open(home, role="app", purpose="marketing", clock=clock) as platform:
        for start in range(0, payments, 10_000):
            platform.store("Payment", [
                {"id": f"p{n}", "event_time": "2026-05-01T10:00:00Z", "customer": f"c{n % customers}",
                 "amount": "3.00", "currency": "EUR", "status": "authorised"}
                for n in range(start, start + 10_000)
            ])  # fmt: skip
        platform.store("Consent", [
            {"id": f"n{n}", "event_time": "2026-02-01T00:00:00Z", "customer": f"c{n}",
             "purpose": "marketing" if n % 3 else "sharing", "scope": "all", "mode": "direct",
             "status": "active"}
            for n in range(customers)
        ])  # fmt: skip
        table, guard = platform.table("Payment"), platform.guard
        with guard.reading("read", who="bench", role="app", purpose="marketing") as access:
            narrowed, whole = platform.reads.under(access), platform.reads
            assert whole.rows(table).num_rows == payments
            agreed = [n for n in range(payments) if n % customers % 3]
            assert narrowed.rows(table).num_rows == len(agreed)
            plain, policy = (_cpu(lambda r=r: r.rows(table)) for r in (whole, narrowed))
            platform.store("Consent", [
                {"id": f"m{n}", "event_time": "2026-02-01T00:00:00Z", "customer": f"c{n}",
                 "purpose": "marketing", "scope": "all", "mode": "direct", "status": "active"}
                for n in range(customers)
            ])  # fmt: skip
            assert narrowed.rows(table) == whole.rows(table)
            everybody = _cpu(lambda: narrowed.rows(table))

            def decide() -> None:
                again = guard.deciding(platform.app("fraud"), access.now)
                again.read.purpose = "marketing"
                again.narrowed(table, platform_stored)

            platform_stored = platform.reads.stored(table)
            decided = _wall(decide, 2_000)
        one = Read("read", "bench", "app", "marketing", people={"Customer:c1"})
        alone = _wall(lambda: platform.access.record(one), RECORDS)
        with ThreadPoolExecutor(THREADS) as pool:
            start = time.perf_counter()
            list(pool.map(lambda _: platform.access.record(one), range(RECORDS * 4)))
            together = RECORDS * 4 / (time.perf_counter() - start)
    handle = os.open(home / "bare", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    bare = _wall(lambda: (os.write(handle, bytes(400)), os.fdatasync(handle)), RECORDS)
    os.close(handle)
    return {"plain": plain, "policy": policy, "everybody": everybody, "decided": decided, "alone": alone,
            "together": together, "bare": bare}  # fmt: skip


def reads_rows(*, quick: bool, seed: int) -> list[Row]:
    """The cost of a policy beside its query, of one decision, and of one record."""
    del seed
    payments = 100_000 if quick else 400_000
    with tempfile.TemporaryDirectory(prefix="heptad-bench-", dir=Path.cwd()) as scratch:
        found = child("benchmarks.reads:measure", scratch, payments, payments // 10).answer
    what = f"CPU of a read of {payments:,} rows narrowed to two thirds who agreed / of all rows"
    most = "the same where everybody agreed, so that nothing is saved"
    bare = f"bare append + fdatasync {found['bare'] * 1e3:.2f} ms"
    return [
        Row("reads-policy", what, found["policy"] / found["plain"], "ratio of CPU seconds", 1.1,
            detail=found),
        Row("reads-policy-all", most, found["everybody"] / found["plain"], "ratio of CPU seconds"),
        Row("reads-decision", "one decision, its persons known", found["decided"] * 1e6,
            "microseconds", 50.0),
        Row("reads-record", f"one record, durable; {bare}", found["alone"] * 1e3, "ms"),
        Row("reads-together", f"records of {THREADS} threads that share syncs",
            found["together"], "records a second"),
    ]  # fmt: skip
