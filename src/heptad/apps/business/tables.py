# SPDX-License-Identifier: Apache-2.0
"""What firms and merchants ask for, and what is known of their trade, debts and lines."""

from __future__ import annotations

from heptad.standards import Code, Flag, Instant, Integer, Money, Number, Ref, Table, Text
from heptad.standards.model import Company, Customer, Merchant

EURO = "ISO 4217"


class Industry(Table, state=True):
    """One industry, as it is named from an instant on."""

    id = Text("Code, such as a division of NACE Rev. 2", key=True)
    event_time = Instant("Since when it is named so, UTC")
    name = Text("Name", optional=True)


class BusinessApplication(Table):
    """One request of a firm: a loan, a line, the review of a line, or a draw at check-out."""

    id = Text("Unique id of the request", key=True)
    event_time = Instant("When it was handed in, UTC")
    customer = Ref(Customer, "Who signs for the firm", subject=True)
    company = Ref(Company, "The firm that asks")
    merchant = Ref(Merchant, "Its shop on a platform", optional=True)
    industry = Ref(Industry, "What it mainly does", optional=True)
    kind = Code("What is asked for", standard={"loan", "line", "review", "draw"})
    amount = Money("Amount asked for", currency="currency", ge=1)
    currency = Code("Currency of the amount", standard=EURO)
    term = Integer("Months to repay a loan in", ge=1, le=600, unit="month", optional=True)
    purpose = Text("What the money is for, as stated", optional=True)


class Settlement(Table):
    """One week of a merchant's trade, as its platform settles it."""

    id = Text("Unique id: merchant and week", key=True)
    event_time = Instant("End of the week, UTC")
    merchant = Ref(Merchant, "Whose trade")
    net = Money("Sales less refunds and costs", currency="currency")
    currency = Code("Currency of the amount", standard=EURO)


class PlatformRating(Table):
    """What a platform thinks of a merchant."""

    id = Text("Unique id: merchant and instant", key=True)
    event_time = Instant("When it was said, UTC")
    merchant = Ref(Merchant, "Of whom")
    rating = Number("From 0, the worst, to 1", scale=4, ge=0, le=1)


class Outlook(Table):
    """How an industry is expected to do."""

    id = Text("Unique id: industry and period", key=True)
    event_time = Instant("When it was published, UTC")
    industry = Ref(Industry, "Which industry")
    value = Number("From -1, a slump, to 1", scale=4, ge=-1, le=1)


class CompanyDebt(Table):
    """What a company owed the institution, as booked."""

    id = Text("Unique id: company and instant", key=True)
    event_time = Instant("When it owed so much, UTC")
    company = Ref(Company, "Who owes")
    owed = Money("All that it owed", currency="currency", ge=0)
    drawn = Money("What of it was drawn from its line", currency="currency", ge=0)
    currency = Code("Currency of the amounts", standard=EURO)


class Surety(Table, state=True):
    """One word given for a company's debts, as it stands from an instant on."""

    id = Text("Unique id of the guarantee", key=True)
    event_time = Instant("Since when it stands so, UTC")
    company = Ref(Company, "For whose debts")
    guarantor_company = Ref(Company, "The company that gave it", optional=True)
    guarantor = Ref(Customer, "The person who gave it", optional=True)
    active = Flag("Whether it still binds")


class GroupDebt(Table):
    """What the firms connected with a company by control or guarantee owe, as reckoned."""

    id = Text("Day and company", key=True)
    event_time = Instant("When it was reckoned, UTC")
    company = Ref(Company, "Whose group")
    group = Text("First member of the group by name")
    members = Integer("How many belong to it", ge=1)
    owed = Money("What they owe together", currency="currency", ge=0)
    currency = Code("Currency of the amount", standard=EURO)


class BusinessLine(Table):
    """A line as a decision set it: how much may be drawn."""

    id = Text("The decision that set it", key=True)
    event_time = Instant("When it was set, UTC")
    company = Ref(Company, "Whose line")
    amount = Money("Most that may be drawn in all", currency="currency", ge=0)
    currency = Code("Currency of the amount", standard=EURO)
    waiting = Integer("Reviews in a row that would have given more", ge=0)


class LendingRoom(Table):
    """How much may still be lent to an industry, by the limits of the portfolio, as reckoned."""

    id = Text("Instant and industry", key=True)
    event_time = Instant("When it was reckoned, UTC")
    industry = Ref(Industry, "To which industry")
    amount = Money("Most that may be lent", currency="currency", ge=0)
    currency = Code("Currency of the amount", standard=EURO)
    margin = Number("Expected profit per unit lent", scale=6)
    worth = Number("Profit of one more unit of room for this industry", scale=6)


class BusinessOutcome(Table):
    """What became of a request that was granted; dated as the request."""

    id = Text("Unique id of the outcome", key=True)
    event_time = Instant("When the request was handed in, UTC")
    application = Ref(BusinessApplication, "Which request")
    default = Flag("Whether it was 90 days late within the time it is watched")


tables = (
    Industry, BusinessApplication, Settlement, PlatformRating, Outlook, CompanyDebt, Surety,
    GroupDebt, BusinessLine, LendingRoom, BusinessOutcome,
)  # fmt: skip
