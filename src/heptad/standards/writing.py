# SPDX-License-Identifier: Apache-2.0
"""A stored row as a source would write it: amounts as decimal text, instants and days as ISO 8601."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from heptad.standards.fields import Money, Number
from heptad.standards.money import exponent
from heptad.standards.time import format_instant

if TYPE_CHECKING:
    from collections.abc import Mapping

    from heptad.standards.tables import Table

_EPOCH = date(1970, 1, 1)


def written(table: type[Table], row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a stored row as a source would write it; missing values are left out.

    Args:
        table: whose row it is.
        row: values as they are stored: money in minor units, numbers in fixed point, instants in
            microseconds, days as days since 1970 or ISO text.
    """
    found = {}
    for name, field in table.fields.items():
        value = row.get(name)
        if value is None:
            continue
        if isinstance(field, Money):
            value = str(Decimal(value).scaleb(-exponent(row[field.currency])))
        elif isinstance(field, Number):
            value = str(Decimal(value).scaleb(-field.scale))
        elif field.kind == "instant":
            value = format_instant(value)
        elif field.kind == "day" and isinstance(value, int):
            value = (_EPOCH + timedelta(days=value)).isoformat()
        found[name] = value
    return found
