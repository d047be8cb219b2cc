# SPDX-License-Identifier: Apache-2.0
"""Tables about loans that run: what happens to them, and what is published of them each day."""

from __future__ import annotations

from heptad.analysis.loans.delinquency import BUCKETS
from heptad.standards import Code, Day, Flag, Instant, Integer, Money, Number, Ref, Table, Text
from heptad.standards.model import Customer, Loan


class LoanEvent(Table):
    """One thing that happened to a loan, as its book takes it in; a correction is a new version."""

    id = Text("Unique id of the event", key=True)
    event_time = Instant("When it counts, UTC")
    loan = Ref(Loan, "The loan it belongs to")
    customer = Ref(Customer, "Who owes it", subject=True)
    kind = Code(
        "What happened",
        standard={
            "payment", "prepayment", "reversal", "fee", "waiver", "refund", "restructure",
            "write off",
        },
    )  # fmt: skip
    amount = Money("Amount; none for a restructure or a write-off", currency="currency", ge=0)
    currency = Code("Currency of the amount", standard="ISO 4217")
    of = Text("The payment that a reversal takes back", optional=True)
    rate = Number(
        "New yearly interest of a restructure, as a fraction", scale=6, ge=0, optional=True
    )
    term = Integer("New number of monthly instalments", ge=1, optional=True)
    first_due = Day("New first due day", optional=True)
    form = Code("New form", standard={"annuity", "linear", "bullet"}, optional=True)


class LoanDay(Table):
    """Where one loan stood at the end of one day, and what it was expected to lose."""

    id = Text("Loan and day", key=True)
    event_time = Instant("End of the day, UTC")
    loan = Ref(Loan, "The loan")
    customer = Ref(Customer, "Who owes it", subject=True)
    currency = Code("Currency of the amounts", standard="ISO 4217")
    balance = Money("Principal not paid back", currency="currency", ge=0)
    late = Money("What is past due", currency="currency", ge=0)
    days_late = Integer("Days since the oldest unpaid thing fell due", ge=0, unit="day")
    bucket = Code("Where it stands", standard=set(BUCKETS))
    default = Flag("Whether it is in default")
    watched = Flag("Whether it was restructured within a year, or its borrower's flows warn")
    warnings = Text("What warns, codes by space", optional=True)
    stage = Integer("Stage of expected loss", ge=1, le=3)
    remaining = Integer("Instalments not due yet", ge=0)
    loss = Money("Expected loss booked", currency="currency", ge=0)
    loss_year = Money("Expected loss of defaults within a year", currency="currency", ge=0)
    loss_lifetime = Money("Expected loss over what is left of its life", currency="currency", ge=0)


class LoanFigure(Table):
    """One figure of a report on the book of loans, as computed for the end of a day."""

    id = Text("Day, report, series and place", key=True)
    event_time = Instant("End of the day, UTC")
    report = Text("Name of the report")
    series = Text("Line of the report")
    at = Text("Place on the line: a month, an age, a bucket")
    value = Number("The figure", scale=6)
    unit = Text("Unit of the figure")
    n = Integer("Loans behind it", ge=0, optional=True)
    evidence = Text("Tables and versions that it was computed from")


class BehaviourScore(Table):
    """What a card learned from the book says of one loan at the end of a day."""

    id = Text("Loan and day", key=True)
    event_time = Instant("End of the day, UTC")
    loan = Ref(Loan, "The loan")
    customer = Ref(Customer, "Who owes it", subject=True)
    points = Integer("Points, more is better")
    probability = Number("Probability to be in default within six months", scale=6, ge=0, le=1)
    card = Text("Hash of the card")


class FundsUse(Table):
    """What became of the money of one loan, as traced at the end of a day."""

    id = Text("Loan, day and method", key=True)
    event_time = Instant("End of the day, UTC")
    loan = Ref(Loan, "The loan")
    customer = Ref(Customer, "Who owes it", subject=True)
    currency = Code("Currency of the amounts", standard="ISO 4217")
    method = Code("How it was followed", standard={"fifo", "proportional"})
    lent = Money("Paid out", currency="currency", ge=0)
    purpose = Money("Reached what it was for", currency="currency", ge=0)
    forbidden = Money("Reached places where it must not go", currency="currency", ge=0)
    elsewhere = Money("Was spent on something else", currency="currency", ge=0)
    lender = Money("Went to the lender", currency="currency", ge=0)
    round_trip = Money("Came back to the borrower through others", currency="currency", ge=0)
    unseen = Money("Lost sight of", currency="currency", ge=0)
    held = Money("Still lies on accounts", currency="currency", ge=0)
    diverted = Flag("Whether it counts as diverted")
    path = Text("The transfers that carried most of it, in order", optional=True)


class PaymentPromise(Table):
    """One promise to pay, as given by a customer."""

    id = Text("Unique id of the promise", key=True)
    event_time = Instant("When it was given, UTC")
    loan = Ref(Loan, "On which loan")
    customer = Ref(Customer, "Who promised", subject=True)
    amount = Money("Amount promised", currency="currency", ge=1)
    currency = Code("Currency of the amount", standard="ISO 4217")
    by = Day("Day by which")


class CollectionAction(Table):
    """One action about a late loan in a day's plan."""

    id = Text("Loan and day", key=True)
    event_time = Instant("End of the day that it was planned after, UTC")
    loan = Ref(Loan, "The loan")
    customer = Ref(Customer, "Who owes it", subject=True)
    currency = Code("Currency of the amounts", standard="ISO 4217")
    action = Code("What is done", standard={"call", "message", "letter", "nothing"})
    late = Money("What is past due", currency="currency", ge=0)
    gain = Money("Expected to bring beyond doing nothing, cost taken off", currency="currency")
    lift = Number("Share of what is late that it is expected to bring", scale=6)
    drawn = Flag("Whether it was drawn by chance, to learn from")
    propensity = Number(
        "Probability of just this: of being drawn with this action, or of being left to the plan",
        scale=6, ge=0, le=1,
    )  # fmt: skip
    message = Text("Id of the message in the outbox", optional=True)
