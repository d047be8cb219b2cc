# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest

from heptad.analysis.challenger import Challenger
from heptad.analysis.evaluation import auc
from heptad.standards.errors import ContractError
from tests.analysis.cases import applications


def test_it_learns_and_keeps_a_declared_direction_everywhere() -> None:
    table, y = applications(1200)
    model = Challenger(monotone={"income": "down", "age": "up"}, epochs=60).fit(table, y)
    fresh, z = applications(1200, seed=5)
    chance = model.predict_proba(fresh)[:, 1]
    assert auc(z, chance) > 0.65
    ladder = np.linspace(3_000, 90_000, 80)
    for row in range(10):
        some = {name: np.repeat(values[row : row + 1], 80) for name, values in fresh.items()}
        assert (np.diff(model.predict_proba(some | {"income": ladder})[:, 1]) <= 0).all()
        ages = np.linspace(18, 80, 80)
        assert (np.diff(model.predict_proba(some | {"age": ages})[:, 1]) >= 0).all()
    again = Challenger(monotone={"income": "down", "age": "up"}, epochs=60).fit(table, y)
    assert again.predict_proba(fresh)[:, 1].tolist() == chance.tolist()


@pytest.mark.parametrize("monotone", [{"incom": "up"}, {"job": "up"}, {"income": "auto"}])
def test_directions_that_cannot_be_are_refused(monotone) -> None:
    with pytest.raises(ContractError):
        Challenger(monotone=monotone, epochs=5).fit(*applications(200))


def test_untrained_it_says_so() -> None:
    with pytest.raises(ContractError, match="trained"):
        Challenger().predict_proba({"x": [1.0]})
