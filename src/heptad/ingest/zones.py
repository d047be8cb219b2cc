# SPDX-License-Identifier: Apache-2.0
"""SQL that turns local time into UTC, and gives null where a local time is not one instant.

Clocks that go back show an hour twice, clocks that go forward skip one. The rules are those of
Python's zone data, written into the SQL as lists, so that every engine agrees.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from heptad.standards.errors import InputError
from heptad.standards.time import EARLIEST, EPOCH, LATEST, second
from heptad.standards.time import zone as find_zone

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

_FIRST = datetime(1900, 1, 1, tzinfo=UTC)
_LAST = datetime(2100, 1, 1, tzinfo=UTC)
_STEP = timedelta(days=7)
_WEEK = 7 * 86_400
_DAY = 86_400


class Change(NamedTuple):
    """A change of a zone's offset: when (seconds since 1970, UTC), and the offsets (seconds)."""

    at: int
    before: int
    after: int


@cache
def changes(zone: str) -> tuple[Change, ...]:
    """Find all changes of a zone's offset from 1900 to 2100, in order.

    A change that is undone within a week is found only if the search steps on it; the shortest
    on record, of wartime and Ramadan, last longer.
    """
    rules = find_zone(zone)
    found = []
    start = _FIRST
    while start < _LAST:
        end = start + _STEP
        if _offset(rules, start) != _offset(rules, end):
            found.append(_bisect(rules, start, end))
        start = end
    return tuple(found)


def local_to_utc(local: str, zone: str) -> str:
    """Return SQL for the UTC instant of a local time.

    Args:
        local: expression of local time, µs since 1970-01-01 local.
        zone: IANA name; "" is UTC.

    Returns:
        An expression of µs UTC; null if the local time is missing, was skipped or was shown
        twice. From 2100 on, the offset that the zone has then is kept.
    """
    if not zone or zone == "UTC":
        return local
    found = changes(zone)
    if not found:
        return f"({local} - {_offset(find_zone(zone), _FIRST) * second})"
    span = _span(found)
    size = span * second
    first = EARLIEST // size
    low, high, before, after = _table(found, span, first)
    bucket = f"(({local} - {first * size}) // {size} + 1)"
    return (
        f"CASE WHEN {local} < {EARLIEST} THEN {local} "
        f"WHEN {local} >= {_end()} THEN {local} - {found[-1].after * second} "
        f"WHEN {local} < {low}[{bucket}] THEN {local} - {before}[{bucket}] "
        f"WHEN {local} >= {high}[{bucket}] THEN {local} - {after}[{bucket}] END"
    )


def _end() -> int:
    return (_LAST - EPOCH) // timedelta(microseconds=1) - 2 * _DAY * second


def _span(found: tuple[Change, ...]) -> int:
    """Return a length of time, in seconds, in whose multiples no two changes fall together."""
    span = 16 * _WEEK
    while span > _DAY:
        seen = [b for change in found for b in _buckets(change, span)]
        if len(seen) == len(set(seen)):
            return span
        span //= 2
    raise InputError("This zone changes too often.", do="have the source write UTC")


def _table(found: tuple[Change, ...], span: int, first: int) -> tuple[str, str, str, str]:
    """Return, per bucket of local time, where its change begins and ends and the offsets."""
    last = (_end() // second) // span
    at = {b: change for change in found for b in _buckets(change, span)}
    offset = found[0].before
    rows: list[tuple[int, int, int, int]] = []
    for bucket in range(first, last + 1):
        change = at.get(bucket)
        if change is None:
            rows.append((LATEST, LATEST, offset * second, offset * second))
            continue
        low, high = (edge * second for edge in _edges(change))
        rows.append((low, high, change.before * second, change.after * second))
        offset = change.after
    return _list(rows, 0), _list(rows, 1), _list(rows, 2), _list(rows, 3)


def _edges(change: Change) -> tuple[int, int]:
    """Return the local times between which a change makes time skip or repeat."""
    ends = (change.at + change.before, change.at + change.after)
    return min(ends), max(ends)


def _buckets(change: Change, span: int) -> range:
    low, high = _edges(change)
    return range(low // span, (high - 1) // span + 1)


def _bisect(rules: ZoneInfo, start: datetime, end: datetime) -> Change:
    before, after = _offset(rules, start), _offset(rules, end)
    low, high = int(start.timestamp()), int(end.timestamp())
    while high - low > 1:
        middle = (low + high) // 2
        if _offset(rules, datetime.fromtimestamp(middle, UTC)) == before:
            low = middle
        else:
            high = middle
    return Change(high, before, after)


def _offset(rules: ZoneInfo, instant: datetime) -> int:
    """Return the offset of local time at an instant, in seconds."""
    return (instant.astimezone(rules).utcoffset() or timedelta()) // timedelta(seconds=1)


def _list(rows: list[tuple[int, int, int, int]], place: int) -> str:
    return "[" + ",".join(str(row[place]) for row in rows) + "]"
