# SPDX-License-Identifier: Apache-2.0
"""Read the integer state of operators from slices of a pool: one code for batch and stream."""

# ruff: noqa: PLR0913, PLR0917, C901, PLR0912 - compiled loops take arrays one by one

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import int64, njit, types

from heptad.analysis.legs import leg_mm
from heptad.engine.local.kernel.geometry import inside, near
from heptad.engine.local.kernel.pool import BLOCK, BM, GREATEST, LEAST, POOL, M, V
from heptad.engine.local.kernel.wide import plus, times, widen

SECOND = 1_000_000
DECAY_STEPS, DECAY_BITS = 1024, 40

OPERATIONS: dict[str, tuple[int, int]] = {
    name: (code, columns)
    for code, (name, columns) in enumerate(
        {
            "count": 1, "total": 1, "mean": 2, "smallest": 1, "largest": 1, "spread": 5,
            "latest": 1, "earliest": 1, "share": 2, "since": 1, "distinct": 1, "percentile": 1,
            "most_common": 1, "top": 0, "entropy": 2, "previous": 1, "sequence": 0, "trend": 8,
            "decayed": 2, "streak": 1, "gap": 1, "distance": 1, "speed": 2, "moved": 1,
            "inside": 1, "near": 1,
        }.items()
    )
}  # fmt: skip
"""Operation → its code and how many columns of state it writes; 0 where the program says n."""

(
    COUNT, TOTAL, MEAN, SMALLEST, LARGEST, SPREAD, LATEST, EARLIEST, SHARE, SINCE, DISTINCT,
    PERCENTILE, MOST_COMMON, TOP, ENTROPY, PREVIOUS, SEQUENCE, TREND, DECAYED, STREAK, GAP,
    DISTANCE, SPEED, MOVED, INSIDE, NEAR,
) = range(len(OPERATIONS))  # fmt: skip


class Program(NamedTuple):
    """What to read.

    Attributes:
        steps: (f, 7) int64: operation, measure, second measure, window, argument, second
            argument, first column of the answer.
        logs: c · log2(c) in 2^-24, for counts up to the longest slice.
        decay: weights of an age of i/1024 half-lives, in 2^-40.
        shape_at, lats, lons: places of fences and layers, and where each begins.
    """

    steps: Any
    logs: Any
    decay: Any
    shape_at: Any
    lats: Any
    lons: Any


_record: Any = types.NamedTuple
PROGRAM = _record((M, V, V, V, V, V), Program)


def _held(pool: Any, j: Any, lo: Any, hi: Any) -> Any:
    """Count the values of a slice."""
    return pool.c[j, hi - 1] + pool.h[j, hi - 1] - pool.c[j, lo] if hi > lo else np.int64(0)


held: Any = njit(_held)


def _nth(pool: Any, j: Any, lo: Any, hi: Any, n: Any) -> Any:
    """Find the position of the n-th value of a slice, from 1."""
    if n == held(pool, j, lo, hi) and pool.h[j, hi - 1]:
        return hi - 1
    before, high = pool.c[j, lo], hi
    while lo < high:
        middle = (lo + high) >> 1
        if pool.c[j, middle] + pool.h[j, middle] - before < n:
            lo = middle + 1
        else:
            high = middle
    return lo


nth: Any = njit(_nth)


def _extreme(pool: Any, j: Any, lo: Any, hi: Any, greatest: Any) -> Any:
    """Return the least or greatest value of a slice that has one."""
    best = np.int64(LEAST) if greatest else np.int64(GREATEST)
    p = lo
    while p < hi:
        if p & ((1 << BLOCK) - 1) == 0 and p + (1 << BLOCK) <= hi:
            b = p >> BLOCK
            best = max(best, pool.most[j, b]) if greatest else min(best, pool.least[j, b])
            p += 1 << BLOCK
        else:
            if pool.h[j, p]:
                best = max(best, pool.v[j, p]) if greatest else min(best, pool.v[j, p])
            p += 1
    return best


extreme: Any = njit(_extreme)


def _total(pool: Any, j: Any, lo: Any, hi: Any) -> Any:
    """Add up a slice; the second answer tells whether the sum leaves 64 bits."""
    if hi <= lo:
        return np.int64(0), False
    n = hi - lo
    if pool.big[j] <= GREATEST // n:
        return pool.s[j, hi - 1] + pool.v[j, hi - 1] - pool.s[j, lo], False
    high, low = np.int64(0), np.uint64(0)
    for p in range(lo, hi):
        if pool.h[j, p]:
            more_high, more_low = widen(pool.v[j, p])
            high, low = plus(high, low, more_high, more_low)
    value = np.int64(low)
    return value, high != (np.int64(-1) if value < 0 else np.int64(0))


total: Any = njit(_total)


def _tally(pool: Any, j: Any, lo: Any, hi: Any, n: Any, values: Any, counts: Any, last: Any) -> Any:
    """Count how often each of n values of a slice is met, and where last.

    The three scratch arrays become an open hash table; returns its size, a power of two.
    """
    size = 8
    while size < 2 * n:
        size *= 2
    counts[:size] = 0
    mask = np.uint64(size - 1)
    for p in range(lo, hi):
        if not pool.h[j, p]:
            continue
        value = pool.v[j, p]
        mixed = np.uint64(value) * np.uint64(0x9E3779B97F4A7C15)
        slot = np.int64((mixed ^ (mixed >> np.uint64(32))) & mask)
        while counts[slot] > 0 and values[slot] != value:
            slot = np.int64((np.uint64(slot) + np.uint64(1)) & mask)
        values[slot] = value
        counts[slot] += 1
        last[slot] = p
    return size


tally: Any = njit(_tally)


def _commonest(counts: Any, last: Any, size: Any) -> Any:
    """Return the slot met most often; ties go to the one met last; -1 if none is left."""
    best = -1
    for slot in range(size):
        if counts[slot] > 0 and (
            best < 0
            or counts[slot] > counts[best]
            or (counts[slot] == counts[best] and last[slot] > last[best])
        ):
            best = slot
    return best


commonest: Any = njit(_commonest)


def _squares(pool: Any, j: Any, lo: Any, hi: Any, out: Any, o: Any) -> None:
    """Write sum and sum of squares, 128 bits each."""
    high, low = np.int64(0), np.uint64(0)
    square_high, square_low = np.int64(0), np.uint64(0)
    for p in range(lo, hi):
        if pool.h[j, p]:
            more_high, more_low = widen(pool.v[j, p])
            high, low = plus(high, low, more_high, more_low)
            more_high, more_low = times(pool.v[j, p], pool.v[j, p])
            square_high, square_low = plus(square_high, square_low, more_high, more_low)
    out[o], out[o + 1] = high, np.int64(low)
    out[o + 2], out[o + 3] = square_high, np.int64(square_low)


squares: Any = njit(_squares)


def _line(pool: Any, j: Any, lo: Any, hi: Any, edge: Any, out: Any, o: Any) -> None:
    """Write the sums of a regression on whole seconds before the edge."""
    n, x_sum = np.int64(0), np.int64(0)
    y_high, y_low = np.int64(0), np.uint64(0)
    xx_high, xx_low = np.int64(0), np.uint64(0)
    xy_high, xy_low = np.int64(0), np.uint64(0)
    zero = edge // SECOND
    for p in range(lo, hi):
        if pool.h[j, p]:
            x, y = pool.us[p] // SECOND - zero, pool.v[j, p]
            n += 1
            x_sum += x
            more_high, more_low = widen(y)
            y_high, y_low = plus(y_high, y_low, more_high, more_low)
            more_high, more_low = times(x, x)
            xx_high, xx_low = plus(xx_high, xx_low, more_high, more_low)
            more_high, more_low = times(x, y)
            xy_high, xy_low = plus(xy_high, xy_low, more_high, more_low)
    out[o], out[o + 1] = n, x_sum
    out[o + 2], out[o + 3] = y_high, np.int64(y_low)
    out[o + 4], out[o + 5] = xx_high, np.int64(xx_low)
    out[o + 6], out[o + 7] = xy_high, np.int64(xy_low)


line: Any = njit(_line)


def _fade(
    pool: Any, j: Any, lo: Any, hi: Any, edge: Any, half: Any, decay: Any, out: Any, o: Any
) -> None:
    """Write the decayed sum, 128 bits, in 2^-40."""
    high, low = np.int64(0), np.uint64(0)
    for p in range(hi - 1, lo - 1, -1):
        age = edge - pool.us[p]
        halved = age // half
        if halved > DECAY_BITS:
            break
        if pool.h[j, p]:
            weight = decay[(age % half) * DECAY_STEPS // half] >> halved
            more_high, more_low = times(pool.v[j, p], weight)
            high, low = plus(high, low, more_high, more_low)
    out[o], out[o + 1] = high, np.int64(low)


fade: Any = njit(_fade)


def _streak(pool: Any, j: Any, b: Any, lo: Any, hi: Any) -> Any:
    """Count the last rows in a row that have measure j, among those that have measure b."""
    n = np.int64(0)
    for p in range(hi - 1, lo - 1, -1):
        if pool.h[b, p]:
            if not pool.h[j, p]:
                break
            n += 1
    return n


streak: Any = njit(_streak)


def _longest(pool: Any, j: Any, lo: Any, hi: Any) -> Any:
    """Return the longest time between two held events that follow each other."""
    before: Any = np.int64(-1)
    best: Any = np.int64(0)
    for p in range(lo, hi):
        if pool.h[j, p]:
            if before >= 0:
                best = max(best, pool.us[p] - pool.us[before])
            before = p
    return best


longest: Any = njit(_longest)


def _travelled(pool: Any, j: Any, lo: Any, hi: Any) -> Any:
    """Add up the legs between places, in millimetres."""
    before: Any = np.int64(-1)
    mm: Any = np.int64(0)
    for p in range(lo, hi):
        if pool.h[j, p]:
            if before >= 0:
                mm += leg_mm(
                    pool.v[j, before], pool.v[j + 1, before], pool.v[j, p], pool.v[j + 1, p]
                )
            before = p
    return mm


travelled: Any = njit(_travelled)


def _placed(
    pool: Any, step: Any, program: Any, lo: Any, hi: Any, n: Any, out: Any, ok: Any
) -> None:
    """Read the operators of places; n values are in the slice, at least one."""
    op, j, o = step[0], step[1], step[6]
    last = nth(pool, j, lo, hi, n)
    lat, lon = pool.v[j, last], pool.v[j + 1, last]
    ok[o] = 1
    if op == DISTANCE:
        out[o] = travelled(pool, j, lo, hi)
    elif op == MOVED:
        first = nth(pool, j, lo, hi, 1)
        out[o] = leg_mm(pool.v[j, first], pool.v[j + 1, first], lat, lon)
    elif op == SPEED:
        ok[o] = 0
        if n > 1:
            other = nth(pool, j, lo, hi, n - 1)
            out[o] = leg_mm(pool.v[j, other], pool.v[j + 1, other], lat, lon)
            out[o + 1] = pool.us[last] - pool.us[other]
            ok[o] = 1
    else:
        start, stop = program.shape_at[step[4]], program.shape_at[step[4] + 1]
        if op == INSIDE:
            out[o] = inside(lat, lon, program.lats, program.lons, start, stop)
        else:
            out[o] = near(lat, lon, program.lats, program.lons, start, stop, step[5])


placed: Any = njit(_placed)


def _counted(
    pool: Any, step: Any, logs: Any, lo: Any, hi: Any, n: Any, scratch: Any, out: Any, ok: Any
) -> None:
    """Read the operators that count values; n values are in the slice, at least one."""
    op, j, o = step[0], step[1], step[6]
    values, counts, last = scratch[0], scratch[1], scratch[2]
    size = tally(pool, j, lo, hi, n, values, counts, last)
    if op == DISTINCT:
        for slot in range(size):
            out[o] += counts[slot] > 0
        ok[o] = 1
    elif op == ENTROPY:
        out[o] = n
        for slot in range(size):
            out[o + 1] += logs[counts[slot]]
        ok[o] = 1
    else:
        for rank in range(step[4] if op == TOP else 1):
            slot = commonest(counts, last, size)
            if slot < 0:
                break
            out[o + rank], ok[o + rank] = values[slot], 1
            counts[slot] = 0


counted: Any = njit(_counted)


def _ordered(
    pool: Any, step: Any, lo: Any, hi: Any, n: Any, edge: Any, decay: Any, scratch: Any, out: Any,
    ok: Any,
) -> None:  # fmt: skip
    """Read the operators of order and size; n values are in the slice, at least one."""
    op, j, o = step[0], step[1], step[6]
    if op == PERCENTILE:
        q = 0
        for p in range(lo, hi):
            if pool.h[j, p]:
                scratch[0, q] = pool.v[j, p]
                q += 1
        rank = max(np.int64(1), (n * step[4] + 999_999) // 1_000_000)
        out[o], ok[o] = np.partition(scratch[0, :n], rank - 1)[rank - 1], 1
    elif op == PREVIOUS:
        if n > step[4]:
            out[o], ok[o] = pool.v[j, nth(pool, j, lo, hi, n - step[4])], 1
    elif op == SEQUENCE:
        for q in range(min(n, step[4])):
            p = nth(pool, j, lo, hi, n - min(n, step[4]) + q + 1)
            out[o + q], ok[o + q] = pool.v[j, p], 1
    elif op == TREND:
        line(pool, j, lo, hi, edge, out, o)
        ok[o] = 1
    elif op == DECAYED:
        fade(pool, j, lo, hi, edge, step[4], decay, out, o)
    elif op == GAP:
        out[o], ok[o] = longest(pool, j, lo, hi) // SECOND, n > 1


ordered: Any = njit(_ordered)


def _rest(
    pool: Any, program: Any, f: Any, lo: Any, hi: Any, n: Any, edge: Any, scratch: Any, out: Any,
    ok: Any, i: Any,
) -> None:  # fmt: skip
    """Read a step of tier 2; n values are in the slice, at least one."""
    step = program.steps[f]
    op, j, o = step[0], step[1], step[6]
    if op == SPREAD:
        out[i, o], ok[i, o] = n, 1
        squares(pool, j, lo, hi, out[i], o + 1)
    elif op >= DISTANCE:
        placed(pool, step, program, lo, hi, n, out[i], ok[i])
    elif op in (DISTINCT, MOST_COMMON, TOP, ENTROPY):
        counted(pool, step, program.logs, lo, hi, n, scratch, out[i], ok[i])
    else:
        ok[i, o] = op == DECAYED
        ordered(pool, step, lo, hi, n, edge, program.decay, scratch, out[i], ok[i])


rest: Any = njit(_rest)


def _steps(
    pool: Any, program: Any, t: Any, lows: Any, highs: Any, edges: Any, scratch: Any, out: Any,
    ok: Any, i: Any,
) -> Any:  # fmt: skip
    """Read every step at row i, in one function: a call costs more than most steps.

    Returns:
        The step whose total left 64 bits, or -1.
    """
    steps, us, c, h = program.steps, pool.us, pool.c, pool.h
    for f in range(steps.shape[0]):
        op, j, w, o = steps[f, 0], steps[f, 1], steps[f, 3], steps[f, 6]
        lo, hi = lows[w], highs[w]
        n = c[j, hi - 1] + h[j, hi - 1] - c[j, lo] if hi > lo else np.int64(0)
        if op == COUNT:
            out[i, o], ok[i, o] = n, 1
        elif op in (TOTAL, MEAN):
            if hi <= lo:
                ok[i, o] = op == TOTAL
            elif pool.big[j] <= GREATEST // (hi - lo):
                out[i, o] = pool.s[j, hi - 1] + pool.v[j, hi - 1] - pool.s[j, lo]
                ok[i, o] = 1
            else:
                out[i, o], left = total(pool, j, lo, hi)
                ok[i, o] = 1
                if left:
                    return f
            if op == MEAN:
                out[i, o + 1], ok[i, o] = n, n > 0
        elif op == SHARE:
            whole = steps[f, 2]
            out[i, o], ok[i, o] = n, 1
            if hi > lo:
                out[i, o + 1] = c[whole, hi - 1] + h[whole, hi - 1] - c[whole, lo]
        elif op == STREAK:
            out[i, o], ok[i, o] = streak(pool, j, steps[f, 2], lo, hi), 1
        elif n == 0:
            ok[i, o] = op == DECAYED
        elif op in (LATEST, EARLIEST, SINCE):
            p = hi - 1 if op != EARLIEST else lo
            if not h[j, p]:
                p = nth(pool, j, lo, hi, 1 if op == EARLIEST else n)
            out[i, o] = (t - us[p]) // SECOND if op == SINCE else pool.v[j, p]
            ok[i, o] = 1
        elif op in (SMALLEST, LARGEST):
            out[i, o], ok[i, o] = extreme(pool, j, lo, hi, op == LARGEST), 1
        else:
            rest(pool, program, f, lo, hi, n, edges[w], scratch, out, ok, i)
    return -1


steps_at: Any = njit(_steps)


def _read(pool: Any, program: Any, t: Any, lo: Any, hi: Any, edges: Any, out: Any, ok: Any) -> Any:
    """Read every step at every row.

    Args:
        pool: the events.
        program: the steps.
        t: (m,) where it is asked.
        lo: (m, windows) where slices begin.
        hi: (m, windows) where they end.
        edges: (m, windows) the instants at which they end.
        out: (m, columns) zeroed; takes the state.
        ok: (m, columns) zeroed; takes whether there is one.

    Returns:
        The step whose total left 64 bits, or -1.
    """
    widest = np.int64(1)
    for f in range(program.steps.shape[0]):
        if program.steps[f, 0] in (DISTINCT, PERCENTILE, MOST_COMMON, TOP, ENTROPY):
            w = program.steps[f, 3]
            for i in range(len(t)):
                widest = max(widest, hi[i, w] - lo[i, w])
    scratch = np.empty((3, 4 * widest + 8), np.int64)
    for i in range(len(t)):
        left = steps_at(pool, program, t[i], lo[i], hi[i], edges[i], scratch, out, ok, i)
        if left >= 0:
            return left
    return -1


read: Any = njit(int64(POOL, PROGRAM, V, M, M, M, M, BM), cache=True)(_read)
