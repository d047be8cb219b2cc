# SPDX-License-Identifier: Apache-2.0
"""Keep on which terms a flow became a challenger beside the note, where they stood in its words."""

from __future__ import annotations

import json

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

EVENTS = sa.table(
    "model_events",
    sa.column("id", sa.Integer),
    sa.column("model", sa.Integer),
    sa.column("event", sa.Text),
    sa.column("note", sa.Text),
    sa.column("terms", sa.Text),
)
MODELS = sa.table("models", sa.column("id", sa.Integer), sa.column("app", sa.Text))


def upgrade() -> None:
    """Make the change."""
    op.add_column("model_events", sa.Column("terms", sa.Text(), nullable=True))
    for number, note, _ in _challengers():
        terms: dict[str, float] = {}
        words = note.split(" ")
        if words[0].startswith("shadow="):
            terms["shadow"] = int(words.pop(0).removeprefix("shadow="))
        if words and words[0].startswith("share="):
            terms["share"] = float(words.pop(0).removeprefix("share="))
        if terms:
            text = json.dumps(terms, sort_keys=True, separators=(",", ":"))
            _write(number, " ".join(words), text)


def downgrade() -> None:
    """Undo it."""
    for number, note, terms in _challengers():
        said = json.loads(terms or "{}")
        words = [f"{name}={said[name]!r}" for name in ("shadow", "share") if name in said]
        if words:
            _write(number, " ".join([*words, note]).strip(), terms)
    op.drop_column("model_events", "terms")


def _challengers() -> list[tuple[int, str, str | None]]:
    """Return the events by which flows became challengers: id, note, terms."""
    flows = sa.select(MODELS.c.id).where(MODELS.c.app.like("%/flow"))
    wanted = sa.select(EVENTS.c.id, EVENTS.c.note, EVENTS.c.terms).where(
        EVENTS.c.event == "challenger", EVENTS.c.model.in_(flows)
    )
    return [tuple(row) for row in op.get_bind().execute(wanted)]


def _write(number: int, note: str, terms: str | None) -> None:
    changed = sa.update(EVENTS).where(EVENTS.c.id == number)
    op.get_bind().execute(changed.values(note=note, terms=terms))
