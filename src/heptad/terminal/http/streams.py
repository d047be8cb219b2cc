# SPDX-License-Identifier: Apache-2.0
"""The route that says what flows: streams of features, topics, jobs of other engines."""

from __future__ import annotations

from typing import Any, Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field

from heptad.terminal.commands import run
from heptad.terminal.http.access import Caller, Opened
from heptad.terminal.http.problems import RESPONSES

router = APIRouter(prefix="/v1", tags=["console"], responses=RESPONSES)


class Reel(BaseModel):
    """Features of one table, kept current by a stream while the project is served."""

    app: str
    table: str
    features: list[str]
    state: Literal["building", "empty", "current"]
    keys: int = Field(description="In memory.")
    events: int = Field(description="Places of events in memory.")
    cold_keys: int | None = Field(description="In the row store; none where all are in memory.")
    cold_more: bool = Field(description="Whether there are more of them than were counted.")
    newest: str | None = Field(description="When the newest row that it took became known.")
    waiting: int = Field(description="Rows that came while it was being built.")
    later: int = Field(description="Stored rows that count as known only later.")


class Apart(BaseModel):
    """An application whose features are computed from the tables when they are asked for."""

    app: str
    why: str


class JournalLine(BaseModel):
    """Rows that were answered and wait to be stored in their table."""

    table: str
    waiting: int


class Position(BaseModel):
    """How far a partition was read."""

    partition: int
    offset: int = Field(description="The next one.")


class TopicSource(BaseModel):
    """A topic that rows come from."""

    source: str
    table: str
    kind: str = Field(examples=["kafka"])
    topic: str = Field(examples=["broker:9093/payments"])
    positions: list[Position] = Field(description="None where the broker keeps them, as for MQTT.")
    state: str = Field(description="empty, current, failed, or the step of a load under way.")
    load: int | None
    when: str | None
    accepted: int
    error: str | None


class SinkLine(BaseModel):
    """A topic that decisions are sent to."""

    sink: str
    kind: str
    topic: str
    apps: list[str]
    outcomes: list[str]
    at: int = Field(description="The entry of the log that is looked at next.")
    waiting: int


class EngineJob(BaseModel):
    """What was computed on another engine."""

    run: int
    engine: str = Field(examples=["flink"])
    what: str = Field(examples=["features of fraud"])
    status: Literal["running", "finished", "failed"]
    started: str
    seconds: float | None
    rows: int | None
    features: int
    refused: int = Field(description="Features that it cannot compute.")
    error: str | None


class Cluster(BaseModel):
    """The small Flink cluster of this machine."""

    installed: str = Field(description='Its release; "" if it is not installed.')
    running: bool
    port: int
    managers: list[dict[str, Any]]
    jobs: list[dict[str, Any]]


class Streams(BaseModel):
    """What flows through a project this moment."""

    now: str
    served: bool
    reels: list[Reel]
    apart: list[Apart]
    journals: list[JournalLine]
    sources: list[TopicSource]
    sinks: list[SinkLine]
    jobs: list[EngineJob]
    cluster: Cluster


@router.get("/streams")
def streams(platform: Opened, _: Caller) -> Streams:
    """Say what is kept current in memory, how far topics are read and written, what engines ran."""
    return Streams(**run(platform, "streams", {}))
