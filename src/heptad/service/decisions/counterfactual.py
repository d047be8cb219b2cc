# SPDX-License-Identifier: Apache-2.0
"""What would change a decision: the smallest permitted changes, found by trying all in order."""

from __future__ import annotations

from dataclasses import dataclass, replace
from heapq import heappop, heappush
from itertools import combinations
from typing import TYPE_CHECKING, Any

from heptad.service.decisions.deciding import answer, score_of
from heptad.standards.errors import HeptadError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from heptad.service.app import App, Inputs, Outcome, Plain
    from heptad.service.decisions.deciding import Scorer

WANTED = frozenset({"approve"})
BUDGET = 20_000
"""Decisions tried before the search is given up, and says so."""


@dataclass(frozen=True)
class Lever:
    """An input that the person can act on, and how far.

    Attributes:
        name: of a feature or of a field of the row.
        low: least value that may be proposed; None if it may not fall.
        high: greatest value that may be proposed; None if it may not rise.
        step: by which proposals differ, in the stored unit; what counts as one effort.
    """

    name: str
    low: int | None = None
    high: int | None = None
    step: int = 1

    def values(self, now: int) -> Iterator[tuple[float, int]]:
        """Yield permitted values with their distance, nearest first; whole steps of the grid."""
        down = () if self.low is None else range(_under(now, self.step), self.low - 1, -self.step)
        up = () if self.high is None else range(_over(now, self.step), self.high + 1, self.step)
        span = max(len(down) + len(up), 1)
        yield from sorted(((n + 1) / span, value) for r in (down, up) for n, value in enumerate(r))


def _under(now: int, step: int) -> int:
    return (now - 1) // step * step


def _over(now: int, step: int) -> int:
    return now // step * step + step


@dataclass(frozen=True)
class Change:
    """One input and what it would have to be."""

    name: str
    now: Plain
    to: int


@dataclass(frozen=True)
class Found:
    """What would change a decision.

    Attributes:
        changes: the smallest set of changes that flips it; empty if none was found.
        outcome: what the application answers then; None without changes.
        amounts: the amounts of that outcome.
        tried: decisions that were made to find it.
        complete: whether everything permitted was tried, so that nothing smaller exists; where
            nothing was found and this is true, there is nothing the person can do.
    """

    changes: tuple[Change, ...]
    outcome: str | None
    amounts: Mapping[str, int]
    tried: int
    complete: bool


def what_would_change(  # noqa: PLR0913 - what is searched how, by name
    app: App,
    x: Inputs,
    levers: Sequence[Lever],
    *,
    scorer: Scorer | None = None,
    wanted: frozenset[str] = WANTED,
    most: int = 2,
    budget: int = BUDGET,
) -> Found:
    """Find the smallest permitted changes that give a wanted outcome.

    Fewer inputs come before more, then the smaller sum of distances, each as a share of what its
    lever permits. Every proposal is decided again by the application and its model, so that what
    is told is true; on the grid of the levers' steps the answer is exact.

    Args:
        app: the application that decided.
        x: what it saw.
        levers: what the person can act on.
        scorer: the model it decided with.
        wanted: outcomes that are asked for.
        most: inputs that may be changed together.
        budget: decisions that may be tried.
    """
    open_levers = [lever for lever in levers if isinstance(_value(x, lever.name), int)]
    tried = 0
    for size in range(1, most + 1):
        for group, values in _nearest(open_levers, x, size):
            if tried >= budget:
                return Found((), None, {}, tried, complete=False)
            tried += 1
            made = _asked(app, _changed(x, group, values), scorer)
            if made is not None and made.outcome in wanted:
                changes = tuple(
                    Change(lever.name, _value(x, lever.name), value)
                    for lever, value in zip(group, values, strict=True)
                )
                return Found(changes, made.outcome, dict(made.amounts), tried, complete=True)
    return Found((), None, {}, tried, complete=True)


def _nearest(
    levers: Sequence[Lever], x: Inputs, size: int
) -> Iterator[tuple[tuple[Lever, ...], tuple[int, ...]]]:
    """Yield changes of so many inputs, the smallest sum of distances first."""
    grids = {lever.name: list(lever.values(int(_value(x, lever.name)))) for lever in levers}
    queue: list[tuple[float, int, tuple[int, ...]]] = []
    groups = [g for g in combinations(levers, size) if all(grids[lever.name] for lever in g)]
    seen: set[tuple[int, tuple[int, ...]]] = set()

    def push(number: int, at: tuple[int, ...]) -> None:
        steps = [grids[lever.name] for lever in groups[number]]
        if (number, at) in seen or any(n >= len(s) for n, s in zip(at, steps, strict=True)):
            return
        seen.add((number, at))
        heappush(queue, (sum(s[n][0] for n, s in zip(at, steps, strict=True)), number, at))

    for number in range(len(groups)):
        push(number, (0,) * size)
    while queue:
        _, number, at = heappop(queue)
        group = groups[number]
        yield group, tuple(grids[v.name][n][1] for v, n in zip(group, at, strict=True))
        for k in range(size):
            push(number, (*at[:k], at[k] + 1, *at[k + 1 :]))


def _value(x: Inputs, name: str) -> Any:
    value = x.features[name] if name in x.features else x.row.get(name)
    return None if isinstance(value, bool) else value


def _changed(x: Inputs, group: Sequence[Lever], values: Sequence[int]) -> Inputs:
    """Return the inputs with some values changed."""
    features: dict[str, Plain] = dict(x.features)
    row: dict[str, Plain] = dict(x.row)
    for lever, value in zip(group, values, strict=True):
        (features if lever.name in features else row)[lever.name] = value
    return replace(x, features=features, row=row)


def _asked(app: App, x: Inputs, scorer: Scorer | None) -> Outcome | None:
    """Score and decide again; None where the application cannot answer."""
    try:
        score = x.score if scorer is None else score_of(app, scorer, x.features, x.row)
        made: Outcome = answer(app, replace(x, score=score))
    except HeptadError:
        return None
    return made
