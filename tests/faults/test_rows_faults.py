# SPDX-License-Identifier: Apache-2.0
"""Whatever storage call fails, or is the last, no acknowledged row of the row store is lost."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest
from injector import Disk, Injector, acknowledged, sampled, why_no_compiler, why_no_power
from rows_work import ROWS

from heptad.engine.local.rows import Rows
from heptad.engine.protocols import Family

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

WORK = "rows_work:write"


@pytest.fixture(scope="module")
def injector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Injector]:
    """A nursery under fault.c."""
    if reason := why_no_compiler():
        pytest.skip(reason)
    with Injector(tmp_path_factory.mktemp("fault"), ["rows_work"]) as injector:
        yield injector


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Disk:
    """A disk whose power can fail."""
    if reason := why_no_power(tmp_path_factory.mktemp("probe")):
        pytest.skip(reason)
    return Disk(tmp_path_factory.mktemp("power"), megabytes=32)


def check(folder: Path, acks: dict[int, int]) -> None:
    """Open the store as after a crash; then it goes on as if nothing had been."""
    with Rows(folder) as rows:
        if acks:
            stored = {key: cells[b"f:b"] for key, cells in rows.scan("t")}
            assert {b"%04d" % n: b"%d" % n for n in acks}.items() <= stored.items()
            assert len(stored) <= len(acks) + 1
        rows.create("t", {"f": Family()})
        rows.put("t", b"next", {b"f:b": b"1"})
    with Rows(folder) as rows:
        assert rows.get("t", b"next") == {b"f:b": b"1"}


def enumerate_faults(injector: Injector, folder: Path, mode: str, most: int) -> None:
    """Let each call in turn (at most `most` of them) meet the fault."""
    home, acks = folder / "rows", folder / "acks"
    total = injector.run(WORK, [home, acks], home).calls
    assert len(acknowledged(acks)) == ROWS
    for nth in sampled(total, most):
        shutil.rmtree(home, ignore_errors=True)
        acks.unlink(missing_ok=True)
        outcome = injector.run(WORK, [home, acks], home, nth, mode)
        assert outcome.status in ("done", "killed"), (nth, outcome.status)
        assert not acks.exists() or "\nO" not in "\n" + acks.read_text(), (nth, acks.read_text())
        try:
            check(home, acknowledged(acks))
        except BaseException as error:
            error.add_note(f"{mode} at call {nth} of {total}")
            raise


def cut_power(injector: Injector, disk: Disk, folder: Path, most: int) -> None:
    """Let the power fail at each call in turn (at most `most` of them)."""
    acks = folder / "acks"
    disk.wipe()
    with disk.mounted() as mount:
        total = injector.run(WORK, [mount / "rows", acks], mount).calls
    for nth in sampled(total, most):
        acks.unlink(missing_ok=True)
        disk.wipe()
        with disk.mounted() as mount:
            outcome = injector.run(WORK, [mount / "rows", acks], mount, nth, "power", mount)
        assert outcome.status in ("done", "killed"), outcome.status
        with disk.mounted() as mount:
            try:
                check(mount / "rows", acknowledged(acks))
            except BaseException as error:
                error.add_note(f"power lost at call {nth} of {total}")
                raise


@pytest.mark.parametrize("mode", ["kill", "eio"])
def test_sampled_storage_calls(injector: Injector, tmp_path: Path, mode: str) -> None:
    enumerate_faults(injector, tmp_path, mode, 10)


def test_sampled_power_losses(injector: Injector, disk: Disk, tmp_path: Path) -> None:
    cut_power(injector, disk, tmp_path, 10)


@pytest.mark.soak
@pytest.mark.timeout(900)
@pytest.mark.parametrize("mode", ["kill", "eio", "enospc", "short"])
def test_every_storage_call(injector: Injector, tmp_path: Path, mode: str) -> None:
    enumerate_faults(injector, tmp_path, mode, 10_000)


@pytest.mark.soak
@pytest.mark.timeout(900)
def test_every_power_loss(injector: Injector, disk: Disk, tmp_path: Path) -> None:
    cut_power(injector, disk, tmp_path, 10_000)
