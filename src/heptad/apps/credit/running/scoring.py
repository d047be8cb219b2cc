# SPDX-License-Identifier: Apache-2.0
"""A behaviour score: learned from the book at the ends of its past months, told of today's loans."""

from __future__ import annotations

import hashlib
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from heptad.analysis.evaluation import auc
from heptad.analysis.loans.behaviour import inputs
from heptad.analysis.loans.delinquency import REPAID, standings
from heptad.analysis.scorecard import Scorecard
from heptad.apps.credit.running import rules
from heptad.apps.credit.running.books import read_books
from heptad.apps.credit.running.rows import asking, end_of, restate
from heptad.apps.credit.running.servicing import month, month_ends
from heptad.apps.credit.running.tables import BehaviourScore
from heptad.standards.model import Transfer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from heptad.analysis.arrays import Array
    from heptad.analysis.loans.delinquency import Standing
    from heptad.apps.credit.running.books import Held
    from heptad.apps.credit.running.rows import Ask

    Flows = Mapping[str, Mapping[int, tuple[float, float]]]
    Walked = Sequence[tuple[Held, Mapping[date, Standing]]]

AHEAD = 180
"""Days within which a default counts."""
LEAST = 20
"""Defaults, and as many others, without which nothing is learned."""
HELD_OUT = 0.3
"""Share of the months, the latest, on which the card is measured."""
YEAR = 12
MILLION = 1_000_000


def score_day(platform: Any, text: str) -> dict[str, Any]:
    """Learn from months whose outcome is known by a day, measure on the latest, score the day.

    The card is learned anew each time from what is known, so that a correction reaches it.
    """
    on = date.fromisoformat(text)
    with asking(platform, "credit.behaviour", on) as ask:
        held = read_books(ask, on)
        flows = _flows(ask)
    ends = month_ends(min((h.started for h in held), default=on), on)
    walked = [
        (h, {s.day: s for s in standings(h.book, rules.RULE, sorted({*ends, *_ahead(ends), on}))})
        for h in held
    ]
    old = [end for end in ends if end + timedelta(days=AHEAD) <= on]
    parts = [(table, y) for end in old for table, y in [past(walked, flows, end)] if len(y)]
    cut = max(1, round(len(parts) * (1 - HELD_OUT)))
    learned, measured = joined(parts[:cut]), joined(parts[cut:])
    if min(learned[1].sum(), (~learned[1]).sum()) < LEAST:
        return {"learned": len(learned[1]), "defaults": int(learned[1].sum()), "scored": 0}
    card = Scorecard().fit(learned[0], learned[1].astype(int))
    rows = _rows(card, walked, flows, on)
    stored = restate(platform, BehaviourScore, on, rows)
    shown: dict[str, Any] = {"learned": len(learned[1]), "defaults": int(learned[1].sum())}
    if len(measured[1]) and 0 < measured[1].sum() < len(measured[1]):
        chance = card.predict_proba(measured[0])[:, 1]
        shown["auc"] = round(float(auc(measured[1].astype(int), chance)), 4)
    return shown | {"measured": len(measured[1]), "scored": len(rows), **stored}


def _ahead(ends: Sequence[date]) -> list[date]:
    return [end + timedelta(days=AHEAD) for end in ends]


def past(walked: Walked, flows: Flows, end: date) -> tuple[dict[str, Array], Any]:
    """Return inputs of the loans that ran without default at a month's end, and what came of them."""
    there = [
        (h, days)
        for h, days in walked
        if end in days and days[end].bucket < REPAID and not days[end].default
    ]
    later = end + timedelta(days=AHEAD)
    bad = [any(s.default for day, s in days.items() if end < day <= later) for _, days in there]
    return table(there, flows, end), np.array(bad, np.bool_)


def table(there: Walked, flows: Flows, end: date) -> dict[str, Array]:
    """Return the inputs of loans at the end of a day, as known of its months and those before."""
    last, shape = month(end), (len(there), YEAR)
    late, inflow, salary = np.full(shape, np.nan), np.zeros(shape), np.zeros(shape)
    for n, (h, days) in enumerate(there):
        for s in days.values():
            ago = last - month(s.day)
            if s.day <= end and 0 <= ago < YEAR:
                late[n, YEAR - 1 - ago] = s.days_past_due
        for at, (money, wage) in flows.get(h.customer, {}).items():
            if 0 <= last - at < YEAR:
                inflow[n, YEAR - 1 - (last - at)], salary[n, YEAR - 1 - (last - at)] = money, wage
    age = [last - month(h.started) for h, _ in there]
    repaid = [1 - days[end].balance / h.lent for h, days in there]
    return inputs(late, age, repaid, inflow, salary, [instalment(h) for h, _ in there])


def instalment(held: Held) -> int:
    """Return about what falls due a month, as the contract alone tells: nothing that came later."""
    return held.lent // held.term + held.lent * held.rate // 24_000_000


def joined(parts: Sequence[tuple[dict[str, Array], Any]]) -> tuple[dict[str, Array], Any]:
    """Return the rows of several months as one."""
    if not parts:
        return {}, np.zeros(0, np.bool_)
    names = parts[0][0]
    together = {n: np.concatenate([columns[n] for columns, _ in parts]) for n in names}
    return together, np.concatenate([y for _, y in parts])


def _flows(ask: Ask) -> Flows:
    """Return what came in to customers by calendar month, and the salary among it."""
    rows = ask(
        Transfer,
        "SELECT customer, year(make_timestamp(event_time)) * 12 + "
        "month(make_timestamp(event_time)) - 1 AS at, sum(amount)::DOUBLE AS money, "
        "coalesce(sum(amount) FILTER (WHERE kind = 'salary'), 0)::DOUBLE AS wage FROM rows "
        "WHERE direction = 'in' AND kind <> 'loan' GROUP BY ALL ORDER BY ALL",
    )
    found: dict[str, dict[int, tuple[float, float]]] = {}
    for row in rows:
        found.setdefault(row["customer"], {})[int(row["at"])] = (row["money"], row["wage"])
    return found


def _rows(card: Scorecard, walked: Walked, flows: Flows, on: date) -> list[dict[str, Any]]:
    """Return the day's rows of `BehaviourScore`, of loans that run and are not in default."""
    now = [
        (h, days)
        for h, days in walked
        if on in days and days[on].bucket < REPAID and not days[on].default
    ]
    if not now:
        return []
    found = table(now, flows, on)
    points, chance = card.totals(found), card.predict_proba(found)[:, 1]
    name = hashlib.sha256(card.to_json().encode()).hexdigest()[:16]
    return [
        {
            "id": f"{h.id}@{on}",
            "event_time": end_of(on),
            "loan": h.id,
            "customer": h.customer,
            "points": int(points[n]),
            "probability": round(float(chance[n]) * MILLION),
            "card": name,
        }
        for n, (h, _) in enumerate(now)
    ]
