# SPDX-License-Identifier: Apache-2.0
"""Measure work in processes of its own, compare it with a peer, and keep the figures."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True)
class Run:
    """One measured process: seconds on the wall and of CPU, peak memory, and what it answered."""

    wall: float
    cpu: float
    peak_mib: float
    answer: Any


@dataclass
class Row:
    """One figure with its target.

    Attributes:
        name: of the row.
        what: the work, in words.
        figure: the figure measured.
        unit: of the figure.
        target: what it must reach, with its direction; None if it is only printed.
        least: whether the target is the least (True) or the most (False).
        detail: everything else that was measured.
        missed: what else was demanded of the run and not met; such a row does not hold.
    """

    name: str
    what: str
    figure: float
    unit: str
    target: float | None = None
    least: bool = False
    detail: dict[str, Any] = field(default_factory=dict)
    missed: str = ""

    @property
    def holds(self) -> bool | None:
        """Whether the target is reached; None without one."""
        if self.missed:
            return False
        if self.target is None:
            return None
        return self.figure >= self.target if self.least else self.figure <= self.target


def child(work: str, *arguments: object) -> Run:
    """Run `module:function` with arguments in a fresh process and measure the whole of it.

    The function prints one line of JSON, its answer; `seconds` in it, if there, is the time of
    the work alone, without the interpreter's start.
    """
    module, _, function = work.partition(":")
    code = (
        "import sys, json, importlib\n"
        f"f = getattr(importlib.import_module({module!r}), {function!r})\n"
        "print(json.dumps(f(*json.loads(sys.argv[1]))))\n"
    )
    start = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-c", code, json.dumps(arguments, default=str)],
        stdout=subprocess.PIPE,
        cwd=ROOT,
    )
    assert process.stdout is not None
    printed = process.stdout.read()
    _, status, used = os.wait4(process.pid, 0)
    wall = time.perf_counter() - start
    if status:
        raise SystemExit(f"{work} failed with status {status}")
    answer = json.loads(printed.splitlines()[-1])
    return Run(wall, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, answer)


def paired(ours: Any, peer: Any, times: int) -> tuple[list[Run], list[Run], float]:
    """Run two works in turn and return their runs and the median ratio of their seconds."""
    mine, theirs = [], []
    for _ in range(times):
        theirs.append(peer())
        mine.append(ours())
    ratios = [seconds(a) / seconds(b) for a, b in zip(mine, theirs, strict=True)]
    return mine, theirs, statistics.median(ratios)


def seconds(run: Run) -> float:
    """Return the seconds of the work itself, if the process told them."""
    if isinstance(run.answer, dict) and "seconds" in run.answer:
        return float(run.answer["seconds"])
    return run.wall


def tree_hash() -> str:
    """Return a hash of the project's own files, which the figures belong to."""
    listed = subprocess.run(
        ["git", "ls-files", "src", "benchmarks", "constraints.txt"],
        capture_output=True, text=True, cwd=ROOT, check=True,
    )  # fmt: skip
    digest = hashlib.sha256()
    for name in sorted(listed.stdout.split()):
        if "/results/" not in name:
            digest.update(name.encode() + b"\0" + (ROOT / name).read_bytes())
    return digest.hexdigest()[:16]


def keep(area: str, rows: list[Row], *, seed: int, quick: bool) -> Path:
    """Write the figures of an area as JSON, beside those of its other rows.

    Each row says which tree, seed and machine its figure is of, so that an area may be measured
    row by row.
    """
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{area}{'-quick' if quick else ''}.json"
    tree, before = tree_hash(), []
    if path.exists():
        before = json.loads(path.read_text(encoding="utf-8"))["rows"]
    machine = {
        "cores": os.cpu_count(),
        "cpu": platform.machine(),
        "python": platform.python_version(),
    }
    told = {"tree": tree, "seed": seed, "machine": machine}
    measured = [asdict(row) | {"holds": row.holds} | told for row in rows]
    names = {row["name"] for row in measured}
    kept = [row for row in before if row["name"] not in names]
    document = {
        "area": area,
        "quick": quick,
        "rows": kept + measured,
    }
    path.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    return path


def table(rows: list[Row]) -> str:
    """Return the figures as text, one line each."""
    lines = [f"{'row':<16} {'figure':>12} {'target':>12}  holds  what"]
    for row in rows:
        target = "printed" if row.target is None else f"{'≥' if row.least else '≤'} {row.target:,g}"
        holds = {None: "–", True: "yes", False: "NO"}[row.holds]
        missed = f"; {row.missed}" if row.missed else ""
        lines.append(
            f"{row.name:<16} {row.figure:>12,.4g} {target:>12}  {holds:<5}  {row.what} "
            f"({row.unit}){missed}"
        )
    return "\n".join(lines)
