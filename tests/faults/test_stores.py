# SPDX-License-Identifier: Apache-2.0
"""Each store alone: whatever call fails or is the last, nothing acknowledged is lost or doubled."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness import Harness, Tally
    from injector import Disk

STORES = ["Log", "Journal", "Lake", "Rows", "Catalog", "Keys"]
LASTING = ("eio", "enospc", "persist", "full")
"""Faults that a store cannot overlook."""
SAMPLE = {"Log": 10, "Journal": 10, "Lake": 3, "Rows": 6, "Catalog": 4, "Keys": 10}
ALL = 10_000
pytestmark = pytest.mark.slow
each_store = pytest.mark.parametrize("store", STORES)


@pytest.fixture
def work(harness: Callable[[str], Harness], store: str) -> Harness:
    """The work of one store."""
    return harness(f"store_work:{store}Work")


def noticed(tally: Tally, store: str) -> None:
    """The faults came where the store would notice them, and it refused with a known code."""
    assert tally.refused >= tally.points // 3, tally
    # SQLite answers a fault of the disk with another journal mode, which is refused as corrupt.
    assert tally.codes <= {"busy", *(["corrupt"] if store == "Catalog" else [])}, tally


@each_store
def test_work_is_long_enough(work: Harness) -> None:
    assert work.calls >= 60
    assert sum(call.kind == "S" for call in work.recorded) >= 20


@each_store
@pytest.mark.parametrize("mode", ["kill", "eio"])
def test_sampled_calls(work: Harness, store: str, mode: str) -> None:
    tally = work.fail(mode, SAMPLE[store])
    assert mode == "kill" or tally.refused


@pytest.mark.parametrize("store", ["Log"])
def test_sampled_short_writes(work: Harness) -> None:
    work.fail("short", 15)


@each_store
def test_sampled_power_losses(work: Harness, store: str) -> None:
    work.lose(SAMPLE[store])
    work.lose(SAMPLE[store], seed=1)


@each_store
def test_sampled_failed_syncs(work: Harness, store: str) -> None:
    work.fail_syncs(SAMPLE[store])


@each_store
def test_sampled_kills_then_power_loss(work: Harness, store: str) -> None:
    work.forget(SAMPLE[store] // 2)


@each_store
def test_sampled_deaths(work: Harness, store: str, disk: Disk) -> None:
    work.die(disk, SAMPLE[store] // 3, "lies")


def test_short_transactions_on_a_dying_disk(harness: Callable[[str], Harness], disk: Disk) -> None:
    assert harness("store_work:MarksWork").die(disk, 10, "lies").refused >= 6


@each_store
def test_sampled_cuts(work: Harness, store: str, disk: Disk) -> None:
    work.cut(disk, SAMPLE[store] // 2)


@pytest.mark.soak
@pytest.mark.timeout(3600)
@each_store
@pytest.mark.parametrize("mode", ["kill", "eio", "enospc", "persist", "full", "short"])
def test_every_call(work: Harness, store: str, mode: str) -> None:
    tally = work.fail(mode, ALL)
    if mode in LASTING:
        noticed(tally, store)


@pytest.mark.soak
@pytest.mark.timeout(3600)
@each_store
@pytest.mark.parametrize("seed", [None, 1, 2, 3])
def test_every_power_loss(work: Harness, seed: int | None) -> None:
    assert work.lose(ALL, seed).points > 60


@pytest.mark.soak
@pytest.mark.timeout(3600)
@each_store
@pytest.mark.parametrize("tries", [2, 1])
def test_every_failed_sync(work: Harness, store: str, tries: int) -> None:
    noticed(work.fail_syncs(ALL, tries), store)


@pytest.mark.soak
@pytest.mark.timeout(3600)
@each_store
def test_every_kill_then_power_loss(work: Harness) -> None:
    assert work.forget(ALL).points >= 20


@pytest.mark.soak
@pytest.mark.timeout(3600)
@each_store
@pytest.mark.parametrize("mode", ["dies", "lies"])
def test_every_death(work: Harness, disk: Disk, mode: str) -> None:
    assert work.die(disk, ALL, mode).points >= 20


@pytest.mark.soak
@pytest.mark.timeout(3600)
@each_store
def test_every_cut(work: Harness, disk: Disk) -> None:
    assert work.cut(disk, ALL).points > 60


@pytest.mark.soak
@pytest.mark.timeout(3600)
@each_store
def test_cuts_at_random(work: Harness, disk: Disk) -> None:
    assert work.cut_at_random(disk, 20).points == 20


class TestTheHarnessFinds:
    """Planted faults in the stores, which the harness must find."""

    @pytest.mark.parametrize(
        ("mutant", "method"),
        [
            ("LogThatDoesNotSync", "lose"),
            ("LakeThatDoesNotSync", "lose"),
            ("CatalogThatSyncsNow_AndThen", "lose"),
            ("RowsThatDoNotSync", "lose"),
            ("JournalThatRemovesInPlace", "kill"),
            ("LogThatTriesAgain", "syncs"),
            ("LogThatAppendsTwice", "eio"),
            ("CatalogThatTrustsItsLog", "forget"),
        ],
    )
    def test_mutant(self, harness: Callable[[str], Harness], mutant: str, method: str) -> None:
        work = harness(f"mutants:{mutant}")
        methods = {
            "lose": work.lose,
            "syncs": work.fail_syncs,
            "forget": work.forget,
            "eio": lambda n: work.fail("eio", n),
            "kill": lambda n: work.fail("kill", n),
        }
        with pytest.raises(AssertionError):
            methods[method](30)

    def test_a_catalog_that_believes_a_dying_disk(
        self, harness: Callable[[str], Harness], disk: Disk
    ) -> None:
        work = harness("mutants:CatalogThatBelievesItsDisk")
        with pytest.raises(AssertionError):
            work.die(disk, 30, "lies")
