# SPDX-License-Identifier: Apache-2.0
"""Recall: each model against its equation, fold-in, and inputs that are empty, tiny or all alike."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heptad.analysis.recommend.factors import Factors
from heptad.analysis.recommend.interactions import Interactions, histories
from heptad.analysis.recommend.linear import Ease, Following, Neighbours
from heptad.analysis.recommend.popularity import DAY, Popularity
from heptad.analysis.recommend.rules import Rules
from heptad.standards.errors import ContractError


def drawn(seed: int = 0, users: int = 60, items: int = 25, n: int = 700) -> Interactions:
    """Users of two tastes: the first half of the items, or the second."""
    random = np.random.default_rng(seed)
    who = random.integers(0, users, n)
    what = random.integers(0, items // 2, n) + (who % 2) * (items // 2)
    return Interactions.of(who, what, random.integers(0, 10**9, n), n_users=users, n_items=items)


MODELS = [Popularity, Neighbours, Ease, Factors, Following, lambda: Rules(support=3, lift=1.0)]


def test_events_are_put_in_order_and_ties_keep_the_order_of_rows():
    data = Interactions.of([0, 0, 0, 1], [3, 2, 1, 0], [5, 5, 1, 9])
    assert [s.tolist() for s in data.sequences()] == [[1, 3, 2], [0]]
    assert np.allclose(data.recent(1.0)[0].toarray(), [[0, np.exp(-2), 1, np.exp(-1)]])


def test_of_an_item_met_twice_the_latest_counts():
    data = Interactions.of([0, 0, 0], [1, 0, 1], [1, 2, 3])
    assert data.recent(2.0).toarray().tolist() == [[np.float32(np.exp(-0.5)), 1.0]]
    assert data.matrix().toarray().tolist() == [[1.0, 1.0]]


def test_ease_is_the_closed_form():
    data, reg = drawn(), 30.0
    seen = data.matrix().toarray().astype(float)
    inverse = np.linalg.inv(seen.T @ seen + reg * np.eye(data.n_items))
    wanted = np.eye(data.n_items) - inverse / np.diag(inverse)
    np.fill_diagonal(wanted, 0)
    assert np.allclose(Ease(reg).fit(data).weights_, wanted, atol=1e-9)


def test_following_counts_votes_by_hand():
    # 0 1 2: at the first step 0 votes for 1, and e^-1 for 2; at the second 1 and e^-1/2 of 0 for 2.
    data = Interactions.of([0, 0, 0], [0, 1, 2])
    model = Following(past=2.0, future=1.0, back=0.0, damp_before=0.0, damp_after=0.0).fit(data)
    late = np.exp(-1) + np.exp(-0.5)
    assert np.allclose(model.weights_.toarray(), [[0, 1, late], [0, 0, 1], [0, 0, 0]], atol=1e-6)
    damped = Following(past=2.0, future=1.0, back=0.5).fit(data).weights_.toarray()
    assert np.allclose(damped[0, 1], 1 / 2**0.7)
    assert np.allclose(damped[1, 0], 0.5 / 2**0.7)


def test_following_learns_what_comes_next():
    chain = [[0, 1, 2, 3], [1, 2, 3, 4], [0, 1, 2], [2, 3, 4], [3, 4, 0], [4, 0, 1]] * 5
    users = np.repeat(np.arange(len(chain)), [len(c) for c in chain])
    model = Following(past=1.0, future=0.5).fit(Interactions.of(users, np.concatenate(chain)))
    found = model.scores(histories([[i] for i in range(5)], 5))
    assert found.argmax(axis=1).tolist() == [1, 2, 3, 4, 0]


def test_factors_solve_the_normal_equations():
    data = drawn()
    model = Factors(8, reg=0.05, unobserved=0.2, epochs=2).fit(data)
    row = data.matrix()[3]
    v, mine = model.items_.astype(float), model.items_[row.indices].astype(float)
    left = 0.2 * v.T @ v + mine.T @ mine
    left += 0.05 * (len(mine) + 0.2 * data.n_items) * np.eye(8)
    assert np.allclose(model.users(row)[0], np.linalg.solve(left, mine.sum(axis=0)), rtol=2e-3)


def test_neighbours_are_the_shrunk_cosine():
    data = Interactions.of([0, 0, 1, 1, 2], [0, 1, 0, 1, 2], n_items=3)
    weights = Neighbours(shrink=2.0).fit(data).weights_.toarray()
    assert np.allclose(weights, [[0, 0.5, 0], [0.5, 0, 0], [0, 0, 0]])


def test_popularity_halves_with_age_and_leans_to_the_segment():
    data = Interactions.of([0, 0, 1], [0, 1, 1], [0, 10 * DAY, 10 * DAY])
    assert Popularity(10).fit(data).counts_.tolist() == [0.5, 2.0]
    model = Popularity(strength=1.0).fit(data, [0, 1])
    found = model.scores(histories([[], [], []], 2), np.array([0, 1, -1]))
    assert found[0, 0] > found[2, 0] > found[1, 0]


def test_rules_find_the_planted_pair_and_nothing_in_noise():
    random = np.random.default_rng(1)
    pairs = [(u, i) for u in range(400) for i in random.choice(30, 4, replace=False)]
    planted = [(u, i) for u in range(0, 400, 4) for i in (30, 31)]
    data = Interactions.of(*np.array(pairs + planted).T)
    found = Rules(support=10, q=0.001).fit(data).rules_
    assert {(r.given, r.then) for r in found} == {(30, 31), (31, 30)}
    assert all(r.confidence == 1.0 and r.lift == pytest.approx(4.0) for r in found)


@pytest.mark.parametrize("make", MODELS[1:])
def test_two_tastes_are_told_apart(make):
    data = drawn()
    found = make().fit(data).scores(data.matrix())
    half = data.n_items // 2
    first, second = found[:, :half].sum(axis=1), found[:, half : 2 * half].sum(axis=1)
    assert ((first > second) == (np.arange(data.n_users) % 2 == 0)).mean() > 0.95


@pytest.mark.parametrize("make", MODELS)
@pytest.mark.parametrize("data", [
    Interactions.of([0], [0]),
    Interactions.of([0, 0, 0], [2, 2, 2], n_items=4),
    Interactions.of([0, 1, 2], [1, 1, 1], n_users=5, n_items=3),
    Interactions.of([], [], n_users=2, n_items=3),
])  # fmt: skip
def test_tiny_one_user_and_all_the_same_item(make, data):
    found = make().fit(data).scores(data.matrix())
    assert found.shape == (data.n_users, data.n_items)
    assert np.isfinite(found).all()


@settings(max_examples=10)
@given(st.integers(0, 1000))
def test_scores_of_some_items_are_those_of_all(seed):
    data = drawn(seed, users=20, items=10, n=120)
    wanted = np.random.default_rng(seed).integers(-1, 10, (data.n_users, 4))
    for model in (Neighbours(3), Ease(20.0, n=4), Ease(20.0), Factors(4, epochs=1)):
        full = model.fit(data).scores(data.matrix())
        picked = np.take_along_axis(full, np.maximum(wanted, 0), axis=1) * (wanted >= 0)
        assert np.allclose(model.some(data.matrix(), wanted), picked, atol=1e-5)


@pytest.mark.parametrize("wrong", [
    lambda: Interactions.of([0, 1], [0]),
    lambda: Interactions.of([0], [-1]),
    lambda: Interactions.of([0], [0], weights=[0.0]),
    lambda: Interactions.of([3], [0], n_users=2),
    lambda: histories([[5]], 5),
    lambda: Ease(0.0).fit(drawn()),
    lambda: Factors(reg=0.0).fit(drawn()),
    lambda: Popularity(0.0).fit(drawn()),
    lambda: Interactions.of([0], [0]).recent(0.0),
    lambda: Following(past=0.0).fit(drawn()),
])  # fmt: skip
def test_wrong_inputs_are_refused(wrong):
    with pytest.raises(ContractError):
        wrong()
