# SPDX-License-Identifier: Apache-2.0
"""Inboxes: which decisions people work on, who they are about, and how soon, as data."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

DAY = 86_400 * 1_000_000


@dataclass(frozen=True)
class Inbox:
    """Where decisions of some outcomes become cases.

    Attributes:
        name: of the inbox, for example `fraud`.
        title: what a case here is, for people.
        on: the outcomes that open a case.
        by: fields of the row decided; alerts that share a value of one of them are one case, such
            as a ring of customers behind one device. The person is always one of them.
        within: how soon, `4 business hours`, `2 business days` or a plain duration.
        calendar: of the people who work on it; "" for every day.
        zone: where they are.
        outcomes: what a case may come to → the outcome of the decision that it becomes.
        labels: what a case came to → the flag of Label that is learned from it, and its value.
        overrides: outcomes that somebody else must agree to.
        fresh: decisions on older events open no case, µs.
    """

    name: str
    title: str
    on: tuple[str, ...]
    by: tuple[str, ...] = ()
    within: str = "1 business days"
    calendar: str = ""
    zone: str = "UTC"
    outcomes: Mapping[str, str] = field(
        default_factory=lambda: {"approve": "approve", "decline": "decline"}
    )
    labels: Mapping[str, tuple[str, bool]] = field(default_factory=dict)
    overrides: frozenset[str] = frozenset({"approve"})
    fresh: int = 30 * DAY
