# SPDX-License-Identifier: Apache-2.0
"""Places in 1e-7 degrees: fences, and points near by."""

# ruff: noqa: PLR0913, PLR0917 - compiled loops take arrays one by one

from __future__ import annotations

from typing import Any

from numba import njit

from heptad.analysis.crossing import crosses
from heptad.analysis.legs import DEGREES, RADIUS, leg_mm


def _inside(lat: Any, lon: Any, lats: Any, lons: Any, start: Any, stop: Any) -> Any:
    """Tell whether a place lies in a ring, in whole numbers: even-odd rule, lower edges belong."""
    found = False
    before = stop - 1
    for i in range(start, stop):
        if crosses(lat, lon, lats[i], lons[i], lats[before], lons[before]):
            found = not found
        before = i
    return found


inside: Any = njit(_inside)


def _near(lat: Any, lon: Any, lats: Any, lons: Any, start: Any, stop: Any, mm: Any) -> Any:
    """Tell whether a point of a layer, sorted by latitude, lies within `mm` millimetres."""
    band = int(mm / (1000.0 * RADIUS * DEGREES)) + 2
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
