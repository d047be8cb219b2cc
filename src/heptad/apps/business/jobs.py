# SPDX-License-Identifier: Apache-2.0
"""Work by date: lines as decided, their reviews, what groups owe, and the room of the portfolio."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, NamedTuple

from heptad.analysis.allocation import Limits, Segment, allocate, rooms
from heptad.analysis.connections import Stake, connected
from heptad.apps.business.decide import CURRENCY, flow
from heptad.apps.business.tables import (
    BusinessApplication,
    BusinessLine,
    CompanyDebt,
    GroupDebt,
    LendingRoom,
    Surety,
)
from heptad.service.app import Inputs, Job
from heptad.service.decisions.past import decided
from heptad.service.reads.asking import asking, latest_by
from heptad.service.reads.guard import APPLICATION
from heptad.standards.model import Ownership
from heptad.standards.time import day
from heptad.standards.writing import written

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from contextlib import AbstractContextManager

    from heptad.service.decisions.decision import Decision
    from heptad.service.reads.asking import Ask

APP, PURPOSE, SHARE = "business", "credit", 1_000_000
WATCHED = 90 * day
"""How long back requests tell what is asked for."""
DEBTS = latest_by("company", where=f"currency = '{CURRENCY}'")


def _asking(platform: Any, job: str) -> AbstractContextManager[Ask]:
    """Let a job read what is known now, as the application reads, whoever runs it."""
    own = {"role": APPLICATION, "purpose": PURPOSE, "who": f"{APP}.{job}"}
    return asking(platform, platform.clock.now(), **own, job=f"{APP}.{job}")


def set_lines(platform: Any, date: str) -> Mapping[str, Any]:  # noqa: ARG001
    """Store each line as the decisions of the last 90 days set it; what is stored already stays."""
    since = platform.clock.now() - WATCHED
    with _asking(platform, "lines") as ask:
        held = {
            r["id"] for r in ask(BusinessLine, f"SELECT id FROM rows WHERE event_time >= {since}")
        }
    new = decided(
        platform, APP, _line, since=since, outcome="approve,offer,decline", known=held,
        who=f"{APP}.lines",
    )  # fmt: skip
    if new:
        platform.store("BusinessLine", new, source="business.lines")
    return {"set": len(new)}


def _line(made: Decision) -> dict[str, Any] | None:
    """Return the line that a decision set."""
    if "line" not in made.amounts:
        return None
    return written(BusinessLine, {
        "id": made.id, "event_time": made.decided_at, "company": made.row["company"],
        "amount": made.amounts["line"], "currency": CURRENCY,
        "waiting": made.amounts.get("waiting", 0),
    })  # fmt: skip


def review_lines(platform: Any, date: str) -> Mapping[str, Any]:
    """Ask for a review of each line, and decide it."""
    now = platform.clock.now()
    with _asking(platform, "review") as ask:
        lines = ask(BusinessLine, latest_by("company"))
        asked = ask(BusinessApplication, latest_by("company", where="kind = 'line'"))
    last = {r["company"]: r for r in asked}
    rows = [
        written(BusinessApplication, {
            **{n: last[company][n] for n in ("customer", "company", "merchant", "industry")},
            "id": f"review {date} {company}", "event_time": now, "kind": "review",
            "amount": amount, "currency": CURRENCY,
        })
        for company, amount in sorted((line["company"], line["amount"]) for line in lines)
        if amount and company in last
    ]  # fmt: skip
    if not rows:
        return {"reviewed": 0}
    platform.store("BusinessApplication", rows, source="business.review")
    platform.decide(APP, keys=[row["id"] for row in rows])
    return {"reviewed": len(rows)} | dict(set_lines(platform, date))


def groups(
    rows: Mapping[str, Sequence[Mapping[str, Any]]], known: Iterable[str] = ()
) -> list[tuple[tuple[str, ...], int]]:
    """Return groups of connected companies and persons with what each owes, the largest first.

    Args:
        rows: of CompanyDebt (the latest of each company, in EUR), Ownership and Surety as they
            stand, by name of the table.
        known: companies that were told of before: they are told of again when nothing is owed.
    """
    owed = {f"company {c}": 0 for c in known}
    owed |= {f"company {d['company']}": d["owed"] for d in rows["CompanyDebt"] if d["owed"]}
    stakes = [
        Stake(_name(o, "owner"), f"company {o['company']}", o["share"] / SHARE)
        for o in rows["Ownership"]
        if o["share"] and _name(o, "owner")
    ]
    stakes += [
        Stake(_name(s, "guarantor"), f"company {s['company']}", 1.0)
        for s in rows["Surety"]
        if s["active"] and _name(s, "guarantor")
    ]
    return connected(stakes, owed)


def _name(row: Mapping[str, Any], who: str) -> str:
    if row.get(f"{who}_company"):
        return f"company {row[f'{who}_company']}"
    return f"person {row[who]}" if row.get(who) else ""


def reckon_groups(platform: Any, date: str) -> Mapping[str, Any]:
    """Store for each company of a group that owes what the group owes, as known now.

    Whoever was in such a group at the last reckoning and is in none any more gets a row of 0.
    """
    now = platform.clock.now()
    with _asking(platform, "groups") as ask:
        read = {table.__name__: ask(table) for table in (Ownership, Surety)}
        read["CompanyDebt"] = ask(CompanyDebt, DEBTS)
        before = ask(GroupDebt, latest_by("company"))
    found = groups(read, [r["company"] for r in before if r["owed"]])
    made = [
        written(GroupDebt, {
            "id": f"{date} {who.removeprefix('company ')}", "event_time": now,
            "company": who.removeprefix("company "), "group": members[0], "members": len(members),
            "owed": owed, "currency": CURRENCY,
        })
        for members, owed in found for who in members if who.startswith("company ")
    ]  # fmt: skip
    if made:
        platform.store("GroupDebt", made, source="business.groups")
    return {"companies": len(made), "groups": sum(owed > 0 for _, owed in found)}


class Request(NamedTuple):
    """A loan or a line that was asked for.

    Attributes:
        row_key: of the request.
        industry: of the firm.
        amount: asked for, in cents of EUR.
        loss: expected loss per unit lent; None without a score.
        margin: expected profit per unit lent at the price that it would have now; None without a
            score, or where the flow tells none.
    """

    row_key: str
    industry: str
    amount: int
    loss: float | None
    margin: float | None


def request(made: Decision, policy: Mapping[str, Any]) -> Request | None:
    """Return what a decision says of demand: nothing of draws, reviews and other currencies."""
    row, score = made.row, made.score
    industry, amount = row.get("industry"), row.get("amount")
    if row["kind"] not in ("loan", "line") or row["currency"] != CURRENCY:
        return None
    if not isinstance(industry, str) or not isinstance(amount, int):
        return None
    if score is None:
        return Request(made.row_key, industry, amount, None, None)
    # The flow has the formula of the price: what it computes for the row under the policy of now.
    priced, x = flow.chosen(policy, row), Inputs(made.features, row, policy, score, made.known_time)
    loss, margin = (priced.amount(name, x) for name in ("lost", "margin"))
    return Request(made.row_key, industry, amount, _number(loss), _number(margin))


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None


def segments(requests: Iterable[Request], capital: float) -> list[Segment]:
    """Return what is asked for by industry, with the margin, loss and capital of a unit lent.

    Requests without a score teach neither margin nor loss and count as demand alone; an industry
    of which none was scored gets no segment, since nothing is known of what it earns.

    Args:
        requests: the last decided first; of those decided twice, such as by a person, it counts.
        capital: own capital held per unit lent.
    """
    each: dict[str, Request] = {}
    for one in requests:
        each.setdefault(one.row_key, one)
    asked: dict[str, int] = defaultdict(int)
    seen: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for one in each.values():
        asked[one.industry] += one.amount
        if one.loss is not None and one.margin is not None:
            seen[one.industry].append((one.loss, one.margin))
    return [
        Segment(
            industry,
            asked[industry],
            sum(margin for _, margin in found) / len(found),
            sum(loss for loss, _ in found) / len(found),
            capital,
            {"industry": industry},
        )
        for industry, found in sorted(seen.items())
    ]


def reckon_room(platform: Any, date: str) -> Mapping[str, Any]:  # noqa: ARG001
    """Store what may still be lent to each industry: the most that the portfolio's limits leave.

    Linear programming shares the limits among what is likely to be asked for, by what the requests
    of 90 days came to; whatever that leaves of them is open to each industry.
    """
    now = platform.clock.now()
    policy = platform.desk.policy(platform.app(APP))
    requests = decided(
        platform, APP, lambda made: request(made, policy), since=now - WATCHED, who=f"{APP}.room"
    )
    found = segments(requests, float(policy["capital"]))
    if not found:
        return {"industries": 0}
    with _asking(platform, "room") as ask:
        limits = _limits(found, policy, owed_by_industry(ask))
    answer = allocate(found, limits)
    free = rooms(found, limits, answer.lent)
    rows = [
        written(LendingRoom, {
            "id": f"{now} {s.name}", "event_time": now, "industry": s.name, "amount": free[s.name],
            "currency": CURRENCY, "margin": round(s.margin * 1_000_000),
            "worth": round(answer.prices[f"industry {s.name}"] * 1_000_000),
        })
        for s in found
    ]  # fmt: skip
    platform.store("LendingRoom", rows, source="business.room")
    return {"industries": len(rows), "asked": sum(answer.lent.values())}


def _limits(found: Iterable[Segment], policy: Mapping[str, Any], owed: Mapping[str, int]) -> Limits:
    """Return what the limits of the policy leave beside what is owed already."""
    spent = sum(owed.values())
    return Limits(
        max(0, int(policy["portfolio_budget"]) - spent),
        int(policy["portfolio_loss"]),
        max(0, int(policy["portfolio_capital"]) - int(spent * float(policy["capital"]))),
        {("industry", s.name): max(0, int(policy["portfolio_industry"]) - owed.get(s.name, 0))
         for s in found},
    )  # fmt: skip


def owed_by_industry(ask: Ask) -> dict[str, int]:
    """Return what companies of each industry owe, by the industry that they last named."""
    last = latest_by("company", of="company, industry", where="industry IS NOT NULL")
    named = {r["company"]: r["industry"] for r in ask(BusinessApplication, last)}
    found: dict[str, int] = defaultdict(int)
    for debt in ask(CompanyDebt, DEBTS):
        found[named.get(debt["company"], "")] += debt["owed"]
    return dict(found)


jobs = (
    Job("lines", "Store lines as decisions set them.", set_lines, reads=(BusinessApplication,)),
    Job("review", "Review each line: lowered at once, raised by steps.", review_lines,
        reads=(BusinessLine, BusinessApplication)),
    Job("groups", "Reckon what connected firms owe together.", reckon_groups,
        reads=(CompanyDebt, Ownership, Surety)),
    Job("room", "Share what may still be lent among industries, within the portfolio's limits.",
        reckon_room, reads=(BusinessApplication, CompanyDebt)),
)  # fmt: skip
