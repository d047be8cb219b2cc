# SPDX-License-Identifier: Apache-2.0
"""The catalog's tables of work: calendars, slots of schedules, alarms."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Index
from sqlalchemy.orm import Mapped, mapped_column

from heptad.catalog.schema import Id, Row, one_of


class CalendarRow(Row):
    """The days of a calendar as they were known from an instant on; never changed."""

    __tablename__ = "calendars"
    name: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[str] = mapped_column(primary_key=True)
    since: Mapped[int]
    days: Mapped[dict[str, Any]]


class ScheduleRow(Row):
    """How far the slots of a schedule have been planned."""

    __tablename__ = "schedules"
    name: Mapped[str] = mapped_column(primary_key=True)
    planned: Mapped[int]
    definition: Mapped[str]


class SlotRow(Row):
    """One time at which something is due: planned once, done once."""

    __tablename__ = "slots"
    __table_args__ = (
        one_of("status", "due", "running", "done", "failed"),
        Index("ix_slots_status_next", "status", "next"),
    )
    schedule: Mapped[str] = mapped_column(primary_key=True)
    label: Mapped[str] = mapped_column(primary_key=True)
    instant: Mapped[int]
    date: Mapped[str]
    key: Mapped[str]
    calendar: Mapped[str]
    status: Mapped[str]
    attempts: Mapped[int]
    next: Mapped[int]
    owner: Mapped[str]
    run: Mapped[int | None]
    error: Mapped[str | None]


class AlarmRow(Row):
    """Something that did not come when it was due."""

    __tablename__ = "alarms"
    __table_args__ = (
        Index("uq_alarms_name_label", "name", "label", unique=True),
        Index("ix_alarms_ended", "ended"),
        {"sqlite_autoincrement": True},
    )
    id: Mapped[Id]
    name: Mapped[str]
    label: Mapped[str]
    says: Mapped[str]
    raised: Mapped[int]
    ended: Mapped[int | None]
