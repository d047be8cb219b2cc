# SPDX-License-Identifier: Apache-2.0
"""The work of outbox and schedule: what receivers were given, and which jobs were done."""

from __future__ import annotations

from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import outside
from workload import Work

from heptad.catalog.catalog import Catalog
from heptad.security.purposes import PURPOSES
from heptad.service.letters import Text
from heptad.service.outbox.addresses import Found
from heptad.service.outbox.carriers import Answer
from heptad.service.outbox.messages import Wanted
from heptad.service.outbox.sending import Outbox
from heptad.service.schedule.calendars import Calendars
from heptad.service.schedule.due import Schedules
from heptad.service.schedule.jobs import Jobs
from heptad.sources.work import Outbox as Settings
from heptad.sources.work import Provider, Schedule
from heptad.standards.time import FixedClock, hour

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from workload import Steps

START = 1_767_225_600_000_000
N = 5


def warm() -> None:
    """Let SQLAlchemy import what it imports at first use."""
    from importlib import import_module

    for name in ("alembic.command", "sqlalchemy.dialects.sqlite", "cronsim", "store_work"):
        import_module(name)


class OneKey:
    """A key store that touches no disk: the same key for everybody."""

    def of(self, subjects: list[str], create: bool = True, **_: Any) -> list[bytes]:
        return [bytes(32)] * len(subjects)

    def erasures(self, subjects: Any) -> dict[str, int]:
        return {}

    def pepper(self, name: str) -> bytes:
        return name.encode().ljust(32)


class Everybody:
    """A guard of a bank that writes for its contracts only."""

    purposes = PURPOSES


class Known:
    """Everybody is reached under their own name."""

    def find(self, messages: Any) -> Found:
        found = Found()
        found.wanted = {(m.subject, m.channel, m.purpose) for m in messages}
        for m in messages:
            found.addresses[m.subject, m.channel, m.purpose] = m.subject
        return found


class Receiver:
    """A provider whose own records lie outside of the machine that fails."""

    at_once = 2

    def __init__(self, name: str, deduplicates: bool) -> None:
        self.name, self.deduplicates = name, deduplicates

    def carry(self, parcels: Any) -> Iterator[Answer]:
        for parcel in parcels:
            there = [self.name, parcel.id] in outside.seen()
            if not (self.deduplicates and there):
                outside.saw([self.name, parcel.id])
            yield Answer("sent")


class OutboxWork(Work):
    """Messages planned and sent by a provider that knows them by their id, and by one that does not."""

    def prepare(self, home: Path) -> None:
        super().prepare(home)
        with Catalog(home / "catalog.sqlite", clock=FixedClock(START)):
            pass

    @contextmanager
    def open(self, home: Path, told: dict[str, Any]) -> Iterator[Outbox]:
        with Catalog(home / "catalog.sqlite", clock=FixedClock(START)) as catalog:
            yield Outbox(
                Settings(quiet=("", ""), caps=()),
                [Provider("push", "push", "webhook"), Provider("mail", "email", "smtp")],
                {"push": Receiver("push", True), "mail": Receiver("mail", False)},
                catalog=catalog, keys=OneKey(), guard=Everybody(), addresses=Known(),
                tick=lambda: 0, draw=lambda: 0.5,
            )  # fmt: skip

    def steps(self, store: Outbox) -> Steps:
        for n in range(N):
            yield f"plan {n}", lambda n=n: store.plan([wanted("email", n), wanted("push", n)])
            if n % 2:
                yield f"send {n}", lambda: self._sent(store)
        yield "send", lambda: self._sent(store)

    @staticmethod
    def _sent(outbox: Outbox) -> bool:
        outbox.send()
        return True

    def check(self, store: Outbox, told: dict[str, Any]) -> None:
        held = {m.id: m for m in store.recent(limit=1000)}
        for name, ids in told.items():
            if name.startswith("plan"):
                assert set(ids) <= held.keys(), (name, "a message was lost")
        given = Counter(map(tuple, outside.seen()))
        assert all(n == 1 for n in given.values()), f"sent twice: {given}"
        for provider, name in given:
            assert held[name].provider == provider
            assert held[name].status in ("sent", "sending", "uncertain", "waiting"), held[name]
            assert provider == "push" or held[name].status != "waiting", held[name]
        for m in held.values():
            if m.status == "sent":
                assert (m.provider, m.id) in given, f"told as sent, and never given: {m}"

    def end(self, store: Outbox) -> Any:
        """Each message has come to an end; where it was uncertain, it is counted."""
        found = store.recent(limit=1000)
        uncertain = [m for m in found if m.status == "uncertain"]
        assert {m.provider for m in uncertain} <= {"mail"}
        assert all(store.records.receipts(m.id)[-1]["event"] == "uncertain" for m in uncertain)
        assert all(m.status in ("sent", "uncertain") for m in found)
        missing = {m.id for m in found} - {name for _, name in outside.seen()}
        assert missing <= {m.id for m in uncertain}, "a message was lost"
        return sorted(m.id for m in found)


def wanted(channel: str, n: int) -> Wanted:
    """A message to somebody."""
    return Wanted(f"{channel} {n}", "app", f"Customer:{n}", (channel,), "service", Text("a", "b"))


class OutboxThatForgets(OutboxWork):
    """A planted fault: what was being handed over is sent again, whoever carries it."""

    @contextmanager
    def open(self, home: Path, told: dict[str, Any]) -> Iterator[Outbox]:
        with super().open(home, told) as outbox:
            outbox.carriers["mail"].deduplicates = True
            outbox.carriers["mail"].carry = lambda parcels: _careless("mail", parcels)
            yield outbox


def _careless(name: str, parcels: Any) -> Iterator[Answer]:
    for parcel in parcels:
        outside.saw([name, parcel.id])
        yield Answer("sent")


class ScheduleWork(Work):
    """Jobs due by the hour, each of which counts itself in the transaction of its one step."""

    def prepare(self, home: Path) -> None:
        super().prepare(home)
        with Catalog(home / "catalog.sqlite", clock=FixedClock(START)):
            pass

    @contextmanager
    def open(self, home: Path, told: dict[str, Any]) -> Iterator[Schedules]:
        clock = FixedClock(START)
        with Catalog(home / "catalog.sqlite", clock=clock) as catalog:

            def count(which: str, date: str) -> dict[str, Any]:
                name = f"ran {which} {date}"
                (run,) = [r for r in catalog.runs.recent(f"count:{which}") if r.status == "running"]
                if "count" not in run.steps:
                    with catalog.transaction():
                        catalog.settings.set(name, catalog.settings.get(name, 0) + 1)
                        catalog.runs.done(run.id, "count")
                return {"date": date}

            own = {"count": lambda which: (lambda date: count(which, date), ())}
            jobs = Jobs(None, {}, own, catalog, lambda _: None)
            plans = [Schedule(n, job=f"count:{n}", cron="0 6 * * *", since=START) for n in "ab"]
            yield Schedules(plans, catalog, Calendars(catalog.store), jobs, lambda: 0.5)

    def steps(self, store: Schedules) -> Steps:
        for n in range(3):
            yield f"due {n}", lambda n=n: self._due(store, n)

    @staticmethod
    def _due(schedules: Schedules, n: int) -> list[str]:
        schedules._clock.set(START + (24 * n + 7) * hour)
        schedules.run_due()
        left = [s for s in schedules.pending() if s.instant <= schedules._clock.now()]
        assert not [s for s in left if s.status == "failed"]
        return []

    def check(self, store: Schedules, told: dict[str, Any]) -> None:
        for name, value in store._catalog.settings.all().items():
            assert not name.startswith("ran ") or value == 1, f"{name}: {value} times"

    def end(self, store: Schedules) -> Any:
        store._clock.set(START + 4 * 24 * hour)
        for _ in range(6):
            store.run_due()
            if not store.pending():
                break
            store._clock.set(store._clock.now() + hour)
        assert store.pending() == []
        runs = store._catalog.runs.recent(limit=1000)
        assert {r.status for r in runs} == {"finished"}
        return sorted(n for n in store._catalog.settings.all() if n.startswith("ran "))
