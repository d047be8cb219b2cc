# SPDX-License-Identifier: Apache-2.0
"""Make the tables of the first release."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

Big = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

TABLES = [
    "versions",
    "steps",
    "profiles",
    "model_events",
    "load_files",
    "edges",
    "drifts",
    "settings",
    "runs",
    "pins",
    "nodes",
    "models",
    "loads",
    "decisions",
    "decision_counts",
    "data_files",
    "contracts",
    "api_keys",
]
"""In the order in which they can be dropped."""


def upgrade() -> None:  # noqa: PLR0915 - one statement per table and index
    """Make the change."""
    op.create_table(
        "api_keys",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("purposes", sa.Text(), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("expires", sa.BigInteger(), nullable=True),
        sa.Column("last_used", sa.BigInteger(), nullable=True),
        sa.Column("revoked", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_keys")),
    )
    op.create_table(
        "contracts",
        sa.Column("id", Big, autoincrement=True, nullable=False),
        sa.Column("table", sa.Text(), nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.Column("contract", sa.Text(), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_contracts")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_contracts_table", "contracts", ["table"], unique=False)
    op.create_table(
        "data_files",
        sa.Column("table", sa.Text(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("added", sa.BigInteger(), nullable=False),
        sa.Column("dropped", sa.BigInteger(), nullable=True),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("partition", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("table", "path", "added", name=op.f("pk_data_files")),
    )
    op.create_index("ix_data_files_table_dropped", "data_files", ["table", "dropped"], unique=False)
    op.create_table(
        "decision_counts",
        sa.Column("app", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("day", sa.BigInteger(), nullable=False),
        sa.Column("n", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("app", "outcome", "day", name=op.f("pk_decision_counts")),
    )
    op.create_table(
        "decisions",
        sa.Column("place", Big, autoincrement=False, nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("app", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=True),
        sa.Column("event_time", sa.BigInteger(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("place", name=op.f("pk_decisions")),
        sa.UniqueConstraint("id", name=op.f("uq_decisions_id")),
    )
    op.create_index("ix_decisions_app_place", "decisions", ["app", "place"], unique=False)
    op.create_index("ix_decisions_subject_place", "decisions", ["subject", "place"], unique=False)
    op.create_table(
        "loads",
        sa.Column("id", Big, autoincrement=True, nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("table", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("started", sa.BigInteger(), nullable=False),
        sa.Column("ended", sa.BigInteger(), nullable=True),
        sa.Column("arrival", sa.BigInteger(), nullable=False),
        sa.Column("known", sa.Text(), nullable=False),
        sa.Column("contract", sa.Text(), nullable=True),
        sa.Column("read", sa.BigInteger(), nullable=False),
        sa.Column("accepted", sa.BigInteger(), nullable=False),
        sa.Column("quarantined", sa.Text(), nullable=False),
        sa.Column("duplicates", sa.BigInteger(), nullable=False),
        sa.Column("corrections", sa.BigInteger(), nullable=False),
        sa.Column("deletions", sa.BigInteger(), nullable=False),
        sa.Column("staged", sa.Text(), nullable=True),
        sa.Column("watermark", sa.Text(), nullable=True),
        sa.Column("version", sa.BigInteger(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("epoch", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "known IN ('mapped', 'assumed', 'arrival')", name=op.f("ck_loads_known")
        ),
        sa.CheckConstraint(
            "status IN ('started', 'staged', 'committed', 'refused', 'failed')",
            name=op.f("ck_loads_status"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_loads")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_loads_arrival", "loads", ["arrival"], unique=False)
    op.create_index(
        "ix_loads_source_table_status", "loads", ["source", "table", "status"], unique=False
    )
    op.create_index("ix_loads_table_status", "loads", ["table", "status"], unique=False)
    op.create_table(
        "models",
        sa.Column("id", Big, autoincrement=True, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("app", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("metrics", sa.Text(), nullable=False),
        sa.Column("window_start", sa.BigInteger(), nullable=True),
        sa.Column("window_end", sa.BigInteger(), nullable=True),
        sa.Column("features", sa.Text(), nullable=False),
        sa.Column("versions", sa.Text(), nullable=False),
        sa.Column("settings", sa.Text(), nullable=False),
        sa.Column("stage", sa.Text(), nullable=False),
        sa.Column("trainer", sa.Text(), nullable=False),
        sa.Column("trained", sa.BigInteger(), nullable=False),
        sa.Column("approver", sa.Text(), nullable=True),
        sa.Column("approved", sa.BigInteger(), nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "stage IN ('candidate', 'challenger', 'champion', 'retired')",
            name=op.f("ck_models_stage"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_models")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_models_app_stage", "models", ["app", "stage"], unique=False)
    op.create_index(
        "uq_models_champion",
        "models",
        ["app"],
        unique=True,
        sqlite_where=sa.text("stage = 'champion'"),
        postgresql_where=sa.text("stage = 'champion'"),
    )
    op.create_index("uq_models_name_number", "models", ["name", "number"], unique=True)
    op.create_table(
        "nodes",
        sa.Column("id", Big, autoincrement=True, nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("column", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_nodes")),
    )
    op.create_index("ix_nodes_name", "nodes", ["name"], unique=False)
    op.create_index("ix_nodes_text", "nodes", ["text"], unique=False)
    op.create_index("uq_nodes_kind_name_column", "nodes", ["kind", "name", "column"], unique=True)
    op.create_table(
        "pins",
        sa.Column("table", sa.Text(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("holder", sa.Text(), nullable=False),
        sa.Column("last", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("table", "version", "holder", name=op.f("pk_pins")),
    )
    op.create_table(
        "runs",
        sa.Column("id", Big, autoincrement=True, nullable=False),
        sa.Column("job", sa.Text(), nullable=False),
        sa.Column("date", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("attempt", sa.BigInteger(), nullable=False),
        sa.Column("started", sa.BigInteger(), nullable=False),
        sa.Column("ended", sa.BigInteger(), nullable=True),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("inputs", sa.Text(), nullable=False),
        sa.Column("outputs", sa.Text(), nullable=False),
        sa.Column("result", sa.Text(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "status IN ('running', 'finished', 'failed')", name=op.f("ck_runs_status")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_runs")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_runs_status", "runs", ["status"], unique=False)
    op.create_index("uq_runs_job_date_key", "runs", ["job", "date", "key"], unique=True)
    op.create_table(
        "settings",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_settings")),
    )
    op.create_table(
        "drifts",
        sa.Column("id", Big, autoincrement=True, nullable=False),
        sa.Column("load", Big, nullable=False),
        sa.Column("table", sa.Text(), nullable=False),
        sa.Column("column", sa.Text(), nullable=False),
        sa.Column("verdict", sa.Text(), nullable=False),
        sa.Column("psi", sa.Double(), nullable=True),
        sa.Column("limit", sa.Double(), nullable=True),
        sa.Column("against", sa.BigInteger(), nullable=True),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("instant", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("verdict IN ('reported', 'refused')", name=op.f("ck_drifts_verdict")),
        sa.ForeignKeyConstraint(["load"], ["loads.id"], name=op.f("fk_drifts_load")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_drifts")),
    )
    op.create_index("ix_drifts_table_column", "drifts", ["table", "column"], unique=False)
    op.create_table(
        "edges",
        sa.Column("id", Big, autoincrement=True, nullable=False),
        sa.Column("origin", Big, nullable=False),
        sa.Column("target", Big, nullable=False),
        sa.Column("how", sa.Text(), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("definition", sa.Text(), nullable=False),
        sa.Column("load", Big, nullable=True),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["load"], ["loads.id"], name=op.f("fk_edges_load")),
        sa.ForeignKeyConstraint(["origin"], ["nodes.id"], name=op.f("fk_edges_origin")),
        sa.ForeignKeyConstraint(["target"], ["nodes.id"], name=op.f("fk_edges_target")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_edges")),
    )
    op.create_index("ix_edges_origin_until", "edges", ["origin", "until"], unique=False)
    op.create_index("ix_edges_scope_until", "edges", ["scope", "until"], unique=False)
    op.create_index("ix_edges_target_until", "edges", ["target", "until"], unique=False)
    op.create_table(
        "load_files",
        sa.Column("load", Big, nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("table", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("held", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["load"], ["loads.id"], name=op.f("fk_load_files_load")),
        sa.PrimaryKeyConstraint("load", "path", name=op.f("pk_load_files")),
    )
    op.create_index("ix_load_files_table_path", "load_files", ["table", "path"], unique=False)
    op.create_index(
        "uq_load_files_held",
        "load_files",
        ["table", "sha256"],
        unique=True,
        sqlite_where=sa.text("held = 1"),
        postgresql_where=sa.text("held = 1"),
    )
    op.create_table(
        "model_events",
        sa.Column("id", Big, autoincrement=True, nullable=False),
        sa.Column("model", Big, nullable=False),
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("instant", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["model"], ["models.id"], name=op.f("fk_model_events_model")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_model_events")),
    )
    op.create_index("ix_model_events_model", "model_events", ["model"], unique=False)
    op.create_table(
        "profiles",
        sa.Column("load", Big, nullable=False),
        sa.Column("column", sa.Text(), nullable=False),
        sa.Column("table", sa.Text(), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("missing", sa.BigInteger(), nullable=False),
        sa.Column("distinct", sa.BigInteger(), nullable=True),
        sa.Column("smallest", sa.Text(), nullable=True),
        sa.Column("largest", sa.Text(), nullable=True),
        sa.Column("mean", sa.Double(), nullable=True),
        sa.Column("quantiles", sa.Text(), nullable=True),
        sa.Column("top", sa.Text(), nullable=True),
        sa.Column("histogram", sa.Text(), nullable=True),
        sa.Column("personal", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["load"], ["loads.id"], name=op.f("fk_profiles_load")),
        sa.PrimaryKeyConstraint("load", "column", name=op.f("pk_profiles")),
    )
    op.create_index(
        "ix_profiles_table_column_load", "profiles", ["table", "column", "load"], unique=False
    )
    op.create_table(
        "steps",
        sa.Column("run", Big, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("place", sa.BigInteger(), nullable=False),
        sa.Column("checkpoint", sa.Text(), nullable=True),
        sa.Column("started", sa.BigInteger(), nullable=False),
        sa.Column("ended", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["run"], ["runs.id"], name=op.f("fk_steps_run")),
        sa.PrimaryKeyConstraint("run", "name", name=op.f("pk_steps")),
    )
    op.create_table(
        "versions",
        sa.Column("table", sa.Text(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("load", Big, nullable=True),
        sa.Column("instant", sa.BigInteger(), nullable=False),
        sa.Column("contract", sa.Text(), nullable=True),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("files", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["load"], ["loads.id"], name=op.f("fk_versions_load")),
        sa.PrimaryKeyConstraint("table", "version", name=op.f("pk_versions")),
        sa.UniqueConstraint("load", name=op.f("uq_versions_load")),
    )


def downgrade() -> None:
    """Undo the change."""
    for table in TABLES:
        op.drop_table(table)
