# SPDX-License-Identifier: Apache-2.0
"""The catalog's tables, as typed SQLAlchemy models that SQLite and PostgreSQL share."""

from __future__ import annotations

import json
from typing import Annotated, Any, ClassVar

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Dialect,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Text,
    TypeDecorator,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from heptad.standards.errors import ContractError

HEAD = "0009"
"""The migration that makes these tables; opening a catalog compares it without loading alembic."""

Big = BigInteger().with_variant(Integer(), "sqlite")
"""SQLite numbers rows by itself only in a column declared INTEGER, which holds 64 bits there."""

Id = Annotated[int, mapped_column(Big, primary_key=True, autoincrement=True)]
LoadId = Annotated[int, mapped_column(Big, ForeignKey("loads.id"))]


class Json(TypeDecorator[Any]):
    """Plain data as canonical JSON text.

    Text on both databases: SQLite would read a bare number in a JSON column as a float of its
    own rounding, PostgreSQL would reorder keys.
    """

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:  # noqa: ARG002
        """Write a value; None is stored as NULL."""
        return None if value is None else dumps(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:  # noqa: ARG002
        """Read a value back."""
        return None if value is None else json.loads(value)


def dumps(value: Any) -> str:
    """Write plain data as canonical JSON.

    Raises:
        ContractError: if it holds anything but text, whole and finite numbers, truth values,
            None, lists and mappings by text.
    """
    try:
        return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ContractError(
            "The catalog keeps plain data only: " + str(error),
            got=type(value).__name__,
            do="turn arrays into lists and NaN into None first",
        ) from error


class Row(DeclarativeBase):
    """What every model shares: how constraints are named and how Python types are stored."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        int: BigInteger,
        str: Text,
        float: Double,
        bytes: LargeBinary,
        dict[str, Any]: Json,
        list[Any]: Json,
        Any: Json,
    }


def one_of(column: str, *values: str) -> CheckConstraint:
    """Constrain a column to the states of its machine."""
    listed = ", ".join(f"'{value}'" for value in values)
    return CheckConstraint(f"{column} IN ({listed})", name=column)


class LoadRow(Row):
    """One attempt to bring rows of one source into one table."""

    __tablename__ = "loads"
    __table_args__ = (
        one_of("status", "started", "staged", "committed", "refused", "failed"),
        one_of("known", "mapped", "assumed", "arrival"),
        Index("ix_loads_arrival", "arrival"),
        Index("ix_loads_table_status", "table", "status"),
        Index("ix_loads_source_table_status", "source", "table", "status"),
        {"sqlite_autoincrement": True},
    )
    id: Mapped[Id]
    source: Mapped[str]
    table: Mapped[str]
    status: Mapped[str]
    started: Mapped[int]
    ended: Mapped[int | None]
    arrival: Mapped[int]
    known: Mapped[str]
    contract: Mapped[str | None]
    read: Mapped[int]
    accepted: Mapped[int]
    quarantined: Mapped[dict[str, Any]]
    duplicates: Mapped[int]
    corrections: Mapped[int]
    deletions: Mapped[int]
    staged: Mapped[str | None]
    watermark: Mapped[str | None]
    version: Mapped[int | None]
    error: Mapped[dict[str, Any] | None]
    epoch: Mapped[str]


class LoadFileRow(Row):
    """One file that a load read; `held` is 1 while its content counts as loaded by that load."""

    __tablename__ = "load_files"
    __table_args__ = (
        Index(
            "uq_load_files_held",
            "table",
            "sha256",
            unique=True,
            sqlite_where=text("held = 1"),
            postgresql_where=text("held = 1"),
        ),
        Index("ix_load_files_table_path", "table", "path"),
    )
    load: Mapped[LoadId] = mapped_column(primary_key=True)
    path: Mapped[str] = mapped_column(primary_key=True)
    table: Mapped[str]
    size: Mapped[int]
    sha256: Mapped[str]
    held: Mapped[int]


class VersionRow(Row):
    """One version of a stored table."""

    __tablename__ = "versions"
    table: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    load: Mapped[int | None] = mapped_column(Big, ForeignKey("loads.id"), unique=True)
    instant: Mapped[int]
    contract: Mapped[str | None]
    rows: Mapped[int]
    size: Mapped[int]
    files: Mapped[int]


class DataFileRow(Row):
    """One data file of a table, from the version that added it to the one that dropped it."""

    __tablename__ = "data_files"
    __table_args__ = (Index("ix_data_files_table_dropped", "table", "dropped"),)
    table: Mapped[str] = mapped_column(primary_key=True)
    path: Mapped[str] = mapped_column(primary_key=True)
    added: Mapped[int] = mapped_column(primary_key=True)
    dropped: Mapped[int | None]
    size: Mapped[int]
    sha256: Mapped[str]
    rows: Mapped[int]
    partition: Mapped[Any | None]


class PinRow(Row):
    """A table version that something kept still names, so that retention leaves it alone."""

    __tablename__ = "pins"
    table: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    holder: Mapped[str] = mapped_column(primary_key=True)
    last: Mapped[int]


class ContractRow(Row):
    """A declaration that a table had since an instant."""

    __tablename__ = "contracts"
    __table_args__ = (Index("ix_contracts_table", "table"), {"sqlite_autoincrement": True})
    id: Mapped[Id]
    table: Mapped[str]
    hash: Mapped[str]
    contract: Mapped[dict[str, Any]]
    since: Mapped[int]


class NodeRow(Row):
    """A column, feature, model or application that lineage knows."""

    __tablename__ = "nodes"
    __table_args__ = (
        Index("uq_nodes_kind_name_column", "kind", "name", "column", unique=True),
        Index("ix_nodes_text", "text"),
        Index("ix_nodes_name", "name"),
    )
    id: Mapped[Id]
    text: Mapped[str]
    kind: Mapped[str]
    name: Mapped[str]
    column: Mapped[str]


class EdgeRow(Row):
    """One node that another is made from, while a definition said so."""

    __tablename__ = "edges"
    __table_args__ = (
        Index("ix_edges_origin_until", "origin", "until"),
        Index("ix_edges_target_until", "target", "until"),
        Index("ix_edges_scope_until", "scope", "until"),
    )
    id: Mapped[Id]
    origin: Mapped[int] = mapped_column(Big, ForeignKey("nodes.id"))
    target: Mapped[int] = mapped_column(Big, ForeignKey("nodes.id"))
    how: Mapped[str]
    scope: Mapped[str]
    definition: Mapped[str]
    load: Mapped[int | None] = mapped_column(Big, ForeignKey("loads.id"))
    since: Mapped[int]
    until: Mapped[int | None]


class ProfileRow(Row):
    """What one load brought in one column."""

    __tablename__ = "profiles"
    __table_args__ = (Index("ix_profiles_table_column_load", "table", "column", "load"),)
    load: Mapped[LoadId] = mapped_column(primary_key=True)
    column: Mapped[str] = mapped_column(primary_key=True)
    table: Mapped[str]
    count: Mapped[int]
    missing: Mapped[int]
    distinct: Mapped[int | None]
    smallest: Mapped[Any | None]
    largest: Mapped[Any | None]
    mean: Mapped[float | None]
    quantiles: Mapped[list[Any] | None]
    top: Mapped[list[Any] | None]
    histogram: Mapped[dict[str, Any] | None]
    personal: Mapped[int]


class DriftRow(Row):
    """A change of a column's distribution or schema that a load met."""

    __tablename__ = "drifts"
    __table_args__ = (
        one_of("verdict", "reported", "refused"),
        Index("ix_drifts_table_column", "table", "column"),
    )
    id: Mapped[Id]
    load: Mapped[LoadId]
    table: Mapped[str]
    column: Mapped[str]
    verdict: Mapped[str]
    psi: Mapped[float | None]
    limit: Mapped[float | None]
    against: Mapped[int | None]
    note: Mapped[str]
    instant: Mapped[int]


class ModelRow(Row):
    """One trained model, by the hash of its bytes."""

    __tablename__ = "models"
    __table_args__ = (
        one_of("stage", "candidate", "challenger", "champion", "retired"),
        Index("uq_models_name_number", "name", "number", unique=True),
        Index(
            "uq_models_champion",
            "app",
            unique=True,
            sqlite_where=text("stage = 'champion'"),
            postgresql_where=text("stage = 'champion'"),
        ),
        Index("ix_models_app_stage", "app", "stage"),
        {"sqlite_autoincrement": True},
    )
    id: Mapped[Id]
    name: Mapped[str]
    number: Mapped[int]
    app: Mapped[str]
    sha256: Mapped[str]
    size: Mapped[int]
    metrics: Mapped[dict[str, Any]]
    window_start: Mapped[int | None]
    window_end: Mapped[int | None]
    features: Mapped[dict[str, Any]]
    versions: Mapped[dict[str, Any]]
    settings: Mapped[dict[str, Any]]
    stage: Mapped[str]
    trainer: Mapped[str]
    trained: Mapped[int]
    approver: Mapped[str | None]
    approved: Mapped[int | None]
    note: Mapped[str | None]


class ModelEventRow(Row):
    """Who moved a model to a stage, or approved it, and when."""

    __tablename__ = "model_events"
    __table_args__ = (Index("ix_model_events_model", "model"),)
    id: Mapped[Id]
    model: Mapped[int] = mapped_column(Big, ForeignKey("models.id"))
    event: Mapped[str]
    who: Mapped[str]
    note: Mapped[str]
    terms: Mapped[dict[str, Any] | None]
    instant: Mapped[int]


class RunRow(Row):
    """One job for one date: done once, however often it is started."""

    __tablename__ = "runs"
    __table_args__ = (
        one_of("status", "running", "finished", "failed"),
        Index("uq_runs_job_date_key", "job", "date", "key", unique=True),
        Index("ix_runs_status", "status"),
        {"sqlite_autoincrement": True},
    )
    id: Mapped[Id]
    job: Mapped[str]
    date: Mapped[str]
    key: Mapped[str]
    status: Mapped[str]
    attempt: Mapped[int]
    started: Mapped[int]
    ended: Mapped[int | None]
    owner: Mapped[str]
    inputs: Mapped[dict[str, Any]]
    outputs: Mapped[dict[str, Any]]
    result: Mapped[Any | None]
    error: Mapped[dict[str, Any] | None]


class StepRow(Row):
    """One step of a run, with the checkpoint from which it goes on."""

    __tablename__ = "steps"
    run: Mapped[int] = mapped_column(Big, ForeignKey("runs.id"), primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    place: Mapped[int]
    checkpoint: Mapped[Any | None]
    started: Mapped[int]
    ended: Mapped[int | None]


class SettingRow(Row):
    """One small value that the project keeps about itself."""

    __tablename__ = "settings"
    name: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[Any | None]


class DecisionRow(Row):
    """Where a decision lies in the ledger; rebuilt from the ledger if lost."""

    __tablename__ = "decisions"
    __table_args__ = (
        Index("ix_decisions_app_event_time", "app", "event_time"),
        Index("ix_decisions_app_place", "app", "place"),
        Index("ix_decisions_subject_place", "subject", "place"),
    )
    place: Mapped[int] = mapped_column(Big, primary_key=True, autoincrement=False)
    id: Mapped[str] = mapped_column(unique=True)
    app: Mapped[str]
    subject: Mapped[str | None]
    event_time: Mapped[int]
    outcome: Mapped[str]
    body: Mapped[bytes]


class DecisionCountRow(Row):
    """Decisions of an application by outcome and by day of event_time (days since 1970, UTC)."""

    __tablename__ = "decision_counts"
    app: Mapped[str] = mapped_column(primary_key=True)
    outcome: Mapped[str] = mapped_column(primary_key=True)
    day: Mapped[int] = mapped_column(primary_key=True)
    n: Mapped[int]


class ApiKeyRow(Row):
    """One API key: what it may do and the keyed hash that proves it, never its text."""

    __tablename__ = "api_keys"
    id: Mapped[str] = mapped_column(primary_key=True)
    digest: Mapped[bytes]
    name: Mapped[str]
    role: Mapped[str]
    purposes: Mapped[list[Any]]
    created: Mapped[int]
    expires: Mapped[int | None]
    last_used: Mapped[int | None]
    revoked: Mapped[int | None]


class HoldRow(Row):
    """A legal hold: a duty to keep what is held of a person, whatever they ask."""

    __tablename__ = "holds"
    __table_args__ = (Index("ix_holds_subject", "subject"), {"sqlite_autoincrement": True})
    id: Mapped[Id]
    subject: Mapped[str]
    until: Mapped[int]
    reason: Mapped[str]
    who: Mapped[str]
    since: Mapped[int]
    released: Mapped[int | None]
    released_by: Mapped[str | None]
    released_why: Mapped[str | None]


class ErasureRow(Row):
    """The erasing of one person, and what was done for it in which store."""

    __tablename__ = "erasures"
    __table_args__ = (
        one_of("status", "erasing", "erased"),
        Index("ix_erasures_subject", "subject"),
        Index("ix_erasures_status", "status"),
        {"sqlite_autoincrement": True},
    )
    id: Mapped[Id]
    subject: Mapped[str]
    status: Mapped[str]
    reason: Mapped[str]
    who: Mapped[str]
    asked: Mapped[int]
    ended: Mapped[int | None]
    receipt: Mapped[dict[str, Any] | None]
