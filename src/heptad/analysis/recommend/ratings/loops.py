# SPDX-License-Identifier: Apache-2.0
"""The inner loops of the matrix models, compiled; import this module inside functions."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from numba import float32, float64, int64, njit, types, void

if TYPE_CHECKING:
    from collections.abc import Callable

    from heptad.analysis.arrays import Array, Codes

_CODES = types.Array(int64, 1, "C", readonly=True)
_VALUES = types.Array(float64, 1, "C", readonly=True)
_ROW = float64[::1]
_FACTORS = float32[:, ::1]


def _descend(  # noqa: PLR0913, PLR0917 - compiled, arrays by place
    order: Codes,
    users: Codes,
    items: Codes,
    left: Array,
    of_user: Array,
    of_item: Array,
    u: Any,
    v: Any,
    reg_u: Array,
    reg_v: Array,
    rate: float,
    bias_rate: float,
) -> float:
    """One epoch of stochastic gradient descent over ratings in an order.

    Returns the sum of squared errors met on the way.
    """
    k = u.shape[1]
    total = 0.0
    for n in order:
        a, b = users[n], items[n]
        dot = float32(0.0)
        for f in range(k):
            dot += u[a, f] * v[b, f]
        e = left[n] - of_user[a] - of_item[b] - dot
        total += e * e
        of_user[a] += bias_rate * (e - reg_u[a] * of_user[a])
        of_item[b] += bias_rate * (e - reg_v[b] * of_item[b])
        step, keep_u, keep_v = (
            float32(rate * e),
            float32(1 - rate * reg_u[a]),
            float32(1 - rate * reg_v[b]),
        )
        for f in range(k):
            x, y = u[a, f], v[b, f]
            u[a, f] = keep_u * x + step * y
            v[b, f] = keep_v * y + step * x
    return total


descend: Callable[..., float] = njit(
    float64(
        _CODES,
        _CODES,
        _CODES,
        _VALUES,
        _ROW,
        _ROW,
        _FACTORS,
        _FACTORS,
        _VALUES,
        _VALUES,
        float64,
        float64,
    ),
    cache=True,
    fastmath={"reassoc", "contract"},
)(_descend)


def _gather(  # noqa: PLR0913, PLR0917 - compiled, arrays by place
    start: Codes, other: Codes, left: Array, p: Array, q: Array, evidence: Array, pull: Array
) -> None:
    """Sum, per row of p, what its ratings say of it: Σ q² and Σ q · left."""
    for a in range(len(p)):
        squares = 0.0
        along = 0.0
        for n in range(start[a], start[a + 1]):
            y = q[other[n]]
            squares += y * y
            along += y * left[n]
        evidence[a] = squares
        pull[a] = along


def _gather_other(
    start: Codes, other: Codes, left: Array, p: Array, evidence: Array, pull: Array
) -> None:
    """Sum the same per row of q, of ratings that lie in the order of p."""
    evidence[:] = 0.0
    pull[:] = 0.0
    for a in range(len(p)):
        x = p[a]
        for n in range(start[a], start[a + 1]):
            b = other[n]
            evidence[b] += x * x
            pull[b] += x * left[n]


def _settle(start: Codes, other: Codes, left: Array, p: Array, q: Array, sign: float) -> None:
    """Add sign · p · q to what is left of every rating."""
    for a in range(len(p)):
        x = sign * p[a]
        for n in range(start[a], start[a + 1]):
            left[n] += x * q[other[n]]


def _draw(  # noqa: PLR0913, PLR0917 - compiled, arrays by place
    evidence: Array,
    pull: Array,
    p: Array,
    w: Array,
    column: Codes,
    row: Codes,
    value: Array,
    group: Codes,
    precision: Array,
    center: Array,
    alpha: float,
    noise: Array,
) -> None:
    """Draw the weights w of p = X w, one after another, each given all others.

    X lies by columns: rows `row[column[j] : column[j + 1]]` with `value`. Column j belongs to
    `group[j]`, whose weights have this prior precision and center.
    """
    for j in range(len(w)):
        g = group[j]
        squares = 0.0
        along = 0.0
        for n in range(column[j], column[j + 1]):
            a, x = row[n], value[n]
            squares += x * x * evidence[a]
            along += x * (pull[a] - evidence[a] * p[a])
        weight = alpha * squares + precision[g]
        mean = (alpha * (along + squares * w[j]) + precision[g] * center[g]) / weight
        new = mean + noise[j] / math.sqrt(weight)
        moved = new - w[j]
        w[j] = new
        for n in range(column[j], column[j + 1]):
            p[row[n]] += value[n] * moved


_FAST: Any = {"cache": True, "fastmath": {"reassoc", "contract"}}
gather: Callable[..., None] = njit(
    void(_CODES, _CODES, _VALUES, _VALUES, _VALUES, _ROW, _ROW), **_FAST
)(_gather)
gather_other: Callable[..., None] = njit(
    void(_CODES, _CODES, _VALUES, _VALUES, _ROW, _ROW), **_FAST
)(_gather_other)
settle: Callable[..., None] = njit(void(_CODES, _CODES, _ROW, _VALUES, _VALUES, float64), **_FAST)(
    _settle
)
draw: Callable[..., None] = njit(
    void(
        _VALUES,
        _VALUES,
        _ROW,
        _ROW,
        _CODES,
        _CODES,
        _VALUES,
        _CODES,
        _VALUES,
        _VALUES,
        float64,
        _VALUES,
    ),
    **_FAST,
)(_draw)
