# SPDX-License-Identifier: Apache-2.0
"""One column of a scorecard made ready for scoring: from a value to its place, points and cell."""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from heptad.analysis.binning import Bins, number_of
from heptad.analysis.histogram import number_codes
from heptad.standards.errors import ContractError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from heptad.analysis.arrays import Codes, Column


@dataclass(frozen=True)
class Lane:
    """What one column adds to a total, whether it has points, cells in pairs, or both.

    The cuts of both are laid over each other, so that one look finds both. Places in order: the
    regular ones, one per special code, missing, and for text one for levels never seen.

    Attributes:
        name: the column.
        edges: for numbers: all cuts; None for text.
        levels: for text: level or special code → place; None for numbers.
        special: for numbers: code → place.
        missing: the place of missing values.
        points: by place; all 0 where the column has no points of its own.
        cells: by place, the bin of the column's grid; None where it is in no pair.
    """

    name: str
    edges: list[float] | None
    levels: dict[str, int] | None
    special: dict[float, int]
    missing: int
    points: tuple[int, ...]
    cells: tuple[int, ...] | None

    def find(self, value: Any) -> int:
        """The place of one value: equal to what `places` gives for it in a column.

        Raises:
            ContractError: if it is text where numbers are wanted, or the reverse.
        """
        if value is None or value != value:  # noqa: PLR0124  NaN differs from itself
            return self.missing
        if self.levels is not None:
            if not isinstance(value, str):
                raise ContractError(f"{self.name} must be text.", got=value)
            return self.levels.get(value, self.missing + 1)
        number = number_of(value, self.name)
        if number in self.special:
            return self.special[number]
        return bisect_right(self.edges or (), number)

    def places(self, values: Column) -> Codes:
        """The places (n,) of a column (n,), as `arrays.column` gives it.

        Raises:
            ContractError: if it is text where numbers are wanted, or the reverse.
        """
        wanted = np.dtype(object) if self.levels is not None else np.dtype(np.float64)
        if values.dtype != wanted:
            values = _emptied(values, wanted, self.name)
        if self.levels is None:
            return number_codes(values, self.edges or (), tuple(self.special))
        unseen = self.missing + 1
        place: dict[Any, int] = {None: self.missing, **self.levels}
        return np.fromiter((place.get(v, unseen) for v in values.tolist()), np.int64, len(values))


def _emptied(values: Column, wanted: np.dtype[Any], name: str) -> Column:
    """A column of the other kind, if nothing is in it."""
    present = [v for v in values.tolist() if v is not None and v == v]  # noqa: PLR0124
    if present:
        kind = "text" if wanted.kind == "O" else "numbers"
        raise ContractError(f"{name} must hold {kind}.", got=present[0])
    return np.full(len(values), None if wanted.kind == "O" else np.nan, dtype=wanted)


def lane(name: str, main: Bins | None, points: Sequence[int] | None, grid: Bins | None) -> Lane:
    """Lay a column's bins and its grid over each other.

    Args:
        name: the column.
        main: its bins, if it has points.
        points: by bin of `main`.
        grid: its grid, if it is in a pair.
    """
    held = [bins for bins in (main, grid) if bins is not None]
    special = held[0].special
    if held[0].edges is None:
        known = {level for bins in held for group in bins.groups for level in group}
        names = [*sorted(known - {*special}), *map(str, special)]
        levels: dict[str, int] | None = {level: i for i, level in enumerate(names)}
        edges, codes, missing = None, {}, len(names)
        found = [[*map(bins.find, names), bins.missing, bins.missing + 1] for bins in held]
    else:
        edges, levels = sorted({edge for bins in held for edge in bins.edges or ()}), None
        codes = {float(code): len(edges) + 1 + i for i, code in enumerate(special)}
        missing = len(edges) + 1 + len(special)
        found = [
            # Not by `find`: an edge may be a special code, and its place holds more than it.
            [bisect_right(bins.edges or (), low) for low in (-math.inf, *edges)]
            + list(range(bins.regular, bins.missing + 1))
            for bins in held
        ]
    worth = tuple(points[i] for i in found[0]) if main and points else (0,) * len(found[0])
    cells = tuple(found[-1]) if grid is not None else None
    return Lane(name, edges, levels, codes, missing, worth, cells)
