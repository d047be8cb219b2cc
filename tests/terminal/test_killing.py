# SPDX-License-Identifier: Apache-2.0
"""The stream that the demo kills: each kill hits it at work, and an error of its own is told."""

from __future__ import annotations

import json
import subprocess
import sys

import pyarrow as pa
import pytest

from heptad.service.stream.streams import Stream
from heptad.standards.time import minute
from heptad.terminal.demo.killing import features

pytestmark = pytest.mark.slow

CHILD = """
import pathlib, sys
from heptad.terminal.demo import killing
killing.KILLS, killing.BATCH = 4, 60
{also}
killing.main(pathlib.Path(sys.argv[1]), 7)
"""
RAISING = """
def raising(stream, *_):
    raise ValueError("the disk said no")
killing.Stream.keep = raising
"""
EARLY = "killing._work = lambda *_: None"


def rows(n=120):
    names = Stream(features()).columns
    own = {
        "id": [f"p{i}" for i in range(n)],
        "customer": [f"c{i % 7}" for i in range(n)],
        "currency": ["EUR" if i % 3 else "USD" for i in range(n)],
        "amount": [i * 100 for i in range(n)],
    }
    return pa.table({name: own.get(name, [i * minute for i in range(n)]) for name in names})


def ran(folder, also=""):
    made = rows()
    with pa.OSFile(str(folder / "rows"), "wb") as file, pa.ipc.new_file(file, made.schema) as out:
        out.write_table(made)
    asked = [sys.executable, "-c", CHILD.format(also=also), str(folder)]
    return subprocess.run(asked, capture_output=True, text=True, check=False, timeout=60)


def test_more_kills_than_batches_each_hit_a_stream_that_is_at_work(tmp_path):
    done = ran(tmp_path)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["kills"], found["differ"], found["values"]) == (4, 0, 7 * len(features()))


@pytest.mark.parametrize(
    ("also", "told"), [(RAISING, "the disk said no"), (EARLY, "")], ids=["raises", "ends"]
)
def test_a_stream_that_ends_otherwise_fails_and_says_why(tmp_path, also, told):
    done = ran(tmp_path, also)
    assert done.returncode == 1
    assert told in done.stderr[-200:]
