# SPDX-License-Identifier: Apache-2.0
"""The access log: who read what about whom, why and on which ground, durable before it is answered."""

from __future__ import annotations

import hashlib
import os
import threading
from collections import deque
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any, Literal, Protocol

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from heptad.security.envelope import RESTORE
from heptad.standards.errors import Busy, Corrupt, HeptadError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from heptad.security.heads import Verified
    from heptad.security.keys import KeyStore
    from heptad.security.ledger import Ledger
    from heptad.standards.time import Clock

Result = Literal["opened", "masked", "refused"]

MOST_TAGS = 10_000
"""Persons of one read whom its record commits to one by one; a larger read says how many."""
MOST_NAMED = 5
"""Persons of one read whom the sealed part of its record names."""
KEPT_EVERY = 64
"""Records after which the catalog keeps how many there are."""
FLOOR = "access_floor"
TAG_BYTES, _SALT, _NONCE = 8, 16, 12
_BATCH = 512


class Record(msgspec.Struct, frozen=True, tag_field="kind", tag="access", omit_defaults=True):
    """One entry of the access log; nothing in it is personal but what is sealed.

    Attributes:
        at: when, microseconds since 1970, UTC; never less than that of the entry before.
        who: the key or account that read.
        role: in which role.
        purpose: why; "" for a read that opens nothing.
        action: what was done: read, history, online, explain, decisions, page, replay, train …
        result: opened (as permitted), masked (without a purpose) or refused.
        grounds: table → the basis on which it was read; "" where none is needed.
        columns: table → the columns answered.
        rows: how many rows were answered.
        people: how many persons they are about.
        salt: 16 bytes, of this record.
        tags: 8 bytes for each person, sorted: a keyed and salted hash of whom it is about.
            None of them where there are more than `MOST_TAGS`.
        query: keyed hash of what was asked.
        sealed: nonce and AES-256-GCM ciphertext of what may name a person.
    """

    at: int
    who: str
    role: str
    purpose: str
    action: str
    result: Result
    grounds: dict[str, str]
    columns: dict[str, list[str]]
    rows: int
    people: int
    salt: bytes
    tags: bytes
    query: bytes
    sealed: bytes


@dataclass
class Read:
    """A read as it is being made; what it names is filled in while it goes on.

    Attributes:
        action: what is done.
        who: the key or account that reads.
        role: in which role.
        purpose: why.
        grounds: table → basis.
        columns: table → columns answered.
        rows: how many rows were answered.
        people: whom they are about, as the key store names them.
        many: how many they are about, where they are too many to be named.
        detail: what was asked; may name a person, so it is sealed.
        refused: why it was refused, if it was.
    """

    action: str
    who: str
    role: str
    purpose: str
    grounds: dict[str, str] = field(default_factory=dict)
    columns: dict[str, list[str]] = field(default_factory=dict)
    rows: int = 0
    people: set[str] = field(default_factory=set)
    many: int = 0
    detail: dict[str, Any] = field(default_factory=dict)
    refused: str = ""

    @property
    def result(self) -> Result:
        """What came of it."""
        if self.refused:
            return "refused"
        return "opened" if self.purpose else "masked"


@dataclass(frozen=True)
class Entry:
    """A record read back, with its sealed part opened."""

    place: int
    record: Record
    detail: Mapping[str, Any]


class _Pending:
    """A record that waits for its sync."""

    __slots__ = ("data", "error", "done")  # noqa: RUF023 - in the order of their life

    def __init__(self, data: bytes) -> None:
        self.data, self.done = data, False
        self.error: HeptadError | None = None


class Storage(Protocol):
    """What the access log is kept in."""

    def open(self) -> Ledger:
        """Open the ledger, or open it again: what a failed append left unfinished is settled."""
        ...

    def close(self) -> None:
        """Let it go."""
        ...


class AccessLog:
    """Records reads, durably, before what they read is answered; fails closed.

    Threads that read at once share a sync: who comes while one is under way waits for the next,
    which then takes all that wait.

    Args:
        storage: opens the ledger, also again after it has failed.
        keys: hold the peppers that persons are hashed and details sealed with.
        clock: tells when a read is made.
        keep: told how many records there are, now and then.

    Raises:
        Corrupt: if the log is damaged.
        Busy: if its storage refuses.
    """

    def __init__(
        self,
        storage: Storage,
        keys: KeyStore,
        clock: Clock,
        keep: Callable[[int], object] = lambda _: None,
    ) -> None:
        self._storage, self._clock, self._keep = storage, clock, keep
        self._pepper = keys.pepper("access")
        self._cipher = AESGCM(keys.pepper("access details"))
        self._queue: list[_Pending] = []
        self._lock, self._turn = threading.Lock(), threading.Lock()
        self._broken = False
        self._ledger = storage.open()
        self._kept = len(self._ledger)
        self._last = self._record(self._kept - 1).at if self._kept else 0

    def __len__(self) -> int:
        return len(self._ledger)

    @property
    def ledger(self) -> Ledger:
        """The log with its tree and signed heads."""
        return self._ledger

    def now(self) -> int:
        """The present, which never steps back behind what was recorded, microseconds."""
        return max(self._clock.now(), self._last)

    def record(self, read: Read) -> None:
        """Make a read's record durable; only then may what it read be answered.

        Raises:
            Busy: if it cannot be made durable.
        """
        with self._lock:
            self._last = self.now()
            pending = _Pending(self._packed(read, self._last))
            self._queue.append(pending)
        kept = 0
        with self._turn:
            if not pending.done:
                kept = self._flush()
        # Told only now: whoever keeps it may wait for one who waits for a turn of their own.
        if kept:
            self._keep(kept)
        if pending.error is not None:
            raise pending.error

    def entries(
        self,
        *,
        since: int | None = None,
        until: int | None = None,
        subject: str = "",
        limit: int = 50,
    ) -> list[Entry]:
        """Return the last reads, the newest first.

        Args:
            since: only those from this instant on, microseconds.
            until: only those up to this instant, microseconds.
            subject: only those about one person, as the key store names them (`Customer:42`);
                also such as are about too many persons to name each.
            limit: most of them.
        """
        found: deque[Entry] = deque(maxlen=max(limit, 0))
        stop = len(self) if until is None else self._first(until + 1)
        whole = since is None and not subject
        start = max(stop - limit, 0) if whole else self._first(since)
        for place, record in self._records(start):
            if place >= stop:
                break
            if not subject or self._may_be_about(record, subject):
                found.append(Entry(place, record, {}))
        return [Entry(e.place, e.record, self._detail(e.record)) for e in reversed(found)]

    def named(self, record: Record, subject: str) -> bool:
        """Whether a record commits to this very person."""
        tag = self._tag(subject, record.salt)
        tags = record.tags
        return any(tags[at : at + TAG_BYTES] == tag for at in range(0, len(tags), TAG_BYTES))

    def verify(self, against: str | None = None) -> Verified:
        """Check every byte, the tree and all signatures; see `Ledger.verify`."""
        return self._ledger.verify(against)

    def close(self) -> None:
        """Keep how many records there are, and let the storage go."""
        self._keep(len(self._ledger))
        self._storage.close()

    def _flush(self) -> int:
        """Append all that waits, in one sync; whoever waits learns how it went.

        Returns:
            How many records there are, if that is to be kept now; else 0.
        """
        with self._lock:
            batch, self._queue = self._queue, []
        error: HeptadError | None = None
        try:
            if self._broken:
                self._ledger = self._storage.open()
            self._broken = True
            self._ledger.add([pending.data for pending in batch])
            self._broken = False
        except (HeptadError, OSError) as failed:
            error = _refusal(failed)
        finally:
            for pending in batch:
                # What neither failed in a known way nor was appended must not count as recorded.
                pending.error = error if error or not self._broken else _refusal(None)
                pending.done = True
        if len(self._ledger) - self._kept >= KEPT_EVERY and error is None:
            self._kept = len(self._ledger)
            return self._kept
        return 0

    def _packed(self, read: Read, at: int) -> bytes:
        """Return a record's bytes."""
        salt, nonce = os.urandom(_SALT), os.urandom(_NONCE)
        people = max(len(read.people), read.many)
        named = sorted(read.people) if people <= MOST_TAGS else []
        tags = sorted(self._tag(name, salt) for name in named)
        detail = dict(read.detail)
        if 0 < people <= MOST_NAMED:
            detail["about"] = named
        if read.refused:
            detail["refused"] = read.refused
        asked = msgspec.json.encode([read.action, read.detail], order="sorted")
        record = Record(
            at=at,
            who=read.who,
            role=read.role,
            purpose=read.purpose,
            action=read.action,
            result=read.result,
            grounds=read.grounds,
            columns=read.columns,
            rows=read.rows,
            people=people,
            salt=salt,
            tags=b"".join(tags),
            query=hashlib.blake2b(asked, key=self._pepper, digest_size=16).digest(),
            sealed=nonce + self._cipher.encrypt(nonce, msgspec.json.encode(detail), salt),
        )
        return msgspec.msgpack.encode(record)

    def _tag(self, subject: str, salt: bytes) -> bytes:
        """Commit to a person: nobody without the pepper can try one out."""
        return hashlib.blake2b(
            subject.encode(), key=self._pepper, salt=salt, digest_size=TAG_BYTES
        ).digest()

    def _may_be_about(self, record: Record, subject: str) -> bool:
        if record.people * TAG_BYTES > len(record.tags):
            return True
        return self.named(record, subject)

    def _detail(self, record: Record) -> dict[str, Any]:
        """Open the sealed part of a record."""
        sealed = record.sealed
        try:
            plain = self._cipher.decrypt(sealed[:_NONCE], sealed[_NONCE:], record.salt)
        except InvalidTag as error:
            raise Corrupt(
                "An entry of the access log does not open.",
                do=f"run `heptad access --verify`; {RESTORE}",
            ) from error
        detail: dict[str, Any] = msgspec.json.decode(plain)
        return detail

    def _first(self, since: int | None) -> int:
        """Return the place of the first record from an instant on; they are in order of time."""
        low, high = 0, len(self) if since is not None else 0
        while low < high:
            middle = (low + high) // 2
            if self._record(middle).at < (since or 0):
                low = middle + 1
            else:
                high = middle
        return low

    def _record(self, place: int) -> Record:
        return _decoded(self._ledger.read(place))

    def _records(self, start: int) -> Iterator[tuple[int, Record]]:
        records = self._ledger.iterate(start)
        while batch := list(islice(records, _BATCH)):
            yield from enumerate(map(_decoded, batch), start)
            start += len(batch)


def _decoded(data: bytes) -> Record:
    try:
        return msgspec.msgpack.decode(data, type=Record)
    except msgspec.DecodeError as error:
        raise Corrupt(
            "An entry of the access log is no record.", do="run `heptad access --verify`"
        ) from error


def _refusal(cause: Exception | None) -> Busy:
    """Return what a reader is told whose read cannot be recorded."""
    said = cause.shown if isinstance(cause, HeptadError) else str(cause) if cause else None
    return Busy(
        "The read cannot be recorded in the access log, so nothing is answered.",
        got=said,
        do="see that the disk has room (`heptad doctor`), then ask again",
    )
