# SPDX-License-Identifier: Apache-2.0
"""What a reader without the right sees, and what error messages and logs may show."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from heptad.security.tokens import TOKEN, is_pan
from heptad.standards.fields import Place

if TYPE_CHECKING:
    import pyarrow as pa

    from heptad.standards.fields import Field

HIDDEN = "•••"
"""Stands for a value; its length tells nothing."""

GRID = 1_000_000
"""Side of the cell that a masked place names by its south-west corner: 0.1 degree, in 1e-7."""

_EMAIL = re.compile(r"([^\s@<>()\[\],;:\"'=]{1,64})@[^\s@<>()\[\],;:\"'=]{1,255}")
_WHOLE_EMAIL = re.compile(r"[^\s@]{1,64}@[^\s@]{1,255}")
_POINT = re.compile(r"(-?[0-9]{1,12}),(-?[0-9]{1,12})")
_API_KEY = re.compile(r"hep_[0-9A-Za-z_]{8,}")
_DIGIT_RUN = re.compile(r"(?<![0-9])[0-9](?:[ -]?[0-9]){11,}(?![0-9])")
_IBAN = re.compile(r"\b[A-Z]{2}[0-9]{2}(?: ?[A-Z0-9]){11,30}\b")


def mask(value: object, field: Field) -> object:
    """Return what may be shown of a value to a reader without the right to it.

    Null stays null. A card's token keeps its BIN and last four digits, an e-mail address its
    first letter, a place its cell of 0.1 degree; of everything else nothing is left.

    Args:
        value: the stored or opened value; of a place one coordinate or `lat,lon`, in 1e-7.
        field: the field that it belongs to.
    """
    if value is None:
        return None
    if isinstance(field, Place):
        return _mask_place(value)
    if not isinstance(value, str):
        return HIDDEN
    if getattr(field, "pan", False):
        return mask_pan(value)
    if _WHOLE_EMAIL.fullmatch(value):
        return f"{value[0]}{HIDDEN}@{HIDDEN}"
    return HIDDEN


def mask_array(values: pa.Array | pa.ChunkedArray, field: Field) -> pa.Array:
    """Mask a column; sealed cells stay unopened, so nothing is left of them.

    Args:
        values: (n,) stored values.
        field: the field that they belong to.

    Returns:
        (n,) text; of a place that is not sealed, int64.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    if isinstance(values, pa.ChunkedArray):
        values = values.combine_chunks()
    if not pa.types.is_string(values.type):
        if isinstance(field, Place) and pa.types.is_int64(values.type):
            cells = [None if v is None else _cell(v) for v in values.to_pylist()]
            return pa.array(cells, pa.int64())
        return pc.if_else(values.is_valid(), HIDDEN, pa.scalar(None, pa.string()))
    encoded = values.dictionary_encode()
    masked = [mask(value, field) for value in encoded.dictionary.to_pylist()]
    return pa.array(masked, pa.string()).take(encoded.indices)


def mask_pan(text: str) -> str:
    """Show BIN and last four of a card's token or number, and nothing of any other text.

    >>> mask_pan("4111111111111111")
    '411111••••••1111'
    """
    token = TOKEN.fullmatch(text)
    if token:
        return f"{token[1]}••••••{token[2]}"
    return f"{text[:6]}••••••{text[-4:]}" if is_pan(text) else HIDDEN


def mask_message(value: object, field: Field) -> str:
    """Return the text that an error may show of a value of this field."""
    if value is None:
        return "nothing"
    if field.personal:
        return str(mask(value, field))
    # Text of a field that is not personal may still have slipped in from the next column.
    return redact(value) if isinstance(value, str) else str(value)


def redact(text: str) -> str:
    """Mask what looks personal or secret in free text: for raw rows, messages and logs.

    Finds API keys, e-mail addresses, IBANs, and digits in a row, also with spaces or hyphens
    between them, that are as long as a card number. It cannot find names: a personal field's
    value never belongs into a message, see `mask_message`.

    >>> redact("paid 4111-1111-1111-1111 for ana@example.org")
    'paid 411111••••••1111 for a•••@•••'
    """
    text = _API_KEY.sub(f"hep_{HIDDEN}", text)
    text = _EMAIL.sub(lambda found: f"{found[1][0]}{HIDDEN}@{HIDDEN}", text)
    text = _IBAN.sub(_mask_iban, text)
    return _DIGIT_RUN.sub(lambda found: mask_pan(re.sub("[ -]", "", found[0])), text)


def _mask_iban(found: re.Match[str]) -> str:
    """Hide an IBAN (ISO 13616, check by ISO 7064 mod 97-10); a word after it may look like more."""
    text = found[0]
    for end in range(len(text), 14, -1):
        account = text[:end].replace(" ", "")
        rotated = account[4:] + account[:4]
        if text[end - 1] != " " and int("".join(str(int(c, 36)) for c in rotated)) % 97 == 1:
            return text[:2] + HIDDEN + text[end:]
    return text


def _mask_place(value: object) -> object:
    if isinstance(value, int):
        return _cell(value)
    point = _POINT.fullmatch(value) if isinstance(value, str) else None
    return f"{_cell(int(point[1]))},{_cell(int(point[2]))}" if point else HIDDEN


def _cell(coordinate: int) -> int:
    return coordinate // GRID * GRID
