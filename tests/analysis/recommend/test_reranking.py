# SPDX-License-Identifier: Apache-2.0
"""Re-ranking: each aim by hand, nothing invented, and propensities that are true."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heptad.analysis.recommend.judging import diversity
from heptad.analysis.recommend.reranking import (
    balanced,
    calibrated,
    dpp,
    explored,
    mmr,
    pareto,
    within_quotas,
)
from heptad.standards.errors import ContractError

TWINS = np.array([[1.0, 0], [1, 0], [0, 1]])


def test_mmr_by_hand():
    scores = np.array([1.0, 0.9, 0.0])
    assert mmr(scores, TWINS, 3, variety=0.0).tolist() == [0, 1, 2]
    # The twin is worth 0.5 · 0.9 - 0.5 · 1 = -0.05, the other 0.
    assert mmr(scores, TWINS, 3, variety=0.5).tolist() == [0, 2, 1]


def test_dpp_is_near_the_best_determinant():
    random = np.random.default_rng(0)
    scores, features = random.random(7), random.random((7, 3))
    quality = np.exp(1.5 * (scores - scores.min()) / np.ptp(scores))
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    kernel = quality[:, None] * quality * (unit @ unit.T + 1e-2 * np.eye(7))
    det = lambda s: np.linalg.det(kernel[np.ix_(s, s)])  # noqa: E731
    best = max(det(list(s)) for s in combinations(range(7), 3))
    assert det(dpp(scores, features, 3).tolist()) > 0.6 * best
    assert dpp(np.array([1.0, 0.9, 0.0]), TWINS, 2, sharpness=1.0).tolist() == [0, 2]


def test_calibrated_follows_the_mix_of_the_person():
    scores = np.array([1.0, 0.9, 0.8, 0.3, 0.2])
    categories = np.array([[1.0, 0], [1, 0], [1, 0], [0, 1], [0, 1]])
    own = np.array([0.5, 0.5])
    assert calibrated(scores, categories, own, 4, weight=0.0).tolist() == [0, 1, 2, 3]
    assert sorted(calibrated(scores, categories, own, 4, weight=0.9).tolist()) == [0, 1, 3, 4]
    assert calibrated(scores, categories, np.zeros(2), 2).tolist() == [0, 1]


def test_quotas_and_the_front():
    kinds = np.array([[1, 0], [1, 1], [1, 0], [0, 1], [0, 1]])
    kept, passed = within_quotas(np.arange(5), kinds, 3, {0: 1, 7: 0})
    assert (kept.tolist(), passed) == ([0, 3, 4], 2)
    assert within_quotas(np.arange(5), kinds, 3, {1: 0})[0].tolist() == [0, 2]
    first, second = np.array([3.0, 2, 1, 3]), np.array([1.0, 2, 3, 0])
    assert pareto(first, second).tolist() == [0, 1, 2]
    assert balanced(first, second, 4, weight=0.0).tolist() == [0, 1, 2, 3]
    assert balanced(first, second, 4, weight=1.0).tolist() == [2, 1, 0, 3]


@settings(max_examples=50)
@given(st.integers(0, 10**6), st.integers(0, 12), st.integers(1, 9), st.floats(0, 1))
def test_each_only_chooses_among_what_it_is_given(seed, k, n, weight):
    random = np.random.default_rng(seed)
    scores, features = random.normal(size=k), random.random((k, 3)) * (random.random((k, 1)) > 0.2)
    own = random.random(3)
    for chosen in (
        mmr(scores, features, n, variety=weight),
        dpp(scores, features, n),
        calibrated(scores, features, own / own.sum(), n, weight=weight),
        balanced(scores, random.random(k), n, weight=weight),
    ):
        assert len(chosen) == min(n, k) == len(set(chosen.tolist()))
        assert set(chosen.tolist()) <= set(range(k))


def test_variety_makes_lists_more_varied():
    random = np.random.default_rng(1)
    scores, features = random.random(50), random.random((50, 8)) ** 4
    found = [
        diversity(mmr(scores, features, 10, variety=v)[None], features)[0] for v in (0, 0.3, 0.9)
    ]
    assert found[0] < found[1] < found[2]


def test_nothing_that_is_beaten_comes_before_its_better():
    random = np.random.default_rng(2)
    one, two = random.random(30), random.random(30)
    place = np.empty(30, int)
    place[balanced(one, two, 30, weight=0.4)] = np.arange(30)
    for a in range(30):
        for b in range(30):
            if one[a] > one[b] and two[a] > two[b]:
                assert place[a] < place[b]


def test_propensities_are_those_of_what_is_drawn():
    random = np.random.default_rng(0)
    shown, value = np.zeros(8), 0.0
    for _ in range(20_000):
        places, propensity = explored(3, 8, 0.5, random)
        shown[places[-1]] += 1
        value += (places[-1] == 6) / propensity[-1]
    assert shown / 20_000 == pytest.approx([0, 0, 0.5, *[0.1] * 5], abs=0.015)
    # Weighted by 1 / propensity, each place is judged as if it were always shown.
    assert value / 20_000 == pytest.approx(1.0, abs=0.06)
    assert explored(3, 3, 0.9, random)[1].tolist() == [1, 1, 1]
    assert explored(5, 0, 0.9, random)[0].tolist() == []


@pytest.mark.parametrize("wrong", [
    lambda: mmr(np.ones(2), np.ones((2, 1)), 1, variety=1.5),
    lambda: calibrated(np.ones(2), np.ones((2, 1)), np.ones(1), 1, weight=-1.0),
    lambda: balanced(np.ones(2), np.ones(2), 1, weight=2.0),
    lambda: explored(1, 2, 1.1, np.random.default_rng()),
])  # fmt: skip
def test_weights_outside_are_refused(wrong):
    with pytest.raises(ContractError):
        wrong()
