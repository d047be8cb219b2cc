# SPDX-License-Identifier: Apache-2.0
"""What is known of a person when products are looked for, read under a purpose and recorded."""

from __future__ import annotations

from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from heptad.engine.sql.identifiers import literal, quote
from heptad.service.outbox.limits import CONTACT, PERSON, consented
from heptad.service.reads.asof import read_sql
from heptad.service.reads.reading import shown
from heptad.service.rules.eligibility import House, Person
from heptad.standards.model import Customer, Holding
from heptad.standards.time import from_micros

if TYPE_CHECKING:
    from collections.abc import Mapping

    from heptad.security.keys import KeyStore
    from heptad.service.reads.guard import Access, Guard
    from heptad.service.reads.reads import Reads
    from heptad.standards import Table


def known_of(
    key: str, access: Access, reads: Reads, keys: KeyStore, guard: Guard, *, profile: str = ""
) -> Person:
    """Read what the terms of products are held against, as of now.

    What the purpose of the read does not cover, or nobody has a basis for, is not known: a
    birthday that may not be read excludes from what has a least age.

    Args:
        key: of the customer.
        access: the read that goes on.
        reads: rows.
        keys: open what is sealed.
        guard: knows consents and objections.
        profile: the highest risk class that a valid questionnaire bears; "" without one.
    """
    subject = f"{PERSON}{key}"
    access.about([subject])
    under, now = reads.under(access), access.now
    facts = _rows(Customer, "id", key, ["id", "birth", "country"], under, access, keys)
    held = _rows(Holding, "customer", key, ["id", "customer", "product", "active"], under, access,
                 keys)  # fmt: skip
    purposes = [n for n, p in guard.purposes.items() if p.on(CONTACT)]
    row: Mapping[str, Any] = facts[0] if facts else {}
    return Person(
        subject=subject,
        age=_age(row.get("birth"), from_micros(now).date()),
        residence=row.get("country"),
        profile=profile or None,
        held=frozenset(str(h["product"]) for h in held if h["active"]),
        agreed=frozenset(p for p in purposes if consented(guard, p, [subject])),
    )


def house_of(guard: Guard, licences: Mapping[str, frozenset[str]]) -> House:
    """Return what holds for the institution: its licences, and on what it writes to people."""
    bases = {name: p.on(CONTACT) for name, p in guard.purposes.items()}
    return House(licences, {name: basis for name, basis in bases.items() if basis})


def _rows(  # noqa: PLR0913, PLR0917 - what is read for whom
    table: type[Table],
    by: str,
    key: str,
    names: list[str],
    reads: Reads,
    access: Access,
    keys: KeyStore,
) -> list[dict[str, Any]]:
    """Read the rows of one key as of now, opened as far as the purpose covers them."""
    sql = read_sql(table, reads.stored(table).relation, t=access.now, k=access.now, columns=names)
    wanted = f"SELECT * FROM ({sql}) r WHERE r.{quote(by)} = {literal(key)} ORDER BY r.id"
    found: list[dict[str, Any]] = shown(
        table, reads.queries.arrow(wanted), access, keys
    ).to_pylist()
    return found


def _age(born: Any, today: date) -> int | None:
    """Return whole years; None where the day of birth is not known, or hidden."""
    if isinstance(born, str):
        try:
            born = date.fromisoformat(born)
        except ValueError:
            return None
    if isinstance(born, datetime):
        born = born.date()
    if not isinstance(born, date):
        return None
    return today.year - born.year - ((today.month, today.day) < (born.month, born.day))
