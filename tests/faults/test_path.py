# SPDX-License-Identifier: Apache-2.0
"""Load, decide, log of a whole project: whatever call fails or is the last, nothing told is lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness import Harness
    from injector import Disk

pytestmark = pytest.mark.slow
POINTS = 300
"""Storage calls tried in the full run, of those that there are."""
soak = [pytest.mark.soak, pytest.mark.timeout(7200)]


def points(few: int) -> pytest.MarkDecorator:
    """A few points in CI, many in the full run."""
    return pytest.mark.parametrize("most", [few, pytest.param(POINTS, marks=soak)])


@pytest.fixture
def path(harness: Callable[[str], Harness]) -> Harness:
    """The work of a small project."""
    return harness("path_work:PathWork")


def test_work_is_long_enough(path: Harness) -> None:
    assert path.calls >= POINTS


@points(2)
def test_killed(path: Harness, most: int) -> None:
    assert path.fail("kill", most).points == most


@pytest.mark.parametrize("mode", ["eio", "full"])
@points(1)
def test_refused_by_the_disk(path: Harness, mode: str, most: int) -> None:
    tally = path.fail(mode, most)
    assert tally.refused >= most // 3
    assert tally.codes <= {"busy"}


@pytest.mark.parametrize("mode", ["enospc", "persist", "short"])
@pytest.mark.parametrize("most", [pytest.param(POINTS // 3, marks=soak)])
def test_refused_by_the_disk_otherwise(path: Harness, mode: str, most: int) -> None:
    assert path.fail(mode, most).codes <= {"busy"}


@pytest.mark.parametrize("seed", [None, 1])
@points(2)
def test_power_lost(path: Harness, seed: int | None, most: int) -> None:
    assert path.lose(most, seed).points == most


@points(2)
def test_sync_failed_then_power_lost(path: Harness, most: int) -> None:
    path.fail_syncs(most)


@points(1)
def test_real_disk_cut(path: Harness, disk: Disk, most: int) -> None:
    assert path.cut(disk, most).points == most


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_real_disk_cut_at_random(path: Harness, disk: Disk) -> None:
    assert path.cut_at_random(disk, 20).points == 20
