# SPDX-License-Identifier: Apache-2.0
"""Work by date: lines as decided, their reviews, what groups owe, and the room of the portfolio."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from heptad.analysis.allocation import Limits, Segment, allocate
from heptad.analysis.connections import Stake, connected
from heptad.apps.business.decide import CURRENCY
from heptad.apps.business.tables import (
    BusinessApplication,
    BusinessLine,
    CompanyDebt,
    Surety,
)
from heptad.service.app import Job
from heptad.standards.model import Ownership
from heptad.standards.money import format_minor
from heptad.standards.time import day, format_instant

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from heptad.service.decisions.decision import Decision

APP, SHARE, PAGE = "business", 1_000_000, 500
WATCHED = 90 * day
"""How long back requests tell what is asked for."""


def _decided(platform: Any, since: int) -> Iterator[Decision]:
    """Yield the application's decisions of what happened since an instant, the latest first."""
    cursor = None
    while True:
        page = platform.catalog.decisions.page(app=APP, cursor=cursor, limit=PAGE)
        opened = platform.log.stored(entry.id for entry in page.entries)
        for entry in page.entries:
            decision = opened[entry.id].decision
            if decision is not None and decision.event_time >= since:
                yield decision
        cursor = page.cursor
        if cursor is None or page.entries[-1].event_time < since:
            return


def _money(amount: int) -> str:
    return format_minor(amount, CURRENCY).split()[0].replace(",", "")


def set_lines(platform: Any, date: str) -> Mapping[str, Any]:  # noqa: ARG001
    """Store each line as the decisions of the last 90 days set it; what is stored already stays."""
    now = platform.clock.now()
    rows = [
        {"id": d.id, "event_time": format_instant(d.decided_at), "company": d.row["company"],
         "amount": _money(d.amounts["line"]), "currency": CURRENCY,
         "waiting": d.amounts.get("waiting", 0)}
        for d in _decided(platform, now - WATCHED) if "line" in d.amounts
    ]  # fmt: skip
    held = set(platform.read("BusinessLine", now, now).column("id").to_pylist())
    new = [row for row in rows if row["id"] not in held]
    if new:
        platform.store("BusinessLine", new, source="business.lines")
    return {"set": len(new)}


def review_lines(platform: Any, date: str) -> Mapping[str, Any]:
    """Ask for a review of each line, and decide it."""
    now = platform.clock.now()
    latest: dict[str, Mapping[str, Any]] = {}
    for line in platform.read("BusinessLine", now, now).to_pylist():
        before = latest.get(line["company"])
        if before is None or line["event_time"] > before["event_time"]:
            latest[line["company"]] = line
    asked = {
        r["company"]: r
        for r in platform.read("BusinessApplication", now, now).to_pylist()
        if r["kind"] == "line"
    }
    rows = [
        {"id": f"review {date} {company}", "event_time": format_instant(now),
         "customer": asked[company]["customer"], "company": company,
         "merchant": asked[company]["merchant"], "industry": asked[company]["industry"],
         "kind": "review", "amount": _money(line["amount"]), "currency": CURRENCY}
        for company, line in sorted(latest.items()) if line["amount"] and company in asked
    ]  # fmt: skip
    if not rows:
        return {"reviewed": 0}
    platform.store("BusinessApplication", rows, source="business.review")
    platform.decide(APP, keys=[row["id"] for row in rows])
    return {"reviewed": len(rows)} | dict(set_lines(platform, date))


def groups(rows: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[tuple[tuple[str, ...], int]]:
    """Return groups of connected companies and persons with what each owes, the largest first.

    Args:
        rows: of CompanyDebt, Ownership and Surety as they stand, by name of the table. The latest
            debt of a company counts; other currencies than EUR are left out.
    """
    last: dict[str, Mapping[str, Any]] = {}
    for debt in rows["CompanyDebt"]:
        before = last.get(debt["company"])
        if before is None or debt["event_time"] > before["event_time"]:
            last[debt["company"]] = debt
    owed = {f"company {c}": d["owed"] for c, d in last.items() if d["currency"] == CURRENCY}
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
    """Store for each company of a group that owes what the group owes, as known now."""
    now = platform.clock.now()
    read = {
        n: platform.read(n, now, now).to_pylist() for n in ("CompanyDebt", "Ownership", "Surety")
    }
    made = [
        {"id": f"{date} {who.removeprefix('company ')}", "event_time": format_instant(now),
         "company": who.removeprefix("company "), "group": members[0], "members": len(members),
         "owed": _money(owed), "currency": CURRENCY}
        for members, owed in groups(read) for who in members if who.startswith("company ")
    ]  # fmt: skip
    if made:
        platform.store("GroupDebt", made, source="business.groups")
    return {"companies": len(made), "groups": len({row["group"] for row in made})}


def segments(decisions: Sequence[Decision], policy: Mapping[str, Any]) -> list[Segment]:
    """Return what is asked for by industry, with the margin, loss and capital of a unit lent.

    Requests without a score teach neither margin nor loss and count as demand alone; an industry
    of which none was scored gets no segment, since nothing is known of what it earns.
    """
    asked: dict[str, int] = defaultdict(int)
    seen: dict[str, list[float]] = defaultdict(list)
    for d in decisions:
        industry, amount = d.row.get("industry"), d.row.get("amount")
        if not isinstance(industry, str) or not isinstance(amount, int) or d.row["kind"] == "draw":
            continue
        asked[industry] += amount
        if d.score is not None:
            seen[industry].append(d.score.probability)
    severity = float(policy["loss_given_default"]) * float(policy["loss_share"])
    return [
        Segment(
            industry,
            asked[industry],
            sum(_margin(p, severity, policy) for p in chances) / len(chances),
            severity * sum(chances) / len(chances),
            float(policy["capital"]),
            {"industry": industry},
        )
        for industry, chances in sorted(seen.items())
    ]


def _margin(chance: float, severity: float, policy: Mapping[str, Any]) -> float:
    """Expected profit per unit lent at the price of the flow, capped by the highest rate."""
    lost = chance * severity
    paid = float(policy["funding"]) * (1 - float(policy["capital"])) + float(policy["servicing"])
    wanted = float(policy["return_wanted"]) * float(policy["capital"])
    survives = max(1 - chance, 1e-9)
    rate = min((lost + paid + wanted) / survives, float(policy["highest_rate"]))
    return rate * survives - lost - paid


def reckon_room(platform: Any, date: str) -> Mapping[str, Any]:  # noqa: ARG001
    """Share what may still be lent among industries, by linear programming; store the room of each."""
    now = platform.clock.now()
    policy = platform.desk.policy(platform.app(APP))
    found = segments(list(_decided(platform, now - WATCHED)), policy)
    if not found:
        return {"industries": 0}
    owed = _owed(platform, now)
    spent = sum(owed.values())
    limits = Limits(
        max(0, int(policy["portfolio_budget"]) - spent),
        int(policy["portfolio_loss"]),
        max(0, int(policy["portfolio_capital"]) - int(spent * float(policy["capital"]))),
        {("industry", s.name): max(0, int(policy["portfolio_industry"]) - owed.get(s.name, 0))
         for s in found},
    )  # fmt: skip
    answer = allocate(found, limits)
    rows = [
        {"id": f"{now} {s.name}", "event_time": format_instant(now), "industry": s.name,
         "amount": _money(answer.lent[s.name]), "currency": CURRENCY, "margin": f"{s.margin:.6f}",
         "worth": f"{answer.prices[f'industry {s.name}']:.6f}"}
        for s in found
    ]  # fmt: skip
    platform.store("LendingRoom", rows, source="business.room")
    return {"industries": len(rows), "room": sum(answer.lent.values())}


def _owed(platform: Any, now: int) -> dict[str, int]:
    """Return what companies of each industry owe, by the industry that they last named."""
    latest: dict[str, tuple[int, int]] = {}
    for d in platform.read("CompanyDebt", now, now).to_pylist():
        if d["currency"] == CURRENCY:
            latest[d["company"]] = max(
                latest.get(d["company"], (-1, 0)), (_us(d["event_time"]), d["owed"])
            )
    named: dict[str, str] = {}
    for r in platform.read("BusinessApplication", now, now).to_pylist():
        if r["industry"]:
            named[r["company"]] = r["industry"]
    found: dict[str, int] = defaultdict(int)
    for company, (_, owed) in latest.items():
        found[named.get(company, "")] += owed
    return dict(found)


def _us(value: Any) -> int:
    from heptad.standards.time import micros

    return value if isinstance(value, int) else micros(value)


jobs = (
    Job("lines", "Store lines as decisions set them.", set_lines, reads=(BusinessApplication,)),
    Job("review", "Review each line: lowered at once, raised by steps.", review_lines,
        reads=(BusinessLine, BusinessApplication)),
    Job("groups", "Reckon what connected firms owe together.", reckon_groups,
        reads=(CompanyDebt, Ownership, Surety)),
    Job("room", "Share what may still be lent among industries, within the portfolio's limits.",
        reckon_room, reads=(BusinessApplication, CompanyDebt)),
)  # fmt: skip
