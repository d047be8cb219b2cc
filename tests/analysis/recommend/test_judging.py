# SPDX-License-Identifier: Apache-2.0
"""Judging: figures by hand, splits that leak are told, and the tests of significance."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from heptad.analysis.recommend.interactions import Interactions
from heptad.analysis.recommend.judging import (
    diversity,
    gini,
    judge,
    miscalibration,
    ranked,
)
from heptad.analysis.recommend.significance import compare, holm, mean_interval
from heptad.analysis.recommend.splits import (
    Split,
    by_time,
    cold_items,
    cold_users,
    last_out,
    leaks,
    warm,
)
from heptad.standards.errors import ContractError
from tests.analysis.recommend.test_recall import drawn


def one_user(seen: list[int], chosen: list[int], n_items: int = 6) -> Split:
    train = Interactions.of([0] * len(seen), seen, n_users=1, n_items=n_items)
    test = Interactions.of([0] * len(chosen), chosen, n_users=1, n_items=n_items)
    return Split(train, test, np.array([0]), "by hand")


def test_figures_by_hand():
    split = one_user([0], [2, 4])
    found = judge(split, lambda _: np.array([[9.0, 5.0, 4.0, 3.0, 2.0, 1.0]]), n=3)
    assert found.lists.tolist() == [[1, 2, 3]]
    ideal = 1 + 1 / np.log2(3)
    assert found.mean("ndcg") == pytest.approx((1 / np.log2(3)) / ideal)
    assert found.mean("recall") == 0.5
    assert found.mean("mrr") == 0.5
    # Of items 1, 3, 5 not chosen: 2 beats 3 and 5, 4 beats 5.
    assert found.mean("auc") == pytest.approx(3 / 6)


def test_what_was_seen_is_not_judged_and_nan_is_refused():
    split = one_user([0, 1, 2], [2])
    assert judge(split, lambda _: np.arange(6.0)[None], n=3).mean("ndcg") == 0.0
    with pytest.raises(ContractError):
        judge(split, lambda _: np.full((1, 6), np.nan))
    with pytest.raises(ContractError):
        judge(
            Split(split.train, split.test, np.array([], dtype=int), ""), lambda _: np.zeros((0, 6))
        )


@given(st.integers(0, 10**6), st.integers(1, 8))
def test_the_best_are_those_of_a_stable_sort(seed, n):
    random = np.random.default_rng(seed)
    scores = random.integers(0, 4, (3, 6)).astype(float)
    scores[random.random(scores.shape) < 0.2] = -np.inf
    for row, best in zip(scores, ranked(scores, n), strict=True):
        order = [i for i in np.argsort(-row, kind="stable") if np.isfinite(row[i])][:n]
        assert best.tolist() == order + [-1] * (n - len(order))


def test_blocks_change_nothing():
    data = drawn()
    split = by_time(data, 0.3)
    random = np.random.default_rng(0).random((data.n_users, data.n_items))
    one, other = (judge(split, lambda r: random[r], block=b) for b in (7, 1000))
    assert one.lists.tolist() == other.lists.tolist()
    assert all((one.each[m] == other.each[m]).all() for m in one.each)


def test_splits_part_what_they_say():
    data = drawn()
    time = by_time(data, 0.2)
    assert leaks(time) == [] or all("pairs" in said for said in leaks(time))
    assert time.train.times.max() < time.test.times.min()
    last = last_out(data)
    assert np.bincount(last.test.users, minlength=data.n_users).max() == 1
    assert [s[-1] for s in data.sequences() if len(s)] == last.test.items[
        np.argsort(last.test.users)
    ].tolist()
    assert any("after the first event" in said for said in leaks(warm(data)))
    cold = cold_users(data, given=2)
    chosen = np.unique(cold.test.users)
    assert np.bincount(cold.train.users, minlength=data.n_users)[chosen].max() <= 2
    assert not np.isin(cold_items(data).test.items, cold_items(data).train.items).any()


def test_a_planted_leak_is_told():
    data = drawn()
    split = by_time(data, 0.2)
    both = Interactions.of(*(np.concatenate([getattr(split.train, c), getattr(split.test, c)[:9]])
                             for c in ("users", "items", "times")), n_users=60, n_items=25)  # fmt: skip
    assert len(leaks(Split(both, split.test, split.rows, ""))) == 2


def test_diversity_gini_and_calibration():
    features = np.array([[1.0, 0], [1, 0], [0, 1]])
    assert diversity(np.array([[0, 1], [0, 2], [0, -1]]), features).tolist() == [0, 1, 0]
    assert gini(np.array([5, 5, 5])) == pytest.approx(0)
    assert gini(np.array([0, 0, 9])) == pytest.approx(2 / 3)
    assert gini(np.zeros(3, dtype=int)) == 0
    histories = np.array([[1.0, 0, 1.0]])
    alike, other = (
        miscalibration(np.array([one]), histories, features)[0] for one in ([0, 2], [0, 1])
    )
    assert alike == pytest.approx(0)
    assert other == pytest.approx(0.5 * np.log(0.5 / 0.995) + 0.5 * np.log(0.5 / 0.005))


def test_a_true_gain_is_found_and_chance_is_not():
    random = np.random.default_rng(3)
    base = random.random(400)
    found = compare(base, {"worse": base - 0.02 + random.normal(0, 0.1, 400),
                           "same": base + random.normal(0, 0.1, 400)}, n=2000)  # fmt: skip
    assert found["worse"].better
    assert not found["same"].better
    t = stats.ttest_1samp(base - 0.4, 0).pvalue
    assert compare(base, {"x": np.full(400, 0.4)}, n=2000)["x"].p_value == pytest.approx(
        max(t, 1 / 2001), abs=5e-3
    )


def test_holm_corrects_and_intervals_hold_the_mean():
    assert holm({"a": 0.03, "b": 0.01, "c": 0.04}) == {"b": 0.03, "a": 0.06, "c": 0.06}
    found = mean_interval([1.0, 2, 3, 4])
    assert found.low < 2.5 == found.value < found.high
