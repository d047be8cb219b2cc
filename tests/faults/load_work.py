# SPDX-License-Identifier: Apache-2.0
"""A small bank loaded and decided by a process that may be killed at any instant, and what to check."""

from __future__ import annotations

import json
import os
import random
import select
import shutil
import signal
import sys
import time
import traceback
from datetime import date
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import path_work

from heptad.runtime import Platform, discover
from heptad.sources.bank import Bank
from heptad.sources.bank.files import write_exports
from heptad.terminal.demo.bank import batches

if TYPE_CHECKING:
    from collections.abc import Iterator

# Imported once, before the first fork.
WARM = ("numpy", "pyarrow.parquet", "duckdb", "deltalake", "sqlglot", "alembic.command",
        "sqlalchemy.dialects.sqlite", "msgspec", "heptad.catalog.loading", "heptad.service.decisions.desk",
        "heptad.engine.local.duck", "heptad.engine.local.lake", "heptad.engine.local.segments",
        "heptad.security.keys", "heptad.security.ledger", "heptad.sources.config")  # fmt: skip
BANK = Bank(40, 7, date(2026, 3, 1), 70)


def acknowledged(folder: Path) -> list[dict[str, Any]]:
    """What earlier processes were told to be done, in order."""
    path = folder.with_suffix(".acks")
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def steps(platform: Platform) -> Iterator[tuple[str, Any]]:
    """The whole work: (name, how to do it), in order."""
    for source in platform.project.sources:
        yield f"load {source.name}", lambda name=source.name: [r.load for r in platform.load(name)]
    yield "credit", lambda: [o.public["id"] for o in platform.decide("credit")]
    for number, (table, arrivals) in enumerate(batches(BANK)):
        rows = [json.loads(a.line) for a in arrivals]

        def post(table=table, rows=rows, at=arrivals[-1].instant) -> list[str]:
            platform.clock.set(at)
            return [o.public["id"] for o in platform.accept(table, rows)[1]]

        yield f"batch {number}", post


def work(folder: Path, ready: int) -> None:
    """Check what was acknowledged before, then go on; a client repeats only what it heard nothing of."""
    told = acknowledged(folder)
    with Platform.open(folder) as platform, folder.with_suffix(".acks").open("a") as acks:
        os.write(ready, b"ready")
        path_work.PathWork().check(platform, {ack["step"]: ack["got"] for ack in told})
        done = {ack["step"] for ack in told}
        for name, do in steps(platform):
            if name not in done:
                acks.write(json.dumps({"step": name, "got": do()}) + "\n")
                acks.flush()
        folder.with_suffix(".end").write_text(json.dumps(end(platform)))


def end(platform: Platform) -> dict[str, Any]:
    """What an uninterrupted run must equal, and how many loads were tried."""
    return path_work.end(platform) | {"tried": len(platform.catalog.loads.recent(limit=10_000))}


def child(folder: Path, ready: int) -> None:
    """Work in a process of its own."""
    try:
        work(folder, ready)
        code = 0
    except BaseException:
        folder.with_suffix(".failed").write_text(traceback.format_exc())
        code = 3
    os._exit(code)


def forked(folder: Path, limit_s: float, *, opening: bool = False) -> int:
    """Fork a worker and kill it after a while; give its exit status.

    The time runs from the fork while it is opening, else from when the project is open.
    """
    alive, dies = os.pipe()
    pid = os.fork()
    if not pid:
        os.close(alive)
        child(folder, dies)
    os.close(dies)
    if not opening:
        os.read(alive, 5)
    select.select([alive], [], [], limit_s)  # readable when the worker ends
    os.kill(pid, signal.SIGKILL)
    os.close(alive)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def main(home: str, kills: str, seed: str) -> None:
    """Run once undisturbed and once killed again and again; print how often and how far."""
    discover()
    for name in WARM:
        import_module(name)
    drawn = random.Random(int(seed))
    calm, killed = Path(home, "calm"), Path(home, "killed")
    write_exports(BANK, calm)
    shutil.copytree(calm, killed)
    began = time.monotonic()
    assert forked(calm, 300) == 0, "the undisturbed run failed"
    # Kills come as late, or early, as this machine is slow now.
    seconds = time.monotonic() - began
    far, ends = [], []
    for n in range(int(kills)):
        opening = n % 4 == 3
        limit_s = drawn.uniform(0, seconds / (40 if opening else 6))
        ends.append(forked(killed, limit_s, opening=opening))
        far.append(len(acknowledged(killed)))
    ends.append(forked(killed, 300))
    print(json.dumps({"ends": ends, "far": far}))


if __name__ == "__main__":
    main(*sys.argv[1:])
