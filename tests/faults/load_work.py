# SPDX-License-Identifier: Apache-2.0
"""A small bank loaded and decided by a process that may be killed at any instant, and what to check."""

from __future__ import annotations

import hashlib
import json
import os
import random
import select
import shutil
import signal
import sys
import traceback
from datetime import date
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from heptad.runtime import Platform, discover
from heptad.sources.bank import Bank
from heptad.sources.bank.files import write_exports
from heptad.standards import Text
from heptad.terminal.demo.bank import batches

if TYPE_CHECKING:
    from collections.abc import Iterator

# Imported once, before the first fork.
WARM = ("numpy", "pyarrow.parquet", "duckdb", "deltalake", "sqlglot", "alembic.command",
        "sqlalchemy.dialects.sqlite", "msgspec", "heptad.catalog.loading", "heptad.service.desk",
        "heptad.engine.local.duck", "heptad.engine.local.lake", "heptad.engine.local.segments",
        "heptad.security.keys", "heptad.security.ledger", "heptad.sources.config")  # fmt: skip
BANK = Bank(40, 7, date(2026, 3, 1), 70)
TABLE = "SELECT {} FROM {} ORDER BY ALL"


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
        check(platform, told)
        done = {ack["step"] for ack in told}
        for name, do in steps(platform):
            if name not in done:
                acks.write(json.dumps({"step": name, "got": do()}) + "\n")
                acks.flush()
        folder.with_suffix(".end").write_text(json.dumps(end(platform)))


def check(platform: Platform, told: list[dict[str, Any]]) -> None:
    """Nothing that was acknowledged is lost, nothing is there twice, and the log holds."""
    made = [entry.public["id"] for entry in platform.log.entries()]
    assert len(set(made)) == len(made), "a decision is in the log twice"
    assert platform.log.ledger.verify().entries == len(made)
    committed = {x.id for x in platform.catalog.loads.recent(status="committed", limit=10_000)}
    for ack in told:
        if ack["step"].startswith("load"):
            assert {n for n in ack["got"] if n is not None} <= committed, ack
        else:
            assert set(ack["got"]) <= set(made), ack
    assert platform.catalog.loads.unfinished(mine=True) == []
    for name in platform.lake.names():
        assert not platform.lake.damaged(name)
        assert not list((platform.lake.folder / name).glob(".stage-*"))


def end(platform: Platform) -> dict[str, Any]:
    """What an uninterrupted run must equal: rows, decisions, and whether they replay."""
    again = platform.load()
    assert not any(report.accepted for report in again), again
    report = platform.replay()
    n = len(platform.log)
    assert report.decided == report.derived == {"identical": n}, report.findings
    decisions = [entry.decision.to_dict() for entry in platform.log.entries()]
    for decision in decisions:
        del decision["tables"]
    return {
        "rows": {name: content(platform, name) for name in platform.lake.names()},
        "decisions": [decision["id"] for decision in decisions],
        "bytes": digest(json.dumps(decisions, default=str, sort_keys=True)),
        "tried": len(platform.catalog.loads.recent(limit=10_000)),
    }


def content(platform: Platform, name: str) -> list[Any]:
    """Number and hash of a table's row versions, without what differs between any two projects.

    That are numbers of loads, and what is sealed or hashed under the project's own keys.
    """
    table = platform.table(name)
    hidden = {"_load", "_line", "_hash"}
    for field in table.fields.values():
        if field.sealed or (isinstance(field, Text) and field.pan):
            hidden |= {column.name for column in field.columns()}
    names = ", ".join(f'"{c.name}"' for c in table.columns() if c.name not in hidden)
    relation = platform.lake.relation(name, table=table)
    rows = platform.duck.arrow(TABLE.format(names, relation)).to_pylist()
    return [len(rows), digest(repr(rows))]


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


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
    assert forked(calm, 300) == 0, "the undisturbed run failed"
    far, ends = [], []
    for n in range(int(kills)):
        opening = n % 4 == 3
        ends.append(forked(killed, drawn.uniform(0, 0.5 if opening else 2), opening=opening))
        far.append(len(acknowledged(killed)))
    ends.append(forked(killed, 300))
    print(json.dumps({"ends": ends, "far": far}))


if __name__ == "__main__":
    main(*sys.argv[1:])
