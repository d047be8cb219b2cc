# SPDX-License-Identifier: Apache-2.0
"""The outbox: messages planned with the decision they follow, and sent once, if they may be."""

from __future__ import annotations

import logging
import random
import threading
from collections import Counter as Tally
from itertools import islice
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select, update

from heptad.catalog.courtesy import passing
from heptad.catalog.inserts import upsert
from heptad.catalog.outboxtables import MessageRow
from heptad.security.keys import gone
from heptad.service.letters import open_text, seal_text
from heptad.service.outbox.addresses import Found
from heptad.service.outbox.carriers import Answer, Parcel
from heptad.service.outbox.judge import Judge
from heptad.service.outbox.limits import Bucket, Counter, Suppressed, Verdict, consented
from heptad.service.outbox.messages import (
    ASTRAY,
    DUE,
    FIRST_ASTRAY,
    FIRST_SENDING,
    MARK,
    SELECT,
    SENDING,
    SENT,
    Message,
    Wanted,
    message_id,
)
from heptad.service.outbox.records import Records
from heptad.service.schedule.slots import wait
from heptad.standards.errors import UnknownName
from heptad.standards.time import day

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from sqlalchemy import Connection

    from heptad.catalog import Catalog
    from heptad.security.keys import KeyStore
    from heptad.service.letters import Text
    from heptad.service.outbox.addresses import Addresses
    from heptad.service.outbox.carriers import Carrier
    from heptad.service.reads.guard import Guard
    from heptad.sources.work import Outbox as Settings
    from heptad.sources.work import Provider

_LOG = logging.getLogger("heptad.outbox")
BATCH = 500
STOPS = "outbox.stops"


LONGEST = 8 * day
"""A message that waits for longer was put off by a clock that has since been put right."""


class Outbox:
    """Plans messages and sends them.

    A message is planned in the transaction that is open, which makes it one with the decision it
    follows. Before it is handed over, that it is about to be is durable; what a process died with
    is asked for again where the provider knows it by its id, and else counted as uncertain.

    Args:
        settings: quiet hours, caps, attempts.
        providers: by name.
        carriers: provider → who carries.
        catalog: keeps messages.
        keys: seal what they say.
        guard: knows on which basis people may be written to.
        addresses: finds where a person is reached.
        tick: a clock that only goes forward, µs, for the rates of providers.
        draw: numbers in [0, 1) for jitter.
    """

    def __init__(  # noqa: PLR0913 - what takes part, by name
        self,
        settings: Settings,
        providers: Sequence[Provider],
        carriers: Mapping[str, Carrier],
        *,
        catalog: Catalog,
        keys: KeyStore,
        guard: Guard,
        addresses: Addresses,
        tick: Callable[[], int],
        draw: Callable[[], float] = random.random,
    ) -> None:
        self.settings, self.carriers, self._addresses = settings, dict(carriers), addresses
        self.providers = {p.name: p for p in providers}
        self._catalog, self._store, self._clock = catalog, catalog.store, catalog.store.clock
        self._keys, self._guard, self._tick, self._draw = keys, guard, tick, draw
        self.records = Records(catalog.store, keys)
        self._lock = threading.Lock()
        self._known: dict[str, Found] = {}
        self._buckets = {p.name: Bucket(p.rate, p.burst, tick()) for p in providers}

    def plan(self, wanted: Sequence[Wanted]) -> list[str]:
        """Plan messages in the transaction that is open, or one of their own.

        Every one of them gets a row, also those that are not to be sent, with the reason.

        Returns:
            Their ids; a key that was planned before is left as it is.

        Raises:
            ContractError: if nobody is written to for a purpose.
        """
        now = self._clock.now()
        allowed: dict[str, set[str]] = {}
        for purpose in {w.purpose for w in wanted}:
            people = {w.subject for w in wanted if w.purpose == purpose}
            allowed[purpose] = consented(self._guard, purpose, people)
        erased = gone(self._keys, {w.subject for w in wanted})
        living = [w.subject for w in wanted if w.subject not in erased]
        keys = dict(zip(living, self._keys.of(living), strict=True))
        with self._store.write() as connection:
            closed = Suppressed(connection, {w.subject for w in wanted}, ())
            rows = [
                self._row(w, keys, w.subject in allowed[w.purpose], closed, now)
                for w in passing(wanted)
            ]
            upsert(connection, MessageRow, rows)
        return [row["id"] for row in rows]

    def _row(
        self,
        w: Wanted,
        keys: Mapping[str, bytes | None],
        allowed: bool,
        closed: Suppressed,
        now: int,
    ) -> dict[str, Any]:
        """Return the row of a message, judged as of now."""
        name, key = message_id(w.key), keys.get(w.subject)
        provider = self._provider(w.channels)
        channel = provider.channel if provider else w.channels[0]
        why = (
            "ERASED" if key is None
            else w.fault or ("NO_CONSENT" if not allowed
            else "NO_PROVIDER" if provider is None
            else closed.why(w.subject, "", channel, w.purpose))
        )  # fmt: skip
        return {
            "id": name, "app": w.app, "subject": w.subject, "channel": channel,
            "provider": provider.name if provider else "", "purpose": w.purpose,
            "letter": w.letter, "decision": w.decision or None,
            "sealed": None if key is None else seal_text(w.text, key, name, w.subject),
            "urgent": int(w.urgent), "created": now, "until": now + w.lasts, "next": now,
            "status": "skipped" if why else "waiting", "reason": why, "attempts": 0, "owner": "",
            "sent": None, "reference": "",
        }  # fmt: skip

    def _provider(self, channels: Sequence[str]) -> Provider | None:
        """Return who carries the first of the channels that somebody carries."""
        for channel in channels:
            for provider in self.providers.values():
                if provider.channel == channel:
                    return provider
        return None

    def send(self, most: int | None = None) -> dict[str, int]:
        """Send what is due and may be sent; one pass at a time, the providers in turns.

        Args:
            most: messages handed over to each provider; all that are due by default.

        Returns:
            How many came to which status in this pass.
        """
        tally: Tally[str] = Tally()
        with self._lock:
            self.recover()
            seen: set[str] = set()
            going = {name: self._pass(name, seen, tally, most) for name in self._stopped_free()}
            while going:
                going = {name: one for name, one in going.items() if next(one, False)}
        return dict(tally)

    def recover(self) -> int:
        """Judge what was being handed over when a process died, or the disk refused the note.

        Only between two passes: a project has one process at a time, and that one pass at a time.

        Returns:
            How many are uncertain.
        """
        ahead = {"ahead": self._clock.now() + LONGEST}
        with self._store.read() as connection:
            lost = connection.execute(FIRST_SENDING).first()
            astray = connection.execute(FIRST_ASTRAY, ahead).first()
        if lost is None and astray is None:
            return 0
        uncertain = 0
        with self._store.write() as connection:
            back = update(MessageRow).where(*ASTRAY).values(next=self._clock.now())
            connection.execute(back, ahead)
            for row in connection.execute(SENDING).all():
                message = Message(*row)
                carrier = self.carriers.get(message.provider)
                if carrier is not None and carrier.deduplicates:
                    self._set(connection, message.id, status="waiting", reason="RESUMED")
                else:
                    uncertain += 1
                    self._uncertain(connection, message, "the process died")
        return uncertain

    def resolve(self, name: str, *, arrived: bool, who: str) -> None:
        """Say of an uncertain message whether it arrived; what did not is sent again.

        Raises:
            UnknownName: if there is no uncertain message of this id.
        """
        message = self.get(name)
        if message.status != "uncertain":
            raise UnknownName("This message is not uncertain.", got=message.status)
        status = "delivered" if arrived else "waiting"
        with self._store.write() as connection:
            more = {} if arrived else {"sent": None, "next": self._clock.now()}
            self._set(connection, name, status=status, reason="RESOLVED", **more)
            self.records.note(connection, name, "resolved", self._clock.now(), f"by {who}")

    def get(self, name: str) -> Message:
        """Return one message.

        Raises:
            UnknownName: if there is none of this id.
        """
        with self._store.read() as connection:
            row = connection.execute(SELECT.where(MessageRow.id == name)).first()
        if row is None:
            raise UnknownName("There is no such message.", got=name, do="see `heptad outbox`")
        return Message(*row)

    def text(self, message: Message) -> Text | None:
        """Open what a message says; None once the person is erased."""
        (key,) = self._keys.of([message.subject], create=False)
        if key is None or message.sealed is None:
            return None
        return open_text(message.sealed, key, message.id, message.subject)

    def recent(
        self,
        *,
        status: str = "",
        app: str = "",
        subject: str = "",
        decision: str = "",
        limit: int = 50,
    ) -> list[Message]:
        """Return messages, the last planned first."""
        wanted = SELECT.order_by(MessageRow.created.desc(), MessageRow.id).limit(limit)
        by = ((MessageRow.status, status), (MessageRow.app, app), (MessageRow.subject, subject),
              (MessageRow.decision, decision))  # fmt: skip
        for column, value in by:
            if value:
                wanted = wanted.where(column == value)
        with self._store.read() as connection:
            return [Message(*row) for row in connection.execute(wanted)]

    def counts(self) -> list[dict[str, Any]]:
        """Count messages by application, status and reason."""
        which = (MessageRow.app, MessageRow.status, MessageRow.reason)
        wanted = select(*which, func.count().label("n")).group_by(*which).order_by(*which)
        with self._store.read() as connection:
            return [dict(row._mapping) for row in connection.execute(wanted)]

    def stops(self) -> dict[str, dict[str, Any]]:
        """Return what is stopped: scope → since when, by whom and why."""
        return dict(self._catalog.settings.get(STOPS, {}))

    def stop(self, scope: str, who: str, why: str) -> None:
        """Stop sending: `all`, `app:NAME`, `provider:NAME` or `purpose:NAME`; durable at return."""
        with self._store.write():
            held = self.stops() | {scope: {"who": who, "why": why, "since": self._clock.now()}}
            self._catalog.settings.set(STOPS, held)

    def go_on(self, scope: str) -> None:
        """Let what was stopped be sent again."""
        with self._store.write():
            held = self.stops()
            held.pop(scope, None)
            self._catalog.settings.set(STOPS, held)

    def _stopped_free(self) -> list[str]:
        """Return the providers that are not stopped."""
        held = self.stops()
        return [n for n in self.carriers if f"provider:{n}" not in held and "all" not in held]

    def _pass(
        self, provider: str, seen: set[str], tally: Tally[str], most: int | None
    ) -> Iterator[bool]:
        """Send what is due by one provider, some at a time; yields True after each time."""
        carrier, handed = self.carriers[provider], 0
        self._known[provider] = Found()
        while most is None or handed < most:
            room = BATCH if most is None else min(BATCH, most - handed)
            parcels = self._take(provider, min(room, carrier.at_once), seen, tally)
            if parcels is None:
                return
            handed += len(parcels)
            self._hand_over(provider, parcels, tally)
            yield True

    def _hand_over(
        self, provider: str, parcels: Sequence[tuple[Message, Parcel]], tally: Tally[str]
    ) -> None:
        """Hand messages over, and note what became of each."""
        tally["handed over"] += len(parcels)
        carrier = self.carriers[provider]
        answers: list[Answer] = []
        try:
            answers.extend(passing(islice(carrier.carry([p for _, p in parcels]), len(parcels))))
        except Exception as error:  # noqa: BLE001 - a carrier that breaks must not stop the others
            _LOG.exception("provider %s failed", provider)
            status = "again" if carrier.deduplicates else "uncertain"
            rest = len(parcels) - len(answers)
            answers += [Answer(status, type(error).__name__)] * rest  # type: ignore[arg-type]
        with self._store.write() as connection:
            gone = {
                m.id: a.reference
                for (m, _), a in zip(parcels, answers, strict=True)
                if a.status == "sent"
            }
            if gone:
                connection.execute(SENT, [{"of": i, "named": r} for i, r in gone.items()])
                tally["sent"] += len(gone)
            for (message, parcel), answer in zip(parcels, answers, strict=True):
                if message.id not in gone:
                    tally[self._ended(connection, message, parcel, answer)] += 1

    def _take(
        self, provider: str, n: int, seen: set[str], tally: Tally[str]
    ) -> list[tuple[Message, Parcel]] | None:
        """Take messages that may go now and mark them as being sent, durably, as one.

        Returns:
            None if nothing is left that is due.
        """
        bucket = self._buckets[provider]
        bucket.fill(self._tick())
        n = min(n, bucket.left())
        found = self._due(provider, seen, n) if n else []
        if not found:
            return None
        sealed = self._opened(found)
        addresses = self._reached(provider, found, seen, bucket.left())
        free = {p: consented(self._guard, p, {m.subject for m in found if m.purpose == p})
                for p in {m.purpose for m in found}}  # fmt: skip
        now, held = self._clock.now(), self.stops()
        taken: list[tuple[Message, Parcel]] = []
        with self._store.write() as connection:
            hashes = {m.id: self.records.hashed(m.channel, addresses.of(m)) for m in passing(found)}
            judge = Judge(
                self.settings,
                now,
                held=held.keys(),
                free=free,
                addresses=addresses,
                closed=Suppressed(connection, {m.subject for m in found}, hashes.values()),
                hashes=hashes,
                counter=Counter(connection, self.settings.caps, now),
                texts=sealed.keys(),
            )
            for message in passing(found):
                verdict = judge.of(message)
                if verdict.act == "send":
                    bucket.take()
                    judge.counter.add(message.subject, message.purpose)
                    taken.append((message, self._parcel(message, addresses.of(message), sealed)))
                    continue
                if verdict.reason == "STOPPED":
                    seen.add(message.id)
                tally[self._put_off(connection, message, verdict)] += 1
            self._mark(connection, [m.id for m, _ in taken], now)
        return taken

    def _reached(self, provider: str, found: Sequence[Message], seen: set[str], room: int) -> Found:
        """Return where messages go: looked up, within one pass, with those that are due next."""
        if not all(self._known[provider].asked(m) for m in found):
            coming = {m.id: m for m in self._due(provider, seen, min(BATCH, room))}
            wanted = [*(coming | {m.id: m for m in found}).values()]
            self._known[provider] = self._addresses.find(wanted)
        return self._known[provider]

    def _due(self, provider: str, seen: set[str], n: int) -> list[Message]:
        """Return some messages that are due, urgent ones first; not those that are stopped.

        Each of the two questions is answered by a range of one index, so that a pass over many
        waiting messages costs as much for each of them as over few.
        """
        found: list[Message] = []
        asked = {"by": provider, "now": self._clock.now(), "most": n + len(seen)}
        with self._store.read() as connection:
            for urgent in (1, 0):
                rows = connection.execute(DUE, asked | {"hurry": urgent})
                fresh = (Message(*row) for row in rows if row.id not in seen)
                found += islice(fresh, n - len(found))
                if len(found) == n:
                    break
        return found

    def _opened(self, found: Sequence[Message]) -> dict[str, Text]:
        """Open what messages say; those of erased persons are missing."""
        keys = self._keys.of([m.subject for m in found], create=False)
        return {
            m.id: open_text(m.sealed, key, m.id, m.subject)
            for m, key in zip(passing(found), keys, strict=True)
            if key is not None and m.sealed is not None
        }

    def _parcel(self, message: Message, address: str, texts: Mapping[str, Text]) -> Parcel:
        return Parcel(
            id=message.id,
            to=address,
            text=texts[message.id],
            created=message.created,
            unsubscribe=self._unsubscribe(message),
            subject=message.subject,
        )

    def _unsubscribe(self, message: Message) -> str:
        """Return the link that ends such messages, where the person may end them."""
        if not self.settings.address or not self._guard.purposes[message.purpose].withdrawable:
            return ""
        return f"{self.settings.address}/v1/unsubscribe/{self.records.token(message.id)}"

    def _mark(self, connection: Connection, ids: Sequence[str], now: int) -> None:
        """Note that messages are about to be handed over."""
        for start in range(0, len(ids), BATCH):
            part = {"some": ids[start : start + BATCH], "whose": self._store.epoch, "at": now}
            connection.execute(MARK, part)

    def _put_off(self, connection: Connection, message: Message, verdict: Verdict) -> str:
        """Note that a message does not go now, or never."""
        if verdict.act == "later":
            self._set(connection, message.id, next=verdict.until, reason=verdict.reason)
            return "later"
        status = "cancelled" if verdict.reason == "ERASED" else "skipped"
        self._set(connection, message.id, status=status, reason=verdict.reason)
        return status

    def _ended(
        self, connection: Connection, message: Message, parcel: Parcel, answer: Answer
    ) -> str:
        """Note what became of an attempt that did not succeed; return the status."""
        if answer.status == "uncertain":
            self._uncertain(connection, message, answer.note)
            return "uncertain"
        if answer.status == "gone":
            self.records.suppress(connection, address=self.records.hashed(message.channel, parcel.to),
                                  channel=message.channel, reason="ADDRESS_GONE")  # fmt: skip
            self._set(connection, message.id, status="dead", reason="ADDRESS_GONE", sent=None)
            return "dead"
        attempts = message.attempts + 1
        if answer.status == "never" or attempts >= self.settings.attempts:
            why = "REFUSED" if answer.status == "never" else "ATTEMPTS"
            self._set(connection, message.id, status="dead", sent=None,
                      reason=f"{why} {answer.note}"[:200])  # fmt: skip
            return "dead"
        pause = wait(self.settings.backoff, attempts, self._draw)
        self._set(connection, message.id, status="waiting", sent=None,
                  next=self._clock.now() + pause, reason=f"AGAIN {answer.note}"[:200])  # fmt: skip
        return "again"

    def _uncertain(self, connection: Connection, message: Message, note: str) -> None:
        """Count a message that may have arrived; nobody sends it again by itself."""
        self._set(connection, message.id, status="uncertain", reason="UNCERTAIN")
        self.records.note(connection, message.id, "uncertain", self._clock.now(), note)

    @staticmethod
    def _set(connection: Connection, name: str, **values: Any) -> None:
        connection.execute(update(MessageRow).where(MessageRow.id == name).values(**values))
