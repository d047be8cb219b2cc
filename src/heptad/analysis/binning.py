# SPDX-License-Identifier: Apache-2.0
"""Supervised binning: cut one column so that its bins tell good from bad as well as they can."""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from heptad.analysis.arrays import Array, Codes, Column, column, target, weights
from heptad.analysis.histogram import (
    CELLS,
    Cells,
    Histogram,
    Special,
    code_column,
    number_codes,
    pre_edges,
    to_cells,
)
from heptad.standards.errors import ContractError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike

Direction = Literal["up", "down", "peak", "valley", "auto", "soft"]

_NO = math.inf
_FINER = 32
_SHAPES: dict[str | None, tuple[tuple[float, float], tuple[float, float]]] = {
    "up": ((0, _NO), (_NO, _NO)),
    "down": ((_NO, 0), (_NO, _NO)),
    "peak": ((0, _NO), (0, _NO)),
    "valley": ((_NO, 0), (_NO, 0)),
    "auto": ((0, 0), (_NO, _NO)),
    "soft": ((0, 0), (1, 1)),
    None: ((0, 0), (0, 0)),
}
"""For a rising and a falling bad rate: the cost to start with it, and to turn away from it."""


@dataclass(frozen=True)
class Rule:
    """How columns are cut.

    Attributes:
        max_bins: most bins besides missing and special codes.
        min_share: least share of all weight in each such bin.
        monotone: "up": the bad rate never falls as the value rises; "down": never rises; "peak":
            rises, then falls; "valley": falls, then rises; "auto": up or down, whichever tells
            more; "soft": as "auto", but may turn where that tells more by `bend`; None: free.
            Text has no direction, so its levels go in order of bad rate.
        smoothing: average cases added to each bin before its weight of evidence is taken, so
            that it stays finite and small bins lean to neutral.
        penalty: what one more bin must add, in units of χ²; 0 maximises information value alone.
        bend: what each change of direction must add under "soft", in units of χ².
        rare: text levels with less than this share of the weight are pooled before cutting.

    Information value times goods · bads / (goods + bads) is about χ² with one degree of freedom
    per cut where there is no signal; this is the unit of `penalty` and `bend`.
    """

    max_bins: int = 8
    min_share: float = 0.02
    monotone: Direction | None = "soft"
    smoothing: float = 5.0
    penalty: float = 0.0
    bend: float = 60.0
    rare: float = 0.005

    def __post_init__(self) -> None:
        if self.max_bins < 1 or not 0 <= self.min_share <= 1 or not 0 <= self.rare <= 1:
            raise ContractError(
                "max_bins must be at least 1, and shares between 0 and 1.",
                got=f"{self.max_bins}, {self.min_share}, {self.rare}",
            )
        if self.smoothing <= 0 or min(self.penalty, self.bend) < 0:
            raise ContractError(
                "smoothing must be above 0, penalty and bend at least 0.",
                got=f"{self.smoothing}, {self.penalty}, {self.bend}",
            )
        if self.monotone not in _SHAPES:
            raise ContractError(
                "monotone must be up, down, peak, valley, auto, soft or None.",
                got=self.monotone,
                do='use "soft".',
            )


@dataclass(frozen=True)
class Bins:
    """One column cut into bins, each with its weight of evidence.

    The bins in order: the regular ones, one per special code, missing, and for text one for
    levels not seen in training. A bin without a training case, the last always, is neutral: its
    weight of evidence is 0. An infinite number falls into the outermost bin.

    Attributes:
        name: the column.
        edges: for numbers: bin i holds edges[i - 1] ≤ value < edges[i]; None for text.
        groups: for text: the levels in each regular bin, bins in order of bad rate.
        special: codes that are bins of their own.
        good: weight of goods per bin.
        bad: weight of bads per bin.
        woe: weight of evidence per bin: ln of (share of the goods / share of the bads), after
            `Rule.smoothing` average cases were added to the bin. Above 0 is safer than average.
        notes: what was done by hand, with the reason.
    """

    name: str
    edges: tuple[float, ...] | None
    groups: tuple[tuple[str, ...], ...]
    special: tuple[Special, ...]
    good: tuple[float, ...]
    bad: tuple[float, ...]
    woe: tuple[float, ...]
    notes: tuple[str, ...] = ()
    _level: dict[str, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        level = {name: i for i, group in enumerate(self.groups) for name in group}
        if self.edges is None:
            level |= {str(code): self.regular + i for i, code in enumerate(self.special)}
        object.__setattr__(self, "_level", level)

    @property
    def regular(self) -> int:
        """How many bins there are besides special codes, missing and unseen levels."""
        return len(self.groups) if self.edges is None else len(self.edges) + 1

    @property
    def missing(self) -> int:
        """The index of the bin for missing values; the one for unseen levels follows it."""
        return self.regular + len(self.special)

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """What each bin holds, in words."""
        if self.edges is None:
            regular = [", ".join(group) for group in self.groups]
        elif not self.edges:
            regular = ["any value"]
        else:
            shown = [f"{edge:.10g}" for edge in self.edges]
            middle = [f"{low} to < {high}" for low, high in pairwise(shown)]
            regular = [f"< {shown[0]}", *middle, f"≥ {shown[-1]}"]
        codes = [
            f"code {code if isinstance(code, str) else f'{code:.10g}'}" for code in self.special
        ]
        unseen = ["unseen level"] if self.edges is None else []
        return (*regular, *codes, "missing", *unseen)

    @property
    def iv(self) -> float:
        """Information value: Σ (share of goods - share of bads) · weight of evidence."""
        goods, bads = math.fsum(self.good), math.fsum(self.bad)
        parts = zip(self.good, self.bad, self.woe, strict=True)
        return math.fsum((g / goods - b / bads) * w for g, b, w in parts)

    def find(self, value: float | str | None) -> int:
        """The bin of one value: equal to what `codes` gives for it in a column.

        Raises:
            ContractError: if it is text where numbers are cut, or the reverse.
        """
        if value is None or value != value:  # noqa: PLR0124  NaN differs from itself
            return self.missing
        if self.edges is None:
            if not isinstance(value, str):
                raise ContractError(f"{self.name} must be text.", got=value)
            return self._level.get(value, self.missing + 1)
        number = number_of(value, self.name)
        if number in self.special:
            return self.regular + self.special.index(number)
        return bisect_right(self.edges, number)

    def codes(self, values: ArrayLike) -> Codes:
        """The bins (n,) of a column (n,).

        Raises:
            ContractError: if it is text where numbers are cut, or the reverse.
        """
        cells = column(values, self.name)
        if self.edges is not None:
            if cells.dtype == object:
                cells = self._emptied(cells, np.float64)
            return number_codes(cells, self.edges, self.special)
        if cells.dtype != object:
            cells = self._emptied(cells, object)
        unseen = self.missing + 1
        place: dict[Any, int] = {None: self.missing, **self._level}
        return np.fromiter((place.get(v, unseen) for v in cells.tolist()), np.int64, len(cells))

    def _emptied(self, cells: Column, kind: Any) -> Column:
        present = [v for v in cells.tolist() if v is not None and v == v]  # noqa: PLR0124
        if present:
            wanted = "text" if kind is object else "numbers"
            raise ContractError(f"{self.name} must hold {wanted}.", got=present[0])
        return np.full(len(cells), None if kind is object else np.nan, dtype=kind)

    def regroup(self, cells: Cells) -> Codes:
        """The bin of each code of `cells`, whose edges must include those of the bins."""
        if self.edges is None:
            regular = [self._level.get(level, self.missing + 1) for level in cells.levels]
        else:
            lows = (-math.inf, *(cells.edges or ()))
            regular = [bisect_right(self.edges, low) for low in lows]
        return np.array([*regular, *range(self.regular, self.missing + 1)], np.int64)

    def transform(self, values: ArrayLike) -> Array:
        """Weights of evidence (n,) of a column (n,)."""
        return np.array(self.woe)[self.codes(values)]


def number_of(value: Any, name: str) -> float:
    """One number as a float, refusing text.

    Raises:
        ContractError: if it is not a number.
    """
    try:
        if isinstance(value, (str, bytes)):
            raise TypeError
        return float(value)
    except (TypeError, ValueError, OverflowError) as error:
        raise ContractError(f"{name} must be a number.", got=value) from error


def cut(histogram: Histogram, rule: Rule | None = None, *, name: str = "column") -> Bins:
    """Group the cells of a histogram into the bins of greatest information value.

    Exact: a dynamic programme over all groupings of neighbouring cells (text levels are put in
    order of bad rate first) that keep `rule`. Ties go to fewer bins, then to the smaller first
    bin, and for "auto" to "up".

    Raises:
        ContractError: if there is no good or no bad case.
    """
    rule = rule or Rule()
    goods, bads = math.fsum(histogram.good), math.fsum(histogram.bad)
    if goods <= 0 or bads <= 0:
        raise ContractError(
            f"{name} cannot be cut without cases of both kinds.",
            got=f"{goods:g} good, {bads:g} bad",
        )
    m = histogram.cells
    groups = [[i] for i in range(m)] if histogram.edges is not None else _ordered(histogram, rule)
    good = np.array([histogram.good[cells].sum() for cells in groups])
    bad = np.array([histogram.bad[cells].sum() for cells in groups])
    monotone = rule.monotone if histogram.edges is not None else None
    starts = _best(good, bad, (goods, bads), rule, monotone) if groups else []
    stops = [*starts[1:], len(groups)] if groups else []
    merged = [
        sorted(cell for cells in groups[a:b] for cell in cells)
        for a, b in zip(starts, stops, strict=True)
    ]
    tail = list(range(m, m + len(histogram.special) + 1))
    parts = merged + [[cell] for cell in tail]
    found_good = [float(histogram.good[cells].sum()) for cells in parts]
    found_bad = [float(histogram.bad[cells].sum()) for cells in parts]
    if histogram.edges is None:
        edges, levels = None, tuple(tuple(histogram.levels[c] for c in cells) for cells in merged)
        found_good.append(0.0)
        found_bad.append(0.0)
    else:
        edges, levels = tuple(histogram.edges[start - 1] for start in starts[1:]), ()
    woe = evidence(found_good, found_bad, goods, bads, rule.smoothing)
    return Bins(name, edges, levels, histogram.special, tuple(found_good), tuple(found_bad), woe)


def _ordered(histogram: Histogram, rule: Rule) -> list[list[int]]:
    """Cells of text levels in order of bad rate, the rare ones pooled into one."""
    m = histogram.cells
    good, bad = histogram.good[:m], histogram.bad[:m]
    mass = good + bad
    seen = [i for i in range(m) if mass[i] > 0]
    least = rule.rare * float(histogram.good.sum() + histogram.bad.sum())
    by_size = sorted(seen, key=lambda i: (-mass[i], histogram.levels[i]))
    common = [i for i in by_size if mass[i] >= least][: CELLS - 1]
    chosen = set(common)
    pooled = [i for i in seen if i not in chosen]
    cells = [[i] for i in common] + ([pooled] if pooled else [])

    def rank(group: list[int]) -> tuple[float, str]:
        return float(bad[group].sum()) / float(mass[group].sum()), histogram.levels[group[0]]

    return sorted(cells, key=rank)


def _best(
    good: Array, bad: Array, totals: tuple[float, float], rule: Rule, monotone: Direction | None
) -> list[int]:
    from heptad.analysis import kernels

    goods, bads = totals
    unit = (goods + bads) / (goods * bads)
    least = rule.min_share * (goods + bads)
    woe, gain = kernels.worth(
        good, bad, np.array(totals), rule.smoothing, least, rule.penalty * unit
    )
    enter, toll = _SHAPES[monotone]
    turn = unit * rule.bend if monotone == "soft" else 1.0
    prices = np.array([turn * t if t else 0.0 for t in toll])
    value, starts = kernels.cut(
        woe, gain, min(rule.max_bins, len(good)), np.array(enter, float), prices
    )
    return starts.tolist() if value > -math.inf else [0]


def evidence(
    good: Sequence[float], bad: Sequence[float], goods: float, bads: float, smoothing: float
) -> tuple[float, ...]:
    """Weights of evidence of bins; see `Bins.woe`."""
    from heptad.analysis import kernels

    pairs = zip(good, bad, strict=True)
    return tuple(kernels.log_odds(g, b, goods, bads, smoothing) for g, b in pairs)


def cut_apart(
    cells: Cells,
    y: Array,
    weight: Array | None = None,
    *,
    part: Codes | None,
    rule: Rule | None = None,
    name: str = "column",
) -> tuple[Bins, Array]:
    """Cut one column, and give each row the evidence of bins that were cut without its fold.

    Evidence that a row has not helped to make is honest: noise shows none on average. Costs one
    pass over the rows, since a fold is taken out of the counts.

    Args:
        cells: the column, as from `code_column`.
        y: (n,) 0 good, 1 bad.
        weight: (n,) weights; None is 1 each.
        part: (n,) the fold of each row, as from `spread`; None uses the final bins for all.
        rule: how to cut.
        name: what errors call the column.

    Returns:
        The bins cut on all rows, and (n,) weights of evidence.
    """
    if part is None:
        bins = cut(cells.count(y, weight)[0], rule, name=name)
        return bins, np.array(bins.woe)[bins.regroup(cells)][cells.codes]
    counts = cells.count(y, weight, part, int(part.max()) + 1)
    whole = _with(counts[0], sum(h.good for h in counts), sum(h.bad for h in counts))
    evidence = np.empty((len(counts), cells.size))
    for i, held in enumerate(counts):
        bins = cut(_with(whole, whole.good - held.good, whole.bad - held.bad), rule, name=name)
        evidence[i] = np.array(bins.woe)[bins.regroup(cells)]
    return cut(whole, rule, name=name), evidence[part, cells.codes]


def _with(histogram: Histogram, good: Any, bad: Any) -> Histogram:
    """The same cells with other counts; fractional weights may leave a trace below 0."""
    return replace(histogram, good=np.maximum(good, 0.0), bad=np.maximum(bad, 0.0))


def bin_column(
    values: ArrayLike,
    y: ArrayLike,
    weight: ArrayLike | None = None,
    *,
    name: str = "column",
    special: Sequence[Special] = (),
    rule: Rule | None = None,
) -> Bins:
    """Cut one column in one go: edges of equal cells, counts, then the best grouping.

    Where cells were many, the cuts found are then sought again among closer ones around them.

    Args:
        values: (n,) numbers with NaN, or text with None, for missing.
        y: (n,) 0 good, 1 bad.
        weight: (n,) weights; None is 1 each.
        name: what errors call it.
        special: codes such as -999 that become bins of their own.
        rule: how to cut.

    Raises:
        ContractError: if the column is infinite or mixed, or there is only one class.
    """
    labels = target(y)
    mass = None if weight is None else weights(weight, len(labels))
    cells = code_column(values, mass, name=name, special=special)
    counted = cells.count(labels, mass)[0]
    found = cut(counted, rule, name=name)
    if not found.edges or not cells.edges or len(cells.edges) < CELLS // 2:
        return found
    return cut(_closer(column(values, name), labels, mass, cells, counted, found), rule, name=name)


def _closer(
    values: Array, y: Array, weight: Array | None, cells: Cells, counted: Histogram, found: Bins
) -> Histogram:
    """Count with edges sixteen times as dense on both sides of those found.

    Only rows of the cells beside a cut are looked at again; the other cells keep their counts.
    """
    held, cuts = np.array(cells.edges), found.edges or ()
    beside = np.unique([(at, at + 1) for at in np.searchsorted(held, cuts).tolist()])
    near = np.zeros(cells.size, bool)
    near[beside] = True
    rows = np.flatnonzero(near[cells.codes])
    some, codes = values[rows], cells.codes[rows]
    mass = None if weight is None else weight[rows]
    edges = set(cuts)
    for at in np.searchsorted(held, cuts).tolist():
        here = (codes == at) | (codes == at + 1)
        edges.update(pre_edges(some[here], None if mass is None else mass[here], n=_FINER))
    sharper = to_cells(some, edges=tuple(sorted(edges)), special=cells.special)
    fine = sharper.count(y[rows], mass)[0]
    regular = np.searchsorted(sharper.edges or (), np.array([-np.inf, *held]), side="right")
    place = np.concatenate([regular, np.arange(fine.cells, sharper.size)])
    far = ~near
    good = fine.good + np.bincount(place[far], counted.good[far], sharper.size)
    bad = fine.bad + np.bincount(place[far], counted.bad[far], sharper.size)
    return replace(fine, good=good, bad=bad)
