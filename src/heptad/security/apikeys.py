# SPDX-License-Identifier: Apache-2.0
"""API keys for machines: random, shown once, stored only as a keyed hash with what they may do.

A key reads `hep_<id>_<43 base62>_<crc>`: the id finds its record, 256 random bits prove it, and
the check sum tells a mistyped key, and lets secret scanners know a real one.
"""

from __future__ import annotations

import hmac
import json
import re
import secrets
import zlib
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol

from heptad.security.purposes import find_role, require
from heptad.standards.errors import ContractError, Unauthorised, UnknownName
from heptad.standards.time import SystemClock, minute

if TYPE_CHECKING:
    from collections.abc import Iterable

    from heptad.standards.time import Clock

_BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_SHAPE = re.compile(r"(hep_([0-9A-Za-z]{8})_[0-9A-Za-z]{43})_([0-9A-Za-z]{6})")
_NO_DIGEST = bytes(32)
_LONGEST = 200
_TOUCH_EVERY = minute


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks: an API key's id, its role and the purposes that it may state."""

    id: str
    role: str
    purposes: frozenset[str]


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """What is stored of an API key. Instants are microseconds, UTC.

    Attributes:
        id: finds the record; not secret.
        digest: HMAC-SHA256 of the key and of what it may do; changing either breaks it.
        name: what the key is for, in words.
        role: see `heptad.security.purposes`.
        purposes: those of the role's purposes that it may state.
        created: when it was issued.
        expires: from when on it is refused, or None.
        last_used: when it was last accepted, to the minute, or None.
        revoked: when it was withdrawn, or None.
    """

    id: str
    digest: bytes = field(repr=False)
    name: str
    role: str
    purposes: frozenset[str]
    created: int
    expires: int | None = None
    last_used: int | None = None
    revoked: int | None = None


@dataclass(frozen=True, slots=True)
class Issued:
    """A new key: its text, which is never shown again, and its record."""

    text: str = field(repr=False)
    record: KeyRecord


class KeyRecords(Protocol):
    """Where the records of API keys are kept."""

    def add(self, record: KeyRecord) -> None:
        """Keep a new record, durably."""
        ...

    def get(self, key_id: str) -> KeyRecord | None:
        """Return the record of that id, or None."""
        ...

    def all(self) -> list[KeyRecord]:
        """Return all records, the oldest first."""
        ...

    def used(self, key_id: str, instant: int) -> None:
        """Note when a key was last used."""
        ...

    def revoke(self, key_id: str, instant: int) -> None:
        """Note, durably, that a key was withdrawn."""
        ...


class MemoryRecords:
    """Records kept in memory only."""

    def __init__(self) -> None:
        self._records: dict[str, KeyRecord] = {}

    def add(self, record: KeyRecord) -> None:
        """Keep a new record."""
        self._records[record.id] = record

    def get(self, key_id: str) -> KeyRecord | None:
        """Return the record of that id, or None."""
        return self._records.get(key_id)

    def all(self) -> list[KeyRecord]:
        """Return all records, the oldest first."""
        return sorted(self._records.values(), key=lambda record: (record.created, record.id))

    def used(self, key_id: str, instant: int) -> None:
        """Note when a key was last used."""
        self._records[key_id] = replace(self._records[key_id], last_used=instant)

    def revoke(self, key_id: str, instant: int) -> None:
        """Note that a key was withdrawn."""
        self._records[key_id] = replace(self._records[key_id], revoked=instant)


class ApiKeys:
    """Issues, checks and withdraws API keys.

    Args:
        records: where the records are kept.
        pepper: 32 secret bytes that lie elsewhere than the records (`Keys.pepper("apikeys")`).
        clock: decides expiry.
    """

    def __init__(self, records: KeyRecords, pepper: bytes, clock: Clock | None = None) -> None:
        self._records, self._pepper = records, pepper
        self._clock = clock or SystemClock()

    def issue(
        self,
        name: str,
        role: str,
        purposes: Iterable[str] = (),
        *,
        expires: int | None = None,
    ) -> Issued:
        """Make a key; its text cannot be had a second time.

        Args:
            name: what it is for, in words.
            role: what the key's bearer is.
            purposes: what the bearer may state; by default all of the role's.
            expires: from which instant on it is refused.

        Raises:
            Refused: if the role may not act for one of the purposes.
            UnknownName: if there is no such role or purpose.
            ContractError: if it would be expired from the start.
        """
        chosen = frozenset(purposes) or find_role(role).purposes
        for purpose in sorted(chosen):
            require(role, purpose)
        now = self._clock.now()
        if expires is not None and expires <= now:
            raise ContractError("An API key must expire in the future.", got=expires)
        key_id = self._free_id()
        stem = f"hep_{key_id}_{_random(43)}"
        text = f"{stem}_{_check(stem)}"
        record = KeyRecord(key_id, b"", name, role, chosen, now, expires)
        record = replace(record, digest=self._digest(text, record))
        self._records.add(record)
        return Issued(text, record)

    def authenticate(self, text: str | None) -> Principal:
        """Find out whose key this is.

        Raises:
            Unauthorised: if it is absent, malformed, unknown, wrong, expired or revoked; always
                the same error, so that it tells nothing.
        """
        text = (text or "")[:_LONGEST]
        shape = _SHAPE.fullmatch(text)
        record = self._records.get(shape[2]) if shape else None
        # The same work is done whether or not there is such a key.
        wanted = record or KeyRecord("", _NO_DIGEST, "", "", frozenset(), 0)
        proven = hmac.compare_digest(self._digest(text, wanted), wanted.digest)
        now = self._clock.now()
        if shape is None or _check(shape[1]) != shape[3] or not proven or not _live(wanted, now):
            raise Unauthorised(
                "The API key is not valid.",
                do="send a current key in the header `Authorization: Bearer hep_…`",
            )
        if wanted.last_used is None or abs(now - wanted.last_used) >= _TOUCH_EVERY:
            self._records.used(wanted.id, now)
        return Principal(wanted.id, wanted.role, wanted.purposes)

    def revoke(self, key_id: str) -> None:
        """Withdraw a key, from the next request on.

        Raises:
            UnknownName: if there is no key of that id.
        """
        record = self._records.get(key_id)
        if record is None:
            raise UnknownName("There is no API key of that id.", got=key_id)
        if record.revoked is None:
            self._records.revoke(key_id, self._clock.now())

    def all(self) -> list[KeyRecord]:
        """Return the records of all keys, the oldest first."""
        return self._records.all()

    def _digest(self, text: str, record: KeyRecord) -> bytes:
        """Bind the key's text to what it may do, so that an edited record proves nothing."""
        grants = [text, record.id, record.role, sorted(record.purposes), record.expires]
        return hmac.digest(self._pepper, json.dumps(grants).encode(), "sha256")

    def _free_id(self) -> str:
        key_id = _random(8)
        while self._records.get(key_id) is not None:
            key_id = _random(8)
        return key_id


def _live(record: KeyRecord, now: int) -> bool:
    return record.revoked is None and (record.expires is None or now < record.expires)


def _random(length: int) -> str:
    return "".join(secrets.choice(_BASE62) for _ in range(length))


def _check(stem: str) -> str:
    """CRC-32 in six base62 digits."""
    rest, digits = zlib.crc32(stem.encode()), ""
    for _ in range(6):
        rest, digit = divmod(rest, 62)
        digits = _BASE62[digit] + digits
    return digits
