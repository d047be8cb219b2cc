# SPDX-License-Identifier: Apache-2.0
"""Price a loan: expected loss, funding, cost and capital; caps; and what a price does to demand."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np

from heptad.analysis.arrays import Array, outcomes
from heptad.analysis.intervals import Interval
from heptad.analysis.logistic import fit_logistic
from heptad.standards.errors import ContractError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


@dataclass(frozen=True)
class Costs:
    """What lending costs, as yearly fractions of the amount unless said otherwise.

    Attributes:
        loss_given_default: share of the exposure that is lost, in [0, 1].
        funding: rate at which the lender borrows.
        servicing: running cost.
        fixed: cost of making the loan, in minor units.
        capital: share of the amount held as own capital.
        return_wanted: yearly return on that capital, before funding is saved on it.
        cap: highest yearly rate that law allows; None without one.
    """

    loss_given_default: float = 0.45
    funding: float = 0.03
    servicing: float = 0.01
    fixed: int = 0
    capital: float = 0.08
    return_wanted: float = 0.12
    cap: float | None = None

    def __post_init__(self) -> None:
        for name in ("loss_given_default", "capital"):
            if not 0 <= getattr(self, name) <= 1:
                raise ContractError(f"{name} must lie between 0 and 1.", got=getattr(self, name))
        if min(self.funding, self.servicing, self.fixed, self.return_wanted) < 0:
            raise ContractError("Costs must not be negative.", got=str(self))


@dataclass(frozen=True)
class Price:
    """A yearly rate and what it is made of; the parts add up to `rate` but for the cap.

    Attributes:
        rate: the yearly rate asked; the cap where the parts come to more.
        loss: expected loss on what survives, per year.
        funding: interest on what is borrowed.
        cost: servicing, and the fixed cost spread over the term.
        capital: what own capital is to earn.
        capped: whether the cap holds the rate below its parts, so that the loan loses money.
    """

    rate: float
    loss: float
    funding: float
    cost: float
    capital: float
    capped: bool


def price(probability: float, amount: int, years: float, costs: Costs | None = None) -> Price:
    """The yearly rate at which a loan earns what its capital is to earn, and no more.

    A loan of 1 that defaults within the year with probability p earns its rate r on the share
    1 - p, and loses p · LGD; so r (1 - p) = p · LGD + the other costs.

    Args:
        probability: of default within a year, in [0, 1).
        amount: in minor units, above 0.
        years: the term, above 0.
        costs: what lending costs.

    Raises:
        ContractError: if an argument is out of its range.
    """
    costs = costs or Costs()
    if not 0 <= probability < 1 or amount <= 0 or not years > 0:
        raise ContractError(
            "A price needs a probability below 1, an amount and a term above 0.",
            got=f"{probability}, {amount}, {years}",
        )
    survives = 1 - probability
    loss = probability * costs.loss_given_default / survives
    funding = costs.funding * (1 - costs.capital) / survives
    cost = (costs.servicing + costs.fixed / amount / years) / survives
    capital = costs.return_wanted * costs.capital / survives
    asked = loss + funding + cost + capital
    capped = costs.cap is not None and asked > costs.cap
    rate = costs.cap if capped and costs.cap is not None else asked
    return Price(rate, loss, funding, cost, capital, capped)


@dataclass(frozen=True)
class Demand:
    """How the chance that an offer is taken up depends on its rate.

    Log-odds of acceptance = intercept + slope · rate.

    Attributes:
        intercept: at a rate of 0.
        slope: per unit of rate (0.01 is one per cent), with its interval.
        elasticity: per cent of acceptances lost per per cent of rate at the mean rate offered,
            with its interval.
        rate: that mean rate.
    """

    intercept: float
    slope: Interval
    elasticity: Interval
    rate: float

    def accepts(self, rate: ArrayLike) -> Array:
        """The chance (n,) that offers at rates (n,) are taken up."""
        z = self.intercept + self.slope.value * np.asarray(rate, np.float64)
        return np.asarray(1 / (1 + np.exp(-z)))


def fit_demand(
    rate: ArrayLike, accepted: ArrayLike, strata: ArrayLike | None = None, level: float = 0.95
) -> Demand:
    """Learn how demand answers to the rate, from offers whose rate was drawn at random.

    Only then is the slope the effect of the rate: where the lender's own rule set it, riskier
    people got higher rates and the two cannot be told apart.

    Args:
        rate: (n,) yearly rates offered.
        accepted: (n,) 1 taken up, 0 not.
        strata: (n,) the group within which each rate was drawn; each has a level of its own.
        level: of the intervals.

    Raises:
        ContractError: if rates do not vary within the strata, or nobody or everybody accepted.

    Source: Wald intervals from the inverse information; elasticity by the delta method.
    """
    taken, rates = outcomes(accepted, rate)
    groups = np.zeros(len(rates)) if strata is None else np.asarray(strata)
    _, at = np.unique(groups, return_inverse=True)
    means = np.bincount(at, rates) / np.bincount(at)
    apart = rates - means[at]
    spread = float(apart.std())
    if not spread > 1e-12:
        raise ContractError(
            "Rates must have been drawn within each group.",
            got="no variation",
            do="offer rates at random to a share of applicants first.",
        )
    shown = np.eye(int(at.max()) + 1)[at][:, 1:]
    x = np.column_stack([rates / spread, shown])
    model = fit_logistic(x, taken, reg=0.0)
    chance = model.predict(x)
    full = np.column_stack([np.ones(len(x)), x])
    information = (full * (chance * (1 - chance))[:, None]).T @ full
    error = math.sqrt(float(np.linalg.inv(information)[1, 1])) / spread
    slope = model.coefficients[0] / spread
    half = NormalDist().inv_cdf((1 + level) / 2) * error
    middle = float(rates.mean())
    # d ln P / d ln r = slope · r · (1 - P), averaged over those offered.
    factor = middle * float((1 - chance).mean())
    intercept = math.log(float(taken.mean()) / (1 - float(taken.mean()))) - slope * middle
    found = Interval(slope, slope - half, slope + half, level)
    elastic = Interval(factor * slope, factor * found.low, factor * found.high, level)
    return Demand(intercept, found, elastic, middle)


def best_rate(
    demand: Demand, floor: float, *, cap: float | None = None, steps: int = 2000
) -> float:
    """The rate of the greatest expected margin: chance of acceptance · (rate - floor).

    Args:
        demand: how demand answers.
        floor: the rate at which the loan just earns its cost, as from `price`.
        cap: highest rate allowed.
        steps: rates tried between the floor and the cap, or floor + 1.

    Raises:
        ContractError: if the cap lies below the floor: such a loan cannot be priced.
    """
    top = floor + 1.0 if cap is None else cap
    if top < floor:
        raise ContractError(
            "The cap lies below what the loan costs.", got=f"{cap} < {floor}", do="do not offer it."
        )
    rates = np.linspace(floor, top, steps)
    return float(rates[int(np.argmax(demand.accepts(rates) * (rates - floor)))])
