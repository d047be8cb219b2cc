# SPDX-License-Identifier: Apache-2.0
"""Lists that rules ask for: who or what stands on them, from when, and until when."""

from __future__ import annotations

from heptad.standards import Code, Instant, Ref, Table, Text
from heptad.standards.model.payments import Account, Card, Device, Merchant
from heptad.standards.model.people import Company, Customer


class Listing(Table):
    """One entry of a list: what stands on it, from an instant on and until another."""

    id = Text("Unique id of the entry", key=True)
    event_time = Instant("From when it stands there, UTC")
    list = Text("Name of the list")
    kind = Code("What the list is for", standard={"allow", "deny", "watch"})
    until = Instant("Until when it stands there, UTC")
    merchant = Ref(Merchant, "The merchant that stands on it", optional=True)
    customer = Ref(Customer, "The customer who stands on it", optional=True)
    device = Ref(Device, "The device that stands on it", optional=True)
    card = Ref(Card, "The card that stands on it", optional=True)
    account = Ref(Account, "The account that stands on it", optional=True)
    company = Ref(Company, "The company that stands on it", optional=True)
