# SPDX-License-Identifier: Apache-2.0
"""The catalog's table of shadows: what a flow that does not decide would have decided."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Index
from sqlalchemy.orm import Mapped, mapped_column

from heptad.catalog.schema import Big, Row


class ShadowRow(Row):
    """What a flow in shadow said of one decision; reasons with their numbers and amounts are sealed."""

    __tablename__ = "shadows"
    __table_args__ = (
        Index("ix_shadows_swap", "flow", "was", "would_be"),
        Index("ix_shadows_subject", "subject"),
    )
    flow: Mapped[int] = mapped_column(Big, primary_key=True, autoincrement=False)
    decision: Mapped[str] = mapped_column(primary_key=True)
    app: Mapped[str]
    subject: Mapped[str]
    was: Mapped[str]
    would_be: Mapped[str]
    codes: Mapped[list[Any]]
    error: Mapped[str]
    at: Mapped[int]
    sealed: Mapped[bytes | None]
