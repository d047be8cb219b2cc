# SPDX-License-Identifier: Apache-2.0
"""Where applications are looked at by people, and what applicants are told, as data."""

from heptad.service.app import Inputs, Outcome, Reason
from heptad.service.cases.inboxes import Inbox
from heptad.service.letters import Letter
from heptad.standards.time import day

inboxes = (
    Inbox(
        name="referred",
        title="Applications that a person decides",
        on=("refer",),
        within="2 business days",
        overrides=frozenset({"approve"}),
    ),
)
letters = (
    Letter("offer", on=("offer",), channels=("email", "inbox"), lasts=14 * day),
    Letter("declined", on=("decline",), channels=("email", "inbox"), lasts=30 * day),
    Letter("approved", on=("approve",), channels=("email", "inbox"), lasts=14 * day),
)


def resume(x: Inputs) -> Outcome:
    """Answer what people decided; what they approve is what was asked for."""
    outcome, reason = str(x.policy["case.outcome"]), Reason("CASE", {"case": x.policy["case"]})
    asked = x.row["amount"]
    amounts = {"amount": asked} if outcome == "approve" and isinstance(asked, int) else {}
    return Outcome(outcome, [reason], amounts)
