# SPDX-License-Identifier: Apache-2.0
"""Crossed features: pairs of columns whose cells tell more than the columns do one by one.

A card adds its columns up, so it cannot say that a young borrower with a large loan is worse than
youth and size together. Here every pair of columns is laid out as a grid of coarse cells, and the
pair that takes most off the loss that is left is added, until no pair takes off enough. A cell's
worth for a row always comes from other folds than the row's own, so noise takes nothing off.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from heptad.analysis.binning import Bins, evidence
from heptad.analysis.histogram import Cases, Cells, pre_edges, to_cells
from heptad.analysis.levels import by_risk

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from heptad.analysis.arrays import Array, Codes
    from heptad.analysis.histogram import Special

GRID = 10


@dataclass(frozen=True)
class Search:
    """How pairs are looked for.

    Attributes:
        most: most pairs kept.
        least: log-likelihood, in nats on cases held out, that a further pair must add.
        shrink: information added to each cell, weighing it towards no effect: 10 is that of 40
            cases at even odds.
        step: share of a cell's worth that one round adds; a pair may be chosen again.
        widest: columns that pairs are made of, those of most information value.
    """

    most: int
    least: float = 3.0
    shrink: float = 10.0
    step: float = 0.5
    widest: int = 24


@dataclass(frozen=True)
class Cross:
    """One crossed feature: the points of every cell of two columns' grids.

    Attributes:
        columns: the two columns.
        points: by bin of the first column's grid, then of the second's.
    """

    columns: tuple[str, str]
    points: tuple[tuple[int, ...], ...]

    @property
    def name(self) -> str:
        """How the pair is called."""
        return " × ".join(self.columns)


@dataclass(frozen=True)
class Grid:
    """One column laid out in coarse bins, for rows of the training set and for new ones.

    Attributes:
        bins: the coarse bins.
        codes: (n,) the bin of each training row, found without the row's own fold.
    """

    bins: Bins
    codes: Codes

    @property
    def size(self) -> int:
        """How many bins there are, missing and unseen levels included."""
        return len(self.bins.woe)


def grid(name: str, values: Any, cases: Cases, special: Sequence[Special] = ()) -> Grid:
    """Lay one column out in about `GRID` bins of equal weight.

    Numbers are cut at quantiles, which needs no outcome. The levels of text go in order of their
    bad rate, shrunk to the average by 20 cases; a row's own fold has no say in where it falls.

    Args:
        name: the column.
        values: (n,) numbers or text, as `arrays.column` gives them.
        cases: outcomes, weights and folds of the rows.
        special: codes that are bins of their own.
    """
    if values.dtype != object:
        codes = tuple(float(code) for code in special)
        edges = pre_edges(values, cases.weight, special=codes, n=GRID)
        cells = to_cells(values, edges=edges, special=codes, name=name)
        return Grid(_counted(name, cells, cases, edges, ()), cells.codes)
    cells = to_cells(values, special=special, name=name)
    if len(cells.levels) <= GRID:
        alone: tuple[tuple[str, ...], ...] = tuple((level,) for level in cells.levels)
        return Grid(_counted(name, cells, cases, None, alone), cells.codes)
    groups, honest = by_risk(cells, cases, GRID)
    return Grid(_counted(name, cells, cases, None, groups), honest)


def _counted(
    name: str,
    cells: Cells,
    cases: Cases,
    edges: tuple[float, ...] | None,
    groups: tuple[tuple[str, ...], ...],
) -> Bins:
    """Coarse bins with the goods and bads that fall into each."""
    size = (len(groups) + 1 if edges is None else len(edges) + 1) + len(cells.special) + 1
    nothing = (0.0,) * size
    bins = Bins(name, edges, groups, cells.special, nothing, nothing, nothing)
    whole = cells.count(cases.y, cases.weight)[0]
    place = bins.regroup(cells)
    good = np.bincount(place, whole.good, size)
    bad = np.bincount(place, whole.bad, size)
    woe = evidence(good.tolist(), bad.tolist(), float(good.sum()), float(bad.sum()), 5.0)
    return Bins(name, edges, groups, cells.special, tuple(good.tolist()), tuple(bad.tolist()), woe)


def find(
    grids: Mapping[str, Grid],
    cases: Cases,
    z: Array,
    search: Search,
    directions: Mapping[str, str],
) -> tuple[dict[tuple[str, str], Array], Array]:
    """Find the pairs of columns that take most off the loss of a score.

    Each round weighs every pair by the log-likelihood that its cells, learned on the other folds,
    add on each fold, and adds the best. Along a column with a declared direction the cells of a
    pair rise or fall as declared.

    Args:
        grids: name → the column's grid.
        cases: outcomes, weights and folds of the rows.
        z: (n,) log-odds of bad so far, of a score that did not see the row's own fold.
        search: how to look.
        directions: name → "up" or "down" for columns whose bad rate must rise or fall.

    Returns:
        (first, second) → log-odds of bad (bins of the first, bins of the second), in order found;
        and (n,) log-odds with them, still of a score that did not see the row's own fold.

    Source: Lou, Caruana, Gehrke, Hooker, Accurate intelligible models with pairwise interactions,
        KDD 2013 (pairs ranked by the residual); here weighed on held-out folds.
    """
    from heptad.analysis import kernels

    part, score = cases.fold, z.copy()
    found: dict[tuple[str, str], Array] = {}
    pairs = list(combinations(grids, 2))
    for _ in range(4 * search.most):
        chance = kernels.probability(score)
        moments = np.stack([cases.mass * (cases.y - chance), cases.mass * chance * (1 - chance)])
        gains = [
            kernels.pair_gain(
                *(grids[a].codes, grids[b].codes, part, moments),
                *(np.array([grids[a].size, grids[b].size, cases.folds]), search.shrink),
            )
            for a, b in pairs
        ]
        best = int(np.argmax(gains)) if gains else 0
        if not gains or gains[best] < search.least:
            break
        pair = pairs[best]
        one, two = (grids[name] for name in pair)
        whole, held = _cells(one, two, part, moments, search.shrink)
        for table in (whole, *held):
            _straighten(table, one, directions.get(pair[0]))
            _straighten(table.T, two, directions.get(pair[1]))
        worth = held[part, one.codes, two.codes]
        if float((moments[0] * worth - 0.5 * moments[1] * worth**2).sum()) < search.least:
            pairs.remove(pair)
            continue
        score += search.step * worth
        found[pair] = found.get(pair, np.zeros_like(whole)) + search.step * whole
        if len(found) == search.most:
            pairs = [p for p in pairs if p in found]
    return found, score


def _cells(one: Grid, two: Grid, part: Codes, moments: Array, shrink: float) -> tuple[Array, Array]:
    """The worth of each cell (a, b) learned on all rows, and (folds, a, b) without each fold."""
    folds, shape = int(part.max()) + 1, (one.size, two.size)
    place = (part * one.size + one.codes) * two.size + two.codes
    size = folds * one.size * two.size
    g = np.bincount(place, moments[0], size).reshape(folds, *shape)
    h = np.bincount(place, moments[1], size).reshape(folds, *shape)
    whole = g.sum(axis=0) / (h.sum(axis=0) + shrink)
    return whole, (g.sum(axis=0) - g) / (np.maximum(h.sum(axis=0) - h, 0.0) + shrink)


def _straighten(table: Array, along: Grid, direction: str | None) -> None:
    """Let the regular rows of a table only rise ("up") or only fall, in place.

    The middle of the running extremes from both ends: it keeps the direction of the other axis,
    since running extremes do.
    """
    if direction not in {"up", "down"} or along.bins.edges is None:
        return
    rows = table[: along.bins.regular]
    sign = 1.0 if direction == "up" else -1.0
    rising = np.maximum.accumulate(sign * rows, axis=0)
    falling = np.minimum.accumulate((sign * rows)[::-1], axis=0)[::-1]
    rows[:] = sign * (rising + falling) / 2
