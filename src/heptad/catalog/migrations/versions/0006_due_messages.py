# SPDX-License-Identifier: Apache-2.0
"""Find the messages of a provider that are due without sorting all that wait."""

from __future__ import annotations

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the index that reads them in order."""
    columns = ["status", "provider", "urgent", "next", "id"]
    op.create_index("ix_messages_due", "messages", columns)


def downgrade() -> None:
    """Undo it."""
    op.drop_index("ix_messages_due", "messages")
