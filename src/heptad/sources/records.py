# SPDX-License-Identifier: Apache-2.0
"""Records of separated text: where each ends, and which cannot be read."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from heptad.sources.reading import LONGEST_RECORD, SHOWN_TEXT

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    Numbers = NDArray[np.int64]

_REPLACED = "\ufffd".encode()
Fault = tuple[int, str, str]
"""A record's number in its chunk, from 1, why it cannot be read, and its text."""


class Chunk:
    """Whole records.

    Attributes:
        data: the records that can be read, UTF-8.
        records: how many records there are, readable or not; known after `numbers`.
    """

    def __init__(
        self, lexer: Records, data: bytes, good: Numbers | None = None, faults: Iterable[Fault] = ()
    ) -> None:
        self.data, self.records = data, 0
        self._lexer, self._good, self._faults = lexer, good, list(faults)
        self._tail: str | None = None

    def numbers(self, good: int) -> Numbers:
        """Return the record numbers, from 1, of the readable records, of which there are `good`."""
        found = np.arange(1, good + 1) if self._good is None else self._good
        self.records = len(found) + len(self._faults)
        if self._tail is not None:
            self.records += 1
            self._faults.append((self.records, "length", self._tail))
            self._tail = None
        return found

    def faults(self) -> list[Fault]:
        """Return the records that cannot be read; complete after `numbers`."""
        return self._faults

    def end_with(self, text: str) -> None:
        """Say that the last record is too long; `text` is how it begins."""
        self._tail = text

    @property
    def broken(self) -> bool:
        """Whether the first record is one that cannot be read."""
        return (self._tail is not None and not self.data) or any(f[0] == 1 for f in self._faults)

    def first(self) -> str | None:
        """Return the first record as text; None if there is none."""
        match = self._lexer.record.match(self.data, len(self.data) - len(self.data.lstrip(b"\r\n")))
        return match[0].decode("utf-8", "replace").strip("\r\n") if match and match[0] else None


class Records:
    """Cuts text into whole records.

    Fields may be quoted; a quoted field may hold separators, line ends and doubled quotes. A
    quote inside an unquoted field means itself. A record with text behind a closing quote, with
    a quote that never closes, or longer than `LONGEST_RECORD` cannot be read; reading goes on
    behind the next line end.

    Args:
        separator: one ASCII character.
        quote: one ASCII character, or "" if nothing is quoted.
        replaced: whether U+FFFD in the text says that something could not be decoded.
    """

    def __init__(self, separator: str, quote: str, *, replaced: bool = False) -> None:
        self.separator, self.quote = separator, quote
        self._replaced = replaced
        s = re.escape(separator.encode())
        q = re.escape(quote.encode())
        plain = rb"[^%b\r\n]*+" % s
        # Atomic groups, for possessive repeats of groups are wrong before Python 3.11.5. They
        # remember each field of a record, so one without any quote is read as a line.
        inside = rb"(?>[^%b]*(?:%b%b[^%b]*)*)" % (q, q, q, q)
        quoted = rb"%b%b%b" % (q, inside, q)
        field = rb"(?:%b|(?!%b)%b)" % (quoted, q, plain) if quote else plain
        fields = rb"(?>%b(?:%b%b)*)" % (field, s, field)
        self.record = re.compile(rb"(?:[^%b\r\n]*+|%b)(?:\r\n|\n|\r|\Z)" % (q, fields), re.DOTALL)
        unclosed = rb"(?>(?:%b%b)*)%b%b\Z" % (field, s, q, inside)
        self._unclosed = re.compile(unclosed, re.DOTALL) if quote else None
        self._line = re.compile(rb"[^\r\n]*+(?:\r\n|\n|\r|\Z)")
        self._ends = _marks(separator + "\r\n")
        self._mark = ord(quote) if quote else -1

    def chunks(self, texts: Iterable[bytes]) -> Iterator[Chunk]:
        """Cut a stream of UTF-8 text into chunks of whole records."""
        rest, skipping = b"", False
        for text in texts:
            data = rest + text
            if skipping:
                data, skipping = _after_line(data)
            chunk, rest = self._cut(data, final=False)
            if len(rest) > LONGEST_RECORD:
                chunk.end_with(rest[:SHOWN_TEXT].decode("utf-8", "backslashreplace"))
                rest, skipping = b"", True
            yield chunk
        if rest:
            yield self._cut(rest, final=True)[0]

    def _cut(self, data: bytes, *, final: bool) -> tuple[Chunk, bytes]:
        """Return the whole records of `data`, and what is left."""
        end = self._regular(data, final=final)
        if end is None or _undecodable(data[:end], self._replaced):
            return self.exact(data, final=final)
        return Chunk(self, data[:end]), data[end:]

    def _regular(self, data: bytes, *, final: bool) -> int | None:
        """Return where the last whole record ends; None if records must be read one by one."""
        quotes = self._quotes(data)
        if quotes is None or (final and len(quotes) % 2):
            return None
        if final:
            return None if _has_long_line(data) else len(data)
        end = data.rfind(b"\n") + 1
        while end:
            inside = int(np.searchsorted(quotes, end)) % 2
            if not inside:
                break
            end = data.rfind(b"\n", 0, end - 1) + 1
        too_long = len(data) - end > LONGEST_RECORD or _has_long_line(data)
        return None if too_long or (not end and b"\r" in data[:-1]) else end

    def _quotes(self, data: bytes) -> Numbers | None:
        """Return where the quotes stand; None if one stands where it should not.

        Quotes take turns: the first opens, the second closes. One that opens stands behind a
        separator or a line end, or behind the one that it doubles; one that closes, before.
        """
        if self._mark < 0 or self.quote.encode() not in data:
            return np.empty(0, np.int64)
        text = np.frombuffer(data, np.uint8)
        quotes = np.flatnonzero(text == self._mark)
        opening, closing = quotes[::2], quotes[1::2]
        before = text[np.maximum(opening - 1, 0)]
        fits = self._ends[before] | (opening == 0)
        fits[1:] |= closing[: len(opening) - 1] == opening[1:] - 1
        if not fits.all():
            return None
        after = text[np.minimum(closing + 1, len(text) - 1)]
        fits = self._ends[after] | (closing == len(text) - 1)
        follows = opening[1:]
        fits[: len(follows)] |= closing[: len(follows)] == follows - 1
        return quotes if fits.all() else None

    def exact(self, data: bytes, *, final: bool) -> tuple[Chunk, bytes]:
        """Read `data` record by record, the unreadable ones set aside.

        Args:
            data: UTF-8 text from the start of a record on.
            final: whether nothing follows.
        """
        good: list[bytes] = []
        numbers: list[int] = []
        faults: list[Fault] = []
        at, number = 0, 0
        while at < len(data):
            end, fault = self._one(data, at, final=final)
            if end < 0:
                break
            record = data[at:end]
            at = end
            if not record.strip(b"\r\n"):
                continue
            number += 1
            fault = fault or _undecodable(record, self._replaced)
            if fault:
                shown = record[:SHOWN_TEXT].decode("utf-8", "backslashreplace").rstrip("\r\n")
                faults.append((number, fault, shown))
            else:
                good.append(record)
                numbers.append(number)
        chunk = Chunk(self, b"".join(good), np.array(numbers, np.int64), faults)
        return chunk, data[at:]

    def _one(self, data: bytes, at: int, *, final: bool) -> tuple[int, str]:
        """Return where the record that starts at `at` ends, and why it cannot be read.

        The end is -1 if more text is needed.
        """
        match = self.record.match(data, at)
        if match:
            end = match.end()
            if end == len(data) and not final and data[end - 1 : end] not in (b"\n", b"\r"):
                return -1, ""
            return end, "length" if end - at > LONGEST_RECORD else ""
        waits = self._unclosed and self._unclosed.match(data, at)
        if waits and not final and len(data) - at <= LONGEST_RECORD:
            return -1, ""
        line = self._line.match(data, at)
        end = line.end() if line else len(data)
        if end == len(data) and not final and data[-1:] not in (b"\n", b"\r"):
            return -1, ""  # where it ends is not known yet
        return end, "quote"


def _marks(text: str) -> NDArray[np.bool_]:
    marks = np.zeros(256, dtype=bool)
    marks[[ord(c) for c in text]] = True
    return marks


def _has_long_line(data: bytes) -> bool:
    """Whether a line may be longer than a record may be."""
    half = LONGEST_RECORD // 2
    return any(
        data.rfind(b"\n", start, start + half) < 0 for start in range(0, len(data) - half, half)
    )


def _after_line(data: bytes) -> tuple[bytes, bool]:
    """Drop what is left of a record that is too long; say whether it goes on."""
    end = data.find(b"\n")
    return (b"", True) if end < 0 else (data[end + 1 :], False)


def _undecodable(record: bytes, replaced: bool) -> str:
    if replaced:
        return "encoding" if _REPLACED in record else ""
    if record.isascii():
        return ""
    try:
        record.decode()
    except UnicodeDecodeError:
        return "encoding"
    return ""
