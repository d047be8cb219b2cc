# SPDX-License-Identifier: Apache-2.0
"""A 64-bit mark of a text, the same in every process: equal texts have equal marks; tables of them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import int64, njit

from heptad.engine.local.kernel.pool import READ_B, B, V


def _marks(data: Any, at: Any) -> Any:
    """Return the mark of each text.

    FNV-1a over the bytes, then the finisher of MurmurHash3, so that every bit depends on them all.

    Args:
        data: the bytes of all texts, one after the other.
        at: (n + 1,) where each begins, and the last one ends.
    """
    out = np.empty(len(at) - 1, np.int64)
    for i in range(len(out)):
        h = np.uint64(0xCBF29CE484222325)
        for j in range(at[i], at[i + 1]):
            h = (h ^ np.uint64(data[j])) * np.uint64(0x100000001B3)
        h = (h ^ (h >> np.uint64(33))) * np.uint64(0xFF51AFD7ED558CCD)
        h = (h ^ (h >> np.uint64(33))) * np.uint64(0xC4CEB9FE1A85EC53)
        out[i] = np.int64(h ^ (h >> np.uint64(33)))
    return out


marks: Any = njit(V(READ_B, V), cache=True, nogil=True)(_marks)


def _met(table: Any, marks: Any) -> Any:
    """Tell of each mark whether it is in a table."""
    last, found = len(table) - 1, np.zeros(len(marks), np.uint8)
    for n in range(len(marks)):
        mark = marks[n] or 1
        slot = mark & last
        while table[slot] != 0 and found[n] == 0:
            found[n] = table[slot] == mark
            slot = (slot + 1) & last
    return found


met: Any = njit(B(V, V), cache=True)(_met)


def _enter(table: Any, marks: Any) -> Any:
    """Put marks into a table, a power of two of places that has room; return how many were new.

    A place that is free holds 0, so a mark of 0 is kept as 1.
    """
    last, new = len(table) - 1, np.int64(0)
    for n in range(len(marks)):
        mark = marks[n] or 1
        slot = mark & last
        while table[slot] != 0 and table[slot] != mark:
            slot = (slot + 1) & last
        new += table[slot] == 0
        table[slot] = mark
    return new


enter: Any = njit(int64(V, V), cache=True)(_enter)
