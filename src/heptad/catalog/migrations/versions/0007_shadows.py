# SPDX-License-Identifier: Apache-2.0
"""Make the table of what flows in shadow would have decided."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

Big = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the change."""
    op.create_table(
        "shadows",
        sa.Column("flow", Big, autoincrement=False, nullable=False),
        sa.Column("decision", sa.Text(), nullable=False),
        sa.Column("app", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("was", sa.Text(), nullable=False),
        sa.Column("would_be", sa.Text(), nullable=False),
        sa.Column("codes", sa.Text(), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("flow", "decision", name=op.f("pk_shadows")),
    )
    op.create_index("ix_shadows_subject", "shadows", ["subject"])
    op.create_index("ix_shadows_swap", "shadows", ["flow", "was", "would_be"])


def downgrade() -> None:
    """Undo it."""
    op.drop_table("shadows")
