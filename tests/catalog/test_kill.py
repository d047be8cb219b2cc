# SPDX-License-Identifier: Apache-2.0
"""A process killed while it writes: whatever it acknowledged is there, and the rest is not half."""

from __future__ import annotations

import random
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from heptad.catalog import Catalog

if TYPE_CHECKING:
    from pathlib import Path

WRITER = """
import hashlib, sys
from heptad.catalog import Catalog
from heptad.catalog.decisions import Entry
from heptad.catalog.files import SourceFile
from heptad.catalog.loads import Counts
from heptad.catalog.versions import DataFile

catalog = Catalog(sys.argv[1])
files = catalog.versions.files("T")
while True:
    number = catalog.loads.begin("s", "T").id
    content = hashlib.sha256(str(number).encode()).hexdigest()
    catalog.loads.staged(number, Counts(read=1), files=[SourceFile(f"{number}", 1, content)])
    files.append(DataFile(f"{number}.parquet", 1, content, 1))
    catalog.loads.committed(number, number, files)
    place = catalog.decisions.size()
    with catalog.transaction():
        catalog.decisions.insert([
            Entry(place + n, f"{place + n}", "a", "c", 0, "hold", bytes(32)) for n in range(20)
        ])
        catalog.settings.raise_to("log_floor", place + 20)
    print(number, place + 20, flush=True)
"""


def acknowledged(path: Path, enough: int) -> tuple[int, int]:
    """Let a process write, kill it after some acknowledgements, and return the last one."""
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True
    ) as writer:
        assert writer.stdout is not None
        told = [writer.stdout.readline() for _ in range(enough)]
        writer.kill()
        told += writer.stdout.readlines()
    load, places = [line for line in told if line.endswith("\n")][-1].split()
    return int(load), int(places)


@pytest.mark.parametrize(
    "rounds", [2, pytest.param(30, marks=[pytest.mark.soak, pytest.mark.timeout(300)])]
)
def test_kill(tmp_path: Path, rounds: int) -> None:
    path = tmp_path / "c.sqlite"
    chance = random.Random(7)
    for _ in range(rounds):
        load, places = acknowledged(path, chance.randrange(1, 25))
        with Catalog(path) as catalog:
            catalog.check()
            done = catalog.loads.recent(status="committed", limit=10_000)
            assert done[0].id >= load
            assert {found.version for found in done} == {found.id for found in done}
            for found in done:
                assert len(catalog.versions.files("T", found.id)) == found.id - sum(
                    lost.id < found.id for lost in catalog.loads.recent(status="failed", limit=99)
                )
            assert catalog.versions.durable("T") == done[0].id
            size = catalog.decisions.size()
            assert size >= places
            assert size % 20 == 0
            assert catalog.settings.log_floor == size == catalog.decisions.counts()["hold"]
            (*one,) = catalog.loads.unfinished()
            assert len(one) <= 1
            for found in one:
                catalog.loads.failed(found.id, "interrupted")
