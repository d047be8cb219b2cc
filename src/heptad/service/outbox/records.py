# SPDX-License-Identifier: Apache-2.0
"""What is known around messages: receipts, who is not to be written to, devices, inboxes."""

from __future__ import annotations

import hmac
from functools import cache
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, func, insert, select, update

from heptad.catalog.inserts import upsert
from heptad.catalog.outboxtables import (
    EndpointRow,
    MessageRow,
    NoticeRow,
    ReceiptRow,
    SuppressionRow,
)
from heptad.security.erasure import Holding
from heptad.security.sealed import open_bytes, seal_bytes
from heptad.standards.errors import ContractError, InputError, UnknownName

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from heptad.catalog.store import Store
    from heptad.security.erasure import Person
    from heptad.security.keys import KeyStore

EVENTS = ("accepted", "delivered", "bounced", "complained", "opened", "replied", "unsubscribed")
_TAG = 32
_STOP = frozenset({"stop", "stopall", "unsubscribe", "cancel", "end", "quit", "td", "退订"})
"""Replies that end messages; TD is what carriers in China take for it."""


class Records:
    """Receipts, suppressions, devices and in-app inboxes of a project.

    Args:
        store: the catalog's database.
        keys: seal what is personal.
    """

    def __init__(self, store: Store, keys: KeyStore) -> None:
        self._store, self._keys = store, keys
        self._pepper = cache(keys.pepper)

    def hashed(self, channel: str, address: str) -> str:
        """Return the keyed hash by which an address is known; "" for none."""
        if not address:
            return ""
        said = f"{channel}|{address.strip().casefold()}".encode()
        return hmac.digest(self._pepper("addresses"), said, "sha256").hex()

    def token(self, message: str) -> str:
        """Return what an unsubscribe link ends with."""
        tag = hmac.new(self._pepper("unsubscribe"), message.encode(), sha256).hexdigest()
        return f"{message}.{tag[:_TAG]}"

    def of_token(self, token: str) -> str:
        """Return the message that an unsubscribe link came with.

        Raises:
            UnknownName: if the link is not one of ours.
        """
        message = token.partition(".")[0]
        if not hmac.compare_digest(self.token(message).encode(), token.encode()):
            raise UnknownName("This link leads nowhere.", do="use the link of the message")
        return message

    def unsubscribe(self, token: str) -> str:
        """End messages of the purpose of the one that a link came with; return the purpose.

        Raises:
            UnknownName: if the link is not one of ours.
        """
        message, now = self.of_token(token), self._store.clock.now()
        wanted = select(MessageRow.subject, MessageRow.purpose).where(MessageRow.id == message)
        with self._store.write() as connection:
            found = connection.execute(wanted).first()
            if found is None:
                raise UnknownName("This link leads nowhere.", do="use the link of the message")
            self.suppress(
                connection, subject=found.subject, purpose=found.purpose, reason="UNSUBSCRIBED"
            )
            self.note(connection, message, "unsubscribed", now, "")
        return str(found.purpose)

    def suppress(
        self,
        connection: Connection,
        *,
        reason: str,
        subject: str = "",
        address: str = "",
        channel: str = "",
        purpose: str = "",
    ) -> None:
        """Let nobody write to a person or an address any more; once, however often it is said."""
        row = {"subject": subject, "address": address, "channel": channel, "purpose": purpose}
        same = [getattr(SuppressionRow, name) == value for name, value in row.items()]
        there = select(SuppressionRow.id).where(*same, SuppressionRow.ended.is_(None))
        if connection.execute(there).first() is None:
            more = {"reason": reason, "since": self._store.clock.now()}
            connection.execute(insert(SuppressionRow), row | more)

    def suppress_person(self, subject: str, purpose: str, reason: str) -> None:
        """Let nobody write to a person for a purpose; "" is every purpose."""
        with self._store.write() as connection:
            self.suppress(connection, subject=subject, purpose=purpose, reason=reason)

    def allow(self, subject: str, purpose: str) -> int:
        """End the suppressions of a person for a purpose, as they ask for; return how many."""
        mine = (SuppressionRow.subject == subject, SuppressionRow.purpose == purpose)
        over = update(SuppressionRow).where(*mine, SuppressionRow.ended.is_(None))
        with self._store.write() as connection:
            return int(connection.execute(over.values(ended=self._store.clock.now())).rowcount)

    def suppressions(self, limit: int = 100) -> list[dict[str, Any]]:
        """Return the suppressions that hold, the last one first."""
        names = ("id", "subject", "channel", "purpose", "reason", "since")
        wanted = select(*(getattr(SuppressionRow, name) for name in names))
        wanted = wanted.where(SuppressionRow.ended.is_(None)).order_by(SuppressionRow.id.desc())
        with self._store.read() as connection:
            return [dict(row._mapping) for row in connection.execute(wanted.limit(limit))]

    @staticmethod
    def note(connection: Connection, message: str, event: str, at: int, note: str) -> None:
        """Keep what was said of a message, once."""
        row = {"message": message, "event": event, "at": at, "note": note[:500]}
        upsert(connection, ReceiptRow, [row], key=("message", "event", "at"))

    def receipt(self, provider: str, said: dict[str, Any]) -> str:
        """Take what a provider says of a message; said again it changes nothing.

        Args:
            provider: who says it.
            said: id (or reference), event, at (µs; now by default), permanent, text (of a reply).

        Returns:
            The message's id.

        Raises:
            InputError: if there is no such event.
            UnknownName: if this provider carried no such message.
        """
        event = str(said.get("event"))
        if event not in EVENTS:
            raise InputError("A receipt names an event.", got=event, do=", ".join(EVENTS))
        at = said.get("at", self._store.clock.now())
        if isinstance(at, bool) or not isinstance(at, int) or not 0 <= at < 2**62:
            raise InputError("A receipt's instant is microseconds.", got=str(at)[:40])
        named = MessageRow.id == str(said["id"]) if "id" in said else (
            MessageRow.reference == str(said.get("reference") or "?"))  # fmt: skip
        wanted = select(MessageRow.id, MessageRow.subject, MessageRow.channel, MessageRow.purpose,
                        MessageRow.status).where(named, MessageRow.provider == provider)  # fmt: skip
        with self._store.write() as connection:
            found = connection.execute(wanted).first()
            if found is None:
                raise UnknownName(f"{provider} carried no such message.", got=said.get("id"))
            self.note(connection, found.id, event, at, "")
            self._react(connection, found, event, said)
        return str(found.id)

    def _react(self, connection: Connection, message: Any, event: str, said: Any) -> None:
        """Change what follows from a receipt."""
        status = {"delivered": "delivered", "opened": "delivered", "replied": "delivered",
                  "bounced": "bounced"}.get(event)  # fmt: skip
        if status and message.status in ("sent", "uncertain", "delivered", "sending"):
            change = update(MessageRow).where(MessageRow.id == message.id)
            connection.execute(change.values(status=status, reason="" if status != "bounced" else
                                             "BOUNCED"))  # fmt: skip
        if event == "bounced" and said.get("permanent"):
            self.suppress(connection, subject=message.subject, channel=message.channel,
                          reason="BOUNCED")  # fmt: skip
        ends = event in ("complained", "unsubscribed") or (
            event == "replied" and str(said.get("text", "")).strip().casefold() in _STOP)  # fmt: skip
        if ends:
            self.suppress(connection, subject=message.subject, purpose=message.purpose,
                          reason="UNSUBSCRIBED" if event != "complained" else "COMPLAINED")  # fmt: skip

    def receipts(self, message: str) -> list[dict[str, Any]]:
        """Return what was said of a message, in order."""
        wanted = select(ReceiptRow.event, ReceiptRow.at, ReceiptRow.note)
        wanted = wanted.where(ReceiptRow.message == message).order_by(ReceiptRow.at, ReceiptRow.id)
        with self._store.read() as connection:
            return [dict(row._mapping) for row in connection.execute(wanted)]

    def register(self, subject: str, channel: str, address: str) -> str:
        """Keep where a device of a person takes pushed messages; return its id.

        Raises:
            ContractError: if the person is erased, or the channel is none of devices.
        """
        if channel not in ("push", "webpush"):
            raise ContractError("Devices take push and webpush.", got=channel)
        (key,) = self._keys.of([subject])
        if key is None:
            raise ContractError("This person is erased.", got=subject)
        name = self.hashed(channel, address)[:32]
        sealed = seal_bytes(address.encode(), key, _device(name, subject))
        row = {"id": name, "subject": subject, "channel": channel, "sealed": sealed}
        with self._store.write() as connection:
            upsert(connection, EndpointRow, [row | {"since": self._store.clock.now()}],
                   update=("subject", "sealed", "since"))  # fmt: skip
        return name

    def devices(self, subjects: Sequence[str], channel: str) -> dict[str, str]:
        """Return the address of the last device of each person, opened."""
        wanted = select(EndpointRow.id, EndpointRow.subject, EndpointRow.sealed).where(
            EndpointRow.channel == channel, EndpointRow.subject.in_(list(subjects))
        )
        with self._store.read() as connection:
            rows = connection.execute(wanted.order_by(EndpointRow.since)).all()
        keys = self._keys.of([r.subject for r in rows], create=False)
        return {
            row.subject: open_bytes(
                row.sealed, key, _device(row.id, row.subject), "The address of a device"
            ).decode()
            for row, key in zip(rows, keys, strict=True)
            if key is not None
        }

    def notices(self, subject: str, after: int = 0, limit: int = 50) -> list[Any]:
        """Return the in-app inbox of a person, the oldest first, sealed."""
        wanted = select(NoticeRow.id, NoticeRow.message, NoticeRow.sealed, NoticeRow.at,
                        NoticeRow.seen)  # fmt: skip
        mine = wanted.where(NoticeRow.subject == subject, NoticeRow.id > after)
        with self._store.read() as connection:
            return list(connection.execute(mine.order_by(NoticeRow.id).limit(limit)))

    def seen(self, subject: str, number: int) -> bool:
        """Note that a person has seen a message of their inbox; whether there is such a one."""
        now = self._store.clock.now()
        mine = (NoticeRow.subject == subject, NoticeRow.id == number)
        once = update(NoticeRow).where(*mine).values(seen=func.coalesce(NoticeRow.seen, now))
        with self._store.write() as connection:
            return bool(connection.execute(once).rowcount)


class MessagesHolder:
    """The outbox: what it says to a person is sealed under their key, and what waits is not sent."""

    name, covers = "messages", ()
    lets_go = True

    def __init__(self, store: Store) -> None:
        self._store = store

    def held(self, person: Person) -> list[Holding]:
        """Count messages, devices and notices of a person."""
        found = []
        said = MessageRow.sealed.is_not(None)
        for what, row, which, fate, why in (
            ("messages", MessageRow, (), "kept", "that they were sent accounts for our acts"),
            ("what messages say", MessageRow, (said,), "removed", ""),
            ("devices", EndpointRow, (), "removed", ""),
            ("notices of the in-app inbox", NoticeRow, (), "removed", ""),
            ("rules not to write", SuppressionRow, (), "kept", "an objection outlives the erasing"),
        ):
            count = select(func.count()).select_from(row)
            with self._store.read() as connection:
                mine = count.where(row.subject == person.subject, *which)
                n = connection.execute(mine).scalar_one()
            if n:
                found.append(Holding(self.name, what, n, fate, why))  # type: ignore[arg-type]
        return found

    def erase(self, people: Sequence[Person]) -> int:
        """Cancel what waits, and remove what was sealed, devices and notices."""
        gone = 0
        with self._store.write() as connection:
            for person in people:
                mine = MessageRow.subject == person.subject
                open_ = update(MessageRow).where(mine, MessageRow.status == "waiting")
                connection.execute(open_.values(status="cancelled", reason="ERASED"))
                held = update(MessageRow).where(mine, MessageRow.sealed.is_not(None))
                gone += connection.execute(held.values(sealed=None)).rowcount
                for row in (EndpointRow, NoticeRow):
                    gone += connection.execute(
                        delete(row).where(row.subject == person.subject)
                    ).rowcount
        return gone


def _device(name: str, subject: str) -> bytes:
    return f"device|{name}|{subject}".encode()
