# SPDX-License-Identifier: Apache-2.0
"""Routes about work by the clock and the law that holds: schedules, alarms, calendars, regime."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query
from fastapi.responses import HTMLResponse
from pydantic import BaseModel, Field

from heptad.terminal.commands import run
from heptad.terminal.commands.decisions import full_id
from heptad.terminal.http.access import Caller, Opened, Reads, require_writer
from heptad.terminal.http.decisions import json_only
from heptad.terminal.http.problems import RESPONSES
from heptad.terminal.http.schemas import Closed
from heptad.terminal.http.subjects import Subject, require_legal

router = APIRouter(prefix="/v1", tags=["schedule"], responses=RESPONSES)


class ScheduleLine(BaseModel):
    """When something is due, and how its times stand."""

    name: str
    job: str
    when: str = Field(examples=["30 6 * * 1-5"])
    zone: str
    calendar: str
    next: str | None = Field(description="Local time with its offset.")
    due: int
    running: int
    done: int
    failed: int


class PendingLine(BaseModel):
    """A time at which something was due and is not done."""

    schedule: str
    label: str
    status: Literal["due", "running", "failed"]
    attempts: int
    next: str
    error: str


class AlarmLine(BaseModel):
    """Something that did not come when it was due."""

    schedule: str
    label: str
    says: str
    raised: str
    ended: str | None


class Alarms(BaseModel):
    """Alarms: those that go on first."""

    alarms: list[AlarmLine]


class ScheduleInfo(Alarms):
    """What is due, what did not come, and what can be run."""

    schedules: list[ScheduleLine]
    pending: list[PendingLine]
    jobs: list[str]


class DuePlease(Closed):
    """How much is done at once."""

    workers: int = Field(1, ge=1, le=64)


class SlotDone(BaseModel):
    """What came of one time."""

    schedule: str
    label: str
    status: str
    run: int | None = None
    error: str | None = None


class DueDone(BaseModel):
    """What was done of what is due."""

    done: list[SlotDone]
    pending: int


class Holiday(BaseModel):
    """A free day."""

    day: str
    name: str


class CalendarDays(BaseModel):
    """The days of a calendar in a year."""

    calendar: str = Field(description="Name and version.", examples=["ECB@1f2e3d4c5b6a"])
    year: int
    holidays: list[Holiday]
    worked: list[str] = Field(description="Days of a weekend that are worked.")
    written: str = Field(description="A line for `calendars` of a rule set or flow.")


class LegalRule(BaseModel):
    """A duty with where it is written."""

    id: str
    cites: str
    says: str


class RegimeBasis(BaseModel):
    """The basis that a purpose rests on here."""

    purpose: str
    basis: str
    rule: str


class Kept(BaseModel):
    """How long something is kept."""

    group: str
    days: int
    after: str
    rule: str


class RegimeInfo(BaseModel):
    """The law that the project chose, as far as it is data."""

    regime: str
    title: str
    as_of: str
    rules: list[LegalRule]
    bases: list[RegimeBasis]
    retention: list[Kept]
    report_days: int
    letter_days: int
    rights: list[str]


class Letter(BaseModel):
    """A letter with the reasons of a refusal."""

    regime: str
    decision: str
    title: str
    text: str
    rule: str
    due: str
    codes: list[str]


class Report(BaseModel):
    """All that is held of a person, for themselves."""

    subject: str
    made: str
    by: str
    regime: str
    answer_by: str
    state: str
    held: list[dict[str, Any]]
    holds: list[dict[str, Any]]
    tables: list[dict[str, Any]] = Field(description="Rows, where they came from, how long kept.")
    decisions: list[dict[str, Any]]
    messages: list[dict[str, Any]]
    cases: list[dict[str, Any]]
    reads: list[dict[str, Any]] = Field(description="Who read it: role, purpose, basis.")
    purposes: list[dict[str, Any]] = Field(description="Why it may be read, and what may be ended.")
    rights: list[str]


@router.get("/schedule")
def schedule(platform: Opened, _: Caller) -> ScheduleInfo:
    """Say what is due when, what is not done, and what did not come."""
    return ScheduleInfo(**run(platform, "schedule", {}))


@router.post("/schedule/run", dependencies=[Depends(json_only)])
def run_due(please: DuePlease, platform: Opened, who: Caller) -> DueDone:
    """Plan what is due by the schedules, and do it."""
    require_writer(who)
    return DueDone(**run(platform, "run.due", {"workers": please.workers}))


@router.get("/alarms")
def alarms(platform: Opened, _: Caller) -> Alarms:
    """List what did not come when it was due."""
    return Alarms(**run(platform, "alarms", {}))


@router.get("/calendars/{name}")
def calendar(
    name: str,
    platform: Opened,
    _: Caller,
    year: Annotated[int, Query(ge=0, le=9999, description="This one by default.")] = 0,
) -> CalendarDays:
    """Show the free days of a calendar, and the weekend days that are worked."""
    return CalendarDays(**run(platform, "calendars.show", {"name": name, "year": year}))


@router.get("/regime")
def regime(platform: Opened, _: Caller) -> RegimeInfo:
    """Show what the law that the project chose asks, with where each rule is written."""
    return RegimeInfo(**run(platform, "regime", {}))


@router.get("/decisions/{decision}/letter")
def letter(decision: str, platform: Opened, reader: Reads) -> Letter:
    """Write the letter with the reasons of a refusal, in the form that the law asks for."""
    name = full_id(platform, decision)
    told = reader.of(platform, platform.catalog.decisions.get(name).app)
    return Letter(**run(platform, "letter", {"decision": name} | told))


@router.get("/subjects/{subject}/report")
def report(subject: Subject, platform: Opened, who: Caller) -> Report:
    """Report to a person what is held of them, from where, who read it and on what basis."""
    require_legal(who)
    asked = {"subject": subject, "who": who.id, "role": who.role}
    return Report(**run(platform, "subject.report", asked))


@router.get("/subjects/{subject}/report.html", include_in_schema=False)
def report_page(subject: Subject, platform: Opened, who: Caller) -> HTMLResponse:
    """The same report as a page."""
    from heptad.service.subjects.report import page

    require_legal(who)
    asked = {"subject": subject, "who": who.id, "role": who.role}
    text = page(run(platform, "subject.report", asked))
    headers = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
               "Cache-Control": "no-store"}  # fmt: skip
    return HTMLResponse(text, headers=headers)
