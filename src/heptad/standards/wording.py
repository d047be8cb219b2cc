# SPDX-License-Identifier: Apache-2.0
"""Text in expressions: plain form, wildcards and edit distance, the same on every engine."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

from heptad.standards.errors import ContractError


def _alphabets() -> tuple[str, str]:
    """Return the letters with marks of Latin, Greek and Cyrillic, and what they stand on."""
    marked, bare = [], []
    for point in range(0xC0, 0x530):
        letter = chr(point)
        base = unicodedata.normalize("NFD", letter)[0]
        if base != letter and base.isalpha():
            marked.append(letter)
            bare.append(base)
    return "".join(marked), "".join(bare)


MARKED, BARE = _alphabets()
"""A letter with a mark → the letter alone; decompositions never change between versions of
Unicode, so the table is the same everywhere."""

_CAPITALS = "".join(map(chr, range(ord("A"), ord("Z") + 1)))
_OUT_OF = MARKED + _CAPITALS
_INTO = "".join(BARE).translate(str.maketrans(_CAPITALS, _CAPITALS.lower())) + _CAPITALS.lower()
_PLAIN = str.maketrans(_OUT_OF, _INTO)


def alphabets() -> tuple[str, str]:
    """Return what `plain` replaces, letter by letter, and by what."""
    return _OUT_OF, _INTO


def plain(text: str) -> str:
    """Take the marks off letters and make A to Z small, so that names can be compared.

    >>> plain("Élodie Müller")
    'elodie muller'
    """
    return text.translate(_PLAIN)


@lru_cache(maxsize=100_000)
def edits(one: str, other: str) -> int:
    """Count the edits (insert, delete, replace one byte of UTF-8) that make one text the other.

    Source: H. Hyyrö, A bit-vector algorithm for computing Levenshtein and Damerau edit
    distances, 2003.

    >>> edits("smith", "smyth")
    1
    """
    a, b = one.encode(), other.encode()
    if not a or not b:
        return len(a) or len(b)
    where: dict[int, int] = {}
    for n, byte in enumerate(a):
        where[byte] = where.get(byte, 0) | 1 << n
    whole, last = (1 << len(a)) - 1, 1 << len(a) - 1
    up, down, found = whole, 0, len(a)
    for byte in b:
        match = where.get(byte, 0)
        across = (((match & up) + up) ^ up) | match
        rise, fall = down | ~(across | up) & whole, up & across
        steady = match | down
        if rise & last:
            found += 1
        elif fall & last:
            found -= 1
        rise, fall = rise << 1 | 1, fall << 1
        up, down = (fall | ~(steady | rise)) & whole, rise & steady & whole
    return found


def similar(one: str, other: str) -> float:
    """Return 1 for equal texts, down to 0 where every byte differs.

    >>> similar("smith", "smyth")
    0.8
    """
    longest = max(len(one.encode()), len(other.encode()))
    return 1.0 if longest == 0 else 1.0 - edits(one, other) / longest


def pattern(text: str) -> re.Pattern[str]:
    """Compile a pattern in which * stands for any text and ? for one code point.

    Raises:
        ContractError: if it is longer than 200 characters or has more than ten *.
    """
    if len(text) > 200 or text.count("*") > 10:
        raise ContractError(
            "A pattern has at most 200 characters, ten of them *.", got=text, do="shorten it"
        )
    parts = {"*": ".*", "?": "."}
    return re.compile("".join(parts.get(c) or re.escape(c) for c in text), re.DOTALL)


def like_text(text: str) -> str:
    """Return a pattern as SQL's LIKE writes it, with ! before what stands for itself."""
    parts = {"*": "%", "?": "_", "%": "!%", "_": "!_", "!": "!!"}
    return "".join(parts.get(c, c) for c in text)
