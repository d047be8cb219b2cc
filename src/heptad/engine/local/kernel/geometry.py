# SPDX-License-Identifier: Apache-2.0
"""Places in 1e-7 degrees: great-circle legs in whole millimetres, fences, points near by."""

# ruff: noqa: PLR0913, PLR0917 - compiled loops take arrays one by one

from __future__ import annotations

import math
from typing import Any

from numba import njit

RADIUS = 6_371_008.8
"""Mean radius of the Earth, metres (IUGG)."""
_DEGREES = 1e-7 * math.pi / 180.0


def leg(lat: int, lon: int, to_lat: int, to_lon: int) -> int:
    """Return the great-circle distance between two places, in whole millimetres.

    Source: the haversine formula, R. W. Sinnott, Virtues of the Haversine, 1984.
    """
    one, two = lat * _DEGREES, to_lat * _DEGREES
    up = math.sin((two - one) * 0.5)
    across = math.sin((to_lon - lon) * _DEGREES * 0.5)
    chord = up * up + math.cos(one) * math.cos(two) * across * across
    return math.floor(2000.0 * RADIUS * math.asin(min(1.0, math.sqrt(chord))) + 0.5)


leg_mm: Any = njit(leg)


def _inside(lat: Any, lon: Any, lats: Any, lons: Any, start: Any, stop: Any) -> Any:
    """Tell whether a place lies in a ring, in whole numbers: even-odd rule, lower edges belong."""
    found = False
    before = stop - 1
    for i in range(start, stop):
        if (lats[i] > lat) != (lats[before] > lat):
            left = (lon - lons[i]) * (lats[before] - lats[i])
            right = (lons[before] - lons[i]) * (lat - lats[i])
            if (left < right) == (lats[before] > lats[i]) and left != right:
                found = not found
        before = i
    return found


inside: Any = njit(_inside)


def _near(lat: Any, lon: Any, lats: Any, lons: Any, start: Any, stop: Any, mm: Any) -> Any:
    """Tell whether a point of a layer, sorted by latitude, lies within `mm` millimetres."""
    band = int(mm / (1000.0 * RADIUS * _DEGREES)) + 2
    low, high = start, stop
    while low < high:
        middle = (low + high) >> 1
        if lats[middle] < lat - band:
            low = middle + 1
        else:
            high = middle
    while low < stop and lats[low] <= lat + band:
        if leg_mm(lat, lon, lats[low], lons[low]) <= mm:
            return True
        low += 1
    return False


near: Any = njit(_near)
