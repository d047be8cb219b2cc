# SPDX-License-Identifier: Apache-2.0
"""Collections: whom to call, write to or leave alone today, and what was learned of it."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from heptad.analysis.loans.collecting import Late, Outcome, kept, plan, uplift
from heptad.apps.credit.running import rules
from heptad.apps.credit.running.books import read_books
from heptad.apps.credit.running.rows import asking, day_of, end_of, restate
from heptad.apps.credit.running.tables import CollectionAction, LoanDay, PaymentPromise
from heptad.service.letters import Letter, written
from heptad.service.outbox.messages import Wanted
from heptad.standards.money import format_minor

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from heptad.apps.credit.running.books import Held

MILLION = 1_000_000
REMINDER = Letter("reminder", on=(), channels=("email", "sms", "inbox"))
Paid = dict[str, list[tuple[date, int]]]


def plan_day(platform: Any, text: str) -> dict[str, int]:
    """Plan what is done about the loans that are late at the end of a day, and plan its messages.

    A message goes through the outbox, which holds quiet hours, consents and caps shared with
    everything else that people are sent. Run again, the same actions and messages are planned.
    """
    on = date.fromisoformat(text)
    with asking(platform, "credit.collections", on) as ask:
        late = ask(
            LoanDay,
            f"SELECT * FROM rows WHERE event_time = {end_of(on)} AND days_late > 0 "
            "AND late > 0 ORDER BY loan",
        )
        promises = ask(PaymentPromise)
        done = ask(CollectionAction, "SELECT * FROM rows WHERE drawn")
        watched = {row["loan"] for row in (*promises, *done)}
        books = read_books(ask, on, watched) if watched else []
    paid = {held.id: _payments(held) for held in books}
    kept_share, running = _promises(promises, paid, on)
    lift = learned(done, paid, on)
    cases = [_case(row, running) for row in late]
    rows = _rows(late, cases, lift, on)
    messages = _messages(platform, rows)
    stored = restate(platform, CollectionAction, on, rows, ["message"])
    acted = sum(row["action"] != "nothing" for row in rows)
    return {
        "late": len(late), "actions": acted, "messages": messages, "promises": len(promises),
        "kept": kept_share, **stored,
    }  # fmt: skip


def _payments(held: Held) -> list[tuple[date, int]]:
    """Return when how much was received on a loan, by the book."""
    found, before = [], 0
    for step in held.book.steps:
        if step.cash > before:
            found.append((step.day, step.cash - before))
        before = step.cash
    return found


def _promises(promises: Sequence[Mapping[str, Any]], paid: Paid, on: date) -> tuple[int, set[str]]:
    """Return how many promises were kept, and the loans on which one still runs."""
    good, running = 0, set()
    for p in promises:
        by = p["by"] if isinstance(p["by"], date) else date(1970, 1, 1) + timedelta(days=p["by"])
        made = day_of(p["event_time"])
        if kept(p["amount"], by, paid.get(p["loan"], []), made):
            good += 1
        elif by >= on:
            running.add(p["loan"])
    return good, running


def _case(row: Mapping[str, Any], running: set[str]) -> Late:
    """Return a late loan as the plan sees it; while a promise runs nobody is contacted."""
    barred = frozenset(a.name for a in rules.ACTIONS) if row["loan"] in running else frozenset()
    return Late(row["loan"], row["customer"], row["late"], row["bucket"], barred)


def learned(done: Sequence[Mapping[str, Any]], paid: Paid, on: date) -> dict[str, dict[str, float]]:
    """Return the share of what is late that each action brings, by bucket.

    What was assumed holds until `rules.LEARNED` cases of the action and of doing nothing were
    drawn by chance and watched for `rules.WATCHED` days.
    """
    outcomes = []
    for row in done:
        acted = day_of(row["event_time"])
        if row["drawn"] and (on - acted).days >= rules.WATCHED and row["late"]:
            came = sum(
                amount
                for at, amount in paid.get(row["loan"], [])
                if 0 < (at - acted).days <= rules.WATCHED
            )
            action = "" if row["action"] == "nothing" else row["action"]
            outcomes.append(Outcome("all", action, min(1.0, came / row["late"])))
    counts: dict[str, int] = {}
    for o in outcomes:
        counts[o.action] = counts.get(o.action, 0) + 1
    measured = uplift(outcomes, [a.name for a in rules.ACTIONS]).get("all", {})
    lift = {bucket: dict(shares) for bucket, shares in rules.LIFT.items()}
    for action, found in measured.items():
        if min(counts[action], counts.get("", 0)) >= rules.LEARNED:
            for shares in lift.values():
                shares[action] = found.value
    return lift


def _rows(
    late: Sequence[Mapping[str, Any]],
    cases: Sequence[Late],
    lift: Mapping[str, Mapping[str, float]],
    on: date,
) -> list[dict[str, Any]]:
    """Return the day's rows of `CollectionAction`: some drawn by chance, the rest planned.

    Each row has the probability with which just that came: of being drawn with that action, or of
    being left to the plan. A customer has one action a day, drawn or planned.
    """
    share, drawn = explored(cases, on)
    used = {a.name: sum(x == a.name for x in drawn.values()) for a in rules.ACTIONS}
    people = {c.customer for c in cases if c.loan in drawn}
    left = [
        replace(a, capacity=None if a.capacity is None else a.capacity - used[a.name])
        for a in rules.ACTIONS
    ]
    rest = [c for c in cases if c.customer not in people]
    planned = {p.loan: p for p in plan(rest, left, lift)}
    free = {c.customer for c in cases if not c.barred}
    rows = []
    for row, case in zip(late, cases, strict=True):
        if case.loan in drawn:
            propensity = share / (len(rules.ACTIONS) + 1)
        elif case.customer in people:
            propensity = share
        else:
            propensity = 1 - share if case.customer in free else 1.0
        chosen = planned.get(case.loan)
        action = drawn.get(case.loan) or (chosen.action if chosen else "nothing")
        brings = lift.get(str(case.stratum), {}).get(action, 0.0)
        cost = next((a.cost for a in rules.ACTIONS if a.name == action), 0)
        rows.append(
            {
                "id": f"{case.loan}@{on}",
                "event_time": end_of(on),
                "loan": case.loan,
                "customer": case.customer,
                "currency": row["currency"],
                "action": action,
                "late": case.late,
                "gain": round(case.late * brings) - cost,
                "lift": round(brings * MILLION),
                "drawn": case.loan in drawn,
                "propensity": round(propensity * MILLION),
                "message": None,
            }
        )
    return rows


def explored(cases: Sequence[Late], on: date) -> tuple[float, dict[str, str]]:
    """Draw customers by chance, and for each an action on the loan that is most late.

    So few are drawn that no action can exceed its capacity, whatever is drawn.

    Returns:
        The probability of each customer to be drawn, and loan → action or "nothing".
    """
    worst: dict[str, Late] = {}
    for c in sorted(cases, key=lambda c: (-c.late, c.loan)):
        if not c.barred:
            worst.setdefault(c.customer, c)
    if not worst:
        return 0.0, {}
    rooms = [a.capacity for a in rules.ACTIONS if a.capacity is not None]
    share = min(rules.EXPLORED, min(rooms, default=len(worst)) / len(worst))
    # Rounded up or down by chance, so that just that share of all is expected.
    number = int(share * len(worst) + _chance("", on, 2))
    first = sorted(worst.values(), key=lambda c: _chance(c.customer, on, 0))[:number]
    return share, {c.loan: _drawn(c, on) for c in first}


def _chance(name: str, on: date, salt: int) -> float:
    """Return a number in [0, 1) that only name, day and salt decide, so that a rerun draws it too."""
    digest = hashlib.sha256(f"{name}|{on}|{salt}".encode()).digest()
    return int.from_bytes(digest[:7], "big") / 2**56


def _drawn(case: Late, on: date) -> str:
    names = ["nothing", *(a.name for a in rules.ACTIONS)]
    return names[int(_chance(case.loan, on, 1) * len(names))]


def _messages(platform: Any, rows: Sequence[dict[str, Any]]) -> int:
    """Plan the messages of the day in the outbox, and note their ids in the rows."""
    app = platform.app("credit")
    wanted = []
    for row in rows:
        if row["action"] in ("message", "letter"):
            values = {
                "late": format_minor(row["late"], row["currency"]),
                "loan": row["loan"],
                "institution": platform.project.name,
            }
            key = f"collections|{row['id']}|{row['action']}"
            text = written(app, REMINDER, values)
            wanted.append(
                Wanted(
                    key,
                    "credit",
                    f"Customer:{row['customer']}",
                    REMINDER.channels,
                    REMINDER.purpose,
                    text,
                    REMINDER.name,
                )
            )
            row["message"] = ""
    ids = platform.work.outbox.plan(wanted) if wanted else []
    given = iter(ids)
    for row in rows:
        if row["message"] == "":
            row["message"] = next(given)
    return len(ids)
