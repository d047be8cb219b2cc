# SPDX-License-Identifier: Apache-2.0
"""Values of other systems written as text, without losing a digit."""

from __future__ import annotations

import json
from datetime import date, datetime, time
from decimal import Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


DEEPEST = 32
"""Most objects inside objects."""

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


def flat(value: Mapping[str, Any]) -> dict[str, str | None]:
    """Write a JSON object as columns: inner objects become `outer.inner`, lists JSON text.

    Raises:
        ValueError: if two values have the same name, or it is nested too deeply.
    """
    cells: dict[str, str | None] = {}
    _flatten(value, "", DEEPEST, cells)
    return cells


def _flatten(
    value: Mapping[str, Any], prefix: str, depth: int, cells: dict[str, str | None]
) -> None:
    if not depth:
        raise ValueError(f"nested more than {DEEPEST} deep")
    for name, inner in value.items():
        if isinstance(inner, dict) and inner:
            _flatten(inner, f"{prefix}{name}.", depth - 1, cells)
        elif prefix + name in cells:
            raise ValueError(f"the name {prefix + name!r} stands twice")
        else:
            cells[prefix + name] = as_text(inner)


def parse_object(text: str) -> dict[str, str | None] | None:
    """Read one JSON object as columns, its numbers digit by digit; None if it is not one.

    NaN and infinity are no JSON. An object with a name that stands twice, whose value is
    anybody's guess, and one that is nested deeply are refused.
    """
    try:
        value = parse_json(text)
        return flat(value) if isinstance(value, dict) else None
    except (ValueError, RecursionError):
        return None


def parse_json(text: str) -> Any:
    """Read JSON, its numbers as the text that stands there.

    Raises:
        ValueError: if it is not JSON, or a name stands twice in an object.
        RecursionError: if it is nested too deeply.
    """
    return _DECODER.decode(text)


def _no_number(text: str) -> str:
    raise ValueError(f"{text} is no JSON")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        met: set[str] = set()
        twice = next(name for name, _ in pairs if name in met or met.add(name))  # type: ignore[func-returns-value]
        raise ValueError(f"the name {twice!r} stands twice")
    return found


_DECODER = json.JSONDecoder(
    parse_float=str, parse_int=str, parse_constant=_no_number, object_pairs_hook=_once
)
