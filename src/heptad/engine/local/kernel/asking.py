# SPDX-License-Identifier: Apache-2.0
"""Read features from rings of events: of any key at any instant, or of each row as it is taken."""

# ruff: noqa: PLR0913, PLR0917, C901, PLR0912 - compiled loops take arrays one by one

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import int64, njit, types

from heptad.engine.local.kernel.pool import (
    BM,
    LEAST,
    POOL,
    READ_B,
    B,
    M,
    V,
    compare,
    slices,
    upper,
)  # fmt: skip
from heptad.engine.local.kernel.reading import PROGRAM, steps_at
from heptad.engine.local.kernel.rings import ROWS, take
from heptad.engine.local.kernel.rooms import (
    FREE,
    RING,
    TAG,
    alike,
    first_slot,
    hashed,
    next_slot,
    record,
)  # fmt: skip

_pair: Any = types.Tuple


class Ask(NamedTuple):
    """Where it is asked: entity (-1: unknown), t, and the keys of rows that are events."""

    entity: Any
    t: Any
    ids: Any
    id_at: Any


ASK = record((V, V, READ_B, V), Ask)


def _answer(
    pool: Any, ring: Any, program: Any, windows: Any, ask: Any, start: Any, stop: Any, out: Any,
    ok: Any, short: Any, found: Any, scratch: Any,
) -> Any:  # fmt: skip
    """Read every step at the rows of [start, stop), as known now.

    Args:
        pool: the events.
        ring: where they lie.
        program: the steps.
        windows: (w, 4), see `pool.slices`.
        ask: (m,) rows.
        start: the first row.
        stop: the row after the last.
        out: (m, columns) zeroed; takes the state.
        ok: (m, columns) zeroed; takes whether there is one.
        short: (m,) takes 1 where a window needs events that were let go.
        found: (3, w) room for slices.
        scratch: (3, any) room for counting.

    Returns:
        The step whose total left 64 bits, or -1.
    """
    w, lo, hi, edges = windows.shape[0], found[0], found[1], found[2]
    for i in range(start, stop):
        e, t = ask.entity[i], ask.t[i]
        begin = ring.begin[e] if e >= 0 else 0
        top = ring.end[e] if e >= 0 else 0
        first, last = ask.id_at[i], ask.id_at[i + 1]
        if last > first:
            top = upper(pool.us, begin, top, t)
            while top > begin and pool.us[top - 1] == t:
                p = top - 1
                text = ring.at[p]
                if compare(ring.heap, text, text + ring.size[p], ask.ids, first, last) <= 0:
                    break
                top = p
        slices(pool.us, begin, top, t, windows, lo, hi, edges)
        widest = np.int64(1)
        for a in range(w):
            widest = max(widest, hi[a] - lo[a])
            if e >= 0 and ring.cut[e] != LEAST:
                lost = windows[a, 0] == 0 or (windows[a, 0] == 2 and hi[a] - lo[a] < windows[a, 1])
                if lost or (windows[a, 0] == 1 and edges[a] - windows[a, 1] < ring.cut[e]):
                    short[i] = 1
        if 4 * widest + 8 > scratch.shape[1]:
            scratch = np.empty((3, 4 * widest + 8), np.int64)
        left = steps_at(pool, program, t, lo, hi, edges, scratch, out, ok, i)
        if left >= 0:
            return left
    return -1


answer: Any = njit(int64(POOL, RING, PROGRAM, M, ASK, int64, int64, M, BM, B, M, M), cache=True)(
    _answer
)


def _run(ring: Any, rows: Any, start: Any, touched: Any, seen: Any) -> Any:
    """Find how many rows from `start` on can be taken together and read afterwards.

    Rows of one known_time always can. Beyond, an entity must not come twice, nor a key that is
    stored already or came before, so that no row is read with what only a later one brought.
    """
    n, stop = len(rows.us), start
    while stop < n and stop - start < 512:
        group = stop + 1
        while group < n and rows.known[group] == rows.known[stop]:
            group += 1
        for r in range(stop, group):
            value = hashed(rows.ids, rows.id_at[r], rows.id_at[r + 1])
            again = seen[value & 4095] == start
            seen[value & 4095] = start
            if rows.entity[r] >= 0:
                again |= touched[rows.entity[r]] == start
                touched[rows.entity[r]] = start
            slot = first_slot(ring, value)
            while ring.slots[slot, TAG] != FREE and not again:
                again = alike(ring.slots[slot, TAG], value)
                slot = next_slot(ring, slot)
            if again and stop > start:
                return stop
        stop = group
    return stop


run: Any = njit(int64(RING, ROWS, int64, V, V), cache=True)(_run)


def _follow(
    pool: Any, ring: Any, rows: Any, start: Any, windows: Any, late: Any, most: Any, program: Any,
    ask: Any, out: Any, ok: Any, short: Any,
) -> Any:  # fmt: skip
    """Take rows and read each as itself, when all rows of its known_time were taken.

    Returns:
        Two numbers: the row from which to go on when there is more room, or how many there are;
        and the step whose total left 64 bits, or -1.
    """
    n = len(rows.us)
    found, scratch = np.zeros((3, windows.shape[0]), np.int64), np.zeros((3, 1024), np.int64)
    touched, seen = np.full(len(ring.begin), -1, np.int64), np.full(4096, -1, np.int64)
    while start < n:
        stop = run(ring, rows, start, touched, seen)
        if take(pool, ring, rows, start, stop, windows, late, most) < stop:
            return start, np.int64(-1)
        left = answer(
            pool, ring, program, windows, ask, start, stop, out, ok, short, found, scratch
        )
        if left >= 0:
            return start, left
        start = stop
    return n, np.int64(-1)


follow: Any = njit(
    _pair((int64, int64))(POOL, RING, ROWS, int64, M, int64, int64, PROGRAM, ASK, M, BM, B),
    cache=True,
)(_follow)
