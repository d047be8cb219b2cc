# SPDX-License-Identifier: Apache-2.0
"""The ranker: learns from windows of the past, sees no future, and reads the moment."""

from __future__ import annotations

import numpy as np
import pytest

from heptad.analysis.recommend.interactions import Interactions
from heptad.analysis.recommend.judging import judge
from heptad.analysis.recommend.popularity import DAY, Popularity
from heptad.analysis.recommend.ranker import Ranker
from heptad.analysis.recommend.signals import Items, empty, people_of
from heptad.analysis.recommend.splits import at_instant
from heptad.standards.errors import ContractError

USERS, ITEMS = 200, 120


def world(seed: int = 0) -> tuple[Interactions, dict[str, np.ndarray], Items]:
    """Users of three tastes who choose the even items in the morning and the odd ones at night."""
    random = np.random.default_rng(seed)
    n = 3000
    users = random.integers(0, USERS, n)
    hour = random.integers(0, 2, n)
    taste = users % 3
    items = taste * 40 + 2 * np.floor(20 * random.random(n) ** 1.5).astype(int) + hour
    data = Interactions.of(
        users, items, np.sort(random.integers(0, 90 * DAY, n)), n_users=USERS, n_items=ITEMS
    )
    categories = (np.arange(ITEMS)[:, None] // 40 == np.arange(3)).astype(float)
    return data, {"hour": hour}, Items(categories, np.full(ITEMS, np.nan))


@pytest.fixture(scope="module")
def trained() -> tuple[Ranker, Interactions, dict[str, np.ndarray]]:
    data, context, items = world()
    edge = 80 * DAY
    seen = int((data.times < edge).sum())
    before = {"hour": context["hour"][:seen]}
    return (
        Ranker(n=40, trees=30, windows=(0.6, 0.85)).fit(data.before(edge), items, before),
        data,
        context,
    )


def test_it_beats_popularity_on_what_came_later(trained):
    model, data, _ = trained
    split = at_instant(data, 80 * DAY, fewest=3)
    moment = lambda rows: {"hour": np.full(len(rows), -1)}  # noqa: E731
    ours = judge(split, lambda r: model.scores(people_of(split.train, r, moment(r))), n=10)
    popular = Popularity().fit(split.train)
    theirs = judge(split, lambda r: popular.scores(split.train.matrix()[r]), n=10)
    assert model.learned_ > 100
    assert ours.mean("ndcg") > 1.2 * theirs.mean("ndcg")


def test_only_the_moment_changes_the_order(trained):
    model, data, _ = trained
    rows = np.arange(30)
    shown = []
    for hour in (0, 1):
        people = people_of(data.before(80 * DAY), rows, {"hour": np.full(30, hour)})
        shown.append(model.lists(people, 5))
    morning, night = (float((lists[lists >= 0] % 2 == 0).mean()) for lists in shown)
    assert morning > night + 0.2


def test_nothing_seen_is_proposed_and_nobody_is_left_without(trained):
    model, data, _ = trained
    people = people_of(data.before(80 * DAY), np.arange(USERS), {"hour": np.zeros(USERS, int)})
    found = model.recall(people)
    rows, places = np.nonzero(found.items >= 0)
    assert not np.asarray(people.histories[rows, found.items[rows, places]]).any()
    assert (model.lists(empty(ITEMS), 10) >= 0).all()


def test_equal_seeds_give_equal_models_and_the_future_changes_nothing(trained):
    model, data, context = trained
    _, _, items = world()
    seen = int((data.times < 80 * DAY).sum())
    again = Ranker(n=40, trees=30, windows=(0.6, 0.85)).fit(
        data.before(80 * DAY), items, {"hour": context["hour"][:seen]}
    )
    people = people_of(data.before(80 * DAY), np.arange(20), {"hour": np.zeros(20, int)})
    assert (again.scores(people) == model.scores(people)).all()


@pytest.mark.parametrize("data", [
    Interactions.of([0], [0]),
    Interactions.of([0] * 30, [1] * 30, n_items=3),
    Interactions.of(np.arange(20), [0] * 20),
])  # fmt: skip
def test_tiny_data_leave_the_order_of_recall(data):
    model = Ranker(n=5, trees=10).fit(data)
    people = people_of(data, np.arange(data.n_users), {})
    assert np.isfinite(model.scores(people)).all()
    assert model.lists(empty(data.n_items), 3).shape == (1, 3)


def test_no_events_are_refused():
    with pytest.raises(ContractError):
        Ranker().fit(Interactions.of([], [], n_items=3))
