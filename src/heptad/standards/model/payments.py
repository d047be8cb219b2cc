# SPDX-License-Identifier: Apache-2.0
"""Money that moves: accounts, cards, merchants, payments, transfers, invoices, orders."""

from __future__ import annotations

from heptad.standards import Code, Day, Instant, Integer, Money, Number, Place, Ref, Table, Text
from heptad.standards.model.people import CHANNELS, Company, Customer


class Account(Table, state=True):
    """One account of a customer, as it stands from an instant on."""

    id = Text("Number of the account, as a surrogate", key=True)
    event_time = Instant("Since when it stands so, UTC")
    customer = Ref(Customer, "Who holds it", subject=True)
    iban = Text("International account number", personal=True, optional=True)
    kind = Code("Kind of account", standard={"current", "savings", "loan", "merchant"})
    currency = Code("Currency of the account", standard="ISO 4217")
    opened = Day("Day of opening", optional=True)
    status = Code("Where it stands", standard={"open", "blocked", "closed"})


class Card(Table, state=True):
    """One payment card, as it stands from an instant on."""

    id = Text("Unique id of the card, as a surrogate", key=True)
    event_time = Instant("Since when it stands so, UTC")
    customer = Ref(Customer, "Who holds it", subject=True)
    account = Ref(Account, "The account it draws on", optional=True)
    number = Text("Card number", personal=True, pan=True, purposes={"fraud"}, optional=True)
    status = Code("Where it stands", standard={"active", "blocked", "expired"})


class Device(Table, state=True):
    """One device that a customer pays or signs in with."""

    id = Text("Fingerprint of the device, hashed at its source", key=True)
    event_time = Instant("Since when it is known, UTC")
    customer = Ref(Customer, "Who uses it", subject=True)
    kind = Code("Kind of device", standard={"phone", "tablet", "computer", "watch", "other"})


class Merchant(Table, state=True, called="name"):
    """One place or site where customers pay, as known from an instant on."""

    id = Text("Unique id of the merchant", key=True)
    event_time = Instant("Since when these facts hold, UTC")
    company = Ref(Company, "The company behind it", optional=True)
    name = Text("Name on the statement", optional=True)
    category = Text("Merchant category, ISO 18245", optional=True)
    country = Code("Country", standard="ISO 3166-1 alpha-2", optional=True)
    city = Text("City", optional=True)
    place = Place("Where it stands, WGS 84", optional=True)


class Payment(Table):
    """One payment, as authorised by the core banking system."""

    id = Text("Unique id given by the source system", key=True)
    event_time = Instant("When it was authorised, UTC")
    customer = Ref(Customer, "Who paid", subject=True)
    merchant = Ref(Merchant, "Who was paid", optional=True)
    country = Code("Country of the merchant", standard="ISO 3166-1 alpha-2", optional=True)
    amount = Money("Amount paid", currency="currency", ge=0)
    currency = Code("Currency of the amount", standard="ISO 4217")
    card = Text("Card number", personal=True, pan=True, purposes={"fraud"}, optional=True)
    device = Ref(Device, "Device paid with", optional=True)
    channel = Code(
        "Where it was made", standard={"terminal", "online", "wallet", "atm"}, optional=True
    )
    status = Code("What became of it", standard={"authorised", "declined", "reversed"})
    place = Place("Where the terminal stands, WGS 84", optional=True)


class Transfer(Table):
    """One transfer between accounts, in or out of the institution."""

    id = Text("Unique id given by the source system", key=True)
    event_time = Instant("When it was booked, UTC")
    customer = Ref(Customer, "Whose account it is booked on", subject=True)
    account = Ref(Account, "The account it is booked on", optional=True)
    counterparty = Text("The other account, as a surrogate", optional=True)
    direction = Code("Towards the customer or away", standard={"in", "out"})
    amount = Money("Amount", currency="currency", ge=0)
    currency = Code("Currency of the amount", standard="ISO 4217")
    kind = Code(
        "What it is for",
        standard={"salary", "rent", "bill", "person", "loan", "repayment", "savings", "other"},
    )


class Invoice(Table):
    """One invoice between two companies."""

    id = Text("Unique id of the invoice", key=True)
    event_time = Instant("When it was issued, UTC")
    seller = Ref(Company, "Who issued it")
    buyer = Ref(Company, "Who owes it", optional=True)
    amount = Money("Amount", currency="currency", ge=0)
    currency = Code("Currency of the amount", standard="ISO 4217")
    due = Day("When it is due", optional=True)


class Order(Table):
    """One order placed by a customer with a merchant."""

    id = Text("Unique id of the order", key=True)
    event_time = Instant("When it was placed, UTC")
    customer = Ref(Customer, "Who ordered", subject=True)
    merchant = Ref(Merchant, "Of whom", optional=True)
    quantity = Integer("How many pieces", ge=0, optional=True)
    amount = Money("Amount", currency="currency", ge=0)
    currency = Code("Currency of the amount", standard="ISO 4217")
    channel = Code("Where", standard=CHANNELS, optional=True)


class Rate(Table):
    """One exchange rate: how many units of the second currency one unit of the first buys."""

    id = Text("Unique id: pair and day", key=True)
    event_time = Instant("From when it applies, UTC")
    base = Code("Currency that is sold", standard="ISO 4217")
    quote = Code("Currency that is bought", standard="ISO 4217")
    rate = Number("Units of the second for one of the first", scale=9, ge=0)
