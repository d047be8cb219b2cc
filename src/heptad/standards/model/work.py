# SPDX-License-Identifier: Apache-2.0
"""What people concluded: labels that arrive late, and cases."""

from __future__ import annotations

from heptad.standards import Code, Flag, Instant, Ref, Table, Text
from heptad.standards.model.lending import LoanApplication
from heptad.standards.model.payments import Payment
from heptad.standards.model.people import Customer


class Label(Table):
    """What became known later about a payment or an application; dated as what it labels."""

    id = Text("Unique id of the label", key=True)
    event_time = Instant("When what it labels happened, UTC")
    customer = Ref(Customer, "Whom it concerns", subject=True)
    payment = Ref(Payment, "The payment it labels", optional=True)
    application = Ref(LoanApplication, "The application it labels", optional=True)
    fraud = Flag("Whether the payment was fraud", optional=True)
    default = Flag("Whether the loan was 90 days late within the time it is watched", optional=True)


class Case(Table, state=True):
    """One matter that people work on, as it stands from an instant on."""

    id = Text("Unique id of the case", key=True)
    event_time = Instant("Since when it stands so, UTC")
    customer = Ref(Customer, "Whom it concerns", subject=True)
    kind = Text("What it is about")
    decision = Text("The decision that opened it", optional=True)
    status = Code("Where it stands", standard={"open", "working", "waiting", "closed"})
    outcome = Text("What was concluded", optional=True)
