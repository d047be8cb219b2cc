# SPDX-License-Identifier: Apache-2.0
"""How a decision and its score treat groups: approval, discrimination and truth by group."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from heptad.analysis.arrays import numbers, target
from heptad.analysis.evaluation import auc
from heptad.analysis.intervals import Interval, wilson
from heptad.standards.errors import ContractError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


@dataclass(frozen=True)
class Group:
    """One group's figures; None where it has too few cases of a kind.

    Attributes:
        name: of the group; "missing" for those without a value.
        n: cases.
        approved: share approved.
        impact: that share over the most approved group's.
        good_approved: share of its good cases approved (equal opportunity).
        auc: how well the score ranks within the group.
        gap: mean probability of bad less its bad rate; above 0 it is taken for worse than it is.
    """

    name: str
    n: int
    approved: Interval
    impact: float
    good_approved: Interval | None
    auc: float | None
    gap: Interval


@dataclass(frozen=True)
class Fairness:
    """All groups, the lowest impact, and the groups whose interval lies below four fifths.

    Attributes:
        groups: largest first.
        lowest: the lowest impact.
        below: groups whose impact is below `least` beyond chance.
        least: the ratio asked for.
    """

    groups: tuple[Group, ...]
    lowest: float
    below: tuple[str, ...]
    least: float


def by_group(
    group: ArrayLike,
    approved: ArrayLike,
    probability: ArrayLike,
    y: ArrayLike,
    *,
    least: float = 0.8,
    seed: int = 0,
) -> Fairness:
    """Compare groups that must not be learned from, such as by sex or age.

    Args:
        group: (n,) the group of each case; None or NaN is a group of its own.
        approved: (n,) whether it was, or would be, approved.
        probability: (n,) of bad.
        y: (n,) outcomes, 1 bad.
        least: the least share of approvals, over the most approved group's, asked for.
        seed: of the intervals.

    Raises:
        ContractError: if lengths differ or there is but one group.

    Source: the four-fifths rule of 29 CFR 1607.4 (D); Hardt, Price, Srebro, Equality of
        opportunity in supervised learning, 2016.
    """
    labels, chance = target(y), numbers(probability, "probability")
    yes = np.asarray(approved, bool)
    held = np.array([_named(value) for value in np.asarray(group).tolist()])
    if not len(held) == len(labels) == len(chance) == len(yes):
        raise ContractError("Groups and cases must have the same length.", got=len(held))
    names, counts = np.unique(held, return_counts=True)
    if len(names) < 2:
        raise ContractError("At least two groups are needed.", got=names.tolist())
    rates = {
        name: wilson(int(yes[held == name].sum()), int(n))
        for name, n in zip(names, counts, strict=True)
    }
    best = max(rates, key=lambda name: rates[name].value)
    top = rates[best].value or 1.0
    groups = [
        _group(str(name), held == name, yes, chance, labels, rates[name], top, seed)
        for name in names
    ]
    below = [g.name for g in groups if g.name != best and g.approved.high / top < least]
    ordered = sorted(groups, key=lambda g: -g.n)
    return Fairness(tuple(ordered), min(g.impact for g in groups), tuple(below), least)


def _named(value: Any) -> str:
    return "missing" if value is None or value != value else str(value)  # noqa: PLR0124


def _group(  # noqa: PLR0913, PLR0917
    name: str, here: Any, yes: Any, chance: Any, y: Any, rate: Interval, top: float, seed: int
) -> Group:
    good = here & (y == 0)
    both = 0 < y[here].sum() < here.sum()
    gap = _mean_gap(chance[here] - y[here], seed)
    return Group(
        name=name,
        n=int(here.sum()),
        approved=rate,
        impact=rate.value / top,
        good_approved=wilson(int(yes[good].sum()), int(good.sum())) if good.any() else None,
        auc=auc(y[here], chance[here]) if both else None,
        gap=gap,
    )


def _mean_gap(gap: Any, seed: int) -> Interval:
    random = np.random.default_rng(seed)
    found = [gap[random.integers(0, len(gap), len(gap))].mean() for _ in range(400)]
    low, high = np.quantile(found, [0.025, 0.975])
    return Interval(float(gap.mean()), float(low), float(high))
