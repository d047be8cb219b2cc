# SPDX-License-Identifier: Apache-2.0
"""Eligibility and suitability: hard rules per product, every exclusion with its code.

What is not known excludes: a person of unknown age is not offered what is for adults. Whoever
offers products takes `Admitted`, which only `admit` makes, so that no other way leads around it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from heptad.engine.sql.documents import Document
from heptad.standards.errors import InputError, Refused, UnknownName, suggest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

CLASSES = ("R1", "R2", "R3", "R4", "R5")
"""Risk classes of products, and of what a customer's profile bears, lowest first."""
TERMS = ("youngest", "oldest", "residence", "licence", "risk", "once", "purpose")
_SEAL = object()


@dataclass(frozen=True)
class Terms:
    """To whom a product may be offered.

    Attributes:
        product: its id.
        purpose: for which it would be offered.
        youngest: least age in whole years; `oldest` the greatest.
        residence: countries of residence, ISO 3166-1 alpha-2; None for any.
        licence: what the institution must be licensed for where the customer lives; "" for none.
        risk: its risk class; "" where suitability need not be judged.
        once: whether who holds it is not offered it again.
    """

    product: str
    purpose: str
    youngest: int | None = None
    oldest: int | None = None
    residence: frozenset[str] | None = None
    licence: str = ""
    risk: str = ""
    once: bool = True

    def __post_init__(self) -> None:
        if self.risk and self.risk not in CLASSES:
            raise UnknownName(
                f"{self.product}: there is no risk class {self.risk!r}.",
                got=self.risk,
                do=suggest(self.risk, CLASSES),
            )


@dataclass(frozen=True)
class Person:
    """What is known of a customer when products are looked for; None is not known.

    Attributes:
        subject: who, `Customer:42`.
        age: whole years on that day.
        residence: country of residence.
        profile: the highest risk class that the questionnaire bears; None without a valid one.
        held: products held.
        agreed: purposes that the customer has agreed to, as known now.
    """

    subject: str
    age: int | None = None
    residence: str | None = None
    profile: str | None = None
    held: frozenset[str] = frozenset()
    agreed: frozenset[str] = frozenset()


@dataclass(frozen=True)
class House:
    """What holds for the institution.

    Attributes:
        licences: country → what the institution is licensed for there.
        bases: purpose → its lawful basis; `consent` asks the customer.
    """

    licences: Mapping[str, frozenset[str]] = field(default_factory=dict)
    bases: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Exclusion:
    """Why a product is not offered: a stable code and its numbers."""

    product: str
    code: str
    numbers: Mapping[str, Any] = field(default_factory=dict)


class Admitted:
    """A product that may be offered to a person; only `admit` makes one."""

    __slots__ = ("product", "subject")
    product: str
    subject: str

    def __init__(self, subject: str, product: str, seal: object = None) -> None:
        if seal is not _SEAL:
            raise Refused(
                "A product is admitted by its terms only.", got=product, do="ask `admit` for it"
            )
        object.__setattr__(self, "subject", subject)
        object.__setattr__(self, "product", product)

    def __setattr__(self, name: str, value: object) -> None:
        raise Refused("What was admitted is not changed.", got=name, do="ask `admit` again")

    def __repr__(self) -> str:
        return f"Admitted({self.product} for {self.subject})"

    def __reduce__(self) -> Any:
        raise Refused("What was admitted is not stored.", do="ask `admit` again when it is offered")


def admit(
    person: Person, products: Iterable[Terms], house: House
) -> tuple[list[Admitted], list[Exclusion]]:
    """Judge products for a person.

    Returns:
        Those that may be offered, and why each other one may not: every reason that holds.
    """
    admitted: list[Admitted] = []
    excluded: list[Exclusion] = []
    for terms in products:
        found = list(exclusions(person, terms, house))
        excluded += found
        if not found:
            admitted.append(Admitted(person.subject, terms.product, _SEAL))
    return admitted, excluded


def exclusions(person: Person, terms: Terms, house: House) -> Iterator[Exclusion]:
    """Yield every reason why a product may not be offered to a person."""
    for code, numbers in (
        *_age(person, terms), *_place(person, terms, house), *_suits(person, terms),
        *_ground(person, terms, house),
    ):  # fmt: skip
        yield Exclusion(terms.product, code, numbers)
    if terms.once and terms.product in person.held:
        yield Exclusion(terms.product, "ALREADY_HELD")


def _age(person: Person, terms: Terms) -> Iterator[tuple[str, Mapping[str, Any]]]:
    if terms.youngest is None and terms.oldest is None:
        return
    if person.age is None:
        yield "AGE_UNKNOWN", {}
        return
    if terms.youngest is not None and person.age < terms.youngest:
        yield "TOO_YOUNG", {"age": person.age, "youngest": terms.youngest}
    if terms.oldest is not None and person.age > terms.oldest:
        yield "TOO_OLD", {"age": person.age, "oldest": terms.oldest}


def _place(person: Person, terms: Terms, house: House) -> Iterator[tuple[str, Mapping[str, Any]]]:
    if terms.residence is None and not terms.licence:
        return
    if person.residence is None:
        yield "RESIDENCE_UNKNOWN", {}
        return
    if terms.residence is not None and person.residence not in terms.residence:
        yield "RESIDENCE", {"residence": person.residence}
    if terms.licence and terms.licence not in house.licences.get(person.residence, frozenset()):
        yield "NO_LICENCE", {"licence": terms.licence, "residence": person.residence}


def _suits(person: Person, terms: Terms) -> Iterator[tuple[str, Mapping[str, Any]]]:
    if not terms.risk:
        return
    if person.profile not in CLASSES:
        yield "NO_PROFILE", {"risk": terms.risk}
    elif CLASSES.index(terms.risk) > CLASSES.index(person.profile):
        yield "TOO_RISKY", {"risk": terms.risk, "profile": person.profile}


def _ground(person: Person, terms: Terms, house: House) -> Iterator[tuple[str, Mapping[str, Any]]]:
    basis = house.bases.get(terms.purpose)
    if not basis:
        yield "NO_BASIS", {"purpose": terms.purpose}
    elif basis == "consent" and terms.purpose not in person.agreed:
        yield "NO_CONSENT", {"purpose": terms.purpose}


def read_terms(text: str, *, name: str = "products.yaml") -> list[Terms]:
    """Read the terms of products from YAML: product → its terms.

    Raises:
        InputError: with file, line and cure.
        UnknownName: for a term or a risk class that does not exist.
    """
    document = Document(text, name)
    return [_terms(document, product, given) for product, given in document.data.items()]


def _terms(document: Document, product: str, given: Any) -> Terms:
    place = document.place((product,))
    if not isinstance(given, dict) or not isinstance(given.get("purpose"), str):
        raise InputError(
            f"{product} has no purpose.", place=place, do="write purpose: marketing below it"
        )
    for key, value in given.items():
        where = document.place((product, key))
        if key not in TERMS:
            raise UnknownName(
                f"{product}: there is no term {key!r}.",
                got=key,
                place=where,
                do=suggest(key, TERMS),
            )
        if not isinstance(value, _KINDS[key]) or (key != "once" and isinstance(value, bool)):
            raise InputError(f"{product}.{key} is written otherwise.", got=value, place=where)
    made = dict(given)
    if "residence" in made:
        made["residence"] = frozenset(map(str, made["residence"]))
    try:
        return Terms(product, **made)
    except UnknownName as error:
        raise document.put(error, (product, "risk")) from None


_KINDS: dict[str, type] = {
    "youngest": int, "oldest": int, "residence": list, "licence": str, "risk": str, "once": bool,
    "purpose": str,
}  # fmt: skip
