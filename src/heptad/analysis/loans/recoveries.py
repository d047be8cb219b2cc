# SPDX-License-Identifier: Apache-2.0
"""What a default loses in the end (LGD), measured on the defaults that a book has had."""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from heptad.standards.errors import ContractError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from heptad.analysis.arrays import Array
    from heptad.analysis.loans.ledger import Book

MONTH = 365.25 / 12
"""Days of a month after a default."""


@dataclass(frozen=True)
class Flow:
    """Money that came of a default, and what it took.

    Attributes:
        days: since the default.
        recovered: in minor units.
        cost: in minor units.
    """

    days: int
    recovered: int
    cost: int = 0


@dataclass(frozen=True)
class Workout:
    """One default and what came of it so far.

    Attributes:
        exposure: owed at the default, in minor units.
        rate: yearly rate of the loan, as a fraction.
        watched: whole months since the default.
        flows: what came, in order of days.
    """

    exposure: int
    rate: float
    watched: int
    flows: tuple[Flow, ...]


def workout(made: Book, since: date, until: date | None, rate: float) -> Workout:
    """Return what came of a default by the day of a book.

    What is owed on the day on which a default was cured counts as having come on that day.

    Args:
        made: the book.
        since: first day of the default.
        until: day on which it was over; None while it lasts.
        rate: yearly rate of the loan, as a fraction.

    Source: EBA/GL/2017/16, sections 6.3.1 and 6.3.2.
    """
    steps = made.steps
    at = max(bisect_right([s.day for s in steps], since) - 1, 0)
    # What is written off is owed no more at the end of that day: the day before tells.
    exposure = steps[at].owed or (steps[at - 1].owed if at else made.total("lent"))
    end, last, flows = until or made.day, steps[at], []
    for step in steps[at + 1 :]:
        if step.day > end:
            break
        if step.cash > last.cash:
            flows.append(Flow((step.day - since).days, step.cash - last.cash))
        last = step
    if until is not None and last.owed > 0:
        flows.append(Flow((until - since).days, last.owed))
    return Workout(exposure, rate, int((made.day - since).days / MONTH), tuple(flows))


def workout_lgd(exposure: int, flows: Sequence[Flow], rate: float) -> float:
    """Return the share of what was owed at default that was lost in the end.

    Args:
        exposure: owed at default, in minor units.
        flows: what came of it.
        rate: yearly rate at which they are discounted to the default, over 365 days.

    Returns:
        1 - Σ (recovered - cost) / (1 + rate)^(days / 365) / exposure: below 0 where more came
        back than was owed, above 1 where it cost more than came back.

    Raises:
        ContractError: if nothing was owed.

    Source: EBA/GL/2017/16, sections 6.3.1 and 6.3.2.

    >>> workout_lgd(1000, [Flow(365, 440, 0), Flow(730, 242, 0)], 0.1)
    0.4
    """
    if exposure <= 0:
        raise ContractError("A default is of something owed.", got=exposure)
    worth = math.fsum(_worth(f, rate) for f in flows)
    return round(1 - worth / exposure, 12)


def _worth(flow: Flow, rate: float) -> float:
    return float((flow.recovered - flow.cost) * (1 + rate) ** (-flow.days / 365))


def recovery_curve(cases: Sequence[Workout], months: int) -> Array:
    """Estimate which share of a default has come back by so many months, young cases included.

    Args:
        cases: defaults of something owed.
        months: how far the curve goes.

    Returns:
        (months + 1,) share that has come back within so many months, 0 at first, discounted to
        the default: in each month the mean share of all cases that were watched to its end, each
        with the same weight, so that young cases count where they can be seen. NaN where none
        was watched for so long.

    Raises:
        ContractError: if there is no case, or nothing was owed.

    Source: EBA/GL/2017/16, section 6.3.2: averages are weighted by the number of defaults.
    """
    if not cases:
        raise ContractError("A recovery curve needs a case.", got=0)
    came, there = np.zeros(months), np.zeros(months)
    for case in cases:
        if case.exposure <= 0:
            raise ContractError("A default is of something owed.", got=case.exposure)
        there[: case.watched] += 1
        for flow in case.flows:
            month = int(flow.days / MONTH)
            if month < min(months, case.watched):
                came[month] += _worth(flow, case.rate) / case.exposure
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.concatenate([[0.0], np.cumsum(np.where(there > 0, came / there, np.nan))])


def loss_shares(curve: Array) -> Array:
    """Return the share that is lost of what is still owed so many months after a default.

    Args:
        curve: (k,) share that has come back within so many months; nothing comes after its end.

    Returns:
        (k,) in [0, 1]: (1 - end) / (1 - curve). The first is what a default loses of all that is
        owed then.
    """
    left = 1 - curve
    with np.errstate(divide="ignore", invalid="ignore"):
        lost = np.where(left > 0, (1 - curve[-1]) / left, 0.0)
    return np.asarray(np.clip(lost, 0, 1))
