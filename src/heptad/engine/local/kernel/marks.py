# SPDX-License-Identifier: Apache-2.0
"""A 64-bit mark of a text, the same in every process: equal texts have equal marks."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from heptad.engine.local.kernel.pool import READ_B, V


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
