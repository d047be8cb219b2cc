# SPDX-License-Identifier: Apache-2.0
"""What a default loses: measured on the book's own defaults, assumed until there are enough."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from heptad.analysis.loans.recoveries import loss_shares, recovery_curve, workout, workout_lgd
from heptad.apps.credit.running import rules

if TYPE_CHECKING:
    from collections.abc import Sequence

    from heptad.analysis.arrays import Array
    from heptad.analysis.loans.delinquency import Course
    from heptad.analysis.loans.recoveries import Workout
    from heptad.apps.credit.running.books import Held


@dataclass(frozen=True)
class LossShare:
    """What a default loses.

    Attributes:
        curve: (k,) share that came back within so many months, of the own defaults; only its
            first value where they are too few.
        cases: own defaults, whatever their age.
        watched: those watched to the end of the curve.
        realised: mean loss of those; NaN where they are too few.
    """

    curve: Array
    cases: int
    watched: int
    realised: float

    @property
    def own(self) -> bool:
        """Whether it was measured, not assumed."""
        return len(self.curve) > 1

    @property
    def by_scenario(self) -> Array:
        """Share lost of what is owed, (scenarios, months since the default)."""
        if not self.own:
            return rules.LGD
        shifts = rules.LGD - rules.LGD[0]
        return np.asarray(np.clip(loss_shares(self.curve) + shifts, 0, 1))


def defaults_of(held: Sequence[Held], courses: Sequence[Course]) -> list[Workout]:
    """Return each default of each loan with what came of it; those of nothing owed are left out."""
    cases = [
        workout(h.book, since, until, h.rate / 1e6)
        for h, c in zip(held, courses, strict=True)
        for since, until in c.defaults
    ]
    return [case for case in cases if case.exposure > 0]


def measured(cases: Sequence[Workout]) -> LossShare:
    """Return what defaults lost, as far as at least `rules.WORKED` of them were watched."""
    least, most = rules.WORKOUT
    ages = sorted((case.watched for case in cases), reverse=True)
    months = min(ages[rules.WORKED - 1], most) if len(ages) >= rules.WORKED else 0
    if months < least:
        return LossShare(np.zeros(1), len(cases), 0, float("nan"))
    old = [c for c in cases if c.watched >= months]
    lost = [workout_lgd(c.exposure, c.flows, c.rate) for c in old]
    return LossShare(recovery_curve(cases, months), len(cases), len(old), float(np.mean(lost)))
