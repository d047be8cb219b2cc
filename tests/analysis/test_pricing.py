# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from heptad.analysis.allocation import Limits, Segment, allocate, rooms
from heptad.analysis.pricing import Costs, best_rate, fit_demand, price
from heptad.standards.errors import ContractError


@given(
    st.floats(0, 0.5), st.integers(100, 10**8), st.floats(0.1, 30), st.floats(0, 1),
    st.integers(0, 10_000),
)  # fmt: skip
def test_the_rate_pays_for_everything_exactly(pd, amount, years, lgd, fixed) -> None:
    costs = Costs(loss_given_default=lgd, fixed=fixed)
    found = price(pd, amount, years, costs)
    earned = found.rate * (1 - pd)
    own = costs.capital * costs.return_wanted
    spent = pd * lgd + costs.funding * (1 - costs.capital) + costs.servicing + own
    assert earned == pytest.approx(spent + fixed / amount / years)
    parts = found.loss + found.funding + found.cost + found.capital
    assert found.rate == pytest.approx(parts)
    assert price(pd / 2, amount, years, costs).rate <= found.rate


def test_a_cap_holds_the_rate_and_says_so() -> None:
    found = price(0.3, 100_000, 1, Costs(cap=0.15))
    assert found.rate == 0.15
    assert found.capped
    assert not price(0.01, 100_000, 1, Costs(cap=0.15)).capped
    for pd, amount, years in ((1.0, 1, 1), (0.1, 0, 1), (0.1, 1, 0), (float("nan"), 1, 1)):
        with pytest.raises(ContractError):
            price(pd, amount, years)


@pytest.mark.parametrize(("slope", "seed"), [(-30.0, 0), (-12.0, 1), (-55.0, 2)])
def test_planted_elasticities_are_recovered_within_the_interval(slope, seed) -> None:
    """Rates are drawn within risk groups: riskier groups get more and accept more."""
    random = np.random.default_rng(seed)
    n = 12_000
    group = random.integers(0, 3, n)
    rate = 0.06 + 0.03 * group + random.uniform(-0.02, 0.02, n)
    z = 1.0 + 1.1 * group + slope * rate
    chance = 1 / (1 + np.exp(-z))
    accepted = (random.random(n) < chance).astype(int)
    found = fit_demand(rate, accepted, group)
    assert found.slope.low < slope < found.slope.high
    planted = slope * rate.mean() * (1 - chance).mean()
    assert found.elasticity.low < planted < found.elasticity.high
    # Without the groups the effect is mixed up with who was offered what.
    mixed = fit_demand(rate, accepted)
    assert not mixed.slope.low < slope < mixed.slope.high


def test_the_interval_holds_as_often_as_it_says() -> None:
    random = np.random.default_rng(7)
    held = 0
    for _ in range(120):
        rate = random.uniform(0.05, 0.15, 600)
        accepted = random.random(600) < 1 / (1 + np.exp(-(2 - 25 * rate)))
        found = fit_demand(rate, accepted.astype(int))
        held += found.slope.low < -25 < found.slope.high
    assert 0.90 <= held / 120 <= 0.99


def test_rates_that_were_not_drawn_are_refused() -> None:
    group = np.array([0, 1] * 50)
    with pytest.raises(ContractError, match="drawn"):
        fit_demand(0.05 + 0.02 * group, np.array([0, 0, 1, 1] * 25), group)


def test_the_best_rate_beats_its_neighbours_and_keeps_the_cap() -> None:
    random = np.random.default_rng(0)
    rate = random.uniform(0.05, 0.25, 5000)
    demand = fit_demand(
        rate, (random.random(5000) < 1 / (1 + np.exp(-(3 - 30 * rate)))).astype(int)
    )
    best = best_rate(demand, 0.05)

    def margin(r: float) -> float:
        return float(demand.accepts(r)) * (r - 0.05)

    assert margin(best) >= max(margin(best - 0.01), margin(best + 0.01))
    assert best_rate(demand, 0.05, cap=0.07) == pytest.approx(0.07)
    with pytest.raises(ContractError):
        best_rate(demand, 0.10, cap=0.09)


def segments() -> list[Segment]:
    return [
        Segment("shops, north", 60, 0.05, 0.02, 0.08, {"industry": "retail", "region": "north"}),
        Segment("shops, south", 50, 0.07, 0.05, 0.08, {"industry": "retail", "region": "south"}),
        Segment("farms", 40, 0.03, 0.01, 0.05, {"industry": "farming", "region": "north"}, least=5),
    ]


def test_the_programme_finds_what_trying_everything_finds() -> None:
    limits = Limits(budget=100, loss=3, capital=7, groups={("industry", "retail"): 70})
    found = allocate(segments(), limits)
    best = 0.0
    for amounts in itertools.product(range(61), range(51), range(5, 41)):
        pairs = list(zip(segments(), amounts, strict=True))
        if sum(amounts) > 100 or amounts[0] + amounts[1] > 70:
            continue
        if sum(s.loss * a for s, a in pairs) > 3 or sum(s.capital * a for s, a in pairs) > 7:
            continue
        best = max(best, sum(s.margin * a for s, a in pairs))
    # The amounts are rounded down: less than a unit of each segment is given away.
    assert best - sum(s.margin for s in segments()) <= found.margin <= best + 1e-9
    assert sum(found.lent.values()) <= 100
    assert found.lent["farms"] >= 5


def test_a_binding_limit_has_the_price_of_one_more_unit() -> None:
    low, high = (allocate(segments(), Limits(budget=b)) for b in (80, 81))
    assert low.prices["budget"] == pytest.approx(high.margin - low.margin)
    assert allocate(segments(), Limits(budget=1000)).prices["budget"] == 0.0
    assert allocate(segments(), Limits()).lent == {s.name: s.demand for s in segments()}


def test_what_cannot_be_kept_is_said() -> None:
    with pytest.raises(ContractError, match="least"):
        allocate(segments(), Limits(budget=3))
    with pytest.raises(ContractError, match="distinct"):
        allocate([*segments(), segments()[0]], Limits())


def test_room_is_what_the_limits_leave_though_little_was_asked_for() -> None:
    small = [Segment("shops", 10, 0.05, 0.02, 0.1, {"industry": "shops"}),
             Segment("farms", 30, 0.01, 0.03, 0.1, {"industry": "farms"}),
             Segment("bars", 20, -0.01, 0.1, 0.1, {"industry": "bars"})]  # fmt: skip
    limits = Limits(
        budget=1000, loss=20, capital=90, groups={("industry", n.name): 400 for n in small}
    )
    lent = allocate(small, limits).lent
    assert lent == {"shops": 10, "farms": 30, "bars": 0}
    # Each to the limit of its industry; bars lose money.
    assert rooms(small, limits, lent) == {"shops": 400, "farms": 400, "bars": 0}
    tight = Limits(budget=1000, loss=4, groups={("industry", "shops"): 400})
    assert rooms(small, tight, lent)["farms"] == 30 + int((4 - 0.2 - 0.9) / 0.03)
    with pytest.raises(ContractError, match="No limit"):
        rooms(small, Limits(groups={("industry", "shops"): 400}), lent)


@given(
    st.lists(st.tuples(st.integers(0, 1000), st.floats(-0.1, 0.1), st.floats(0, 0.2)), min_size=1, max_size=5),
    st.tuples(st.integers(0, 3000), st.integers(0, 300), st.integers(0, 1000)),
)  # fmt: skip
def test_no_limit_is_passed_when_one_segment_takes_its_room(drawn, most) -> None:
    made = [Segment(str(n), demand, margin, loss, 0.1, {"industry": str(n)})
            for n, (demand, margin, loss) in enumerate(drawn)]  # fmt: skip
    budget, loss, own = most
    limits = Limits(budget, loss, groups={("industry", s.name): own for s in made})
    lent = allocate(made, limits).lent
    for name, room in rooms(made, limits, lent).items():
        after = lent | {name: room}
        assert lent[name] <= room <= own
        assert sum(after.values()) <= budget
        assert sum(s.loss * after[s.name] for s in made) <= loss + 1e-6
