# SPDX-License-Identifier: Apache-2.0
"""What may be shown of a refused row to whoever states no purpose."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from heptad.ingest.reasons import UNREADABLE
from heptad.security.masks import HIDDEN
from heptad.standards.showing import without_cards

if TYPE_CHECKING:
    from collections.abc import Collection

_CODE = re.compile(r"[A-Za-z_-]{1,20}|[A-Za-z0-9_.-]{1,6}")
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9:.]{4,15}(Z|[+-][0-9]{2}:?[0-9]{2})?)?")
_FEW_DIGITS, _LONGEST_SHAPE = 9, 80


def masked(raw: str | None, reason: str, personal: Collection[str] | None) -> str | None:
    """Hide what says who a person is; of a record that could not be read, everything.

    A card number is hidden wherever it stands: a row may be refused for being in the wrong place.

    Args:
        raw: the row as JSON, or the text of a record that could not be read; None if not kept.
        reason: why it was refused, see `REASONS`.
        personal: columns whose values say who a person is; None if no value of the row does.
    """
    if raw is None or personal is None:
        return None if raw is None else without_cards(raw)
    values = None if reason in UNREADABLE else _values(raw)
    if values is None:
        return HIDDEN
    shown = json.dumps(_hidden(values, frozenset(personal)), ensure_ascii=False)
    return without_cards(shown)


def _values(raw: str) -> dict[str, Any] | None:
    try:
        values = json.loads(raw)
    except (ValueError, RecursionError):
        return None
    return values if isinstance(values, dict) else None


def _hidden(values: dict[str, Any], personal: frozenset[str], prefix: str = "") -> dict[str, Any]:
    """Return an object without personal values; those of inner objects are named `outer.inner`."""
    shown: dict[str, Any] = {}
    for name, value in values.items():
        if prefix + name in personal:
            shown[name] = None if value is None else HIDDEN
        elif isinstance(value, dict):
            shown[name] = _hidden(value, personal, f"{prefix}{name}.")
        else:
            shown[name] = _harmless(value)
    return shown


def _harmless(value: Any) -> Any:
    """Return a value that may have slipped in from a personal column next to its own.

    Numbers, times and single words, as codes are, stay. Of anything else the shape is shown: it
    says what is wrong with a value, and not whose it is.

    >>> _harmless("31.02.2026"), _harmless("autorised"), _harmless("Ana Gil"), _harmless("X0041223B")
    ('31.02.2026', 'autorised', 'Aaa Aaa', 'A9999999A')
    """
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, list):
        return HIDDEN
    text = str(value)
    if _CODE.fullmatch(text) or (_TIME.fullmatch(text) and sum(map(str.isdigit, text)) < 21):
        return value
    if not any(map(str.isalpha, text)) and sum(map(str.isdigit, text)) < _FEW_DIGITS:
        return value
    return "".join(map(_shape, text))[:_LONGEST_SHAPE]


def _shape(character: str) -> str:
    if character.isdigit():
        return "9"
    if character.isalpha():
        return "A" if character.isupper() else "a"
    return character
