# SPDX-License-Identifier: Apache-2.0
"""Group exposure: what a customer, and those connected by control or guarantee, owe together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from heptad.apps.credit.companies import Stake, connected
from heptad.service.app import Job
from heptad.standards import Code, Flag, Instant, Money, Ref, Table, Text
from heptad.standards.model import Customer, Loan, Ownership
from heptad.standards.time import format_instant

if TYPE_CHECKING:
    from collections.abc import Mapping

CURRENCY = "EUR"
OPEN = ("running", "late", "defaulted")
SHARE = 1_000_000


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
    members = Text("How many belong to it")
    owed = Money("What they owe together", currency="currency", ge=0)
    currency = Code("Currency of the amount", standard="ISO 4217")


def groups(rows: Mapping[str, list[dict[str, Any]]]) -> list[tuple[tuple[str, ...], int]]:
    """Return groups of connected persons and companies with what each owes, the largest first.

    Args:
        rows: of Loan, Ownership and Guarantee as they stand, by name of the table. Amounts in
            minor units; loans in other currencies than EUR are left out.
    """
    owed: dict[str, int] = {}
    for loan in rows["Loan"]:
        if loan["status"] in OPEN and loan["currency"] == CURRENCY:
            who = f"person {loan['customer']}"
            owed[who] = owed.get(who, 0) + loan["amount"]
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


def _reckon(platform: Any, date: str) -> Mapping[str, Any]:
    """Store for each member of a group that owes what the group owes, as known now."""
    now = platform.clock.now()
    read = {
        name: platform.read(name, now, now).to_pylist()
        for name in ("Loan", "Ownership", "Guarantee")
    }
    made = []
    for members, owed in groups(read):
        people = [m.removeprefix("person ") for m in members if m.startswith("person ")]
        made += [
            {"id": f"{date} {who}", "event_time": format_instant(now), "customer": who,
             "group": members[0], "members": str(len(members)), "currency": CURRENCY,
             "owed": f"{owed // 100}.{owed % 100:02}"}
            for who in people
        ]  # fmt: skip
    if made:
        platform.store("Connected", made, source="credit.exposure")
    return {"persons": len(made), "groups": len({row["group"] for row in made})}


tables = (Connected, Guarantee)
jobs = (
    Job("exposure", "Reckon what groups of connected borrowers owe together.", _reckon,
        reads=(Loan, Ownership, Guarantee)),
)  # fmt: skip
