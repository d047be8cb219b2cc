# SPDX-License-Identifier: Apache-2.0
"""Instants and durations as int64 microseconds, UTC."""

from __future__ import annotations

import re
import time as _time
from datetime import UTC, datetime, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from heptad.standards.errors import ContractError, InputError

second = 1_000_000
minute = 60 * second
hour = 60 * minute
day = 24 * hour
week = 7 * day

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
EARLIEST = -2_208_988_800 * second
"""1900-01-01, the first instant a row may carry."""
LATEST = 253_402_300_799 * second
"""9999-12-31 23:59:59, the last instant a row may carry."""

_UNITS = {
    "us": 1, "microsecond": 1, "ms": 1000, "millisecond": 1000,
    "s": second, "second": second, "min": minute, "minute": minute,
    "h": hour, "hour": hour, "d": day, "day": day, "w": week, "week": week, "year": 365 * day,
}  # fmt: skip
_DURATION = re.compile(r"\s*(\d{1,9})\s*([a-z]+)\s*", re.ASCII)


class Clock(Protocol):
    """Tells the present instant; injected wherever time matters so that tests decide it."""

    def now(self) -> int:
        """Return the present, in microseconds since 1970, UTC."""
        ...


class SystemClock:
    """The machine's clock, which never runs backwards within one process."""

    def __init__(self) -> None:
        self._last = 0

    def now(self) -> int:
        """Return the present; after a step back of the machine's clock, the last value told."""
        self._last = max(self._last, _time.time_ns() // 1000)
        return self._last


class FixedClock:
    """A clock that stands still until it is set: for tests and for simulated projects."""

    def __init__(self, now: int) -> None:
        self._now = now

    def now(self) -> int:
        """Return the instant last set."""
        return self._now

    def set(self, now: int) -> None:
        """Move the clock to `now`, forwards or back."""
        self._now = now


def micros(instant: datetime) -> int:
    """Turn an aware datetime into microseconds since 1970, UTC.

    Raises:
        ContractError: if it has no time zone.
    """
    if instant.tzinfo is None:
        raise ContractError(
            "An instant must say its time zone.",
            got=instant.isoformat(),
            do="use datetime(…, tzinfo=UTC)",
        )
    return (instant - EPOCH) // timedelta(microseconds=1)


def from_micros(value: int) -> datetime:
    """Turn microseconds since 1970 into an aware datetime, UTC.

    Raises:
        ContractError: if the instant lies outside the years 1 to 9999.
    """
    try:
        return EPOCH + timedelta(microseconds=value)
    except OverflowError:
        raise ContractError(
            "An instant must lie in the years 1 to 9999.",
            got=value,
            do="give microseconds since 1970, not another unit",
        ) from None


def parse_instant(text: str) -> int:
    """Read ISO 8601 text; a date alone is its first instant, no zone means UTC.

    Raises:
        InputError: if it is not ISO 8601.
    """
    try:
        value = datetime.fromisoformat(text.strip())
    except ValueError as error:
        raise InputError(
            "An instant must be ISO 8601, for example 2026-03-01T09:30:00Z.",
            got=text,
            do="give a date, or a date and a time",
        ) from error
    return micros(value if value.tzinfo else value.replace(tzinfo=UTC))


def as_of(text: str) -> int | None:
    """Return the instant that a text names, microseconds; None, for now, if it is empty.

    Raises:
        InputError: if it is not ISO 8601.
    """
    return parse_instant(text) if text else None


def format_instant(value: int) -> str:
    """Write an instant as ISO 8601 with Z, without needless zeros.

    >>> format_instant(0)
    '1970-01-01T00:00:00Z'
    """
    return from_micros(value).isoformat().replace("+00:00", "Z")


def parse_duration(text: str | int) -> int:
    """Read a duration such as "2 days", "90 min" or "36h" into microseconds.

    Raises:
        InputError: if the text is not a number and a unit.

    >>> parse_duration("2 days") == 2 * day
    True
    """
    if isinstance(text, int):
        return text
    found = _DURATION.fullmatch(text.lower())
    unit = found and (_UNITS.get(found[2]) or _UNITS.get(found[2].removesuffix("s")))
    if found and unit:
        return int(found[1]) * unit
    raise InputError(
        "A duration must be a number and a unit.",
        got=text,
        do='write for example "2 days", "90 minutes", "36 hours"',
    )


def format_duration(value: int) -> str:
    """Write a duration in its largest whole unit.

    >>> format_duration(7 * day)
    '7 days'
    """
    for name, unit in (("day", day), ("hour", hour), ("minute", minute), ("second", second)):
        if value and value % unit == 0:
            n = value // unit
            return f"{n} {name}" + ("" if n == 1 else "s")
    return f"{value} us"


def zone(name: str) -> ZoneInfo:
    """Find a time zone by its IANA name.

    Raises:
        InputError: if there is none of that name.
    """
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise InputError(
            "A time zone must be an IANA name.", got=name, do="write for example Europe/Madrid"
        ) from error
