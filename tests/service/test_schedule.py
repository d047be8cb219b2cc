# SPDX-License-Identifier: Apache-2.0
"""Schedules: nothing due is missed or done twice, whatever clocks, calendars and kills do."""

from __future__ import annotations

import itertools
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heptad.catalog import Catalog
from heptad.catalog.loads import Counts
from heptad.service.rules.files import read_rules
from heptad.service.schedule.calendars import Calendar, Calendars, due_after, known, parse
from heptad.service.schedule.due import Schedules
from heptad.service.schedule.jobs import Jobs
from heptad.service.schedule.slots import dates, slots, wait
from heptad.sources.config import parse_project
from heptad.sources.work import Schedule
from heptad.standards.errors import ContractError, InputError, UnknownName
from heptad.standards.model import Payment
from heptad.standards.time import (
    FixedClock,
    day,
    format_instant,
    hour,
    minute,
    parse_instant,
    second,
    zone,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

START = parse_instant("2026-03-01T00:00:00Z")
MADRID = "Europe/Madrid"
EVERY = Calendar()
ECB = parse("ECB", known("ECB", 2024, 2028))


def labels(schedule: Schedule, first: str, last: str, calendar: Calendar = EVERY) -> list[str]:
    found = slots(schedule, calendar, parse_instant(first), parse_instant(last))
    return [slot.label for slot in found]


def cron(text: str, place: str = MADRID, **more: Any) -> Schedule:
    return Schedule("s", job="work:x", cron=text, zone=place, **more)


class TestSlots:
    @pytest.mark.parametrize(
        ("expression", "first", "last", "found"),
        [
            ("30 2 * * *", "2026-03-28T12:00Z", "2026-03-30T12:00Z",
             ["2026-03-29T03:00+02:00", "2026-03-30T02:30+02:00"]),
            ("30 2 * * *", "2026-10-24T12:00Z", "2026-10-26T12:00Z",
             ["2026-10-25T02:30+02:00", "2026-10-26T02:30+01:00"]),
            ("0 * * * *", "2026-10-25T00:30Z", "2026-10-25T02:30Z",
             ["2026-10-25T02:00+01:00", "2026-10-25T03:00+01:00"]),
            ("15 2 29 2 *", "2026-01-01", "2033-01-01",
             ["2028-02-29T02:15+01:00", "2032-02-29T02:15+01:00"]),
        ],
    )  # fmt: skip
    def test_clocks_put_forward_and_back_and_the_leap_day(self, expression, first, last, found):
        assert labels(cron(expression), first, last) == found

    @given(
        expression=st.sampled_from(
            ["30 2 * * *", "*/20 1-3 * * *", "0 * * * *", "15 3 * * 1-5", "0 0 29 2 *", "5 2 1 * *"]
        ),
        place=st.sampled_from([MADRID, "America/New_York", "Asia/Shanghai", "Australia/Lord_Howe"]),
        start=st.integers(0, 800 * 24 * 60),
        cuts=st.lists(st.integers(0, 20 * 24 * 60), max_size=6),
    )
    def test_planned_in_pieces_it_is_the_same_as_at_once(self, expression, place, start, cuts):
        schedule, begin = cron(expression, place), START - 60 * day + start * minute
        marks = [begin, *sorted(begin + c * minute for c in cuts), begin + 20 * day]
        pieces = [
            slot for a, b in itertools.pairwise(marks) for slot in slots(schedule, Calendar(), a, b)
        ]
        whole = list(slots(schedule, Calendar(), begin, marks[-1]))
        assert pieces == whole
        assert len({s.label for s in whole}) == len(whole)
        assert len({(s.date, s.key) for s in whole}) == len(whole)
        assert [s.instant for s in whole] == sorted({s.instant for s in whole})

    def test_a_time_of_day_comes_once_each_day(self):
        schedule = Schedule("s", table="Payment", by="02:30", zone=MADRID)
        found = labels(schedule, "2026-03-27", "2026-03-31")
        assert found == ["2026-03-27T02:30+01:00", "2026-03-28T02:30+01:00",
                         "2026-03-29T03:30+02:00", "2026-03-30T02:30+02:00"]  # fmt: skip

    def test_business_days_only(self):
        schedule = Schedule("s", table="Payment", by="06:00", zone=MADRID)
        found = labels(schedule, "2026-04-02T12:00Z", "2026-04-08", ECB)
        assert [label[:10] for label in found] == ["2026-04-07"]


class TestCalendars:
    @pytest.mark.parametrize("name", ["ECB", "CN", "US", "NYSE"])
    def test_rules_count_the_days_that_schedules_do(self, name):
        own = parse(name, known(name, 2025, 2027))
        text = (
            f"rules: days\nversion: 1\non: Payment\ncalendars:\n  {own.written()}\ndo:\n- code: OPEN\n"
            f"  when: {{business: [{{date: [{{column: event_time}}, UTC]}}, {name}]}}\n"
        )
        rules = read_rules(text, {"Payment": Payment}, {}, name="days.yaml").rules
        days = [date(2025, 1, 1) + timedelta(n) for n in range(3 * 365)]
        at = [parse_instant(f"{day_.isoformat()}T12:00Z") for day_ in days]
        told = [bool(rules.fired({"event_time": t})) for t in at]
        assert told == [own.is_business(d) for d in days]

    def test_china_works_on_some_weekends(self):
        china = parse("CN", known("CN", 2025, 2025))
        assert china.is_business(date(2025, 1, 26))
        assert not china.is_business(date(2025, 1, 28))
        assert not china.is_business(date(2025, 2, 15))

    @given(st.dates(date(2024, 1, 2), date(2028, 11, 1)), st.integers(1, 15))
    def test_the_nth_business_day_counts_business_days(self, start, n):
        end = ECB.next_business(start, n)
        span = (start + timedelta(days=k) for k in range(1, (end - start).days + 1))
        assert sum(map(ECB.is_business, span)) == n
        assert ECB.is_business(end)

    @given(
        st.integers(0, 800 * 24 * 60), st.integers(1, 30),
        st.sampled_from([MADRID, "America/New_York"]),
    )  # fmt: skip
    def test_business_hours_are_counted_minute_by_minute(self, start, hours, place):
        begin = START - 400 * day + start * minute
        end = due_after(ECB, place, begin, f"{hours} business hours")
        there, step = zone(place), 10 * minute
        worked, at = 0, -(-begin // step) * step
        while at < end:
            local = datetime.fromtimestamp(at / 1e6, UTC).astimezone(there)
            worked += ECB.is_business(local.date()) and 9 <= local.hour < 17
            at += step
        assert abs(worked * step - hours * hour) <= step
        local = datetime.fromtimestamp(end / 1e6, UTC).astimezone(there)
        assert ECB.is_business(local.date())
        assert 9 * 60 < local.hour * 60 + local.minute <= 17 * 60

    def test_days_are_kept_in_versions(self, tmp_path: Path):
        clock = FixedClock(START)
        catalog = Catalog(tmp_path / "c.sqlite", clock=clock)
        calendars = Calendars(catalog.store)
        first = calendars.get("ECB")
        days = first.to_dict() | {
            "holidays": first.to_dict()["holidays"] | {"2026-03-02": "Strike"}
        }
        clock.set(START + day)
        second = calendars.keep("ECB", days)
        assert calendars.get("ECB") == second
        assert not second.is_business(date(2026, 3, 2))
        assert calendars.titled(first.title).is_business(date(2026, 3, 2))
        assert calendars.keep("ECB", days) == second
        assert [c["version"] for c in calendars.all()] == [second.version, first.version]
        assert calendars.keep("ECB", first.to_dict()) == first == calendars.get("ECB")
        with pytest.raises(UnknownName, match="no calendar 'EBC'"):
            calendars.get("EBC")
        with pytest.raises(ContractError, match="says nothing of 2040"):
            first.is_business(date(2040, 1, 1))
        with pytest.raises(InputError, match="no calendar"):
            calendars.keep("mine", {"years": [2026]})


class World:
    """A project's catalog, a clock, and a job that remembers for which slots it was done."""

    def __init__(self, folder: Path, *schedules: Schedule, start: int = START) -> None:
        self.clock = FixedClock(start)
        self.path, self.schedules = folder / "catalog.sqlite", schedules
        self.ran: list[str] = []
        self.work: Callable[[str], dict[str, Any]] = self._note
        self.open()

    def open(self) -> Schedules:
        """Open it, as a new process would after the last one died."""
        self.catalog = Catalog(self.path, clock=self.clock)
        own = {"work": lambda _: (self.work, ())}
        jobs = Jobs(None, {}, own, self.catalog, lambda _: None)
        calendars = Calendars(self.catalog.store)
        self.due = Schedules(self.schedules, self.catalog, calendars, jobs, lambda: 0.5)
        return self.due

    def at(self, instant: int, workers: int = 1) -> list[dict[str, Any]]:
        self.clock.set(instant)
        return self.due.run_due(workers=workers)

    def _note(self, date: str) -> dict[str, Any]:
        self.ran.append(date)
        return {"done": date}

    def load(self, table: str = "Payment") -> None:
        load = self.catalog.loads.begin("files", table).id
        self.catalog.loads.staged(load, Counts(read=1, accepted=1))
        self.catalog.loads.committed(load, None)


class TestDoing:
    def test_each_slot_is_done_once_and_a_run_by_hand_is_the_same_run(self, tmp_path):
        world = World(tmp_path, cron("0 6 * * *", "UTC"))
        assert world.at(START) == []
        assert [d["label"] for d in world.at(START + 2 * day)] == [
            "2026-03-01T06:00+00:00", "2026-03-02T06:00+00:00"]  # fmt: skip
        assert world.ran == ["2026-03-01", "2026-03-02"]
        assert world.at(START + 2 * day) == []
        world.due._jobs.run("work:x", "2026-03-03")
        (done,) = world.at(START + 3 * day)
        assert done["status"] == "done"
        assert world.ran == ["2026-03-01", "2026-03-02", "2026-03-03"]

    @pytest.mark.parametrize(
        "offsets", [[-hour] * 3, [3 * day, 0, 0], [3 * day, -hour, 3 * day, 0], [0, -hour, 0]]
    )
    def test_steps_of_the_clock(self, tmp_path, offsets):
        world = World(tmp_path, cron("*/30 * * * *", MADRID))
        world.at(START)
        for n in range(1, 6 * 24):
            off = offsets[n // 4 % len(offsets)] if n < 30 else 0
            world.at(START + n * hour + off)
        end = START + (6 * 24 - 1) * hour
        done = [r.date + r.key for r in world.catalog.runs.recent(limit=10_000)]
        wanted = list(slots(world.schedules[0], Calendar(), START, end))
        assert len(set(done)) == len(done)
        assert {s.date + s.key for s in wanted} == set(done)
        assert world.due.pending() == []

    def test_what_a_dead_process_was_at_is_done_by_the_next_one(self, tmp_path):
        world = World(tmp_path, cron("0 6 * * *", "UTC"))
        world.at(START)

        def die(date: str) -> dict[str, Any]:
            world.ran.append(f"died {date}")
            raise KeyboardInterrupt

        world.work = die
        with pytest.raises(KeyboardInterrupt):
            world.at(START + day)
        assert [s.status for s in world.due.pending()] == ["running"]
        world.work = world._note
        world.open()
        (done,) = world.at(START + day)
        run = world.catalog.runs.get(done["run"])
        assert (run.status, run.attempt, run.result) == ("finished", 2, {"done": "2026-03-01"})
        assert world.ran == ["died 2026-03-01", "2026-03-01"]

    def test_a_run_that_finished_before_its_slot_is_answered_not_done_again(self, tmp_path):
        world = World(tmp_path, cron("0 6 * * *", "UTC"))
        world.at(START)
        world.due.plan()
        world.clock.set(START + day)
        world.due._jobs.run("work:x", "2026-03-01")
        (done,) = world.at(START + day)
        assert world.catalog.runs.get(done["run"]).attempt == 1
        assert world.ran == ["2026-03-01"]

    def test_retries_back_off_then_fail_with_an_alarm_and_can_be_tried_again(self, tmp_path):
        world = World(tmp_path, cron("0 6 * * *", "UTC", retries=2))
        world.at(START)

        def broken(date: str) -> dict[str, Any]:
            world.ran.append(date)
            raise OSError("no route")

        world.work = broken
        at = START + 7 * hour
        waits = []
        for _ in range(3):
            (told,) = world.at(at)
            slot = world.due.get("s", "2026-03-01T06:00+00:00")
            waits.append(slot.next - at)
            assert world.at(at + 1) == []
            at = max(slot.next, at + 1)
        assert (told["status"], len(world.ran)) == ("failed", 3)
        assert waits[:2] == [wait(minute, 1, lambda: 0.5), wait(minute, 2, lambda: 0.5)]
        (alarm,) = world.due.alarms()
        assert (alarm["says"], alarm["ended"]) == ("OSError: no route", None)
        world.work = world._note
        world.due.retry("s", "2026-03-01T06:00+00:00")
        assert [d["status"] for d in world.at(at)] == ["done"]
        assert world.due.alarms()[0]["ended"] is not None

    def test_a_retry_set_by_a_clock_that_was_ahead_is_not_waited_for(self, tmp_path):
        world = World(tmp_path, cron("0 6 * * *", "UTC", backoff=hour))
        world.at(START)
        world.work = lambda date: 1 / 0
        world.at(START + 33 * day)
        world.work = world._note
        world.at(START + day)
        assert len(world.ran) == 33

    @pytest.mark.parametrize("limit", [1, 2])
    def test_a_group_runs_no_more_at_once_than_its_limit(self, tmp_path, limit):
        import threading

        names = [Schedule(f"s{n}", job=f"work:{n}", cron="0 6 * * *", group="night", limit=limit)
                 for n in range(4)]  # fmt: skip
        world = World(tmp_path, *names)
        world.at(START)
        now, most, lock = [0], [0], threading.Lock()
        meet = threading.Barrier(limit)

        def count(date: str) -> dict[str, Any]:
            with lock:
                now[0] += 1
                most[0] = max(most[0], now[0])
            meet.wait(20)
            with lock:
                now[0] -= 1
            return {}

        world.work = count
        for _ in range(4):
            world.at(START + day, workers=4)
        assert world.due.pending() == []
        assert most[0] == limit

    def test_a_late_file_raises_an_alarm_until_it_comes(self, tmp_path):
        watch = Schedule("fresh", table="Payment", by="06:00", calendar="ECB", zone=MADRID)
        world = World(tmp_path, watch, start=parse_instant("2026-04-01T12:00Z"))
        world.at(world.clock.now())
        world.load()
        (told,) = world.at(parse_instant("2026-04-02T06:00Z"))
        assert told["status"] == "done"
        # Good Friday, the weekend and Easter Monday are no business days: Tuesday is next.
        assert world.at(parse_instant("2026-04-06T20:00Z")) == []
        (told,) = world.at(parse_instant("2026-04-07T04:30Z"))
        assert (told["status"], told["label"]) == ("due", "2026-04-07T06:00+02:00")
        assert "no rows since 2026-04-02T04:00:00Z" in world.due.alarms()[0]["says"]
        world.at(parse_instant("2026-04-07T05:30Z"))
        assert len(world.due.alarms()) == 1
        world.load()
        (told,) = world.at(parse_instant("2026-04-07T08:00Z"))
        assert told["status"] == "done"
        assert world.due.alarms()[0]["ended"] is not None

    def test_a_look_that_finds_nothing_due_writes_nothing(self, tmp_path, monkeypatch):
        world = World(tmp_path, cron("0 6 * * *", "UTC"))
        world.at(START)
        world.at(START + 7 * hour)
        store, writes = world.catalog.store, []
        write = store.write
        monkeypatch.setattr(store, "write", lambda: (writes.append(1), write())[1])
        for n in range(60):
            assert world.at(START + 7 * hour + n * second) == []
        assert writes == []
        for n in range(60):
            world.at(START + 8 * hour + n * minute)
        assert 0 < len(writes) <= 7
        (done,) = world.at(START + 30 * hour)
        assert done["label"] == "2026-03-02T06:00+00:00"

    def test_a_schedule_that_was_changed_counts_from_about_when_it_was_last_looked_at(
        self, tmp_path
    ):
        world = World(tmp_path, cron("0 6 * * *", "UTC"))
        for n in range(10):
            world.at(START + 7 * hour + n * minute)
        world.schedules = (cron("30 6 * * *", "UTC"),)
        world.open()
        assert world.at(START + 7 * hour + 11 * minute) == []
        world.schedules = (cron("20 7 * * *", "UTC"),)
        world.open()
        (done,) = world.at(START + 9 * hour)
        assert done["label"] == "2026-03-01T07:20+00:00"

    def test_a_first_sight_makes_nothing_due_before_it_but_since_does(self, tmp_path):
        world = World(tmp_path, cron("0 6 * * *", "UTC", since=START - 3 * day))
        assert len(world.at(START)) == 3


class TestJobs:
    def test_a_correction_names_the_runs_that_read_what_it_corrected(self, tmp_path):
        from heptad.standards.model import Payment

        catalog, version = Catalog(tmp_path / "c.sqlite", clock=FixedClock(START)), [3]
        jobs = Jobs(None, {}, {"sum": lambda _: (lambda d: {"of": d}, (Payment,))}, catalog,
                    lambda _: version[0])  # fmt: skip
        jobs.run("sum:a", "2026-03-01")
        jobs.run("sum:a", "2026-03-02")
        version[0] = 4
        jobs.run("sum:a", "2026-03-03")
        assert [r.date for r in jobs.touched("Payment", 4)] == ["2026-03-01", "2026-03-02"]
        jobs.run("sum:a", "2026-03-01", "again 7")
        assert [r.date for r in jobs.touched("Payment", 4)] == ["2026-03-02"]
        assert jobs.touched("Transfer", 4) == []


def test_dates_of_a_back_fill():
    assert dates("2026-04-02", "2026-04-08", ECB) == ["2026-04-02", "2026-04-07", "2026-04-08"]
    assert len(dates("2028-02-28", "2028-03-01", Calendar())) == 3
    with pytest.raises(InputError, match="first date"):
        dates("2026-04-02", "2026-04-01", ECB)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('[[schedule]]\njob = "outbox"\ncron = "61 * * * *"', "no cron expression"),
        ('[[schedule]]\njob = "outbox"', "either cron or by"),
        ('[[schedule]]\nname = "x"\nby = "06:00"', "names no table"),
        ('[[schedule]]\nname = "x"\nby = "6am"\ntable = "Payment"', "HH:MM"),
        ('[[schedule]]\njob = "outbox"\ncron = "* * * * *"\nzone = "Mars/Base"', "IANA"),
        ('[[schedule]]\njob = "a"\ncron = "* * * * *"\nretry = 3', "retries"),
    ],
)
def test_mistakes_in_the_project_file(tmp_path, text, says):
    with pytest.raises(InputError) as refused:
        parse_project(text, tmp_path)
    assert says in str(refused.value.to_dict())


def test_a_schedule_in_the_project_file(tmp_path):
    text = '[[schedule]]\njob = "load:cards"\ncron = "30 6 * * 1-5"\nzone = "Europe/Madrid"\n'
    (found,) = parse_project(text + 'calendar = "ECB"\nbackoff = "2 min"', tmp_path).schedules
    assert (found.name, found.backoff, found.calendar) == ("load.cards", 2 * minute, "ECB")
    assert format_instant(START) == "2026-03-01T00:00:00Z"
