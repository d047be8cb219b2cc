# SPDX-License-Identifier: Apache-2.0
"""A grid over regions: most cells lie in known regions as a whole, the others name a few edges.

Cells are squares of 2^shift units, so that a place finds its cell by a subtraction and a shift.
The edges of one region that touch one row of cells are a *run*. A cell lists its entries: a region
that holds all of it, or a region together with the run by which each place is told apart. Importing
this module compiles or loads its loops.
"""

# ruff: noqa: PLR0913, PLR0917 - compiled loops take arrays one by one

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numba import int64, njit, types

from heptad.analysis.crossing import crosses

if TYPE_CHECKING:
    from heptad.analysis.arrays import Codes

FINEST = 512
"""Most rows of a grid; it has as many columns as fit cells of the same size."""
_tuple: Any = types.Tuple
_V = types.Array(int64, 1, "C")
_R = types.Array(int64, 1, "C", readonly=True)
_M = types.Array(int64, 2, "C")
_GRID = (_V, _V, _M, _V, _M)


def build(edges: Codes) -> tuple[Codes, ...]:
    """Make the grid of regions.

    Args:
        edges: (e, 5) see `Regions`.

    Returns:
        frame: (5,) southmost latitude, westmost longitude, shift, rows, columns;
        cell_at: (rows · columns + 1,) where the entries of a cell begin;
        entries: (n, 2) region, and its run or -1 where the whole cell lies in it;
        run_at: (runs + 1,) where the edges of a run begin;
        run_edges: (m, 4) the edges of the runs.
    """
    lats, lons = edges[:, [0, 2]], edges[:, [1, 3]]
    south, west = int(lats.min()), int(lons.min())
    tall, wide = int(lats.max()) - south, int(lons.max()) - west
    shift = max(0, max(tall, wide // 2).bit_length() - FINEST.bit_length() + 1)
    frame = np.array([south, west, shift, (tall >> shift) + 1, (wide >> shift) + 1], np.int64)
    low = (lats.min(axis=1) - south) >> shift
    many = ((lats.max(axis=1) - south) >> shift) - low + 1
    of = np.repeat(np.arange(len(edges)), many)
    row = low[of] + np.arange(len(of)) - np.repeat(np.cumsum(many) - many, many)
    region = edges[of, 4]
    order = np.lexsort((region, row))
    of, row, region = of[order], row[order], region[order]
    new = np.flatnonzero(np.diff(row, prepend=-1) | np.diff(region, prepend=-1))
    run_at = np.append(new, len(of)).astype(np.int64)
    runs = np.ascontiguousarray(np.stack([row[new], region[new]], axis=1))
    run_edges = np.ascontiguousarray(edges[of, :4])
    cells = int(frame[3] * frame[4])
    counts = np.zeros(cells + 1, np.int64)
    none = np.zeros((0, 2), np.int64)
    enter(frame, runs, run_at, run_edges, counts, none)
    cell_at = np.zeros(cells + 1, np.int64)
    np.cumsum(counts[:-1], out=cell_at[1:])
    entries = np.zeros((int(cell_at[-1]), 2), np.int64)
    enter(frame, runs, run_at, run_edges, cell_at.copy(), entries)
    return frame, cell_at, entries, run_at, run_edges


def _crossed(lat: Any, lon: Any, edges: Any, start: Any, stop: Any) -> Any:
    """Tell whether a ray to the east crosses the edges an odd number of times, in whole numbers."""
    odd = False
    for i in range(start, stop):
        if crosses(lat, lon, edges[i, 0], edges[i, 1], edges[i, 2], edges[i, 3]):
            odd = not odd
    return odd


crossed: Any = njit(_crossed)


def _enter(frame: Any, runs: Any, run_at: Any, edges: Any, cursor: Any, entries: Any) -> None:
    """Count the entries of each cell at `cursor`, or write them where `entries` has room.

    A region neither enters nor leaves along cells that none of its edges touches, so one place
    tells for all of them.
    """
    south, west, shift, columns = frame[0], frame[1], frame[2], frame[4]
    size = 1 << shift
    write = len(entries) > 0
    touched = np.zeros(columns, np.uint8)
    for run in range(len(runs)):
        row, region = runs[run, 0], runs[run, 1]
        start, stop = run_at[run], run_at[run + 1]
        floor = south + row * size
        least, most = columns, np.int64(-1)
        for i in range(start, stop):
            low, high = reach(edges[i], floor, floor + size)
            low, high = max(low - west, 0) >> shift, min((high - west) >> shift, columns - 1)
            touched[low : high + 1] = 1
            least, most = min(least, low), max(most, high)
        known, holds = False, False
        for c in range(least, most + 1):
            if touched[c]:
                known = False
            elif not known:
                middle = west + c * size + size // 2
                known, holds = True, crossed(floor + size // 2, middle, edges, start, stop)
            if touched[c] or holds:
                cell = row * columns + c
                if write:
                    entries[cursor[cell], 0] = region
                    entries[cursor[cell], 1] = run if touched[c] else -1
                cursor[cell] += 1
        touched[least : most + 1] = 0


def _reach(edge: Any, low: Any, high: Any) -> Any:
    """Return the least and greatest longitude of an edge between two latitudes, a little wider."""
    a, x, b, y = edge[0], edge[1], edge[2], edge[3]
    if a == b:
        return min(x, y), max(x, y)
    slope = (y - x) / (b - a)
    one = x + (min(max(low, min(a, b)), max(a, b)) - a) * slope
    two = x + (min(max(high, min(a, b)), max(a, b)) - a) * slope
    return (
        max(np.int64(min(one, two)) - 4, min(x, y)),
        min(np.int64(max(one, two)) + 4, max(x, y)),
    )


reach: Any = njit(_reach)
enter: Any = njit(types.void(_V, _M, _V, _M, _V, _M), cache=True)(_enter)


def _cell(lat: Any, lon: Any, frame: Any) -> Any:
    """Return the cell of a place, -1 outside the grid."""
    up, across = lat - frame[0], lon - frame[1]
    if up < 0 or across < 0:
        return np.int64(-1)
    row, column = up >> frame[2], across >> frame[2]
    if row >= frame[3] or column >= frame[4]:
        return np.int64(-1)
    return row * frame[4] + column


cell_of: Any = njit(_cell)


def _first(
    lats: Any, lons: Any, frame: Any, cell_at: Any, entries: Any, run_at: Any, edges: Any
) -> Any:
    """Return the first region of each place, -1 for none."""
    found = np.full(len(lats), -1, np.int64)
    for i in range(len(lats)):
        cell = cell_of(lats[i], lons[i], frame)
        if cell < 0:
            continue
        for e in range(cell_at[cell], cell_at[cell + 1]):
            run = entries[e, 1]
            if run < 0 or crossed(lats[i], lons[i], edges, run_at[run], run_at[run + 1]):
                found[i] = entries[e, 0]
                break
    return found


first: Any = njit(_V(_R, _R, *_GRID), cache=True)(_first)


def _pairs(
    lats: Any, lons: Any, frame: Any, cell_at: Any, entries: Any, run_at: Any, edges: Any
) -> Any:
    """Return the pairs of places and regions."""
    at = np.empty(len(lats) + 16, np.int64)
    region = np.empty(len(lats) + 16, np.int64)
    n = 0
    for i in range(len(lats)):
        cell = cell_of(lats[i], lons[i], frame)
        if cell < 0:
            continue
        for e in range(cell_at[cell], cell_at[cell + 1]):
            run = entries[e, 1]
            if run < 0 or crossed(lats[i], lons[i], edges, run_at[run], run_at[run + 1]):
                if n == len(at):
                    at = np.concatenate((at, np.empty(n, np.int64)))
                    region = np.concatenate((region, np.empty(n, np.int64)))
                at[n], region[n] = i, entries[e, 0]
                n += 1
    return at[:n].copy(), region[:n].copy()


pairs: Any = njit(_tuple((_V, _V))(_R, _R, *_GRID), cache=True)(_pairs)
