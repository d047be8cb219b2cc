# SPDX-License-Identifier: Apache-2.0
"""Online features: 100 features of one key from RocksDB, beside Feast's SQLite store."""

from __future__ import annotations

import json
import random
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.features import Purchase
from benchmarks.harness import ROOT, Row, child
from benchmarks.peer import environment
from heptad.standards import hour

FEATURES, NOW = 100, 10**15
FEAST = ROOT / "benchmarks" / "peers" / "feast"


def values(keys: int, seed: int) -> Any:
    """Return (keys, features) whole numbers."""
    return np.random.default_rng(seed).integers(0, 10**9, (keys, FEATURES))


def asked(keys: int, reads: int, seed: int) -> list[int]:
    """Return which key is read when."""
    made = random.Random(seed)
    return [made.randrange(keys) for _ in range(reads)]


def ours(folder: str, keys: int, reads: int, seed: int) -> dict[str, Any]:
    """Read 100 features of one key after the other, as the platform does below its guard."""
    from heptad.engine.local.rows import Rows
    from heptad.service.features import named, total
    from heptad.service.online.values import OnlineStore

    by = Purchase.customer
    declared = {
        f"f{n}": total(Purchase.amount, by=by, over=(n + 1) * hour) for n in range(FEATURES)
    }
    features = list(named(declared).values())
    table = values(keys, seed)
    with Rows(Path(folder) / "rows") as rows:
        store = OnlineStore(rows, lambda _: 1)
        for start in range(0, keys, 1000):
            chunk = table[start : start + 1000].tolist()
            store.write(
                features,
                [(f"c{start + n}".encode(), [(NOW, NOW * 2, v) for v in row])
                 for n, row in enumerate(chunk)],
            )  # fmt: skip
        store.mark(features, {"Purchase": 1})
        rows.purge()
        spent, total_ = [], 0
        for key in asked(keys, reads, seed):
            begin = time.perf_counter()
            found = store.read({"customer": f"c{key}"}, features, NOW + 1)
            spent.append(time.perf_counter() - begin)
            total_ += sum(reading.value for reading in found.values())
            assert found["f0"].state == "fresh"
    return _told(spent, total_)


def feast(folder: str, keys: int, reads: int, seed: int) -> dict[str, Any]:
    """Let Feast answer the same reads from SQLite, in an environment of its own."""
    python = environment("feast")
    np.save(Path(folder) / "values.npy", values(keys, seed))
    (Path(folder) / "asked.json").write_text(json.dumps(asked(keys, reads, seed)))
    done = subprocess.run(
        [str(python), str(FEAST / "online.py"), folder], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    answer = json.loads(done.stdout.splitlines()[-1])
    return _told(answer["spent"], answer["total"])


def _told(spent: list[float], total: int) -> dict[str, Any]:
    return {
        "p50_ms": float(np.median(spent) * 1e3),
        "p99_ms": float(np.quantile(spent, 0.99) * 1e3),
        "total": int(total),
    }


def online_rows(*, quick: bool, seed: int) -> list[Row]:
    """100 features of one key: from RocksDB, and beside Feast's SQLite store."""
    keys, reads = (500, 300) if quick else (2_000, 2_000)
    with tempfile.TemporaryDirectory(prefix="heptad-bench-") as scratch:
        mine = child("benchmarks.online:ours", scratch, keys, reads, seed).answer
    with tempfile.TemporaryDirectory(prefix="heptad-bench-") as scratch:
        theirs = child("benchmarks.online:feast", scratch, keys, reads, seed).answer
    assert mine["total"] == theirs["total"], "the values that were read differ"
    what = f"{FEATURES} features of one of {keys:,} keys"
    detail = {"ours": mine, "feast": theirs}
    return [
        Row("online", f"{what}, from RocksDB, p50", mine["p50_ms"], "ms", 0.5, detail=detail),
        Row("online-feast", f"{what}, p50 / Feast 0.67's SQLite store", mine["p50_ms"] / theirs["p50_ms"],
            "ratio", 0.5, detail=detail),
    ]  # fmt: skip
