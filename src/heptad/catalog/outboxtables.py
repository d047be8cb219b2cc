# SPDX-License-Identifier: Apache-2.0
"""The catalog's tables of messages: what is to be said to whom, and what became of it."""

from __future__ import annotations

from sqlalchemy import Index
from sqlalchemy.orm import Mapped, mapped_column

from heptad.catalog.schema import Id, Row, one_of

STATES = (
    "waiting", "sending", "sent", "delivered", "bounced", "skipped", "uncertain", "dead",
    "cancelled",
)  # fmt: skip


class MessageRow(Row):
    """One message to one person; what it says is sealed under their key."""

    __tablename__ = "messages"
    __table_args__ = (
        one_of("status", *STATES),
        Index("ix_messages_status_next", "status", "next"),
        Index("ix_messages_due", "status", "provider", "urgent", "next", "id"),
        Index("ix_messages_subject_sent", "subject", "sent"),
        Index("ix_messages_decision", "decision"),
        Index("ix_messages_reference", "reference"),
    )
    id: Mapped[str] = mapped_column(primary_key=True)
    app: Mapped[str]
    subject: Mapped[str]
    channel: Mapped[str]
    provider: Mapped[str]
    purpose: Mapped[str]
    letter: Mapped[str]
    decision: Mapped[str | None]
    sealed: Mapped[bytes | None]
    urgent: Mapped[int]
    created: Mapped[int]
    until: Mapped[int]
    next: Mapped[int]
    status: Mapped[str]
    reason: Mapped[str]
    attempts: Mapped[int]
    owner: Mapped[str]
    sent: Mapped[int | None]
    reference: Mapped[str]


class ReceiptRow(Row):
    """What a provider, or the person, said of a message."""

    __tablename__ = "receipts"
    __table_args__ = (
        one_of("event", "accepted", "delivered", "bounced", "complained", "opened", "replied",
               "unsubscribed", "uncertain", "resolved"),
        Index("uq_receipts_message_event_at", "message", "event", "at", unique=True),
        {"sqlite_autoincrement": True},
    )  # fmt: skip
    id: Mapped[Id]
    message: Mapped[str]
    event: Mapped[str]
    at: Mapped[int]
    note: Mapped[str]


class SuppressionRow(Row):
    """A person, or an address, that is not to be written to."""

    __tablename__ = "suppressions"
    __table_args__ = (
        Index("ix_suppressions_subject", "subject"),
        Index("ix_suppressions_address", "address"),
        {"sqlite_autoincrement": True},
    )
    id: Mapped[Id]
    subject: Mapped[str]
    address: Mapped[str]
    channel: Mapped[str]
    purpose: Mapped[str]
    reason: Mapped[str]
    since: Mapped[int]
    ended: Mapped[int | None]


class EndpointRow(Row):
    """Where a device of a person takes pushed messages; sealed under their key."""

    __tablename__ = "endpoints"
    __table_args__ = (Index("ix_endpoints_subject_channel", "subject", "channel"),)
    id: Mapped[str] = mapped_column(primary_key=True)
    subject: Mapped[str]
    channel: Mapped[str]
    sealed: Mapped[bytes]
    since: Mapped[int]


class NoticeRow(Row):
    """A message in the inbox that a person sees in the institution's own application."""

    __tablename__ = "notices"
    __table_args__ = (
        Index("ix_notices_subject", "subject"),
        Index("uq_notices_message", "message", unique=True),
        {"sqlite_autoincrement": True},
    )
    id: Mapped[Id]
    message: Mapped[str]
    subject: Mapped[str]
    sealed: Mapped[bytes]
    at: Mapped[int]
    seen: Mapped[int | None]
