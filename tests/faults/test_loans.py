# SPDX-License-Identifier: Apache-2.0
"""The loans' day: killed or without power anywhere, it ends as if nothing had interrupted it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness import Harness

pytestmark = pytest.mark.slow
POINTS = 200
"""Storage calls tried in the full run, of those that there are."""
soak = [pytest.mark.soak, pytest.mark.timeout(7200)]


def points(few: int) -> pytest.MarkDecorator:
    """A few points in CI, many in the full run."""
    return pytest.mark.parametrize("most", [few, pytest.param(POINTS, marks=soak)])


@pytest.fixture
def day(harness: Callable[[str], Harness]) -> Harness:
    """The work of a day."""
    return harness("loans_work:LoansWork")


@points(1)
def test_killed(day: Harness, most: int) -> None:
    assert day.calls >= POINTS
    assert day.fail("kill", most).points == most


@points(1)
def test_power_lost(day: Harness, most: int) -> None:
    assert day.lose(most, 1).points == most


@pytest.mark.soak
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("mode", ["eio", "full", "enospc", "persist", "short"])
def test_refused_by_the_disk(day: Harness, mode: str) -> None:
    assert day.fail(mode, POINTS // 4).codes <= {"busy"}
