# SPDX-License-Identifier: Apache-2.0
"""A decision against others: where its values lie among theirs, and what would have changed it."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING, Any, NamedTuple

from heptad.service.app import Inputs, Plain
from heptad.service.decisions.deciding import answer, score_of
from heptad.standards import Integer, Money, Number
from heptad.standards.errors import HeptadError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from heptad.service.app import App
    from heptad.service.decisions.deciding import Scorer
    from heptad.service.decisions.decision import Decision

BINS = 24
_STEPS = 9
"""Values of others that are tried in each place: their deciles."""
_HALVES = 12
BETTER = ("approve", "offer", "skip", "challenge", "refer", "hold", "decline")
"""Outcomes, what a person would rather have first."""


class Place(NamedTuple):
    """Where a value lies among others.

    Attributes:
        bins: how many of the others fall in each of equal steps from `low` to `high`.
        low, high: ends of the scale: their 1st and 99th percentile, widened to hold the value.
        at: position of the value on the scale, in [0, 1].
        percentile: share of the others below it, ties halved, in [0, 100].
        n: how many others have a value.
    """

    bins: list[int]
    low: float
    high: float
    at: float | None
    percentile: float | None
    n: int


class Change(NamedTuple):
    """One value that, had it been another, would have changed the outcome."""

    name: str
    value: Plain
    to: float | int
    outcome: str
    distance: float


def place(others: Sequence[float], value: float | None = None) -> Place | None:
    """Say where a value lies among others; None if no other has one.

    >>> place([1, 2, 3, 4], 2).percentile
    37.5
    """
    if not others:
        return None
    ordered = sorted(others)
    last = len(ordered) - 1
    low, high = ordered[last // 100], ordered[last - last // 100]
    if value is not None:
        low, high = min(low, value), max(high, value)
    width = (high - low) or 1.0
    bins = [0] * BINS
    for other in ordered:
        step = int((other - low) / width * BINS)
        bins[max(0, min(BINS - 1, step))] += 1
    if value is None:
        return Place(bins, low, high, None, None, len(ordered))
    under, upto = bisect_left(ordered, value), bisect_right(ordered, value)
    share = (under + upto) / 2 / len(ordered) * 100
    return Place(bins, low, high, (value - low) / width, round(share, 1), len(ordered))


def values_of(decisions: Sequence[Decision], name: str) -> list[float]:
    """Return the numbers that decisions rested on under a name of a feature or of a row's field."""
    found = (number(d.features.get(name, d.row.get(name))) for d in decisions)
    return [value for value in found if value is not None]


def number(value: Plain) -> float | None:
    """Return what is a number as float, else None."""
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def changes(
    app: App, scorer: Scorer | None, then: Decision, others: Sequence[Decision], most: int = 4
) -> list[Change]:
    """Find single values that would have changed a decision, the nearest first.

    Each number that the decision rested on is set to the deciles of what others have; from the
    nearest one that changes the outcome the edge is then looked for by halving. Every answer is
    the application's own.

    Args:
        app: the application that decided.
        scorer: the model it decided with.
        then: the decision.
        others: decisions of the same application.
        most: changes returned, one for each name.
    """
    found = []
    for name in _names(app, then):
        ordered = sorted(values_of(others, name))
        value = number(then.features.get(name, then.row.get(name)))
        if value is None or len(ordered) < _STEPS:
            continue
        change = _nearest(app, scorer, then, (name, value, ordered))
        if change is not None:
            found.append(change)
    found.sort(key=lambda c: (BETTER.index(c.outcome), c.distance))
    return found[:most]


def _names(app: App, then: Decision) -> Iterator[str]:
    """Yield the values that a person could have had otherwise: no instants, nothing personal."""
    yield from then.features
    for name in then.row:
        field = app.on.fields.get(name)
        if not isinstance(field, Money | Number | Integer) or field.personal or field.key:
            continue
        # Nobody can be asked to be of another age.
        if not field.unit.startswith("year"):
            yield name


def _nearest(
    app: App, scorer: Scorer | None, then: Decision, of: tuple[str, float, list[float]]
) -> Change | None:
    """Find the nearest value of a name that changes the outcome."""
    name, value, ordered = of
    last = len(ordered) - 1
    deciles = {ordered[round(last * (n + 1) / (_STEPS + 1))] for n in range(_STEPS)} - {value}
    for to in sorted(deciles, key=lambda d: abs(d - value)):
        outcome = _asked(app, scorer, then, name, to)
        if outcome is not None and BETTER.index(outcome) < BETTER.index(then.outcome):
            edge = _edge(app, scorer, then, (name, value, to, outcome))
            here, there = bisect_left(ordered, value), bisect_left(ordered, edge)
            shown = then.features.get(name, then.row.get(name))
            return Change(name, shown, edge, outcome, abs(there - here) / len(ordered))
    return None


def _edge(
    app: App, scorer: Scorer | None, then: Decision, of: tuple[str, float, float, str]
) -> float | int:
    """Halve the way between a value and one that changes the outcome."""
    name, stays, changed, outcome = of
    whole = isinstance(then.features.get(name, then.row.get(name)), int)
    for _ in range(_HALVES):
        middle = (stays + changed) / 2
        middle = round(middle) if whole else middle
        if middle in (stays, changed):
            break
        if _asked(app, scorer, then, name, middle) == outcome:
            changed = middle
        else:
            stays = middle
    return round(changed) if whole else changed


def _asked(app: App, scorer: Scorer | None, then: Decision, name: str, value: float) -> str | None:
    """Ask the application again with one value changed; None if it cannot answer."""
    whole = isinstance(then.features.get(name, then.row.get(name)), int)
    given = round(value) if whole else value
    features: Mapping[str, Any] = then.features
    row: Mapping[str, Any] = then.row
    if name in features:
        features = {**features, name: given}
    else:
        row = {**row, name: given}
    try:
        score = score_of(app, scorer, features, row)
        asked = Inputs(features, row, then.policy, score, then.known_time)
        outcome: str = answer(app, asked).outcome
    except HeptadError:
        return None
    return outcome
