# SPDX-License-Identifier: Apache-2.0
"""Confidence intervals: seeded bootstrap by class, DeLong for areas, Wilson for rates."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np

from heptad.analysis.arrays import Array, outcomes, target
from heptad.standards.errors import ContractError

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import ArrayLike


@dataclass(frozen=True)
class Interval:
    """A figure and the interval that holds it at the level stated."""

    value: float
    low: float
    high: float
    level: float = 0.95

    def __str__(self) -> str:
        return f"{self.value:.4f} ({self.low:.4f} to {self.high:.4f})"


@dataclass(frozen=True)
class Difference:
    """The difference of two areas on the same cases, and the chance of it if there were none."""

    interval: Interval
    standard_error: float
    p_value: float


def bootstrap(
    statistic: Callable[..., float],
    y: ArrayLike,
    *arrays: ArrayLike,
    n: int = 1000,
    seed: int = 0,
    level: float = 0.95,
    method: str = "percentile",
) -> Interval:
    """Draw cases again within each class, and see how far a statistic moves.

    Args:
        statistic: of (y, *arrays), each (m,).
        y: (m,) 1 bad, 0 good.
        arrays: (m,) what else the statistic takes, drawn along with y.
        n: samples drawn.
        seed: same seed, same interval.
        level: of the interval.
        method: "percentile", or "basic", which mirrors it about the value and so takes out
            the bias of a statistic that noise pushes one way.

    Raises:
        ContractError: if there is only one class, lengths differ, or an option is unknown.
    """
    labels = target(y)
    parts = [np.asarray(array) for array in arrays]
    if any(len(part) != len(labels) for part in parts):
        raise ContractError("All arrays must be as long as y.", got=[len(part) for part in parts])
    if n < 1 or not 0 < level < 1 or method not in {"percentile", "basic"}:
        raise ContractError("Unknown bootstrap.", got=f"n={n}, level={level}, method={method}")
    value = float(statistic(labels, *parts))
    random = np.random.Generator(np.random.PCG64(seed))
    places = [np.flatnonzero(labels == 0), np.flatnonzero(labels == 1)]
    found = np.empty(n)
    for i in range(n):
        drawn = np.concatenate(
            [place[random.integers(0, len(place), len(place))] for place in places]
        )
        found[i] = statistic(labels[drawn], *(part[drawn] for part in parts))
    low, high = (float(q) for q in np.quantile(found, [(1 - level) / 2, (1 + level) / 2]))
    if method == "basic":
        low, high = 2 * value - high, 2 * value - low
    return Interval(value, low, high, level)


def area(labels: Array, score: Array) -> float:
    """The area under the ROC curve, exact: a ratio of two integers, rounded once."""
    bad, good = score[labels == 1], np.sort(score[labels == 0])
    twice = np.searchsorted(good, bad, "left") + np.searchsorted(good, bad, "right")
    return int(twice.sum()) / (2 * len(bad) * len(good))


def _placements(labels: Array, score: Array) -> tuple[Array, Array]:
    """For each bad the share of goods below it, and for each good the share of bads above it."""
    bad, good = score[labels == 1], score[labels == 0]
    ranked_bad, ranked_good = np.sort(bad), np.sort(good)
    below = np.searchsorted(ranked_good, bad, "left") + np.searchsorted(ranked_good, bad, "right")
    above = np.searchsorted(ranked_bad, good, "left") + np.searchsorted(ranked_bad, good, "right")
    return below / (2 * len(good)), 1 - above / (2 * len(bad))


def _variance(bad: Array, good: Array) -> float:
    if min(len(bad), len(good)) < 2:
        raise ContractError(
            "At least two cases of each kind are needed.", got=f"{len(bad)} bad, {len(good)} good"
        )
    return float(bad.var(ddof=1) / len(bad) + good.var(ddof=1) / len(good))


def delong(y: ArrayLike, score: ArrayLike, level: float = 0.95) -> Interval:
    """The area under the ROC curve with its interval, cut to [0, 1].

    Args:
        y: (n,) 1 bad, 0 good.
        score: (n,) higher means worse.
        level: of the interval.

    Raises:
        ContractError: if a class has fewer than two cases.

    Source: DeLong, DeLong, Clarke-Pearson, Comparing the areas under two or more correlated ROC
        curves, Biometrics 44, 1988; by ranks as in Sun and Xu, IEEE SPL 21, 2014.
    """
    labels, values = outcomes(y, score)
    bad, good = _placements(labels, values)
    half = NormalDist().inv_cdf((1 + level) / 2) * math.sqrt(_variance(bad, good))
    value = area(labels, values)
    return Interval(value, max(0.0, value - half), min(1.0, value + half), level)


def delong_paired(
    y: ArrayLike, first: ArrayLike, second: ArrayLike, level: float = 0.95
) -> Difference:
    """Compare the areas of two scores of the same cases: first less second.

    Args:
        y: (n,) 1 bad, 0 good.
        first: (n,) higher means worse.
        second: (n,) likewise.
        level: of the interval.

    Raises:
        ContractError: if a class has fewer than two cases.

    Source: as `delong`; the p-value is two-sided normal.
    """
    labels, one = outcomes(y, first)
    two = outcomes(y, second)[1]
    bad_one, good_one = _placements(labels, one)
    bad_two, good_two = _placements(labels, two)
    error = math.sqrt(_variance(bad_one - bad_two, good_one - good_two))
    gap = area(labels, one) - area(labels, two)
    half = NormalDist().inv_cdf((1 + level) / 2) * error
    chance = math.erfc(abs(gap) / error / math.sqrt(2)) if error > 0 else float(gap == 0)
    return Difference(Interval(gap, gap - half, gap + half, level), error, chance)


def wilson(events: int, n: int, level: float = 0.95) -> Interval:
    """A rate with Wilson's score interval.

    Args:
        events: how many of n.
        n: cases, at least 1.
        level: of the interval.

    Source: Wilson, Probable inference, JASA 22, 1927.
    """
    if not 0 <= events <= n or n < 1:
        raise ContractError("Events must lie between 0 and the cases.", got=f"{events} of {n}")
    z = NormalDist().inv_cdf((1 + level) / 2)
    rate = events / n
    middle = (rate + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(rate * (1 - rate) / n + z * z / (4 * n * n))
    return Interval(
        rate, min(rate, max(0.0, middle - half)), max(rate, min(1.0, middle + half)), level
    )
