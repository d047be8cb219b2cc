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
SPANS = (hour, day, 7 * day)


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
