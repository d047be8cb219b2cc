# SPDX-License-Identifier: Apache-2.0
"""Compiled loops over columns of a batch."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit

_DEGREES = 1e-7 * math.pi / 180.0
_RADIUS = 6_371_008.8
_POLE, _ROUND = 900_000_000, 1_800_000_000


@njit(cache=True)
def distances(lat: Any, lon: Any, to_lat: Any, to_lon: Any) -> Any:
    """Return great-circle distances in whole metres, and where the places are on the globe."""
    found = np.zeros(len(lat), np.int64)
    there = np.zeros(len(lat), np.bool_)
    for n in range(len(lat)):
        if not (-_POLE <= lat[n] <= _POLE and -_POLE <= to_lat[n] <= _POLE):
            continue
        if not (-_ROUND <= lon[n] <= _ROUND and -_ROUND <= to_lon[n] <= _ROUND):
            continue
        one, two = lat[n] * _DEGREES, to_lat[n] * _DEGREES
        up = math.sin((two - one) * 0.5)
        across = math.sin((to_lon[n] - lon[n]) * _DEGREES * 0.5)
        chord = up * up + math.cos(one) * math.cos(two) * across * across
        found[n] = math.floor(2.0 * _RADIUS * math.asin(min(1.0, math.sqrt(chord))) + 0.5)
        there[n] = True
    return found, there
