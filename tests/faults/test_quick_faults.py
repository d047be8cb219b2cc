# SPDX-License-Identifier: Apache-2.0
"""The quick way of posted rows: whatever call fails or is the last, nothing answered is lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness import Harness
    from injector import Disk

pytestmark = pytest.mark.slow
POINTS = 300
soak = [pytest.mark.soak, pytest.mark.timeout(7200)]


def points(few: int) -> pytest.MarkDecorator:
    """A few points in CI, many in the full run."""
    return pytest.mark.parametrize("most", [few, pytest.param(POINTS, marks=soak)])


@pytest.fixture
def quick(harness: Callable[[str], Harness]) -> Harness:
    """The work of a small project that is served."""
    return harness("quick_work:QuickWork")


@points(1)
def test_killed(quick: Harness, most: int) -> None:
    assert quick.calls >= POINTS
    assert quick.fail("kill", most).points == most


@points(1)
def test_refused_by_the_disk(quick: Harness, most: int) -> None:
    assert quick.fail("eio", most).codes <= {"busy"}


@pytest.mark.parametrize("seed", [1])
@points(1)
def test_power_lost(quick: Harness, seed: int | None, most: int) -> None:
    assert quick.lose(most, seed).points == most


@pytest.mark.parametrize("mode", ["enospc", "persist", "short", "full"])
@pytest.mark.parametrize("most", [pytest.param(POINTS // 3, marks=soak)])
def test_refused_otherwise(quick: Harness, mode: str, most: int) -> None:
    assert quick.fail(mode, most).codes <= {"busy"}


@pytest.mark.parametrize("most", [pytest.param(POINTS, marks=soak)])
def test_real_disk_cut(quick: Harness, disk: Disk, most: int) -> None:
    assert quick.cut(disk, most).points == most
