# SPDX-License-Identifier: Apache-2.0
"""Text of many levels, such as banks or industry codes: ranked by risk without each row's fold.

A level seen twice says nothing reliable, and thousands of them fit anything. So levels go in order
of their bad rate, shrunk to the average, and rows are counted where the other folds put their
level: what a level owes to its own rows is not counted as evidence.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from heptad.analysis.binning import Bins, Rule, cut
from heptad.analysis.histogram import Histogram

if TYPE_CHECKING:
    from heptad.analysis.arrays import Array, Codes
    from heptad.analysis.histogram import Cases, Cells

_PRIOR = 20.0
_RANKS = 24


def by_risk(cells: Cells, cases: Cases, n: int) -> tuple[tuple[tuple[str, ...], ...], Codes]:
    """Deal the levels of a text column into n ranks of about equal weight, safest first.

    Args:
        cells: the column, coded by level.
        cases: outcomes, weights and folds of the rows.
        n: ranks.

    Returns:
        The levels of each rank, by all rows; and (m,) the rank of each row by the other folds,
        special codes and missing after the ranks.
    """
    levels = len(cells.levels)
    counts = cells.count(cases.y, cases.weight, cases.fold, cases.folds)
    good, bad = (np.sum([getattr(h, kind) for h in counts], axis=0) for kind in ("good", "bad"))
    place = _ranks(good, bad, levels, n).tolist()
    groups: list[list[str]] = [[] for _ in range(n)]
    for level, at in zip(cells.levels, place, strict=True):
        groups[at].append(level)
    rest = np.arange(n, n + len(cells.special) + 1)
    held = [np.concatenate([_ranks(good - h.good, bad - h.bad, levels, n), rest]) for h in counts]
    return tuple(map(tuple, groups)), np.stack(held)[cases.fold, cells.codes]


def _ranks(good: Array, bad: Array, levels: int, n: int) -> Codes:
    """The rank of each level, in order of bad rate with 20 average cases added."""
    g, b = np.maximum(good[:levels], 0.0), np.maximum(bad[:levels], 0.0)
    whole = float(good.sum() + bad.sum())
    average = float(bad.sum()) / whole if whole > 0 else 0.5
    mass = g + b
    order = np.argsort((b + _PRIOR * average) / (mass + _PRIOR), kind="stable")
    middle = np.cumsum(mass[order]) - mass[order] / 2
    found = np.empty(levels, np.int64)
    found[order] = np.minimum((middle * n / (mass.sum() or 1.0)).astype(np.int64), n - 1)
    return found


def cut_levels(
    cells: Cells, cases: Cases, rule: Rule | None = None, *, name: str = "column"
) -> tuple[Bins, Array]:
    """Cut a text column of many levels, and give each row evidence from the other folds.

    Goods and bads of a bin are those of the rows that the other folds put there.

    Args:
        cells: the column, coded by level.
        cases: outcomes, weights and folds of the rows; there must be folds.
        rule: how to cut; the bad rate rises from bin to bin.
        name: what errors call the column.

    Returns:
        The bins, and (n,) weights of evidence.
    """
    given = rule or Rule()
    rising = Rule(given.max_bins, given.min_share, "up", given.smoothing, given.penalty)
    groups, codes = by_risk(cells, cases, _RANKS)
    k = _RANKS + len(cells.special) + 1
    place = codes + cases.fold * k
    good = np.bincount(place, cases.mass * (1 - cases.y), cases.folds * k).reshape(-1, k)
    bad = np.bincount(place, cases.mass * cases.y, cases.folds * k).reshape(-1, k)
    whole = _cut_ranks(good.sum(axis=0), bad.sum(axis=0), cells, rising, name)
    evidence = np.empty((cases.folds, k))
    for i in range(cases.folds):
        rest = good.sum(axis=0) - good[i], bad.sum(axis=0) - bad[i]
        bins = _cut_ranks(*rest, cells, rising, name)
        evidence[i] = np.array(bins.woe)[_places(bins)]
    merged: list[list[str]] = [[] for _ in range(whole.regular)]
    for at, group in zip(_places(whole).tolist(), groups, strict=False):
        merged[at] += group
    good_, bad_, woe = ((*values, 0.0) for values in (whole.good, whole.bad, whole.woe))
    text = Bins(name, None, tuple(map(tuple, merged)), cells.special, good_, bad_, woe)
    return text, evidence[cases.fold, codes]


def _cut_ranks(good: Array, bad: Array, cells: Cells, rule: Rule, name: str) -> Bins:
    """Cut ranks as if they were numbers, and the special codes too."""
    steps = tuple(float(i) for i in range(1, _RANKS))
    codes = tuple(float(-i) for i in range(1, len(cells.special) + 1))
    held = Histogram(steps, (), codes, np.maximum(good, 0.0), np.maximum(bad, 0.0))
    return cut(held, rule, name=name)


def _places(bins: Bins) -> Codes:
    """The bin of each rank, special code and missing."""
    ranks = np.searchsorted(bins.edges or (), np.arange(float(_RANKS)), side="right")
    return np.concatenate([ranks, np.arange(bins.regular, bins.missing + 1)])
