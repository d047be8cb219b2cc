# SPDX-License-Identifier: Apache-2.0
"""Loops in a fixed order, compiled: the same input gives the same bits, row by row or in bulk.

No fast-math, no threads and no BLAS, so that sums never depend on the number of rows, threads or
vector units. Importing this module compiles or loads every kernel; import it inside functions.
Compiled code is kept beside the module, or under `NUMBA_CACHE_DIR`.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numba import float64, int64, njit, types

if TYPE_CHECKING:
    from collections.abc import Callable

    from heptad.analysis.arrays import Array, Codes

_tuple: Any = types.Tuple
_VECTOR = types.Array(float64, 1, "C", readonly=True)
_BLOCK = 1024
_MATRIX = types.Array(float64, 2, "C", readonly=True)


def _log_odds(good: float, bad: float, goods: float, bads: float, smoothing: float) -> float:
    if good == 0.0 and bad == 0.0:
        return 0.0
    total = goods + bads
    top = (good + smoothing * goods / total) * bads
    bottom = (bad + smoothing * bads / total) * goods
    return math.log(top / bottom)


log_odds: Callable[[float, float, float, float, float], float] = njit(
    float64(float64, float64, float64, float64, float64), cache=True
)(_log_odds)


def _worth(
    good: Array, bad: Array, totals: Array, smoothing: float, least: float, penalty: float
) -> tuple[Array, Array]:
    """Weight of evidence and gain of every run of neighbouring cells i..j.

    The gain is the run's share of information value less the penalty, -inf if it is too light.
    """
    n = len(good)
    goods, bads = totals[0], totals[1]
    woe = np.zeros((n, n))
    gain = np.full((n, n), -np.inf)
    for i in range(n):
        g = 0.0
        b = 0.0
        for j in range(i, n):
            g += good[j]
            b += bad[j]
            woe[i, j] = log_odds(g, b, goods, bads, smoothing)
            if g + b >= least:
                gain[i, j] = (g / goods - b / bads) * woe[i, j] - penalty
    return woe, gain


worth: Callable[..., tuple[Array, Array]] = njit(
    _tuple((float64[:, ::1], float64[:, ::1]))(
        _VECTOR, _VECTOR, _VECTOR, float64, float64, float64
    ),
    cache=True,
)(_worth)


def _extend(woe: Array, gain: Array, shorter: Array, direction: int) -> tuple[Array, Codes]:
    """Add one bin to the best groupings: the best of cells 0..j whose last bin is cells i..j.

    Only steps in `direction` count: 1 if the weight of evidence may not rise from bin to bin, -1
    if it may not fall, 0 for any. Also says where the bin before the last one starts.
    """
    n = len(gain)
    best = np.full((n, n), -np.inf)
    back = np.full((n, n), -1, np.int64)
    for i in range(1, n):
        for h in range(i):
            before = shorter[h, i - 1]
            if before == -np.inf:
                continue
            left = woe[h, i - 1]
            for j in range(i, n):
                value = before + gain[i, j]
                if value > best[i, j] and (left - woe[i, j]) * direction >= 0.0:
                    best[i, j] = value
                    back[i, j] = h
    return best, back


extend: Callable[..., tuple[Array, Codes]] = njit(
    _tuple((float64[:, ::1], int64[:, ::1]))(_MATRIX, _MATRIX, _MATRIX, int64), cache=True
)(_extend)


def _longer(woe: Array, gain: Array, best: Any, toll: Array, back: Any, before: Any) -> Any:
    """Add one bin to the best groupings that end in phase 0 and in phase 1.

    Fills where the bin before starts, and in which phase it was.
    """
    n = len(gain)
    longer = np.empty((2, n, n))
    for k in range(2):
        longer[k], back[k] = extend(woe, gain, best[k], 1 - 2 * k)
        before[k] = k
        if toll[1 - k] < np.inf:
            turned, turned_back = extend(woe, gain, best[1 - k], 1 - 2 * k)
            for i in range(n):
                for j in range(i, n):
                    if turned[i, j] - toll[1 - k] > longer[k, i, j]:
                        longer[k, i, j] = turned[i, j] - toll[1 - k]
                        back[k, i, j] = turned_back[i, j]
                        before[k, i, j] = 1 - k
    return longer


_CUBE = types.Array(float64, 3, "C")
_BACKS = types.Array(int64, 3, "C")
longer: Callable[..., Any] = njit(
    _CUBE(_MATRIX, _MATRIX, _CUBE, _VECTOR, _BACKS, _BACKS), cache=True
)(_longer)


def _cut(woe: Array, gain: Array, most: int, enter: Array, toll: Array) -> tuple[float, Codes]:
    """Group cells into at most `most` runs of the greatest total gain, by dynamic programming.

    A grouping is in phase 0 while its weight of evidence may not rise from run to run, in phase 1
    while it may not fall. It costs `enter[k]` to start in phase k and `toll[k]` to leave it.
    Gives the gain less those costs, -inf if no grouping is allowed, and where each run starts.
    Ties go to fewer runs, then to phase 0, then to the earlier start of the last run.
    """
    n = len(gain)
    best = np.empty((2, n, n))
    best[:] = -np.inf
    best[0, 0] = gain[0] - enter[0]
    best[1, 0] = gain[0] - enter[1]
    backs = np.zeros((most, 2, n, n), np.int64)
    befores = np.zeros((most, 2, n, n), np.int64)
    value, count, start, phase = -np.inf, 1, 0, 0
    for m in range(most):
        if m > 0:
            best = longer(woe, gain, best, toll, backs[m], befores[m])
        for k in range(2):
            for i in range(n):
                if best[k, i, n - 1] > value:
                    value, count, start, phase = best[k, i, n - 1], m + 1, i, k
    starts = np.zeros(count, np.int64)
    stop = n - 1
    for m in range(count - 1, 0, -1):
        starts[m] = start
        earlier = befores[m, phase, start, stop]
        start, stop = backs[m, phase, start, stop], start - 1
        phase = earlier
    return value, starts


cut: Callable[..., tuple[float, Codes]] = njit(
    _tuple((float64, int64[::1]))(_MATRIX, _MATRIX, int64, _VECTOR, _VECTOR), cache=True
)(_cut)


def _place(values: Array, edges: Array, missing: int) -> Codes:
    """How many edges are at most each value; NaN is `missing`.

    Counting against every edge beats bisection here: it has no branches, so it runs in vectors.
    """
    out = np.zeros(len(values), np.int64)
    for start in range(0, len(values), _BLOCK):
        some = values[start : start + _BLOCK]
        found = out[start : start + _BLOCK]
        for edge in edges:
            for i in range(len(some)):
                found[i] += 1 if some[i] >= edge else 0
        for i in range(len(some)):
            if math.isnan(some[i]):
                found[i] = missing
    return out


place: Callable[[Array, Array, int], Codes] = njit(int64[::1](_VECTOR, _VECTOR, int64), cache=True)(
    _place
)


def _add(total: Codes, points: Codes, at: Codes) -> None:
    """Add the points of each row's place to its total."""
    for i in range(len(total)):
        total[i] += points[at[i]]


def _add_pair(total: Codes, points: Codes, one: Codes, two: Codes) -> None:
    """Add the points of each row's cell to its total."""
    for i in range(len(total)):
        total[i] += points[one[i], two[i]]


_CODES = types.Array(int64, 1, "C", readonly=True)
_TABLE = types.Array(int64, 2, "C", readonly=True)
add: Callable[..., None] = njit(types.void(int64[::1], _CODES, _CODES), cache=True)(_add)
add_pair: Callable[..., None] = njit(types.void(int64[::1], _TABLE, _CODES, _CODES), cache=True)(
    _add_pair
)


def _expit(z: float) -> float:
    if z >= 0.0:
        return 1.0 / (1.0 + math.exp(-z))
    e = math.exp(z)
    return e / (1.0 + e)


expit: Callable[[float], float] = njit(float64(float64), cache=True)(_expit)


def _linear(x: Array, coefficients: Array, intercept: float) -> Array:
    """Intercept plus the dot product of each row, summed from the first column to the last."""
    n, p = x.shape
    out = np.empty(n)
    for i in range(n):
        z = intercept
        for j in range(p):
            z += x[i, j] * coefficients[j]
        out[i] = z
    return out


linear: Callable[[Array, Array, float], Array] = njit(
    float64[::1](_MATRIX, _VECTOR, float64), cache=True
)(_linear)


def _probability(z: Array) -> Array:
    """The logistic function of each value."""
    out = np.empty(len(z))
    for i in range(len(z)):
        out[i] = expit(z[i])
    return out


probability: Callable[[Array], Array] = njit(float64[::1](_VECTOR), cache=True)(_probability)


def _slope(x: Array, y: Array, weight: Array, coefficients: Array) -> tuple[float, Array, Any]:
    """Loss, gradient and curvature of the logistic likelihood, rows from first to last."""
    n, p = x.shape
    loss = 0.0
    gradient = np.zeros(p)
    curvature = np.zeros((p, p))
    for i in range(n):
        row = x[i]
        z = 0.0
        for j in range(p):
            z += row[j] * coefficients[j]
        m = expit(z)
        loss += weight[i] * (max(z, 0.0) - y[i] * z + math.log1p(math.exp(-abs(z))))
        r = weight[i] * (m - y[i])
        v = weight[i] * m * (1.0 - m)
        for j in range(p):
            gradient[j] += r * row[j]
            tail = row[j:]
            into = curvature[j, j:]
            u = v * row[j]
            for k in range(len(tail)):
                into[k] += u * tail[k]
    for j in range(p):
        curvature[j:, j] = curvature[j, j:]
    return loss, gradient, curvature


slope: Callable[..., tuple[float, Array, Any]] = njit(
    _tuple((float64, float64[::1], float64[:, ::1]))(_MATRIX, _VECTOR, _VECTOR, _VECTOR),
    cache=True,
)(_slope)


def _descend(curvature: Array, gradient: Array, start: Array, floor: Array, sweeps: int) -> Array:
    """Minimise the quadratic model around `start` above `floor`, one coordinate at a time."""
    p = len(start)
    at = start.copy()
    pull = gradient.copy()
    for _ in range(sweeps):
        moved = 0.0
        for j in range(p):
            if curvature[j, j] <= 0.0:
                continue
            to = max(floor[j], at[j] - pull[j] / curvature[j, j])
            step = to - at[j]
            if step != 0.0:
                at[j] = to
                for k in range(p):
                    pull[k] += curvature[k, j] * step
                moved = max(moved, abs(step))
        if moved < 1e-13:
            break
    return at


descend: Callable[..., Array] = njit(
    float64[::1](_MATRIX, _VECTOR, _VECTOR, _VECTOR, int64), cache=True
)(_descend)


def _pool(values: Array, weight: Array) -> Array:
    """Fit the nearest rising sequence: pool adjacent violators from left to right."""
    n = len(values)
    mean = np.empty(n)
    mass = np.empty(n)
    size = np.empty(n, np.int64)
    top = -1
    for i in range(n):
        top += 1
        mean[top] = values[i]
        mass[top] = weight[i]
        size[top] = 1
        while top > 0 and mean[top - 1] >= mean[top]:
            joint = mass[top - 1] + mass[top]
            mean[top - 1] = (mean[top - 1] * mass[top - 1] + mean[top] * mass[top]) / joint
            mass[top - 1] = joint
            size[top - 1] += size[top]
            top -= 1
    out = np.empty(n)
    at = 0
    for b in range(top + 1):
        for _ in range(size[b]):
            out[at] = mean[b]
            at += 1
    return out


pool: Callable[[Array, Array], Array] = njit(float64[::1](_VECTOR, _VECTOR), cache=True)(_pool)


def _pair_gain(
    one: Codes, two: Codes, part: Codes, moments: Array, sizes: Codes, shrink: float
) -> float:
    """What the cells of a pair, learned on the other folds, add on each fold, in nats.

    `moments` (2, n) holds each row's slope and curvature of the log-likelihood; `sizes` the bins
    of both grids and the folds.
    """
    cells, folds = sizes[0] * sizes[1], sizes[2]
    g = np.zeros((folds, cells))
    h = np.zeros((folds, cells))
    for i in range(len(one)):
        at = one[i] * sizes[1] + two[i]
        g[part[i], at] += moments[0, i]
        h[part[i], at] += moments[1, i]
    gained = 0.0
    for at in range(cells):
        all_g, all_h = g[:, at].sum(), h[:, at].sum()
        for f in range(folds):
            worth = (all_g - g[f, at]) / (max(all_h - h[f, at], 0.0) + shrink)
            gained += g[f, at] * worth - 0.5 * h[f, at] * worth * worth
    return gained


pair_gain: Callable[..., float] = njit(
    float64(_CODES, _CODES, _CODES, _MATRIX, _CODES, float64), cache=True
)(_pair_gain)
