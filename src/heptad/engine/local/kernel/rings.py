# SPDX-License-Identifier: Apache-2.0
"""A pool that takes rows one by one: runs per entity that grow at the end and give way at the start.

Rows come in the order in which they became known, events lie in the order of (time, key). A later
version of a row takes the place of the earlier, a deletion removes it. Events that no window can
reach any more make room; `cut` says up to which time an entity's events are gone, so that a read
that would need them is told apart.
"""

# ruff: noqa: PLR0913, PLR0917, C901, PLR0912 - compiled loops take arrays one by one

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import int64, njit, types

from heptad.engine.local.kernel.pool import (
    BLOCK,
    BM,
    GREATEST,
    LEAST,
    POOL,
    READ_B,
    B,
    M,
    V,
    compare,
    empty,
    lower,
    reindex,
    slices,
    upper,
)  # fmt: skip
from heptad.engine.local.kernel.reading import PROGRAM, one

USED, HEAP, SLOTS, NEWEST = range(4)
"""Places in `meta`: positions given out, bytes given out, slots taken, newest known_time."""
_FREE, _GONE = -1, -2
_SLACK = 8
"""Events kept beyond a count window, so that some may be deleted."""


class Ring(NamedTuple):
    """Where runs lie, the keys of events, and the search from key to event.

    Shapes: begin, end, base, room, cut (entities); at, size (positions); heap (bytes); hashes,
    owner, when (slots, a power of two); meta (4).
    """

    begin: Any
    end: Any
    base: Any
    room: Any
    cut: Any
    at: Any
    size: Any
    heap: Any
    hashes: Any
    owner: Any
    when: Any
    meta: Any


_record: Any = types.NamedTuple
RING = _record((V, V, V, V, V, V, V, B, V, V, V, V), Ring)


def ring(entities: int, positions: int, slots: int, text: int) -> Ring:
    """Return a ring of these sizes that holds nothing."""
    return Ring(
        np.zeros(entities, np.int64),
        np.zeros(entities, np.int64),
        np.zeros(entities, np.int64),
        np.zeros(entities, np.int64),
        np.full(entities, LEAST, np.int64),
        np.zeros(positions, np.int64),
        np.zeros(positions, np.int64),
        np.zeros(text, np.uint8),
        np.zeros(slots, np.int64),
        np.full(slots, _FREE, np.int64),
        np.zeros(slots, np.int64),
        np.array([0, 0, 0, LEAST], np.int64),
    )


class Rows(NamedTuple):
    """Rows to take: entity (-1: none of ours), time, known time, gone, key bytes, measures."""

    entity: Any
    us: Any
    known: Any
    gone: Any
    ids: Any
    id_at: Any
    v: Any
    h: Any


ROWS = _record((V, V, V, B, READ_B, V, M, BM), Rows)


def _hash(data: Any, start: Any, stop: Any) -> Any:
    """Hash a text: FNV-1a, 64 bits, mixed."""
    value = np.uint64(0xCBF29CE484222325)
    for i in range(start, stop):
        value = (value ^ np.uint64(data[i])) * np.uint64(0x100000001B3)
    value ^= value >> np.uint64(32)
    return np.int64(value * np.uint64(0x9E3779B97F4A7C15))


hashed: Any = njit(int64(READ_B, int64, int64), cache=True)(_hash)


def _locate(pool: Any, ring: Any, e: Any, us: Any, ids: Any, start: Any, stop: Any) -> Any:
    """Find the position of a row by entity, time and key; -1 if it is not there."""
    p = lower(pool.us, ring.begin[e], ring.end[e], us)
    while p < ring.end[e] and pool.us[p] == us:
        if compare(ring.heap, ring.at[p], ring.at[p] + ring.size[p], ids, start, stop) == 0:
            return p
        p += 1
    return np.int64(-1)


locate: Any = njit(int64(POOL, RING, int64, int64, READ_B, int64, int64), cache=True)(_locate)


def _slot(ring: Any, value: Any) -> Any:
    """Return the first slot to look for a hash in."""
    return np.int64((np.uint64(value) >> np.uint64(20)) & np.uint64(len(ring.owner) - 1))


first_slot: Any = njit(_slot)


def _next(ring: Any, slot: Any) -> Any:
    return (slot + 1) & (len(ring.owner) - 1)


next_slot: Any = njit(_next)


def _forget(pool: Any, ring: Any, e: Any, p: Any) -> None:
    """Free the slot of the event at a position."""
    value = hashed(ring.heap, ring.at[p], ring.at[p] + ring.size[p])
    slot = first_slot(ring, value)
    while ring.owner[slot] != _FREE:
        if ring.owner[slot] == e and ring.hashes[slot] == value and ring.when[slot] == pool.us[p]:
            ring.owner[slot] = _GONE
            return
        slot = next_slot(ring, slot)


forget: Any = njit(types.void(POOL, RING, int64, int64), cache=True)(_forget)


def _remember(ring: Any, value: Any, e: Any, us: Any) -> None:
    """Take a slot for an event."""
    slot = first_slot(ring, value)
    while ring.owner[slot] >= 0:
        slot = next_slot(ring, slot)
    if ring.owner[slot] == _FREE:
        ring.meta[SLOTS] += 1
    ring.hashes[slot], ring.owner[slot], ring.when[slot] = value, e, us


remember: Any = njit(types.void(RING, int64, int64, int64), cache=True)(_remember)


def _drop(pool: Any, ring: Any, value: Any, ids: Any, start: Any, stop: Any) -> None:
    """Remove the earlier version of a row, wherever it lies."""
    slot = first_slot(ring, value)
    while ring.owner[slot] != _FREE:
        e = ring.owner[slot]
        if e >= 0 and ring.hashes[slot] == value:
            p = locate(pool, ring, e, ring.when[slot], ids, start, stop)
            if p >= 0:
                ring.owner[slot] = _GONE
                shift(pool, ring, p + 1, ring.end[e], -1)
                ring.end[e] -= 1
                if ring.end[e] > ring.begin[e]:
                    # From the event before on, since its block may have held the one removed.
                    reindex(pool, ring.begin[e], max(ring.begin[e], p - 1), ring.end[e])
                return
        slot = next_slot(ring, slot)


def _shift(pool: Any, ring: Any, start: Any, stop: Any, by: Any) -> None:
    """Move the events of [start, stop); sums and blocks are made right by the caller."""
    n = stop - start
    for q in range(n):
        p = start + q if by < 0 else stop - 1 - q
        pool.us[p + by] = pool.us[p]
        ring.at[p + by], ring.size[p + by] = ring.at[p], ring.size[p]
        for j in range(pool.v.shape[0]):
            pool.v[j, p + by], pool.h[j, p + by] = pool.v[j, p], pool.h[j, p]


shift: Any = njit(types.void(POOL, RING, int64, int64, int64), cache=True)(_shift)
drop: Any = njit(types.void(POOL, RING, int64, READ_B, int64, int64), cache=True)(_drop)


def _evict(pool: Any, ring: Any, e: Any, windows: Any, late: Any, most: Any) -> None:
    """Let go of the events that no read from `newest - late` on can reach, and of all but `most`.

    Events of one instant go together.
    """
    begin, end, oldest = ring.begin[e], ring.end[e], ring.meta[NEWEST] - late
    keep = end
    for w in range(windows.shape[0]):
        edge = oldest - windows[w, 2] - windows[w, 3]
        if windows[w, 0] == 1:
            keep = min(keep, upper(pool.us, begin, end, edge - windows[w, 1]))
        elif windows[w, 0] == 2:
            keep = min(keep, upper(pool.us, begin, end, edge) - windows[w, 1] - _SLACK)
        else:
            keep = begin
    keep = max(keep, begin, end - most)
    while begin < keep < end and pool.us[keep - 1] == pool.us[keep]:
        keep -= 1
    if keep > begin:
        for p in range(begin, keep):
            forget(pool, ring, e, p)
        ring.cut[e] = pool.us[keep - 1]
        ring.begin[e] = keep


evict: Any = njit(types.void(POOL, RING, int64, M, int64, int64), cache=True)(_evict)


def _make_room(pool: Any, ring: Any, e: Any, windows: Any, late: Any, most: Any) -> Any:
    """See that an entity has a free position at its end; False if the pool is full."""
    if ring.end[e] < ring.base[e] + ring.room[e]:
        return True
    evict(pool, ring, e, windows, late, most)
    begin, end, room = ring.begin[e], ring.end[e], ring.room[e]
    base = ring.base[e]
    if begin - base < room // 2 or room < 4:
        wanted = max(4, 2 * room)
        if ring.meta[USED] + wanted > len(pool.us):
            return False
        base = ring.meta[USED]
        ring.meta[USED] += wanted
        ring.base[e], ring.room[e] = base, wanted
    if end > begin:
        shift(pool, ring, begin, end, base - begin)
    ring.begin[e], ring.end[e] = base, base + end - begin
    if end > begin:
        reindex(pool, base, base, ring.end[e])
    return True


make_room: Any = njit(types.boolean(POOL, RING, int64, M, int64, int64), cache=True)(_make_room)


def _append(pool: Any, begin: Any, p: Any) -> None:
    """Carry sums and blocks on to a position at the end of a run."""
    block = p >> BLOCK
    fresh = p == begin or p & ((1 << BLOCK) - 1) == 0
    for j in range(pool.v.shape[0]):
        if fresh:
            pool.least[j, block], pool.most[j, block] = GREATEST, LEAST
        if p == begin:
            pool.c[j, p], pool.s[j, p] = 0, 0
        else:
            pool.c[j, p] = pool.c[j, p - 1] + pool.h[j, p - 1]
            pool.s[j, p] = pool.s[j, p - 1] + pool.v[j, p - 1]
        if pool.h[j, p]:
            pool.least[j, block] = min(pool.least[j, block], pool.v[j, p])
            pool.most[j, block] = max(pool.most[j, block], pool.v[j, p])


append: Any = njit(types.void(POOL, int64, int64), cache=True)(_append)


def _place(pool: Any, ring: Any, e: Any, rows: Any, r: Any) -> None:
    """Put a row into the run of its entity, in order."""
    us, start, stop = rows.us[r], rows.id_at[r], rows.id_at[r + 1]
    begin, end = ring.begin[e], ring.end[e]
    p = end
    if end > begin and pool.us[end - 1] >= us:
        p = upper(pool.us, begin, end, us)
        while p > begin and pool.us[p - 1] == us:
            q = p - 1
            text = ring.at[q]
            if compare(ring.heap, text, text + ring.size[q], rows.ids, start, stop) <= 0:
                break
            p = q
        shift(pool, ring, p, end, 1)
    pool.us[p] = us
    ring.at[p], ring.size[p] = ring.meta[HEAP], stop - start
    for i in range(stop - start):
        ring.heap[ring.meta[HEAP] + i] = rows.ids[start + i]
    ring.meta[HEAP] += stop - start
    for j in range(pool.v.shape[0]):
        value = rows.v[j, r]
        pool.v[j, p], pool.h[j, p] = value, rows.h[j, r]
        pool.big[j] = max(pool.big[j], GREATEST if value == LEAST else abs(value))
    ring.end[e] = end + 1
    if p == end:
        append(pool, begin, p)
    else:
        reindex(pool, begin, p, end + 1)


place: Any = njit(types.void(POOL, RING, int64, ROWS, int64), cache=True)(_place)


def _take(pool: Any, ring: Any, rows: Any, start: Any, windows: Any, late: Any, most: Any) -> Any:
    """Take rows from `start` on; return the first that found no room, or how many there are."""
    for r in range(start, len(rows.us)):
        e, first, last = rows.entity[r], rows.id_at[r], rows.id_at[r + 1]
        full = 10 * (ring.meta[SLOTS] + 1) > 7 * len(ring.owner)
        if full or ring.meta[HEAP] + last - first > len(ring.heap):
            return r
        ring.meta[NEWEST] = max(ring.meta[NEWEST], rows.known[r])
        value = hashed(rows.ids, first, last)
        drop(pool, ring, value, rows.ids, first, last)
        if e < 0 or rows.gone[r] or rows.us[r] <= ring.cut[e]:
            continue
        if not make_room(pool, ring, e, windows, late, most):
            return r
        if rows.us[r] <= ring.cut[e]:
            continue
        place(pool, ring, e, rows, r)
        remember(ring, value, e, rows.us[r])
    return len(rows.us)


take: Any = njit(int64(POOL, RING, ROWS, int64, M, int64, int64), cache=True)(_take)


def _move(pool: Any, ring: Any, to: Any, into: Any, windows: Any, late: Any, most: Any) -> None:
    """Copy what is alive into a larger pool and ring, each run with room to grow."""
    into.meta[NEWEST] = ring.meta[NEWEST]
    free, text = np.int64(0), np.int64(0)
    for j in range(pool.v.shape[0]):
        to.big[j] = pool.big[j]
    for e in range(len(ring.begin)):
        evict(pool, ring, e, windows, late, most)
        n = ring.end[e] - ring.begin[e]
        into.cut[e] = ring.cut[e]
        into.base[e], into.begin[e], into.end[e] = free, free, free + n
        into.room[e] = 0 if ring.room[e] == 0 else max(2, n + n // 2 + 1)
        for q in range(n):
            p, z = ring.begin[e] + q, free + q
            to.us[z] = pool.us[p]
            for j in range(pool.v.shape[0]):
                to.v[j, z], to.h[j, z] = pool.v[j, p], pool.h[j, p]
            into.at[z], into.size[z] = text, ring.size[p]
            for i in range(ring.size[p]):
                into.heap[text + i] = ring.heap[ring.at[p] + i]
            value = hashed(into.heap, text, text + ring.size[p])
            text += ring.size[p]
            remember(into, value, e, pool.us[p])
        if n:
            reindex(to, free, free, free + n)
        free += into.room[e]
    into.meta[USED], into.meta[HEAP] = free, text


move: Any = njit(types.void(POOL, RING, POOL, RING, M, int64, int64), cache=True)(_move)


class Ask(NamedTuple):
    """Where it is asked: entity (-1: unknown), t, and the keys of rows that are events."""

    entity: Any
    t: Any
    ids: Any
    id_at: Any


ASK = _record((V, V, READ_B, V), Ask)


def _answer(
    pool: Any, ring: Any, program: Any, windows: Any, ask: Any, out: Any, ok: Any, short: Any
) -> Any:
    """Read every step at every row, as known now.

    Args:
        pool: the events.
        ring: where they lie.
        program: the steps.
        windows: (w, 4), see `pool.slices`.
        ask: (m,) rows.
        out: (m, columns) zeroed; takes the state.
        ok: (m, columns) zeroed; takes whether there is one.
        short: (m,) takes 1 where a window needs events that were let go.

    Returns:
        The step whose total left 64 bits, or -1.
    """
    w = windows.shape[0]
    lo, hi, edges = np.zeros(w, np.int64), np.zeros(w, np.int64), np.zeros(w, np.int64)
    scratch = np.empty((3, 16), np.int64)
    for i in range(len(ask.t)):
        e, t = ask.entity[i], ask.t[i]
        start = ring.begin[e] if e >= 0 else 0
        top = ring.end[e] if e >= 0 else 0
        first, last = ask.id_at[i], ask.id_at[i + 1]
        if last > first:
            top = upper(pool.us, start, top, t)
            while top > start and pool.us[top - 1] == t:
                p = top - 1
                text = ring.at[p]
                if compare(ring.heap, text, text + ring.size[p], ask.ids, first, last) <= 0:
                    break
                top = p
        slices(pool.us, start, top, t, windows, lo, hi, edges)
        widest = np.int64(1)
        for a in range(w):
            widest = max(widest, hi[a] - lo[a])
            if e >= 0 and ring.cut[e] != LEAST:
                lost = windows[a, 0] == 0 or (windows[a, 0] == 2 and hi[a] - lo[a] < windows[a, 1])
                if lost or (windows[a, 0] == 1 and edges[a] - windows[a, 1] < ring.cut[e]):
                    short[i] = 1
        if 4 * widest > scratch.shape[1]:
            scratch = np.empty((3, 4 * widest), np.int64)
        for f in range(program.steps.shape[0]):
            a = program.steps[f, 3]
            if one(
                pool, program.steps[f], program, lo[a], hi[a], t, edges[a], scratch, out[i], ok[i]
            ):
                return f
    return -1


answer: Any = njit(int64(POOL, RING, PROGRAM, M, ASK, M, BM, B), cache=True)(_answer)

__all__ = ["Ask", "Ring", "Rows", "answer", "empty", "move", "ring", "take"]
