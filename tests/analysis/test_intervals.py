# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest

from heptad.analysis.evaluation import auc, brier
from heptad.analysis.intervals import bootstrap, delong, delong_paired, wilson
from heptad.standards.errors import ContractError


def sample(seed: int, n: int = 120) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    y = (random.random(n) < 0.35).astype(int)
    signal = y + random.normal(size=n)
    return y, np.round(signal, 1), np.round(signal + random.normal(size=n), 1)


def components(y: np.ndarray, score: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """DeLong's structural components by comparing every pair, as the paper writes them."""
    bad, good = score[y == 1][:, None], score[y == 0]
    kernel = (bad > good) + 0.5 * (bad == good)
    return kernel.mean(axis=1), kernel.mean(axis=0)


@pytest.mark.parametrize("seed", range(5))
def test_delong_by_ranks_is_delong_by_pairs(seed: int) -> None:
    y, one, two = sample(seed)
    bad, good = components(y, one)
    error = np.sqrt(bad.var(ddof=1) / len(bad) + good.var(ddof=1) / len(good))
    found = delong(y, one)
    assert found.value == auc(y, one)
    assert found.high - found.value == pytest.approx(1.959963984540054 * error)
    assert found.value - found.low == pytest.approx(1.959963984540054 * error)

    other_bad, other_good = components(y, two)
    s10 = np.cov(np.vstack([bad, other_bad])) / len(bad)
    s01 = np.cov(np.vstack([good, other_good])) / len(good)
    contrast = np.array([1, -1])
    variance = contrast @ (s10 + s01) @ contrast
    pair = delong_paired(y, one, two)
    assert pair.standard_error == pytest.approx(np.sqrt(variance))
    assert pair.interval.value == pytest.approx(auc(y, one) - auc(y, two))
    from scipy.stats import norm

    expected = 2 * norm.sf(abs(pair.interval.value) / np.sqrt(variance))
    assert pair.p_value == pytest.approx(expected)


def test_delong_covers_the_true_area_about_as_often_as_it_says() -> None:
    from scipy.stats import norm

    truth = norm.cdf(1 / np.sqrt(2))
    hits = 0
    for seed in range(400):
        random = np.random.default_rng(seed)
        y = np.array([0] * 60 + [1] * 40)
        found = delong(y, y + random.normal(size=100))
        hits += found.low <= truth <= found.high
    assert 0.91 <= hits / 400 <= 0.98


def test_a_score_against_itself_does_not_differ() -> None:
    y, one, _ = sample(1)
    same = delong_paired(y, one, one)
    assert (same.interval.value, same.standard_error, same.p_value) == (0.0, 0.0, 1.0)


def test_paired_delong_sees_what_separate_intervals_do_not() -> None:
    random = np.random.default_rng(3)
    y = (random.random(3000) < 0.3).astype(int)
    good = 0.8 * y + random.normal(size=3000)
    worse = good + 0.4 * random.normal(size=3000)
    assert delong_paired(y, good, worse).p_value < 0.01
    assert delong(y, good).low < delong(y, worse).high


def test_bootstrap_is_seeded_keeps_the_classes_and_agrees_with_delong() -> None:
    y, one, _ = sample(2, 400)
    found = bootstrap(auc, y, one, n=400, seed=1)
    assert found == bootstrap(auc, y, one, n=400, seed=1)
    assert found != bootstrap(auc, y, one, n=400, seed=2)
    normal = delong(y, one)
    assert found.low == pytest.approx(normal.low, abs=0.015)
    assert found.high == pytest.approx(normal.high, abs=0.015)
    rate = bootstrap(lambda labels: float(labels.mean()), y, n=50)
    assert rate.low == rate.high == rate.value  # strata keep the number of bads


def test_basic_mirrors_the_percentiles() -> None:
    y = np.array([0, 1] * 100)
    p = np.clip(np.random.default_rng(0).normal(0.5, 0.2, 200), 0, 1)
    straight = bootstrap(brier, y, p, n=200)
    mirrored = bootstrap(brier, y, p, n=200, method="basic")
    assert mirrored.low == pytest.approx(2 * straight.value - straight.high)
    assert mirrored.high == pytest.approx(2 * straight.value - straight.low)


@pytest.mark.parametrize(("events", "n"), [(0, 5), (5, 5), (3, 17), (250, 1000)])
def test_wilson_agrees_with_scipy(events: int, n: int) -> None:
    from scipy.stats import binomtest

    ours, theirs = wilson(events, n), binomtest(events, n).proportion_ci(method="wilson")
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=1e-12)
    assert ours.low <= ours.value <= ours.high


@pytest.mark.parametrize(
    "call",
    [
        lambda: bootstrap(auc, [0, 1], [1.0]),
        lambda: bootstrap(auc, [0, 1], [1.0, 2.0], n=0),
        lambda: bootstrap(auc, [0, 1], [1.0, 2.0], level=1.0),
        lambda: bootstrap(auc, [0, 1], [1.0, 2.0], method="magic"),
        lambda: bootstrap(auc, [0, 0], [1.0, 2.0]),
        lambda: delong([0, 1, 0], [1.0, 2.0, 3.0]),
        lambda: wilson(3, 2),
        lambda: wilson(0, 0),
    ],
)
def test_what_has_no_interval_is_refused(call) -> None:
    with pytest.raises(ContractError):
        call()
