# SPDX-License-Identifier: Apache-2.0
"""Where held payments become cases, and what the customer is told meanwhile, as data."""

from heptad.service.cases.inboxes import Inbox
from heptad.service.letters import Letter
from heptad.standards.time import day, hour

inboxes = (
    Inbox(
        name="held",
        title="Payments held for a look",
        on=("hold",),
        by=("device",),
        within="4 business hours",
        outcomes={"genuine": "approve", "fraud": "decline"},
        labels={"genuine": ("fraud", False), "fraud": ("fraud", True)},
        overrides=frozenset({"genuine"}),
    ),
)
letters = (
    Letter("held", on=("hold",), channels=("push", "sms", "inbox"), urgent=True, lasts=day),
    Letter("challenged", on=("challenge",), channels=("push", "inbox"), urgent=True, lasts=hour),
)
