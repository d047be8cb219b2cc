# SPDX-License-Identifier: Apache-2.0
"""Every fault against every store and the whole path, counted: the figures of docs/faults.md.

    nice python tests/faults/campaign.py TOLD [ROW …] [--points 60] [--path 300] [--parts 1] [--minutes M]

A row is a work and a fault, such as `Catalog:lose`; all of them if none is named. Each row that has
been run is a line of JSON in the file TOLD, and is not run again. `--parts 10` makes ten lines of
each kill or loss of power, with a tenth of its points; after M minutes no further line is begun. It exits 1 at the first fault that
took something that had been told, saying which.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from harness import Harness, Tally
from injector import MEGABYTES, Disk, Injector, quick

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

STORES = ("Log", "Journal", "Rows", "Keys", "Catalog", "Lake")
WORKS = {name: f"store_work:{name}Work" for name in STORES} | {"Path": "path_work:PathWork"}
DUTIES = ("Outbox", "Schedule")
WORKS |= {name: f"duty_work:{name}Work" for name in DUTIES} | {"Stream": "stream_work:StreamWork"}
WORKS |= {"Loans": "loans_work:LoansWork"}
IN_PARTS = ("kill", "lose", "torn", "eio", "enospc", "short", "persist", "full")
"""Faults whose points can be tried in parts."""
CUTS = 20
DISKS = ("ext4", "xfs")
FAULTS = ("lose", "torn", "kill", "eio", "enospc", "short", "persist", "full", "sync", "forget")
ON_DISKS = ("random", "cut", "dies", "lies")
ROWS = [
    f"{work}:{fault}"
    for fault in (*(f"{f}-{d}" for f in ON_DISKS[:1] for d in DISKS), *FAULTS,
                  *(f"{f}-{d}" for f in ON_DISKS[1:] for d in DISKS))
    for work in WORKS
]  # fmt: skip


def run(row: str, harness: Harness, folder: Path, most: int) -> Tally:
    """Run one row."""
    fault, _, kind = row.partition(":")[2].partition("-")
    if kind:
        disk = Disk(Path(tempfile.mkdtemp(dir=folder)), MEGABYTES[kind], kind)
        on: dict[str, Callable[[], Tally]] = {
            "random": lambda: harness.cut_at_random(disk, CUTS),
            "cut": lambda: harness.cut(disk, most),
        }
        return on.get(fault, lambda: harness.die(disk, most, fault))()
    calm: dict[str, Callable[[], Tally]] = {
        "lose": lambda: harness.lose(most),
        "torn": lambda: harness.lose(most, seed=1),
        "sync": lambda: harness.fail_syncs(most),
        "forget": lambda: harness.forget(most),
    }
    return calm.get(fault, lambda: harness.fail(fault, most))()


def lines_of(rows: list[str], parts: int) -> Iterator[tuple[str, str, tuple[int, int]]]:
    """Return the lines that rows make: their names, the row, and which part of it."""
    for row in rows:
        if parts == 1 or row.partition(":")[2] not in IN_PARTS:
            yield row, row, (0, 1)
        else:
            for n in range(parts):
                yield f"{row} {n + 1}/{parts}", row, (n, parts)


def main() -> None:
    """Run what has not been run, one row after another."""
    parser = argparse.ArgumentParser()
    parser.add_argument("told", type=Path)
    parser.add_argument("rows", nargs="*", default=ROWS)
    parser.add_argument("--points", type=int, default=60)
    parser.add_argument("--path", type=int, default=300)
    parser.add_argument("--parts", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=float("inf"))
    asked = parser.parse_args()
    end = time.monotonic() + 60 * asked.minutes
    lines = asked.told.read_text().splitlines() if asked.told.exists() else []
    done = {json.loads(line)["row"] for line in lines}
    with tempfile.TemporaryDirectory(prefix="heptad-faults-", dir=quick()) as folder:
        place, made, injectors = Path(folder), dict[str, Harness](), dict[str, Injector]()
        try:
            for line, row, part in lines_of(asked.rows, asked.parts):
                if line in done or time.monotonic() > end:
                    continue
                name = row.partition(":")[0]
                module = WORKS[name].partition(":")[0]
                if module not in injectors:
                    (place / module).mkdir()
                    injectors[module] = Injector(place / module, [module])
                if name not in made:
                    made[name] = Harness(injectors[module], WORKS[name], place / name)
                made[name].part = part
                begun = time.monotonic()
                tally = run(row, made[name], place, asked.path if name == "Path" else asked.points)
                told = {
                    "row": line, "calls": made[name].calls, "points": tally.points,
                    "refused": tally.refused, "told": tally.told, "codes": sorted(tally.codes),
                    "seconds": round(time.monotonic() - begun, 1),
                }  # fmt: skip
                print(json.dumps(told), flush=True)
                with asked.told.open("a") as file:
                    file.write(json.dumps(told) + "\n")
        finally:
            for injector in injectors.values():
                injector.__exit__(None, None, None)


if __name__ == "__main__":
    sys.exit(main())
