# SPDX-License-Identifier: Apache-2.0
"""A stream: whatever storage call fails or is the last, it ends as one that was never disturbed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from stream_work import BATCHES, FEATURES, START, StreamWork, answers, batch

from heptad.service.stream.streams import Stream
from heptad.standards import minute

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from harness import Harness

SAMPLE, ALL = 4, 10_000
pytestmark = pytest.mark.slow


@pytest.fixture
def work(harness: Callable[[str], Harness]) -> Harness:
    """The work of one stream."""
    return harness("stream_work:StreamWork")


def test_its_end_is_that_of_a_stream_in_memory(tmp_path: Path) -> None:
    """What every run is compared with, undisturbed, is what a stream without a disk answers."""
    plain, made = Stream(FEATURES), StreamWork()
    for n in range(BATCHES):
        plain.apply(batch(n))
    now = START + BATCHES * 15 * minute
    with made.open(tmp_path, {}) as stream:
        for _, do in made.steps(stream):
            do()
        for t in (now, now - 20 * minute, now - 200 * minute):
            assert answers(stream, t) == answers(plain, t)


def test_work_is_long_enough(work: Harness) -> None:
    assert work.calls >= 100


@pytest.mark.parametrize("mode", ["kill", "eio"])
def test_sampled_calls(work: Harness, mode: str) -> None:
    work.fail(mode, SAMPLE)


def test_sampled_power_losses(work: Harness) -> None:
    work.lose(SAMPLE)
    work.lose(SAMPLE, seed=1)


def test_the_harness_finds_a_mark_ahead_of_its_state(harness: Callable[[str], Harness]) -> None:
    with pytest.raises(AssertionError):
        harness("stream_work:StreamThatMarksFirst").fail("kill", 24)


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("mode", ["kill", "eio", "enospc", "persist", "full", "short"])
def test_every_call(work: Harness, mode: str) -> None:
    work.fail(mode, ALL)


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", [None, 1, 2])
def test_every_power_loss(work: Harness, seed: int | None) -> None:
    assert work.lose(ALL, seed).points > 100
