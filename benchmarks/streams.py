# SPDX-License-Identifier: Apache-2.0
"""The stream beside river, and the stream whose cold keys lie in the row store."""

from __future__ import annotations

import json
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.features import asked, payments
from benchmarks.harness import ROOT, Row, child
from benchmarks.peer import environment
from heptad.standards import day, hour

RIVER = ROOT / "benchmarks" / "peers" / "river" / "peer.py"
SPANS, EVER = (hour, day, 7 * day), (hour, day, 100_000 * day)


def sums(n: int, seed: int) -> dict[str, Any]:
    """Follow rows; return what river can compute of them: totals and counts."""
    import time

    from heptad.service.stream.streams import Stream

    stream, rows = Stream(asked(SPANS)), payments(n, n // 50, seed)
    Stream(asked(SPANS)).follow(rows.slice(0, 1000))
    start = time.process_time()
    found = [stream.follow(rows.slice(at, 16_384)) for at in range(0, n, 16_384)]
    spent = time.process_time() - start
    weights, checks = np.arange(n, dtype=np.int64) % 1009, []
    for w in range(len(SPANS)):
        for op in ("total", "count"):
            values = np.concatenate([part[f"{op}_{w}"].to_numpy() for part in found])
            checks.append(int((values * weights).sum()))
    return {"rate": n / spent, "checks": checks}


def spilled(folder: str, n: int, share: int, seed: int) -> dict[str, Any]:
    """Follow rows of many keys, all in memory, and with most keys in the row store; open it again.

    Of ten rows nine are of a hundredth of the keys, and no event is let go.
    """
    import resource
    import time

    from heptad.engine.local.rows import Rows
    from heptad.service.stream.cold import Cold
    from heptad.service.stream.streams import Stream

    made, size = np.random.default_rng(seed), 4096
    keys = n // 10
    few = made.integers(0, max(1, keys // 100), n)
    of = np.where(made.random(n) < 0.9, few, made.integers(0, keys, n))
    rows = payments(n, keys, seed)
    at = rows.schema.get_field_index("customer")
    rows = rows.set_column(at, "customer", [[f"c{c:07d}" for c in of.tolist()]])
    Stream(asked(EVER)).follow(rows.slice(0, 10))
    held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    with Rows(Path(folder) / "rows") as store:
        bound = n // share if share else 0
        cold = Cold(store, "Bench", events=bound, keys=bound // 5) if share else None
        stream, checks = Stream(asked(EVER), cold=cold), 0
        start = time.process_time()
        for begin in range(0, n, size):
            found = stream.follow(rows.slice(begin, size))
            checks += sum(int(c.to_numpy(zero_copy_only=False).sum()) for c in found.values())
        if cold is not None:
            stream.mark = str(n)
            stream.keep()
        rate = n / (time.process_time() - start)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    again = 0.0
    if cold is not None:
        start = time.process_time()
        with Rows(Path(folder) / "rows") as store:
            assert Stream(asked(EVER), cold=Cold(store, "Bench")).mark == str(n)
        again = time.process_time() - start
    disk = sum(p.stat().st_size for p in Path(folder).rglob("*") if p.is_file()) / 2**20
    return {"rate": rate, "mib": peak - held, "checks": checks, "again": again, "disk_mib": disk}


def spilled_rows(*, quick: bool, seed: int) -> list[Row]:
    """A stream that keeps a tenth of its events in memory, beside one that keeps all."""
    n = 200_000 if quick else 1_000_000
    answers = []
    for share in (0, 10):
        with tempfile.TemporaryDirectory(prefix="heptad-bench-") as scratch:
            answers.append(child("benchmarks.streams:spilled", scratch, n, share, seed).answer)
    whole, part = answers
    assert whole["checks"] == part["checks"], "answers differ"
    detail = {"whole": whole, "part": part}
    what = (
        f"{n:,} events of {n // 10:,} keys, nine of ten of a hundredth of them; a tenth in memory"
    )
    return [
        Row("spilled", what, part["rate"], "events a CPU-second", detail=detail),
        Row("spilled-cost", "the same / all in memory", part["rate"] / whole["rate"], "ratio of rates"),
        Row("spilled-memory", "memory of the same / all in memory", part["mib"] / whole["mib"], "ratio"),
        Row("spilled-again", "opened again where it had got to", part["again"], "CPU-seconds", 2.0),
    ]  # fmt: skip


def river_rows(*, quick: bool, seed: int) -> list[Row]:
    """Six sums and counts in river, all twelve features here."""
    n, python = 20_000 if quick else 100_000, environment("river")
    mine, rows = child("benchmarks.streams:sums", n, seed), payments(n, n // 50, seed)
    with tempfile.TemporaryDirectory(prefix="heptad-bench-") as scratch:
        file = Path(scratch) / "events.npz"
        np.savez(file, us=rows["event_time"], key=np.array(rows["customer"].to_pylist()),
                 amount=rows["amount"])  # fmt: skip
        command = [str(python), str(RIVER), str(file), *map(str, SPANS)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    theirs = json.loads(done.stdout.splitlines()[-1])
    assert mine.answer["checks"] == theirs["checks"], "answers differ"
    return [
        Row("stream-river", f"{n:,} events, 12 window features / river 0.26's 6 sums and counts",
            mine.answer["rate"] / theirs["rate"], "ratio of events a CPU-second",
            detail={"ours": mine.answer, "river": theirs})
    ]  # fmt: skip
