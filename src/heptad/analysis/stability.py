# SPDX-License-Identifier: Apache-2.0
"""Whether scores and characteristics still look as they did: PSI and CSI."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from heptad.analysis.arrays import Array, numbers
from heptad.standards.errors import ContractError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

_EMPTY = 1e-4


def psi(expected: ArrayLike, actual: ArrayLike, bins: int = 10) -> float:
    """Measure how far a distribution has moved (population stability index).

    Args:
        expected: (n,) reference scores.
        actual: (m,) recent scores.
        bins: most quantile bins of `expected`; equal values share one.

    Returns:
        PSI, dimensionless: < 0.1 stable, > 0.25 moved. Empty bins count as 1e-4.

    Raises:
        ContractError: if either array is empty or has a NaN.

    Source: Siddiqi, Credit Risk Scorecards, 2006, ch. 9 (system stability report).

    >>> psi(np.array([.1, .2, .3, .4]), np.array([.1, .2, .3, .4]))
    0.0
    >>> round(psi(np.array([.1, .2, .3, .4]), np.array([.3, .3, .4, .4]), bins=2), 3)
    4.604
    """
    before, now = numbers(expected, "expected"), numbers(actual, "actual")
    if bins < 1:
        raise ContractError("At least one bin is needed.", got=bins)
    ranked = np.sort(before)
    edges = np.unique(ranked[np.arange(1, bins) * len(ranked) // bins])
    edges = edges[edges > ranked[0]]
    size = len(edges) + 1
    return psi_counts(
        np.bincount(np.searchsorted(edges, before, side="right"), minlength=size),
        np.bincount(np.searchsorted(edges, now, side="right"), minlength=size),
    )


def psi_counts(expected: ArrayLike, actual: ArrayLike) -> float:
    """PSI of counts that are binned already, such as those kept in a catalog.

    Args:
        expected: (k,) reference counts or weights by bin.
        actual: (k,) recent ones.

    Returns:
        PSI, dimensionless. Empty bins count as a share of 1e-4.

    Raises:
        ContractError: if lengths differ, a count is negative or a side is empty.
    """
    before, now = _shares(expected, "expected"), _shares(actual, "actual")
    if len(before) != len(now):
        raise ContractError("Both sides need the same bins.", got=f"{len(before)}, {len(now)}")
    floored = [(max(e, _EMPTY), max(a, _EMPTY)) for e, a in zip(before, now, strict=True)]
    return math.fsum((a - e) * math.log(a / e) for e, a in floored)


def _shares(counts: ArrayLike, name: str) -> list[float]:
    values = numbers(counts, name)
    if (values < 0).any() or values.sum() <= 0:
        raise ContractError(f"{name} needs counts above 0.", got=float(values.min()))
    shares: list[float] = (values / values.sum()).tolist()
    return shares


class Csi(NamedTuple):
    """How far one characteristic has moved, and by how many points that moved the score."""

    psi: float
    shift: float


def csi(expected: ArrayLike, actual: ArrayLike, points: ArrayLike) -> Csi:
    """Measure how far one characteristic has moved (characteristic stability index).

    Args:
        expected: (n,) bins at the time of training, from 0, missing being one of them.
        actual: (m,) recent bins.
        points: (k,) the card's points by bin.

    Returns:
        The PSI over the bins, and the mean points now less then: below 0 the population has
        become riskier by this characteristic.

    Raises:
        ContractError: if a side is empty or a bin has no points.

    Source: Siddiqi, Credit Risk Scorecards, 2006, ch. 9 (characteristic analysis report).

    >>> csi(np.array([0, 0, 1, 1]), np.array([0, 1, 1, 1]), np.array([10, -10])).shift
    -5.0
    """
    worth = numbers(points, "points")
    before = _counts(expected, "expected", len(worth))
    now = _counts(actual, "actual", len(worth))
    shift = float((now / now.sum() * worth).sum() - (before / before.sum() * worth).sum())
    return Csi(psi_counts(before, now), shift)


def _counts(codes: ArrayLike, name: str, size: int) -> Array:
    values = np.asarray(codes)
    if values.ndim != 1 or len(values) == 0 or values.dtype.kind not in "iu":
        raise ContractError(f"{name} must be one column of bins.", got=str(values.dtype))
    if values.min() < 0 or values.max() >= size:
        odd = int(values.max() if values.max() >= size else values.min())
        raise ContractError(f"{name} has a bin without points.", got=odd)
    return np.bincount(values, minlength=size).astype(np.float64)
