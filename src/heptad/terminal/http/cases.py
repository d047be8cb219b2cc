# SPDX-License-Identifier: Apache-2.0
"""Routes about cases: inboxes, one case whole, each step of the work, and documents."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel, Field

from heptad.service.cases.case import Worker
from heptad.service.cases.evidence import LARGEST
from heptad.standards.errors import ContractError
from heptad.terminal.commands import run
from heptad.terminal.http.access import Caller, Opened, Reads, require_decider
from heptad.terminal.http.decisions import json_only
from heptad.terminal.http.problems import RESPONSES
from heptad.terminal.http.schemas import Closed, Decided, Text

router = APIRouter(prefix="/v1/cases", tags=["cases"], responses=RESPONSES)

Words = Annotated[Text, Field(min_length=3, max_length=4000)]
Past = Annotated[
    str, Query(description="As it stood at this instant, ISO 8601.", examples=["2026-03-01"])
]


class CaseLine(BaseModel):
    """A case in short."""

    case: str = Field(examples=["c1f0a9b2c3d4"])
    app: str
    inbox: str = Field(examples=["held"])
    subject: str = Field(examples=["Customer:42"])
    status: Literal["open", "working", "waiting", "closed"]
    assignee: str
    opened: str
    due: str = Field(description="By the inbox's business calendar.")
    level: int = Field(description="How often it was raised because it was late.")
    revision: int = Field(description="Say it when you agree to what is proposed.")
    proposed: str
    proposer: str
    outcome: str
    closed: str | None


class CaseTold(CaseLine):
    """A case in short, with what it is about."""

    title: str
    alerts: int = Field(description="Decisions that it is about.")
    why: str = Field(description="Reasons of the last of them, in words.")
    amount: str = Field(description="Of the row decided.", examples=["120.00 EUR"])


class CaseCount(BaseModel):
    """How many cases stand how."""

    app: str
    inbox: str
    status: str
    n: int
    late: int


class CaseList(BaseModel):
    """Cases, those that are due first."""

    now: str
    cases: list[CaseTold]
    counts: list[CaseCount]


class CaseEvent(BaseModel):
    """One step of the work on a case."""

    at: str
    who: str
    role: str
    action: str
    detail: dict[str, Any]
    text: str = Field(description="What was written; gone once the person is erased.")


class CaseDocument(BaseModel):
    """A document of a case."""

    id: str
    name: str
    kind: str = Field(examples=["application/pdf"])
    size: int
    sha256: str
    at: str
    who: str


class WholeCase(CaseTold):
    """A case with all that belongs to it."""

    calendar: str = Field(description="Name and version.", examples=["ECB@1f2e3d4c5b6a"])
    now: str
    outcomes: list[str]
    becomes: dict[str, str] = Field(description="Outcome of a case → outcome of its decisions.")
    learns: dict[str, str] = Field(
        description="Outcome → flag of Label that is learned from it.",
        examples=[{"fraud": "fraud=true"}],
    )
    four_eyes: list[str] = Field(description="Outcomes that somebody else must agree to.")
    keys: list[str] = Field(description="What its alerts share.")
    decisions: list[Decided]
    documents: list[CaseDocument]
    events: list[CaseEvent]


class Around(BaseModel):
    """Something that happened around a case."""

    id: str
    kind: Literal["payment", "transfer in", "transfer out"]
    when: str
    who: str
    to: str
    name: str = Field(description="Of the merchant, where it is known.")
    country: str
    channel: str
    device: str
    status: str
    amount: int = Field(description="Minor units.")
    currency: str
    lat: float | None
    lon: float | None
    decided: bool = Field(description="Whether it is what the case is about.")


class CaseNode(BaseModel):
    """A person, device, merchant or account that a case touches."""

    id: str
    kind: Literal["person", "device", "merchant", "account"]
    name: str
    own: bool = Field(description="Whether the case is about them.")


class CaseLink(BaseModel):
    """Who paid whom how often, or used which device."""

    from_: str = Field(alias="from")
    to: str
    what: Literal["pays", "uses"]
    n: int
    amount: int
    decided: bool


class Surroundings(BaseModel):
    """What lies around a case, thirty days back."""

    events: list[Around] = Field(description="The last one first, at most 400.")
    nodes: list[CaseNode]
    links: list[CaseLink]
    of: int = Field(description="How many events there are.")
    left_out: list[str] = Field(description="Tables that the purpose does not cover.")


class Attached(BaseModel):
    """A document that was put to a case."""

    id: str
    kind: str
    size: int
    sha256: str


class AssignPlease(Closed):
    """Whom a case is given to."""

    to: Annotated[Text, Field(max_length=200)] = Field(description="Nobody if empty.")


class NotePlease(Closed):
    """What is to be known about a case."""

    text: Words


class ProposePlease(Closed):
    """What a case comes to, and why."""

    outcome: Text = Field(examples=["genuine"])
    reason: Words


class AgreePlease(Closed):
    """The revision of the case that was looked at."""

    revision: int


class RejectPlease(Closed):
    """Why what was proposed is not agreed to."""

    reason: Words


@router.get("")
def cases(
    platform: Opened,
    reader: Reads,
    app: Annotated[str, Query(description="One application.", examples=["fraud"])] = "",
    inbox: Annotated[str, Query(description="One inbox.")] = "",
    status: Annotated[str, Query(description="open, working, waiting or closed.")] = "",
    subject: Annotated[str, Query(description="One person.", examples=["Customer:42"])] = "",
    limit: Annotated[int, Query(ge=1, le=500, description="Most cases.")] = 50,
    t: Past = "",
) -> CaseList:
    """List cases, those that are due first; of all applications for a review only."""
    asked = {"app": app, "inbox": inbox, "status": status, "subject": subject, "limit": limit}
    return CaseList(**run(platform, "cases.list", asked | {"t": t} | reader.of(platform, app)))


@router.get("/{case}")
def case(case: str, platform: Opened, reader: Reads, t: Past = "") -> WholeCase:
    """Show a case whole: its decisions, documents and every step."""
    told = reader.of(platform, platform.work.cases.get(case).app)
    return WholeCase(**run(platform, "cases.show", {"case": case, "t": t} | told))


@router.get("/{case}/surroundings")
def surroundings(case: str, platform: Opened, reader: Reads, t: Past = "") -> Surroundings:
    """Show what was paid and sent around a case: when, where, with whom, by which device."""
    told = reader.of(platform, platform.work.cases.get(case).app)
    return Surroundings(**run(platform, "cases.around", {"case": case, "t": t} | told))


def _step(platform: Any, who: Any, case: str, action: str, **more: Any) -> CaseLine:
    require_decider(who, platform, platform.work.cases.get(case).app)
    asked = {"case": case, "action": action, "who": who.id, "role": who.role}
    return CaseLine(**run(platform, "cases.step", asked | more))


@router.post("/{case}/assign", dependencies=[Depends(json_only)])
def assign(case: str, please: AssignPlease, platform: Opened, who: Caller) -> CaseLine:
    """Give a case to somebody, or back to the inbox."""
    return _step(platform, who, case, "assign", to=please.to)


@router.post("/{case}/notes", dependencies=[Depends(json_only)])
def note(case: str, please: NotePlease, platform: Opened, who: Caller) -> CaseLine:
    """Write something down about a case; it is sealed under the person's key."""
    return _step(platform, who, case, "note", text=please.text)


@router.post("/{case}/propose", dependencies=[Depends(json_only)])
def propose(case: str, please: ProposePlease, platform: Opened, who: Caller) -> CaseLine:
    """Say what a case comes to; an override waits for somebody else's yes."""
    return _step(platform, who, case, "propose", outcome=please.outcome, text=please.reason)


@router.post("/{case}/agree", dependencies=[Depends(json_only)])
def agree(case: str, please: AgreePlease, platform: Opened, who: Caller) -> CaseLine:
    """Agree to what somebody else proposed, as it was when you looked at it."""
    return _step(platform, who, case, "agree", revision=please.revision)


@router.post("/{case}/reject", dependencies=[Depends(json_only)])
def reject(case: str, please: RejectPlease, platform: Opened, who: Caller) -> CaseLine:
    """Do not agree to what was proposed."""
    return _step(platform, who, case, "reject", text=please.reason)


@router.post("/{case}/documents")
async def attach(
    case: str,
    request: Request,
    platform: Opened,
    who: Caller,
    name: Annotated[str, Query(description="Its file name.", max_length=200)] = "document.pdf",
) -> Attached:
    """Put a document, the bytes of the body, to a case: PDF, PNG, JPEG, TIFF or plain text."""
    from fastapi.concurrency import run_in_threadpool

    require_decider(who, platform, platform.work.cases.get(case).app)
    content = bytearray()
    async for part in request.stream():
        content += part
        if len(content) > LARGEST:
            raise ContractError("A document has at most 20 MiB.", do="split it")
    asked = {"case": case, "name": name, "content": bytes(content), "who": who.id, "role": who.role}
    return Attached(**await run_in_threadpool(run, platform, "cases.attach", asked))


@router.get("/{case}/documents/{document}", include_in_schema=False)
def document(case: str, document: str, platform: Opened, who: Caller) -> Response:
    """Return the bytes of a document, to be saved and never shown in a page."""
    found = platform.work.cases.get(case)
    require_decider(who, platform, found.app)
    kind, content = platform.work.evidence.read(found, document, Worker(who.id, who.role))
    headers = {
        "Content-Disposition": "attachment",
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "sandbox",
    }
    return Response(content, media_type=kind, headers=headers)
