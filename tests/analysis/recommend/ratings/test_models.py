# SPDX-License-Identifier: Apache-2.0
"""Models of ratings: their equations in NumPy, planted tastes found, small and cold cases."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from heptad.analysis.recommend.ratings.bayes import BayesianFactors
from heptad.analysis.recommend.ratings.factors import Factors
from heptad.analysis.recommend.ratings.rows import Means, Ratings, rmse
from heptad.standards.errors import ContractError


def planted(users=120, items=80, each=25, seed=0):
    """Ratings that two tastes and the users' and items' own levels make, with noise of 0.3."""
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(users, 2)), rng.normal(size=(items, 2)) * 0.7
    level = rng.normal(size=users)[:, None] * 0.4 + rng.normal(size=items) * 0.4
    u = np.repeat(np.arange(users), each)
    i = np.concatenate([rng.choice(items, each, replace=False) for _ in range(users)])
    values = 3 + (x @ y.T + level)[u, i] + rng.normal(size=len(u)) * 0.3
    order = rng.permutation(len(u))
    rows = Ratings(u[order], i[order], values[order], (users, items))
    cut = len(u) // 5
    return rows.take(np.arange(cut, len(u))), rows.take(np.arange(cut))


def test_rmse_is_the_papers_formula():
    assert rmse(np.array([1, 2, 3, 4.0]), np.array([1, 2, 3, 2.0])) == 1.0


def test_means_are_the_shrunken_means():
    rows = Ratings(np.array([0, 0, 1]), np.array([0, 1, 0]), np.array([5.0, 3, 1]), (3, 3))
    means = Means.fit(rows, reg=(2.0, 1.0), epochs=50)
    left = rows.values - 3 - means.of_item[rows.items]
    assert means.of_user == pytest.approx([left[:2].sum() / 4, left[2] / 3, 0])
    assert means.predict(np.array([2]), np.array([2])).tolist() == [3.0]


def test_one_epoch_is_the_gradient_of_the_papers_loss():
    """PMF as written: each rating's step along -∂/∂u ½(r - u·v)² + reg/2 |u|² / n_u."""
    rows, _ = planted(8, 6, 4)
    model = Factors(3, 1, 0.02, reg=0.3, reg_by="row", biases=False, seed=5).fit(rows)
    rng = np.random.default_rng((5, 0))
    spread = 0.3 / np.sqrt(3)
    u, v = (rng.normal(0, spread, (n, 3)).astype(np.float32) for n in rows.shape)
    n_u, n_v = (
        np.bincount(c, minlength=n)
        for c, n in zip((rows.users, rows.items), rows.shape, strict=True)
    )
    u[n_u == 0], v[n_v == 0] = 0, 0
    for n in np.random.default_rng((5, 1)).permutation(len(rows)):
        a, b = rows.users[n], rows.items[n]
        e = rows.values[n] - rows.values.mean() - u[a] @ v[b]
        u[a], v[b] = (
            u[a] + 0.02 * (e * v[b] - 0.3 / n_u[a] * u[a]),
            v[b] + 0.02 * (e * u[a] - 0.3 / n_v[b] * v[b]),
        )
    assert model.u_ == pytest.approx(u, abs=1e-5)
    assert model.v_ == pytest.approx(v, abs=1e-5)
    assert not model.of_user_.any()


MODELS = {
    "tuned": Factors(8, 60, 0.03, reg=0.03),
    "as written": Factors(4, 80, 0.03, reg=0.5, reg_by="row", biases=False),
    "bayes": BayesianFactors(4, epochs=60, burn=20),
}


@pytest.mark.parametrize("name", MODELS)
def test_planted_tastes_are_found(name):
    train, test = planted()
    base = rmse(test.values, Means.fit(train).predict(test.users, test.items))
    told = []
    model = MODELS[name].fit(train, test, progress=told.append)
    found = rmse(test.values, model.predict(test.users, test.items))
    assert found < 0.75 * base
    assert told[-1].held_out == pytest.approx(found)
    assert [e.number for e in told] == list(range(1, model.epochs + 1))
    low, high = train.span
    assert ((low <= (all_of := model.predict(train.users, train.items))) & (all_of <= high)).all()


class Killed(Exception):
    pass


@pytest.mark.parametrize("name", MODELS)
def test_training_goes_on_after_a_kill_as_if_it_had_not_stopped(name, tmp_path):
    train, test = planted(40, 30, 10)
    model = MODELS[name]

    def stop(epoch):
        if epoch.number == 25:
            raise Killed

    with pytest.raises(Killed):
        model.fit(train, keep=tmp_path / "course.npz", progress=stop)
    numbers = []
    model.fit(train, keep=tmp_path / "course.npz", progress=lambda e: numbers.append(e.number))
    again = model.predict(test.users, test.items)
    assert numbers[0] == 26
    whole = model.fit(train).predict(test.users, test.items)
    assert np.array_equal(again, whole)
    with pytest.raises(ContractError, match="another training"):
        model.fit(test, keep=tmp_path / "course.npz")


def test_known_fields_speak_for_users_and_items_without_a_rating():
    rng = np.random.default_rng(1)
    users, items, kinds = 150, 60, 3
    of_user, of_item = rng.integers(0, kinds, users), rng.integers(0, kinds, items)
    taste = rng.normal(size=(kinds, kinds)) * 1.5
    u, i = (c.ravel() for c in np.meshgrid(np.arange(users), np.arange(items), indexing="ij"))
    values = 3 + taste[of_user[u], of_item[i]] + rng.normal(size=len(u)) * 0.3
    cold = (u >= 130) | (i >= 50)
    train = np.flatnonzero(~cold & (rng.random(len(u)) < 0.3))
    rows = Ratings(u, i, values, (users, items))
    hot = [sparse.csc_matrix(np.eye(kinds)[of]) for of in (of_user, of_item)]
    told = BayesianFactors(4, epochs=60, users=hot[0], items=hot[1]).fit(rows.take(train))
    untold = BayesianFactors(4, epochs=60).fit(rows.take(train))
    missed = [rmse(values[cold], m.predict(u[cold], i[cold])) for m in (told, untold)]
    assert missed[0] < 0.5 * missed[1]


@pytest.mark.parametrize("name", MODELS)
def test_small_and_equal_ratings_behave(name):
    one = Ratings(np.array([0]), np.array([0]), np.array([4.0]), (1, 1))
    assert MODELS[name].fit(one).predict(np.array([0]), np.array([0])) == pytest.approx([4.0])
    same = Ratings(np.arange(9) % 3, np.zeros(9, np.int64), np.full(9, 2.0), (4, 2))
    shown = MODELS[name].fit(same).predict(np.array([0, 3]), np.array([0, 1]))
    assert shown == pytest.approx([2.0, 2.0])


def test_broken_rows_are_refused():
    zero, value = np.array([0]), np.array([1.0])
    with pytest.raises(ContractError, match="At least one"):
        Ratings(zero[:0], zero[:0], value[:0], (1, 1))
    with pytest.raises(ContractError, match="User codes"):
        Ratings(zero + 1, zero, value, (1, 1))
    with pytest.raises(ContractError, match="finite"):
        Ratings(zero, zero, value * np.nan, (1, 1))
    with pytest.raises(ContractError, match="one length"):
        Ratings(zero, zero, np.array([1.0, 2.0]), (1, 1))
