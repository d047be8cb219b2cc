# SPDX-License-Identifier: Apache-2.0
"""Whether one recommender is better than another: paired by user, corrected for many questions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from heptad.analysis.intervals import Interval
from heptad.standards.errors import ContractError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import ArrayLike

    from heptad.analysis.arrays import Array


@dataclass(frozen=True)
class Comparison:
    """The mean difference of paired values.

    Attributes:
        interval: of the difference, by drawing users again.
        p_value: of a difference as large if signs were chance, two-sided.
        adjusted: the same after correction for all that was asked together.
    """

    interval: Interval
    p_value: float
    adjusted: float

    @property
    def better(self) -> bool:
        """Whether the first is better beyond chance at 5 %, all questions counted."""
        return self.interval.value > 0 and self.adjusted < 0.05

    def __str__(self) -> str:
        return f"{self.interval}, p {self.adjusted:.4f} after correction"


def mean_interval(values: ArrayLike, *, n: int = 2_000, seed: int = 0) -> Interval:
    """Return the mean of (m,) users' values with the 95 % interval of drawing users again."""
    each = _checked(values)
    means = _drawn_means(each, n, seed)
    low, high = np.quantile(means, [0.025, 0.975])
    return Interval(float(each.mean()), float(low), float(high))


def compare(
    ours: ArrayLike, others: Mapping[str, ArrayLike], *, n: int = 5_000, seed: int = 0
) -> dict[str, Comparison]:
    """Compare our values with those of others on the same users.

    Args:
        ours: (m,) a metric by user.
        others: name → (m,) the same metric of the same users.
        n: draws, of users for the interval and of signs for the test.
        seed: same seed, same answer.

    Returns:
        name → difference ours - other, with Holm's correction over all names.

    Raises:
        ContractError: if lengths differ or a value is not finite.
    """
    mine = _checked(ours)
    found: dict[str, tuple[Interval, float]] = {}
    for name, values in others.items():
        theirs = _checked(values)
        if len(theirs) != len(mine):
            raise ContractError(
                "Paired values must be of the same users.", got=f"{len(mine)}, {len(theirs)}"
            )
        gap = mine - theirs
        found[name] = mean_interval(gap, n=n, seed=seed), _flipped(gap, n, seed)
    adjusted = holm({name: p for name, (_, p) in found.items()})
    return {name: Comparison(i, p, adjusted[name]) for name, (i, p) in found.items()}


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """Correct p-values for having asked them all.

    Source: Holm, A simple sequentially rejective multiple test procedure, 1979.

    >>> holm({"a": 0.01, "b": 0.04})
    {'a': 0.02, 'b': 0.04}
    """
    order = sorted(p_values, key=lambda name: p_values[name])
    adjusted, least = {}, 0.0
    for place, name in enumerate(order):
        least = max(least, min(1.0, (len(order) - place) * p_values[name]))
        adjusted[name] = least
    return adjusted


def _flipped(gap: Array, n: int, seed: int) -> float:
    """The share of random signs whose mean is at least as far from 0."""
    random = np.random.default_rng(seed)
    size = abs(float(gap.mean()))
    beyond = 0
    for start in range(0, n, 500):
        signs = random.integers(0, 2, (min(500, n - start), len(gap)), dtype=np.int8) * 2 - 1
        beyond += int((np.abs(signs @ gap) / len(gap) >= size - 1e-15).sum())
    return (beyond + 1) / (n + 1)


def _drawn_means(each: Array, n: int, seed: int) -> Array:
    random = np.random.default_rng(seed)
    means = np.empty(n)
    for start in range(0, n, 500):
        some = min(500, n - start)
        means[start : start + some] = each[random.integers(0, len(each), (some, len(each)))].mean(1)
    return means


def _checked(values: ArrayLike) -> Array:
    each = np.asarray(values, dtype=np.float64)
    if each.ndim != 1 or not len(each) or not np.isfinite(each).all():
        raise ContractError("Paired values must be one finite column.", got=f"shape {each.shape}")
    return each
