# SPDX-License-Identifier: Apache-2.0
"""Share a lending budget among segments: the most margin within limits, by linear programming."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from heptad.standards.errors import ContractError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(frozen=True)
class Segment:
    """One kind of loan that can be made more or less of.

    Attributes:
        name: of the segment.
        demand: most that can be lent, in minor units.
        margin: expected profit per unit lent, after loss and cost.
        loss: expected loss per unit lent.
        capital: own capital held per unit lent.
        groups: what it counts towards, such as {"industry": "retail", "region": "north"}.
        least: least that must be lent, in minor units.
    """

    name: str
    demand: int
    margin: float
    loss: float = 0.0
    capital: float = 0.0
    groups: Mapping[str, str] = field(default_factory=dict)
    least: int = 0


@dataclass(frozen=True)
class Limits:
    """What the portfolio may hold, in minor units; None where there is no limit.

    Attributes:
        budget: most that is lent in all.
        loss: most expected loss in all.
        capital: most own capital in all.
        groups: (kind, group) → most lent to it, such as {("industry", "retail"): 1_000_000}.
    """

    budget: int | None = None
    loss: int | None = None
    capital: int | None = None
    groups: Mapping[tuple[str, str], int] = field(default_factory=dict)


@dataclass(frozen=True)
class Allocation:
    """How much each segment gets, and what each limit costs.

    Attributes:
        lent: segment → minor units, rounded down, so that no limit is passed.
        margin: expected profit of it.
        prices: limit → profit that one more unit of it would bring; 0 where it does not bind.
    """

    lent: dict[str, int]
    margin: float
    prices: dict[str, float]


def allocate(segments: Sequence[Segment], limits: Limits) -> Allocation:
    """Lend what earns most within the limits.

    Args:
        segments: kinds of loans, with distinct names.
        limits: what the portfolio may hold.

    Raises:
        ContractError: if names repeat, or the least amounts cannot be kept within the limits.

    Source: Dantzig's simplex; solved by HiGHS (Huangfu and Hall, 2018) through SciPy.
    """
    from scipy.optimize import linprog

    names = [segment.name for segment in segments]
    if not segments or len(set(names)) != len(names):
        raise ContractError("Segments need distinct names.", got=names)
    rows, most, called = _limits(segments, limits)
    found: Any = linprog(
        [-segment.margin for segment in segments],
        A_ub=np.array(rows) if rows else None,
        b_ub=np.array(most, np.float64) if rows else None,
        bounds=[(segment.least, segment.demand) for segment in segments],
        method="highs",
    )
    if found.status != 0:
        raise ContractError(
            "The least amounts cannot be kept within the limits.",
            got=found.message,
            do="raise a limit or lower a least amount.",
        )
    lent = {
        segment.name: max(segment.least, int(np.floor(x + 1e-6)))
        for segment, x in zip(segments, found.x, strict=True)
    }
    margin = float(sum(segment.margin * lent[segment.name] for segment in segments))
    marginals = found.ineqlin.marginals if rows else []
    prices = {name: max(0.0, -float(m)) for name, m in zip(called, marginals, strict=True)}
    return Allocation(lent, margin, prices)


def rooms(segments: Sequence[Segment], limits: Limits, lent: Mapping[str, int]) -> dict[str, int]:
    """Most that each segment alone may be lent while the others get what they were allotted.

    That is its own part and whatever is left of the limits that bind it, whether or not so much
    was expected to be asked for. A segment that earns nothing keeps to its part.

    Args:
        segments: kinds of loans.
        limits: what the portfolio may hold; each segment must count towards one.
        lent: segment → its part, as `allocate` gives it.

    Returns:
        Segment → minor units.

    Raises:
        ContractError: if no limit binds a segment.
    """
    rows, most, _ = _limits(segments, limits)
    parts = [lent[segment.name] for segment in segments]
    left = [
        m - sum(w * p for w, p in zip(row, parts, strict=True))
        for row, m in zip(rows, most, strict=True)
    ]
    found = {}
    for n, segment in enumerate(segments):
        free = [rest / row[n] for row, rest in zip(rows, left, strict=True) if row[n] > 0]
        if not free:
            raise ContractError(
                "No limit says how much a segment may be lent.",
                got=segment.name,
                do="give a budget",
            )
        more = max(0, math.floor(min(free))) if segment.margin > 0 else 0
        found[segment.name] = parts[n] + more
    return found


def _limits(
    segments: Sequence[Segment], limits: Limits
) -> tuple[list[list[float]], list[int], list[str]]:
    """Each limit as a row of the programme: its weights, its most, and how it is called."""
    rows, most, called = [], [], []
    for name, limit, of in (
        ("budget", limits.budget, lambda _: 1.0),
        ("loss", limits.loss, lambda s: s.loss),
        ("capital", limits.capital, lambda s: s.capital),
    ):
        if limit is not None:
            rows.append([float(of(segment)) for segment in segments])
            most.append(limit)
            called.append(name)
    for (kind, group), limit in limits.groups.items():
        rows.append([float(segment.groups.get(kind) == group) for segment in segments])
        most.append(limit)
        called.append(f"{kind} {group}")
    return rows, most, called
