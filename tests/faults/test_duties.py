# SPDX-License-Identifier: Apache-2.0
"""Outbox and schedule: whatever storage call fails or is the last, nothing is lost or done twice."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness import Harness

SAMPLE, ALL = 5, 10_000
pytestmark = pytest.mark.slow
each_duty = pytest.mark.parametrize("duty", ["Outbox", "Schedule"])


@pytest.fixture
def work(harness: Callable[[str], Harness], duty: str) -> Harness:
    """The work of one of them."""
    return harness(f"duty_work:{duty}Work")


@each_duty
def test_work_is_long_enough(work: Harness) -> None:
    assert work.calls >= 40


@each_duty
@pytest.mark.parametrize("mode", ["kill", "eio"])
def test_sampled_calls(work: Harness, mode: str) -> None:
    tally = work.fail(mode, SAMPLE)
    assert mode == "kill" or tally.refused


@each_duty
def test_sampled_power_losses(work: Harness) -> None:
    work.lose(SAMPLE)
    work.lose(SAMPLE, seed=1)


def test_the_harness_finds_an_outbox_that_sends_twice(harness: Callable[[str], Harness]) -> None:
    with pytest.raises(AssertionError):
        harness("duty_work:OutboxThatForgets").fail("kill", 16)


@pytest.mark.soak
@pytest.mark.timeout(3600)
@each_duty
@pytest.mark.parametrize("mode", ["kill", "eio", "enospc", "persist", "full", "short"])
def test_every_call(work: Harness, mode: str) -> None:
    work.fail(mode, ALL)


@pytest.mark.soak
@pytest.mark.timeout(3600)
@each_duty
@pytest.mark.parametrize("seed", [None, 1, 2])
def test_every_power_loss(work: Harness, seed: int | None) -> None:
    assert work.lose(ALL, seed).points > 40
