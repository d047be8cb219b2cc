# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest

from heptad.analysis.delays import as_it_came, delayed
from heptad.analysis.evaluation import auc
from heptad.analysis.fairness import by_group
from heptad.analysis.scorecard import Scorecard
from heptad.analysis.swaps import swap_set
from heptad.standards.errors import ContractError


def decided(n: int = 4000, seed: int = 0):
    random = np.random.default_rng(seed)
    group = np.where(random.random(n) < 0.3, "b", "a").astype(object)
    z = random.normal(size=n) - 1
    chance = 1 / (1 + np.exp(-z))
    return group, chance, (random.random(n) < chance).astype(int)


def test_equal_treatment_is_not_called_unequal() -> None:
    group, chance, y = decided()
    found = by_group(group, chance < 0.4, chance, y)
    assert found.below == ()
    assert found.lowest > 0.9
    assert [g.name for g in found.groups] == ["a", "b"]
    for one in found.groups:
        assert one.gap.low < 0 < one.gap.high
        assert one.auc == pytest.approx(auc(y[group == one.name], chance[group == one.name]))


def test_a_planted_bias_is_found_in_approval_and_in_truth() -> None:
    group, chance, y = decided()
    biased = np.where(group == "b", np.minimum(chance + 0.2, 1), chance)
    found = by_group(group, biased < 0.4, biased, y)
    assert found.below == ("b",)
    assert found.lowest < 0.75
    b = next(one for one in found.groups if one.name == "b")
    assert b.gap.low > 0.1
    assert b.good_approved.high < found.groups[0].good_approved.low


def test_missing_is_a_group_and_one_group_is_refused() -> None:
    group, chance, y = decided(500)
    group[:50] = None
    assert "missing" in [g.name for g in by_group(group, chance < 0.4, chance, y).groups]
    with pytest.raises(ContractError, match="two groups"):
        by_group(np.full(500, "a"), chance < 0.4, chance, y)


def test_swap_sets_count_every_case_once() -> None:
    _, chance, y = decided()
    known = y.astype(float)
    known[::7] = np.nan
    noisy = chance + np.random.default_rng(1).normal(size=len(y)) * 0.3
    found = swap_set(noisy < 0.3, chance < 0.3, known)
    assert sum(found.counts.values()) == len(y)
    assert sum(found.known.values()) == int((~np.isnan(known)).sum())
    inn, out = (False, True), (True, False)
    assert found.bads[inn] / found.known[inn] < found.bads[out] / found.known[out]
    assert found.bad_rate[1] < found.bad_rate[0]
    assert found.difference.high < 0
    assert found.difference.value == pytest.approx(found.bad_rate[1] - found.bad_rate[0])
    same = swap_set(chance < 0.3, chance < 0.3, known)
    assert same.difference.value == 0
    assert same.counts[inn] == same.counts[out] == 0


def test_only_outcomes_known_by_then_are_learned_from() -> None:
    known, later = delayed([0, 5, 10, 15, 20], 5, 10)
    assert known.tolist() == [0, 1]
    assert later.tolist() == [3, 4]
    with pytest.raises(ContractError):
        delayed([0], -1, 0)


def test_a_model_that_fades_is_seen_only_as_it_came() -> None:
    """The effect turns round half way: a random split would not tell."""
    random = np.random.default_rng(0)
    n = 6000
    x = random.normal(size=n)
    when = np.arange(n)
    pull = np.where(when < 3000, 1.5, -1.5)
    y = (random.random(n) < 1 / (1 + np.exp(-pull * x))).astype(int)

    def fit(table, outcomes):
        card = Scorecard(folds=0).fit(table, outcomes)
        return lambda rows: card.predict_proba(rows)[:, 1]

    steps, whole = as_it_came({"x": x}, y, when, 500, [1000, 2000, 3000, 4000], fit)
    assert [s.at for s in steps] == [1000, 2000, 3000, 4000]
    assert [s.trained for s in steps] == [501, 1501, 2501, 3501]
    assert steps[0].auc.value > 0.7
    assert steps[2].auc.value < 0.3
    assert whole.value < 0.6
    with pytest.raises(ContractError, match="rise"):
        as_it_came({"x": x}, y, when, 500, [5, 1], fit)
    with pytest.raises(ContractError, match="No step"):
        as_it_came({"x": x}, y, when, 10**9, [1000], fit)
