# SPDX-License-Identifier: Apache-2.0
"""A card of an application with crossed features: trained, scored, explained and told as any other."""

from types import SimpleNamespace

import numpy as np
import pytest

from heptad.service.scorecards import PointsModel
from heptad.service.training import TrainingSet, train
from heptad.standards.errors import ContractError
from tests.analysis.test_crosses import crossed_world


@pytest.fixture(scope="module")
def world():
    table, y = crossed_world()
    return {name: values[:6_000] for name, values in table.items()}, y[:6_000]


def test_crosses_are_found_when_they_are_asked_for(world):
    table, y = world
    plain, crossed = (PointsModel.train(table, y, seed=0, crosses=n) for n in (0, 4))
    assert plain.card.crosses_ == ()
    assert crossed.card.crosses_
    again = PointsModel.from_bytes(crossed.to_bytes())
    chance = again.probabilities(table)
    for at in range(0, 6_000, 750):
        row = {name: values[at] for name, values in table.items()}
        row = {n: v.item() if isinstance(v, np.generic) else v for n, v in row.items()}
        score = again.score(row)
        assert (score.probability, score.points) == (chance[at], crossed.card.total(row))
        lost = [points for _, points in score.contributions]
        assert lost == sorted(lost, reverse=True)
    named = {str(row["input"]) for row in crossed.rows()}
    assert {" × ".join(c.columns) for c in crossed.card.crosses_} <= named


@pytest.mark.slow
def test_a_training_with_crosses_is_better_where_pairs_matter(world):
    table, y = world
    data = TrainingSet(table, y, np.arange(6_000) * 10**6, [str(n) for n in range(6_000)])
    model = SimpleNamespace(name="card", estimator=PointsModel, cleared=tuple(table))
    plain, crossed = (train(model, data, seed=0, crosses=n) for n in (0, 4))
    gain = crossed.metrics["ours"]["auc"]["value"] - plain.metrics["ours"]["auc"]["value"]
    assert gain > 0.01


def test_a_model_that_finds_no_crosses_says_so(world):
    class Other:
        @classmethod
        def train(cls, columns, target, *, seed):
            raise AssertionError

    table, y = world
    data = TrainingSet(table, y, np.arange(6_000), [str(n) for n in range(6_000)])
    with pytest.raises(ContractError, match="no crossed"):
        train(SimpleNamespace(name="other", estimator=Other, cleared=()), data, seed=0, crosses=3)
