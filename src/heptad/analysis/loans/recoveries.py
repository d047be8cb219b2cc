# SPDX-License-Identifier: Apache-2.0
"""What a default loses in the end (LGD), what will be owed then (EAD), and what still comes back."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from heptad.analysis.arrays import numbers
from heptad.standards.errors import ContractError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike

    from heptad.analysis.arrays import Array


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
    worth = math.fsum((f.recovered - f.cost) * (1 + rate) ** (-f.days / 365) for f in flows)
    return round(1 - worth / exposure, 12)


def recovery_curve(age: ArrayLike, seen: ArrayLike, share: ArrayLike, months: int) -> Array:
    """Estimate which share of a default has come back by so many months, open cases included.

    Args:
        age: (n,) months after the default in which money came, one row for each case and month.
        seen: (cases,) months for which each case has been watched so far.
        share: (n,) of what was owed at default that came in that month.
        months: how far the curve goes.

    Returns:
        (months + 1,) cumulative share, from month 0: in each month the mean over the cases that
        were watched for it, so that young cases count where they can be seen. NaN from the first
        month on that no case has reached.

    Raises:
        ContractError: if there is no case.
    """
    ages, watched = np.asarray(age, np.int64), np.asarray(seen, np.int64)
    if not len(watched):
        raise ContractError("A recovery curve needs a case.", got=0)
    came = np.bincount(ages, weights=np.asarray(share, np.float64), minlength=months + 1)
    there = np.array([(watched >= m).sum() for m in range(months + 1)], np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        each = np.where(there > 0, came[: months + 1] / there, np.nan)
    return np.asarray(np.cumsum(each))


def still_to_come(curve: Array, months: ArrayLike, exposure: ArrayLike) -> Array:
    """Return what is expected to come back yet of defaults of some age, in minor units.

    Args:
        curve: (k,) cumulative shares; the last known one is the end.
        months: (n,) since the default.
        exposure: (n,) owed at default, in minor units.
    """
    known = curve[np.isfinite(curve)]
    at = np.minimum(np.asarray(months, np.int64), len(known) - 1)
    return np.asarray((known[-1] - known[at]) * np.asarray(exposure, np.float64))


def downturn(lgd: ArrayLike, add: float = 0.05, floor: float = 0.0) -> Array:
    """Return LGD in a downturn: raised by an add-on, at least a floor, at most 1."""
    return np.asarray(np.clip(np.asarray(lgd, np.float64) + add, floor, 1.0))


def conversion(drawn: ArrayLike, limit: ArrayLike, at_default: ArrayLike) -> float:
    """Estimate the share of a line's free part that is drawn until default (CCF).

    Args:
        drawn: (n,) minor units, a year before the default.
        limit: (n,) minor units.
        at_default: (n,) minor units.

    Returns:
        Σ (drawn at default - drawn) / Σ (limit - drawn) over lines with room, in [0, 1].

    Raises:
        ContractError: if no line had room.
    """
    before, most, then = (numbers(x, "amounts") for x in (drawn, limit, at_default))
    room = most - before
    free = room > 0
    if not free.any():
        raise ContractError("No line had room.", got=len(room))
    return float(np.clip((then - before)[free].sum() / room[free].sum(), 0, 1))


def exposure_at_default(drawn: ArrayLike, limit: ArrayLike, share: float) -> Array:
    """Return what will be owed at default: what is drawn, and a share of what is free."""
    used, most = np.asarray(drawn, np.float64), np.asarray(limit, np.float64)
    return np.asarray(used + share * np.maximum(most - used, 0))
