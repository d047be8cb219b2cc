# SPDX-License-Identifier: Apache-2.0
"""A merchant's limit from stressed net cash flow, raised slowly and lowered at once."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from heptad.standards.errors import ContractError

if TYPE_CHECKING:
    from collections.abc import Sequence

WEEKS = 52


@dataclass(frozen=True)
class Terms:
    """How cash flow becomes a limit.

    Attributes:
        share: of a year's stressed net cash flow that may be lent, in months of it.
        stress: standard deviations of weekly cash flow taken off the mean.
        least_weeks: weeks of history without which there is no limit.
        rating_floor: platform rating, in [0, 1], at which the limit is 0; it is whole at 1.
        smallest: limits below are none, in minor units.
        largest: most, in minor units.
        step: limits are whole multiples of this, in minor units.
        rise: a limit is raised only if the new one is above it by this share, ...
        patience: ... this many reviews in a row.
        rise_most: most that one review raises, as a share.
        fall: a limit is lowered if the new one is below it by this share.
    """

    share: float = 3.0
    stress: float = 1.0
    least_weeks: int = 26
    rating_floor: float = 0.4
    smallest: int = 50_000
    largest: int = 50_000_000
    step: int = 10_000
    rise: float = 0.15
    patience: int = 2
    rise_most: float = 0.5
    fall: float = 0.1


@dataclass(frozen=True)
class CashFlow:
    """What weekly net cash flow says, in minor units per week.

    Attributes:
        mean: over the last year.
        trend: growth per week, as a share of the mean; 0 or below slows the limit.
        volatility: standard deviation around trend and season.
        trough: the lowest four weeks in a row of the last year, per week.
        stressed: what may be counted on.
    """

    mean: float
    trend: float
    volatility: float
    trough: float
    stressed: float


@dataclass(frozen=True)
class Limit:
    """A limit with what it came from, and how many reviews wanted it higher.

    Attributes:
        amount: in minor units.
        wanted: what the review would give without hysteresis.
        waiting: reviews in a row that wanted more.
        why: "new", "raised", "waiting", "kept", "lowered", "short" (too little history) or "low".
        flow: the cash flow; None where history is too short.
    """

    amount: int
    wanted: int
    waiting: int
    why: str
    flow: CashFlow | None


def cash_flow(net: Sequence[float], stress: float = 1.0) -> CashFlow:
    """Read weekly net cash flow.

    The stressed flow is the least of: the mean less `stress` deviations of what no slow movement
    explains; the mean carried half a year along a falling trend; and midway from the mean to the
    lowest month. With two years of history the trend is that from year to year, which no season
    can feign; with less it is a straight line through all weeks.

    Args:
        net: sales less refunds and costs per week, oldest first, in minor units.
        stress: deviations taken off.

    Raises:
        ContractError: if there are fewer than 8 weeks or a value is not finite.
    """
    known = [float(value) for value in net]
    weeks = known[-WEEKS:]
    if len(weeks) < 8 or not all(map(math.isfinite, known)):
        raise ContractError("Cash flow needs 8 weeks of finite values.", got=len(known))
    n = len(weeks)
    mean = math.fsum(weeks) / n
    slope = _slope(known)
    apart = [week - slow for week, slow in zip(weeks, _slow(weeks), strict=True)]
    volatility = math.sqrt(math.fsum(a * a for a in apart) / n)
    trough = min(math.fsum(weeks[i : i + 4]) / 4 for i in range(n - 3))
    ahead = mean + min(0.0, slope) * (n / 2 + WEEKS / 2)
    stressed = min(mean - stress * volatility, ahead, (mean + trough) / 2)
    trend = slope / mean if mean > 0 else 0.0
    return CashFlow(mean, trend, volatility, trough, max(0.0, stressed))


def _slope(known: Sequence[float]) -> float:
    """Growth per week: from year to year where there are two, else of a line through the weeks."""
    if len(known) >= 2 * WEEKS:
        last, before = known[-WEEKS:], known[-2 * WEEKS : -WEEKS]
        return (math.fsum(last) - math.fsum(before)) / WEEKS**2
    weeks = known[-WEEKS:]
    middle = (len(weeks) - 1) / 2
    spread = math.fsum((i - middle) ** 2 for i in range(len(weeks)))
    return math.fsum((i - middle) * week for i, week in enumerate(weeks)) / spread


def _slow(values: Sequence[float]) -> list[float]:
    """The mean of each value and its eight neighbours: what moves slower than a month."""
    found = []
    for i in range(len(values)):
        near = values[max(0, i - 4) : i + 5]
        found.append(math.fsum(near) / len(near))
    return found


def review(
    net: Sequence[float],
    rating: float,
    before: Limit | None = None,
    terms: Terms | None = None,
    *,
    loss_budget: int | None = None,
    probability: float = 0.0,
) -> Limit:
    """Review a merchant's limit.

    A limit falls at once, to what the cash flow carries; it rises only after several reviews
    wanted more, and by steps, so that one good month does not move it up and down.

    Args:
        net: weekly net cash flow, oldest first, in minor units.
        rating: what the platform thinks of the merchant, in [0, 1].
        before: the limit of the last review.
        terms: how cash flow becomes a limit.
        loss_budget: most expected loss on this merchant, in minor units; None is no bound.
        probability: of default, for that bound.

    Raises:
        ContractError: if rating or probability lies outside [0, 1].
    """
    terms = terms or Terms()
    if not (0 <= rating <= 1 and 0 <= probability <= 1):
        raise ContractError(
            "Rating and probability must lie in [0, 1].", got=f"{rating}, {probability}"
        )
    if len(net) < terms.least_weeks:
        return Limit(0, 0, 0, "short", None)
    flow = cash_flow(net, terms.stress)
    trust = max(0.0, (rating - terms.rating_floor) / (1 - terms.rating_floor))
    carried = flow.stressed * WEEKS / 12 * terms.share * trust
    if loss_budget is not None and probability > 0:
        carried = min(carried, loss_budget / probability)
    wanted = int(min(carried, terms.largest) // terms.step * terms.step)
    wanted = wanted if wanted >= terms.smallest else 0
    return _moved(wanted, flow, before, terms)


def _moved(wanted: int, flow: CashFlow, before: Limit | None, terms: Terms) -> Limit:
    if before is None or before.amount == 0:
        return Limit(wanted, wanted, 0, "new" if wanted else "low", flow)
    held = before.amount
    if wanted <= held * (1 - terms.fall):
        return Limit(wanted, wanted, 0, "lowered" if wanted else "low", flow)
    if wanted < held * (1 + terms.rise):
        return Limit(held, wanted, 0, "kept", flow)
    waiting = before.waiting + 1
    if waiting < terms.patience:
        return Limit(held, wanted, waiting, "waiting", flow)
    most = int(held * (1 + terms.rise_most)) // terms.step * terms.step
    return Limit(min(wanted, max(most, held)), wanted, 0, "raised", flow)


GROUPS = ("A", "B", "C", "D", "E")
PURPOSES = {
    "A": ("working capital", "inventory", "equipment", "expansion", "refinancing"),
    "B": ("working capital", "inventory", "equipment", "expansion"),
    "C": ("working capital", "inventory", "equipment"),
    "D": ("working capital", "inventory"),
    "E": (),
}


def group(probability: float, cuts: Sequence[float] = (0.02, 0.05, 0.1, 0.2)) -> str:
    """The general score in five groups: A the safest.

    Args:
        probability: of default.
        cuts: four rising probabilities; a case at a cut is in the worse group.

    Raises:
        ContractError: if the probability lies outside [0, 1] or the cuts do not rise.
    """
    if not 0 <= probability <= 1 or list(cuts) != sorted(set(cuts)) or len(cuts) != 4:
        raise ContractError(
            "A group needs a probability and four rising cuts.", got=f"{probability}, {cuts}"
        )
    return GROUPS[sum(probability >= cut for cut in cuts)]
