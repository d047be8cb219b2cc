# SPDX-License-Identifier: Apache-2.0
"""A scorecard as canonical JSON, written and read without loss."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from heptad.analysis.binning import Bins

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
    """

    bins: Mapping[str, Bins]
    coefficients: Mapping[str, float]
    intercept: float
    points: Mapping[str, tuple[int, ...]]
    base: int
    lowest: int
    probabilities: tuple[float, ...]


def write(card: Scorecard) -> str:
    """The card as text; see `Scorecard.to_json`."""
    coefficients = dict(zip(card.bins_, card.coef_[0].tolist(), strict=True))
    document = {
        "kind": "heptad.scorecard",
        "version": 1,
        "parameters": card.get_params(),
        "intercept": float(card.intercept_[0]),
        "base": card.base_,
        "lowest": card.lowest_,
        "probabilities": card.probabilities_,
        "columns": [
            {
                "name": name,
                "edges": bins.edges,
                "groups": bins.groups,
                "special": bins.special,
                "good": bins.good,
                "bad": bins.bad,
                "woe": bins.woe,
                "coefficient": coefficients[name],
                "points": card.parts_[name].points if name in card.parts_ else None,
            }
            for name, bins in card.bins_.items()
        ],
    }
    return json.dumps(
        document,
        sort_keys=True,
        separators=(",", ":"),
        ensure_ascii=False,
        allow_nan=False,
        default=_plain,
    )


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
    scale = document["base"], document["lowest"], tuple(document["probabilities"])
    low = scale[0] + sum(map(min, points.values()))
    high = scale[0] + sum(map(max, points.values()))
    if (low, high - low + 1) != (scale[1], len(scale[2])):
        raise ValueError("probabilities do not cover the totals")
    return document["parameters"], Fitted(bins, coefficients, document["intercept"], points, *scale)


def _agree(bins: Bins, points: tuple[int, ...] | None) -> None:
    size = bins.missing + (2 if bins.edges is None else 1)
    if {len(bins.good), len(bins.bad), len(bins.woe), len(points or bins.woe)} != {size}:
        raise ValueError(f"{bins.name} has lists of different lengths")


def _bins(entry: Mapping[str, Any]) -> Bins:
    edges = entry["edges"]
    return Bins(
        entry["name"],
        None if edges is None else tuple(edges),
        tuple(tuple(group) for group in entry["groups"]),
        *(tuple(entry[key]) for key in ("special", "good", "bad", "woe")),
    )


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    return dict(value.items()) if hasattr(value, "items") else list(value)
