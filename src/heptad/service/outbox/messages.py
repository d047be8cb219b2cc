# SPDX-License-Identifier: Apache-2.0
"""Messages: what somebody wants said, and how what was planned stands."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import bindparam, select, update

from heptad.catalog.outboxtables import MessageRow
from heptad.standards.time import day

if TYPE_CHECKING:
    from collections.abc import Sequence

    from heptad.service.letters import Text


@dataclass(frozen=True)
class Wanted:
    """A message that somebody wants sent.

    Attributes:
        key: idempotency key: the same key is the same message, whoever asks again.
        app: the application that wants it.
        subject: the person.
        channels: by which it may go, the best first.
        purpose: under which the person is written to.
        text: what it says.
        letter: name of the letter.
        decision: that it follows, or "".
        urgent: goes in quiet hours and beyond the caps.
        lasts: after so long it says nothing any more, µs.
        fault: why it cannot be sent whatever comes, or "".
    """

    key: str
    app: str
    subject: str
    channels: Sequence[str]
    purpose: str
    text: Text
    letter: str = ""
    decision: str = ""
    urgent: bool = False
    lasts: int = 7 * day
    fault: str = ""


@dataclass(frozen=True, slots=True)
class Message:
    """A message as it stands; see `MessageRow`."""

    id: str
    app: str
    subject: str
    channel: str
    provider: str
    purpose: str
    letter: str
    decision: str | None
    sealed: bytes | None
    urgent: int
    created: int
    until: int
    next: int
    status: str
    reason: str
    attempts: int
    owner: str
    sent: int | None
    reference: str


COLUMNS = tuple(Message.__slots__)
SELECT = select(*(getattr(MessageRow, name) for name in COLUMNS))
_TABLE = MessageRow.__table__
# Written once: to write a statement anew costs more than to run it.
DUE = (
    SELECT.where(
        MessageRow.status == "waiting",
        MessageRow.provider == bindparam("by"),
        MessageRow.urgent == bindparam("hurry"),
        MessageRow.next <= bindparam("now"),
    )
    .order_by(MessageRow.next, MessageRow.id)
    .limit(bindparam("most"))
)
"""What one provider may be given now, urgent or not: a range of one index."""
SENDING = SELECT.where(MessageRow.status == "sending")
FIRST_SENDING = select(MessageRow.id).where(MessageRow.status == "sending").limit(1)
ASTRAY = (MessageRow.status == "waiting", MessageRow.next > bindparam("ahead"))
"""What waits for an instant that no attempt is put off to: the clock was set back."""
FIRST_ASTRAY = select(MessageRow.id).where(*ASTRAY).limit(1)
MARK = (
    update(MessageRow)
    .where(MessageRow.id.in_(bindparam("some", expanding=True)))
    .values(
        status="sending", owner=bindparam("whose"), sent=bindparam("at"),
        attempts=MessageRow.attempts + 1, reason="",
    )
)  # fmt: skip
"""Notes that some are about to be handed over."""
SENT = (
    _TABLE.update()  # type: ignore[attr-defined]
    .where(_TABLE.c.id == bindparam("of"))
    .values(status="sent", reason="", reference=bindparam("named"))
)
"""What went, noted for many at once: asked of the table itself, which is ten times as quick."""


def message_id(key: str) -> str:
    """Return the id of the message of an idempotency key."""
    return "m" + hashlib.sha256(key.encode()).hexdigest()[:31]
