# SPDX-License-Identifier: Apache-2.0
"""What happens between a decision and the world: schedule, cases and outbox of one project."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

from heptad.service.cases.evidence import Evidence
from heptad.service.cases.handling import Cases
from heptad.service.cases.resuming import Resuming
from heptad.service.decisions.deciding import answer
from heptad.service.flows.shadow import Shadows
from heptad.service.following import Following
from heptad.service.outbox.addresses import Addresses
from heptad.service.outbox.carriers import carriers
from heptad.service.outbox.records import Records
from heptad.service.outbox.sending import Outbox
from heptad.service.schedule.calendars import Calendars
from heptad.service.schedule.due import Schedules
from heptad.service.schedule.jobs import Jobs
from heptad.service.stream.publishing import Publishing
from heptad.sources.config import revealed
from heptad.sources.work import Provider
from heptad.standards.errors import Busy

if TYPE_CHECKING:
    from collections.abc import Mapping

    from heptad.service.schedule.jobs import Plan

IN_APP = Provider("inbox", "inbox", "inbox")
"""The inbox in the institution's own application, which every project has."""


class Work:
    """The parts of one project that work by the clock, with people and to the outside.

    Args:
        platform: the open project.
    """

    def __init__(self, platform: Any) -> None:
        self._platform = platform
        self.stopping, self._making = threading.Event(), threading.Lock()
        self._outbox: Outbox | None = None
        self._publishing: Publishing | None = None
        catalog, project = platform.catalog, platform.project
        self.calendars = Calendars(catalog.store)
        self.jobs = Jobs(platform, platform.apps, self._own(), catalog, self._version)
        self.schedules = Schedules(project.schedules, catalog, self.calendars, self.jobs)
        self.cases = Cases(
            catalog.store, platform.apps, self.calendars, platform.keys, platform.access
        )
        self.evidence = Evidence(platform.path, catalog.store, platform.keys, self.cases)
        self._following = Following(
            platform.log,
            catalog,
            platform.keys,
            platform.apps,
            lambda: self.outbox,
            self.cases,
            project.name,
        )
        self.shadows = Shadows(
            platform.log,
            catalog,
            platform.keys,
            platform.apps,
            platform.desk.changes,
        )
        self._resuming = Resuming(
            self.cases,
            platform.log,
            platform.apps,
            lambda table, rows: platform.store(table, rows, source="cases"),
            answer,
            platform.clock,
        )

    @property
    def outbox(self) -> Outbox:
        """The outbox, with the providers of the project file; one, whoever asks first."""
        with self._making:
            if self._outbox is None:
                self._outbox = self._made_outbox()
            return self._outbox

    def _made_outbox(self) -> Outbox:
        platform = self._platform
        project, store = platform.project, platform.catalog.store
        providers = [*project.providers, IN_APP]
        secrets = {p.name: revealed(p.secret, platform.path) for p in providers if p.secret}
        records = Records(store, platform.keys)
        return Outbox(
            project.outbox,
            providers,
            carriers(providers, secrets, store, platform.keys),
            catalog=platform.catalog,
            keys=platform.keys,
            guard=platform.guard,
            addresses=Addresses(platform.reads, platform.guard, platform.keys, records),
            tick=lambda: time.monotonic_ns() // 1000,
        )

    @property
    def publishing(self) -> Publishing:
        """What sends decisions to the sinks of the project file; one, whoever asks first."""
        platform = self._platform
        with self._making:
            if self._publishing is None:
                self._publishing = Publishing(
                    platform.log, platform.catalog, platform.project.sinks, platform.path
                )
            return self._publishing

    def settle(self) -> None:
        """Draw what follows from decisions and closed cases that is not drawn yet."""
        self._following.catch_up()
        if self._resuming.catch_up():
            self._following.catch_up()

    def _own(self) -> Mapping[str, Any]:
        """Return the jobs that every project has."""
        return {
            "load": self._load,
            "decide": self._decide,
            "outbox": lambda _: (lambda _date: self.send(), ()),
            "cases": lambda _: (lambda _date: self.escalate(), ()),
        }

    def send(self, most: int | None = None) -> dict[str, int]:
        """Draw what follows from decisions, and send what is due."""
        self.settle()
        return self.outbox.send(most)

    def escalate(self) -> dict[str, int]:
        """Draw what follows from decisions, and raise the level of late cases."""
        self.settle()
        return {"escalated": len(self.cases.escalate())}

    def _load(self, source: str) -> Plan:
        def work(_date: str) -> dict[str, Any]:
            reports = self._platform.load(source or None)
            return {"accepted": sum(r.accepted for r in reports)}

        return work, ()

    def _decide(self, app: str) -> Plan:
        chosen = self._platform.app(app)

        def work(_date: str) -> dict[str, Any]:
            made = 0
            for batch in self._platform.decide_each(app):
                made += len(batch)
                if self.stopping.is_set():
                    raise Busy("The server is being stopped.", do="the rest is decided next time")
            self.settle()
            return {"decided": made}

        return work, list(chosen.used_tables())

    def _version(self, table: str) -> int | None:
        lake = self._platform.lake
        return int(lake.version(table)) if lake.exists(table) else None
