# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heptad.analysis.evaluation import (
    auc,
    brier,
    calibration_table,
    ece,
    evaluate,
    gini,
    ks,
    lift,
    log_loss,
)
from heptad.standards.errors import ContractError

CASES = st.lists(
    st.tuples(st.integers(0, 1), st.integers(0, 6), st.integers(0, 3)), min_size=2, max_size=40
).filter(lambda c: {y for y, _, _ in c} == {0, 1})


def sample(seed: int, n: int = 500, ties: bool = False) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    chance = random.beta(1.5, 4, n)
    y = (random.random(n) < chance).astype(int)
    return y, np.round(chance, 1) if ties else chance


@settings(max_examples=100, deadline=None, derandomize=True)
@given(CASES)
def test_auc_is_the_share_of_pairs_in_order(cases) -> None:
    y, score, weight = (np.array(part) for part in zip(*cases, strict=True))
    bad, good = score[y == 1], score[y == 0]
    wins = (bad[:, None] > good).astype(float) + 0.5 * (bad[:, None] == good)
    assert auc(y, score) == pytest.approx(wins.mean(), abs=1e-15)
    assert gini(y, -score) == pytest.approx(-gini(y, score), abs=1e-15)
    mass = weight[y == 1][:, None] * weight[y == 0]
    if mass.sum():
        assert auc(y, score, weight) == pytest.approx((wins * mass).sum() / mass.sum())


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("ties", [False, True])
def test_figures_agree_with_scikit_learn_and_scipy(seed: int, ties: bool) -> None:
    from scipy.stats import ks_2samp
    from sklearn import metrics

    y, p = sample(seed, ties=ties)
    w = np.random.default_rng(seed).random(len(y))
    assert auc(y, p) == pytest.approx(metrics.roc_auc_score(y, p), abs=1e-12)
    assert auc(y, p, w) == pytest.approx(metrics.roc_auc_score(y, p, sample_weight=w), abs=1e-12)
    assert ks(y, p) == pytest.approx(ks_2samp(p[y == 1], p[y == 0]).statistic, abs=1e-12)
    assert brier(y, p) == pytest.approx(metrics.brier_score_loss(y, p), abs=1e-12)
    assert brier(y, p, w) == pytest.approx(metrics.brier_score_loss(y, p, sample_weight=w))
    assert log_loss(y, p) == pytest.approx(metrics.log_loss(y, p), abs=1e-12)
    assert log_loss(y, p, w) == pytest.approx(metrics.log_loss(y, p, sample_weight=w))


def test_auc_of_a_perfect_a_reversed_and_a_blind_score() -> None:
    y = np.array([0, 0, 1, 1])
    assert (auc(y, y), auc(y, -y), auc(y, np.zeros(4))) == (1.0, 0.0, 0.5)
    assert (ks(y, y), ks(y, -y), ks(y, np.zeros(4))) == (1.0, 1.0, 0.0)


def test_auc_does_not_overflow_on_millions() -> None:
    n = 2_000_000
    y = np.arange(n) % 2
    assert auc(y, np.arange(n)) == 0.5 + 1 / n


def test_calibration_by_equal_counts_adds_up_to_the_error() -> None:
    from sklearn.calibration import calibration_curve

    y, p = sample(1, 1000)
    table = calibration_table(y, p)
    came, said = calibration_curve(y, p, n_bins=10, strategy="quantile")
    assert [bucket.rate.value for bucket in table] == pytest.approx(came.tolist(), abs=0.011)
    assert [bucket.predicted for bucket in table] == pytest.approx(said.tolist(), abs=0.002)
    assert sum(bucket.n for bucket in table) == 1000
    assert all(b.rate.low <= b.rate.value <= b.rate.high for b in table)
    gap = sum(b.n * abs(b.predicted - b.rate.value) for b in table) / 1000
    assert ece(y, p) == pytest.approx(gap)


def test_equal_probabilities_share_a_bucket() -> None:
    y, p = sample(2, 400, ties=True)
    table = calibration_table(y, p)
    assert len(table) <= len(set(p.tolist()))
    constant = calibration_table(y, np.full(400, 0.25))
    assert len(constant) == 1
    assert ece(y, np.full(400, 0.25)) == pytest.approx(abs(y.mean() - 0.25))


def test_lift_counts_ties_in_proportion() -> None:
    y = np.array([1, 1, 0, 0, 1, 0, 0, 0, 0, 0])
    score = np.arange(10)[::-1]
    assert lift(y, score, 0.2) == pytest.approx(1 / 0.3)
    assert lift(y, score, 1.0) == pytest.approx(1.0)
    assert lift(y, np.zeros(10), 0.1) == pytest.approx(1.0)
    assert lift(y, score, 0.25) == pytest.approx(2 / 2.5 / 0.3)


def test_evaluation_is_seeded_holds_its_figures_and_is_plain_data() -> None:
    y, p = sample(3)
    found = evaluate(y, p, seed=5, repeats=60)
    assert found == evaluate(y, p, seed=5, repeats=60)
    assert found.ks != evaluate(y, p, seed=6, repeats=60).ks
    assert (found.n, found.bads) == (len(y), y.sum())
    for name in ("auc", "gini", "ks", "brier", "log_loss", "lift_10"):
        interval = getattr(found, name)
        assert interval.low < interval.value < interval.high, name
    assert found.gini.value == pytest.approx(2 * found.auc.value - 1)
    assert found.ece.low >= 0
    assert json.loads(json.dumps(found.to_dict()))["auc"]["value"] == found.auc.value


@pytest.mark.parametrize(
    "call",
    [
        lambda: auc([0, 1], [np.nan, 1]),
        lambda: auc([0, 1], [1.0]),
        lambda: auc([1, 1], [1.0, 2.0]),
        lambda: auc([0, 1], [1.0, 2.0], [0.0, 1.0]),
        lambda: brier([0, 1], [0.5, 1.5]),
        lambda: log_loss([0, 1], [-0.1, 0.5]),
        lambda: lift([0, 1], [1.0, 2.0], 0.0),
        lambda: ece([0, 1], [0.1, 0.9], 0),
    ],
)
def test_what_cannot_be_measured_is_refused(call) -> None:
    with pytest.raises(ContractError):
        call()
