# SPDX-License-Identifier: Apache-2.0
"""Other processes seal as this one does, take over no secret, and end with it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
import pytest

from heptad.security import sealers
from heptad.security.keys import Keys
from heptad.security.sealers import Sealers
from heptad.security.sealing import open_sealed, seal_rows
from heptad.security.slices import seal_slice as seal

N = 400


@pytest.fixture
def keys(tmp_path):
    with Keys(tmp_path / "keys") as opened:
        yield opened


@pytest.fixture
def hands(monkeypatch):
    monkeypatch.setattr(sealers, "LEAST", 100)
    made = Sealers()
    yield made
    made.close()


def rows(n=N):
    """Values with gaps, and people of whom one is nobody."""
    values = pa.array([None if i % 5 == 0 else f"väl {i % 37}" for i in range(n)])
    people = pa.array([None if i % 35 == 0 else f"Customer:{i * 7 % 90}" for i in range(n)])
    return values, people


def sealed(keys, by, n=N):
    values, people = rows(n)
    return seal_rows({"name": values}, [values], people, keys, "T", by)


def children():
    """Return the processes that this one has started and that live, by number."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, parent = path.read_text().rpartition(")")[2].split()[:2]
        except OSError:
            continue
        if int(parent) == os.getpid() and state != "Z":
            found.append(int(path.parent.name))
    return set(found)


def test_cells_and_hashes_of_another_process_are_as_those_made_here(keys, hands):
    values, people = rows()
    here = seal_rows({"name": values}, [values], people, keys, "T")
    before = children()
    there = sealed(keys, hands.seal)
    assert len(children() - before) == 1
    assert there.hashes.equals(here.hashes)
    opened = open_sealed(there.cells["name"], people, keys, "T", "name")
    assert opened.values.equals(values)
    assert not set(there.cells["name"].drop_null().to_pylist()) & set(
        here.cells["name"].drop_null().to_pylist()
    )


def test_few_rows_start_no_process(keys, hands):
    before = children()
    assert len(sealed(keys, hands.seal, 99).hashes) == 99
    assert children() == before


def test_threads_that_ask_at_once_are_served_at_once_and_processes_are_kept(keys, hands):
    before = children()
    wanted = sealed(keys, hands.seal).hashes
    with ThreadPoolExecutor(3) as pool:
        found = list(pool.map(lambda _: sealed(keys, hands.seal).hashes, range(24)))
    assert all(f.equals(wanted) for f in found)
    assert len(children() - before) <= 3
    hands.close()
    assert children() == before


def test_a_process_that_was_killed_loses_nothing(keys, hands):
    wanted, before = sealed(keys, hands.seal).hashes, children()
    for child in children():
        if b"sealers" in Path(f"/proc/{child}/cmdline").read_bytes():
            os.kill(child, signal.SIGKILL)
    assert sealed(keys, hands.seal).hashes.equals(wanted)
    assert sealed(keys, hands.seal).hashes.equals(wanted)  # by a new one
    assert children() - before


def test_an_error_of_the_other_process_is_told_as_if_it_were_here(keys, hands):
    wrong = pa.array(["x"] * N), pa.array(["Customer:1"] * N)

    def spoiled(given):
        return hands.seal(given.__class__(given.names, b"", *spoilt(given)))

    def spoilt(given):
        return given.codes, given.texts, given.stems, given.rows, given.pepper

    with pytest.raises(IndexError):
        seal_rows({"name": wrong[0]}, (), wrong[1], keys, "T", spoiled)


def test_nothing_of_the_environment_goes_along(keys, hands, monkeypatch):
    monkeypatch.setenv("HEPTAD_PASSPHRASE", "a secret of this process")
    before = children()
    sealed(keys, hands.seal)
    (child,) = children() - before
    assert Path(f"/proc/{child}/environ").read_bytes() == b""
    told = Path(f"/proc/{child}/cmdline").read_bytes()
    assert not any(k in told for k in keys.of([f"Customer:{i}" for i in range(90)]))


def test_keys_and_values_are_not_told_with_what_goes_wrong(keys):
    values, people = rows()
    seen = []
    seal_rows({"name": values}, [values], people, keys, "T", lambda g: (seen.append(g), seal(g))[1])
    told = repr(seen[0])
    assert "väl" not in told
    assert repr(seen[0].keys[:8])[2:-1] not in told
    assert "Customer:7" not in told


STARTER = """
import sys, time
import numpy as np, pyarrow as pa
from heptad.security import sealers
from heptad.security.slices import Slice
sealers.LEAST = 1
hands = sealers.Sealers()
text = pa.array([b"x"], pa.binary())
hands.seal(Slice(pa.array(["a"]), bytes(32), np.zeros(1, np.int32), [text], [b"T|c|"], [], b""))
print(hands._idle.get()._process.pid, flush=True)
time.sleep(60)
"""


def test_a_process_ends_when_the_one_that_started_it_is_killed():
    with subprocess.Popen([sys.executable, "-c", STARTER], stdout=subprocess.PIPE) as starter:
        number = int(starter.stdout.readline())
        assert Path(f"/proc/{number}").exists()
        starter.kill()
    end = time.monotonic() + 10
    while ended_not(number) and time.monotonic() < end:
        time.sleep(0.02)
    assert not ended_not(number)


def ended_not(number):
    """Whether a process still runs; one that nobody has waited for does not."""
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
