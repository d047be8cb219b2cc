# SPDX-License-Identifier: Apache-2.0
"""How a decision lies in the ledger: what anyone may read, a salted commitment, a sealed body."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from heptad.security.envelope import RESTORE
from heptad.security.sealed import open_bytes
from heptad.service.decisions.decision import Decision
from heptad.standards.errors import Corrupt

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from heptad.security.keys import KeyStore

_SALT, _NONCE = 16, 12


class Record(msgspec.Struct, frozen=True, tag_field="kind", tag="decision"):
    """One entry of the ledger.

    Attributes:
        subject: whom it is about; its key opens the body.
        public: what stays readable when the subject has been erased.
        commitment: SHA-256 of salt and body, so that a body can be proven later without its key.
        sealed: nonce and AES-256-GCM ciphertext of salt and body.
    """

    subject: str
    public: dict[str, Any]
    commitment: bytes
    sealed: bytes


@dataclass(frozen=True)
class Opened:
    """An entry read back: the whole decision, or only its public part once erased."""

    subject: str
    public: Mapping[str, Any]
    decision: Decision | None

    @property
    def erased(self) -> bool:
        """Whether the subject's key is gone."""
        return self.decision is None


def pack(
    decisions: Sequence[Decision], keys: KeyStore, public: Sequence[dict[str, Any]] | None = None
) -> list[bytes]:
    """Turn decisions into ledger records, each sealed under its subject's key.

    Args:
        decisions: what is recorded.
        keys: seal them.
        public: what `Decision.public` says of each, if it is known.
    """
    public = public or [d.public() for d in decisions]
    subjects = [d.subject for d in decisions]
    noise = os.urandom((_SALT + _NONCE) * len(decisions))
    ciphers: dict[str, AESGCM] = {}
    records = []
    for n, (decision, key) in enumerate(zip(decisions, keys.of(subjects), strict=True)):
        if key is None:
            raise Corrupt(f"The key of {decision.subject} is missing.", do="run `heptad doctor`")
        cipher = ciphers.setdefault(decision.subject, AESGCM(key))
        chunk = noise[n * (_SALT + _NONCE) : (n + 1) * (_SALT + _NONCE)]
        plain, nonce = chunk[:_SALT] + decision.to_bytes(), chunk[_SALT:]
        sealed = nonce + cipher.encrypt(nonce, plain, _bound(decision.id, decision.subject))
        commitment = hashlib.sha256(plain).digest()
        record = Record(decision.subject, public[n], commitment, sealed)
        records.append(msgspec.msgpack.encode(record))
    return records


def open_record(data: bytes, keys: KeyStore) -> Opened:
    """Read a ledger record.

    Raises:
        Corrupt: if it is no record, or its body is not what was sealed.
    """
    (opened,) = open_records([data], keys)
    return opened


def open_records(batch: Sequence[bytes], keys: KeyStore) -> list[Opened]:
    """Read many ledger records; see `open_record`."""
    try:
        records = [msgspec.msgpack.decode(data, type=Record) for data in batch]
    except msgspec.DecodeError as error:
        raise Corrupt(
            "An entry of the decision log is no decision.", do="run `heptad log verify`"
        ) from error
    found = keys.of([r.subject for r in records], create=False)
    closed = [r.subject for r, key in zip(records, found, strict=True) if key is None]
    lost = set(closed) - set(keys.erasures(closed)) if closed else set()
    if lost:
        raise Corrupt(
            f"The key of {min(lost)} is missing, though nobody erased them.",
            got=f"{len(lost)} keys",
            do=RESTORE,
        )
    return [_opened(record, key) for record, key in zip(records, found, strict=True)]


def public_of(data: bytes) -> tuple[str, dict[str, Any]]:
    """Read of a ledger record what needs no key: whom it is about, and its public part.

    Raises:
        Corrupt: if it is no record.
    """
    try:
        record = msgspec.msgpack.decode(data, type=Record)
    except msgspec.DecodeError as error:
        raise Corrupt(
            "An entry of the decision log is no decision.", do="run `heptad log verify`"
        ) from error
    return record.subject, record.public


def _opened(record: Record, key: bytes | None) -> Opened:
    """Open one record, or leave it closed where the key is gone."""
    if key is None:
        return Opened(record.subject, record.public, None)
    name = str(record.public.get("id", ""))
    do = "run `heptad log verify`; restore the log or the keys from a backup"
    plain = open_bytes(record.sealed, key, _bound(name, record.subject), f"Decision {name}", do)
    if hashlib.sha256(plain).digest() != record.commitment:
        raise Corrupt(f"Decision {name} is not what was committed to.")
    return Opened(record.subject, record.public, Decision.from_bytes(plain[_SALT:]))


def _bound(name: str, subject: str) -> bytes:
    """Return what binds a body to its decision and its subject."""
    return f"decision|{name}|{subject}".encode()
