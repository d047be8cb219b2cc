# SPDX-License-Identifier: Apache-2.0
"""Whom to call first: what an action brings beyond doing nothing, and the day's plan within limits."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from heptad.analysis.intervals import Interval
from heptad.standards.errors import ContractError

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping, Sequence
    from datetime import date

_Z = 1.959963984540054


@dataclass(frozen=True)
class Outcome:
    """One case in which what was done was drawn by chance.

    Attributes:
        stratum: group in which the draw was made and effects are told apart.
        action: what was done; "" for nothing.
        share: of what was late that came within the time watched, 0 to 1.
    """

    stratum: Hashable
    action: str
    share: float


def uplift(outcomes: Sequence[Outcome], actions: Sequence[str]) -> dict[Any, dict[str, Interval]]:
    """Measure what each action brought beyond doing nothing, where it was drawn by chance.

    Args:
        outcomes: cases.
        actions: to be measured.

    Returns:
        Stratum → action → difference of mean shares with a 95 % interval (Welch). A stratum
        without at least two cases of the action and of nothing has no entry for it.

    Source: Neyman, 1923: the difference of means of a randomised experiment is unbiased.
    """
    groups: dict[Any, dict[str, list[float]]] = {}
    for o in outcomes:
        groups.setdefault(o.stratum, {}).setdefault(o.action, []).append(o.share)
    found: dict[Any, dict[str, Interval]] = {}
    for stratum, by in groups.items():
        idle = by.get("", [])
        for action in actions:
            done = by.get(action, [])
            if len(done) >= 2 and len(idle) >= 2:
                found.setdefault(stratum, {})[action] = _difference(done, idle)
    return found


def _difference(one: list[float], other: list[float]) -> Interval:
    gap = float(np.mean(one) - np.mean(other))
    error = math.sqrt(np.var(one, ddof=1) / len(one) + np.var(other, ddof=1) / len(other))
    return Interval(gap, gap - _Z * error, gap + _Z * error)


@dataclass(frozen=True)
class Action:
    """Something that can be done about a late loan.

    Attributes:
        name: of it.
        cost: of doing it once, in minor units.
        capacity: how often it can be done today; None without a limit.
    """

    name: str
    cost: int
    capacity: int | None = None


@dataclass(frozen=True)
class Late:
    """A late loan that something may be done about today.

    Attributes:
        loan: its id.
        customer: who owes it; a customer is contacted once a day at most.
        late: what is past due, in minor units.
        stratum: group in which uplift was measured.
        barred: actions that may not be done: the customer objected, a promise runs, caps are full.
    """

    loan: str
    customer: str
    late: int
    stratum: Hashable
    barred: frozenset[str] = field(default_factory=frozenset)


@dataclass(frozen=True)
class Planned:
    """One action of today's plan.

    Attributes:
        loan, customer, action: what is done about whom.
        gain: expected in minor units beyond doing nothing, its cost taken off.
        lift: share of what is late that it is expected to bring.
    """

    loan: str
    customer: str
    action: str
    gain: int
    lift: float


def plan(
    cases: Sequence[Late],
    actions: Sequence[Action],
    lift: Mapping[Any, Mapping[str, float]],
) -> list[Planned]:
    """Choose for each customer at most one action, so that together they bring most.

    Args:
        cases: late loans.
        actions: what can be done.
        lift: stratum → action → share of what is late that it brings beyond doing nothing.

    Returns:
        The plan, the largest gain first. What would cost more than it brings is not planned.

    Raises:
        ContractError: if the names of actions repeat.

    Source: an assignment problem; its linear programme has whole solutions (Birkhoff, 1946;
    Hoffman and Kruskal, 1956), solved by HiGHS through SciPy.
    """
    names = [a.name for a in actions]
    if len(set(names)) != len(names):
        raise ContractError("Actions have names of their own.", got=names)
    options = [o for case in cases for o in _options(case, actions, lift)]
    options.sort(key=lambda o: (-o.gain, o.loan, o.action))
    return [options[n] for n in _chosen(options, actions)] if options else []


def _options(
    case: Late, actions: Sequence[Action], lift: Mapping[Any, Mapping[str, float]]
) -> list[Planned]:
    known = lift.get(case.stratum, {})
    found = []
    for action in actions:
        share = known.get(action.name, 0.0)
        gain = round(case.late * share) - action.cost
        if gain > 0 and action.name not in case.barred:
            found.append(Planned(case.loan, case.customer, action.name, gain, share))
    return found


def _chosen(options: Sequence[Planned], actions: Sequence[Action]) -> list[int]:
    """Return the numbers of the options that are taken."""
    from scipy.optimize import linprog
    from scipy.sparse import csr_matrix

    people = {name: n for n, name in enumerate(sorted({o.customer for o in options}))}
    limited = [a for a in actions if a.capacity is not None]
    rooms = {a.name: len(people) + n for n, a in enumerate(limited)}
    rows, columns = [], []
    for n, option in enumerate(options):
        rows.append(people[option.customer])
        columns.append(n)
        if option.action in rooms:
            rows.append(rooms[option.action])
            columns.append(n)
    most = [1] * len(people) + [a.capacity for a in limited]
    shape = (len(most), len(options))
    found: Any = linprog(
        [-float(o.gain) for o in options],
        A_ub=csr_matrix((np.ones(len(rows)), (rows, columns)), shape=shape),
        b_ub=most,
        bounds=(0, 1),
        method="highs-ds",
    )
    return [n for n, x in enumerate(found.x) if x > 0.5]


def kept(
    promised: int, by: date, payments: Sequence[tuple[date, int]], made: date, grace: int = 3
) -> bool:
    """Tell whether a promise to pay was kept.

    Args:
        promised: minor units.
        by: day by which.
        payments: (day, minor units) on the loan.
        made: day on which it was promised.
        grace: days after `by` that still count, for money on its way.
    """
    return sum(a for day, a in payments if made <= day and (day - by).days <= grace) >= promised
