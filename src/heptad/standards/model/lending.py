# SPDX-License-Identifier: Apache-2.0
"""Money that is lent: products, applications, loans, repayments, collateral, credit records."""

from __future__ import annotations

from heptad.standards import Code, Day, Flag, Instant, Integer, Money, Number, Ref, Table, Text
from heptad.standards.model.people import CHANNELS, Customer


class Product(Table, state=True, called="name"):
    """One product on offer, as its terms stand from an instant on."""

    id = Text("Unique id of the product", key=True)
    event_time = Instant("Since when these terms hold, UTC")
    name = Text("Name of the product")
    kind = Code(
        "Kind of product",
        standard={"account", "card", "loan", "deposit", "fund", "insurance", "trust", "lease"},
    )
    risk = Integer("Risk class, 1 lowest to 5 highest", ge=1, le=5, optional=True)


class Holding(Table, state=True):
    """One product held by a customer, as it stands from an instant on."""

    id = Text("Unique id of the holding", key=True)
    event_time = Instant("Since when it stands so, UTC")
    customer = Ref(Customer, "Who holds it", subject=True)
    product = Ref(Product, "What is held")
    units = Number("How many units", scale=6, optional=True)
    active = Flag("Whether it is still held")


class LoanApplication(Table):
    """One application for a loan, as handed in."""

    id = Text("Unique id of the application", key=True)
    event_time = Instant("When it was handed in, UTC")
    customer = Ref(Customer, "Who applies", subject=True)
    amount = Money("Amount asked for", currency="currency", ge=1)
    currency = Code("Currency of the amounts", standard="ISO 4217")
    term = Integer("Months to repay it in", ge=1, le=600, unit="month")
    purpose = Text("What the money is for, as stated", optional=True)
    channel = Code("Where it was handed in", standard=CHANNELS, optional=True)
    income = Money("Net monthly income as stated", currency="currency", ge=0, optional=True)
    expenses = Money("Monthly expenses as stated", currency="currency", ge=0, optional=True)
    employed_since = Day("First day of the present employment", optional=True)
    home = Code(
        "How the applicant lives", standard={"owner", "tenant", "family", "other"}, optional=True
    )
    age = Integer("Age in whole years", ge=0, le=130, optional=True, unit="year")


class Loan(Table, state=True):
    """One loan, as its contract stands from an instant on."""

    id = Text("Unique id of the loan", key=True)
    event_time = Instant("Since when it stands so, UTC")
    application = Ref(LoanApplication, "The application that led to it", optional=True)
    customer = Ref(Customer, "Who owes it", subject=True)
    amount = Money("Amount paid out", currency="currency", ge=0)
    currency = Code("Currency of the amounts", standard="ISO 4217")
    rate = Number("Nominal yearly interest, as a fraction", scale=6, ge=0)
    term = Integer("Months to repay it in", ge=1, unit="month")
    purpose = Text("What the money is for, as agreed", optional=True)
    status = Code(
        "Where it stands", standard={"running", "repaid", "late", "defaulted", "written off"}
    )


class Repayment(Table):
    """One instalment that fell due, with what was paid on it."""

    id = Text("Unique id of the instalment", key=True)
    event_time = Instant("When it fell due, UTC")
    loan = Ref(Loan, "The loan it belongs to")
    customer = Ref(Customer, "Who owes it", subject=True)
    due = Money("Amount that fell due", currency="currency", ge=0)
    paid = Money("Amount paid so far", currency="currency", ge=0)
    currency = Code("Currency of the amounts", standard="ISO 4217")
    days_late = Integer("Days between due and paid in full", ge=0, optional=True, unit="day")


class Collateral(Table, state=True):
    """One thing pledged for a loan, as valued from an instant on."""

    id = Text("Unique id of the collateral", key=True)
    event_time = Instant("Since when this value holds, UTC")
    loan = Ref(Loan, "The loan it secures")
    kind = Text("What is pledged")
    value = Money("Value", currency="currency", ge=0)
    currency = Code("Currency of the value", standard="ISO 4217")


class CreditRecord(Table):
    """What a credit bureau reported about a customer at an instant."""

    id = Text("Unique id of the report", key=True)
    event_time = Instant("When it was reported, UTC")
    customer = Ref(Customer, "About whom", subject=True)
    open_loans = Integer("Loans open with any lender", ge=0, optional=True)
    overdue = Integer("Loans overdue with any lender", ge=0, optional=True)
    enquiries = Integer("Enquiries of the last six months", ge=0, optional=True)
    worst_late = Integer("Longest delay of the last two years", ge=0, optional=True, unit="day")
    debt = Money("Total owed to other lenders", currency="currency", ge=0, optional=True)
    currency = Code("Currency of the debt", standard="ISO 4217", optional=True)


class CreditOffer(Table):
    """One offer of credit made to a customer, with its price and how it was chosen."""

    id = Text("Unique id of the offer", key=True)
    event_time = Instant("When it was made, UTC")
    customer = Ref(Customer, "To whom", subject=True)
    application = Ref(LoanApplication, "For which application", optional=True)
    amount = Money("Amount offered", currency="currency", ge=0)
    currency = Code("Currency of the amount", standard="ISO 4217")
    rate = Number("Nominal yearly interest, as a fraction", scale=6, ge=0)
    propensity = Number("Probability with which it was drawn", scale=9, ge=0, le=1, optional=True)
    accepted = Flag("Whether it was taken up", optional=True)
