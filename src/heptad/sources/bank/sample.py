# SPDX-License-Identifier: Apache-2.0
"""A small simulated bank as plain rows: what applications are tried out on."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from heptad.sources.bank import MISSING, Bank
from heptad.standards import Day, Instant, Money, Number, Place
from heptad.standards.money import exponent
from heptad.standards.tables import named
from heptad.standards.time import format_instant

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from heptad.sources.bank import Columns
    from heptad.standards import Field, Table

_EPOCH = date(1970, 1, 1)


def sample(
    seed: int, names: Sequence[str], *, customers: int = 40, days: int = 120
) -> dict[type[Table], list[dict[str, Any]]]:
    """Return the rows of some tables of a small bank, as a source would give them.

    Args:
        seed: the same seed gives the same rows.
        names: of the shared tables.
        customers: how many.
        days: length of the history.

    Returns:
        Table → rows: amounts and numbers as decimal text, instants and days as ISO 8601, missing
        values left out, with known_time.
    """
    bank = Bank(customers, seed, date(2026, 1, 1), days)
    return {
        named(name): [row for batch in bank.table(name) for row in plain(named(name), batch)]
        for name in names
    }


def plain(table: type[Table], batch: Columns) -> list[dict[str, Any]]:
    """Return a batch of the simulated bank as plain rows of a table."""
    columns = {name: values.tolist() for name, values in batch.items()}
    fields = {name: f for f in table.fields.values() for name in _columns(f)}
    rows = []
    for values in zip(*columns.values(), strict=True):
        row = dict(zip(columns, values, strict=True))
        shown = {n: _plain(fields.get(n), v, row) for n, v in row.items()}
        rows.append({n: v for n, v in shown.items() if v not in (None, "")})
    return rows


def _columns(field: Field) -> tuple[str, ...]:
    """Return the columns in which a source gives a field; a place has two."""
    if isinstance(field, Place):
        return (f"{field.name}_lat", f"{field.name}_lon")
    return (field.name,)


def _plain(  # noqa: PLR0911 - one line per kind
    field: Field | None, value: Any, row: Mapping[str, Any]
) -> Any:
    """Return one value as a source writes it, or None."""
    if isinstance(value, bytes):
        return value.decode()
    if value == MISSING or value is None:
        return None
    if field is None or isinstance(field, Instant):
        return format_instant(value)
    if isinstance(field, Day):
        return (_EPOCH + timedelta(days=value)).isoformat()
    if isinstance(field, Money):
        currency = row[field.currency].decode() or "EUR"
        return str(Decimal(value).scaleb(-exponent(currency)))
    if isinstance(field, Number):
        return str(Decimal(value).scaleb(-field.scale))
    if isinstance(field, Place):
        return str(Decimal(value).scaleb(-7))
    return bool(value) if field.kind == "flag" else value
