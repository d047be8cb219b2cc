# SPDX-License-Identifier: Apache-2.0
"""Commands about cases: inboxes, one case whole, and each step of the work on it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from heptad.service.cases.case import Worker
from heptad.service.cases.figures import newest
from heptad.service.cases.past import Past, counted, past_case, past_decisions, past_keys
from heptad.service.reads.guard import PERSON
from heptad.standards.errors import ContractError, InputError, Refused, UnknownName
from heptad.standards.money import format_minor
from heptad.standards.time import as_of, format_instant
from heptad.terminal.commands.decisions import row

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from heptad.runtime import Platform
    from heptad.service.cases.case import Case
    from heptad.service.reads.guard import Access

STEPS = ("assign", "note", "propose", "agree", "reject")


def list_cases(  # noqa: PLR0913, PLR0917 - what a list is chosen by
    platform: Platform,
    app: str = "",
    inbox: str = "",
    status: str = "",
    subject: str = "",
    limit: int = 50,
    t: str = "",
    purpose: str = "",
    role: str = "",
    who: str = "",
) -> dict[str, Any]:
    """List cases, those that are due first; of one application, or of all for a review.

    As of an instant `t`, ISO 8601, they are told as they stood then.
    """
    platform.work.settle()
    wanted = platform.app(app).purpose if app else ""
    at = as_of(t)
    chosen = {"app": app, "inbox": inbox, "status": status, "subject": subject}
    cases = platform.work.cases
    past = None if at is None else Past(cases, at)
    found = cases.page(**chosen, limit=limit) if past is None else past.page(**chosen)[:limit]
    with platform.reviewing(
        "cases", wanted, purpose=purpose or None, role=role, who=who, **chosen
    ) as access:
        for name in {c.app for c in found} & platform.apps.keys():
            access.reviews(platform.apps[name])
        access.read.rows = len(found)
        access.about({c.subject for c in found})
        about = _newest(platform, access, found, past)
        told = [line(case) | about[case.number] for case in found]
    counts = cases.counts() if past is None or at is None else counted(past.cases, at)
    return {
        "now": format_instant(platform.clock.now() if at is None else at),
        "cases": told,
        "counts": [c for c in counts if not app or c["app"] == app],
    }


def show_case(
    platform: Platform, case: str, t: str = "", purpose: str = "", role: str = "", who: str = ""
) -> dict[str, Any]:
    """Show a case whole: its decisions, what they share, its documents and every step.

    As of an instant `t`, ISO 8601, only what had been done by then.
    """
    platform.work.settle()
    work = platform.work
    at = as_of(t)
    found = _case(platform, case, at)
    app = platform.app(found.app)
    ids = _about(platform, found, at)
    with platform.reviewing(
        "case", app.purpose, purpose=purpose or None, role=role, who=who, case=case
    ) as access:
        access.reviews(app)
        access.about([found.subject])
        entries = access.reviewed(platform.apps, list(platform.log.stored(ids).values()))
    inbox = work.cases.inbox(found.app, found.inbox)
    last = entries[-1].decision if entries else None
    return line(found) | {
        "title": inbox.title,
        "amount": _amount(last.row) if last is not None else "",
        "why": row(platform, entries[-1])["why"] if entries else "",
        "alerts": len(ids),
        "calendar": found.calendar,
        "now": format_instant(platform.clock.now() if at is None else at),
        "outcomes": sorted(inbox.outcomes),
        "becomes": dict(inbox.outcomes),
        "learns": {o: f"{flag}={value}".lower() for o, (flag, value) in inbox.labels.items()},
        "four_eyes": sorted(inbox.overrides),
        "keys": work.cases.keys(found) if at is None else past_keys(inbox, entries),
        "decisions": [row(platform, entry) for entry in entries],
        "documents": [_document(d) for d in work.evidence.of(found) if _by(d, at)],
        "events": [_event(e) for e in work.cases.events(found) if _by(e, at)],
    }


def _case(platform: Platform, case: str, at: int | None) -> Case:
    """Return a case as it stands, or as it stood at an instant.

    Raises:
        UnknownName: if there is none of this id, or was none yet.
    """
    cases = platform.work.cases
    found = cases.get(case) if at is None else past_case(cases, case, at)
    if found is None:
        raise UnknownName("This case was not opened yet.", got=case, do="go back to now")
    return found


def _about(platform: Platform, case: Case, at: int | None) -> list[str]:
    """Return the ids of the decisions that a case is about, or was at an instant."""
    cases = platform.work.cases
    return cases.decisions(case) if at is None else past_decisions(cases, case, at)


def _by(step: Mapping[str, Any], at: int | None) -> bool:
    return at is None or step["at"] <= at


def _newest(
    platform: Platform, access: Access, cases: Sequence[Case], past: Past | None
) -> dict[int, dict[str, Any]]:
    """Say what cases are about, by number: the reasons of the last decision, and its row's amount."""
    if past is None:
        last = newest(platform.catalog.store, [case.number for case in cases])
    else:
        then = {c.number: past.decisions(c) for c in cases}
        last = {number: (ids[-1], len(ids)) for number, ids in then.items() if ids}
    stored = platform.log.stored(name for name, _ in last.values())
    seen = {str(e.public["id"]): e for e in access.reviewed(platform.apps, list(stored.values()))}
    told = {}
    for case in cases:
        title = platform.work.cases.inbox(case.app, case.inbox).title
        name, n = last.get(case.number, ("", 0))
        told[case.number] = {"title": title, "alerts": n, "why": "", "amount": ""}
        entry = seen.get(name)
        if entry is not None and entry.decision is not None:
            about = {"why": row(platform, entry)["why"], "amount": _amount(entry.decision.row)}
            told[case.number] |= about
    return told


def _amount(values: Mapping[str, Any]) -> str:
    """Write the amount of a row with its currency; "" if it has none."""
    amount = values.get("amount")
    if not isinstance(amount, int):
        return ""
    return format_minor(amount, str(values.get("currency") or "EUR"))


def surroundings(
    platform: Platform, case: str, t: str = "", purpose: str = "", role: str = "", who: str = ""
) -> dict[str, Any]:
    """Show what lies around a case: what was paid and sent, where, with whom and by which device."""
    at = as_of(t)
    found = _case(platform, case, at)
    app = platform.app(found.app)
    with platform.reviewing(
        "surroundings", app.purpose, purpose=purpose or None, role=role, who=who, case=case
    ) as access:
        return around_case(platform, access, found, at)


def around_case(
    platform: Platform, access: Access, case: Case, at: int | None = None
) -> dict[str, Any]:
    """Return what lies around a case, as far as an access may read it; see `Found`.

    As of an instant in microseconds, only what had happened and was known by then.
    """
    from heptad.service.cases.surroundings import around

    access.reviews(platform.app(case.app))
    ids = _about(platform, case, at)
    entries = access.reviewed(platform.apps, list(platform.log.stored(ids).values()))
    public = [e.public for e in entries if not e.erased]
    kind, _, key = case.subject.partition(":")
    if kind != PERSON or not public:
        return {"events": [], "nodes": [], "links": [], "of": 0, "left_out": []}
    times = [int(p["event_time"]) for p in public]
    people = sorted({key, *(str(e.subject).partition(":")[2] for e in entries)})
    rows = frozenset(str(p["row_key"]) for p in public)
    reads = platform.reads.under(access)
    return around(reads, access, people, (min(times), max(times)), rows, at)._asdict()


def line(case: Case) -> dict[str, Any]:
    """Return a case as a line of a list."""
    return {
        "case": case.id,
        "app": case.app,
        "inbox": case.inbox,
        "subject": case.subject,
        "status": case.status,
        "assignee": case.assignee,
        "opened": format_instant(case.opened),
        "due": format_instant(case.due),
        "level": case.level,
        "revision": case.revision,
        "proposed": case.proposed,
        "proposer": case.proposer,
        "outcome": case.outcome,
        "closed": None if case.closed is None else format_instant(case.closed),
    }


def step(  # noqa: PLR0913, PLR0917 - what a step says
    platform: Platform,
    case: str,
    action: str,
    text: str = "",
    to: str = "",
    outcome: str = "",
    revision: int = -1,
    who: str = "",
    role: str = "",
) -> dict[str, Any]:
    """Do one step of the work on a case, and draw what follows from it."""
    worker = Worker(who or platform.who, role or platform.role)
    cases = platform.work.cases
    if action == "assign":
        done = cases.assign(case, to, worker)
    elif action == "note":
        done = cases.note(case, text, worker)
    elif action == "propose":
        done = cases.propose(case, outcome, text, worker)
    elif action == "agree":
        done = cases.agree(case, revision, worker)
    elif action == "reject":
        done = cases.reject(case, text, worker)
    else:
        raise InputError("There is no such step.", got=action, do=", ".join(STEPS))
    platform.work.settle()
    return line(done)


def refer(
    platform: Platform, decision: str, reason: str, who: str = "", role: str = ""
) -> dict[str, Any]:
    """Put a decision to a person, who looks at it again: into the first inbox of its application.

    Raises:
        ContractError: if people of that application have no inbox.
        Refused: if the person is erased, or who refers may not work on its cases.
    """
    from heptad.terminal.commands.decisions import full_id

    entry = platform.log.get(full_id(platform, decision))
    app = platform.app(str(entry.public["app"]))
    if entry.decision is None:
        raise Refused("The person is erased.", got=decision)
    if not app.inboxes:
        raise ContractError(f"{app.name} has no inbox.", do="declare App(inboxes=(Inbox(…),))")
    worker = Worker(who or platform.who, role or platform.role)
    cases = platform.work.cases
    cases.welcome(app, worker, entry.decision.id)
    inbox = next((i for i in app.inboxes if entry.decision.outcome in i.on), app.inboxes[0])
    case = cases.get(cases.alert(app, inbox, entry.decision))
    if case.status != "closed":
        cases.note(case.id, reason, worker)
    return {"case": case.id, "app": app.name, "inbox": inbox.name}


def attach(  # noqa: PLR0913, PLR0917 - what is attached to what by whom
    platform: Platform,
    case: str,
    path: str = "",
    name: str = "",
    content: bytes = b"",
    who: str = "",
    role: str = "",
) -> dict[str, Any]:
    """Put a document to a case: a file, or the bytes that are given."""
    if path:
        file = Path(path)
        try:
            content, name = file.read_bytes(), name or file.name
        except OSError as error:
            raise InputError("The document cannot be read.", got=path, do="name a file") from error
    found = platform.work.cases.get(case)
    worker = Worker(who or platform.who, role or platform.role)
    return platform.work.evidence.attach(found, name, content, worker)


def _document(found: dict[str, Any]) -> dict[str, Any]:
    return found | {"at": format_instant(found["at"])}


def _event(found: dict[str, Any]) -> dict[str, Any]:
    kept = {n: found[n] for n in ("who", "role", "action", "detail", "text")}
    return {"at": format_instant(found["at"])} | kept
