# SPDX-License-Identifier: Apache-2.0
"""Logistic regression by Newton steps in a fixed order, with optional non-negative weights."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from heptad.standards.errors import ContractError

if TYPE_CHECKING:
    from heptad.analysis.arrays import Array

_SWEEPS = 20_000
_TOLERANCE = 1e-10


@dataclass(frozen=True)
class Logistic:
    """A fitted logistic regression: log-odds = intercept + x · coefficients."""

    intercept: float
    coefficients: tuple[float, ...]
    iterations: int
    converged: bool

    def decision_function(self, x: Array) -> Array:
        """Log-odds (n,) of x (n, p); a row alone gives the same bits as in bulk."""
        from heptad.analysis import kernels

        rows = np.ascontiguousarray(x, dtype=np.float64)
        return kernels.linear(rows, np.array(self.coefficients, np.float64), self.intercept)

    def predict(self, x: Array) -> Array:
        """Probabilities (n,) of x (n, p)."""
        from heptad.analysis import kernels

        return kernels.probability(self.decision_function(x))


def fit_logistic(
    x: Array,
    y: Array,
    weight: Array | None = None,
    *,
    reg: float = 1.0,
    positive: bool = False,
    epochs: int = 100,
) -> Logistic:
    """Fit a logistic regression with an L2 penalty on all but the intercept.

    Minimises the weighted sum of log losses plus `reg / 2 · |coefficients|²`, which is
    scikit-learn's with C = 1 / reg. Newton steps, halved until the objective falls; with
    `positive` each step solves the bounded quadratic model exactly.

    Args:
        x: (n, p) inputs without missing values.
        y: (n,) targets in [0, 1]; fractions are allowed.
        weight: (n,) weights, not negative; None is 1 each.
        reg: L2 penalty, ≥ 0.
        positive: keep every coefficient ≥ 0.
        epochs: most Newton steps.

    Raises:
        ContractError: if shapes differ or a value is not finite.
    """
    from heptad.analysis import kernels

    rows = np.ascontiguousarray(x, dtype=np.float64)
    w = np.ones(len(rows)) if weight is None else np.ascontiguousarray(weight, np.float64)
    targets = np.ascontiguousarray(y, dtype=np.float64)
    _check(rows, targets, w, reg)
    center = kernels.linear(np.ascontiguousarray(rows.T), w / w.sum(), 0.0)
    p = rows.shape[1]
    shifted = np.ones((len(rows), p + 1))
    np.subtract(rows, center, out=shifted[:, 1:])
    floor = np.full(p + 1, -np.inf)
    if positive:
        floor[1:] = 0.0
    penalty = np.full(p + 1, float(reg))
    penalty[0] = 0.0
    at, iterations, converged = _newton(shifted, targets, w, penalty, floor, epochs)
    offset = float(kernels.linear(center[None, :], at[1:].copy(), 0.0)[0])
    found = tuple(float(c) for c in at[1:])
    return Logistic(float(at[0]) - offset, found, iterations, converged)


def _check(x: Array, y: Array, weight: Array, reg: float) -> None:
    if x.ndim != 2 or y.shape != (len(x),) or weight.shape != (len(x),):
        raise ContractError(
            "Inputs, targets and weights must agree.", got=f"{x.shape}, {y.shape}, {weight.shape}"
        )
    if not (np.isfinite(x).all() and np.isfinite(y).all() and np.isfinite(weight).all()):
        raise ContractError("Inputs, targets and weights must be finite.", got="NaN or infinite")
    if reg < 0 or weight.sum() <= 0 or (weight < 0).any():
        raise ContractError("Penalty and weights must not be negative.", got=reg)


def _newton(
    x: Array, y: Array, weight: Array, penalty: Array, floor: Array, epochs: int
) -> tuple[Array, int, bool]:
    from heptad.analysis import kernels

    rate = float((weight * y).sum() / weight.sum())
    at = np.zeros(x.shape[1])
    at[0] = math.log(rate / (1 - rate)) if 0 < rate < 1 else 0.0
    state = _objective(x, y, weight, penalty, at)
    for step in range(1, epochs + 1):
        value, gradient, curvature = state
        to = kernels.descend(curvature, gradient, at, floor, _SWEEPS)
        size = 1.0
        new = _objective(x, y, weight, penalty, to)
        while new[0] > value and size > 1e-6:
            size /= 2
            new = _objective(x, y, weight, penalty, at + size * (to - at))
        moved = float(np.abs(to - at).max()) * size
        if new[0] > value:
            return at, step, moved < 1e-6
        at, state = at + size * (to - at) if size < 1 else to, new
        if moved < _TOLERANCE:
            return at, step, True
    return at, epochs, False


def _objective(
    x: Array, y: Array, weight: Array, penalty: Array, at: Array
) -> tuple[float, Array, Array]:
    from heptad.analysis import kernels

    loss, gradient, curvature = kernels.slope(x, y, weight, at)
    value = loss + 0.5 * float((penalty * at * at).sum())
    return value, gradient + penalty * at, curvature + np.diag(penalty)
