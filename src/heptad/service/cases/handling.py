# SPDX-License-Identifier: Apache-2.0
"""Cases: alerts grouped by whom they share, worked on by people, closed with four eyes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import func, insert, select, update

from heptad.catalog.casetables import AlertRow, CaseEventRow, CaseKeyRow, CaseRow
from heptad.security.access import Read
from heptad.security.purposes import may_act
from heptad.service.cases.alerting import Alerting
from heptad.service.cases.case import (
    ADMIN,
    FIRST_LATE,
    SELECT,
    SOME_LATE,
    SYSTEM,
    UNRESUMED,
    Case,
    Worker,
    needed,
    opened,
    same_person,
    sealed_text,
)
from heptad.service.schedule.calendars import due_after
from heptad.standards.errors import Conflict, ContractError, Refused, UnknownName, suggest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Connection

    from heptad.catalog.store import Store
    from heptad.security.access import AccessLog
    from heptad.security.keys import KeyStore
    from heptad.service.app import App
    from heptad.service.cases.inboxes import Inbox
    from heptad.service.decisions.decision import Decision
    from heptad.service.schedule.calendars import Calendars


class Cases:
    """The cases of a project.

    Every step is recorded twice: among the case's own events, and, before it is done, in the access
    log, of which no byte can be changed unnoticed. What changes a case raises its revision; whoever
    agrees to a proposal says which revision they saw.

    Args:
        store: the catalog's database.
        apps: declare the inboxes.
        calendars: say by when something is due.
        keys: seal what is written.
        access: records each step.
    """

    def __init__(
        self,
        store: Store,
        apps: Mapping[str, App],
        calendars: Calendars,
        keys: KeyStore,
        access: AccessLog,
    ) -> None:
        self._store, self._apps, self._calendars = store, apps, calendars
        self._keys, self._access = keys, access

    def inbox(self, app: str, name: str) -> Inbox:
        """Find an inbox.

        Raises:
            UnknownName: if the application has none of that name.
        """
        known = {i.name: i for i in self._apps[app].inboxes} if app in self._apps else {}
        if name not in known:
            raise UnknownName(f"{app} has no inbox {name!r}.", got=name, do=suggest(name, known))
        return known[name]

    def alert(self, app: App, inbox: Inbox, decision: Decision) -> str:
        """Put a decision to the case of whomever it shares something with, in this transaction.

        Alerts that share a key are one case; one that links two open cases makes them one. A case
        that somebody has proposed to close is open again: it is about more than they saw.

        Returns:
            The case's id.
        """
        (case,) = self.alert_all(app, inbox, [decision])
        return case

    def alert_all(self, app: App, inbox: Inbox, decisions: Sequence[Decision]) -> list[str]:
        """Put many decisions to cases; see `alert`."""
        with self._store.write() as connection:
            now, calendar = self._store.clock.now(), self._calendars.get(inbox.calendar)
            due = due_after(calendar, inbox.zone, now, inbox.within)
            alerting = Alerting(connection, app.name, inbox, now, due, calendar.title)
            return alerting.put(decisions)

    def get(self, name: str) -> Case:
        """Return one case.

        Raises:
            UnknownName: if there is none of this id.
        """
        with self._store.read() as connection:
            return self._read(connection, CaseRow.id == name)

    def page(
        self,
        *,
        app: str = "",
        inbox: str = "",
        status: str = "",
        subject: str = "",
        limit: int = 50,
    ) -> list[Case]:
        """Return cases: those that are open first, in the order in which they are due."""
        wanted = SELECT.order_by(CaseRow.status == "closed", CaseRow.due, CaseRow.number)
        by = ((CaseRow.app, app), (CaseRow.inbox, inbox), (CaseRow.status, status),
              (CaseRow.subject, subject))  # fmt: skip
        for column, value in by:
            if value:
                wanted = wanted.where(column == value)
        with self._store.read() as connection:
            return [Case(*row) for row in connection.execute(wanted.limit(limit))]

    def counts(self) -> list[dict[str, Any]]:
        """Count cases by application, inbox and status, and those that are late."""
        which = (CaseRow.app, CaseRow.inbox, CaseRow.status)
        late = func.sum((CaseRow.due <= self._store.clock.now()) & (CaseRow.status != "closed"))
        wanted = select(*which, func.count().label("n"), late.label("late"))
        with self._store.read() as connection:
            rows = connection.execute(wanted.group_by(*which).order_by(*which))
            return [dict(row._mapping) for row in rows]

    def steps(
        self, until: int, *, app: str = "", inbox: str = "", subject: str = ""
    ) -> list[tuple[Case, list[dict[str, Any]]]]:
        """Return each case that was opened by an instant, with the steps on it by then."""
        names = ("case", "at", "who", "action", "detail")
        columns = {CaseRow.app: app, CaseRow.inbox: inbox, CaseRow.subject: subject}
        mine = [CaseRow.opened <= until, *(c == value for c, value in columns.items() if value)]
        wanted = select(*(getattr(CaseEventRow, n) for n in names)).where(
            CaseEventRow.at <= until, CaseEventRow.case.in_(select(CaseRow.number).where(*mine))
        )
        with self._store.read() as connection:
            found: dict[int, tuple[Case, list[dict[str, Any]]]] = {
                row.number: (Case(*row), []) for row in connection.execute(SELECT.where(*mine))
            }
            for row in connection.execute(wanted.order_by(CaseEventRow.id)):
                found[row.case][1].append(dict(row._mapping))
        return list(found.values())

    def revision(self) -> int:
        """Return a number that grows with every step on any case."""
        with self._store.read() as connection:
            return connection.execute(select(func.max(CaseEventRow.id))).scalar() or 0

    def decisions(self, case: Case) -> list[str]:
        """Return the ids of the decisions that a case is about, the first one first."""
        wanted = select(AlertRow.decision).where(AlertRow.case == case.number)
        with self._store.read() as connection:
            return list(
                connection.execute(wanted.order_by(AlertRow.at, AlertRow.decision)).scalars()
            )

    def keys(self, case: Case) -> list[str]:
        """Return what the alerts of a case share."""
        wanted = select(CaseKeyRow.key).where(CaseKeyRow.case == case.number)
        with self._store.read() as connection:
            return sorted(connection.execute(wanted).scalars())

    def events(self, case: Case) -> list[dict[str, Any]]:
        """Return what was done to a case, with what was written where the person is not erased."""
        names = ("id", "at", "who", "role", "action", "detail", "sealed")
        wanted = select(*(getattr(CaseEventRow, n) for n in names))
        wanted = wanted.where(CaseEventRow.case == case.number).order_by(CaseEventRow.id)
        with self._store.read() as connection:
            rows = [dict(row._mapping) for row in connection.execute(wanted)]
        (key,) = self._keys.of([case.subject], create=False)
        for row in rows:
            sealed = row.pop("sealed")
            row["text"] = "" if sealed is None else (
                opened(sealed, key, case.id) if key is not None else "(erased)")  # fmt: skip
        return rows

    def assign(self, name: str, to: str, worker: Worker) -> Case:
        """Give a case to somebody; "" gives it back to the inbox."""
        status = {"status": "working" if to else "open"}
        return self._step(name, "assign", worker, values={"assignee": to} | status, to=to)

    def note(self, name: str, text: str, worker: Worker) -> Case:
        """Write something down about a case."""
        return self._step(name, "note", worker, text=needed(text, "A note"))

    def propose(self, name: str, outcome: str, reason: str, worker: Worker) -> Case:
        """Say what a case comes to; where it overrides the machine, somebody else must agree.

        Raises:
            ContractError: if a case of this inbox does not come to that, or no reason is given.
            Conflict: if it is closed.
        """
        case = self.get(name)
        inbox = self.inbox(case.app, case.inbox)
        if outcome not in inbox.outcomes:
            raise ContractError(
                f"A case of {inbox.name} does not come to {outcome!r}.",
                got=outcome,
                do=suggest(outcome, inbox.outcomes),
            )
        text = needed(reason, "A reason")
        if outcome in inbox.overrides:
            values = {"status": "waiting", "proposed": outcome, "proposer": worker.who}
            return self._step(name, "propose", worker, values, text, outcome=outcome)
        return self._step(
            name, "close", worker, self._closing(outcome, worker), text, outcome=outcome
        )

    def agree(self, name: str, revision: int, worker: Worker) -> Case:
        """Agree to what somebody else proposed, as it was when one looked at it.

        Raises:
            Refused: if it is one's own proposal.
            Conflict: if nothing is proposed, or the case has changed since.
        """
        with self._store.write() as connection:
            case = self._read(connection, CaseRow.id == name)
            if case.status != "waiting":
                raise Conflict("Nothing is proposed for this case.", got=case.status)
            if case.revision != revision:
                raise Conflict(
                    "The case has changed since you looked at it.",
                    got=f"revision {case.revision}",
                    do="look at it again",
                )
            if same_person(worker.who, case.proposer):
                self._refused(case, worker, "agree")
            values = self._closing(case.proposed, worker)
            return self._step(name, "agree", worker, values, outcome=case.proposed)

    def reject(self, name: str, reason: str, worker: Worker) -> Case:
        """Do not agree to what was proposed; the case is worked on again.

        Raises:
            Conflict: if nothing is proposed.
        """
        if self.get(name).status != "waiting":
            raise Conflict("Nothing is proposed for this case.", got=name)
        values = {"status": "working", "proposed": "", "proposer": ""}
        return self._step(name, "reject", worker, values, needed(reason, "A reason"))

    def escalate(self) -> list[str]:
        """Raise the level of each case that is late, and give it a new time; return their ids."""
        now, found = self._store.clock.now(), []
        with self._store.read() as connection:
            if connection.execute(FIRST_LATE, {"now": now}).first() is None:
                return []
        with self._store.write() as connection:
            for row in connection.execute(SOME_LATE, {"now": now}).all():
                case = Case(*row)
                inbox = self.inbox(case.app, case.inbox)
                calendar = self._calendars.get(inbox.calendar)
                due = due_after(calendar, inbox.zone, now, inbox.within)
                self._event(connection, case, Worker(SYSTEM, "app"), "escalate",
                            level=case.level + 1, due=due,
                            calendar=calendar.title)  # fmt: skip
                self._set(connection, case.number, level=case.level + 1, due=due,
                          calendar=calendar.title)  # fmt: skip
                found.append(case.id)
        return found

    def unresumed(self) -> list[Case]:
        """Return the cases that were closed and of which the decisions do not know yet."""
        with self._store.read() as connection:
            return [Case(*row) for row in connection.execute(UNRESUMED)]

    def resumed(self, case: Case) -> None:
        """Note that the decisions of a closed case know of it."""
        with self._store.write() as connection:
            where = CaseRow.number == case.number
            connection.execute(update(CaseRow).where(where).values(resumed=1))

    def welcome(self, app: App, worker: Worker, decision: str) -> None:
        """Let only those open a case by hand who may act for its application's purpose.

        Raises:
            Refused: if they may not; that is recorded.
        """
        if worker.role == ADMIN or may_act(worker.role, app.purpose):
            return
        why = f"A {worker.role} may not open cases of {app.name}."
        detail = {"decision": decision}
        self._access.record(
            Read("case.refer", worker.who, worker.role, app.purpose, detail=detail, refused=why)
        )
        raise Refused(why, got=worker.who, do="state who works, in a role that may")

    def permit(self, case: Case, worker: Worker, action: str) -> None:
        """Let only those work on a case who may act for its application's purpose.

        Raises:
            Refused: if they may not, or have no name; that is recorded.
        """
        app = self._apps.get(case.app)
        allowed = app is not None and (worker.role == ADMIN or may_act(worker.role, app.purpose))
        if not worker.who.strip() or not allowed:
            why = f"A {worker.role or 'nobody'} may not work on cases of {case.app}."
            self._record(case, worker, action, refused=why)
            raise Refused(why, got=worker.who, do="state who works, in a role that may")

    def record(self, case: Case, worker: Worker, action: str) -> None:
        """Record a step in the access log; it is durable, or the step is not done."""
        self._record(case, worker, action)

    def event(self, case: Case, worker: Worker, action: str, **detail: Any) -> None:
        """Note a step among the case's own events, and raise its revision."""
        with self._store.write() as connection:
            self._event(connection, case, worker, action, **detail)

    def _step(
        self,
        name: str,
        action: str,
        worker: Worker,
        values: Mapping[str, Any] | None = None,
        text: str = "",
        **detail: Any,
    ) -> Case:
        """Do one step: permitted, recorded, then done and noted in one transaction."""
        with self._store.write() as connection:
            case = self._read(connection, CaseRow.id == name)
            self.permit(case, worker, action)
            if case.status == "closed":
                raise Conflict(
                    "The case is closed.", got=case.outcome, do="see `heptad cases show`"
                )
            self._record(case, worker, action)
            self._event(connection, case, worker, action, text, **detail)
            if values:
                self._set(connection, case.number, **values)
            return self._read(connection, CaseRow.number == case.number)

    def _closing(self, outcome: str, worker: Worker) -> dict[str, Any]:
        now = self._store.clock.now()
        return {"status": "closed", "outcome": outcome, "closed": now, "closer": worker.who}

    def _event(
        self,
        connection: Connection,
        case: Case,
        worker: Worker,
        action: str,
        text: str = "",
        **detail: Any,
    ) -> None:
        sealed = None
        if text:
            (key,) = self._keys.of([case.subject])
            assert key is not None  # noqa: S101 - made on first use
            sealed = sealed_text(text, key, case.id)
        row = {
            "case": case.number, "at": self._store.clock.now(), "who": worker.who,
            "role": worker.role, "action": action, "detail": detail, "sealed": sealed,
        }  # fmt: skip
        connection.execute(insert(CaseEventRow), row)
        self._set(connection, case.number, revision=CaseRow.revision + 1)

    def _record(self, case: Case, worker: Worker, action: str, refused: str = "") -> None:
        purpose = self._apps[case.app].purpose if case.app in self._apps else ""
        read = Read(f"case.{action}", worker.who or SYSTEM, worker.role, purpose, refused=refused)
        read.people.add(case.subject)
        read.detail = {"case": case.id}
        self._access.record(read)

    def _refused(self, case: Case, worker: Worker, action: str) -> None:
        """Refuse, and record, that somebody agrees with themselves.

        Raises:
            Refused: always.
        """
        why = "Nobody agrees to a proposal of their own."
        self._record(case, worker, action, refused=why)
        raise Refused(why, got=worker.who, do="ask somebody else")

    @staticmethod
    def _set(connection: Connection, number: int, **values: Any) -> None:
        connection.execute(update(CaseRow).where(CaseRow.number == number).values(**values))

    @staticmethod
    def _read(connection: Connection, where: Any) -> Case:
        row = connection.execute(SELECT.where(where)).first()
        if row is None:
            raise UnknownName("There is no such case.", do="see `heptad cases`")
        return Case(*row)
