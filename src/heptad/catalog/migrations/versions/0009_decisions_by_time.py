# SPDX-License-Identifier: Apache-2.0
"""Find the decisions of a part of a day without reading those of every other day."""

from __future__ import annotations

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the index by application and instant."""
    op.create_index("ix_decisions_app_event_time", "decisions", ["app", "event_time"])


def downgrade() -> None:
    """Undo it."""
    op.drop_index("ix_decisions_app_event_time", "decisions")
