# SPDX-License-Identifier: Apache-2.0
"""The policy: qualify, score, check what is affordable, then approve, counter, refer or decline."""

from __future__ import annotations

from typing import Any

from heptad.service.app import Inputs, Outcome, Reason

CURRENCY = "EUR"
"""The one currency that amounts of applications are compared in; others go to a person."""

POLICY = {
    "youngest": 18,
    "most_overdue": 1,
    "approve_points": 560,
    "decline_points": 500,
    "instalment_share": 0.35,
    "yearly_rate": 0.08,
    "smallest_amount": 50_000,
}
"""Cut-offs that people may change; amounts in cents of EUR, rates as fractions."""


def decide(x: Inputs) -> Outcome:
    """Decide one application.

    Knock-outs first, then the score, then affordability: an application that scores well but
    does not fit is answered with the amount that would.
    """
    if x.row["currency"] not in (None, CURRENCY):
        return Outcome("refer", [Reason("CURRENCY", {"currency": x.row["currency"]})])
    knocked = _knock_outs(x)
    if knocked:
        return Outcome("decline", knocked)
    if x.score is None or x.score.points is None:
        return Outcome("refer", [Reason("NO_MODEL", {})])
    points = x.score.points
    why = _points_lost(x)
    if points < _number(x, "decline_points"):
        return Outcome("decline", why or [Reason("SCORE", {"points": points})])
    if points < _number(x, "approve_points"):
        return Outcome("refer", [Reason("BORDERLINE", {"points": points}), *why])
    return _afford(x, points)


def _number(x: Inputs, name: str) -> float:
    value = x.policy[name]
    return float(value) if isinstance(value, int | float) else 0.0


def _knock_outs(x: Inputs) -> list[Reason]:
    """Refusals that no score can outweigh."""
    found = []
    age: Any = x.row["age"]
    if age is not None and age < _number(x, "youngest"):
        found.append(Reason("AGE", {"age": age}))
    overdue = x["bureau_overdue"]
    if overdue is not None and overdue > _number(x, "most_overdue"):
        found.append(Reason("OVERDUE", {"overdue": overdue}))
    return found


def _points_lost(x: Inputs) -> list[Reason]:
    """The inputs that cost most points, at most four."""
    lost = x.score.contributions if x.score else ()
    values: dict[str, Any] = {**x.row, **x.features}
    return [
        Reason(f"LOST_{name.upper()}", {"value": values.get(name), "points": points})
        for name, points in lost[:4]
    ]


def instalment(amount: int, term: int, yearly_rate: float) -> float:
    """Return the equal monthly payment that repays `amount` in `term` months.

    A = P·i / (1 − (1+i)^−n), with i the monthly rate; P / n where i is 0. Same unit as `amount`.
    """
    i = yearly_rate / 12
    return amount / term if i == 0 else amount * i / (1 - (1 + i) ** -term)


def _afford(x: Inputs, points: int) -> Outcome:
    """Approve what fits the free income; offer the amount that fits if it is less."""
    asked, term = int(x.row["amount"] or 0), int(x.row["term"] or 1)
    monthly = (x["inflow_90d"] or 0) / 3
    room = monthly * _number(x, "instalment_share")
    rate = _number(x, "yearly_rate")
    due = instalment(asked, term, rate)
    numbers = {"points": points, "instalment": round(due), "room": round(room)}
    if due <= room:
        return Outcome("approve", [Reason("FITS", numbers)], {"amount": asked})
    # Whole hundreds of EUR, rounded down, so that the offer always fits.
    fits = int(room / instalment(1, term, rate)) // 10_000 * 10_000
    if fits >= _number(x, "smallest_amount"):
        reason = Reason("TOO_MUCH", numbers | {"offer": fits, "term": term})
        return Outcome("offer", [reason], {"amount": fits})
    return Outcome("decline", [Reason("NO_ROOM", numbers)])
