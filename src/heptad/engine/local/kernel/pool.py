# SPDX-License-Identifier: Apache-2.0
"""Events of many entities in one pool of arrays, each entity's in a run sorted by (time, key).

Positions p of an entity's run [begin, end) carry for each measure j: the value v[j, p], whether it
is held h[j, p], and sums over the run before p: how many were held c[j, p] and their total s[j, p]
(modulo 2^64, so differences are exact while they fit). Blocks of 64 positions carry the least and
greatest held value. Any slice of a run is read from these without a pass over its events.

Of many measures it is only asked whether they are held, and few are added up. Those that are added
up come first, then the others that have values: v, least, most and big end with these, s with those.
"""

# ruff: noqa: PLR0913, PLR0917, C901, PLR0912 - compiled loops take arrays one by one

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import boolean, int32, int64, njit, types, uint8

LEAST, GREATEST = -(2**63), 2**63 - 1
BLOCK = 6
"""A block holds 2^6 positions."""

V = types.Array(int64, 1, "C")
M = types.Array(int64, 2, "C")
B = types.Array(uint8, 1, "C")
BM = types.Array(uint8, 2, "C")
N = types.Array(int32, 1, "C")
NM = types.Array(int32, 2, "C")
READ = types.Array(int64, 1, "C", readonly=True)
READ_B = types.Array(uint8, 1, "C", readonly=True)
_tuple: Any = types.Tuple


class Pool(NamedTuple):
    """What slices are read from.

    Shapes: us (n); h, c (measures, n); v (values, n); s (sums, n); least, most (values, blocks); big
    (values), the greatest size of a value.
    """

    us: Any
    v: Any
    h: Any
    c: Any
    s: Any
    least: Any
    most: Any
    big: Any


_record: Any = types.NamedTuple
_alike: Any = types.NamedUniTuple
POOL = _record((V, M, BM, NM, M, M, M, V), Pool)


def empty(measures: int, values: int, sums: int, n: int) -> Pool:
    """Return a pool for n positions that holds nothing."""
    blocks = (n >> BLOCK) + 1
    return Pool(
        np.zeros(n, np.int64),
        np.zeros((values, n), np.int64),
        np.zeros((measures, n), np.uint8),
        np.zeros((measures, n), np.int32),
        np.zeros((sums, n), np.int64),
        np.full((values, blocks), GREATEST, np.int64),
        np.full((values, blocks), LEAST, np.int64),
        np.zeros(values, np.int64),
    )


def _reindex(pool: Any, begin: Any, start: Any, end: Any) -> None:
    """Make the sums and blocks of a run right again from position `start` on."""
    for j in range(pool.h.shape[0]):
        count = np.int64(0)
        if start > begin:
            count = np.int64(pool.c[j, start - 1]) + pool.h[j, start - 1]
        for p in range(start, end):
            pool.c[j, p] = count
            count += pool.h[j, p]
    for j in range(pool.s.shape[0]):
        total = np.int64(0)
        if start > begin:
            total = pool.s[j, start - 1] + pool.v[j, start - 1]
        for p in range(start, end):
            pool.s[j, p] = total
            total += pool.v[j, p]
    for j in range(pool.v.shape[0]):
        for block in range(start >> BLOCK, ((end - 1) >> BLOCK) + 1):
            low, high = np.int64(GREATEST), np.int64(LEAST)
            for p in range(max(begin, block << BLOCK), min(end, (block + 1) << BLOCK)):
                if pool.h[j, p]:
                    low, high = min(low, pool.v[j, p]), max(high, pool.v[j, p])
            pool.least[j, block], pool.most[j, block] = low, high


reindex: Any = njit(types.void(POOL, int64, int64, int64), cache=True)(_reindex)


def _index(pool: Any, begin: Any, end: Any) -> None:
    """Fill the sums and blocks of every run, and the greatest size of each measure's values."""
    for e in range(len(begin)):
        if end[e] > begin[e]:
            reindex(pool, begin[e], begin[e], end[e])
    for j in range(pool.v.shape[0]):
        big: Any = np.int64(0)
        for e in range(len(begin)):
            for p in range(begin[e], end[e]):
                value = pool.v[j, p]
                big = max(big, GREATEST if value == LEAST else abs(value))
        pool.big[j] = big


index: Any = njit(types.void(POOL, V, V), cache=True)(_index)


def _compare(a: Any, a0: Any, a1: Any, b: Any, b0: Any, b1: Any) -> Any:
    """Compare two texts by their bytes: negative, zero or positive."""
    shared = min(a1 - a0, b1 - b0)
    for i in range(shared):
        if a[a0 + i] != b[b0 + i]:
            return np.int64(a[a0 + i]) - np.int64(b[b0 + i])
    return (a1 - a0) - (b1 - b0)


compare: Any = njit(int64(READ_B, int64, int64, READ_B, int64, int64), cache=True)(_compare)


def _order(code: Any, us: Any, ids: Any, id_at: Any, entities: Any) -> Any:
    """Sort events by (entity, time, key).

    Args:
        code: (n,) entity of each event.
        us: (n,) its time.
        ids: bytes of all keys.
        id_at: (n + 1,) where each begins.
        entities: how many there are.

    Returns:
        (n,) the order, and (entities + 1,) where each entity's run begins.
    """
    n = len(code)
    start = np.zeros(entities + 1, np.int64)
    for i in range(n):
        start[code[i] + 1] += 1
    for e in range(entities):
        start[e + 1] += start[e]
    order = np.empty(n, np.int64)
    free = start.copy()
    for i in range(n):
        order[free[code[i]]] = i
        free[code[i]] += 1
    for e in range(entities):
        a, b = start[e], start[e + 1]
        straight = True
        for p in range(a + 1, b):
            if us[order[p]] < us[order[p - 1]]:
                straight = False
                break
        if not straight:
            run = order[a:b].copy()
            times = np.empty(b - a, np.int64)
            for p in range(b - a):
                times[p] = us[run[p]]
            by_time = np.argsort(times, kind="mergesort")
            for p in range(b - a):
                order[a + p] = run[by_time[p]]
        for p in range(a + 1, b):
            q, one = p, order[p]
            while q > a and us[order[q - 1]] == us[one]:
                two = order[q - 1]
                if compare(ids, id_at[two], id_at[two + 1], ids, id_at[one], id_at[one + 1]) <= 0:
                    break
                order[q] = two
                q -= 1
            order[q] = one
    return order, start


order: Any = njit(_tuple((V, V))(V, V, READ_B, V, int64), cache=True)(_order)


def _upper(values: Any, low: Any, high: Any, x: Any) -> Any:
    """Return the first position in [low, high) whose value exceeds x, else high."""
    while low < high:
        middle = (low + high) >> 1
        if values[middle] <= x:
            low = middle + 1
        else:
            high = middle
    return low


upper: Any = njit(int64(V, int64, int64, int64), cache=True)(_upper)


def _lower(values: Any, low: Any, high: Any, x: Any) -> Any:
    """Return the first position in [low, high) whose value is not below x, else high."""
    while low < high:
        middle = (low + high) >> 1
        if values[middle] < x:
            low = middle + 1
        else:
            high = middle
    return low


lower: Any = njit(int64(V, int64, int64, int64), cache=True)(_lower)

Windows = Any
"""(w, 4) int64: kind (0 all history, 1 time, 2 count), length, delay, every."""


def _slices(
    us: Any, begin: Any, top: Any, t: Any, windows: Any, lo: Any, hi: Any, edges: Any
) -> None:
    """Find the slice of each window for one place where it is asked, within [begin, top)."""
    for w in range(windows.shape[0]):
        edge = t - windows[w, 2]
        if windows[w, 3] > 0:
            edge -= edge % windows[w, 3]
        edges[w] = edge
        last = upper(us, begin, top, edge)
        hi[w] = last
        if windows[w, 0] == 1:
            lo[w] = upper(us, begin, last, edge - windows[w, 1])
        elif windows[w, 0] == 2:
            lo[w] = max(begin, last - windows[w, 1])
        else:
            lo[w] = begin


slices: Any = njit(types.void(V, int64, int64, int64, M, V, V, V), cache=True)(_slices)


class Asked(NamedTuple):
    """Where slices are asked: entity (or -1), t, k and the first position beyond the own row."""

    entity: Any
    t: Any
    k: Any
    limit: Any


ASKED = _alike(V, 4, Asked)


class Known(NamedTuple):
    """When each event was known: from, to, per entity whether a prefix is known, and blocks."""

    since: Any
    until: Any
    straight: Any
    last_since: Any
    first_until: Any


KNOWN = _record((V, V, B, V, V), Known)


def _known(since: Any, until: Any, begin: Any) -> Any:
    """Prepare the search for events that are not known at k."""
    n, entities = len(since), len(begin) - 1
    straight = np.ones(entities, np.uint8)
    blocks = (n >> BLOCK) + 1
    last_since = np.full(blocks, LEAST, np.int64)
    first_until = np.full(blocks, GREATEST, np.int64)
    for e in range(entities):
        for p in range(begin[e], begin[e + 1]):
            if until[p] != GREATEST or (p > begin[e] and since[p] < since[p - 1]):
                straight[e] = 0
                break
    for p in range(n):
        b = p >> BLOCK
        last_since[b] = max(last_since[b], since[p])
        first_until[b] = min(first_until[b], until[p])
    return straight, last_since, first_until


known: Any = njit(_tuple((B, V, V))(V, V, V), cache=True)(_known)


def _hidden(known: Any, low: Any, high: Any, k: Any) -> Any:
    """Tell whether any event of a slice is not known at k."""
    p = low
    while p < high:
        if p & ((1 << BLOCK) - 1) == 0 and p + (1 << BLOCK) <= high:
            b = p >> BLOCK
            if known.last_since[b] > k or known.first_until[b] <= k:
                return True
            p += 1 << BLOCK
        else:
            if known.since[p] > k or known.until[p] <= k:
                return True
            p += 1
    return False


hidden: Any = njit(boolean(KNOWN, int64, int64, int64), cache=True)(_hidden)


def _bounds(us: Any, begin: Any, known: Any, asked: Any, windows: Any) -> Any:
    """Find the slices of all windows, and the rows whose slices hold events not known at k.

    Returns:
        lo, hi, edges (windows, m), and odd (m,): 1 where the slices hold what was not known.
    """
    m, w = len(asked.t), windows.shape[0]
    lo, hi = np.zeros((m, w), np.int64), np.zeros((m, w), np.int64)
    edges, odd = np.zeros((m, w), np.int64), np.zeros(m, np.uint8)
    for i in range(m):
        e = asked.entity[i]
        start = begin[e] if e >= 0 else 0
        top = min(asked.limit[i], begin[e + 1]) if e >= 0 else 0
        if e >= 0 and known.straight[e]:
            top = min(top, upper(known.since, start, begin[e + 1], asked.k[i]))
        slices(us, start, top, asked.t[i], windows, lo[i], hi[i], edges[i])
        if e >= 0 and not known.straight[e]:
            for a in range(w):
                if hidden(known, lo[i, a], hi[i, a], asked.k[i]):
                    odd[i] = 1
                    break
    return lo, hi, edges, odd


bounds: Any = njit(_tuple((M, M, M, B))(V, V, KNOWN, ASKED, M), cache=True)(_bounds)


def _limits(us: Any, begin: Any, ids: Any, id_at: Any, asked: Any, own: Any, own_at: Any) -> None:
    """Set the limit of rows that are events: the first position beyond their own (t, key).

    `ids, id_at` are the keys in pool order; `own, own_at` those of the rows, where `own_at` falls
    to the same value twice for a row that is none (its limit is left).
    """
    for i in range(len(asked.t)):
        e = asked.entity[i]
        if e < 0 or own_at[i + 1] == own_at[i]:
            continue
        low = lower(us, begin[e], begin[e + 1], asked.t[i])
        high = upper(us, low, begin[e + 1], asked.t[i])
        while low < high:
            middle = (low + high) >> 1
            order = compare(ids, id_at[middle], id_at[middle + 1], own, own_at[i], own_at[i + 1])
            if order <= 0:
                low = middle + 1
            else:
                high = middle
        asked.limit[i] = low


limits: Any = njit(types.void(V, V, READ_B, V, ASKED, READ_B, V), cache=True)(_limits)


def _reach(begin: Any, known: Any, asked: Any, rows: Any, windows: Any, lo: Any, hi: Any) -> Any:
    """Find for odd rows the slice that covers all their windows, and how much of it was known.

    Returns:
        (r, 3): first position, last position + 1, number of events known at k.
    """
    found = np.zeros((len(rows), 3), np.int64)
    for r in range(len(rows)):
        i = rows[r]
        start, low, high, k = begin[asked.entity[i]], np.int64(GREATEST), np.int64(0), asked.k[i]
        for w in range(windows.shape[0]):
            low, high = min(low, lo[i, w]), max(high, hi[i, w])
            if windows[w, 0] == 2:
                left, p = windows[w, 1], hi[i, w]
                while p > start and left > 0:
                    p -= 1
                    if known.since[p] <= k < known.until[p]:
                        left -= 1
                low = min(low, p)
        count = 0
        for p in range(low, high):
            if known.since[p] <= k < known.until[p]:
                count += 1
        found[r, 0], found[r, 1], found[r, 2] = low, high, count
    return found


reach: Any = njit(M(V, KNOWN, ASKED, V, M, M, M), cache=True)(_reach)


def _gather(pool: Any, known: Any, k: Any, reached: Any, into: Any, begin: Any) -> None:
    """Copy what each odd row may see into a run of its own."""
    q = 0
    for r in range(len(k)):
        begin[r] = q
        for p in range(reached[r, 0], reached[r, 1]):
            if known.since[p] <= k[r] < known.until[p]:
                into.us[q] = pool.us[p]
                for j in range(pool.v.shape[0]):
                    into.v[j, q] = pool.v[j, p]
                for j in range(pool.h.shape[0]):
                    into.h[j, q] = pool.h[j, p]
                q += 1
    begin[len(k)] = q


gather: Any = njit(types.void(POOL, KNOWN, V, M, POOL, V), cache=True)(_gather)
