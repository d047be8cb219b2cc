# SPDX-License-Identifier: Apache-2.0
"""Local time by a table of a zone's changes, the same for a row, a batch and SQL."""

from __future__ import annotations

from bisect import bisect_right
from datetime import UTC, timedelta
from functools import cache
from typing import NamedTuple

from heptad.standards.time import day, from_micros, second, zone

_MICROSECOND = timedelta(microseconds=1)
FIRST, LAST = 0, 4_102_444_800 * second
"""1970 to 2099: where local time is known; outside it is null."""


class Offsets(NamedTuple):
    """A zone's changes: from `at[n]` on, microseconds, its clocks are `ahead[n]` before UTC."""

    at: tuple[int, ...]
    ahead: tuple[int, ...]


@cache
def offsets(name: str) -> Offsets:
    """Find every change of a zone's clocks, to the second.

    Raises:
        InputError: if there is no such zone.
    """
    found = zone(name)

    def ahead(instant: int) -> int:
        shown = from_micros(instant).astimezone(found)
        return (shown.replace(tzinfo=UTC) - shown) // _MICROSECOND

    at, values, last = [FIRST], [ahead(FIRST)], FIRST
    for instant in range(FIRST + day, LAST + day, day):
        now = ahead(instant)
        if now != values[-1]:
            low, high = last // second, instant // second
            while high - low > 1:
                middle = (low + high) // 2
                low, high = (low, middle) if ahead(middle * second) == now else (middle, high)
            at.append(high * second)
            values.append(now)
        last = instant
    return Offsets(tuple(at), tuple(values))


def local(instant: int, name: str) -> int | None:
    """Return what a zone's clocks show, as microseconds since 1970-01-01 of its own.

    >>> local(1_767_225_600_000_000, "Europe/Madrid") - 1_767_225_600_000_000 == 3_600_000_000
    True
    """
    if not FIRST <= instant < LAST:
        return None
    table = offsets(name)
    return instant + table.ahead[bisect_right(table.at, instant) - 1]
