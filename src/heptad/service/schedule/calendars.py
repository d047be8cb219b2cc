# SPDX-License-Identifier: Apache-2.0
"""Business calendars: days as data, kept in versions, so that what was due then stays so."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from sqlalchemy import insert, select

from heptad.catalog.schema import dumps
from heptad.catalog.worktables import CalendarRow
from heptad.standards.errors import ContractError, InputError, UnknownName, suggest
from heptad.standards.time import from_micros, micros, zone

if TYPE_CHECKING:
    from collections.abc import Mapping

    from heptad.catalog.store import Store

EVERY_DAY = ""
"""The calendar without holidays and weekends."""
BACK, AHEAD = 3, 3
"""Years before and after the present that a calendar is made for."""
OPENS, CLOSES = 9 * 60, 17 * 60
"""Minutes of a business day between which people work."""
FAMILIAR = ("CN", "ECB", "FED", "US", "DE", "ES", "FR", "IT", "GB", "HK", "NYSE", "SSE")


@dataclass(frozen=True)
class Calendar:
    """The business days of one place.

    Attributes:
        name: as people write it, `ECB`, `CN`, `US`.
        version: hash of the days; "" for the calendar of every day.
        years: first and last year that it speaks of.
        weekend: days of the week that are free, Monday is 0.
        holidays: days that are free, with their names.
        working: days of a weekend that are worked all the same.
    """

    name: str = EVERY_DAY
    version: str = ""
    years: tuple[int, int] = (1900, 9999)
    weekend: frozenset[int] = frozenset()
    holidays: Mapping[date, str] = field(default_factory=dict)
    working: frozenset[date] = frozenset()

    @property
    def title(self) -> str:
        """Name and version, as records keep them: `ECB@1f2e…`."""
        return f"{self.name}@{self.version}" if self.version else self.name

    def is_business(self, day: date) -> bool:
        """Whether people work on a day.

        Raises:
            ContractError: if the calendar does not speak of that year.
        """
        if not self.years[0] <= day.year <= self.years[1]:
            raise ContractError(
                f"The calendar {self.name} says nothing of {day.year}.",
                got=f"it covers {self.years[0]} to {self.years[1]}",
                do=f"renew it: heptad calendars renew {self.name}",
            )
        if day in self.working:
            return True
        return day.weekday() not in self.weekend and day not in self.holidays

    def next_business(self, day: date, n: int = 1) -> date:
        """Return the n-th business day after a day; with n = 0 the day itself or the next one."""
        found = day
        if n == 0:
            while not self.is_business(found):
                found += timedelta(days=1)
        for _ in range(n):
            found += timedelta(days=1)
            while not self.is_business(found):
                found += timedelta(days=1)
        return found

    def previous_business(self, day: date) -> date:
        """Return the last business day before a day."""
        found = day - timedelta(days=1)
        while not self.is_business(found):
            found -= timedelta(days=1)
        return found

    def written(self) -> str:
        """Return a line of YAML that stands under `calendars` of a rule set or flow."""
        weekend = ", ".join(str(day + 1) for day in sorted(self.weekend))
        free = ", ".join(d.isoformat() for d in sorted(self.holidays) if d not in self.working)
        worked = ", ".join(day.isoformat() for day in sorted(self.working))
        years = f"{self.years[0]}-{self.years[1]}"
        return f"{self.name}: {{weekend: [{weekend}], years: {years}, free: [{free}], worked: [{worked}]}}"

    def to_dict(self) -> dict[str, Any]:
        """Return the days as plain data."""
        return {
            "years": list(self.years),
            "weekend": sorted(self.weekend),
            "holidays": {d.isoformat(): n for d, n in sorted(self.holidays.items())},
            "working": [d.isoformat() for d in sorted(self.working)],
        }


def parse(name: str, days: Mapping[str, Any]) -> Calendar:
    """Read a calendar from plain data, as `Calendar.to_dict` writes it.

    Raises:
        InputError: if it is no calendar.
    """
    try:
        first, last = map(int, days["years"])
        holidays = {date.fromisoformat(d): str(n) for d, n in dict(days["holidays"]).items()}
        working = frozenset(date.fromisoformat(d) for d in days.get("working", ()))
        weekend = frozenset(int(d) for d in days.get("weekend", (5, 6)))
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"This is no calendar: {error}.",
            do='give {"years": [2026, 2026], "weekend": [5, 6], "holidays": {"2026-01-01": "…"}}',
        ) from error
    if not weekend < set(range(7)) or first > last:
        raise InputError("A calendar has free days of the week and years in order.", got=name)
    version = hashlib.sha256(dumps(dict(days)).encode()).hexdigest()[:12]
    return Calendar(name, version, (first, last), weekend, holidays, working)


def known(name: str, first: int, last: int) -> dict[str, Any]:
    """Return the days that the library of holidays knows, as plain data.

    Args:
        name: a country (`CN`, `US`, `ES`) or a market (`ECB`, `FED`, `NYSE`).
        first: first year.
        last: last year.

    Raises:
        UnknownName: if it knows no such calendar.
    """
    import holidays

    markets = holidays.list_supported_financial()
    kind = holidays.financial_holidays if name in markets else holidays.country_holidays
    try:
        found = kind(name, years=range(first, last + 1), language="en_US")
    except NotImplementedError:
        raise UnknownName(
            f"There is no calendar {name!r}.", got=name, do=suggest(name, FAMILIAR)
        ) from None
    worked = getattr(found, "weekend_workdays", ())
    free = getattr(found, "weekend", {5, 6})
    return {
        "years": [first, last],
        "weekend": sorted(int(d) for d in free),
        "holidays": {d.isoformat(): n for d, n in sorted(found.items())},
        "working": sorted(d.isoformat() for d in worked if first <= d.year <= last),
    }


class Calendars:
    """The calendars of a project: made when first asked for, kept in every version."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._read = lru_cache(maxsize=64)(self._stored)

    def get(self, name: str, version: str = "") -> Calendar:
        """Return a calendar, made of what the library knows if the project has none yet.

        Args:
            name: of the calendar; "" is the one of every day.
            version: of its days; the latest by default.

        Raises:
            UnknownName: if there is none of that name or version.
        """
        if name == EVERY_DAY:
            return Calendar()
        held = version or self.latest(name)
        if held is None:
            return self.renew(name)
        return self._read(name, held)

    def titled(self, title: str) -> Calendar:
        """Return the calendar that a record names, `ECB@1f2e…`."""
        name, _, version = title.partition("@")
        return self.get(name, version)

    def latest(self, name: str) -> str | None:
        """Return the version of a calendar that holds now; None if the project has none."""
        wanted = (
            select(CalendarRow.version)
            .where(CalendarRow.name == name)
            .order_by(CalendarRow.since.desc(), CalendarRow.version)
            .limit(1)
        )
        with self._store.read() as connection:
            found = connection.execute(wanted).scalar()
        return None if found is None else str(found)

    def renew(self, name: str) -> Calendar:
        """Keep what the library knows of a calendar now, around the present year."""
        year = from_micros(self._store.clock.now()).year
        return self.keep(name, known(name, year - BACK, year + AHEAD))

    def keep(self, name: str, days: Mapping[str, Any]) -> Calendar:
        """Keep days as the latest version of a calendar; equal days are kept once.

        Raises:
            InputError: if they are no calendar.
        """
        made = parse(name, days)
        with self._store.write() as connection:
            if self.latest(name) == made.version:
                return made
            wanted = select(CalendarRow.since).where(CalendarRow.name == name)
            before = max(connection.execute(wanted).scalars(), default=0)
            since = max(self._store.clock.now(), before + 1)
            values = {"name": name, "version": made.version, "since": since, "days": dict(days)}
            where = (CalendarRow.name == name, CalendarRow.version == made.version)
            connection.execute(CalendarRow.__table__.delete().where(*where))  # type: ignore[attr-defined]
            connection.execute(insert(CalendarRow), values)
        self._read.cache_clear()
        return made

    def all(self) -> list[dict[str, Any]]:
        """List calendars and their versions, the latest of each first."""
        wanted = select(CalendarRow.name, CalendarRow.version, CalendarRow.since, CalendarRow.days)
        ordered = wanted.order_by(CalendarRow.name, CalendarRow.since.desc())
        with self._store.read() as connection:
            return [dict(row._mapping) for row in connection.execute(ordered)]

    def _stored(self, name: str, version: str) -> Calendar:
        wanted = select(CalendarRow.days).where(
            CalendarRow.name == name, CalendarRow.version == version
        )
        with self._store.read() as connection:
            days = connection.execute(wanted).scalar()
        if days is None:
            raise UnknownName(
                f"The calendar {name} has no version {version}.",
                got=version,
                do="see `heptad calendars`",
            )
        return parse(name, days)


def due_after(calendar: Calendar, zone_name: str, start: int, allowed: str) -> int:
    """Return when something has to be done.

    Args:
        calendar: of the people who do it.
        zone_name: where they are.
        start: from when on, microseconds.
        allowed: `4 business hours`, `2 business days`, or a plain duration such as `24 hours`.

    Returns:
        The instant, microseconds. A business day counts from 9 to 17 o'clock; days end when the
        last of them ends.

    Raises:
        InputError: if `allowed` cannot be read.
    """
    from heptad.standards.time import parse_duration

    amount, business, unit = _allowed(allowed)
    if not business:
        return start + parse_duration(allowed)
    place = zone(zone_name)
    local = from_micros(start).astimezone(place)
    if unit == "day":
        day = calendar.next_business(local.date(), amount)
        return _at(day, CLOSES, place)
    return _hours_later(calendar, place, local, amount * 60)


def _hours_later(calendar: Calendar, place: Any, local: datetime, minutes: int) -> int:
    """Spend working minutes from a local time on."""
    day, spent = local.date(), local.hour * 60 + local.minute
    while True:
        if calendar.is_business(day):
            begins = max(spent, OPENS)
            if begins < CLOSES:
                if begins + minutes <= CLOSES:
                    return _at(day, begins + minutes, place)
                minutes -= CLOSES - begins
        day, spent = day + timedelta(days=1), 0


def _allowed(text: str) -> tuple[int, bool, str]:
    """Read an amount of business time."""
    parts = text.split()
    if len(parts) == 3 and parts[1] == "business" and parts[0].isdecimal():
        unit = parts[2].removesuffix("s")
        if unit in ("day", "hour") and 0 < int(parts[0]) <= 1000:
            return int(parts[0]), True, unit
    if "business" in parts:
        raise InputError(
            "Business time is a number of business hours or days.",
            got=text,
            do='write "4 business hours" or "2 business days"',
        )
    return 0, False, ""


def _at(day: date, minute_of_day: int, place: Any) -> int:
    wall = datetime(day.year, day.month, day.day, tzinfo=place)
    return micros(wall.replace(hour=minute_of_day // 60 % 24, minute=minute_of_day % 60))
