# SPDX-License-Identifier: Apache-2.0
"""A large load is sealed by other processes, and comes out as if it were not."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from heptad.catalog import staging
from heptad.engine.local.duck import Duck
from heptad.security import sealers
from heptad.security.sealing import open_sealed, subject_names
from heptad.standards.errors import Busy
from tests.catalog.test_loading import THING, THINGS, Thing, World

N = 9_000


@pytest.fixture(autouse=True)
def small_batches(monkeypatch):
    """Let some thousand rows be many batches, and each worth another process."""
    monkeypatch.setattr(staging, "_BATCH", 2048)
    monkeypatch.setattr(sealers, "LEAST", 500)


def listed():
    """Return rows of things: some refused, some twice, every tenth about an erased person."""
    for i in range(N):
        number = i % (N - 50)
        worth = "x" if number % 101 == 0 else f"{number}"
        owner = "gone" if number % 10 == 3 else f"o{number * 7 % 700}"
        yield f"t{number},2025-06-01,{owner},secret {number},{worth},EUR\n"


def loaded(folder, threads, monkeypatch):
    """Load the things; return the report, what is stored in clear and who sealed."""
    folder.mkdir()
    world = World(folder, f"[engine]\nthreads = {threads}\n{THINGS}")
    try:
        world.keys.of(["Customer:gone"])
        assert world.keys.destroy("Customer:gone")
        world.write("a.csv", THING + "".join(listed()))
        asked = []
        ask = sealers._Process.ask
        monkeypatch.setattr(
            sealers._Process, "ask", lambda self, given: (asked.append(self), ask(self, given))[1]
        )
        report = world.load()
        monkeypatch.setattr(sealers._Process, "ask", ask)
        with Duck(folder) as duck:
            found = duck.arrow(f"SELECT * FROM {world.loading.stored(Thing)} ORDER BY id")
        people = subject_names(Thing, found["owner"])
        opened = open_sealed(found["secret"], people, world.keys, "Thing", "secret")
        kept = dict(zip(found["id"].to_pylist(), opened.values.to_pylist(), strict=True))
        return report, kept, asked
    finally:
        world.close()


def test_one_process_and_several_store_the_same(tmp_path, monkeypatch):
    alone, kept, asked = loaded(tmp_path / "one", 1, monkeypatch)
    assert not asked
    together, same, helped = loaded(tmp_path / "two", 2, monkeypatch)
    assert len(helped) >= 3
    assert same == kept
    assert kept["t1"] == "secret 1"
    assert len(kept) == together.accepted == alone.accepted
    assert together.quarantined == alone.quarantined
    assert together.quarantined["erased"] == sum(
        i % (N - 50) % 10 == 3 and i % (N - 50) % 101 != 0 for i in range(N)
    )
    assert together.duplicates == alone.duplicates > 0
    assert together.read == N
    assert not helping()


def helping():
    """Return the processes that seal for this one."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((path / "stat").read_text().rpartition(")")[2].split()[1])
            if parent == os.getpid() and b"sealers" in (path / "cmdline").read_bytes():
                found.append(path.name)
        except OSError:
            continue
    return found


def test_a_load_that_fails_while_rows_are_sealed_leaves_nothing(tmp_path, monkeypatch):
    world = World(tmp_path, f"[engine]\nthreads = 2\n{THINGS}")
    write, times = staging.StageWriter.add, []

    def refusing(self, batch):
        times.append(batch.num_rows)
        if len(times) == 2:
            raise Busy("The disk is full.")
        write(self, batch)

    monkeypatch.setattr(staging.StageWriter, "add", refusing)
    try:
        world.write("a.csv", THING + "".join(listed()))
        with pytest.raises(Busy, match="disk is full"):
            world.load()
        assert world.loading.stored(Thing) is None
        assert not helping()
        monkeypatch.setattr(staging.StageWriter, "add", write)
        assert world.load().read == N
    finally:
        world.close()
