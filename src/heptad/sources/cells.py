# SPDX-License-Identifier: Apache-2.0
"""Values of other systems written as text, without losing a digit."""

from __future__ import annotations

import json
from datetime import date, datetime, time
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from heptad.standards.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


_WRITERS: tuple[tuple[tuple[type, ...], Callable[[Any], str]], ...] = (
    ((bool,), lambda value: "true" if value else "false"),
    ((Decimal,), lambda value: format(value, "f")),
    ((datetime, date, time), lambda value: str(value.isoformat())),
    ((bytes, bytearray, memoryview), lambda value: bytes(value).decode()),
    ((dict, list), lambda value: json.dumps(value, ensure_ascii=False, default=as_text)),
)


def as_text(value: Any) -> str | None:
    """Write a value of a database or of JSON as text; null stays null.

    Raises:
        UnicodeDecodeError: if bytes are not UTF-8.
    """
    if value is None or isinstance(value, str):
        return value
    for kinds, write in _WRITERS:
        if isinstance(value, kinds):
            return write(value)
    return str(value)


def flat(value: Mapping[str, Any], prefix: str = "") -> dict[str, str | None]:
    """Write a JSON object as columns: inner objects become `outer.inner`, lists JSON text."""
    cells: dict[str, str | None] = {}
    for name, inner in value.items():
        if isinstance(inner, dict) and inner:
            cells |= flat(inner, f"{prefix}{name}.")
        else:
            cells[prefix + name] = as_text(inner)
    return cells


def parse_object(text: str | bytes) -> dict[str, str | None] | None:
    """Read one JSON object as columns, its numbers digit by digit; None if it is not one.

    NaN and infinity are no JSON. An object nested deeper than Python's stack is refused.
    """
    try:
        value = json.loads(text, parse_float=str, parse_int=str, parse_constant=_no_number)
        return flat(value) if isinstance(value, dict) else None
    except (ValueError, RecursionError):
        return None


def text_column(column: pa.Array, title: str) -> pa.StringArray:
    """Write a column of Parquet as text.

    Raises:
        InputError: if its type has no text.
    """
    kind = column.type
    if pa.types.is_dictionary(kind):
        return text_column(column.cast(kind.value_type), title)
    if pa.types.is_timestamp(kind):
        plain = column.cast(pa.timestamp("us", "UTC" if kind.tz else None), safe=False)
        return plain.cast(pa.string())
    if pa.types.is_nested(kind):
        return pa.array([as_text(value) for value in column.to_pylist()], pa.string())
    if pa.types.is_boolean(kind):
        return pc.if_else(column, "true", "false").cast(pa.string())
    try:
        return column.cast(pa.string())
    except pa.ArrowException as error:
        raise InputError(
            f"A column of type {kind} cannot be read.",
            got=title,
            do="leave it out, or write it as text at the source",
        ) from error


def _no_number(text: str) -> str:
    raise ValueError(text)
