# SPDX-License-Identifier: Apache-2.0
"""Routes about segments: what conditions may name, who would be in one, declare it, list them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path
from pydantic import BaseModel, Field

from heptad.standards.errors import Refused
from heptad.terminal.commands import run
from heptad.terminal.http.access import Caller, Opened, Reader, Reads, require_approver
from heptad.terminal.http.decisions import json_only
from heptad.terminal.http.problems import RESPONSES
from heptad.terminal.http.schemas import Closed, Text

router = APIRouter(prefix="/v1/segments", tags=["lists"], responses=RESPONSES)
_AS_RULES = "The condition, as rules write it: {operator: [arguments]}."
_WHEN = Annotated[
    dict[str, Any],
    Field(description=_AS_RULES, examples=[{"eq": [{"column": "country"}, "ES"]}]),
]


class KnownName(BaseModel):
    """Something that a condition may name."""

    name: str = Field(examples=["fraud.spend_30d"])
    kind: str = Field(examples=["integer"])
    unit: str
    means: str
    codes: list[str]


class SegmentLine(BaseModel):
    """A declared segment, its last version."""

    segment: str
    version: int
    says: str = Field(description="The condition in one line.")
    broken: str = Field(description='Why it cannot be read any more; "" if it can.')
    when: Any = Field(description="The condition.")
    purpose: str
    note: str
    who: str
    at: str


class SegmentList(BaseModel):
    """The declared segments, and what conditions may name."""

    segments: list[SegmentLine]
    known: list[KnownName]


class SegmentTry(Closed):
    """A condition that is being made."""

    when: _WHEN
    at: Annotated[Text, Field(max_length=40)] = Field("", description="As of; now by default.")


class SegmentPlease(Closed):
    """A condition that is to be kept."""

    when: _WHEN
    note: Annotated[Text, Field(max_length=500)] = Field("", description="What it is for.")


class SegmentCount(BaseModel):
    """Who would be in a segment."""

    says: str
    when: Any
    at: str
    of: int = Field(description="Customers that may be read for the purpose.")
    looked: int = Field(description="How many of them were looked at.")
    members: int = Field(description="Of those.")
    alone: list[int] = Field(description="Of those, by each part of the condition alone.")
    units: dict[str, str]
    sample: list[dict[str, Any]]


class ListPlease(Closed):
    """How a segment is put on a list."""

    kind: Literal["allow", "deny", "watch"] = "watch"
    days: int = Field(30, ge=1, le=400, description="How long the entries last.")


class Listed(BaseModel):
    """What became of it."""

    list: str
    members: int
    stored: int


def stated(reader: Reads) -> Reader:
    """Say who asks about customers and why.

    Raises:
        Refused: if no purpose is stated.
    """
    if not reader.stated:
        raise Refused("A segment is read for a purpose.", do="state one: Heptad-Purpose: service")
    return reader


Stated = Annotated[Reader, Depends(stated)]
Name = Annotated[str, Path(description="Of the segment.", min_length=1, max_length=64)]


@router.get("")
def segments(platform: Opened, _: Caller) -> SegmentList:
    """List the declared segments, and what conditions may name."""
    return SegmentList(**run(platform, "segments.list", {}))


@router.post("", dependencies=[Depends(json_only)])
def attempt(please: SegmentTry, platform: Opened, reader: Stated) -> SegmentCount:
    """Count who would be in a segment, as of an instant, for the purpose stated; nothing is kept."""
    return SegmentCount(**run(platform, "segments.try", please.model_dump() | reader.plain()))


@router.post("/{name}", dependencies=[Depends(json_only)])
def declare(name: Name, please: SegmentPlease, platform: Opened, reader: Stated) -> SegmentLine:
    """Keep a condition as a segment for the purpose stated; a changed one is a further version."""
    told = {"name": name, **please.model_dump(), **reader.plain()}
    return SegmentLine(**run(platform, "segments.declare", told))


@router.post("/{name}/list", dependencies=[Depends(json_only)])
def put(name: Name, please: ListPlease, platform: Opened, reader: Stated) -> Listed:
    """Put all who are in a segment now on the list of its name, for some days."""
    require_approver(reader.who)
    told = {"name": name, **please.model_dump(), **reader.plain()}
    return Listed(**run(platform, "segments.put", told))
