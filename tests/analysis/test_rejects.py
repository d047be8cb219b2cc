# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest

from heptad.analysis.rejects import METHODS, helps, infer
from heptad.standards.errors import ContractError


def applicants(n: int = 6000, seed: int = 0):
    """The old rule declined by income and by what the lender's clerk saw, which is not in the data."""
    random = np.random.default_rng(seed)
    income, debt, seen = random.normal(size=(3, n))
    z = -1.2 - 0.9 * income + 0.7 * debt + 0.8 * seen
    y = (random.random(n) < 1 / (1 + np.exp(-z))).astype(int)
    declined = -0.9 * income + 0.8 * seen > 0.6
    return {"income": income, "debt": debt}, y, declined


@pytest.mark.parametrize("method", METHODS)
def test_samples_hold_who_they_should(method) -> None:
    table, y, declined = applicants(2000)
    accepted = {k: v[~declined] for k, v in table.items()}
    lost = {k: v[declined] for k, v in table.items()}
    n, m = int((~declined).sum()), int(declined.sum())
    found = infer(accepted, y[~declined], lost, method=method)
    mass = found.weight.sum()
    if method == "none":
        assert (len(found.y), mass) == (n, n)
    elif method == "reweight":
        assert len(found.y) == n
        assert mass > n
        assert found.weight.max() <= 10
    else:
        assert mass == pytest.approx(n + m)
        assert found.y.tolist()[:n] == y[~declined].tolist()
        drawn = (found.y * found.weight)[n:].sum() / m
        assert drawn > y[~declined].mean()
    assert all(len(v) == len(found.y) for v in found.table.values())


def test_worse_odds_make_the_declined_worse() -> None:
    table, y, declined = applicants(2000)
    accepted = {k: v[~declined] for k, v in table.items()}
    lost = {k: v[declined] for k, v in table.items()}
    bads = [
        (s.y * s.weight).sum()
        for s in (infer(accepted, y[~declined], lost, worse=w) for w in (1.0, 2.0, 4.0))
    ]
    assert bads == sorted(bads)
    assert bads[0] < bads[2]


def test_it_is_found_to_help_where_the_declined_are_worse_than_they_look() -> None:
    found = helps(*applicants(), method="fuzzy", worse=2.0)
    assert found.helps
    assert abs(found.bias[0]) < abs(found.bias[1])
    assert found.declined > 500


def test_it_is_found_to_harm_where_the_guess_is_wrong() -> None:
    """The old rule was a coin: the declined are no worse, and taking them for it is a bias."""
    table, y, _ = applicants()
    coin = np.random.default_rng(5).random(len(y)) < 0.4
    assert not helps(table, y, coin, method="fuzzy", worse=6.0).helps


def test_what_cannot_be_tested_is_refused() -> None:
    table, y, _ = applicants(300)
    with pytest.raises(ContractError, match="20"):
        helps(table, y, np.zeros(300, bool))
    with pytest.raises(ContractError, match="reject"):
        infer(table, y, table, method="guess")
    with pytest.raises(ContractError):
        infer(table, y, table, worse=0.5)
