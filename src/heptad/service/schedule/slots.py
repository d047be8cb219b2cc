# SPDX-License-Identifier: Apache-2.0
"""When things are due: the slots of a schedule, each named by its local time, whatever clocks do."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from heptad.catalog.schema import dumps
from heptad.standards.time import day, from_micros, micros, minute, zone

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from zoneinfo import ZoneInfo

    from heptad.service.schedule.calendars import Calendar
    from heptad.sources.work import Schedule

MOST = 10_000
"""Slots planned in one go; the rest come with the next one."""


@dataclass(frozen=True, slots=True)
class Slot:
    """One time at which something is due.

    Attributes:
        label: local time with its offset, `2026-10-25T02:30+02:00`: one name, one slot.
        instant: microseconds, UTC.
        date: local date, for which the job is run.
        key: tells runs of one date apart; "" where the schedule is due at most once a day, so
            that a run by hand or a back-fill of that date is the same run.
    """

    label: str
    instant: int
    date: str
    key: str


def definition(schedule: Schedule) -> str:
    """Return a hash of what decides when a schedule is due."""
    said = {n: v for n, v in asdict(schedule).items() if n in ("cron", "by", "zone", "calendar")}
    return hashlib.sha256(dumps(said).encode()).hexdigest()[:12]


def slots(schedule: Schedule, calendar: Calendar, after: int, until: int) -> Iterator[Slot]:
    """Yield the slots with after < instant <= until, in order.

    A local time that a change of the clocks leaves out is due when the clocks have been put
    forward; one that comes twice is due the first time, unless the hour is a `*` or a list.

    Args:
        schedule: what is due when.
        calendar: its business days.
        after: microseconds.
        until: microseconds.
    """
    place = zone(schedule.zone)
    found = (
        _cron(schedule.cron, place, after) if schedule.cron else _daily(schedule.by, place, after)
    )
    once = bool(schedule.by) or _once_a_day(schedule.cron)
    for wall in found:
        at = micros(wall)
        if at > until:
            return
        if at > after and calendar.is_business(wall.date()):
            label = wall.isoformat(timespec="minutes")
            yield Slot(label, at, wall.date().isoformat(), "" if once else label[11:])


def _once_a_day(cron: str) -> bool:
    """Whether a cron expression names one minute of one hour."""
    first, second = cron.split()[:2]
    return first.isdecimal() and second.isdecimal()


def _cron(cron: str, place: ZoneInfo, after: int) -> Iterator[datetime]:
    """Yield the local times of a cron expression from an instant on."""
    from cronsim import CronSim

    local = from_micros(after).astimezone(place)
    before = None
    for wall in CronSim(cron, local.replace(microsecond=0)):
        if before is None or micros(wall) > before:
            before = micros(wall)
            yield wall


def _daily(by: str, place: ZoneInfo, after: int) -> Iterator[datetime]:
    """Yield a time of day, day by day; where the clocks leave it out, the time they are put to."""
    hours, minutes = map(int, by.split(":"))
    date = from_micros(after - day).astimezone(place).date()
    while True:
        wall = datetime(date.year, date.month, date.day, hours, minutes, tzinfo=place)
        yield from_micros(micros(wall)).astimezone(place)
        date += timedelta(days=1)


def dates(first: str, last: str, calendar: Calendar) -> list[str]:
    """Return the dates of a back-fill, both ends included.

    Raises:
        InputError: if one of them is no date, or they are in the wrong order, or too many.
    """
    from heptad.standards.errors import InputError

    try:
        start, end = (datetime.fromisoformat(text).date() for text in (first, last))
    except ValueError as error:
        raise InputError(
            "A date is YYYY-MM-DD.", got=f"{first} … {last}", do="2026-03-01"
        ) from error
    if not start <= end <= start + timedelta(days=MOST):
        raise InputError("The first date comes before the last.", got=f"{first} … {last}")
    span = (start + timedelta(days=n) for n in range((end - start).days + 1))
    return [one.isoformat() for one in span if calendar.is_business(one)]


def wait(backoff: int, attempt: int, draw: Callable[[], float] | None = None) -> int:
    """Return how long to wait before the next attempt, microseconds.

    Args:
        backoff: before the second attempt; doubled each time, at most a day.
        attempt: how many there were, from 1.
        draw: gives a number in [0, 1); the wait is then between half of it and all.
    """
    whole = min(backoff << min(attempt - 1, 30), 24 * 60 * minute)
    return whole if draw is None else whole // 2 + int(draw() * (whole - whole // 2))
