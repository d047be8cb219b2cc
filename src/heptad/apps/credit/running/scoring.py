# SPDX-License-Identifier: Apache-2.0
"""A behaviour score: learned from the book at the ends of its past months, told of today's loans."""

from __future__ import annotations

import hashlib
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from heptad.analysis.evaluation import auc
from heptad.analysis.loans.delinquency import REPAID, course
from heptad.analysis.scorecard import Scorecard
from heptad.apps.credit.running import rules
from heptad.apps.credit.running.books import read_books
from heptad.apps.credit.running.conduct import conduct, read_flows
from heptad.apps.credit.running.rows import asking, end_of, restate
from heptad.apps.credit.running.servicing import month_ends
from heptad.apps.credit.running.tables import BehaviourScore

if TYPE_CHECKING:
    from collections.abc import Sequence

    from heptad.analysis.arrays import Array
    from heptad.analysis.loans.delinquency import Course
    from heptad.apps.credit.running.books import Held
    from heptad.apps.credit.running.conduct import Flows

    Walked = Sequence[tuple[Held, Course]]
    Part = tuple[dict[str, Array], Any]

AHEAD = 180
"""Days within which a default counts."""
LEAST = 20
"""Defaults, and as many others, without which nothing is learned."""
HELD_OUT = 0.3
"""Share of the months, the latest, on which such a card is measured."""
MILLION = 1_000_000


def score_day(platform: Any, text: str) -> dict[str, Any]:
    """Learn from all months whose outcome is known by a day, and score the loans of the day.

    The card is learned anew each time from what is known, so that a correction reaches it. How
    well such cards rank is measured with one that had nothing but outcomes known before the
    months that it is measured on.
    """
    on = date.fromisoformat(text)
    with asking(platform, "credit.behaviour", on) as ask:
        held = read_books(ask, on)
        ends = month_ends(min((h.started for h in held), default=on), on)
        flows = read_flows(ask, min([*ends, on]))
    walked = [(h, course(h.book, rules.RULE, sorted({*ends, on}))) for h in held]
    old = [end for end in ends if known_by(end) <= on]
    parts = {end: past(walked, flows, end) for end in old}
    whole = joined(list(parts.values()))
    shown: dict[str, Any] = {"learned": len(whole[1]), "defaults": int(whole[1].sum())}
    if not enough(whole):
        return shown | {"scored": 0}
    learned, measured = (joined([parts[end] for end in of]) for of in split(old))
    if enough(learned) and 0 < measured[1].sum() < len(measured[1]):
        chance = _card(learned).predict_proba(measured[0])[:, 1]
        shown["auc"] = round(float(auc(measured[1].astype(int), chance)), 4)
    rows = _rows(_card(whole), walked, flows, on)
    stored = restate(platform, BehaviourScore, on, rows)
    return shown | {"measured": len(measured[1]), "scored": len(rows), **stored}


def known_by(end: date) -> date:
    """Return the day by which it is known what came of the loans of a month's end."""
    return end + timedelta(days=AHEAD)


def split(ends: Sequence[date]) -> tuple[list[date], list[date]]:
    """Return the month ends to learn from and those to measure on.

    The latest are measured on. What came of a month that is learned from was known before the
    first of them, so that no default is both learned and measured.
    """
    measured = list(ends[max(1, round(len(ends) * (1 - HELD_OUT))) :])
    learned = [end for end in ends if measured and known_by(end) <= measured[0]]
    return learned, measured


def enough(part: Part) -> bool:
    """Tell whether there are defaults and others enough to learn from."""
    return bool(min(part[1].sum(), (~part[1]).sum()) >= LEAST)


def _card(part: Part) -> Scorecard:
    return Scorecard().fit(part[0], part[1].astype(int))


def past(walked: Walked, flows: Flows, end: date) -> Part:
    """Return inputs of the loans that ran without default at a month's end, and what came of them."""
    there = sound(walked, end)
    later = known_by(end)
    bad = [any(end < since <= later for since, _ in went.defaults) for _, went in there]
    stood = [(h, went.standings) for h, went in there]
    return conduct(stood, flows, end), np.array(bad, np.bool_)


def sound(walked: Walked, on: date) -> list[tuple[Held, Course]]:
    """Return the loans that ran without default at the end of a day."""
    found = []
    for h, went in walked:
        stood = next((s for s in went.standings if s.day == on), None)
        if stood and stood.bucket < REPAID and not stood.default:
            found.append((h, went))
    return found


def joined(parts: Sequence[Part]) -> Part:
    """Return the rows of several months as one."""
    some = [part for part in parts if len(part[1])]
    if not some:
        return {}, np.zeros(0, np.bool_)
    together = {n: np.concatenate([columns[n] for columns, _ in some]) for n in some[0][0]}
    return together, np.concatenate([y for _, y in some])


def _rows(card: Scorecard, walked: Walked, flows: Flows, on: date) -> list[dict[str, Any]]:
    """Return the day's rows of `BehaviourScore`, of loans that run and are not in default."""
    now = sound(walked, on)
    if not now:
        return []
    found = conduct([(h, went.standings) for h, went in now], flows, on)
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
