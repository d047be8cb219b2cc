# SPDX-License-Identifier: Apache-2.0
"""A scorecard as canonical JSON, written and read without loss."""

from __future__ import annotations

import json
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from heptad.analysis.binning import Bins
from heptad.analysis.crosses import Cross

if TYPE_CHECKING:
    from collections.abc import Mapping

    from heptad.analysis.scorecard import Scorecard


class Fitted(NamedTuple):
    """All that training gives a card.

    Attributes:
        bins: of every column.
        coefficients: by column; those left out have 0 or none.
        intercept: log-odds of bad of a neutral row.
        points: by column of the card, by bin.
        base: points that every row starts from.
        lowest: the lowest total.
        probabilities: of bad, from the lowest total to the highest.
        grids: of the columns that are crossed.
        crosses: pairs of columns with points for each cell of their grids.
    """

    bins: Mapping[str, Bins]
    coefficients: Mapping[str, float]
    intercept: float
    points: Mapping[str, tuple[int, ...]]
    base: int
    lowest: int
    probabilities: tuple[float, ...]
    grids: Mapping[str, Bins] = MappingProxyType({})
    crosses: tuple[Cross, ...] = ()

    @property
    def bounds(self) -> tuple[int, int]:
        """The lowest and the highest total that the points could add up to."""
        parts = [*self.points.values(), *(sum(cross.points, ()) for cross in self.crosses)]
        return self.base + sum(map(min, parts)), self.base + sum(map(max, parts))


def write(card: Scorecard) -> str:
    """The card as text; see `Scorecard.to_json`."""
    coefficients = dict(zip(card.bins_, card.coef_[0].tolist(), strict=True))
    document: dict[str, Any] = {
        "kind": "heptad.scorecard",
        "version": 1,
        "parameters": _parameters(card),
        "intercept": float(card.intercept_[0]),
        "base": card.base_,
        "lowest": card.lowest_,
        "probabilities": card.probabilities_,
        "columns": [
            _entry(bins)
            | {
                "coefficient": coefficients[name],
                "points": card.parts_[name].points if name in card.parts_ else None,
            }
            for name, bins in card.bins_.items()
        ],
    }
    if card.crosses_:
        document["grids"] = [_entry(bins) for bins in card.grids_.values()]
        document["crosses"] = [cross.__dict__ for cross in card.crosses_]
    return json.dumps(
        document,
        sort_keys=True,
        separators=(",", ":"),
        ensure_ascii=False,
        allow_nan=False,
        default=_plain,
    )


def _parameters(card: Scorecard) -> dict[str, Any]:
    """The arguments that shape the card; bins cut by hand stand with the columns."""
    given = card.get_params()
    given.pop("bins")
    for name, plain in (("crosses", 0), ("least", 0.0)):
        if given[name] == plain:
            del given[name]
    return given


def _entry(bins: Bins) -> dict[str, Any]:
    held = ("name", "edges", "groups", "special", "good", "bad", "woe")
    entry = {key: getattr(bins, key) for key in held}
    return entry | {"notes": bins.notes} if bins.notes else entry


def read(text: str) -> tuple[dict[str, Any], Fitted]:
    """What `write` wrote: the parameters, and what was fitted.

    Raises:
        ValueError, KeyError, TypeError, IndexError: if the text is something else.
    """
    document = json.loads(text)
    if (document["kind"], document["version"]) != ("heptad.scorecard", 1):
        raise ValueError(f"{document['kind']} version {document['version']}")
    entries = document["columns"]
    bins = {entry["name"]: _bins(entry) for entry in entries}
    coefficients = {entry["name"]: entry["coefficient"] for entry in entries}
    points = {e["name"]: tuple(e["points"]) for e in entries if e["points"] is not None}
    for name, found in bins.items():
        _agree(found, points.get(name))
    grids = {entry["name"]: _bins(entry) for entry in document.get("grids", ())}
    crosses = tuple(_cross(entry, grids) for entry in document.get("crosses", ()))
    scale = document["base"], document["lowest"], tuple(document["probabilities"])
    fitted = Fitted(bins, coefficients, document["intercept"], points, *scale, grids, crosses)
    low, high = fitted.bounds
    if (low, high - low + 1) != (scale[1], len(scale[2])):
        raise ValueError("probabilities do not cover the totals")
    return document["parameters"], fitted


def _cross(entry: Mapping[str, Any], grids: Mapping[str, Bins]) -> Cross:
    first, second = entry["columns"]
    points = tuple(tuple(row) for row in entry["points"])
    if {len(row) for row in points} != {len(grids[second].woe)}:
        raise ValueError(f"{first} and {second} have cells without points")
    _agree(grids[first], tuple(row[0] for row in points))
    return Cross((first, second), points)


def _agree(bins: Bins, points: tuple[int, ...] | None) -> None:
    size = bins.missing + (2 if bins.edges is None else 1)
    if {len(bins.good), len(bins.bad), len(bins.woe), len(points or bins.woe)} != {size}:
        raise ValueError(f"{bins.name} has lists of different lengths")


def _bins(entry: Mapping[str, Any]) -> Bins:
    edges = entry["edges"]
    special, good, bad, woe = (tuple(entry[key]) for key in ("special", "good", "bad", "woe"))
    return Bins(
        name=entry["name"],
        edges=None if edges is None else tuple(edges),
        groups=tuple(tuple(group) for group in entry["groups"]),
        special=special,
        good=good,
        bad=bad,
        woe=woe,
        notes=tuple(entry.get("notes", ())),
    )


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    return dict(value.items()) if hasattr(value, "items") else list(value)
