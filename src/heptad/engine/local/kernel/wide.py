# SPDX-License-Identifier: Apache-2.0
"""Sums and products of 128 bits as pairs (int64 high, uint64 low), for compiled loops."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numba import njit

if TYPE_CHECKING:
    from collections.abc import Sequence

_LOW = np.uint64(0xFFFFFFFF)
_HALF = np.uint64(32)
_ZERO = np.uint64(0)


def _times(a: Any, b: Any) -> Any:
    """Multiply two int64 exactly."""
    x, y = np.uint64(a), np.uint64(b)
    x0, x1, y0, y1 = x & _LOW, x >> _HALF, y & _LOW, y >> _HALF
    low = x0 * y0
    one = x1 * y0 + (low >> _HALF)
    two = x0 * y1 + (one & _LOW)
    high = x1 * y1 + (one >> _HALF) + (two >> _HALF)
    if a < 0:
        high -= y
    if b < 0:
        high -= x
    return np.int64(high), (two << _HALF) | (low & _LOW)


times: Any = njit(_times, inline="never")


def _plus(high: Any, low: Any, more_high: Any, more_low: Any) -> Any:
    """Add two 128-bit numbers."""
    total = np.uint64(low) + np.uint64(more_low)
    carry = np.int64(1) if total < np.uint64(low) else np.int64(0)
    return np.int64(high) + np.int64(more_high) + carry, total


plus: Any = njit(_plus)


def _widen(a: Any) -> Any:
    """Return an int64 as a 128-bit number."""
    return np.int64(-1) if a < 0 else np.int64(0), np.uint64(a)


widen: Any = njit(_widen)


def whole(high: Sequence[int], low: Sequence[int]) -> list[int]:
    """Return pairs as Python integers; `low` may come as int64 bits."""
    return [(int(h) << 64) | (int(v) & (2**64 - 1)) for h, v in zip(high, low, strict=True)]
