# SPDX-License-Identifier: Apache-2.0
"""What a scorecard took from a row, column by column, against the best it gives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from heptad.analysis.binning import Bins
    from heptad.analysis.crosses import Cross
    from heptad.analysis.scorecard import Scorecard


class Loss(NamedTuple):
    """Points that one column lost against its best bin; bins are named in words."""

    column: str
    lost: int
    points: int
    bin: str
    best: str


def losses(card: Scorecard, row: Mapping[str, Any]) -> list[Loss]:
    """The columns that cost a row points, most first; see `Scorecard.reasons`."""
    found = card.points(row)
    shared: dict[str, int] = {}
    wanted: dict[str, tuple[int, int]] = {}
    for cross in card.crosses_:
        _share(cross, card.grids_, row, shared, wanted)
    result = []
    for name in dict.fromkeys([*card.parts_, *card.grids_]):
        part = card.parts_.get(name)
        lost = shared.get(name, 0)
        if part is None:
            bins = card.grids_[name]
            here, best, points = bins.find(row[name]), wanted[name][1], 0
        else:
            bins, here, best = part.bins, found.bins[name], part.best
            points = part.points[here]
            lost += part.points[best] - points
            if here == best and name in wanted:
                bins, (here, best) = card.grids_[name], wanted[name]
        if lost > 0:
            result.append(Loss(name, lost, points, bins.labels[here], bins.labels[best]))
    return sorted(result, key=lambda loss: -loss.lost)


def _share(
    cross: Cross,
    grids: Mapping[str, Bins],
    row: Mapping[str, Any],
    shared: dict[str, int],
    wanted: dict[str, tuple[int, int]],
) -> None:
    """Add what a pair costs to its two columns, and where each would have to be.

    Missing, special and unseen cells are no aim, since nobody can be advised to become them.
    """
    one, two = cross.columns
    a, b = grids[one].find(row[one]), grids[two].find(row[two])
    rows = range(grids[one].regular or len(cross.points))
    columns = range(grids[two].regular or len(cross.points[0]))
    table = cross.points
    best = max(((i, j) for i in rows for j in columns), key=lambda at: table[at[0]][at[1]])
    first = table[best[0]][b] - table[a][b]
    last = table[best[0]][best[1]] - table[a][best[1]]
    whole = table[best[0]][best[1]] - table[a][b]
    mine = (first + last) // 2
    for name, here, aim, part in ((one, a, best[0], mine), (two, b, best[1], whole - mine)):
        shared[name] = shared.get(name, 0) + part
        wanted.setdefault(name, (here, aim))
