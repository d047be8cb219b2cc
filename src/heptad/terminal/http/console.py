# SPDX-License-Identifier: Apache-2.0
"""Routes that the console draws its pages from."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from heptad import __version__
from heptad.security.purposes import PURPOSES, may_act
from heptad.terminal.commands import run
from heptad.terminal.commands.decisions import full_id
from heptad.terminal.http.access import (
    At,
    Caller,
    Opened,
    Reads,
    csrf_of,
    require_approver,
    require_writer,
)
from heptad.terminal.http.decisions import json_only
from heptad.terminal.http.pictures import (
    Background,
    FeatureCard,
    Hits,
    ModelCard,
    Overview,
    Parity,
    Repaired,
    Retried,
    RunList,
    Session,
    TableQuality,
    TableQuarantine,
    Verified,
)
from heptad.terminal.http.problems import RESPONSES
from heptad.terminal.http.schemas import ApprovePlease

router = APIRouter(prefix="/v1", tags=["console"], responses=RESPONSES)


@router.get("/overview")
def overview(platform: Opened, _: Caller, t: At = "") -> Overview:
    """Show the seven layers with what flows through them, and what needs attention."""
    return Overview(**run(platform, "overview", {"t": t}))


@router.get("/session")
def session(request: Request, platform: Opened, who: Caller) -> Session:
    """Say who calls, in which role, and which purposes may be stated."""
    stated = [p for n, p in PURPOSES.items() if n in who.purposes and may_act(who.role, n)]
    return Session(
        id=who.id,
        role=who.role,
        purposes=[{"name": p.name, "sentence": p.sentence} for p in stated],
        version=__version__,
        project=platform.project.name,
        csrf=csrf_of(request),
    )


@router.get("/search")
def search(
    platform: Opened,
    _: Caller,
    q: Annotated[str, Query(description="A few letters of a name.", examples=["pay"])] = "",
) -> Hits:
    """Find tables, columns, features, applications, models and decisions by a few letters."""
    return Hits(**run(platform, "search", {"q": q[:100]}))


@router.get("/decisions/{decision}/background")
def background(decision: str, platform: Opened, reader: Reads) -> Background:
    """Say where a decision's values lie among others, and what would have changed its outcome."""
    name = full_id(platform, decision)
    told = reader.of(platform, platform.catalog.decisions.get(name).app)
    return Background(**run(platform, "decisions.background", {"id": name} | told))


@router.get("/apps/{app}/parity")
def parity(
    app: str,
    platform: Opened,
    reader: Reads,
    n: Annotated[int, Query(ge=1, le=100, description="Decisions, the latest.")] = 20,
) -> Parity:
    """Derive the features of the latest decisions again and compare them bit for bit."""
    told = reader.of(platform, app)
    return Parity(**run(platform, "features.parity", {"app": app, "n": n} | told))


@router.get("/features/{name}")
def feature(name: str, platform: Opened, reader: Reads, t: At = "") -> FeatureCard:
    """Show a feature: its definition, who uses it, and its values in decisions over time."""
    told = reader.of(platform, name.partition(".")[0])
    return FeatureCard(**run(platform, "features.card", {"name": name, "at": t} | told))


@router.get("/models/{number}")
def model(number: int, platform: Opened, _: Caller) -> ModelCard:
    """Show a model: figures with intervals, calibration, data, settings, what was done to it."""
    return ModelCard(**run(platform, "models.card", {"number": number}))


@router.post("/models/{number}/approve", dependencies=[Depends(json_only)])
def approve(number: int, please: ApprovePlease, platform: Opened, who: Caller) -> ModelCard:
    """Let a model that somebody else trained decide from now on; the caller is the approver."""
    require_approver(who)
    platform.approve(number, who.id, please.note)
    return ModelCard(**run(platform, "models.card", {"number": number}))


@router.get("/tables/{name}/quality")
def quality(name: str, platform: Opened, _: Caller, t: At = "") -> TableQuality:
    """Show the profile of a table's last load, how each column moved, and its drifts."""
    return TableQuality(**run(platform, "tables.quality", {"name": name, "at": t}))


@router.get("/tables/{name}/quarantine")
def quarantine(
    name: str,
    platform: Opened,
    who: Caller,
    limit: Annotated[int, Query(ge=1, le=500, description="Most rows.")] = 50,
) -> TableQuarantine:
    """Show the rows of a table that were set aside, by reason, personal values masked."""
    require_writer(who)
    return TableQuarantine(**run(platform, "tables.quarantine", {"name": name, "limit": limit}))


@router.post("/tables/{name}/quarantine/retry")
def retry(name: str, platform: Opened, who: Caller) -> Retried:
    """Check the rows that were set aside again, and store those that pass now."""
    require_writer(who)
    found: dict[str, Any] = run(platform, "quarantine.retry", {"table": name})
    return Retried(**found)


class RepairPlease(BaseModel):
    """A refused row, and cells of it that are to be written anew."""

    model_config = ConfigDict(extra="forbid")

    load: int = Field(ge=0, le=2**63 - 1, description="The load that refused it.")
    file: str = Field("", max_length=1000)
    line: int = Field(ge=0, le=2**63 - 1)
    cells: dict[str, str] = Field(max_length=500, description='Column → text; "" for nothing.')
    check: bool = Field(False, description="Only say what would happen.")


@router.post("/tables/{name}/quarantine/repair", dependencies=[Depends(json_only)])
def repair(name: str, please: RepairPlease, platform: Opened, who: Caller) -> Repaired:
    """Write cells of one refused row anew and check it again; it is stored if it passes.

    Refused again it waits as it was written, with its new reason. The change is recorded.
    """
    require_writer(who)
    told = {"table": name, "who": who.id, "role": who.role}
    return Repaired(**run(platform, "quarantine.repair", please.model_dump() | told))


@router.get("/runs")
def runs(platform: Opened, _: Caller) -> RunList:
    """List the runs of jobs, the last one first."""
    return RunList(**run(platform, "runs", {}))


@router.post("/log/verify")
def verify(platform: Opened, _: Caller) -> Verified:
    """Read every byte of the decision log and check it against its signed heads."""
    return Verified(**run(platform, "log.verify", {}))
