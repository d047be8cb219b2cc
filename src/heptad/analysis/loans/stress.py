# SPDX-License-Identifier: Apache-2.0
"""What the economy does to defaults: a line through the past, carried along a scenario's path."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from heptad.standards.errors import ContractError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import ArrayLike

    from heptad.analysis.arrays import Array

_LEAST = 1e-6


@dataclass(frozen=True)
class Link:
    """How the log-odds of default follow macro series.

    Attributes:
        names: of the series.
        weights: (k,) change of the log-odds for one standard deviation of each series.
        mean, spread: (k,) of each series in the past.
        level: log-odds of default where every series is at its mean.
        explained: share of the variance of the log-odds that the line explains (R²).
    """

    names: tuple[str, ...]
    weights: Array
    mean: Array
    spread: Array
    level: float
    explained: float

    def shift(self, path: Mapping[str, ArrayLike]) -> Array:
        """Return how far a path of the series moves the log-odds from the mean, (months,).

        Raises:
            ContractError: if the path lacks a series.
        """
        missing = [name for name in self.names if name not in path]
        if missing:
            raise ContractError("The path lacks a series.", got=", ".join(missing))
        values = np.stack([np.asarray(path[name], np.float64) for name in self.names], axis=1)
        return np.asarray((values - self.mean) / self.spread @ self.weights)


def link(rates: ArrayLike, series: Mapping[str, ArrayLike], lag: int = 0, reg: float = 1.0) -> Link:
    """Fit how default rates followed macro series.

    Args:
        rates: (n,) share of loans that defaulted in each period.
        series: name → (n,) values of the same periods.
        lag: periods by which the series lead.
        reg: weight of the penalty on standardised weights; short series need one.

    Raises:
        ContractError: if fewer than ten periods are left, or a series does not move.

    Source: least squares with a ridge penalty (Hoerl and Kennard, 1970) on log-odds.
    """
    names = tuple(series)
    y = _log_odds(np.asarray(rates, np.float64)[lag:])
    x = np.stack([np.asarray(series[n], np.float64)[: len(y)] for n in names], axis=1)
    mean, spread = x.mean(axis=0), x.std(axis=0)
    if len(y) < 10 or not (spread > 0).all():
        raise ContractError("A link needs ten periods of series that move.", got=len(y))
    z = (x - mean) / spread
    middle = float(y.mean())
    weights = np.linalg.solve(z.T @ z + reg * np.eye(len(names)), z.T @ (y - middle))
    left = y - middle - z @ weights
    whole = float(((y - middle) ** 2).sum())
    explained = 1 - float((left**2).sum()) / whole if whole else 0.0
    return Link(names, weights, mean, spread, middle, explained)


def _log_odds(share: Array) -> Array:
    inside = np.clip(share, _LEAST, 1 - _LEAST)
    return np.asarray(np.log(inside / (1 - inside)))


def stressed(hazard: ArrayLike, shift: ArrayLike) -> Array:
    """Return monthly hazards of grades, moved along a path.

    Args:
        hazard: (grades, months) probability to default in a month.
        shift: (m,) change of the log-odds by month; after its end it fades by half each year.

    Returns:
        (grades, months).
    """
    base, moved = np.asarray(hazard, np.float64), np.asarray(shift, np.float64)
    months = base.shape[1]
    beyond = moved[-1] * 0.5 ** (np.arange(1, max(0, months - len(moved)) + 1) / 12)
    path = np.concatenate([moved, beyond])[:months]
    odds = np.exp(path)
    return np.asarray(base * odds / (1 + base * (odds - 1)))


def reverse(loss: Sequence[tuple[float, int]], capital: int) -> float | None:
    """Return the mildest shift of the log-odds that uses up a capital (reverse stress test).

    Args:
        loss: (shift, loss in minor units) in order of shifts; between two it is a line.
        capital: in minor units.

    Returns:
        The shift; None if none of those given loses so much.
    """
    before: tuple[float, int] | None = None
    for at, lost in loss:
        if lost >= capital:
            if before is None or lost == before[1]:
                return at
            return before[0] + (at - before[0]) * (capital - before[1]) / (lost - before[1])
        before = (at, lost)
    return None
