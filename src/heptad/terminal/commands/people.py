# SPDX-License-Identifier: Apache-2.0
"""Commands about how rows are called, and what a customer agreed to."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any

from heptad.engine.sql.identifiers import literal, quote
from heptad.security.purposes import GROUPS, WITHDRAWABLE
from heptad.service.reads.asof import read_sql
from heptad.service.reads.reading import shown
from heptad.standards.errors import Refused
from heptad.standards.model import Consent
from heptad.standards.time import format_instant, parse_instant

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from heptad.runtime import Platform
    from heptad.security.purposes import Purpose
    from heptad.service.reads.guard import Access
    from heptad.standards import Field, Table


def names(
    platform: Platform,
    of: Sequence[str],
    at: str = "",
    purpose: str = "",
    role: str = "",
    who: str = "",
) -> dict[str, Any]:
    """Say how rows are called, as far as the purpose opens it: `Customer:42` → a name.

    Of tables that declare `called`; what the purpose does not open, or is not known, is left out.
    """
    t = parse_instant(at) if at else platform.guard.now()
    asked = sorted({text for text in of if text.partition(":")[2]})
    reader = {"who": who or platform.who, "role": role or platform.role}
    found: dict[str, str] = {}
    hidden: list[str] = []
    opens: dict[str, list[str]] = {}
    with platform.guard.reading("names", purpose=purpose, **reader) as access:
        for name, some in groupby(asked, key=lambda text: text.partition(":")[0]):
            table, keys = platform.tables.get(name), [text.partition(":")[2] for text in some]
            if table is None or table.called is None:
                continue
            if _opens(table, table.called, access):
                rows = _rows(platform, table, table.called, access, (keys, t))
                found |= {f"{name}:{key}": called for key, called in rows}
            else:
                hidden += [f"{name}:{key}" for key in keys]
                opens[name] = sorted(table.called.purposes)
    return {"names": found, "hidden": hidden, "opens": opens}


def _opens(table: type[Table], field: Field, access: Access) -> bool:
    """Whether the read may know how rows of a table are called."""
    try:
        access.ground(table)
    except Refused:
        return False
    return not field.personal or access.opens(field)


def _rows(
    platform: Platform,
    table: type[Table],
    field: Field,
    access: Access,
    asked: tuple[Sequence[str], int],
) -> Iterator[tuple[str, str]]:
    """Yield the key and the name of some rows, as they stood at an instant."""
    reads, (keys, t) = platform.reads.under(access), asked
    columns = list(dict.fromkeys([table.key.name, field.name]))
    sql = read_sql(table, reads.stored(table).relation, t=t, k=t, columns=columns)
    wanted = ", ".join(literal(key) for key in keys)
    rows = reads.queries.arrow(f"SELECT * FROM ({sql}) WHERE {quote(table.key.name)} IN ({wanted})")
    for row in shown(table, rows, access, platform.keys).to_pylist():
        if row[field.name]:
            yield str(row[table.key.name]), str(row[field.name])


def consents(
    platform: Platform,
    customer: str,
    at: str = "",
    purpose: str = "",
    role: str = "",
    who: str = "",
) -> dict[str, Any]:
    """Say for what a customer may be read, on which basis, and what they agreed or objected to.

    Where the purpose of the read does not cover consents, only what rests on none is told.
    """
    t = parse_instant(at) if at else platform.guard.now()
    reader = {"who": who or platform.who, "role": role or platform.role, "purpose": purpose}
    with platform.guard.reading("consents", **reader, customer=customer) as access:
        access.about([f"Customer:{customer}"])
        try:
            access.ground(Consent)
        except Refused:
            rows: list[dict[str, Any]] | None = None
        else:
            rows = _given(platform, customer, access, t)
    purposes = platform.guard.purposes.values()
    ending = [p for p in purposes if _ends(p)]
    return {
        "customer": customer,
        "at": format_instant(t),
        "covered": rows is not None,
        "asked": [_standing(platform, p, customer, rows or [], t) for p in ending]
        if rows is not None
        else [],
        "unasked": [{"purpose": p.name, "basis": p.basis, "says": p.sentence}
                    for p in purposes if p.basis not in WITHDRAWABLE],
    }  # fmt: skip


def _ends(purpose: Purpose) -> dict[str, str]:
    """Return the groups of tables that may be read for a purpose on a basis that a person can end."""
    found = {group: purpose.on(group) for group in GROUPS}
    return {group: basis for group, basis in found.items() if basis in WITHDRAWABLE}


def _given(platform: Platform, customer: str, access: Access, t: int) -> list[dict[str, Any]]:
    """Read the consents of a customer as they stood."""
    reads = platform.reads.under(access)
    sql = read_sql(Consent, reads.stored(Consent).relation, t=t, k=t)
    wanted = f"SELECT * FROM ({sql}) WHERE customer = {literal(customer)} ORDER BY event_time, id"
    rows: list[dict[str, Any]] = shown(
        Consent, reads.queries.arrow(wanted), access, platform.keys
    ).to_pylist()
    return rows


def _standing(
    platform: Platform, purpose: Purpose, customer: str, rows: Sequence[dict[str, Any]], t: int
) -> dict[str, Any]:
    """Say of a purpose what of the customer may be read for it, and by which consents."""
    stands: list[str] = []
    ends: list[str] = []
    for group, basis in _ends(purpose).items():
        one = platform.guard.standings.at(purpose.name, group, basis, t)  # type: ignore[arg-type]
        listed = customer in platform.guard.standings.listed(one, [customer])
        (stands if listed is one.among else ends).append(group)
    return {
        "purpose": purpose.name, "says": purpose.sentence,
        "basis": ", ".join(sorted({*_ends(purpose).values()})), "stands": stands, "ends": ends,
        "given": [
            {"consent": r["id"], "scope": r["scope"], "status": r["status"], "mode": r["mode"],
             "since": _told(r["event_time"]), "until": _told(r["until"])}
            for r in rows if r["purpose"] == purpose.name
        ],
    }  # fmt: skip


def _told(value: Any) -> str | None:
    from heptad.standards.time import micros

    if value is None:
        return None
    return format_instant(value if isinstance(value, int) else micros(value))
