# SPDX-License-Identifier: Apache-2.0
"""Decisions become cases, many at once: those that share a key are one case."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, func, insert, select, update

from heptad.catalog.casetables import AlertRow, CaseEventRow, CaseKeyRow, CaseRow
from heptad.catalog.courtesy import passing
from heptad.catalog.inserts import upsert
from heptad.service.cases.case import SYSTEM, keys_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy import Connection

    from heptad.service.cases.inboxes import Inbox
    from heptad.service.decisions.decision import Decision

_UNBORN = 2**62


@dataclass(eq=False)
class _Matter:
    """An open case.

    Attributes:
        age: the oldest has the least.
        number: 0 until it is written.
        row: what is to be written of a new one.
        steps: that are to be written.
    """

    age: int
    number: int
    id: str
    status: str
    row: dict[str, Any] | None = None
    steps: int = 0


class Alerting:
    """Puts decisions to the cases of one inbox, in a transaction of the caller.

    Args:
        connection: inside the transaction.
        app: name of the application.
        inbox: of the application.
        now: the instant, µs.
        due: when a case that is opened now is due, µs.
        calendar: title of the calendar that says so.
    """

    def __init__(
        self, connection: Connection, app: str, inbox: Inbox, now: int, due: int, calendar: str
    ) -> None:
        self._connection, self._app, self._inbox = connection, app, inbox
        self._now, self._due, self._calendar = now, due, calendar
        self._sharing: dict[str, list[_Matter]] = {}
        self._touched: list[_Matter] = []
        self._steps: list[tuple[_Matter, str, dict[str, Any]]] = []
        self._alerts: list[tuple[_Matter, Decision]] = []
        self._keys: list[tuple[_Matter, str]] = []

    def put(self, decisions: Sequence[Decision]) -> list[str]:
        """Put each decision to the case of whomever it shares something with.

        One that links open cases makes them one. A case that somebody has proposed to close is
        open again: it is about more than they saw. A decision that was put before stays where it is.

        Returns:
            The id of the case that each one belongs to in the end.
        """
        names = [d.id for d in decisions]
        known = self._known(names)
        fresh = {d.id: d for d in decisions if d.id not in known}
        keys = {name: keys_of(self._inbox, d) for name, d in fresh.items()}
        self._read({key for some in keys.values() for key in some})
        for name, decision in passing(fresh.items()):
            self._put(decision, keys[name])
        self._write()
        known = self._known(names)
        return [known[name] for name in names]

    def _known(self, names: Sequence[str]) -> dict[str, str]:
        asked = {"names": names, "of": self._inbox.name}
        return {row.decision: row.id for row in self._connection.execute(_KNOWN, asked)}

    def _read(self, keys: Iterable[str]) -> None:
        """Read the open cases that some keys belong to."""
        asked = {"keys": sorted(keys), "by": self._app, "of": self._inbox.name}
        matters: dict[int, _Matter] = {}
        for key, number, name, status in self._connection.execute(_OPEN, asked):
            matter = matters.setdefault(number, _Matter(number, number, name, status))
            self._sharing.setdefault(key, []).append(matter)

    def _put(self, decision: Decision, keys: Sequence[str]) -> None:
        found = {m for key in keys for m in self._sharing.get(key, ())}
        matter, *others = sorted(found, key=lambda m: m.age) or [self._open(decision)]
        for other in others:
            self._merge(matter, other)
        self._wake(matter)
        self._step(matter, "alert", decision=decision.id)
        self._alerts.append((matter, decision))
        for key in keys:
            sharing = self._sharing.setdefault(key, [])
            if matter not in sharing:
                sharing.append(matter)
                self._keys.append((matter, key))

    def _open(self, decision: Decision) -> _Matter:
        said = f"{self._app}|{self._inbox.name}|{decision.id}".encode()
        name = "c" + hashlib.sha256(said).hexdigest()[:11]
        row = {
            "id": name, "app": self._app, "inbox": self._inbox.name, "subject": decision.subject,
            "status": "open", "assignee": "", "opened": self._now, "due": self._due,
            "calendar": self._calendar, "level": 0, "revision": 0, "proposed": "", "proposer": "",
            "outcome": "", "closed": None, "closer": "", "resumed": 0,
        }  # fmt: skip
        matter = _Matter(_UNBORN + len(self._touched), 0, name, "open", row)
        self._step(matter, "open", due=self._due, calendar=self._calendar)
        return matter

    def _merge(self, into: _Matter, other: _Matter) -> None:
        """Make one case of two: all that the younger one holds goes to the older one."""
        self._write()
        keys = select(CaseKeyRow.key).where(CaseKeyRow.case == other.number)
        held = self._connection.execute(keys).scalars()
        upsert(self._connection, CaseKeyRow, [{"case": into.number, "key": key} for key in held])
        moved = update(AlertRow).where(AlertRow.case == other.number)
        self._connection.execute(moved.values(case=into.number))
        self._step(other, "merge", into=into.id)
        self._step(into, "merge", other=other.id)
        self._wake(into)
        self._set(other, status="closed", outcome="merged", resumed=1, closed=self._now,
                  closer=SYSTEM)  # fmt: skip
        for key, matters in self._sharing.items():
            if other in matters:
                left = [m for m in matters if m not in (into, other)]
                self._sharing[key] = [into, *left]

    def _wake(self, matter: _Matter) -> None:
        if matter.status == "waiting":
            self._set(matter, status="working", proposed="", proposer="")
            matter.status = "working"

    def _set(self, matter: _Matter, **values: Any) -> None:
        wanted = update(CaseRow).where(CaseRow.number == matter.number)
        self._connection.execute(wanted.values(**values))

    def _step(self, matter: _Matter, action: str, **detail: Any) -> None:
        if not matter.steps:
            self._touched.append(matter)
        matter.steps += 1
        self._steps.append((matter, action, detail))

    def _write(self) -> None:
        """Write what was gathered; every step raises the revision of its case."""
        run = self._connection.execute
        born = {m.id: m for m in self._touched if m.row is not None}
        if born:
            rows = [(m.row or {}) | {"revision": m.steps} for m in born.values()]
            for name, number in run(_BORN, rows):
                matter = born[name]
                matter.number, matter.age, matter.row = number, number, None
        raised = [{"at": m.number, "n": m.steps} for m in self._touched if m.id not in born]
        if raised:
            run(_RAISE, raised)
        if self._steps:
            run(_STEPS, [
                {"case": m.number, "at": self._now, "who": SYSTEM, "role": "app",
                 "action": action, "detail": detail, "sealed": None}
                for m, action, detail in self._steps
            ])  # fmt: skip
        if self._alerts:
            run(_ALERTS, [
                {"decision": d.id, "inbox": self._inbox.name, "case": m.number,
                 "subject": d.subject, "at": self._now}
                for m, d in self._alerts
            ])  # fmt: skip
        upsert(self._connection, CaseKeyRow, [
            {"case": m.number, "key": key} for m, key in self._keys
        ])  # fmt: skip
        for matter in self._touched:
            matter.steps = 0
        for gathered in (self._touched, self._steps, self._alerts, self._keys):
            gathered.clear()


# Written once: to write a statement anew costs more than to run it.
_KNOWN = (
    select(AlertRow.decision, CaseRow.id)
    .join(CaseRow, CaseRow.number == AlertRow.case)
    .where(
        AlertRow.decision.in_(bindparam("names", expanding=True)),
        AlertRow.inbox == bindparam("of"),
    )
)
# Application and inbox so that no index serves them, or SQLite walks all cases of the inbox.
_OPEN = (
    select(CaseKeyRow.key, CaseRow.number, CaseRow.id, CaseRow.status)
    .join(CaseRow, CaseRow.number == CaseKeyRow.case)
    .where(
        CaseKeyRow.key.in_(bindparam("keys", expanding=True)),
        CaseRow.status != "closed",
        func.coalesce(CaseRow.app, "") == bindparam("by"),
        func.coalesce(CaseRow.inbox, "") == bindparam("of"),
    )
)
_BORN = insert(CaseRow).returning(CaseRow.id, CaseRow.number, sort_by_parameter_order=True)
_STEPS, _ALERTS = insert(CaseEventRow), insert(AlertRow)
_RAISE = (
    update(CaseRow)
    .where(CaseRow.number == bindparam("at"))
    .values(revision=CaseRow.revision + bindparam("n"))
)
