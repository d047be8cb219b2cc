# SPDX-License-Identifier: Apache-2.0
"""The shapes of what reads over HTTP answer."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

Instant = Annotated[str, Field(description="ISO 8601, UTC.", examples=["2026-03-01T09:30:00Z"])]
Hash = Annotated[str, Field(examples=["7b3f048e08d71cdb"])]
Hex = Annotated[str, Field(description="Hexadecimal.")]


class TableLine(BaseModel):
    """A table in short."""

    table: str = Field(examples=["Payment"])
    rows: int = Field(description="Stored row versions.")
    version: int | None = Field(description="Last version; null if nothing is stored.")
    bytes: int
    kind: Literal["event", "state"]
    sources: int = Field(description="Sources bound to it.")
    what: str = Field(description="What one row is.")


class TableList(BaseModel):
    """The tables, those that hold rows first."""

    tables: list[TableLine]


class FieldLine(BaseModel):
    """A field of a table."""

    field: str = Field(examples=["amount"])
    type: str = Field(examples=["Money"])
    unit: str = Field(description="Unit, or the standard of its codes.", examples=["ISO 4217"])
    is_: str = Field(alias="is", description="key, optional, subject, sealed, token.")
    means: str


class VersionLine(BaseModel):
    """A stored version of a table."""

    version: int
    load: int | None = Field(description="The load that made it; null for upkeep.")
    when: Instant
    rows: int
    files: int
    bytes: int


class TableInfo(BaseModel):
    """A table: its fields with units, its versions, what reads it."""

    table: str
    doc: str
    kind: Literal["event", "state"]
    contract: Hash
    rows: int
    size: int = Field(description="Bytes of the last version.")
    version: int | None
    fields: list[FieldLine]
    versions: list[VersionLine] = Field(description="The last twenty, the newest first.")
    features: list[str] = Field(examples=[["fraud.count_1h"]])


class Contract(BaseModel):
    """The contract of a table."""

    table: str
    odcs: str = Field(description="Open Data Contract Standard v3, YAML.")


class Rows(BaseModel):
    """Rows of a table in key order."""

    table: str
    rows: list[dict[str, Any]] = Field(
        description="Values by column: instants and days ISO 8601, amounts in minor units of "
        "their currency, other numbers and places decimal text; personal values as permitted, "
        "else masked.",
        examples=[[{"id": "p17", "amount": 1250, "currency": "EUR", "card": "411111••••••1111"}]],
    )
    money: dict[str, str] = Field(
        description="Column of an amount → column of its currency.",
        examples=[{"amount": "currency"}],
    )
    after: str | None = Field(description="Send it as `after` for the next page; null at the end.")


class AppLine(BaseModel):
    """An application in short."""

    name: str = Field(examples=["fraud"])
    title: str
    on: str = Field(description="Table whose rows it decides.", examples=["Payment"])
    purpose: str = Field(examples=["fraud"])
    features: int
    model: bool = Field(description="Whether it has a model.")
    decisions: int = Field(description="How many it has made.")


class AppList(BaseModel):
    """The applications found."""

    apps: list[AppLine]


class PageLine(BaseModel):
    """A page in short."""

    path: str
    question: str


class AppInfo(BaseModel):
    """An application: what it decides on, reads and answers."""

    name: str
    title: str
    on: str
    purpose: str
    decide: str = Field(description="What its decision does, in words.")
    module: str
    policy: dict[str, Any] = Field(description="Values that people may change.")
    features: dict[str, str] = Field(description="Name → what it computes, in words.")
    inputs: list[str] = Field(description="What its model reads.")
    pages: list[PageLine]
    flow: bool = Field(description="Whether a flow that people may change decides, or code.")
    inboxes: list[str] = Field(description="Where its cases go.")
    decisions: dict[str, int] = Field(description="Decisions so far, by outcome.")
    code: Hash


Form = Literal[
    "stat", "table", "chart", "distribution", "timeline", "graph", "map", "decision", "text", "form"
]


class BlockData(BaseModel):
    """A part of a declared page."""

    form: Form
    title: str
    note: str
    width: Literal[3, 4, 6, 8, 12] = Field(description="Columns of twelve.")
    data: Any = Field(description="As of the page; of a form, {app, schema}.")
    problem: dict[str, Any] | None = Field(description="Why it cannot be read, if so.")


class PageData(BaseModel):
    """What a declared page shows."""

    app: str
    title: str = Field(description="Of the application.")
    purpose: str
    path: str
    question: str
    form: Form
    blocks: list[BlockData]
    data: dict[str, Any] = Field(
        description="By read; stat {value, unit}, table [row], chart {x, y, series}, timeline "
        "[{at, kind, text}], decision one explanation, text a text."
    )


class FeatureLine(BaseModel):
    """A feature's definition."""

    name: str = Field(examples=["fraud.count_1h"])
    by: str = Field(description="What its key names.", examples=["Customer"])
    what: str = Field(description="The definition in words.")
    unit: str = Field(examples=["EUR minor units"])
    version: Hash


class FeatureList(BaseModel):
    """The features declared."""

    features: list[FeatureLine]


class FeatureValue(BaseModel):
    """A feature of one key as of an instant."""

    name: str
    value: bool | int | float | str | None = Field(description="In the unit; null if none.")
    unit: str = Field(examples=["events"])
    shown: str = Field(description="The value for people.", examples=["5 events"])
    what: str


class FeatureValues(BaseModel):
    """The features of one key as of an instant."""

    entity: str
    key: str
    features: list[FeatureValue]


class Graph(BaseModel):
    """A part of the lineage."""

    nodes: list[str] = Field(examples=[["table:Payment.amount"]])
    edges: list[tuple[str, str, str]] = Field(
        description="From, to, and how the one is made of the other."
    )
    note: str = Field(description="What was left out.")


class Lineage(BaseModel):
    """Where something comes from and what it touches."""

    node: str
    upstream: Graph
    downstream: Graph


class ModelLine(BaseModel):
    """A trained model."""

    number: int
    model: str
    app: str
    stage: Literal["candidate", "challenger", "champion", "retired"]
    trainer: str
    auc: str | None = Field(description="Area under the ROC curve with its 95 % interval.")
    trained: Instant
    sha256: Hex


class ModelList(BaseModel):
    """The models, the newest first."""

    models: list[ModelLine]


class LoadLine(BaseModel):
    """A past load."""

    load: int
    source: str
    table: str
    status: str
    when: Instant
    known: str | None = Field(description="How known_time was set: mapped, assumed, arrival.")
    read: int
    accepted: int
    quarantined: int
    version: int | None


class LoadList(BaseModel):
    """Past loads, the last one first."""

    loads: list[LoadLine]


class AccessLine(BaseModel):
    """One read: who, what, about whom, why and on which basis."""

    number: int = Field(description="Its place in the access log, from 0.")
    when: Instant
    who: str = Field(description="The key or account that read.", examples=["local"])
    role: str = Field(examples=["officer"])
    purpose: str = Field(description="Empty for a masked read.", examples=["service"])
    basis: str = Field(description="Lawful basis.", examples=["contract"])
    action: str = Field(examples=["read"])
    result: Literal["opened", "masked", "refused"]
    tables: list[str] = Field(examples=[["Customer"]])
    columns: dict[str, list[str]] = Field(description="Table → columns answered.")
    rows: int
    people: int = Field(description="Persons that the rows are about.")
    about: list[str] = Field(description="Whom, where they are few.", examples=[["Customer:42"]])
    named: bool = Field(description="False where they are too many to tell one from another.")
    asked: dict[str, Any] = Field(description="What was asked; why it was refused.")


class Accesses(BaseModel):
    """The access log, the newest entry first."""

    accesses: list[AccessLine]
    entries: int = Field(description="Entries of the whole access log.")


class LogHead(BaseModel):
    """The decision log: its length and signed head."""

    entries: int
    root: Hex
    counts: dict[str, int] = Field(description="Decisions by outcome.")


class Checkpoint(BaseModel):
    """The signed head of the decision log."""

    note: str = Field(description="C2SP signed note; keep it where nobody can change both.")
    entries: int


class ReasonGiven(BaseModel):
    """Why, in words and numbers."""

    code: str = Field(examples=["BURST"])
    sentence: str = Field("", examples=["5 payments in 10 minutes (usual: 0 a day)"])
    numbers: dict[str, Any] = {}


class FeatureUsed(BaseModel):
    """A value that a decision rested on."""

    name: str
    value: bool | int | float | str | None
    unit: str
    means: str


class Explanation(BaseModel):
    """A decision explained; the engineer sees all fields, the customer few."""

    id: str
    app: str
    title: str | None = None
    outcome: str
    when: Instant
    reasons: list[ReasonGiven | str] = Field(description="Ranked; sentences for the customer.")
    amounts: dict[str, str] = Field(
        {}, description="With currency.", examples=[{"amount": "1,000.00 EUR"}]
    )
    erased: str | None = Field(None, description="Set if the person it was about was erased.")
    subject: str | None = Field(None, examples=["Customer:c42"])
    on: str | None = Field(None, examples=["Payment p17"])
    known: Instant | None = Field(None, description="What was known by then counted.")
    known_after: str | None = Field(None, description="How long after the event.")
    features: list[FeatureUsed] | None = None
    row: dict[str, Any] | None = Field(None, description="The row decided, in stored units.")
    score: dict[str, Any] | None = Field(None, description="Probability, points and points lost.")
    policy: dict[str, Any] | None = None
    purpose: str | None = None
    basis: str | None = Field(None, description="Lawful basis of the purpose.")
    model: str | None = Field(None, description="SHA-256 of the model's bytes.")
    code: str | None = None
    code_now: str | None = None
    definitions: dict[str, Any] | None = None
    definitions_version: str | None = None
    tables: dict[str, int] | None = Field(None, description="Version of each table read.")
    environment: dict[str, str] | None = None
    propensity: float | None = None
    event_time: int | None = Field(None, description="Microseconds since 1970, UTC.")
    known_time: int | None = Field(None, description="Microseconds since 1970, UTC.")


class Finding(BaseModel):
    """Something that a replay found to differ."""

    id: str
    step: Literal["decide", "derive"]
    what: str


class Replay(BaseModel):
    """What a replay found."""

    identical: bool
    decide: dict[str, int] = Field(description="Decided again: identical, different, erased.")
    derive: dict[str, int] = Field(description="Derived again: identical, different, erased.")
    findings: list[Finding]
    environment: dict[str, str] = Field(description="What differs from where it was decided.")
    of: int = Field(description="Decisions replayed.")


class ChangeOf(BaseModel):
    """An input that would have to be another."""

    name: str
    now: int | float | str | None = Field(description="In its stored unit.")
    to: int | float | str | None


class Changes(BaseModel):
    """The smallest permitted changes that would have had a decision approved."""

    id: str
    outcome: str
    would_be: str | None
    changes: list[ChangeOf] = Field(description="None if none of those tried would.")
    amounts: dict[str, int]
    tried: int
    complete: bool = Field(description="Whether all permitted changes were tried.")


class Referred(BaseModel):
    """The case to which a decision was put."""

    case: str
    app: str
    inbox: str


class Proof(BaseModel):
    """The proof that an entry is in the log, as RFC 6962 has it."""

    index: int = Field(description="Number of the entry, from 0.")
    size: int = Field(description="Entries under the head.")
    leaf: Hex
    path: list[Hex]
    root: Hex
    checkpoint: str = Field(description="The signed head as a note.")
