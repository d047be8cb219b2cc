# SPDX-License-Identifier: Apache-2.0
"""The catalog's tables of cases: matters that people work on, and every step of that work."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from heptad.catalog.schema import Big, Id, Row, one_of


class CaseRow(Row):
    """One matter that people work on."""

    __tablename__ = "cases"
    __table_args__ = (
        one_of("status", "open", "working", "waiting", "closed"),
        Index("ix_cases_status_due", "status", "due"),
        Index("ix_cases_subject", "subject"),
        Index("ix_cases_app_inbox", "app", "inbox"),
        {"sqlite_autoincrement": True},
    )
    number: Mapped[Id]
    id: Mapped[str] = mapped_column(unique=True)
    app: Mapped[str]
    inbox: Mapped[str]
    subject: Mapped[str]
    status: Mapped[str]
    assignee: Mapped[str]
    opened: Mapped[int]
    due: Mapped[int]
    calendar: Mapped[str]
    level: Mapped[int]
    revision: Mapped[int]
    proposed: Mapped[str]
    proposer: Mapped[str]
    outcome: Mapped[str]
    closed: Mapped[int | None]
    closer: Mapped[str]
    resumed: Mapped[int]


class CaseKeyRow(Row):
    """Something that the alerts of a case share: a person, a device, a merchant."""

    __tablename__ = "case_keys"
    __table_args__ = (Index("ix_case_keys_key", "key"),)
    case: Mapped[int] = mapped_column(Big, ForeignKey("cases.number"), primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)


class AlertRow(Row):
    """A decision that a case is about."""

    __tablename__ = "case_alerts"
    __table_args__ = (Index("ix_case_alerts_case", "case"),)
    decision: Mapped[str] = mapped_column(primary_key=True)
    inbox: Mapped[str] = mapped_column(primary_key=True)
    case: Mapped[int] = mapped_column(Big, ForeignKey("cases.number"))
    subject: Mapped[str]
    at: Mapped[int]


class CaseEventRow(Row):
    """One step of the work on a case; what was written is sealed under the person's key."""

    __tablename__ = "case_events"
    __table_args__ = (Index("ix_case_events_case", "case"), {"sqlite_autoincrement": True})
    id: Mapped[Id]
    case: Mapped[int] = mapped_column(Big, ForeignKey("cases.number"))
    at: Mapped[int]
    who: Mapped[str]
    role: Mapped[str]
    action: Mapped[str]
    detail: Mapped[dict[str, Any]]
    sealed: Mapped[bytes | None]


class DocumentRow(Row):
    """A document that was put to a case; its bytes lie sealed in the folder evidence/."""

    __tablename__ = "case_documents"
    __table_args__ = (Index("ix_case_documents_case", "case"),)
    id: Mapped[str] = mapped_column(primary_key=True)
    case: Mapped[int] = mapped_column(Big, ForeignKey("cases.number"))
    subject: Mapped[str]
    name: Mapped[bytes | None]
    kind: Mapped[str]
    size: Mapped[int]
    sha256: Mapped[str]
    at: Mapped[int]
    who: Mapped[str]
