# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heptad.apps.credit.merchants import GROUPS, PURPOSES, Limit, Terms, cash_flow, group, review
from heptad.standards.errors import ContractError

FLOWS = st.lists(st.floats(-1e6, 1e6), min_size=26, max_size=60)


def steady(level: float = 100_000, noise: float = 0.0, seed: int = 0) -> list[float]:
    drawn = random.Random(seed)
    return [level * (1 + noise * drawn.gauss(0, 1)) for _ in range(52)]


def test_a_steady_merchant_may_borrow_the_months_agreed() -> None:
    found = review(steady(), 1.0)
    assert found.amount == 100_000 * 52 / 12 * 3 // 10_000 * 10_000
    assert found.why == "new"


def test_volatility_a_falling_trend_and_a_season_each_lower_it() -> None:
    calm = review(steady(), 0.9).amount
    assert 0 < review(steady(noise=0.4), 0.9).amount < calm
    falling = [100_000 * (1.5 - i / 51) for i in range(52)]
    rising = falling[::-1]
    assert review(falling, 0.9).amount < review(rising, 0.9).amount
    assert review(rising, 0.9).amount <= calm
    season = [100_000 * (1 + 0.8 * math.sin(2 * math.pi * i / 52)) for i in range(104)]
    assert 0 < review(season, 0.9).amount < calm
    # In the first year a season that ends low cannot be told from a fall.
    assert review(season[:52], 0.9).amount < review(season, 0.9).amount
    # A season is no volatility: what moves slowly is explained.
    assert cash_flow(season).volatility < 20_000


@given(FLOWS, st.floats(0, 1))
def test_no_limit_passes_what_it_may(net, rating) -> None:
    found = review(net, rating)
    terms = Terms()
    assert 0 <= found.amount <= terms.largest
    assert found.amount % terms.step == 0
    assert found.amount == 0 or found.amount >= terms.smallest
    assert review(net, min(1.0, rating + 0.1)).amount >= found.amount
    assert review([v + 1000 for v in net], rating).amount >= found.amount


def test_one_good_review_does_not_raise_a_limit_and_a_bad_one_lowers_it_at_once() -> None:
    first = review(steady(100_000), 1.0)
    good = steady(140_000)
    second = review(good, 1.0, first)
    assert (second.amount, second.why) == (first.amount, "waiting")
    third = review(good, 1.0, second)
    assert third.why == "raised"
    assert first.amount < third.amount <= first.amount * 1.5
    fourth = review(steady(90_000), 1.0, third)
    assert fourth.why == "lowered"
    assert fourth.amount == fourth.wanted < third.amount
    kept = review(steady(92_000), 1.0, fourth)
    assert (kept.why, kept.amount) == ("kept", fourth.amount)


def test_a_flow_that_swings_about_a_level_does_not_swing_the_limit() -> None:
    limit = review(steady(), 1.0)
    moves = 0
    for month in range(24):
        after = review(steady(100_000 * (1.05 if month % 2 else 0.97)), 1.0, limit)
        moves += after.amount != limit.amount
        limit = after
    assert moves == 0


def test_expected_loss_bounds_it_and_short_history_refuses_it() -> None:
    assert review(steady(), 1.0, loss_budget=10_000, probability=0.05).amount == 200_000
    assert review(steady()[:20], 1.0) == Limit(0, 0, 0, "short", None)
    assert review([-100.0] * 52, 1.0).why == "low"
    for rating in (-0.1, 1.1, float("nan")):
        with pytest.raises(ContractError):
            review(steady(), rating)
    with pytest.raises(ContractError):
        cash_flow([1.0] * 7)


def test_five_groups_from_safe_to_unsafe_with_fewer_purposes() -> None:
    found = [group(p) for p in (0.0, 0.02, 0.05, 0.1, 0.2, 1.0)]
    assert found == ["A", "B", "C", "D", "E", "E"]
    sizes = [len(PURPOSES[g]) for g in GROUPS]
    assert sizes == sorted(sizes, reverse=True)
    with pytest.raises(ContractError):
        group(0.1, (0.3, 0.2, 0.1, 0.05))
