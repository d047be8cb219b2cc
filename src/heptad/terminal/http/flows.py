# SPDX-License-Identifier: Apache-2.0
"""Routes about flows: see what decides, try another on history, propose, approve, publish."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from heptad.terminal.commands import run
from heptad.terminal.http.access import Caller, Opened, Reads, require_approver
from heptad.terminal.http.problems import RESPONSES
from heptad.terminal.http.schemas import Closed

router = APIRouter(prefix="/v1/apps/{app}", tags=["flows"], responses=RESPONSES)
trying = APIRouter(prefix="/v1", tags=["flows"], responses=RESPONSES)


class FlowInfo(BaseModel):
    """A flow: its stages with their rules, its policy values, its text, and a drawing."""

    flow: str
    version: int
    on: str
    sha256: str
    policy: dict[str, bool | int | float | str | None]
    stages: list[dict[str, Any]]
    text: str
    drawing: str


class FlowLine(BaseModel):
    """A flow that was proposed, and where it stands."""

    number: int
    flow: str
    version: int
    sha256: str
    stage: str
    proposed_by: str
    proposed: str
    approved_by: str | None


class FlowList(BaseModel):
    """The flows that were proposed for an application, newest first."""

    flows: list[FlowLine]


class FlowPlease(Closed):
    """A flow as YAML."""

    text: str = Field(
        min_length=1, max_length=1_000_000, description="The flow, YAML.",
        examples=["flow: fraud\nversion: 3\non: Payment\nstages: …"],
    )  # fmt: skip


class PublishPlease(FlowPlease):
    """Approved bytes that shall decide."""

    share: float = Field(
        0.0, ge=0, lt=1, description="As challenger of this share of subjects.", examples=[0.1]
    )
    shadow: bool = Field(
        False, description="Only record what it would decide; it decides nothing.", examples=[False]
    )
    note: str = Field("", max_length=2000, description="Why.", examples=["tested on a year"])


class FlowApproval(Closed):
    """What was read, and why it may decide."""

    sha256: str = Field(
        min_length=12, max_length=64, description="Hash of the bytes that were read.",
        examples=["b4529d455bf4"],
    )  # fmt: skip
    note: str = Field(
        min_length=3, max_length=2000, description="Why.", examples=["swaps reviewed"]
    )


class TryPlease(FlowPlease):
    """A flow to be tried on history."""

    since: str = Field(
        "", max_length=40, description="From this instant on.", examples=["2026-01-01"]
    )
    until: str = Field(
        "", max_length=40, description="Before this instant.", examples=["2026-03-01"]
    )
    label: str = Field(
        "", max_length=64, description="Flag of Label that says bad.", examples=["fraud"]
    )
    false_alarm: int = Field(
        0, ge=0, description="Cost of stopping a good row, minor units.", examples=[500]
    )


class Tried(BaseModel):
    """What would change: outcomes, swaps, and what is stopped at which cost and gain."""

    app: str
    tried: str
    rows: int
    changed: int
    now: dict[str, Any]
    then: dict[str, Any]
    swaps: list[dict[str, Any]]
    worth: dict[str, dict[str, int]]
    drawing: str


class ShadowReport(BaseModel):
    """What a flow that does not decide would have decided, beside what was decided."""

    app: str
    number: int
    sha256: str
    share: float
    standing: bool
    rows: int
    changed: int
    failed: int
    behind: int
    swaps: list[dict[str, Any]]
    reasons: dict[str, int]
    errors: dict[str, int]
    decisions: list[str]


class ShadowReplay(BaseModel):
    """Whether a flow in shadow says again what it said, bit for bit."""

    app: str
    number: int
    identical: int
    different: int
    erased: int
    differing: list[str]


class ShadowLine(BaseModel):
    """A flow that is, or was, in shadow."""

    app: str
    title: str
    number: int
    flow: str
    version: int
    sha256: str
    share: float = Field(description="Of the persons whom it is asked about.")
    who: str
    since: str
    standing: bool = Field(description="Whether it is in shadow now.")


class ModelName(BaseModel):
    """A model by its number."""

    number: int
    model: str


class TrialLine(BaseModel):
    """Models of an application that are compared on people."""

    app: str
    title: str
    share: float = Field(description="Of the persons whom the challenger serves.")
    shadow: bool = Field(description="Whether the other one is asked too, without being shown.")
    champion: ModelName | None
    challenger: ModelName | None
    page: str = Field(description='The declared page that tells how they do; "" if none does.')


class Trials(BaseModel):
    """What is tried without deciding, or on some people."""

    shadows: list[ShadowLine]
    trials: list[TrialLine]


def _line(found: dict[str, Any]) -> FlowLine:
    return FlowLine(**{name.replace(" ", "_"): value for name, value in found.items()})


@router.get("/flow")
def flow(
    app: str,
    platform: Opened,
    _: Caller,
    number: Annotated[int, Query(ge=0, description="A proposed flow; 0 is the one in force.")] = 0,
    form: Annotated[
        Literal["json", "mermaid", "svg"], Query(description="Of the drawing.")
    ] = "json",
) -> FlowInfo:
    """Show a flow: stages, rules, policy values, its text, and how it is drawn."""
    return FlowInfo(**run(platform, "flow.show", {"app": app, "number": number, "form": form}))


@router.get("/flows")
def flows(app: str, platform: Opened, _: Caller) -> FlowList:
    """List the flows that were proposed."""
    found = run(platform, "flow.list", {"app": app})["flows"]
    return FlowList(flows=[_line(one) for one in found])


@router.post("/flows")
def propose(app: str, please: FlowPlease, platform: Opened, who: Caller) -> FlowLine:
    """Propose a flow; it decides nothing until somebody else approves these bytes."""
    require_approver(who)
    return _line(run(platform, "flow.propose", {"app": app, "text": please.text, "who": who.id}))


@router.post("/flows/{number}/approve")
def approve(app: str, number: int, please: FlowApproval, platform: Opened, who: Caller) -> FlowLine:
    """Approve a flow that another proposed, by the hash of what was read."""
    require_approver(who)
    asked = {"app": app, "number": number, "sha256": please.sha256, "who": who.id}
    return _line(run(platform, "flow.approve", asked | {"note": please.note}))


@router.post("/flow")
def publish(app: str, please: PublishPlease, platform: Opened, who: Caller) -> FlowLine:
    """Let approved bytes decide; bytes that were changed since are refused."""
    require_approver(who)
    asked = {"app": app, "text": please.text, "share": please.share, "note": please.note}
    return _line(run(platform, "flow.publish", asked | {"who": who.id, "shadow": please.shadow}))


@router.get("/flow/shadow")
def shadow(
    app: str,
    platform: Opened,
    reader: Reads,
    number: Annotated[int, Query(ge=0, description="A flow; 0 is the one in shadow now.")] = 0,
    was: Annotated[str, Query(max_length=20, description="Decisions made so,")] = "",
    would_be: Annotated[str, Query(max_length=20, description="that it would make so.")] = "",
) -> ShadowReport:
    """Compare a flow in shadow with what was decided since it was published."""
    asked = {"app": app, "number": number, "was": was, "would_be": would_be}
    return ShadowReport(**run(platform, "flow.shadow", asked | reader.of(platform, app)))


@router.get("/flow/shadow/replay")
def shadow_again(
    app: str,
    platform: Opened,
    reader: Reads,
    number: Annotated[int, Query(ge=0, description="A flow; 0 is the one in shadow now.")] = 0,
) -> ShadowReplay:
    """Ask a flow in shadow again of all that it was asked of; compare bit for bit."""
    asked = {"app": app, "number": number} | reader.of(platform, app)
    return ShadowReplay(**run(platform, "flow.shadow.replay", asked))


@router.post("/flow/check")
def check(app: str, please: FlowPlease, platform: Opened, _: Caller) -> FlowInfo:
    """Read a flow without keeping it: what it holds, or where it is wrong."""
    return FlowInfo(**run(platform, "flow.read", {"app": app, "text": please.text}))


@router.post("/flow/backtest")
def backtest(app: str, please: TryPlease, platform: Opened, reader: Reads) -> Tried:
    """Decide history by the flow in force and by this one; say what would change."""
    told = reader.of(platform, app)
    asked = please.model_dump() | {"app": app, "who": told["who"], "role": told["role"]}
    return Tried(**run(platform, "flow.backtest", asked | {"purpose": told["purpose"]}))


@trying.get("/trials")
def trials(platform: Opened, _: Caller) -> Trials:
    """List the flows that are, or were, in shadow, and the models that are tried on some people."""
    return Trials(**run(platform, "trials", {}))
