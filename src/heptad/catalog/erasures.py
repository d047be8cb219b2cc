# SPDX-License-Identifier: Apache-2.0
"""Erasures of persons and the legal holds against them, as the catalog records both."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from sqlalchemy import func, insert, select, update

from heptad.catalog.schema import DecisionRow, ErasureRow, HoldRow
from heptad.standards.errors import Conflict, ContractError, Refused
from heptad.standards.time import format_instant

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sqlalchemy import Connection

    from heptad.catalog.store import Store

Status = Literal["erasing", "erased"]


@dataclass(frozen=True, slots=True)
class Hold:
    """A duty to keep what is held of a person. Instants are microseconds, UTC.

    Attributes:
        id: its number.
        subject: whom it is about, `Customer:42`.
        until: from when on it no longer binds.
        reason: why, in words.
        who: who declared it.
        since: when.
        released: when it was released before its time, or None.
        released_by: by whom.
        released_why: why.
    """

    id: int
    subject: str
    until: int
    reason: str
    who: str
    since: int
    released: int | None = None
    released_by: str | None = None
    released_why: str | None = None

    def binds(self, now: int) -> bool:
        """Whether it forbids erasing at an instant."""
        return self.released is None and now < self.until


@dataclass(frozen=True, slots=True)
class Erasure:
    """The erasing of one person: begun once, and gone on with until it is done.

    Attributes:
        id: its number.
        subject: whom it is about, `Customer:42`.
        status: erasing, or erased.
        reason: why, in words.
        who: who asked for it.
        asked: when, microseconds, UTC.
        ended: when it was done, or None.
        receipt: what was done in which store, signed; None until then.
    """

    id: int
    subject: str
    status: Status
    reason: str
    who: str
    asked: int
    ended: int | None = None
    receipt: Mapping[str, Any] | None = None


class Erasures:
    """Holds and erasures of a project; nothing of them is ever removed."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def hold(self, subject: str, until: int, reason: str, who: str) -> Hold:
        """Declare a hold.

        Raises:
            ContractError: if it would be over from the start, or has no reason.
            Conflict: if the person is being erased.
        """
        now = self._store.clock.now()
        check_reason(reason)
        if until <= now:
            raise ContractError(
                "A legal hold must end in the future.",
                got=format_instant(until),
                do="give a later --until",
            )
        with self._store.write() as connection:
            if _unfinished(connection, subject):
                raise Conflict(
                    f"{subject} is being erased; a hold comes too late.",
                    got=subject,
                    do=f"see `heptad subject show {subject}`",
                )
            values = {"subject": subject, "until": until, "reason": reason, "who": who}
            made = insert(HoldRow).returning(HoldRow.id)
            number = connection.execute(made, values | {"since": now}).scalar_one()
            return Hold(number, subject, until, reason, who, now)

    def release(self, subject: str, reason: str, who: str) -> list[Hold]:
        """Release the holds that bind now, and return them."""
        now = self._store.clock.now()
        check_reason(reason)
        with self._store.write() as connection:
            bound = [hold.id for hold in _holds(connection, subject) if hold.binds(now)]
            change = {"released": now, "released_by": who, "released_why": reason}
            connection.execute(update(HoldRow).where(HoldRow.id.in_(bound)).values(**change))
            return [hold for hold in _holds(connection, subject) if hold.id in bound]

    def holds(self, subject: str) -> list[Hold]:
        """Return all holds that were ever declared for a person, the oldest first."""
        with self._store.read() as connection:
            return _holds(connection, subject)

    def permit(self, subjects: Sequence[str]) -> None:
        """Let persons be erased only if no legal hold binds.

        Raises:
            Refused: if one does; the error says until when.
        """
        now = self._store.clock.now()
        with self._store.read() as connection:
            for subject in subjects:
                _check_holds(_holds(connection, subject), now)

    def begin(self, subjects: Sequence[str], reason: str, who: str) -> list[Erasure]:
        """Record, durably, that persons are being erased: all of them, or none.

        One that is being erased already goes on as it was begun.

        Raises:
            Refused: if a legal hold binds; the error says until when.
            ContractError: if there is no reason.
        """
        now = self._store.clock.now()
        check_reason(reason)
        with self._store.write() as connection:
            for subject in subjects:
                _check_holds(_holds(connection, subject), now)
            known = {e.subject: e for s in subjects for e in _unfinished(connection, s)}
            for subject in dict.fromkeys(subjects):
                if subject not in known:
                    row = {"subject": subject, "reason": reason, "who": who, "asked": now}
                    connection.execute(insert(ErasureRow), row | {"status": "erasing"})
            return [e for s in dict.fromkeys(subjects) for e in _unfinished(connection, s)]

    def finish(self, receipts: Mapping[int, Mapping[str, Any]], ended: int) -> None:
        """Record that erasures are done, each with its receipt, by number."""
        with self._store.write() as connection:
            for number, receipt in receipts.items():
                change = {"status": "erased", "ended": ended, "receipt": dict(receipt)}
                wanted = update(ErasureRow).where(ErasureRow.id == number)
                connection.execute(wanted.values(**change))

    def unfinished(self) -> list[Erasure]:
        """Return the erasures that were begun and not ended, the oldest first."""
        with self._store.read() as connection:
            return _unfinished(connection)

    def of(self, subject: str) -> list[Erasure]:
        """Return the erasures of a person, the oldest first."""
        with self._store.read() as connection:
            wanted = _ERASURES.where(ErasureRow.subject == subject).order_by(ErasureRow.id)
            return [Erasure(*row) for row in connection.execute(wanted)]

    def decisions(self, subject: str) -> int:
        """Count the decisions about a person."""
        wanted = select(func.count()).where(DecisionRow.subject == subject)
        with self._store.read() as connection:
            return int(connection.execute(wanted).scalar_one())

    def recent(self, limit: int = 50) -> list[Erasure]:
        """Return erasures, the last one first."""
        with self._store.read() as connection:
            wanted = _ERASURES.order_by(ErasureRow.id.desc()).limit(limit)
            return [Erasure(*row) for row in connection.execute(wanted)]


_ERASURES = select(*(getattr(ErasureRow, name) for name in Erasure.__slots__))
_HOLDS = select(*(getattr(HoldRow, name) for name in Hold.__slots__))


def _holds(connection: Connection, subject: str) -> list[Hold]:
    wanted = _HOLDS.where(HoldRow.subject == subject).order_by(HoldRow.id)
    return [Hold(*row) for row in connection.execute(wanted)]


def _unfinished(connection: Connection, subject: str | None = None) -> list[Erasure]:
    wanted = _ERASURES.where(ErasureRow.status == "erasing").order_by(ErasureRow.id)
    if subject is not None:
        wanted = wanted.where(ErasureRow.subject == subject)
    return [Erasure(*row) for row in connection.execute(wanted)]


def _check_holds(holds: Iterable[Hold], now: int) -> None:
    """Refuse while a hold binds; of several the last one counts."""
    bound = sorted((hold for hold in holds if hold.binds(now)), key=lambda hold: hold.until)
    if bound:
        last = bound[-1]
        raise Refused(
            f"{last.subject} is under a legal hold until {format_instant(last.until)}.",
            got=last.reason,
            do=f"wait, or end it with `heptad subject release {last.subject} --reason …`",
        )


def check_reason(reason: str) -> None:
    """Refuse to go on without a reason.

    Raises:
        ContractError: if it is empty.
    """
    if not reason.strip():
        raise ContractError("Say why.", do="add --reason '…'")
