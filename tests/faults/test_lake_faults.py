# SPDX-License-Identifier: Apache-2.0
"""Faults while a lake is recovered or kept in order, and kills at random times; see test_stores.py."""

from __future__ import annotations

import random
import shutil
from collections import Counter
from typing import TYPE_CHECKING

import duckdb
import pytest
from delta_work import LOADS, Coin, put
from injector import Injector, acknowledged, sampled, why_no_compiler

from heptad.engine.local.lake import Lake

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

WORK = "delta_work:drop"


@pytest.fixture(scope="module")
def injector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Injector]:
    """A nursery under fault.c."""
    if reason := why_no_compiler():
        pytest.skip(reason)
    with Injector(tmp_path_factory.mktemp("fault"), ["delta_work"]) as injector:
        yield injector


def rows(lake: Lake, version: int | None = None) -> Counter:
    """How often each coin is stored."""
    source = lake.relation("Coin", version, table=Coin)
    return Counter(r[0] for r in duckdb.sql(f"SELECT id FROM {source}").fetchall())


def check(folder: Path, acks: dict[int, int]) -> None:
    """Open the table as after a crash; then the workload goes on as if nothing had been."""
    lake = Lake(folder)
    durable = max(acks.values(), default=-1)
    last = lake.recover("Coin", durable)
    assert last >= durable
    if lake.exists("Coin"):
        stored = rows(lake)
        assert set(stored.values()) <= {1}
        assert {f"c{n}" for n in acks if n > 0} <= set(stored)
        for load, version in acks.items():
            if load > 0:
                (new,) = set(lake.files("Coin", version)) - set(lake.files("Coin", version - 1))
                assert new.path.startswith(f"_month=1970-01/load-{load:08d}-")
        assert lake.damaged("Coin") == []
    assert not list(folder.glob("Coin/.stage-*"))
    for load in range(LOADS + 1):
        version = put(lake, load)
        assert acks.get(load, version) == version or load == 0
    assert rows(Lake(folder)) == Counter(f"c{n}" for n in range(1, LOADS + 1))


def recover_under_faults(injector: Injector, folder: Path, mode: str, most: int) -> None:
    """Leave a whole and a torn commit that nobody was told of, then fail during recovery."""
    home, acks = folder / "tables", folder / "acks"
    injector.run(WORK, [home, acks], home)
    log = home / "Coin/_delta_log"
    (log / f"{3:020d}.json").write_text('{"add":{"pa')
    (home / "Coin/.stage-9/_month=1970-01").mkdir(parents=True)
    shutil.copytree(home, folder / "crashed")
    total = injector.run("delta_work:mend", [home, 1], home).calls
    assert total > 5
    told = {load: version for load, version in acknowledged(acks).items() if load < 2}
    for nth in sampled(total, most):
        shutil.rmtree(home)
        shutil.copytree(folder / "crashed", home)
        outcome = injector.run("delta_work:mend", [home, 1], home, nth, mode)
        assert outcome.status == ("killed" if mode == "kill" else "done"), (nth, outcome.status)
        check(home, told | {2: 2})


@pytest.mark.parametrize("mode", ["kill", "eio"])
def test_recovery_may_be_interrupted(injector: Injector, tmp_path: Path, mode: str) -> None:
    recover_under_faults(injector, tmp_path, mode, 8)


def keep_house_under_faults(injector: Injector, folder: Path, mode: str, most: int) -> None:
    """Fail while files are merged, a checkpoint is written and old versions are given up."""
    home, acks = folder / "tables", folder / "acks"
    injector.run(WORK, [home, acks], home)
    shutil.copytree(home, folder / "before")
    total = injector.run("delta_work:keep_house", [home, folder / "told"], home).calls
    assert total > 20
    for nth in sampled(total, most):
        shutil.rmtree(home)
        (folder / "told").unlink(missing_ok=True)
        shutil.copytree(folder / "before", home)
        outcome = injector.run("delta_work:keep_house", [home, folder / "told"], home, nth, mode)
        assert outcome.status == ("killed" if mode == "kill" else "done"), (nth, outcome.status)
        lake = Lake(home)
        lake.recover("Coin", max(acknowledged(folder / "told").values(), default=LOADS))
        assert rows(lake) == Counter(f"c{n}" for n in range(1, LOADS + 1))
        assert rows(lake, 1) == Counter(["c1"])
        assert lake.damaged("Coin") == []


@pytest.mark.parametrize("mode", ["kill", "eio"])
def test_housekeeping_may_be_interrupted(injector: Injector, tmp_path: Path, mode: str) -> None:
    keep_house_under_faults(injector, tmp_path, mode, 6)


@pytest.mark.soak
@pytest.mark.timeout(900)
@pytest.mark.parametrize("mode", ["kill", "eio", "enospc", "persist", "short"])
def test_every_storage_call_of_recovery_and_housekeeping(
    injector: Injector, tmp_path: Path, mode: str
) -> None:
    for number, work in enumerate((recover_under_faults, keep_house_under_faults)):
        (tmp_path / str(number)).mkdir()
        work(injector, tmp_path / str(number), mode, 10_000)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("rounds", [6, pytest.param(200, marks=pytest.mark.soak)])
def test_killed_at_random_times(injector: Injector, tmp_path: Path, rounds: int) -> None:
    chance = random.Random(5)
    home, acks = tmp_path / "tables", tmp_path / "acks"
    told: dict[int, int] = {}
    for _ in range(rounds):
        first = max(told, default=0) + 1
        moment = chance.uniform(0.05, 0.3)
        outcome = injector.run(WORK, [home, acks, first, -1], home, limit_s=moment)
        assert outcome.status == "hung", outcome.status
        told |= acknowledged(acks)
        lake = Lake(home)
        lake.recover("Coin", max(told.values(), default=-1))
        if lake.exists("Coin"):
            stored = rows(lake)
            assert set(stored.values()) <= {1}
            assert {f"c{n}" for n in told if n} <= set(stored)
            assert len(stored) <= max(told, default=0) + 1
    assert len(told) > rounds
