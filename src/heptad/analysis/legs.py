# SPDX-License-Identifier: Apache-2.0
"""Great-circle legs between places in 1e-7 degrees, in whole millimetres; which points lie near which."""

# ruff: noqa: C901, PLR0913, PLR0917 - compiled loops take arrays one by one

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numba import int64, njit, types

from heptad.standards.errors import ContractError

if TYPE_CHECKING:
    from heptad.analysis.arrays import Codes

RADIUS = 6_371_008.8
"""Mean radius of the Earth, metres (IUGG)."""
DEGREES = 1e-7 * math.pi / 180.0
"""Radians of 1e-7 degrees."""
AROUND = 3_600_000_000
_FINEST = 22
_tuple: Any = types.Tuple
_V = types.Array(int64, 1, "C")
_R = types.Array(int64, 1, "C", readonly=True)


def leg(lat: int, lon: int, to_lat: int, to_lon: int) -> int:
    """Return the great-circle distance between two places, in whole millimetres.

    Source: the haversine formula, R. W. Sinnott, Virtues of the Haversine, 1984.
    """
    one, two = lat * DEGREES, to_lat * DEGREES
    up = math.sin((two - one) * 0.5)
    across = math.sin((to_lon - lon) * DEGREES * 0.5)
    chord = up * up + math.cos(one) * math.cos(two) * across * across
    return math.floor(2000.0 * RADIUS * math.asin(min(1.0, math.sqrt(chord))) + 0.5)


leg_mm: Any = njit(leg)


def nearby(
    lats: Codes, lons: Codes, point_lats: Codes, point_lons: Codes, metres: float
) -> tuple[Codes, Codes, Codes]:
    """Join places with the points that lie within a distance of them.

    Args:
        lats: (n,) of the places, 1e-7 degrees.
        lons: (n,) of the places.
        point_lats: (m,) of the points, in any order.
        point_lons: (m,) of the points.
        metres: along great circles, inclusive, rounded down to whole millimetres.

    Returns:
        (p,) numbers of places, rising; (p,) numbers of points; (p,) millimetres between them. The
        points of one place come nearest first, those equally far by number.

    Raises:
        ContractError: if the distance is negative or no number, or a place lies off the globe.
    """
    if not 0 <= metres < math.inf:
        raise ContractError("A distance is a number of metres of at least 0.", got=metres)
    from_lats, from_lons, to_lats, to_lons = (
        np.ascontiguousarray(c, np.int64) for c in (lats, lons, point_lats, point_lons)
    )
    for some, most in (
        (from_lats, AROUND // 4), (to_lats, AROUND // 4),
        (from_lons, AROUND // 2), (to_lons, AROUND // 2),
    ):  # fmt: skip
        if len(some) and max(some.max(), -some.min()) > most:
            raise ContractError("A place lies off the globe.", got=int(np.abs(some).max()))
    mm = int(min(metres, 2 * math.pi * RADIUS) * 1000)
    at, point, far = _near_pairs(
        from_lats, from_lons, to_lats, to_lons, mm, *_candidates(to_lats, to_lons, mm)
    )
    sorting = np.lexsort((point, far, at))
    return at[sorting], point[sorting], far[sorting]


def _candidates(lats: Codes, lons: Codes, mm: int) -> tuple[int, Codes, Codes]:
    """Return a grid whose cells list the points that places in them may lie near.

    Returns:
        shift: cells are squares of 2^shift units, two bands of latitude at least;
        cell_at: (cells + 1,) where the points of a cell begin; points: (p,) their numbers.
    """
    band = int((mm + 1) / (1000.0 * RADIUS) / DEGREES) + 2
    shift = max(_FINEST, (2 * min(band, AROUND)).bit_length())
    counts = np.zeros(((AROUND // 2 >> shift) + 1) * ((AROUND >> shift) + 1) + 1, np.int64)
    enter(lats, lons, mm, shift, counts, np.zeros(0, np.int64))
    cell_at = np.zeros_like(counts)
    np.cumsum(counts[:-1], out=cell_at[1:])
    points = np.zeros(int(cell_at[-1]), np.int64)
    enter(lats, lons, mm, shift, cell_at.copy(), points)
    return shift, cell_at, points


def _width(lat: Any, angle: Any) -> Any:
    """Return how far in longitude a circle of an angle around a place reaches, a little more."""
    if abs(lat) * DEGREES + angle >= math.pi / 2:
        return np.int64(AROUND)
    return np.int64(math.asin(min(1.0, math.sin(angle) / math.cos(lat * DEGREES))) / DEGREES) + 2


width: Any = njit(_width)


def _enter(lats: Any, lons: Any, mm: Any, shift: Any, cursor: Any, points: Any) -> None:
    """Count the points of each cell at `cursor`, or write their numbers where there is room."""
    angle = (mm + 1) / (1000.0 * RADIUS)
    band = np.int64(angle / DEGREES) + 2
    rows, columns = (AROUND // 2 >> shift) + 1, (AROUND >> shift) + 1
    for p in range(len(lats)):
        # A place near by may lie nearer to the pole than the point, where a circle is wider.
        beside = width(min(abs(lats[p]) + band, AROUND // 4), angle)
        west, east = lons[p] + AROUND // 2 - beside, lons[p] + AROUND // 2 + beside
        more = np.int64(-1)
        if 2 * beside >= AROUND - (2 << shift):
            west, east = np.int64(0), np.int64(AROUND)
        elif west < 0:
            west, more = np.int64(0), west + AROUND
        elif east > AROUND:
            east, more = east - AROUND, west
            west = np.int64(0)
        south = max(lats[p] + AROUND // 4 - band, 0) >> shift
        north = min((lats[p] + AROUND // 4 + band) >> shift, rows - 1)
        for row in range(south, north + 1):
            last = min(east >> shift, columns - 1)
            beyond = max(more >> shift, last + 1) if more >= 0 else columns
            for part in range(2):
                begin, end = (west >> shift, last + 1) if part == 0 else (beyond, columns)
                for column in range(begin, end):
                    if len(points):
                        points[cursor[row * columns + column]] = p
                    cursor[row * columns + column] += 1


enter: Any = njit(types.void(_R, _R, int64, int64, _V, _V), cache=True)(_enter)


def _pairs(
    lats: Any, lons: Any, to_lats: Any, to_lons: Any, mm: Any, shift: Any, cell_at: Any, points: Any
) -> Any:
    """Return the pairs within `mm` millimetres."""
    at = np.empty(len(lats) + 16, np.int64)
    point, far = np.empty_like(at), np.empty_like(at)
    band = np.int64((mm + 1) / (1000.0 * RADIUS) / DEGREES) + 2
    columns = (AROUND >> shift) + 1
    n = 0
    for i in range(len(lats)):
        lat, lon = lats[i], lons[i]
        cell = (lat + AROUND // 4 >> shift) * columns + (lon + AROUND // 2 >> shift)
        for c in range(cell_at[cell], cell_at[cell + 1]):
            p = points[c]
            if abs(to_lats[p] - lat) > band:
                continue
            found = leg_mm(lat, lon, to_lats[p], to_lons[p])
            if found <= mm:
                if n == len(at):
                    more = np.empty(n, np.int64)
                    at = np.concatenate((at, more))
                    point = np.concatenate((point, more))
                    far = np.concatenate((far, more))
                at[n], point[n], far[n] = i, p, found
                n += 1
    return at[:n].copy(), point[:n].copy(), far[:n].copy()


_near_pairs: Any = njit(_tuple((_V, _V, _V))(_R, _R, _R, _R, int64, int64, _V, _V), cache=True)(
    _pairs
)
