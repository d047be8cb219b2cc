# SPDX-License-Identifier: Apache-2.0
"""Rankers and the hybrid as wholes: planted habits found, resumed, kept, explained."""

from __future__ import annotations

import numpy as np
import pytest

from heptad.analysis.calibration import Platt
from heptad.analysis.evaluation import auc, ece
from heptad.analysis.recommend.neural.hybrid import Hybrid, Sides
from heptad.analysis.recommend.neural.ranker import Ranker
from heptad.analysis.recommend.neural.rows import Field, Schema
from heptad.analysis.recommend.neural.training import Schedule
from heptad.analysis.recommend.ratings.rows import Ratings, rmse
from heptad.standards.errors import ContractError

ITEMS, KINDS = 30, 3
SCHEMA = Schema(
    (
        Field("item", ITEMS),
        Field("held", ITEMS, table="item", many=True),
        Field("evening", 2),
        Field("price"),
    )
)
FAST = Schedule(batch=256, learning_rate=0.02)


def habits(n=3000, seed=0):
    """In the evening users take what is of the kind they hold most, by day anything that is cheap."""
    rng = np.random.default_rng(seed)
    rows = {
        "item": rng.integers(0, ITEMS, n),
        "held": np.where(
            rng.random((n, 5)) < 0.2,
            -1,
            rng.integers(0, ITEMS // KINDS, (n, 5)) * KINDS + rng.integers(0, KINDS, (n, 1)),
        ),
        "evening": rng.integers(0, 2, n),
        "price": rng.normal(5, 2, n),
    }
    like = (rows["held"].max(1) >= 0) & (rows["held"].max(1) % KINDS == rows["item"] % KINDS)
    odds = np.where(rows["evening"] == 1, 4.0 * like - 2, 1.5 * (5 - rows["price"]))
    return rows, (rng.random(n) < 1 / (1 + np.exp(-odds))).astype(int)


def alone(rows, *names):
    return {name: rows[name] for name in names}


@pytest.fixture(scope="module")
def fitted():
    rows, y = habits()
    return Ranker(SCHEMA, "din", 8, (16,), epochs=12, schedule=FAST, patience=0).fit(rows, y)


@pytest.mark.parametrize("kind", ["wide_deep", "wide", "deep", "din", "dice", "cross"])
def test_a_planted_habit_is_found(kind):
    rows, y = habits()
    test, truth = habits(1000, seed=1)
    if kind == "wide":
        keep = (rows["evening"] == 1, test["evening"] == 1)
        rows, y = {n: v[keep[0]] for n, v in rows.items()}, y[keep[0]]
        test, truth = {n: v[keep[1]] for n, v in test.items()}, truth[keep[1]]
    act, named = ("dice", "din") if kind == "dice" else ("relu", kind)
    model = Ranker(SCHEMA, named, 8, (16,), act=act, epochs=12, schedule=FAST)
    model.fit(rows, y, (test, truth))
    found = auc(truth, model.score(test, {}, {}))
    assert found > {"wide": 0.7, "deep": 0.74, "wide_deep": 0.74}.get(kind, 0.8)
    best = min(model.told_, key=lambda e: e.held_out)
    assert len(model.told_) <= best.number + model.patience
    again = -np.mean(
        np.where(truth, *(np.log(1 / (1 + np.exp(s * model.score(test, {}, {})))) for s in (-1, 1)))
    )
    assert again == pytest.approx(best.held_out, abs=1e-6)


def test_the_context_alone_changes_the_order(fitted):
    user = {"held": np.array([[0, 3, 6, 9, 12]])}
    items = {"item": np.array([15, 16, 17]), "price": np.array([9.0, 1.0, 5.0])}
    night, day = (fitted.score(user, items, {"evening": np.array([e])}) for e in (1, 0))
    assert np.argmax(night) == 0
    assert np.argmax(day) == 1


def test_attention_says_which_held_items_weigh(fitted):
    user = {"held": np.array([[0, 1, -1, -1, -1]])}
    rest = {"item": np.array([15, 16]), "price": np.array([5.0, 5.0])}, {"evening": np.array([1])}
    w = fitted.weights(user, *rest)
    assert w.shape == (2, 5)
    assert not w[:, 2:].any()
    assert (w[0, :2] != w[1, :2]).all()
    with pytest.raises(ContractError, match="no attention"):
        Ranker(SCHEMA, "deep", 4, (4,), epochs=1).fit(*habits(64)).weights(user, *rest)


@pytest.mark.parametrize("kind", ["wide_deep", "din"])
def test_a_ranker_is_kept_and_read_back(kind, tmp_path):
    rows, y = habits(600)
    model = Ranker(SCHEMA, kind, 4, (8,), epochs=2).fit(rows, y)
    model.save(tmp_path / "ranker.npz")
    again = Ranker.load(tmp_path / "ranker.npz")
    assert again.parameters() == model.parameters()
    assert np.array_equal(again.score(rows, {}, {}), model.score(rows, {}, {}))


class Killed(Exception):
    pass


@pytest.mark.parametrize("patience", [0, 2])
def test_training_goes_on_after_a_kill_as_if_it_had_not_stopped(patience, tmp_path):
    rows, y = habits(900)
    test = habits(300, seed=1)
    model = Ranker(SCHEMA, "din", 4, (8,), dropout=0.3, epochs=8, patience=patience, schedule=FAST)

    def stop(epoch):
        if epoch.number == 3:
            raise Killed

    with pytest.raises(Killed):
        model.fit(rows, y, test, keep=tmp_path / "course.npz", progress=stop)
    told = []
    again = model.fit(rows, y, test, keep=tmp_path / "course.npz", progress=told.append).score(
        test[0], {}, {}
    )
    assert told[0].number == 4
    whole = model.fit(rows, y, test).score(test[0], {}, {})
    assert np.array_equal(again, whole)


def test_unknown_and_absent_columns(fitted):
    rows, _ = habits(4)
    odd = {**rows, "item": np.array([-1, 5, 999, 5]), "held": np.full((4, 5), -1)}
    scores = fitted.score(odd, {}, {})
    assert np.isfinite(scores).all()
    nan = fitted.score({**rows, "price": np.full(4, np.nan)}, {}, {})
    assert np.isfinite(nan).all()
    assert fitted.score({n: v[:0] for n, v in rows.items()}, {}, {}).shape == (0,)
    with pytest.raises(ContractError, match="Column evening is absent"):
        fitted.score(alone(rows, "item", "held", "price"), {}, {})
    with pytest.raises(ContractError, match="one length"):
        fitted.score({**rows, "price": np.zeros(3)}, {}, {})


def test_scores_become_probabilities_that_come_true(fitted):
    first, y = habits(2000, seed=2)
    test, truth = habits(2000, seed=3)
    shown = Platt.fit(fitted.score(first, {}, {}), y).predict(fitted.score(test, {}, {}))
    assert ece(truth, shown) < 0.05


def films(seed=0):
    """Ratings of films whose title's first word says who likes them."""
    rng = np.random.default_rng(seed)
    users, items = 120, 60
    sides = Sides(
        {"gender": rng.integers(0, 2, users)},
        {"genres": rng.integers(0, 4, (items, 3))},
        np.column_stack(
            [
                rng.integers(1, 4, items),
                rng.integers(4, 30, (items, 2)),
                np.zeros((items, 1), np.int64),
            ]
        ),
    )
    u, i = (c.ravel() for c in np.meshgrid(np.arange(users), np.arange(items), indexing="ij"))
    mark = np.array([[1.5, -1.5, 0], [-1.5, 1.5, 0]])[
        sides.users["gender"][u], sides.titles[i, 0] - 1
    ]
    values = 3 + mark + rng.normal(size=len(u)) * 0.3
    cold = i >= 45
    train = np.flatnonzero(~cold & (rng.random(len(u)) < 0.4))
    return sides, Ratings(u, i, values, (users, items)), train, cold


def test_the_hybrid_reads_titles_of_films_that_nobody_rated():
    sides, rows, train, cold = films()
    missed = {}
    for title in (True, False):
        model = Hybrid(sides, 8, 25, reg=0.02, title=title, schedule=Schedule(256, 0.01)).fit(
            rows.take(train)
        )
        missed[title] = rmse(rows.values[cold], model.predict(rows.users[cold], rows.items[cold]))
    assert missed[True] < 0.6 * missed[False]


def test_the_hybrid_goes_on_after_a_kill(tmp_path):
    sides, rows, train, _ = films()
    model = Hybrid(sides, 4, 4, schedule=FAST)

    def stop(epoch):
        if epoch.number == 2:
            raise Killed

    with pytest.raises(Killed):
        model.fit(rows.take(train), keep=tmp_path / "course.npz", progress=stop)
    again = model.fit(rows.take(train), keep=tmp_path / "course.npz").predict(
        rows.users, rows.items
    )
    assert len(model.told_) == 4
    assert np.array_equal(again, model.fit(rows.take(train)).predict(rows.users, rows.items))
