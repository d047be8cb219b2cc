# SPDX-License-Identifier: Apache-2.0
"""Who the institution deals with: persons, companies, their consent and their contacts."""

from __future__ import annotations

from heptad.standards import (
    Code,
    Day,
    Flag,
    Instant,
    Integer,
    Money,
    Number,
    Place,
    Ref,
    Table,
    Text,
)

CHANNELS = {"branch", "phone", "web", "app", "sms", "email", "push", "post", "partner"}


class Customer(Table, state=True, called="name"):
    """One person who is or was a customer, as known from an instant on."""

    id = Text("Number of the customer in the core system", key=True, subject=True)
    event_time = Instant("Since when these facts hold, UTC")
    name = Text("Full name", personal=True, optional=True, purposes={"service", "collections"})
    tax_number = Text("Number given by the tax authority", personal=True, optional=True)
    email = Text(
        "Address for e-mail", personal=True, optional=True, purposes={"service", "marketing"}
    )
    phone = Text(
        "Telephone, E.164", personal=True, optional=True, purposes={"service", "marketing"}
    )
    home = Place("Where the home is, WGS 84", personal=True, optional=True)
    birth = Day("Date of birth", personal=True, optional=True, purposes={"credit", "service"})
    city = Text("City of residence", optional=True)
    country = Code("Country of residence", standard="ISO 3166-1 alpha-2", optional=True)
    segment = Text("Segment given by the institution", optional=True)
    income = Money("Net monthly income as declared", currency="currency", ge=0, optional=True)
    currency = Code("Currency of the income", standard="ISO 4217", optional=True)
    since = Day("First day as a customer", optional=True)


class Company(Table, state=True, called="name"):
    """One company, as known from an instant on."""

    id = Text("Number of the company in the core system", key=True)
    event_time = Instant("Since when these facts hold, UTC")
    name = Text("Registered name")
    industry = Text("Industry, NACE Rev. 2", optional=True)
    country = Code("Country of registration", standard="ISO 3166-1 alpha-2", optional=True)
    founded = Day("Date of registration", optional=True)


class Ownership(Table, state=True):
    """One share of a company held by a person or by another company."""

    id = Text("Unique id of the holding", key=True)
    event_time = Instant("Since when it is held, UTC")
    company = Ref(Company, "The company owned")
    owner_company = Ref(Company, "The company that owns", optional=True)
    owner = Ref(Customer, "The person who owns", optional=True)
    share = Number("Share of the capital, as a fraction", scale=6, ge=0, le=1)


class Statement(Table):
    """One figure of one financial statement of a company, as published."""

    id = Text("Unique id: company, period and item", key=True)
    event_time = Instant("End of the reporting period, UTC")
    company = Ref(Company, "Whose statement")
    item = Text("Item of the statement, for example revenue")
    amount = Money("Amount reported", currency="currency")
    currency = Code("Currency of the statement", standard="ISO 4217")


class Consent(Table, state=True):
    """One permission of one person for one purpose, as it stands from an instant on."""

    id = Text("Unique id of the consent", key=True)
    event_time = Instant("Since when it stands so, UTC")
    customer = Ref(Customer, "Who gave it", subject=True)
    purpose = Text("Purpose that it permits")
    scope = Text("Group of fields that it covers")
    mode = Code(
        "How the data are collected",
        standard={"direct", "third party", "derived", "public", "device"},
    )
    status = Code("Where it stands", standard={"active", "suspended", "withdrawn", "expired"})
    until = Instant("Last instant of validity, UTC", optional=True)


class Interaction(Table):
    """One thing that a customer did with the institution or saw of it."""

    id = Text("Unique id of the interaction", key=True)
    event_time = Instant("When it happened, UTC")
    customer = Ref(Customer, "Who", subject=True)
    item = Text("Product or page concerned", optional=True)
    action = Text("What was done, for example view, click, purchase")
    channel = Code("Where", standard=CHANNELS, optional=True)
    quantity = Integer("How many", ge=0, optional=True)
    amount = Money("Value of it", currency="currency", optional=True)
    currency = Code("Currency of the value", standard="ISO 4217", optional=True)


class Contact(Table):
    """One message or call from the institution to a customer."""

    id = Text("Unique id of the contact", key=True)
    event_time = Instant("When it was sent or made, UTC")
    customer = Ref(Customer, "To whom", subject=True)
    channel = Code("By what channel", standard=CHANNELS)
    purpose = Text("Why it was made")
    outcome = Text("What became of it", optional=True)


class Promotion(Table):
    """One offer of a campaign to one customer, with the probability of having chosen it."""

    id = Text("Unique id of the offer", key=True)
    event_time = Instant("When it was made, UTC")
    customer = Ref(Customer, "To whom", subject=True)
    campaign = Text("Campaign")
    arm = Text("Variant of the campaign")
    propensity = Number(
        "Probability with which the arm was drawn", scale=9, ge=0, le=1, optional=True
    )
    accepted = Flag("Whether it was taken up", optional=True)
