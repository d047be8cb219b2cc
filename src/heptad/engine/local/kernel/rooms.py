# SPDX-License-Identifier: Apache-2.0
"""The room that runs of events, their keys and the search for them take, given out and taken back.

Room that is given back is what the next that asks for as much gets. So where as much comes as goes
nothing grows.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import int64, njit, types

from heptad.engine.local.kernel.pool import LEAST, READ_B, B, M, N, V

USED, HEAP, SLOTS, NEWEST, HELD = range(5)
"""Places in `meta`: positions and bytes ever given out, slots taken, newest known_time, positions of
runs that have not been given back."""
TAG, WHEN = range(2)
"""Places in a slot: the upper half of an event's hash over its entity, and its time."""
FREE = -1
"""The tag of a slot without an event, and the place of room that there is none of."""
OWNER = 0xFFFFFFFF
WORD, _LONGEST = 8, 64
"""Keys take whole words; room of longer ones than so many is not given out again."""
_ROOMS = 96
"""Runs have room for 2, 3, 4, 6, 8, 12 … events."""


class Ring(NamedTuple):
    """Where runs lie, the keys of events, and the search from key to event.

    Shapes: begin, end, base, room, cut, fresh (entities); at, size, noted (positions); heap
    (bytes); slots (a power of two, 2: tag, when); meta (5); runs, texts (sizes of room): where the
    first room of each size lies that was given back, and in it where the next does. `fresh` tells
    whose events changed, and `noted` which events are written down, since they were last laid to
    the row store.
    """

    begin: Any
    end: Any
    base: Any
    room: Any
    cut: Any
    at: Any
    size: Any
    heap: Any
    slots: Any
    meta: Any
    fresh: Any
    noted: Any
    runs: Any
    texts: Any


_OF_ENTITIES = ("begin", "end", "base", "room")
record: Any = types.NamedTuple
RING = record((V, V, V, V, V, V, N, B, M, V, B, B, V, V), Ring)


def ring(entities: int, positions: int, slots: int | Any, text: int) -> Ring:
    """Return a ring of these sizes that holds nothing; slots may be those of another one."""
    return Ring(
        np.zeros(entities, np.int64),
        np.zeros(entities, np.int64),
        np.zeros(entities, np.int64),
        np.zeros(entities, np.int64),
        np.full(entities, LEAST, np.int64),
        np.zeros(positions, np.int64),
        np.zeros(positions, np.int32),
        np.zeros(text, np.uint8),
        np.full((slots, 2), FREE, np.int64) if isinstance(slots, int) else slots,
        np.array([0, 0, 0, LEAST, 0], np.int64),
        np.zeros(entities, np.uint8),
        np.zeros(positions, np.uint8),
        np.full(_ROOMS, FREE, np.int64),
        np.full(_LONGEST, FREE, np.int64),
    )


def widened(ring: Ring, entities: int) -> Ring:
    """Return a ring with room for more entities."""
    more = entities - len(ring.begin)
    zeros, none = np.zeros(more, np.int64), np.full(more, LEAST, np.int64)
    return ring._replace(
        **{name: np.concatenate([getattr(ring, name), zeros]) for name in _OF_ENTITIES},
        cut=np.concatenate([ring.cut, none]),
        fresh=np.concatenate([ring.fresh, np.zeros(more, np.uint8)]),
    )


def _hash(data: Any, start: Any, stop: Any) -> Any:
    """Hash a text: FNV-1a, 64 bits, mixed."""
    value = np.uint64(0xCBF29CE484222325)
    for i in range(start, stop):
        value = (value ^ np.uint64(data[i])) * np.uint64(0x100000001B3)
    value ^= value >> np.uint64(32)
    return np.int64(value * np.uint64(0x9E3779B97F4A7C15))


hashed: Any = njit(int64(READ_B, int64, int64), cache=True)(_hash)


def _tagged(value: Any, e: Any) -> Any:
    """Return the tag of an event with a hash, of an entity."""
    return (value & ~OWNER) | e


tagged: Any = njit(_tagged)


def _alike(tag: Any, value: Any) -> Any:
    """Whether a slot may be that of an event with a hash."""
    return tag >> 32 == value >> 32


alike: Any = njit(_alike)


def _slot(ring: Any, value: Any) -> Any:
    """Return the first slot to look in for a hash, or for a tag made from it."""
    return np.int64((np.uint64(value) >> np.uint64(32)) & np.uint64(len(ring.slots) - 1))


first_slot: Any = njit(_slot)


def _next(ring: Any, slot: Any) -> Any:
    return (slot + 1) & (len(ring.slots) - 1)


next_slot: Any = njit(_next)


def _crowded(ring: Any) -> Any:
    """Whether so many slots are taken that one more makes looking for one long."""
    return 10 * (ring.meta[SLOTS] + 1) > 7 * len(ring.slots)


crowded: Any = njit(_crowded)


def _vacate(ring: Any, slot: Any) -> None:
    """Free a slot; those behind it that were looked for before it close the gap."""
    last, gap = len(ring.slots) - 1, slot
    while True:
        slot = (slot + 1) & last
        tag = ring.slots[slot, TAG]
        if tag == FREE:
            break
        if (slot - first_slot(ring, tag)) & last >= (slot - gap) & last:
            ring.slots[gap, TAG], ring.slots[gap, WHEN] = tag, ring.slots[slot, WHEN]
            gap = slot
    ring.slots[gap, TAG] = FREE
    ring.meta[SLOTS] -= 1


vacate: Any = njit(types.void(RING, int64), cache=True)(_vacate)


def _words(size: Any) -> Any:
    """Return how many words a key of some bytes takes."""
    return (np.int64(size) + WORD - 1) // WORD


words: Any = njit(_words)


def _text_room(ring: Any, size: Any) -> Any:
    """Whether there is room for a key of some bytes."""
    n = words(size)
    return (n < _LONGEST and ring.texts[n] >= 0) or ring.meta[HEAP] + n * WORD <= len(ring.heap)


text_room: Any = njit(_text_room)


def _text_taken(ring: Any, size: Any) -> Any:
    """Give out room for a key of some bytes, which there is."""
    n = words(size)
    at = ring.texts[n] if n < _LONGEST else np.int64(FREE)
    if at < 0:
        ring.meta[HEAP] += n * WORD
        return ring.meta[HEAP] - n * WORD
    following = np.int64(0)
    for b in range(WORD):
        following |= np.int64(ring.heap[at + b]) << (8 * b)
    ring.texts[n] = following
    return at


text_taken: Any = njit(_text_taken)


def _text_given(ring: Any, at: Any, size: Any) -> None:
    """Take back the room of a key."""
    n = words(size)
    if 0 < n < _LONGEST:
        following, ring.texts[n] = ring.texts[n], at
        for b in range(WORD):
            ring.heap[at + b] = (following >> (8 * b)) & 0xFF


text_given: Any = njit(_text_given)


def _places(number: Any) -> Any:
    """Return how many events the room of a number holds."""
    return (2 + (number & 1)) << (number >> 1)


places: Any = njit(_places)


def _room(size: Any) -> Any:
    """Return the number of the least room that holds so many events."""
    number = np.int64(0)
    while places(number) < size:
        number += 1
    return number


room_for: Any = njit(int64(int64), cache=True)(_room)


def _run_taken(ring: Any, size: Any, positions: Any) -> Any:
    """Give out room for a run of so many events; FREE if there is none."""
    number = room_for(size)
    base, takes = ring.runs[number], places(number)
    if base >= 0:
        ring.runs[number] = ring.at[base]
    else:
        base = ring.meta[USED]
        if base + takes > positions:
            return np.int64(FREE)
        ring.meta[USED] += takes
    ring.meta[HELD] += takes
    return base


run_taken: Any = njit(int64(RING, int64, int64), cache=True)(_run_taken)


def _run_given(ring: Any, base: Any, room: Any) -> None:
    """Take back the room of a run."""
    if room:
        number = room_for(room)
        ring.at[base], ring.runs[number] = ring.runs[number], base
        ring.meta[HELD] -= room


run_given: Any = njit(types.void(RING, int64, int64), cache=True)(_run_given)


def _remember(ring: Any, tag: Any, us: Any) -> None:
    """Take a slot for an event."""
    slot = first_slot(ring, tag)
    while ring.slots[slot, TAG] != FREE:
        slot = next_slot(ring, slot)
    ring.meta[SLOTS] += 1
    ring.slots[slot, TAG], ring.slots[slot, WHEN] = tag, us


remember: Any = njit(types.void(RING, int64, int64), cache=True)(_remember)


def _spread(ring: Any, into: Any) -> None:
    """Take the slots of a ring into another one; a table twice as large is filled in order."""
    for n in range(len(ring.slots)):
        if ring.slots[n, TAG] != FREE:
            remember(into, ring.slots[n, TAG], ring.slots[n, WHEN])


spread: Any = njit(types.void(RING, RING), cache=True)(_spread)
