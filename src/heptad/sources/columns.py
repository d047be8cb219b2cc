# SPDX-License-Identifier: Apache-2.0
"""Arrow columns of any type written as text, without losing a digit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from heptad.sources.cells import as_text
from heptad.standards.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

_BAD = (pa.ArrowException, ValueError, OverflowError, RecursionError)


class Text(NamedTuple):
    """A column as text, and for the rows where there is none, why: row → reason."""

    array: pa.StringArray
    faults: dict[int, str]


def text_column(column: pa.Array, title: str) -> Text:
    """Write a column as text.

    Args:
        column: of any type.
        title: how people know it.

    Raises:
        InputError: if its type has no text.
    """
    column = _plain(column)
    kind = column.type
    if pa.types.is_binary(kind):
        return _decoded(column)
    if pa.types.is_timestamp(kind):
        return _instants(column)
    if pa.types.is_boolean(kind):
        return Text(pc.if_else(column, "true", "false").cast(pa.string()), {})
    if pa.types.is_nested(kind):
        return _each(column, lambda value: as_text(value.as_py()))
    try:
        return Text(column.cast(pa.string()), {})
    except pa.ArrowException as error:
        raise InputError(
            f"A column of type {kind} cannot be read.",
            got=title,
            do="leave it out, or write it as text at the source",
        ) from error


def _plain(column: pa.Array) -> pa.Array:
    """Return a column without extension, dictionary or runs; text as bytes, which may be any."""
    if isinstance(column, pa.ExtensionArray):
        column = column.storage
    kind = column.type
    if pa.types.is_dictionary(kind):
        column = column.dictionary_decode()
    elif pa.types.is_run_end_encoded(kind):
        column = pc.run_end_decode(column)
    kind = column.type
    texts = (
        pa.types.is_string(kind)
        or pa.types.is_large_string(kind)
        or pa.types.is_string_view(kind)
        or pa.types.is_large_binary(kind)
        or pa.types.is_binary_view(kind)
        or pa.types.is_fixed_size_binary(kind)
    )
    return column.cast(pa.binary()) if texts else column


def _decoded(column: pa.BinaryArray) -> Text:
    """Read bytes as UTF-8."""
    try:
        return Text(column.cast(pa.string()), {})
    except pa.ArrowInvalid:
        return _each(column, lambda value: _utf8(value.as_py()))


def _utf8(value: bytes | None) -> str | None:
    return None if value is None else value.decode()


def _instants(column: pa.TimestampArray) -> Text:
    """Write instants with six decimals; those that int64 microseconds do not hold as a number."""
    zone = "UTC" if column.type.tz else None
    unit = column.type.unit
    kind = pa.timestamp("us", zone)
    try:
        # Of nanoseconds the last three digits go; other units must not overflow.
        return Text(column.cast(kind, safe=unit != "ns").cast(pa.string()), {})
    except pa.ArrowException:
        numbers = column.cast(pa.int64())
        return Text(pc.binary_join_element_wise(numbers.cast(pa.string()), unit, " "), {})


def _each(column: pa.Array, write: Callable[[Any], str | None]) -> Text:
    """Write value by value; one that cannot be written is a fault of its row."""
    found: list[str | None] = []
    faults: dict[int, str] = {}
    for row, value in enumerate(column):
        try:
            text = write(value)
            _ = text and text.encode()
        except UnicodeError:
            text, faults[row] = None, "encoding"
        except _BAD:
            text, faults[row] = None, "parse"
        found.append(text)
    return Text(pa.array(found, pa.string()), faults)
