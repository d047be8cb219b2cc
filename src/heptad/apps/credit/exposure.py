# SPDX-License-Identifier: Apache-2.0
"""Group exposure: what a customer, and those connected by control or guarantee, owe together."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

from heptad.analysis.connections import Stake, connected
from heptad.apps.credit.running.rows import asking, end_of
from heptad.apps.credit.running.tables import LoanDay
from heptad.service.app import Job
from heptad.service.reads.asking import latest_by
from heptad.standards import Code, Flag, Instant, Integer, Money, Ref, Table, Text
from heptad.standards.model import Customer, Loan, Ownership
from heptad.standards.writing import written

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

CURRENCY = "EUR"
OPEN = ("running", "late", "defaulted")
SHARE = 1_000_000
LATEST = latest_by("loan", of="loan, event_time, balance")
BEFORE = latest_by("customer", of="customer, owed")


class Guarantee(Table, state=True):
    """One person's word for another's debts, as it stands from an instant on."""

    id = Text("Unique id of the guarantee", key=True)
    event_time = Instant("Since when it stands so, UTC")
    guarantor = Ref(Customer, "Who gave it", subject=True)
    borrower = Ref(Customer, "For whose debts")
    active = Flag("Whether it still binds")


class Connected(Table):
    """What a customer's group of connected borrowers owes, as reckoned at an instant."""

    id = Text("Day and customer", key=True)
    event_time = Instant("When it was reckoned, UTC")
    customer = Ref(Customer, "Whose group", subject=True)
    group = Text("First member of the group by name")
    members = Integer("How many belong to it", ge=1)
    owed = Money("What they owe together", currency="currency", ge=0)
    currency = Code("Currency of the amount", standard="ISO 4217")


def groups(
    rows: Mapping[str, list[dict[str, Any]]], known: Iterable[str] = ()
) -> list[tuple[tuple[str, ...], int]]:
    """Return groups of connected persons and companies with what each owes, the largest first.

    Args:
        rows: of Loan, LoanDay, Ownership and Guarantee as they stand, by name of the table. A loan
            counts with what is owed on it by the latest day that was closed with it, or with all
            that was lent where none was. Amounts in minor units; loans in other currencies than
            EUR are left out.
        known: customers who were told of before: they are told of again when nothing is owed.
    """
    owed = {f"person {customer}": 0 for customer in known}
    days = {d["loan"]: d for d in sorted(rows["LoanDay"], key=lambda d: d["event_time"])}
    for loan in rows["Loan"]:
        if loan["status"] in OPEN and loan["currency"] == CURRENCY:
            who = f"person {loan['customer']}"
            left = days[loan["id"]]["balance"] if loan["id"] in days else loan["amount"]
            owed[who] = owed.get(who, 0) + left
    stakes = [
        Stake(_owner(o), f"company {o['company']}", o["share"] / SHARE)
        for o in rows["Ownership"]
        if o["share"] and _owner(o)
    ]
    stakes += [
        Stake(f"person {g['guarantor']}", f"person {g['borrower']}", 1.0)
        for g in rows["Guarantee"]
        if g["active"]
    ]
    return connected(stakes, owed)


def _owner(row: Mapping[str, Any]) -> str:
    if row.get("owner_company"):
        return f"company {row['owner_company']}"
    return f"person {row['owner']}" if row.get("owner") else ""


def _reckon(platform: Any, text: str) -> Mapping[str, Any]:
    """Store for each member of a group that owes what the group owes at the end of a day.

    Whoever was in such a group at the last reckoning and is in none any more gets a row of 0.
    """
    on = date.fromisoformat(text)
    at = min(platform.clock.now(), end_of(on))
    with asking(platform, "credit.exposure", on) as ask:
        read = {table.__name__: ask(table) for table in (Loan, Ownership, Guarantee)}
        read["LoanDay"] = ask(LoanDay, LATEST)
        before = ask(Connected, BEFORE)
    made = []
    for members, owed in groups(read, [r["customer"] for r in before if r["owed"]]):
        people = [m.removeprefix("person ") for m in members if m.startswith("person ")]
        made += [
            written(Connected, {
                "id": f"{text} {who}", "event_time": at, "customer": who, "group": members[0],
                "members": len(members), "currency": CURRENCY, "owed": owed})
            for who in people
        ]  # fmt: skip
    if made:
        platform.store("Connected", made, source="credit.exposure")
    return {"persons": len(made), "groups": len({r["group"] for r in made if float(r["owed"])})}


tables = (Connected, Guarantee)
jobs = (
    Job("exposure", "Reckon what groups of connected borrowers owe together.", _reckon,
        reads=(Loan, LoanDay, Ownership, Guarantee)),
)  # fmt: skip
