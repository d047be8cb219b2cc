# SPDX-License-Identifier: Apache-2.0
"""Swap sets: who moves in and who moves out when one decision takes the place of another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from heptad.analysis.intervals import Interval, bootstrap
from heptad.standards.errors import ContractError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


@dataclass(frozen=True)
class Swap:
    """Cases by what an old and a new decision say, and what became of them.

    Attributes:
        counts: (old approved, new approved) → cases.
        bads: likewise of known outcomes, the bad ones.
        known: likewise, those with a known outcome.
        approved: share approved by the old and by the new.
        bad_rate: of those approved with a known outcome, by the old and by the new, with the
            interval of the difference.
        difference: new bad rate less old.
    """

    counts: dict[tuple[bool, bool], int]
    bads: dict[tuple[bool, bool], int]
    known: dict[tuple[bool, bool], int]
    approved: tuple[float, float]
    bad_rate: tuple[float, float]
    difference: Interval


def swap_set(old: ArrayLike, new: ArrayLike, y: ArrayLike, *, seed: int = 0) -> Swap:
    """Who moves in and who moves out when one decision takes the place of another.

    Args:
        old: (n,) whether the old decision approves.
        new: (n,) whether the new one does.
        y: (n,) 1 bad, 0 good, NaN not known.
        seed: of the interval.

    Raises:
        ContractError: if lengths differ, or nobody with a known outcome is approved by both.
    """
    before, now = np.asarray(old, bool), np.asarray(new, bool)
    outcome = np.asarray(y, np.float64)
    if not len(before) == len(now) == len(outcome):
        raise ContractError("Decisions and outcomes must have the same length.", got=len(outcome))
    known = ~np.isnan(outcome)
    if not (known & before).any() or not (known & now).any():
        raise ContractError(
            "Both decisions need approved cases with an outcome.", got=int(known.sum())
        )
    quarters = [(a, b) for a in (True, False) for b in (True, False)]
    place = {q: (before == q[0]) & (now == q[1]) for q in quarters}

    def gap(labels: Any, one: Any, other: Any) -> float:
        mine, theirs = labels[other.astype(bool)], labels[one.astype(bool)]
        return float(mine.mean() - theirs.mean()) if len(mine) and len(theirs) else 0.0

    rates = tuple(float(outcome[known & side].mean()) for side in (before, now))
    return Swap(
        counts={q: int(place[q].sum()) for q in quarters},
        bads={q: int(outcome[place[q] & known].sum()) for q in quarters},
        known={q: int((place[q] & known).sum()) for q in quarters},
        approved=(float(before.mean()), float(now.mean())),
        bad_rate=(rates[0], rates[1]),
        difference=bootstrap(gap, outcome[known], before[known], now[known], n=400, seed=seed),
    )
