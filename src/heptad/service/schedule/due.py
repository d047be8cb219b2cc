# SPDX-License-Identifier: Apache-2.0
"""The schedules of a project: slots planned once and done once, whoever is killed in between."""

from __future__ import annotations

import logging
import random
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, Literal

from sqlalchemy import bindparam, func, insert, select, update

from heptad.catalog.inserts import upsert
from heptad.catalog.worktables import AlarmRow, ScheduleRow, SlotRow
from heptad.service.schedule.slots import MOST, Slot, definition, slots, wait
from heptad.standards.errors import Busy, HeptadError, UnknownName, suggest
from heptad.standards.time import day, format_instant, from_micros, minute

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy import Connection

    from heptad.catalog import Catalog
    from heptad.service.schedule.calendars import Calendar, Calendars
    from heptad.service.schedule.jobs import Jobs
    from heptad.sources.work import Schedule

_LOG = logging.getLogger("heptad.schedule")
Status = Literal["due", "running", "done", "failed"]
IDLE = 10 * minute
"""How far the plan of a schedule that has nothing due may lie behind the clock before it is moved."""
LONGEST = day
"""A retry that lies further ahead than this was set by a clock that has since been put right."""


@dataclass(frozen=True, slots=True)
class Due:
    """A slot as it stands; see `SlotRow`."""

    schedule: str
    label: str
    instant: int
    date: str
    key: str
    calendar: str
    status: Status
    attempts: int
    next: int
    owner: str
    run: int | None
    error: str | None


class Schedules:
    """Plans what is due and does it.

    A slot is planned by the same transaction that moves the plan's end behind it, and is done by
    the same transaction that finishes its run. What a dead process was at is due again: its run
    goes on from its checkpoints, or answers what it came to.

    Args:
        schedules: as the project file has them.
        catalog: records slots, runs and loads.
        calendars: say which days are business days.
        jobs: what can be run.
        draw: numbers in [0, 1) for jitter.
    """

    def __init__(
        self,
        schedules: Sequence[Schedule],
        catalog: Catalog,
        calendars: Calendars,
        jobs: Jobs,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self.schedules = {s.name: s for s in schedules}
        self._catalog, self._store, self._clock = catalog, catalog.store, catalog.store.clock
        self._calendars, self._jobs, self._draw = calendars, jobs, draw
        self._lock = threading.Lock()

    def plan(self) -> int:
        """Plan every slot up to now; return how many became due."""
        return sum(self._plan(schedule) for schedule in self.schedules.values())

    def run_due(
        self, stopped: threading.Event | None = None, *, workers: int = 1
    ) -> list[dict[str, Any]]:
        """Plan, and do all that is due, at most `workers` at once and within each group's limit.

        Args:
            stopped: nothing more is begun once it is set.
            workers: threads.

        Returns:
            What was done, in the order of its end: schedule, label, status, run, error.
        """
        self.plan()
        self._take_over()
        done: list[dict[str, Any]] = []
        tried: set[tuple[str, str]] = set()
        with ThreadPoolExecutor(workers, "schedule") as pool:
            stopped = stopped or threading.Event()
            for worker in [pool.submit(self._drain, tried, done, stopped) for _ in range(workers)]:
                worker.result()
        return done

    def _drain(
        self, tried: set[tuple[str, str]], done: list[dict[str, Any]], stopped: threading.Event
    ) -> None:
        """Do one slot after the other until none is left that may be started."""
        while not stopped.is_set() and (slot := self._take(tried)) is not None:
            ended = self._do(slot)
            with self._lock:
                done.append(ended)

    def pending(self, limit: int = 100) -> list[Due]:
        """Return slots that are not done, the oldest first."""
        wanted = _SLOTS.where(SlotRow.status != "done").order_by(SlotRow.instant).limit(limit)
        with self._store.read() as connection:
            return [Due(*row) for row in connection.execute(wanted)]

    def get(self, schedule: str, label: str) -> Due:
        """Return one slot.

        Raises:
            UnknownName: if it was never planned.
        """
        wanted = _SLOTS.where(SlotRow.schedule == schedule, SlotRow.label == label)
        with self._store.read() as connection:
            row = connection.execute(wanted).first()
        if row is None:
            raise UnknownName("Nothing was planned then.", got=f"{schedule} {label}")
        return Due(*row)

    def alarms(self, limit: int = 100) -> list[dict[str, Any]]:
        """Return alarms, those that go on first, then the last ones."""
        wanted = (
            select(AlarmRow.id, AlarmRow.name, AlarmRow.label, AlarmRow.says, AlarmRow.raised,
                   AlarmRow.ended)
            .order_by(AlarmRow.ended.is_not(None), AlarmRow.id.desc()).limit(limit)
        )  # fmt: skip
        with self._store.read() as connection:
            return [dict(row._mapping) for row in connection.execute(wanted)]

    def overview(self) -> list[dict[str, Any]]:
        """Say of each schedule when it is due next and how its slots stand."""
        counted = select(SlotRow.schedule, SlotRow.status, func.count())
        with self._store.read() as connection:
            counts: dict[str, Counter[str]] = {}
            for name, status, n in connection.execute(
                counted.group_by(SlotRow.schedule, SlotRow.status)
            ):
                counts.setdefault(name, Counter())[status] = n
        return [self._told(s, counts.get(s.name, Counter())) for s in self.schedules.values()]

    def retry(self, schedule: str, label: str) -> None:
        """Let a slot that failed be tried again."""
        self.get(schedule, label)
        now = self._clock.now()
        with self._store.write() as connection:
            where = (SlotRow.schedule == schedule, SlotRow.label == label)
            again = update(SlotRow).where(*where, SlotRow.status == "failed")
            connection.execute(again.values(status="due", next=now, attempts=0))

    def _told(self, schedule: Schedule, counts: Counter[str]) -> dict[str, Any]:
        calendar = self._calendar(schedule)
        ahead = slots(schedule, calendar, self._clock.now(), self._clock.now() + 400 * day)
        coming = next(ahead, None)
        return {
            "name": schedule.name,
            "job": schedule.job,
            "when": schedule.cron or f"{schedule.table} by {schedule.by}",
            "zone": schedule.zone,
            "calendar": calendar.title,
            "next": coming.label if coming else None,
            **{status: counts[status] for status in ("due", "running", "done", "failed")},
        }

    def _calendar(self, schedule: Schedule) -> Calendar:
        """Return the calendar of a schedule, renewed when its years run out."""
        calendar = self._calendars.get(schedule.calendar)
        year = from_micros(self._clock.now()).year
        if calendar.version and calendar.years[1] <= year + 1:
            calendar = self._calendars.renew(schedule.calendar)
        return calendar

    def _plan(self, schedule: Schedule) -> int:
        """Plan one schedule; the slots and how far it is planned become durable together."""
        now, calendar = self._clock.now(), self._calendar(schedule)
        mine = {"mine": schedule.name}
        with self._store.read() as connection:
            row = connection.execute(_PLANNED, mine).first()
        if row is not None and row.definition == definition(schedule):
            due = next(slots(schedule, calendar, row.planned, now), None)
            if due is None and now - row.planned < IDLE:
                return 0
        with self._store.write() as connection:
            planned = connection.execute(_PLANNED, mine).scalar()
            if planned is None:
                planned = now if schedule.since is None else schedule.since - 1
            found = list(islice(slots(schedule, calendar, planned, now), MOST))
            end = found[-1].instant if len(found) == MOST else max(planned, now)
            rows = [_row(schedule.name, slot, calendar.title) for slot in found]
            upsert(connection, SlotRow, rows)
            line = {"name": schedule.name, "planned": end, "definition": definition(schedule)}
            upsert(connection, ScheduleRow, [line], update=("planned", "definition"))
        return len(found)

    def _take_over(self) -> None:
        """Make due what a process was at that is no more: a project has one process at a time."""
        mine = {"mine": self._store.epoch}
        with self._store.read() as connection:
            if connection.execute(_FIRST_LOST, mine).first() is None:
                return
        with self._store.write() as connection:
            connection.execute(update(SlotRow).where(*_LOST).values(status="due"), mine)

    def _take(self, tried: set[tuple[str, str]]) -> Due | None:
        """Take the oldest slot that is due and whose group has room."""
        now = self._clock.now()
        asked = {"now": now, "ahead": now + LONGEST}
        with self._store.read() as connection:
            if connection.execute(_FIRST_READY, asked).first() is None:
                return None
        with self._lock, self._store.write() as connection:
            busy = self._busy(connection)
            for row in connection.execute(_READY.limit(1000), asked):
                slot = Due(*row)
                schedule = self.schedules.get(slot.schedule)
                which = (slot.schedule, slot.label)
                if schedule is None or which in tried or busy[_group(schedule)] >= schedule.limit:
                    continue
                tried.add(which)
                self._set(connection, slot, status="running", owner=self._store.epoch)
                return slot
        return None

    def _busy(self, connection: Connection) -> Counter[str]:
        """Count what runs, by group."""
        running = select(SlotRow.schedule).where(SlotRow.status == "running")
        names = connection.execute(running).scalars()
        return Counter(_group(self.schedules[n]) for n in names if n in self.schedules)

    def _do(self, slot: Due) -> dict[str, Any]:
        """Do one slot, and record what came of it."""
        schedule = self.schedules[slot.schedule]
        told: dict[str, Any] = {"schedule": slot.schedule, "label": slot.label}
        try:
            run = self._run(schedule, slot)
        except Busy as error:
            self._later(slot, self._clock.now() + schedule.backoff, error.what, slot.attempts)
            return told | {"status": "due", "error": error.what}
        except Exception as error:  # noqa: BLE001 - a job may fail in any way; it is told, and tried again
            return told | self._failed(schedule, slot, error)
        return told | {"status": "done", "run": run, "error": None}

    def _run(self, schedule: Schedule, slot: Due) -> int | None:
        """Run a slot's job, and see whether its table is fresh."""
        number: int | None = None
        if schedule.table:
            if schedule.job:
                key = f"{slot.key} attempt {slot.attempts + 1}".strip()
                number = self._jobs.run(schedule.job, slot.date, key).id
            self._fresh(schedule, slot)
            with self._store.write() as connection:
                self._done(connection, slot, number)
            return number

        def finished(run: Any) -> None:
            with self._store.write() as connection:
                self._done(connection, slot, run.id)

        return self._jobs.run(schedule.job, slot.date, slot.key, finished).id

    def _fresh(self, schedule: Schedule, slot: Due) -> None:
        """Look whether a table has brought rows since the deadline before this one.

        Raises:
            Late: if it has not.
        """
        calendar = self._calendars.titled(slot.calendar)
        before = [
            s.instant for s in slots(schedule, calendar, slot.instant - 30 * day, slot.instant - 1)
        ]
        since = before[-1] if before else slot.instant - day
        loads = self._catalog.loads.recent(schedule.table, status="committed", limit=20)
        if not any(load.arrival > since and load.counts.accepted for load in loads):
            raise Late(
                f"{schedule.table} has brought no rows since {format_instant(since)}.",
                got=f"due by {slot.label}",
                do=f"look for the file; load it with `heptad load {schedule.table}`",
            )

    def _failed(self, schedule: Schedule, slot: Due, error: Exception) -> dict[str, Any]:
        """Let a slot be tried again later, or give it up and raise an alarm."""
        late, now = isinstance(error, Late), self._clock.now()
        says = error.what if isinstance(error, HeptadError) else f"{type(error).__name__}: {error}"
        attempts = slot.attempts + 1
        if late or attempts > schedule.retries:
            self._alarm(slot, says)
        if late or attempts <= schedule.retries:
            pause = wait(schedule.backoff, min(attempts, 10), self._draw)
            self._later(slot, now + pause, says, attempts)
            return {"status": "due", "error": says}
        _LOG.warning("%s %s failed: %s", slot.schedule, slot.label, says)
        with self._store.write() as connection:
            self._set(connection, slot, status="failed", error=says, attempts=attempts)
        return {"status": "failed", "error": says}

    def _later(self, slot: Due, instant: int, says: str, attempts: int) -> None:
        with self._store.write() as connection:
            self._set(connection, slot, status="due", next=instant, error=says, attempts=attempts)

    def _done(self, connection: Connection, slot: Due, run: int | None) -> None:
        self._set(connection, slot, status="done", run=run, error=None, attempts=slot.attempts + 1)
        over = update(AlarmRow).where(AlarmRow.name == slot.schedule, AlarmRow.ended.is_(None))
        mine = over.where(AlarmRow.label == slot.label)
        connection.execute(mine.values(ended=self._clock.now()))

    def _alarm(self, slot: Due, says: str) -> None:
        """Raise an alarm, once for a slot."""
        row = {"name": slot.schedule, "label": slot.label, "says": says}
        with self._store.write() as connection:
            there = select(AlarmRow.id).where(
                AlarmRow.name == slot.schedule, AlarmRow.label == slot.label
            )
            if connection.execute(there).first() is None:
                connection.execute(insert(AlarmRow), row | {"raised": self._clock.now()})

    @staticmethod
    def _set(connection: Connection, slot: Due, **values: Any) -> None:
        where = (SlotRow.schedule == slot.schedule, SlotRow.label == slot.label)
        connection.execute(update(SlotRow).where(*where).values(**values))

    def schedule(self, name: str) -> Schedule:
        """Find a schedule.

        Raises:
            UnknownName: if there is none of that name.
        """
        if name not in self.schedules:
            raise UnknownName(
                f"There is no schedule {name!r}.", got=name, do=suggest(name, self.schedules)
            )
        return self.schedules[name]


class Late(HeptadError):
    """A table did not bring rows by the time it should have."""

    code, status, exit = "late", 409, 7


_SLOTS = select(*(getattr(SlotRow, name) for name in Due.__slots__))
# Written once: to write a statement anew costs more than to run it.
_LOST = (SlotRow.status == "running", SlotRow.owner != bindparam("mine"))
_FIRST_LOST = select(SlotRow.label).where(*_LOST).limit(1)
_READY = _SLOTS.where(
    SlotRow.status == "due",
    (SlotRow.next <= bindparam("now")) | (SlotRow.next > bindparam("ahead")),
).order_by(SlotRow.instant)
_FIRST_READY = _READY.limit(1)
_PLANNED = select(ScheduleRow.planned, ScheduleRow.definition).where(
    ScheduleRow.name == bindparam("mine")
)


def _group(schedule: Schedule) -> str:
    return schedule.group or schedule.job or schedule.name


def _row(schedule: str, slot: Slot, calendar: str) -> dict[str, Any]:
    return {
        "schedule": schedule, "label": slot.label, "instant": slot.instant, "date": slot.date,
        "key": slot.key, "calendar": calendar, "status": "due", "attempts": 0,
        "next": slot.instant, "owner": "", "run": None, "error": None,
    }  # fmt: skip
