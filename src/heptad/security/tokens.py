# SPDX-License-Identifier: Apache-2.0
"""Tokens of card numbers (PAN): joinable, keyed, with the BIN and the last four digits in clear."""

from __future__ import annotations

import hmac
import re
from base64 import urlsafe_b64encode
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from heptad.standards.errors import InputError
from heptad.standards.showing import luhn

if TYPE_CHECKING:
    import pyarrow as pa

_DIGITS = re.compile(r"[0-9]{12,19}")
TOKEN = re.compile(r"([0-9]{6})-[A-Za-z0-9_-]{22}-([0-9]{4})")
"""A token: BIN, 128 bits of keyed hash, last four digits."""


class Tokens(NamedTuple):
    """Tokens, null where there is no card number, and a flag where the text is not one."""

    tokens: pa.StringArray
    faulty: pa.BooleanArray


def is_pan(text: str) -> bool:
    """Whether a text is a card number: 12 to 19 digits and nothing else, check digit right."""
    return _DIGITS.fullmatch(text) is not None and luhn(text)


def pan_token(pan: str, pepper: bytes) -> str:
    """Turn a card number into its token; the same number gives the same token.

    Without the pepper (`Keys.pepper("pan")`) the number cannot be tried out: the hash is keyed,
    as PCI DSS 4.0.1, requirement 3.5.1.1, asks.

    Raises:
        InputError: if it is no card number; the message shows no digit of it.

    >>> pan_token("4111111111111111", bytes(32))
    '411111-OszgNuJPqQoLBgtWVWIbMw-1111'
    """
    if not is_pan(pan):
        raise InputError(
            "A card number must be 12 to 19 digits with a right check digit.",
            got=f"••• ({len(pan)} characters)",
            do="remove spaces and hyphens in the map of the source, or correct the number",
        )
    keyed = _keyed(pepper).copy()
    keyed.update(pan.encode())
    digest = keyed.digest()[:16]
    return f"{pan[:6]}-{urlsafe_b64encode(digest).decode().rstrip('=')}-{pan[-4:]}"


@lru_cache(maxsize=8)
def _keyed(pepper: bytes) -> hmac.HMAC:
    """Return the hash with the pepper taken in, to be copied.

    A copy is quicker than `hmac.digest`, which lets other threads have the interpreter each time.
    """
    return hmac.new(pepper, digestmod="sha256")


def pan_tokens(pans: pa.Array | pa.ChunkedArray, pepper: bytes) -> Tokens:
    """Turn a column of card numbers into tokens; each distinct number is hashed once.

    Args:
        pans: (n,) text.
        pepper: 32 secret bytes.

    Returns:
        (n,) tokens and (n,) faults; a faulty text gives no token, and null is no fault.
    """
    import pyarrow as pa

    whole = pans.combine_chunks() if isinstance(pans, pa.ChunkedArray) else pans
    encoded = whole.cast(pa.string()).dictionary_encode()
    known = [
        pan_token(pan, pepper) if is_pan(pan) else None for pan in encoded.dictionary.to_pylist()
    ]
    tokens = pa.array(known, pa.string()).take(encoded.indices)
    faulty = pa.array([token is None for token in known], pa.bool_()).take(encoded.indices)
    return Tokens(tokens, faulty.fill_null(fill_value=False))
