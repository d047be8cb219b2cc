# SPDX-License-Identifier: Apache-2.0
"""What the first bytes of a file say that it is, where it is not the text that it should be."""

from __future__ import annotations

import codecs
from typing import NamedTuple

from heptad.standards.errors import InputError


class Mark(NamedTuple):
    """A kind of file: how it begins, what people call it, and what to do about it."""

    begins: bytes
    noun: str
    do: str


_UNPACK = "unpack it; or pack it with gzip or zstd, which are read as they are"
_EXPORT = "export what is in it as CSV"
_UTF32 = "save it as UTF-8"

MARKS = (
    Mark(b"\x1f\x8b", "packed with gzip", 'say compression = "auto"; if it is packed twice, unpack it'),
    Mark(b"\x28\xb5\x2f\xfd", "packed with zstd", 'say compression = "auto"; if it is packed twice, unpack it'),
    Mark(b"BZh", "packed with bzip2", _UNPACK),
    Mark(b"\xfd7zXZ", "packed with xz", _UNPACK),
    Mark(b"7z\xbc\xaf", "packed with 7-Zip", _UNPACK),
    Mark(b"PK\x03\x04", "a zip archive or a spreadsheet", "unpack it; save a spreadsheet as CSV"),
    Mark(b"\xd0\xcf\x11\xe0", "a spreadsheet or document of Office", "save the sheet as CSV"),
    Mark(b"PAR1", "Parquet", 'say format = "parquet"'),
    Mark(b"SQLite format 3", "a SQLite database", 'say from = "sqlite:///…" and query = "…"'),
    Mark(b"%PDF", "a PDF document", _EXPORT),
    Mark(b"\x7fELF", "a program", _EXPORT),
    Mark(codecs.BOM_UTF32_LE, "UTF-32", _UTF32),
    Mark(codecs.BOM_UTF32_BE, "UTF-32", _UTF32),
    Mark(codecs.BOM_UTF16_LE, "UTF-16", 'say encoding = "utf-16"'),
    Mark(codecs.BOM_UTF16_BE, "UTF-16", 'say encoding = "utf-16"'),
)  # fmt: skip

_LOOK = 64
"""Bytes in which zeros are looked for: fewer than the first line of most files has."""


def check_text(head: bytes, name: str, encoding: str = "utf-8") -> None:
    """Refuse a file whose first bytes say that it is not text in its encoding.

    Args:
        head: how it begins, unpacked.
        name: how people know it.
        encoding: of the source.

    Raises:
        InputError: if it is something else, with what it is.
    """
    wide = encoding.startswith("utf-16")
    found = next((mark for mark in MARKS if head.startswith(mark.begins)), None)
    if found is None and not wide:
        found = _wide(head[:_LOOK])
    if found is None or (wide and found.noun == "UTF-16"):
        return
    raise InputError(
        f"The file is not text in {encoding}: it looks like {found.noun}.",
        got=head[:12],
        do=found.do,
        place=name,
    )


def _wide(head: bytes) -> Mark | None:
    """Tell UTF-16 and UTF-32 without a mark by where their zero bytes are; None for other text."""
    zeros = [head[n::4].count(0) for n in range(4)]
    most = 0.6 * (len(head) // 4)
    if not most:
        return None
    if min(zeros) > most:
        return Mark(b"", "nothing but zeros", "copy the file again")
    if sorted(zeros)[1] > most:
        return Mark(b"", "UTF-32", _UTF32)
    if zeros[1] + zeros[3] > 2 * most:
        return Mark(b"", "UTF-16", 'say encoding = "utf-16-le"')
    if zeros[0] + zeros[2] > 2 * most:
        return Mark(b"", "UTF-16", 'say encoding = "utf-16-be"')
    return None
