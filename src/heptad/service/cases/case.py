# SPDX-License-Identifier: Apache-2.0
"""One case as it stands: what it is grouped by, and what is written about it, sealed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import bindparam, select

from heptad.catalog.casetables import CaseRow
from heptad.security.sealed import open_bytes, seal_bytes
from heptad.standards.errors import ContractError

if TYPE_CHECKING:
    from heptad.service.cases.inboxes import Inbox
    from heptad.service.decisions.decision import Decision

SYSTEM = "heptad"
"""Who does what nobody in particular does."""
ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Case:
    """A case as it stands; see `CaseRow`."""

    number: int
    id: str
    app: str
    inbox: str
    subject: str
    status: str
    assignee: str
    opened: int
    due: int
    calendar: str
    level: int
    revision: int
    proposed: str
    proposer: str
    outcome: str
    closed: int | None
    closer: str
    resumed: int


@dataclass(frozen=True)
class Worker:
    """Who does something to a case, and in which role."""

    who: str
    role: str


SELECT = select(*(getattr(CaseRow, name) for name in Case.__slots__))
"""Reads cases, a column for each field of `Case`."""
# Written once: to write a statement anew costs more than to run it.
LATE = (CaseRow.status != "closed", CaseRow.due <= bindparam("now"))
FIRST_LATE = select(CaseRow.number).where(*LATE).limit(1)
SOME_LATE = SELECT.where(*LATE).order_by(CaseRow.due).limit(1000)
UNRESUMED = SELECT.where(CaseRow.status == "closed", CaseRow.resumed == 0).order_by(CaseRow.number)
"""Cases that were closed and of which the decisions do not know yet."""


def keys_of(inbox: Inbox, decision: Decision) -> list[str]:
    """Return what an alert is grouped by: the person, and the values of some fields of the row."""
    fields = {f: decision.row.get(f) for f in inbox.by}
    return [decision.subject, *(f"{f}:{v}" for f, v in fields.items() if v not in (None, ""))]


def same_person(one: str, other: str) -> bool:
    """Whether two accounts are one, however they are written."""
    return " ".join(one.split()).casefold() == " ".join(other.split()).casefold()


def sealed_text(text: str, key: bytes, case: str) -> bytes:
    """Seal what was written about a person under their key."""
    return seal_bytes(text.encode(), key, f"case|{case}".encode())


def opened(sealed: bytes, key: bytes, case: str) -> str:
    """Open what was written.

    Raises:
        Corrupt: if it is not what was sealed.
    """
    what = f"What was written about case {case}"
    return open_bytes(sealed, key, f"case|{case}".encode(), what).decode()


def needed(text: str, what: str) -> str:
    """Return a text that says something.

    Raises:
        ContractError: if it does not.
    """
    if len(text.strip()) < 3 or len(text) > 4000:
        raise ContractError(f"{what} is some words, at most 4,000 characters.", got=text[:40])
    return text.strip()
