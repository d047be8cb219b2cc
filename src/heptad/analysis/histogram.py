# SPDX-License-Identifier: Apache-2.0
"""Columns coded into fine cells, and counts of good and bad by cell that merge."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from heptad.analysis.arrays import Array, Codes, column, weights
from heptad.standards.errors import ContractError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike

Special = float | str

CELLS = 64


@dataclass(frozen=True)
class Histogram:
    """Weighted goods and bads of a column by cell, special code and missing; histograms add.

    Attributes:
        edges: for numbers: cell i holds edges[i - 1] ≤ value < edges[i]; None for text.
        levels: for text: the level of each cell, sorted.
        special: codes counted on their own.
        good: (m + s + 1,) weight of goods: cells, then special codes, then missing.
        bad: likewise of bads.
    """

    edges: tuple[float, ...] | None
    levels: tuple[str, ...]
    special: tuple[Special, ...]
    good: Array
    bad: Array

    @property
    def cells(self) -> int:
        """How many cells there are, without special codes and missing."""
        return len(self.levels) if self.edges is None else len(self.edges) + 1

    def __add__(self, other: Histogram) -> Histogram:
        """Merge the counts of two parts of a data set: exact for whole weights, in any order.

        Raises:
            ContractError: if edges or special codes differ.
        """
        if (self.edges, self.special) != (other.edges, other.special):
            raise ContractError(
                "Histograms add only if they have the same edges and special codes.",
                got=f"{self.cells} and {other.cells} cells",
                do="take `pre_edges` once and count every part with them.",
            )
        levels = tuple(sorted({*self.levels, *other.levels}))
        good, bad = self._spread(levels), other._spread(levels)
        return Histogram(self.edges, levels, self.special, good[0] + bad[0], good[1] + bad[1])

    def _spread(self, levels: tuple[str, ...]) -> tuple[Array, Array]:
        if self.edges is not None or levels == self.levels:
            return self.good, self.bad
        place = {level: i for i, level in enumerate(levels)}
        rest = range(len(levels), len(levels) + len(self.special) + 1)
        to = [place[level] for level in self.levels] + list(rest)
        good, bad = np.zeros(rest.stop), np.zeros(rest.stop)
        good[to], bad[to] = self.good, self.bad
        return good, bad


def pre_edges(
    values: Array, weight: Array | None = None, *, special: Sequence[Special] = (), n: int = CELLS
) -> tuple[float, ...]:
    """Choose the inner edges of at most n cells that hold about equal weight.

    An edge is always a value of the data. Up to n distinct values each get their own cell. A
    whole weight counts like that many rows.

    Args:
        values: (m,) numbers, NaN is missing.
        weight: (m,) weights; None is 1 each.
        special: codes left out.
        n: most cells.

    Raises:
        ContractError: if a value is infinite.
    """
    keep = ~(np.isnan(values) | _any_of(values, special))
    if weight is not None:
        keep &= weight > 0
    kept = values if keep.all() else values[keep]
    if len(kept) == 0:
        return ()
    order = None if weight is None else np.argsort(kept, kind="stable")
    ranked = np.sort(kept) if order is None else kept[order]
    if not (np.isfinite(ranked[0]) and np.isfinite(ranked[-1])):
        raise ContractError(
            "A column to cut must be finite.",
            got=float(ranked[-1] if np.isinf(ranked[-1]) else ranked[0]),
            do="make ratios with a zero divisor missing (None or NaN).",
        )
    fresh = ranked[1:][ranked[1:] != ranked[:-1]]
    if len(fresh) < n:
        return tuple(fresh.tolist())
    steps = np.arange(1, n)
    if order is None or weight is None:
        at = steps * len(ranked) // n
    else:
        mass = np.cumsum(weight[keep][order])
        at = np.searchsorted(mass, steps * mass[-1] / n, side="right")
    found = np.unique(ranked[at])
    return tuple(found[found > ranked[0]].tolist())


def _any_of(values: Array, special: Sequence[Special]) -> Any:
    return (
        np.isin(values, np.array(special, np.float64)) if special else np.zeros(len(values), bool)
    )


def number_codes(values: Array, edges: Sequence[float], special: Sequence[Special]) -> Codes:
    """The cell (n,) of each number (n,): regular, then special codes, then missing."""
    from heptad.analysis import kernels

    regular = len(edges) + 1
    inner = np.array(edges, np.float64)
    codes = kernels.place(np.ascontiguousarray(values), inner, regular + len(special))
    for i, code in enumerate(special):
        codes[values == code] = regular + i
    return codes


@dataclass(frozen=True)
class Cells:
    """One column coded into cells: the only pass over its values that cutting needs.

    Attributes:
        edges: for numbers: the inner edges; None for text.
        levels: for text: the level of each cell, sorted.
        special: codes counted on their own.
        codes: (n,) cells, then special codes, then missing, as in `Histogram`.
    """

    edges: tuple[float, ...] | None
    levels: tuple[str, ...]
    special: tuple[Special, ...]
    codes: Codes

    @property
    def size(self) -> int:
        """How many codes there are."""
        regular = len(self.levels) if self.edges is None else len(self.edges) + 1
        return regular + len(self.special) + 1

    def count(
        self, y: Array, weight: Array | None = None, part: Codes | None = None, parts: int = 1
    ) -> list[Histogram]:
        """Count goods and bads by cell, once for each part of the rows.

        Args:
            y: (n,) 0 good, 1 bad.
            weight: (n,) weights; None is 1 each.
            part: (n,) the part of each row, below `parts`; None puts all in the first.
            parts: how many parts.
        """
        codes = self.codes if part is None else self.codes + part * self.size
        size = parts * self.size
        if weight is None:
            bad = np.bincount(codes[y == 1], minlength=size).astype(np.float64)
            good = np.bincount(codes, minlength=size).astype(np.float64) - bad
        else:
            good = np.bincount(codes, weight * (1 - y), size).astype(np.float64)
            bad = np.bincount(codes, weight * y, size).astype(np.float64)
        shape = parts, self.size
        pairs = zip(good.reshape(shape), bad.reshape(shape), strict=True)
        return [Histogram(self.edges, self.levels, self.special, g, b) for g, b in pairs]


def to_cells(
    values: ArrayLike,
    *,
    edges: Sequence[float] | None = None,
    special: Sequence[Special] = (),
    name: str = "column",
) -> Cells:
    """Code one column into cells.

    Args:
        values: (n,) numbers or text.
        edges: for numbers: the inner edges, as from `pre_edges`; None for text.
        special: codes counted on their own.
        name: what errors call the column.

    Raises:
        ContractError: if numbers come without edges, or text with edges.
    """
    found = column(values, name)
    if (edges is None) != (found.dtype == object):
        raise ContractError(f"Numbers need edges and text has none: {name}.", got=str(found.dtype))
    if edges is not None:
        codes = number_codes(found, edges, special)
        return Cells(tuple(float(edge) for edge in edges), (), tuple(special), codes)
    listed = found.tolist()
    levels = tuple(sorted(set(listed) - {None, *special}))
    place: dict[Any, int] = {level: i for i, level in enumerate((*levels, *special, None))}
    codes = np.fromiter(map(place.__getitem__, listed), np.int64, len(listed))
    return Cells(None, levels, tuple(special), codes)


def count(
    values: ArrayLike,
    y: ArrayLike,
    weight: ArrayLike | None = None,
    *,
    edges: Sequence[float] | None = None,
    special: Sequence[Special] = (),
) -> Histogram:
    """Count goods and bads of one column, or of one part of it, by cell.

    Args:
        values: (n,) numbers or text.
        y: (n,) 0 good, 1 bad.
        weight: (n,) weights; None is 1 each.
        edges: for numbers: the inner edges, as from `pre_edges`; None for text.
        special: codes counted on their own.

    Raises:
        ContractError: if lengths differ, or edges are given for text.
    """
    cells = to_cells(values, edges=edges, special=special)
    labels = np.asarray(y, np.float64)
    if labels.shape != cells.codes.shape:
        raise ContractError(
            "One outcome per row is needed.",
            got=f"{len(cells.codes)} rows, {labels.shape} outcomes",
        )
    mass = None if weight is None else weights(weight, len(labels))
    return cells.count(labels, mass)[0]


def code_column(
    values: ArrayLike,
    weight: Array | None = None,
    *,
    name: str = "column",
    special: Sequence[Special] = (),
) -> Cells:
    """Code one column into cells of about equal weight, or of one level each.

    Args:
        values: (n,) numbers with NaN, or text with None, for missing.
        weight: (n,) weights; None is 1 each.
        name: what errors call the column.
        special: codes such as -999 that stay on their own.

    Raises:
        ContractError: if the column is infinite or mixed, or a special code is of another kind.
    """
    found = column(values, name)
    if any(isinstance(code, str) != (found.dtype == object) for code in special):
        raise ContractError(f"Special codes of {name} must be of its kind.", got=list(special))
    if found.dtype == object:
        return to_cells(found, special=special, name=name)
    codes = tuple(float(code) for code in special)
    return to_cells(found, edges=pre_edges(found, weight, special=codes), special=codes, name=name)


def spread(y: Array, n: int) -> Codes | None:
    """Deal rows to n folds in turn, each class by itself, so that every fold has its share.

    Args:
        y: (m,) 0 good, 1 bad.
        n: folds; 0 is none.

    Returns:
        (m,) the fold of each row; None where n is 0 or a class has less than two cases per fold.
    """
    if n == 0 or min(y.sum(), len(y) - y.sum()) < 2 * n:
        return None
    part = np.empty(len(y), np.int64)
    for kind in (0, 1):
        place = np.flatnonzero(y == kind)
        part[place] = np.arange(len(place)) % n
    return part


@dataclass(frozen=True)
class Cases:
    """The outcomes of rows, their weights, and the fold that each row belongs to.

    Attributes:
        y: (n,) 0 good, 1 bad.
        weight: (n,) weights; None is 1 each.
        part: (n,) folds, as from `spread`; None if there are none.
    """

    y: Array
    weight: Array | None
    part: Codes | None

    @property
    def mass(self) -> Array:
        """Weights (n,)."""
        return np.ones(len(self.y)) if self.weight is None else self.weight

    @property
    def folds(self) -> int:
        """How many folds there are; 1 if the rows are not parted."""
        return 1 if self.part is None else int(self.part.max()) + 1

    @property
    def fold(self) -> Codes:
        """The fold (n,) of each row; all 0 if the rows are not parted."""
        return np.zeros(len(self.y), np.int64) if self.part is None else self.part
