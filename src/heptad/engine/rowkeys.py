# SPDX-License-Identifier: Apache-2.0
"""How the cells of the row store are named on disk, so that bytes sort as HBase sorts cells.

A key is `C table 0x00 row END family 0x00 qualifier END timestamp`: by table, row, family and
qualifier, each in the order of its bytes, then newest first. A 0x00 within a row or a qualifier
is written 0x00 0xFF and its end 0x00 0x01, so that a name comes before all that it begins.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from heptad.standards.errors import ContractError, UnknownName, suggest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from heptad.engine.protocols import Family

ZERO, ESCAPED, END = b"\x00", b"\x00\xff", b"\x00\x01"
LATEST = (1 << 63) - 1
STAMP = 8
_CELL = b"C"


def prefix_of(table: str) -> bytes:
    """Return what the keys of all cells of a table begin with."""
    return _CELL + table.encode() + ZERO


def after(prefix: bytes) -> bytes:
    """Return the first key after all that begin with `prefix`."""
    shortest = prefix.rstrip(b"\xff")
    return shortest[:-1] + bytes([shortest[-1] + 1])


def after_key(prefix: bytes) -> bytes | None:
    """Return the first row key after all that begin with `prefix`; None if there is no such."""
    shortest = prefix.rstrip(b"\xff")
    return shortest[:-1] + bytes([shortest[-1] + 1]) if shortest else None


def escaped(text: bytes) -> bytes:
    """Write each 0x00 so that it is no end."""
    return text.replace(ZERO, ESCAPED) if ZERO in text else text


def unescaped(text: bytes) -> bytes:
    """Read what `escaped` wrote."""
    return text.replace(ESCAPED, ZERO) if ZERO in text else text


def row_key(row: bytes) -> bytes:
    """Return a row's key as stored."""
    if not row:
        raise ContractError("A row's key cannot be empty.")
    return escaped(row) + END


def column_key(column: bytes, families: Mapping[str, Family]) -> bytes:
    """Return a column's name as stored.

    Raises:
        ContractError: if it is not `family:qualifier`.
        UnknownName: if there is no such family.
    """
    stored, name = _encoded(column)
    if name not in families:
        raise UnknownName(
            f"There is no column family {name!r}.", got=name, do=suggest(name, families)
        )
    return stored


@lru_cache(maxsize=4096)
def _encoded(column: bytes) -> tuple[bytes, str]:
    """Return a column's name as stored, and its family."""
    family, colon, qualifier = column.partition(b":")
    if not colon or not family.isascii():
        raise ContractError("A column is named family:qualifier.", got=repr(column))
    return family + ZERO + escaped(qualifier) + END, family.decode()


@lru_cache(maxsize=4096)
def column_of(stored: bytes) -> tuple[bytes, str]:
    """Return the name of a column, and its family, from how it is stored."""
    family, _, qualifier = stored.partition(ZERO)
    return family + b":" + unescaped(qualifier[: -len(END)]), family.decode()


def stamp_of(key: bytes) -> int:
    """Return the timestamp that a cell's key ends with."""
    return LATEST - int.from_bytes(key[-STAMP:])


def stamp_key(timestamp: int) -> bytes:
    """Return a timestamp as stored: newer ones first."""
    if not 0 <= timestamp <= LATEST:
        raise ContractError("A timestamp is microseconds since 1970.", got=timestamp)
    return (LATEST - timestamp).to_bytes(STAMP)
