# SPDX-License-Identifier: Apache-2.0
"""Stored values as people and other programs read them: ISO instants, decimal numbers."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from heptad.standards import Number
from heptad.standards.time import format_instant

if TYPE_CHECKING:
    import pyarrow as pa

    from heptad.standards import Table


def shown_column(table: type[Table], name: str, values: pa.ChunkedArray) -> list[Any]:
    """Return a stored column as plain data.

    Instants and days become ISO 8601, fixed-point numbers and places decimal text; amounts stay
    minor units of the currency in their row.
    """
    plain: list[Any] = values.to_pylist()
    kinds = {c.name: c.kind for c in table.columns()}
    if kinds.get(name) == "instant":
        return [None if v is None else format_instant(v) for v in plain]
    if kinds.get(name) == "day":
        return [None if v is None else str(v) for v in plain]
    field = next((f for f in table.fields.values() if name in (c.name for c in f.columns())), None)
    scale = field.scale if isinstance(field, Number) else 0
    if field is not None and kinds.get(name) == "integer" and len(field.columns()) == 2:
        scale = 7
    if scale and kinds.get(name) == "integer":
        return [None if v is None else str(Decimal(v).scaleb(-scale)) for v in plain]
    return plain
