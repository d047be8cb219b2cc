# SPDX-License-Identifier: Apache-2.0
"""Where requests of firms are looked at by people, and what firms are told, as data."""

from heptad.service.app import Inputs, Outcome, Reason
from heptad.service.cases.inboxes import Inbox
from heptad.service.letters import Letter
from heptad.standards.time import day

inboxes = (
    Inbox(
        name="referred firms",
        title="Requests of firms that a person decides",
        on=("refer",),
        within="3 business days",
        overrides=frozenset({"approve"}),
    ),
)
letters = (
    Letter("offer", on=("offer",), channels=("email", "inbox"), lasts=14 * day),
    Letter("declined", on=("decline",), channels=("email", "inbox"), lasts=30 * day),
)


def resume(x: Inputs) -> Outcome:
    """Answer what people decided; what they approve is what was asked for.

    A line whose review they decline is closed.
    """
    outcome, reason = str(x.policy["case.outcome"]), Reason("CASE", {"case": x.policy["case"]})
    asked, kind = x.row["amount"], x.row["kind"]
    if outcome == "decline" and kind == "review":
        return Outcome(outcome, [reason], {"line": 0})
    if outcome != "approve" or not isinstance(asked, int):
        return Outcome(outcome, [reason], {})
    if kind in ("line", "review"):
        held = x.features["line"] if kind == "review" else asked
        set_ = {"line": held, "waiting": 0} if isinstance(held, int) else {}
        return Outcome(outcome, [reason], set_)
    return Outcome(outcome, [reason], {"amount": asked})
