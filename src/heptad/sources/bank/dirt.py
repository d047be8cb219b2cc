# SPDX-License-Identifier: Apache-2.0
"""Dirt in exports: records spoilt for one reason each, counted exactly."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from heptad.sources.bank.draws import Draws, below, field, mixed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from heptad.sources.bank.digits import Bytes
    from heptad.sources.bank.draws import Words

Record: TypeAlias = list[bytes]

BAD_DATE = "bad date"
UNKNOWN_COUNTRY = "unknown country"
UNKNOWN_CURRENCY = "unknown currency"
NEGATIVE = "negative amount"
MALFORMED = "malformed number"
NO_KEY = "missing key"
COLUMNS = "wrong number of columns"
BAD_CARD = "bad card number"
ENCODING = "bad encoding"
AMBIGUOUS = "ambiguous local time"
OUT_OF_RANGE = "out of range"
BROKEN = "broken record"
DUPLICATE = "duplicate"
CONFLICT = "conflict"
LATE, CORRECTION, DELETION = "late", "correction", "deletion"

CODE_OF = {
    BAD_DATE: "parse",
    UNKNOWN_COUNTRY: "code",
    UNKNOWN_CURRENCY: "currency",
    NEGATIVE: "range",
    MALFORMED: "parse",
    NO_KEY: "required",
    COLUMNS: "columns",
    BAD_CARD: "luhn",
    ENCODING: "encoding",
    AMBIGUOUS: "zone",
    CONFLICT: "conflict",
    OUT_OF_RANGE: "range",
    BROKEN: "json",
}
"""Kind of dirt → the code under which a row is quarantined for it; others are not."""

_DATES = (b"31/02/2026 10:00:00", b"00/00/0000 00:00:00", b"n/a", b"2026-13-01T00:00:00Z")
_COUNTRIES = (b"XX", b"QQ", b"Z9", b"--")
_CURRENCIES = (b"XYZ", b"ECU", b"E U", b"??")
_NUMBERS = (b"12x50", b"--", b"#REF!", b"1.2.3")


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the fields that can be spoilt stand in a record."""

    key: int = -1
    time: int = -1
    country: int = -1
    amount: int = -1
    currency: int = -1
    card: int = -1


class Dirt:
    """Chooses the records of one source to spoil, spoils them and counts.

    Args:
        draws: of the bank.
        source: name of the source.
        layout: of its records.
        per_million: how many records are spoilt for each reason, in millionths.

    Attributes:
        counts: reason → records spoilt; `late`, `correction`, `deletion` are no faults.
    """

    def __init__(
        self, draws: Draws, source: str, layout: Layout, per_million: Mapping[str, int]
    ) -> None:
        self.layout = layout
        self.counts: Counter[str] = Counter()
        self._key = draws.key(f"dirt/{source}")
        self._reasons = list(per_million)
        self._bounds = np.cumsum([per_million[reason] for reason in self._reasons])

    def chosen(self, ids: Bytes) -> list[tuple[int, str, int]]:
        """Return (position, reason, variant) of the records to spoil, chosen by their ids."""
        words = self.words(ids)
        reason = np.searchsorted(self._bounds, below(words, 1_000_000), side="right")
        where = np.flatnonzero(reason < len(self._reasons))
        variant = field(words[where], 0, 2)
        return [
            (int(i), self._reasons[r], int(v))
            for i, r, v in zip(where, reason[where], variant, strict=True)
        ]

    def words(self, ids: Bytes) -> Words:
        """Return a random word per id of sixteen characters."""
        halves = np.ascontiguousarray(ids.astype("S16")).view(np.uint64).reshape(-1, 2)
        return mixed(halves[:, 0] ^ mixed(halves[:, 1] + self._key))

    def spoil(self, record: Sequence[bytes], reason: str, variant: int) -> list[Record]:
        """Return what is written instead of a record; duplicates become two."""
        self.counts[reason] += 1
        return _SPOILERS[reason](list(record), self.layout, variant)


def _with(record: Record, at: int, value: bytes) -> list[Record]:
    return [[*record[:at], value, *record[at + 1 :]]]


def _columns(record: Record, _: Layout, variant: int) -> list[Record]:
    return [[*record, b"0"] if variant % 2 else record[:-2]]


def _bad_card(record: Record, at: Layout, variant: int) -> list[Record]:
    number = record[at.card]
    wrong = (int(number[-1:]) + 1 + variant) % 10
    return _with(record, at.card, number[:-1] + b"%d" % wrong)


def _conflict(record: Record, at: Layout, _: int) -> list[Record]:
    return [record, *_with(record, at.amount, b"9" + record[at.amount])]


_SPOILERS: dict[str, Callable[[Record, Layout, int], list[Record]]] = {
    BAD_DATE: lambda r, at, v: _with(r, at.time, _DATES[v]),
    UNKNOWN_COUNTRY: lambda r, at, v: _with(r, at.country, _COUNTRIES[v]),
    UNKNOWN_CURRENCY: lambda r, at, v: _with(r, at.currency, _CURRENCIES[v]),
    NEGATIVE: lambda r, at, _: _with(r, at.amount, b"-" + r[at.amount]),
    MALFORMED: lambda r, at, v: _with(r, at.amount, _NUMBERS[v]),
    NO_KEY: lambda r, at, _: _with(r, at.key, b""),
    ENCODING: lambda r, at, _: _with(r, at.country, b"\xff\xfe"),
    COLUMNS: _columns,
    BROKEN: _columns,
    BAD_CARD: _bad_card,
    DUPLICATE: lambda r, _, __: [r, r],
    CONFLICT: _conflict,
}
