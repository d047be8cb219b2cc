# SPDX-License-Identifier: Apache-2.0
"""How the bank's systems write instants, amounts and places into their exports."""

from __future__ import annotations

from datetime import date
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from heptad.sources.bank.world import DAY, MISSING, SECOND, last_sunday

if TYPE_CHECKING:
    from heptad.sources.bank.digits import Bytes
    from heptad.sources.bank.draws import Bools, Ints

_HOUR = 3600 * SECOND
_WITHOUT_DECIMALS = b"JPY"


def iso(times: Ints) -> Bytes:
    """Return instants as 2026-03-01T09:30:00Z; a missing one is empty."""
    out = np.zeros((len(times), 20), dtype="S1")
    gone = times == MISSING
    told = np.where(gone, 0, times)
    out[:, :10], out[:, 10], out[:, 11:19], out[:, 19] = _dates(told), b"T", _clocks(told), b"Z"
    out[gone] = b""
    return out.view("S20").reshape(-1)


def local(times: Ints) -> Bytes:
    """Return instants as 01/03/2026 10:30:00 on the clocks of central Europe."""
    there = times + central_lead(times)
    out, day = np.zeros((len(times), 19), dtype="S1"), _dates(there)
    out[:, 0:2], out[:, 3:5], out[:, 6:10] = day[:, 8:10], day[:, 5:7], day[:, 0:4]
    out[:, 2] = out[:, 5] = b"/"
    out[:, 10], out[:, 11:19] = b" ", _clocks(there)
    return out.view("S19").reshape(-1)


def compact_days(times: Ints) -> Bytes:
    """Return the days of instants as 20260301, UTC."""
    day = _dates(times)
    out = np.concatenate([day[:, 0:4], day[:, 5:7], day[:, 8:10]], axis=1)
    return np.ascontiguousarray(out).view("S8").reshape(-1)


def days(numbers: Ints) -> list[bytes]:
    """Return days counted from 1970 as 2026-03-01; a missing one is empty."""
    told = np.where(numbers == MISSING, 0, numbers).astype("datetime64[D]").astype("S10")
    return [
        b"" if gone else text
        for gone, text in zip((numbers == MISSING).tolist(), told.tolist(), strict=True)
    ]


def amounts(minor: Ints, currency: Bytes) -> list[bytes]:
    """Return amounts of money as 1234.56; a missing one is empty."""
    pairs = zip(minor.tolist(), (currency != _WITHOUT_DECIMALS).tolist(), strict=True)
    return [
        b"" if value == MISSING else b"%d.%02d" % divmod(value, 100) if cents else b"%d" % value
        for value, cents in pairs
    ]


def grouped(minor: Ints, currency: Bytes) -> list[bytes]:
    """Return amounts of money as 1.234,56, the way most of Europe writes them."""
    return [
        (f"{int(text[:-3]):,}".replace(",", ".").encode() + b"," + text[-2:])
        if text[-3:-2] == b"."
        else f"{int(text):,}".replace(",", ".").encode()
        for text in amounts(minor, currency)
    ]


def decimals(values: Ints, scale: int, mark: bytes = b".") -> list[bytes]:
    """Return fixed-point numbers with all their decimals; a missing one is empty."""
    whole, digits = 10**scale, b"%s%d%s%0" + str(scale).encode() + b"d"
    return [
        b""
        if v == MISSING
        else digits % (b"-" if v < 0 else b"", abs(v) // whole, mark, abs(v) % whole)
        for v in values.tolist()
    ]


def integers(values: Ints) -> list[bytes]:
    """Return whole numbers; a missing one is empty."""
    return [b"" if v == MISSING else b"%d" % v for v in values.tolist()]


def central_lead(times: Ints) -> Ints:
    """Return by how many microseconds the clocks of central Europe lead UTC at instants."""
    summer = np.zeros(len(times), dtype=np.int64)
    for spring, autumn in _changes(times):
        summer += (times >= spring) & (times < autumn)
    return _HOUR * (1 + summer)


def ambiguous(times: Ints) -> Bools:
    """Tell which instants share their local time with another one an hour away."""
    found = np.zeros(len(times), dtype=np.bool_)
    for _, autumn in _changes(times):
        found |= (times >= autumn - _HOUR) & (times < autumn + _HOUR)
    return found


def _changes(times: Ints) -> list[tuple[int, int]]:
    """Return the instants at which summer time begins and ends in the years of some instants."""
    if not len(times):
        return []
    years = [1970 + int(t.astype("datetime64[us]").astype("datetime64[Y]").astype(np.int64))
             for t in (times.min(), times.max())]  # fmt: skip
    epoch = date(1970, 1, 1)
    return [
        tuple(((last_sunday(y, m) - epoch).days * DAY + _HOUR) for m in (3, 10))  # type: ignore[misc]
        for y in range(years[0], years[1] + 1)
    ]


def _dates(times: Ints) -> Bytes:
    """Return the days of instants as rows of ten characters."""
    number = times // DAY
    low, high = (int(number.min()), int(number.max())) if len(number) else (0, 0)
    known = np.arange(low, high + 1).astype("datetime64[D]").astype("S10")
    text: Bytes = known[number - low].view("S1").reshape(len(times), 10)
    return text


def _clocks(times: Ints) -> Bytes:
    """Return the times of day of instants as rows of eight characters."""
    text: Bytes = _seconds()[times % DAY // SECOND].view("S1").reshape(len(times), 8)
    return text


@cache
def _seconds() -> Bytes:
    """All 86,400 times of a day."""
    return (
        np.arange(86_400)
        .astype("datetime64[s]")
        .astype("S19")
        .view("S1")
        .reshape(-1, 19)[:, 11:]
        .copy()
        .view("S8")
        .reshape(-1)
    )
