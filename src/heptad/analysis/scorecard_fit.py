# SPDX-License-Identifier: Apache-2.0
"""How a points scorecard learns: bins, the columns that tell something new, pairs, whole points."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from heptad.analysis.binning import Bins, Rule, cut_apart
from heptad.analysis.crosses import Cross, Grid, Search, find, grid
from heptad.analysis.histogram import CELLS, Cases, Cells, code_column, spread
from heptad.analysis.levels import cut_levels
from heptad.analysis.logistic import fit_logistic
from heptad.analysis.merging import recount
from heptad.analysis.scorecard_json import Fitted
from heptad.standards.errors import ContractError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from heptad.analysis.arrays import Array, Codes, Column
    from heptad.analysis.scorecard import Scorecard

_WIDEST = 100_000


class Weights(NamedTuple):
    """What the columns weigh: log-odds of bad = intercept - Σ coefficient · weight of evidence.

    Attributes:
        coefficients: by column.
        intercept: log-odds of bad of a neutral row.
        pairs: log-odds of bad by cell of each pair of columns.
        grids: of the columns in pairs.
    """

    coefficients: Mapping[str, float]
    intercept: float
    pairs: Mapping[tuple[str, str], Array]
    grids: Mapping[str, Bins]


def learn(card: Scorecard, table: Mapping[str, Column], y: Array, weight: Array | None) -> Fitted:
    """Train a card; see `Scorecard.fit`.

    Args:
        card: its parameters.
        table: name → (n,) column.
        y: (n,) 0 good, 1 bad.
        weight: (n,) weights; None is 1 each.
    """
    special = card.special or {}
    cells = {
        name: code_column(values, weight, name=name, special=special.get(name, ()))
        for name, values in table.items()
    }
    cases = Cases(y, weight, spread(y, card.folds))
    bins, held = {}, {}
    for name, column in cells.items():
        bins[name], held[name] = _cut(card, name, column, table[name], cases)
    apart = {name: -column for name, column in held.items() if bins[name].iv > card.min_iv}
    own = {
        # A level's rank owes much to its own rows, so many levels are weighed out of fold here too.
        name: held_out
        if _ranked(card, name, cells[name], cases)
        else -np.array(bins[name].woe)[_codes(bins[name], cells[name], table[name])]
        for name, held_out in apart.items()
    }
    found = _weigh(card, own, apart, cases)
    if card.crosses and cases.part is not None:
        chosen = sorted(bins, key=lambda name: -bins[name].iv)[: Search(card.crosses).widest]
        grids = {
            name: grid(name, table[name], cases, special.get(name, ()))
            for name in bins
            if name in chosen
        }
        found = _cross(card, grids, cases, apart, found)
    return _points(card, bins, found)


def _cut(
    card: Scorecard, name: str, cells: Cells, values: Column, cases: Cases
) -> tuple[Bins, Array]:
    """The bins of one column, and (n,) weights of evidence from the other folds."""
    given = (card.bins or {}).get(name)
    rule = rule_of(card, name)
    if given is not None:
        return recount(given, given.codes(values), cases, card.smoothing)
    if _ranked(card, name, cells, cases):
        return cut_levels(cells, cases, rule, name=name)
    return cut_apart(cells, cases.y, cases.weight, part=cases.part, rule=rule, name=name)


def _ranked(card: Scorecard, name: str, cells: Cells, cases: Cases) -> bool:
    """Whether a column is text of so many levels that they are ranked by the other folds."""
    by_hand = name in (card.bins or {})
    many = cells.edges is None and len(cells.levels) > CELLS
    return many and cases.part is not None and not by_hand


def rule_of(card: Scorecard, name: str) -> Rule:
    """How one column of a card is cut."""
    given = card.monotone
    monotone: Any = given if given is None or isinstance(given, str) else given.get(name, "soft")
    return Rule(card.max_bins, card.min_share, monotone, card.smoothing, card.penalty)


def _codes(bins: Bins, cells: Cells, values: Column) -> Codes:
    cut_here = bins.edges is None or set(bins.edges) <= set(cells.edges or ())
    return bins.regroup(cells)[cells.codes] if cut_here else bins.codes(values)


def _stacked(columns: Mapping[str, Array], names: Any, n: int) -> Array:
    chosen = [columns[name] for name in names]
    return np.column_stack(chosen) if chosen else np.empty((n, 0))


def _weigh(
    card: Scorecard, own: Mapping[str, Array], apart: Mapping[str, Array], cases: Cases
) -> Weights:
    """Weigh the columns that tell something new, and draw the sum in to what holds out of fold.

    Evidence from other folds says which columns stay and how far the score is to be trusted; the
    card's own evidence, which is less noisy, says how they weigh against each other.
    """
    names, y, weight = list(own), cases.y, cases.weight
    n = len(y)
    if cases.part is None:
        model = fit_logistic(
            _stacked(own, names, n), y, weight, reg=card.reg, positive=card.positive
        )
        weighed = dict(zip(names, model.coefficients, strict=True))
        return Weights(weighed, model.intercept, {}, {})
    if card.positive:
        trial = fit_logistic(_stacked(apart, names, n), y, weight, reg=card.reg, positive=True)
        names = [m for m, c in zip(names, trial.coefficients, strict=True) if c > card.least]
    model = fit_logistic(_stacked(own, names, n), y, weight, reg=card.reg, positive=card.positive)
    score = model.decision_function(_stacked(apart, names, n))
    slope, intercept = _trust(score, y, weight)
    weighed = {m: slope * c for m, c in zip(names, model.coefficients, strict=True)}
    return Weights(weighed, slope * model.intercept + intercept, {}, {})


def _trust(score: Array, y: Array, weight: Array | None) -> tuple[float, float]:
    """Slope and intercept that make log-odds of rows held out come true."""
    model = fit_logistic(score[:, None], y, weight, reg=0.0, positive=True)
    return (model.coefficients[0], model.intercept) if np.ptp(score) > 0 else (1.0, 0.0)


def _cross(
    card: Scorecard,
    grids: Mapping[str, Grid],
    cases: Cases,
    apart: Mapping[str, Array],
    plain: Weights,
) -> Weights:
    """Add pairs of columns to a card; the whole is drawn in to what holds out of fold."""
    score = np.full(len(cases.y), plain.intercept)
    for name, coefficient in plain.coefficients.items():
        score += coefficient * apart[name]
    directions = {name: str(rule_of(card, name).monotone) for name in grids}
    pairs, score = find(grids, cases, score, Search(card.crosses), directions)
    if not pairs:
        return plain
    slope, intercept = _trust(score, cases.y, cases.weight)
    used = {name for pair in pairs for name in pair}
    return Weights(
        {name: slope * c for name, c in plain.coefficients.items()},
        slope * plain.intercept + intercept,
        {pair: slope * worth for pair, worth in pairs.items()},
        {name: g.bins for name, g in grids.items() if name in used},
    )


def _points(card: Scorecard, bins: Mapping[str, Bins], found: Weights) -> Fitted:
    factor = card.pdo / math.log(2)
    offset = card.base_score - factor * math.log(card.base_odds)
    points: dict[str, tuple[int, ...]] = {}
    for name, cut in bins.items():
        coefficient = found.coefficients.get(name, 0.0)
        worth = tuple(round(factor * coefficient * woe) for woe in cut.woe)
        if any(worth):
            points[name] = worth
    crosses = []
    for pair, table in found.pairs.items():
        cells = tuple(tuple(round(-factor * v) for v in row) for row in table.tolist())
        if any(map(any, cells)):
            crosses.append(Cross(pair, cells))
    used = {name for cross in crosses for name in cross.columns}
    grids = {name: cut for name, cut in found.grids.items() if name in used}
    base = round(offset - factor * found.intercept)
    blank = Fitted(
        bins, found.coefficients, found.intercept, points, base, 0, (), grids, tuple(crosses)
    )
    lowest, highest = blank.bounds
    if highest - lowest > _WIDEST:
        raise ContractError(
            "The card's totals spread too wide.",
            got=f"{lowest} to {highest}",
            do="lower pdo or raise reg.",
        )
    chance = tuple(expit((offset - total) / factor) for total in range(lowest, highest + 1))
    return blank._replace(lowest=lowest, probabilities=chance)


def expit(z: float) -> float:
    """The logistic function."""
    if z >= 0:
        return 1 / (1 + math.exp(-z))
    return math.exp(z) / (1 + math.exp(z))
