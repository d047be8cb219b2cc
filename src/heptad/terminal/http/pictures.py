# SPDX-License-Identifier: Apache-2.0
"""The shapes of what the console draws."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field

from heptad.terminal.http.answers import Hash, Hex, Instant


class Session(BaseModel):
    """Who calls."""

    id: str
    role: str
    purposes: list[dict[str, str]] = Field(description="{name, sentence} of each to be stated.")
    version: str
    project: str
    csrf: str = Field(description="To be sent with changes by who signed in; empty for a key.")


class Notice(BaseModel):
    """Something that a person should look at."""

    tone: Literal["warn", "bad"]
    where: str
    text: str
    do: str
    to: str = Field(description="Path in the console.")
    command: str = Field(description="The same on the command line.")


class Layer(BaseModel):
    """One of the seven layers."""

    number: int
    name: str
    nodes: list[dict[str, Any]] = Field(description="{id, name, note, to, tone, …} each.")
    more: int = Field(description="Nodes left out.")
    count: int | None
    fresh: Instant | None = Field(description="When it last took something in.")
    failures: int
    failing: str
    spark: list[int] = Field(description="What passed through, the newest last.")


class Overview(BaseModel):
    """The project at a glance."""

    name: str
    now: Instant
    figures: list[dict[str, Any]] = Field(description="{name, value, unit} each.")
    attention: list[Notice]
    layers: list[Layer] = Field(description="The seventh first.")
    edges: list[tuple[str, str]] = Field(description="Nodes: from below, to above.")


class Hit(BaseModel):
    """Something found by its name."""

    kind: str
    name: str
    what: str
    to: str = Field(description="Path in the console.")


class Hits(BaseModel):
    """What was found by a few letters."""

    q: str
    hits: list[Hit]


class Spot(BaseModel):
    """Where a value lies among those of other decisions."""

    bins: list[int]
    low: float
    high: float
    at: float | None = Field(description="Position on the scale, in [0, 1].")
    percentile: float | None
    n: int


class Turn(BaseModel):
    """One value that, had it been another, would have changed the outcome."""

    name: str
    from_: str = Field(alias="from")
    to: str
    outcome: str


class Background(BaseModel):
    """A decision against others of its application."""

    of: int = Field(description="Decisions compared with, the latest.")
    values: dict[str, Spot]
    score: dict[str, Any] | None = Field(description="Points of others by outcome.")
    changes: list[Turn] = Field(description="What would have changed the outcome, nearest first.")


class FeatureCard(BaseModel):
    """A feature: its definition, who uses it, and its values over time."""

    name: str
    app: str
    what: str
    unit: str
    entity: str
    version: Hash
    definition: dict[str, Any]
    model: bool = Field(description="Whether the application's model reads it.")
    decisions: int = Field(description="Decisions looked at, the latest.")
    missing: int = Field(description="Those without a value.")
    distribution: Spot | None
    months: list[dict[str, Any]] = Field(description="{month, n, low, q1, median, q3, high}.")
    models: list[str]
    apps: list[str]


class Parity(BaseModel):
    """Features derived again and compared bit for bit."""

    app: str
    of: int
    identical: bool
    derive: dict[str, int]
    findings: list[dict[str, Any]]


class ModelCard(BaseModel):
    """A model with all that is known of it."""

    number: int
    model: str
    app: str
    stage: str
    trainer: str
    auc: str | None
    trained: Instant
    sha256: Hex
    bytes: int
    approver: str | None
    approved: Instant | None
    note: str | None
    window: list[Instant | None] = Field(description="First and last instant of its rows.")
    metrics: dict[str, Any] = Field(description="Its own, and those of its baseline.")
    features: dict[str, Hash]
    versions: dict[str, int] = Field(description="Table versions it was trained on.")
    settings: dict[str, Any]
    events: list[dict[str, Any]]
    card: list[dict[str, Any]] = Field(description="Points of a scorecard, a row for each bin.")


class TableQuality(BaseModel):
    """What the last loads brought in each column of a table."""

    table: str
    columns: list[dict[str, Any]]
    drifts: list[dict[str, Any]]


class TableQuarantine(BaseModel):
    """Rows of a table that were set aside."""

    table: str
    total: int
    reasons: list[dict[str, Any]] = Field(description="{reason, field, rows} each.")
    rows: list[dict[str, Any]] = Field(description="Some of them, personal values masked.")


class Retried(BaseModel):
    """What became of rows that were checked again."""

    table: str
    read: int
    accepted: int
    quarantined: int


class Repaired(BaseModel):
    """What became of one refused row, or would."""

    table: str
    check: bool
    accepted: int
    duplicates: int = Field(description="1 if the table held it already.")
    reasons: list[dict[str, str]] = Field(description="{field, reason, sentence, do} each.")


class RunList(BaseModel):
    """Runs of jobs, the last one first."""

    runs: list[dict[str, Any]]


class Verified(BaseModel):
    """What a reading of the whole log found."""

    entries: int
    root: Hex
    heads: int = Field(description="Signed heads checked.")
    verified: bool
