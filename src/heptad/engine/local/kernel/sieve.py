# SPDX-License-Identifier: Apache-2.0
"""A Bloom filter over marks of 64 bits: never calls absent what was added; bounded in memory."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, types

from heptad.engine.local.kernel.pool import B, V

PROBES = 4


def _place(mark: Any, i: Any, bits: Any) -> Any:
    """Return the i-th bit of a mark, by double hashing (Kirsch and Mitzenmacher, 2006)."""
    one = np.uint64(mark)
    two = (one >> np.uint64(32)) | (one << np.uint64(32)) | np.uint64(1)
    return np.int64((one + np.uint64(i) * two) & np.uint64(bits - 1))


place: Any = njit(_place)


def _add(sieve: Any, marks: Any) -> None:
    """Add marks to a sieve of 8 × len(sieve) bits, a power of two."""
    bits = 8 * len(sieve)
    for n in range(len(marks)):
        for i in range(PROBES):
            at = place(marks[n], i, bits)
            sieve[at >> 3] |= np.uint8(1 << (at & 7))


add: Any = njit(types.void(B, V), cache=True)(_add)


def _held(sieve: Any, marks: Any) -> Any:
    """Tell of each mark whether it may have been added."""
    bits = 8 * len(sieve)
    found = np.ones(len(marks), np.uint8)
    for n in range(len(marks)):
        for i in range(PROBES):
            at = place(marks[n], i, bits)
            if not (sieve[at >> 3] >> np.uint8(at & 7)) & 1:
                found[n] = 0
                break
    return found


held: Any = njit(B(B, V), cache=True)(_held)
