# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import doctest

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heptad.analysis import stability
from heptad.analysis.stability import csi, psi, psi_counts
from heptad.standards.errors import ContractError

COUNTS = st.lists(st.integers(1, 500), min_size=1, max_size=8)


def test_the_examples_in_the_docstrings_hold() -> None:
    found = doctest.testmod(stability, extraglobs={"np": np})
    assert found.attempted >= 3
    assert found.failed == 0


@settings(max_examples=80, deadline=None, derandomize=True)
@given(COUNTS, st.integers(0, 2**30), st.integers(1, 9))
def test_psi_is_never_negative_and_knows_no_scale_or_side(counts, seed, scale) -> None:
    other = np.random.default_rng(seed).permutation(counts)
    value = psi_counts(counts, other)
    assert value >= 0
    assert value == pytest.approx(psi_counts(other, counts), abs=1e-12)
    assert value == pytest.approx(psi_counts(np.array(counts) * scale, other), abs=1e-12)
    assert psi_counts(counts, counts) == 0


def test_psi_of_counts_by_hand() -> None:
    expected = (0.5 - 0.2) * np.log(0.5 / 0.2) + (0.5 - 0.8) * np.log(0.5 / 0.8)
    assert psi_counts([20, 80], [50, 50]) == pytest.approx(expected)
    empty = (1e-4 - 0.5) * np.log(1e-4 / 0.5) + (1 - 0.5) * np.log(1 / 0.5)
    assert psi_counts([50, 50], [0, 10]) == pytest.approx(empty)


def test_psi_grows_with_the_move_and_small_ones_are_stable() -> None:
    random = np.random.default_rng(1)
    before = random.normal(size=5000)
    moves = [psi(before, random.normal(shift, 1, 5000)) for shift in (0.0, 0.2, 0.5, 1.0)]
    assert moves == sorted(moves)
    assert moves[0] < 0.01
    assert moves[3] > 0.25


def test_psi_of_few_values_keeps_equal_ones_together() -> None:
    assert psi(np.repeat([0.0, 1.0], [90, 10]), np.repeat([0.0, 1.0], [90, 10])) == 0
    moved = psi(np.repeat([0.0, 1.0], [90, 10]), np.repeat([0.0, 1.0], [50, 50]))
    assert moved == pytest.approx(psi_counts([90, 10], [50, 50]))
    assert psi(np.ones(10), np.zeros(10)) == 0  # one bin cannot move


def test_csi_gives_the_shift_in_points() -> None:
    found = csi(np.array([0, 0, 1, 2]), np.array([0, 1, 1, 2]), [10, -20, 5])
    assert found.shift == pytest.approx(0.25 * -20 - 0.25 * 10)
    assert found.psi == pytest.approx(psi_counts([2, 1, 1], [1, 2, 1]))


@pytest.mark.parametrize(
    "call",
    [
        lambda: psi([], [1.0]),
        lambda: psi([1.0], [np.nan]),
        lambda: psi([1.0], [1.0], bins=0),
        lambda: psi_counts([1, 2], [1]),
        lambda: psi_counts([0, 0], [1, 1]),
        lambda: psi_counts([1, -1], [1, 1]),
        lambda: csi(np.array([0, 3]), np.array([0]), [1, 2]),
        lambda: csi(np.array([0, -1]), np.array([0]), [1, 2]),
        lambda: csi(np.array([0.5]), np.array([0]), [1, 2]),
    ],
)
def test_what_cannot_be_compared_is_refused(call) -> None:
    with pytest.raises(ContractError):
        call()
