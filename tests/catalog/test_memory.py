# SPDX-License-Identifier: Apache-2.0
"""A load takes no more memory than it may, however long its rows are."""

from __future__ import annotations

import subprocess
import sys

import pytest

LIMIT_MIB = 512
CHILD = """
import random, sys
from pathlib import Path
from heptad.catalog.catalog import Catalog
from heptad.catalog.loading import Loading
from heptad.engine.local.lake import Lake
from heptad.security.keys import Keys
from heptad.sources.config import parse_project
from heptad.standards import Instant, Table, Text
from heptad.standards.time import FixedClock, parse_instant

class Note(Table):
    \"\"\"A long note.\"\"\"
    id = Text("Key", key=True)
    event_time = Instant("When")
    body = Text("What it says")

folder, tables = Path(sys.argv[1]), {"Note": Note}
clock = FixedClock(parse_instant("2026-01-01T00:00:00Z"))
project = parse_project('[[source]]\\ntable = "Note"\\nfrom = "long.csv"\\n', folder, tables)
catalog, keys = Catalog(folder / "catalog.sqlite", clock=clock), Keys(folder / "keys", clock=clock)
lake = Lake(folder / "tables", clock=clock)
loading = Loading(project, tables, catalog, lake, keys, clock)
chance = random.Random(7)
with (folder / "long.csv").open("w") as file:
    file.write("id,event_time,body\\n")
    for n in range(150_000):
        month, day = 1 + n % 12, 1 + n % 28
        file.write(f"k{n},2025-{month:02}-{day:02},{chance.getrandbits(3200):0800x}\\n")
(report,) = loading.load()
status = Path("/proc/self/status").read_text()
print(report.accepted, int(status.split("VmHWM:")[1].split()[0]) >> 10)
loading.close(), keys.close(), catalog.close()
"""


@pytest.mark.slow
def test_long_rows_take_bounded_memory(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", CHILD, tmp_path], check=True, capture_output=True, text=True
    )
    accepted, peak_mib = map(int, done.stdout.split())
    assert accepted == 150_000
    assert peak_mib <= LIMIT_MIB
