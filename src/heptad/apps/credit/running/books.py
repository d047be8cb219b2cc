# SPDX-License-Identifier: Apache-2.0
"""The books of all loans at the end of a day: from their events, or from instalments and delays."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from heptad.analysis.loans.daycounts import add_months
from heptad.analysis.loans.ledger import Event, book
from heptad.analysis.loans.schedules import Instalment, Terms, split_level
from heptad.apps.credit.running.rows import day_of
from heptad.apps.credit.running.tables import LoanEvent
from heptad.standards.model import Loan, Repayment

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from heptad.analysis.loans.ledger import Book
    from heptad.service.reads.asking import Ask

    Row = Mapping[str, Any]


@dataclass(frozen=True)
class Held:
    """One loan with its book.

    Attributes:
        id, customer, currency: of the loan.
        purpose: what it is for, "" if nothing is said.
        lent: paid out, in minor units.
        rate: yearly interest in millionths.
        term: number of instalments.
        started: day of paying out.
        book: at the end of the day.
    """

    id: str
    customer: str
    currency: str
    purpose: str
    lent: int
    rate: int
    term: int
    started: date
    book: Book

    @property
    def remaining(self) -> int:
        """Instalments that are not due yet."""
        return sum(1 for i in self.book.items if i.number and i.due > self.book.day)


def read_books(ask: Ask, on: date, loans: set[str] | None = None) -> list[Held]:
    """Return loans paid out by a day with their books, in order of ids; all unless some are named."""
    states: dict[str, list[Row]] = {}
    for row in ask(Loan, "SELECT * FROM rows ORDER BY id, event_time", every=True):
        if loans is None or row["id"] in loans:
            states.setdefault(row["id"], []).append(row)
    dues, events = _by_loan(ask(Repayment)), _by_loan(ask(LoanEvent))
    return [
        _held(mine, dues.get(loan, []), events.get(loan, []), on)
        for loan, mine in states.items()
        if mine[0]["amount"] > 0
    ]


def _by_loan(rows: Sequence[Row]) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {}
    for row in sorted(rows, key=lambda r: (r["event_time"], r["id"])):
        found.setdefault(row["loan"], []).append(row)
    return found


def _held(states: Sequence[Row], dues: Sequence[Row], events: Sequence[Row], on: date) -> Held:
    first, last = states[0], states[-1]
    started = day_of(first["event_time"])
    terms = Terms(first["amount"], first["rate"], first["term"], started)
    if events:
        made = book(terms, [_event(row, terms) for row in events], on)
    else:
        known = [_paid(row) for row in dues]
        lost = [
            Event(day_of(s["event_time"]), "write off", "write off")
            for s in states
            if s["status"] == "written off"
        ][:1]
        instalments = _instalments(terms, dues)
        made = book(terms, [*(e for e in known if e), *lost], on, instalments=instalments)
    return Held(
        first["id"], last["customer"], last["currency"], last["purpose"] or "", first["amount"],
        first["rate"], first["term"], started, made,
    )  # fmt: skip


def _event(row: Row, terms: Terms) -> Event:
    """Return a stored event as the book takes it in."""
    on, new = day_of(row["event_time"]), None
    if row["kind"] == "restructure":
        due = row["first_due"]
        new = Terms(
            0,
            terms.rate if row["rate"] is None else row["rate"],
            row["term"] or terms.term,
            on,
            None if due is None else due if isinstance(due, date) else day_of(due * 86_400_000_000),
            row["form"] or "annuity",
        )
    return Event(on, row["kind"], row["id"], row["amount"] or 0, row["of"] or "", new)


def _paid(row: Row) -> Event | None:
    """Return what was paid on an instalment, on the day that its delay tells.

    A part that is paid without a delay being told yet counts on the due day: it is known that it
    came, and the instalment stays late by what is left.
    """
    if not row["paid"]:
        return None
    on = day_of(row["event_time"]) + timedelta(days=row["days_late"] or 0)
    return Event(on, "payment", row["id"], row["paid"])


def _instalments(terms: Terms, dues: Sequence[Row]) -> list[Instalment] | None:
    """Return what falls due where amounts are known: interest at the rate that they imply.

    Instalments not due yet are as the last known one, at the same distance. None where nothing is
    known yet, or amounts would not pay the loan back: the contract's own schedule counts then.
    """
    amounts = [row["due"] for row in dues][: terms.term]
    if not amounts:
        return None
    amounts += [amounts[-1]] * (terms.term - len(amounts))
    if sum(amounts) < terms.principal:
        return None
    _, parts = split_level(terms.principal, amounts)
    days, left, found = _days(terms, dues), terms.principal, []
    for number, (day, amount, part) in enumerate(zip(days, amounts, parts, strict=True), 1):
        left -= part
        found.append(Instalment(number, day, day, part, max(amount - part, 0), left))
    return found


def _days(terms: Terms, dues: Sequence[Row]) -> list[date]:
    known = [day_of(row["event_time"]) for row in dues][: terms.term]
    gaps = {(b - a).days for a, b in zip([terms.start, *known], known, strict=False)}
    missing = range(1, terms.term - len(known) + 1)
    if len(gaps) == 1:
        return [*known, *(known[-1] + timedelta(days=n * min(gaps)) for n in missing)]
    return [*known, *(add_months(known[-1], n) for n in missing)]
