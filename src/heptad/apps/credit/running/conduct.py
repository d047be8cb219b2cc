# SPDX-License-Identifier: Apache-2.0
"""How loans and their borrowers have conducted themselves by a day: what scores and warnings go by."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import numpy as np

from heptad.analysis.loans.behaviour import inputs
from heptad.apps.credit.running.rows import day_of, start_of
from heptad.standards.model import Transfer
from heptad.standards.time import day

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import date

    from heptad.analysis.arrays import Array
    from heptad.analysis.loans.delinquency import Standing
    from heptad.apps.credit.running.books import Held
    from heptad.service.reads.asking import Ask

    Flows = Mapping[str, "Flow"]
    There = Sequence[tuple[Held, Iterable[Standing]]]

YEAR = 12
SPAN = 30
"""Days of a month of flows, counted back from a day."""


@dataclass(frozen=True)
class Flow:
    """What came in to one customer.

    Attributes:
        days: (n,) ordinals of the days on which something came, rising.
        sums: (2, n + 1) what had come before each of them: money, and the salary among it.
    """

    days: Array
    sums: Array

    def months(self, end: date) -> Array:
        """Return money and salary of the twelve months of 30 days to the end of a day, (2, 12)."""
        edges = [(end - timedelta(days=SPAN * ago)).toordinal() for ago in range(YEAR, -1, -1)]
        at = np.searchsorted(self.days, edges, side="right")
        return np.diff(self.sums[:, at], axis=1)


def read_flows(ask: Ask, first: date) -> Flows:
    """Return what came in to each customer by day, loans paid out left out.

    Args:
        ask: asks a table.
        first: the first of the days for whose ends conduct is asked; nothing is read that came
            more than the twelve months before it.
    """
    since = start_of(first - timedelta(days=SPAN * YEAR))
    rows = ask(
        Transfer,
        f"SELECT customer, event_time // {day} AS at, sum(amount)::DOUBLE AS money, "
        "coalesce(sum(amount) FILTER (WHERE kind = 'salary'), 0)::DOUBLE AS wage FROM rows "
        f"WHERE direction = 'in' AND kind <> 'loan' AND event_time >= {since} "
        "GROUP BY ALL ORDER BY ALL",
    )
    found: dict[str, list[tuple[int, float, float]]] = {}
    for row in rows:
        at = day_of(row["at"] * day).toordinal()
        found.setdefault(row["customer"], []).append((at, row["money"], row["wage"]))
    flows = {}
    for customer, came in found.items():
        days, *parts = np.array(came).T
        flows[customer] = Flow(days, np.pad(np.cumsum(parts, axis=1), ((0, 0), (1, 0))))
    return flows


def month(on: date) -> int:
    """Return the month of a day, counted from the year 0."""
    return on.year * 12 + on.month - 1


def conduct(there: There, flows: Flows, end: date) -> dict[str, Array]:
    """Return the inputs of loans at the end of a day, from nothing that came after it.

    Args:
        there: loans with their standings in order of days, one of them of that day.
        flows: what came in to customers.
        end: the day.

    Returns:
        Name → (n,), as `heptad.analysis.loans.behaviour.inputs` says.
    """
    last, shape = month(end), (len(there), YEAR)
    late, inflow, salary = np.full(shape, np.nan), np.zeros(shape), np.zeros(shape)
    age, repaid, due = [], [], []
    for n, (held, stands) in enumerate(there):
        balance = held.lent
        for s in stands:
            ago = last - month(s.day)
            if s.day <= end and ago >= 0:
                balance = s.balance
                if ago < YEAR:
                    late[n, YEAR - 1 - ago] = s.days_past_due
        if held.customer in flows:
            inflow[n], salary[n] = flows[held.customer].months(end)
        age.append(last - month(held.started))
        repaid.append(1 - balance / held.lent)
        due.append(instalment(held))
    return inputs(late, age, repaid, inflow, salary, due)


def instalment(held: Held) -> int:
    """Return about what falls due a month, as the contract alone tells: nothing that came later."""
    return held.lent // held.term + held.lent * held.rate // 24_000_000
