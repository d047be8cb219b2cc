# SPDX-License-Identifier: Apache-2.0
"""Business calendars: which days are worked, counted exactly, inside the years that are declared."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cache

from heptad.standards.errors import InputError, UnknownName, suggest

FIRST, LAST = 2000, 2060
"""Years that the calendars known by name span."""
_MONDAY = date(1969, 12, 29).toordinal()
_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)


@dataclass(frozen=True)
class Calendar:
    """Which days are worked.

    Args:
        name: what it is called.
        weekend: days of the week that are free, 1 Monday to 7 Sunday.
        holidays: further free days, in order.
        first: the first year for which the holidays are declared, `last` the last one; a day
            outside is neither worked nor free.
        worked: days of a weekend that are worked after all, in order.
    """

    name: str
    weekend: frozenset[int]
    holidays: tuple[date, ...]
    first: int = FIRST
    last: int = LAST
    worked: tuple[date, ...] = ()
    free: tuple[int, ...] = field(init=False)
    extra: tuple[int, ...] = field(init=False)

    def __post_init__(self) -> None:
        held = [d.toordinal() for d in self.holidays if d.isoweekday() not in self.weekend]
        more = [d.toordinal() for d in self.worked if d.isoweekday() in self.weekend]
        object.__setattr__(self, "free", tuple(sorted({*held} - {*more})))
        object.__setattr__(self, "extra", tuple(sorted({*more})))

    def covers(self, one: date) -> bool:
        """Whether the holidays of this day's year are declared."""
        return self.first <= one.year <= self.last

    def is_business(self, one: date) -> bool | None:
        """Whether a day is worked; None outside the declared years.

        >>> calendar("TARGET").is_business(date(2026, 1, 1))
        False
        """
        if not self.covers(one):
            return None
        number = one.toordinal()
        if one.isoweekday() in self.weekend:
            return _among(self.extra, number)
        return not _among(self.free, number)

    def between(self, start: date, end: date) -> int | None:
        """Count the worked days after `start` up to `end`, negative where `end` lies before.

        >>> calendar("weekdays").between(date(2026, 3, 6), date(2026, 3, 9))
        1
        """
        if not (self.covers(start) and self.covers(end)):
            return None
        return self._until(end.toordinal()) - self._until(start.toordinal())

    def next(self, one: date, days: int = 0) -> date:
        """Return the day itself if it is worked, else the next that is; then `days` worked days on.

        Raises:
            InputError: if the calendar ends before.
        """
        found, left = one, days
        while True:
            worked = self.is_business(found)
            if worked is None:
                raise InputError(
                    f"The calendar {self.name} does not reach so far.", got=found.isoformat(),
                    do="declare the holidays of further years",
                )  # fmt: skip
            if worked and left == 0:
                return found
            left -= worked
            found += timedelta(days=1)

    def _until(self, number: int) -> int:
        """Count the worked days from a fixed Monday on."""
        weeks, rest = divmod(number - _MONDAY + 1, 7)
        part = sum(1 for n in range(1, rest + 1) if n not in self.weekend)
        plain = weeks * (7 - len(self.weekend)) + part
        return plain - bisect_right(self.free, number) + bisect_right(self.extra, number)


def _among(numbers: tuple[int, ...], number: int) -> bool:
    at = bisect_left(numbers, number)
    return at < len(numbers) and numbers[at] == number


def easter(year: int) -> date:
    """Return Easter Sunday.

    Source: anonymous Gregorian algorithm, J. Meeus, Astronomical Algorithms, 1991, chapter 8.

    >>> easter(2026)
    datetime.date(2026, 4, 5)
    """
    a, (b, c) = year % 19, divmod(year, 100)
    d, e = divmod(b, 4)
    h = (19 * a + b - d - (b - (b + 8) // 25 + 1) // 3 + 15) % 30
    i, k = divmod(c, 4)
    last = (32 + 2 * e + 2 * i - h - k) % 7
    m = (a + 11 * h + 22 * last) // 451
    month, before = divmod(h + last - 7 * m + 114, 31)
    return date(year, month, before + 1)


def _target() -> tuple[date, ...]:
    """Closing days of T2, the settlement system of the euro area."""
    days = []
    for year in range(FIRST, LAST + 1):
        sunday = easter(year)
        days += [date(year, 1, 1), sunday - timedelta(2), sunday + timedelta(1)]
        days += [date(year, 5, 1), date(year, 12, 25), date(year, 12, 26)]
    return tuple(days)


@cache
def calendar(text: str) -> Calendar:
    """Find a calendar by name, or read one that is written out, as flows carry their own.

    Args:
        text: `weekdays`, `TARGET`, or `name;weekend=6,7;years=2024-2027;free=2026-01-01,…`,
            with `worked=…` for days of a weekend that are worked.

    Raises:
        UnknownName: if there is none of that name.
        InputError: if what is written out is not a calendar.
    """
    if text == "weekdays":
        return Calendar(text, frozenset({6, 7}), ())
    if text == "TARGET":
        return Calendar(text, frozenset({6, 7}), _target())
    if ";" in text:
        return _written(text)
    raise UnknownName(
        f"There is no calendar {text!r}.", got=text, do=suggest(text, ("weekdays", "TARGET"))
    )


def _written(text: str) -> Calendar:
    name, *rest = text.split(";")
    parts = dict(part.partition("=")[::2] for part in rest)
    try:
        weekend = frozenset(int(n) for n in parts.pop("weekend", "6,7").split(",") if n)
        first, _, last = parts.pop("years", f"{FIRST}-{LAST}").partition("-")
        free, worked = _days(parts.pop("free", "")), _days(parts.pop("worked", ""))
        made = Calendar(name, weekend, free, int(first), int(last or first), worked)
    except ValueError as error:
        raise InputError("A calendar is written otherwise.", got=str(error), do=_FORM) from None
    if parts or not weekend <= set(range(1, 8)) or not 1 <= made.first <= made.last <= 9998:
        raise InputError("A calendar is written otherwise.", got=text[:200], do=_FORM)
    return made


_FORM = "write name;weekend=6,7;years=2024-2027;free=2026-01-01,2026-05-01"


def _days(text: str) -> tuple[date, ...]:
    found = text.split(",") if text else []
    if not all(_DAY.fullmatch(day) for day in found):
        raise ValueError(text[:100])
    return tuple(sorted(map(date.fromisoformat, found)))
