# SPDX-License-Identifier: Apache-2.0
"""Make the tables of cases: alerts, events, documents."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

Big = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the change."""
    op.create_table(
        "cases",
        sa.Column("number", Big, autoincrement=True, nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("app", sa.Text(), nullable=False),
        sa.Column("inbox", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("assignee", sa.Text(), nullable=False),
        sa.Column("opened", sa.BigInteger(), nullable=False),
        sa.Column("due", sa.BigInteger(), nullable=False),
        sa.Column("calendar", sa.Text(), nullable=False),
        sa.Column("level", sa.BigInteger(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("proposed", sa.Text(), nullable=False),
        sa.Column("proposer", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("closed", sa.BigInteger(), nullable=True),
        sa.Column("closer", sa.Text(), nullable=False),
        sa.Column("resumed", sa.BigInteger(), nullable=False),
        sa.UniqueConstraint("id", name=op.f("uq_cases_id")),
        sa.CheckConstraint(
            "status IN ('open', 'working', 'waiting', 'closed')", name=op.f("ck_cases_status")
        ),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_cases")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_cases_app_inbox", "cases", ["app", "inbox"])
    op.create_index("ix_cases_status_due", "cases", ["status", "due"])
    op.create_index("ix_cases_subject", "cases", ["subject"])
    op.create_table(
        "case_keys",
        sa.Column("case", Big, nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["case"], ["cases.number"], name=op.f("fk_case_keys_case")),
        sa.PrimaryKeyConstraint("case", "key", name=op.f("pk_case_keys")),
    )
    op.create_index("ix_case_keys_key", "case_keys", ["key"])
    op.create_table(
        "case_alerts",
        sa.Column("decision", sa.Text(), nullable=False),
        sa.Column("inbox", sa.Text(), nullable=False),
        sa.Column("case", Big, nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["case"], ["cases.number"], name=op.f("fk_case_alerts_case")),
        sa.PrimaryKeyConstraint("decision", "inbox", name=op.f("pk_case_alerts")),
    )
    op.create_index("ix_case_alerts_case", "case_alerts", ["case"])
    op.create_table(
        "case_events",
        sa.Column("id", Big, autoincrement=True, nullable=False),
        sa.Column("case", Big, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(["case"], ["cases.number"], name=op.f("fk_case_events_case")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_case_events")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_case_events_case", "case_events", ["case"])
    op.create_table(
        "case_documents",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("case", Big, nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("name", sa.LargeBinary(), nullable=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("who", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["case"], ["cases.number"], name=op.f("fk_case_documents_case")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_case_documents")),
    )
    op.create_index("ix_case_documents_case", "case_documents", ["case"])


def downgrade() -> None:
    """Undo it."""
    for table in ("case_documents", "case_events", "case_alerts", "case_keys", "cases"):
        op.drop_table(table)
