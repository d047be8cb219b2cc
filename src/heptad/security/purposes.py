# SPDX-License-Identifier: Apache-2.0
"""Purposes, lawful bases, groups of tables and roles as declared data, and the rule over them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

from heptad.standards.errors import Refused, UnknownName, suggest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from heptad.standards.fields import Field
    from heptad.standards.tables import Table

Basis = Literal[
    "consent",
    "contract",
    "legal obligation",
    "vital interests",
    "public task",
    "legitimate interests",
]
"""The lawful bases of GDPR, article 6, in its order."""

WITHDRAWABLE = frozenset({"consent", "legitimate interests"})
"""Bases that a person can end: consent by withdrawing it, legitimate interests by objecting."""

GROUPS: dict[str, frozenset[str]] = {
    "identity": frozenset({"Customer", "Ownership"}),
    "accounts": frozenset({"Account", "Card", "Device", "Holding"}),
    "behaviour": frozenset({"Payment", "Transfer", "Order", "Interaction"}),
    "lending": frozenset(
        {"LoanApplication", "Loan", "Repayment", "Collateral", "CreditRecord", "CreditOffer"}
    ),
    "contact": frozenset({"Contact", "Promotion"}),
    "consent": frozenset({"Consent"}),
    "cases": frozenset({"Label", "Case"}),
    "insurance": frozenset({"Policy", "Claim"}),
    "assets": frozenset({"Equipment", "Lease", "Fix"}),
}
"""Groups of the shared tables, by which purposes and consents name what they cover."""

OWN, PUBLIC = "own", "public"
"""The group of an application's own tables about persons, and of tables about nobody."""

EVERYWHERE = "all"
"""The scope of a consent that covers every group."""


@dataclass(frozen=True, slots=True)
class Purpose:
    """Why data is read.

    Attributes:
        name: the word a read states.
        basis: what makes it lawful; the main one, which decisions record.
        withdrawable: whether the person can end it, by withdrawing or by objecting.
        sentence: what a customer is told.
        groups: the groups of tables that may be read for it on its main basis.
        besides: group → another basis on which that group may be read for it.
    """

    name: str
    basis: Basis
    withdrawable: bool
    sentence: str
    groups: frozenset[str]
    besides: Mapping[str, Basis]

    def on(self, group: str) -> Basis | None:
        """Return the basis on which a group may be read for this purpose, None if on none."""
        return self.besides.get(group, self.basis if group in self.groups else None)


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


class Ground(NamedTuple):
    """What makes a read of a table lawful.

    Attributes:
        group: the group of the table.
        basis: the basis; "" where the table is about nobody, or nothing personal is opened.
    """

    group: str
    basis: Basis | Literal[""]

    @property
    def withdrawable(self) -> bool:
        """Whether rows of persons who ended it are left out."""
        return self.basis in WITHDRAWABLE


def _purpose(
    name: str, basis: Basis, groups: str, sentence: str, **besides: Basis
) -> tuple[str, Purpose]:
    """Declare a purpose; an application's own tables are read on its main basis."""
    covered = frozenset({*groups.split(), OWN})
    return name, Purpose(name, basis, basis in WITHDRAWABLE, sentence, covered, besides)


_BUSINESS = "identity accounts behaviour lending cases insurance assets"

PURPOSES: dict[str, Purpose] = dict(
    (
        _purpose(
            "service",
            "contract",
            f"{_BUSINESS} contact",
            "We use your data to run the accounts and contracts you have with us.",
            consent="legal obligation",
        ),
        _purpose(
            "fraud",
            "legal obligation",
            _BUSINESS,
            "We watch payments to stop those that you did not make.",
        ),
        _purpose(
            "compliance",
            "legal obligation",
            _BUSINESS,
            "We check customers and transfers as the laws against money laundering demand.",
        ),
        _purpose(
            "credit",
            "contract",
            "identity accounts behaviour lending cases assets",
            "We assess whether and how much to lend when you ask for credit.",
        ),
        _purpose(
            "collections",
            "contract",
            "identity accounts lending contact cases assets",
            "We use your data to agree with you how overdue amounts are paid.",
        ),
        _purpose(
            "insurance",
            "contract",
            "identity insurance cases assets",
            "We price the policies you ask for and settle your claims.",
            behaviour="consent",
        ),
        _purpose(
            "leasing",
            "contract",
            "identity accounts lending assets",
            "We look after the equipment you lease and its payments.",
        ),
        _purpose(
            "advice",
            "contract",
            "identity accounts",
            "We suggest investments that suit you when you ask for advice.",
            behaviour="consent",
        ),
        _purpose(
            "protection",
            "vital interests",
            "identity accounts behaviour",
            "We warn you, or who can help you, when your safety is in danger.",
        ),
        _purpose(
            "reporting",
            "public task",
            "identity accounts lending insurance assets",
            "We report to the central bank and the statistics office as they demand.",
        ),
        _purpose(
            "marketing",
            "consent",
            "identity accounts behaviour contact",
            "We suggest products and offers that may interest you, if you agree.",
        ),
        _purpose(
            "sharing",
            "consent",
            "identity accounts behaviour lending insurance",
            "We pass your data on to another institution that you name, if you agree.",
        ),
        _purpose(
            "analytics",
            "legitimate interests",
            f"{_BUSINESS} contact",
            "We study how our services are used to improve them; you may object.",
        ),
        _purpose(
            "audit",
            "legal obligation",
            f"{_BUSINESS} contact consent",
            "Auditors and supervisors check how we decide.",
        ),
        _purpose(
            "legal",
            "legal obligation",
            f"{_BUSINESS} contact consent",
            "We answer courts, authorities and your own requests about your data.",
        ),
    )
)

REVIEWS = ("audit", "legal")
"""Purposes for which the decisions of every application, and the access log, may be read."""

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
            frozenset(
                {
                    "fraud",
                    "compliance",
                    "credit",
                    "collections",
                    "insurance",
                    "reporting",
                    "analytics",
                }
            ),
            "Judges risk: fraud, laundering, credit, claims.",
        ),
        Role(
            "officer",
            _DECIDING - {"fraud", "compliance"} | {"protection"},
            "Serves customers case by case.",
        ),
        Role("marketer", frozenset({"marketing", "analytics"}), "Plans campaigns and offers."),
        Role("auditor", frozenset({"audit"}), "Checks decisions, reads and the log."),
        Role(
            "app",
            _DECIDING | {"protection", "reporting", "marketing", "sharing", "analytics"},
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


def group_of(table: type[Table]) -> str:
    """Return the group of a table; `own` for an application's about persons, else `public`."""
    for group, names in GROUPS.items():
        if table.__name__ in names:
            return group
    return PUBLIC if table.subject is None else OWN


def ground_of(
    role: str, purpose: str, table: type[Table], purposes: Mapping[str, Purpose] = PURPOSES
) -> Ground:
    """Decide on which ground a role may read a table for a purpose, once for a whole query.

    A table about nobody needs no basis. Without a purpose rows may be seen, masked.

    Args:
        role: who reads.
        purpose: why; "" for none.
        table: the table read.
        purposes: the purposes as declared.

    Raises:
        Refused: if the role may not act for the purpose, or the purpose does not cover the table.
        UnknownName: if there is no such role or purpose.
    """
    group = group_of(table)
    if not purpose:
        find_role(role)
        return Ground(group, "")
    require(role, purpose)
    if group == PUBLIC:
        return Ground(group, "")
    basis = purposes[purpose].on(group)
    if basis is None:
        raise Refused(
            f"{table.__name__} may not be read for the purpose {purpose!r}.",
            got=f"it belongs to {group}",
            do=f"{purpose} covers {', '.join(sorted(purposes[purpose].groups - {OWN}))}; "
            "state another purpose",
        )
    return Ground(group, basis)


def reviewing(role: str, purposes: frozenset[str] | set[str], wanted: str) -> str:
    """Return the purpose under which somebody reads the decisions of an application.

    Args:
        role: who reads.
        purposes: what they may read for.
        wanted: the application's purpose.

    Returns:
        The application's own, else one of a review; "" if they have none of them.
    """
    for purpose in (wanted, *REVIEWS):
        if purpose and purpose in purposes and may_act(role, purpose):
            return purpose
    return ""


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
