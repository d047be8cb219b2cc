# SPDX-License-Identifier: Apache-2.0
"""Purposes, lawful bases and roles as declared data, and the one rule that decides a read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from heptad.standards.errors import Refused, UnknownName, suggest

if TYPE_CHECKING:
    from heptad.standards.fields import Field

Basis = Literal["consent", "contract", "legal obligation", "legitimate interests"]
"""The lawful bases of GDPR, article 6, that a financial institution rests on."""


@dataclass(frozen=True, slots=True)
class Purpose:
    """Why data is read.

    Attributes:
        name: the word a read states.
        basis: what makes it lawful.
        withdrawable: whether the person can end it, by withdrawing or by objecting.
        sentence: what a customer is told.
    """

    name: str
    basis: Basis
    withdrawable: bool
    sentence: str


@dataclass(frozen=True, slots=True)
class Role:
    """Who reads.

    Attributes:
        name: the word a principal carries.
        purposes: what the role may act for.
        sentence: what the role does.
    """

    name: str
    purposes: frozenset[str]
    sentence: str


PURPOSES: dict[str, Purpose] = {
    purpose.name: purpose
    for purpose in (
        Purpose(
            "service",
            "contract",
            False,
            "We use your data to run the accounts and contracts you have with us.",
        ),
        Purpose(
            "fraud",
            "legal obligation",
            False,
            "We watch payments to stop those that you did not make.",
        ),
        Purpose(
            "compliance",
            "legal obligation",
            False,
            "We check customers and transfers as the laws against money laundering demand.",
        ),
        Purpose(
            "credit",
            "contract",
            False,
            "We assess whether and how much to lend when you ask for credit.",
        ),
        Purpose(
            "collections",
            "contract",
            False,
            "We use your data to agree with you how overdue amounts are paid.",
        ),
        Purpose(
            "insurance",
            "contract",
            False,
            "We price the policies you ask for and settle your claims.",
        ),
        Purpose(
            "leasing",
            "contract",
            False,
            "We look after the equipment you lease and its payments.",
        ),
        Purpose(
            "advice",
            "contract",
            False,
            "We suggest investments that suit you when you ask for advice.",
        ),
        Purpose(
            "marketing",
            "consent",
            True,
            "We suggest products and offers that may interest you, if you agree.",
        ),
        Purpose(
            "sharing",
            "consent",
            True,
            "We pass your data on to another institution that you name, if you agree.",
        ),
        Purpose(
            "analytics",
            "legitimate interests",
            True,
            "We study how our services are used to improve them; you may object.",
        ),
        Purpose(
            "audit",
            "legal obligation",
            False,
            "Auditors and supervisors check how we decide.",
        ),
        Purpose(
            "legal",
            "legal obligation",
            False,
            "We answer courts, authorities and your own requests about your data.",
        ),
    )
}

_DECIDING = frozenset(
    {"service", "fraud", "compliance", "credit", "collections", "insurance", "leasing", "advice"}
)

ROLES: dict[str, Role] = {
    role.name: role
    for role in (
        Role("admin", frozenset({"service", "audit", "legal"}), "Runs the platform and its keys."),
        Role("engineer", frozenset({"analytics"}), "Builds sources, features and applications."),
        Role("analyst", frozenset({"analytics"}), "Studies data and trains models."),
        Role(
            "risk",
            frozenset({"fraud", "compliance", "credit", "collections", "insurance", "analytics"}),
            "Judges risk: fraud, laundering, credit, claims.",
        ),
        Role("officer", _DECIDING - {"fraud", "compliance"}, "Serves customers case by case."),
        Role("marketer", frozenset({"marketing", "analytics"}), "Plans campaigns and offers."),
        Role("auditor", frozenset({"audit"}), "Checks decisions, reads and the log."),
        Role(
            "app",
            _DECIDING | {"marketing", "sharing", "analytics"},
            "An application that decides by itself.",
        ),
    )
}

DEFAULT_PURPOSES = frozenset({"service"})
"""The purposes of a personal field that names none."""


def permitted(role: str, purpose: str, field: Field) -> bool:
    """Decide whether a read of a field is allowed; what is not allowed is answered masked.

    The role must be allowed to act for the purpose. A personal field must also name the
    purpose; one that names none may be opened for service only.

    Raises:
        UnknownName: if there is no such role or purpose.
    """
    if not may_act(role, purpose):
        return False
    return not field.personal or purpose in (field.purposes or DEFAULT_PURPOSES)


def may_act(role: str, purpose: str) -> bool:
    """Decide whether a role may act for a purpose at all.

    Raises:
        UnknownName: if there is no such role or purpose.
    """
    return find_purpose(purpose).name in find_role(role).purposes


def require(role: str, purpose: str) -> None:
    """Let a session begin only if its role may act for its purpose.

    Raises:
        Refused: if it may not.
        UnknownName: if there is no such role or purpose.
    """
    if not may_act(role, purpose):
        allowed = ", ".join(sorted(ROLES[role].purposes))
        raise Refused(
            f"The role {role!r} may not act for the purpose {purpose!r}.",
            do=f"state one of its purposes: {allowed}",
        )


def basis_of(purpose: str) -> Basis:
    """Return the lawful basis that a purpose rests on, as decisions record it.

    Raises:
        UnknownName: if there is no such purpose.
    """
    return find_purpose(purpose).basis


def find_purpose(name: str) -> Purpose:
    """Find a purpose by name.

    Raises:
        UnknownName: if there is none.
    """
    found = PURPOSES.get(name)
    if found is None:
        raise UnknownName("There is no such purpose.", got=name, do=suggest(name, PURPOSES))
    return found


def find_role(name: str) -> Role:
    """Find a role by name.

    Raises:
        UnknownName: if there is none.
    """
    found = ROLES.get(name)
    if found is None:
        raise UnknownName("There is no such role.", got=name, do=suggest(name, ROLES))
    return found
