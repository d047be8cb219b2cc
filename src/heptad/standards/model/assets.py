# SPDX-License-Identifier: Apache-2.0
"""Things that are leased or insured: equipment, leases, positions, policies, claims, hazards."""

from __future__ import annotations

from heptad.standards import Code, Day, Instant, Integer, Money, Number, Place, Ref, Table, Text
from heptad.standards.model.people import Company, Customer


class Equipment(Table, state=True, called="name"):
    """One leased asset: a ship, an aircraft, a train, a machine."""

    id = Text("Unique id of the asset", key=True)
    event_time = Instant("Since when these facts hold, UTC")
    kind = Code("Kind", standard={"ship", "aircraft", "train", "vehicle", "machine"})
    name = Text("Name or registration", optional=True)
    built = Day("When it left the factory", optional=True)


class Lease(Table, state=True):
    """One lease of one asset, as its contract stands from an instant on."""

    id = Text("Unique id of the lease", key=True)
    event_time = Instant("Since when it stands so, UTC")
    equipment = Ref(Equipment, "What is leased")
    lessee = Ref(Company, "Who leases it")
    kind = Code("Kind of contract", standard={"financial", "operating", "sale and leaseback"})
    rent = Money("Rent per month", currency="currency", ge=0)
    currency = Code("Currency of the rent", standard="ISO 4217")
    until = Day("Last day of the lease", optional=True)


class Fix(Table):
    """One position reported by an asset."""

    id = Text("Unique id: asset and instant", key=True)
    event_time = Instant("When the position was taken, UTC")
    equipment = Ref(Equipment, "Which asset")
    place = Place("Where it was, WGS 84")
    speed = Number("Speed over ground", scale=3, ge=0, unit="kn", optional=True)
    course = Number("Course over ground", scale=2, ge=0, le=360, unit="degree", optional=True)
    draught = Number("Draught", scale=2, ge=0, unit="m", optional=True)
    weight = Number("Weight carried", scale=3, ge=0, unit="t", optional=True)


class Policy(Table, state=True):
    """One insurance policy, as its terms stand from an instant on."""

    id = Text("Unique id of the policy", key=True)
    event_time = Instant("Since when these terms hold, UTC")
    customer = Ref(Customer, "Who is insured", subject=True)
    kind = Text("What is covered")
    premium = Money("Premium per year", currency="currency", ge=0)
    covered = Money("Sum insured", currency="currency", ge=0, optional=True)
    currency = Code("Currency of the amounts", standard="ISO 4217")
    until = Day("Last day of cover", optional=True)


class Claim(Table):
    """One claim under a policy."""

    id = Text("Unique id of the claim", key=True)
    event_time = Instant("When the loss happened, UTC")
    policy = Ref(Policy, "Under which policy")
    customer = Ref(Customer, "Who claims", subject=True)
    amount = Money("Amount claimed", currency="currency", ge=0)
    paid = Money("Amount paid", currency="currency", ge=0, optional=True)
    currency = Code("Currency of the amounts", standard="ISO 4217")
    cause = Text("Cause of the loss", optional=True)
    place = Place("Where it happened, WGS 84", optional=True)


class HazardEvent(Table):
    """One natural event that damages: a storm, a flood, an earthquake."""

    id = Text("Unique id of the event", key=True)
    event_time = Instant("When it began, UTC")
    kind = Text("Kind of hazard")
    place = Place("Centre, WGS 84")
    radius = Integer("Radius of damage", ge=0, unit="m", optional=True)
    severity = Number("Severity on the hazard's own scale", scale=3, optional=True)
