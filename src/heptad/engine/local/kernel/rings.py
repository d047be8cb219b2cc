# SPDX-License-Identifier: Apache-2.0
"""A pool that takes rows one by one: runs per entity that grow at the end and give way at the start.

Rows come in the order in which they became known, events lie in the order of (time, key). A later
version of a row takes the place of the earlier, a deletion removes it. Events that no window can
reach any more make room; `cut` says up to which time an entity's events are gone, so that a read
that would need them is told apart.
"""

# ruff: noqa: PLR0913, PLR0917, C901, PLR0912, PLR0915 - compiled loops take arrays one by one

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
    lower,
    reindex,
    upper,
)  # fmt: skip
from heptad.engine.local.kernel.rooms import (
    FREE,
    HEAP,
    NEWEST,
    OWNER,
    RING,
    SLOTS,
    TAG,
    WHEN,
    WORD,
    alike,
    crowded,
    first_slot,
    hashed,
    next_slot,
    places,
    record,
    remember,
    room_for,
    run_given,
    run_taken,
    tagged,
    text_given,
    text_room,
    text_taken,
    vacate,
    words,
)  # fmt: skip

_pair: Any = types.Tuple
_SLACK = 8
"""Events kept beyond a count window, so that some may be deleted."""


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


ROWS = record((V, V, V, B, READ_B, V, M, BM), Rows)


def _locate(pool: Any, ring: Any, e: Any, us: Any, ids: Any, start: Any, stop: Any) -> Any:
    """Find the position of a row by entity, time and key; -1 if it is not there."""
    p = lower(pool.us, ring.begin[e], ring.end[e], us)
    while p < ring.end[e] and pool.us[p] == us:
        if compare(ring.heap, ring.at[p], ring.at[p] + ring.size[p], ids, start, stop) == 0:
            return p
        p += 1
    return np.int64(-1)


locate: Any = njit(int64(POOL, RING, int64, int64, READ_B, int64, int64), cache=True)(_locate)


def _forget(pool: Any, ring: Any, e: Any, p: Any) -> None:
    """Free the slot and the key of the event at a position."""
    at, size = ring.at[p], np.int64(ring.size[p])
    tag = tagged(hashed(ring.heap, at, at + size), e)
    text_given(ring, at, size)
    slot = first_slot(ring, tag)
    while ring.slots[slot, TAG] != FREE:
        if ring.slots[slot, TAG] == tag and ring.slots[slot, WHEN] == pool.us[p]:
            vacate(ring, slot)
            return
        slot = next_slot(ring, slot)


forget: Any = njit(types.void(POOL, RING, int64, int64), cache=True)(_forget)


def _drop(pool: Any, ring: Any, value: Any, ids: Any, start: Any, stop: Any) -> None:
    """Remove the earlier version of a row, wherever it lies."""
    slot = first_slot(ring, value)
    while ring.slots[slot, TAG] != FREE:
        tag = ring.slots[slot, TAG]
        if alike(tag, value):
            e = tag & OWNER
            p = locate(pool, ring, e, ring.slots[slot, WHEN], ids, start, stop)
            if p >= 0:
                vacate(ring, slot)
                text_given(ring, ring.at[p], ring.size[p])
                ring.fresh[e] = 1
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
        ring.noted[p + by] = ring.noted[p]
        for j in range(pool.v.shape[0]):
            pool.v[j, p + by] = pool.v[j, p]
        for j in range(pool.h.shape[0]):
            pool.h[j, p + by] = pool.h[j, p]


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
        ring.cut[e], ring.fresh[e] = pool.us[keep - 1], 1
        ring.begin[e] = keep


evict: Any = njit(types.void(POOL, RING, int64, M, int64, int64), cache=True)(_evict)


def _make_room(pool: Any, ring: Any, e: Any, windows: Any, late: Any, most: Any) -> Any:
    """See that an entity has a free position at its end; False if the pool is full."""
    if ring.end[e] < ring.base[e] + ring.room[e]:
        return True
    evict(pool, ring, e, windows, late, most)
    begin, end, room = ring.begin[e], ring.end[e], ring.room[e]
    base = ring.base[e]
    if 4 * (begin - base) < room or begin == base:
        base = run_taken(ring, room + 1, len(pool.us))
        if base < 0:
            return False
    if end > begin:
        shift(pool, ring, begin, end, base - begin)
    if base != ring.base[e] or room == 0:
        run_given(ring, ring.base[e], room)
        number = room_for(room + 1)
        ring.base[e], ring.room[e] = base, places(number)
    ring.begin[e], ring.end[e] = base, base + end - begin
    if end > begin:
        reindex(pool, base, base, ring.end[e])
    return True


make_room: Any = njit(types.boolean(POOL, RING, int64, M, int64, int64), cache=True)(_make_room)


def _opened(pool: Any, ring: Any, e: Any, rows: Any, r: Any) -> Any:
    """Open a gap for a row that does not come last, and return its position."""
    us, start, stop = rows.us[r], rows.id_at[r], rows.id_at[r + 1]
    p = upper(pool.us, ring.begin[e], ring.end[e], us)
    while p > ring.begin[e] and pool.us[p - 1] == us:
        text = ring.at[p - 1]
        if compare(ring.heap, text, text + ring.size[p - 1], rows.ids, start, stop) <= 0:
            break
        p -= 1
    shift(pool, ring, p, ring.end[e], 1)
    return p


opened: Any = njit(int64(POOL, RING, int64, ROWS, int64), cache=True)(_opened)


def _take(
    pool: Any, ring: Any, rows: Any, start: Any, stop: Any, windows: Any, late: Any, most: Any
) -> Any:
    """Take the rows of [start, stop); return the first that found no room, or `stop`.

    One long function: a call with all arrays costs more than most of its parts.
    """
    for r in range(start, stop):
        e, first, last = rows.entity[r], rows.id_at[r], rows.id_at[r + 1]
        if crowded(ring) or not text_room(ring, last - first):
            return r
        ring.meta[NEWEST] = max(ring.meta[NEWEST], rows.known[r])
        value = hashed(rows.ids, first, last)
        slot = first_slot(ring, value)
        while ring.slots[slot, TAG] != FREE:
            if alike(ring.slots[slot, TAG], value):
                drop(pool, ring, value, rows.ids, first, last)
                break
            slot = (slot + 1) & (len(ring.slots) - 1)
        us = rows.us[r]
        if e < 0 or rows.gone[r] or us <= ring.cut[e]:
            continue
        if ring.end[e] >= ring.base[e] + ring.room[e]:
            if not make_room(pool, ring, e, windows, late, most):
                return r
            if us <= ring.cut[e]:
                continue
        begin, p = ring.begin[e], ring.end[e]
        if p > begin and pool.us[p - 1] >= us:
            p = opened(pool, ring, e, rows, r)
        text = text_taken(ring, last - first)
        pool.us[p], ring.at[p], ring.size[p] = us, text, last - first
        ring.fresh[e], ring.noted[p] = 1, 0
        for b in range(last - first):
            ring.heap[text + b] = rows.ids[first + b]
        append = p == ring.end[e]
        ring.end[e] += 1
        for j in range(pool.h.shape[0]):
            pool.h[j, p] = rows.h[j, r]
            if append:
                pool.c[j, p] = 0 if p == begin else pool.c[j, p - 1] + pool.h[j, p - 1]
        for j in range(pool.v.shape[0]):
            x = rows.v[j, r]
            pool.v[j, p] = x
            pool.big[j] = max(pool.big[j], GREATEST if x == LEAST else abs(x))
            if append:
                if j < pool.s.shape[0]:
                    pool.s[j, p] = 0 if p == begin else pool.s[j, p - 1] + pool.v[j, p - 1]
                block = p >> BLOCK
                if p == begin or p & ((1 << BLOCK) - 1) == 0:
                    pool.least[j, block], pool.most[j, block] = GREATEST, LEAST
                if rows.h[j, r]:
                    pool.least[j, block] = min(pool.least[j, block], x)
                    pool.most[j, block] = max(pool.most[j, block], x)
        if not append:
            reindex(pool, begin, p, ring.end[e])
        remember(ring, tagged(value, e), us)
    return stop


take: Any = njit(int64(POOL, RING, ROWS, int64, int64, M, int64, int64), cache=True)(_take)


def _sweep(pool: Any, ring: Any, windows: Any, late: Any, most: Any) -> Any:
    """Let go of what no window can reach; return how many positions and bytes a move takes."""
    positions, text = np.int64(0), np.int64(0)
    for e in range(len(ring.begin)):
        evict(pool, ring, e, windows, late, most)
        n = ring.end[e] - ring.begin[e]
        if n:
            number = room_for(n + n // 4 + 1)
            positions += places(number)
        for p in range(ring.begin[e], ring.end[e]):
            text += words(ring.size[p]) * WORD
    return positions, text


sweep: Any = njit(_pair((int64, int64))(POOL, RING, M, int64, int64), cache=True)(_sweep)


def _move(pool: Any, ring: Any, to: Any, into: Any, fill: Any) -> None:
    """Copy everything into another pool and ring, each run with room to grow.

    The slots are those of the ring, or are filled anew from the keys of events.
    """
    into.meta[NEWEST] = ring.meta[NEWEST]
    text = np.int64(0)
    to.big[:] = pool.big
    for e in range(len(ring.begin)):
        n = ring.end[e] - ring.begin[e]
        into.cut[e], into.fresh[e] = ring.cut[e], ring.fresh[e]
        if n == 0:
            continue
        number = room_for(n + n // 4 + 1)
        free = run_taken(into, n + n // 4 + 1, len(to.us))
        into.base[e], into.begin[e], into.end[e] = free, free, free + n
        into.room[e] = places(number)
        for q in range(n):
            p, z = ring.begin[e] + q, free + q
            to.us[z] = pool.us[p]
            for j in range(pool.v.shape[0]):
                to.v[j, z] = pool.v[j, p]
            for j in range(pool.h.shape[0]):
                to.h[j, z] = pool.h[j, p]
            into.at[z], into.size[z], into.noted[z] = text, ring.size[p], ring.noted[p]
            for i in range(ring.size[p]):
                into.heap[text + i] = ring.heap[ring.at[p] + i]
            if fill:
                value = hashed(into.heap, text, text + ring.size[p])
                remember(into, tagged(value, e), pool.us[p])
            text += words(ring.size[p]) * WORD
        reindex(to, free, free, free + n)
    into.meta[HEAP] = text
    if not fill:
        into.meta[SLOTS] = ring.meta[SLOTS]


move: Any = njit(types.void(POOL, RING, POOL, RING, types.boolean), cache=True)(_move)


def _release(pool: Any, ring: Any, which: Any) -> None:
    """Let go of all events of some entities, and of what was known of them."""
    for e in which:
        for p in range(ring.begin[e], ring.end[e]):
            forget(pool, ring, e, p)
        run_given(ring, ring.base[e], ring.room[e])
        ring.begin[e], ring.end[e], ring.base[e], ring.room[e] = 0, 0, 0, 0
        ring.cut[e], ring.fresh[e] = LEAST, 0


release: Any = njit(types.void(POOL, RING, V), cache=True)(_release)
