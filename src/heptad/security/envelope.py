# SPDX-License-Identifier: Apache-2.0
"""The key-encryption key (KEK): its file, its epoch, and the wrapping of other keys under it."""

from __future__ import annotations

import base64
import binascii
import errno
import fcntl
import hashlib
import hmac
import json
import os
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from heptad.standards.errors import Corrupt, Refused

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

KEY_BYTES = 32
NONCE_BYTES = 12
PASSPHRASE = "HEPTAD_PASSPHRASE"  # noqa: S105 - the variable's name, not a secret
"""The environment variable whose value locks the KEK file."""

PUT_BACK = "put the file kek back from where it is kept apart; it is in no backup"
RESTORE = (
    "restore the project from a backup, with the kek of its time "
    "(`heptad restore BACKUPS FOLDER --kek FILE`)"
)
"""The cures: of a lost KEK, and of whatever else of the key store is lost."""

FORMAT = 1
_LONGEST_FILE = 4096
# RFC 9106, second recommended choice: 3 passes over 64 MiB in 4 lanes.
_ARGON2ID = {"time_cost": 3, "memory_cost": 65536, "parallelism": 4}
_ARGON2ID_MOST = {"time_cost": 64, "memory_cost": 4_194_304, "parallelism": 64}


@dataclass(frozen=True, slots=True)
class Kek:
    """One epoch's key-encryption key."""

    epoch: int
    key: bytes = field(repr=False)
    _cipher: AESGCM = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_cipher", AESGCM(self.key))

    @classmethod
    def fresh(cls, epoch: int) -> Kek:
        """Draw a new random key for `epoch`."""
        return cls(epoch, os.urandom(KEY_BYTES))

    def wrap(self, plain: list[tuple[str, bytes]]) -> list[bytes]:
        """Encrypt (label, key) pairs; the label and the epoch are bound to each."""
        encrypt, stem = self._cipher.encrypt, self._stem
        nonces = os.urandom(NONCE_BYTES * len(plain))
        out = []
        for i, (label, key) in enumerate(plain):
            nonce = nonces[NONCE_BYTES * i : NONCE_BYTES * (i + 1)]
            out.append(nonce + encrypt(nonce, key, stem + label.encode()))
        return out

    def unwrap(self, wrapped: list[tuple[str, bytes]]) -> list[bytes]:
        """Decrypt (label, blob) pairs.

        Raises:
            Corrupt: if a blob is not what was wrapped under this label and epoch.
        """
        decrypt, stem = self._cipher.decrypt, self._stem
        label = ""
        try:
            return [
                decrypt(blob[:NONCE_BYTES], blob[NONCE_BYTES:], stem + label.encode())
                for label, blob in wrapped
            ]
        except (InvalidTag, ValueError, TypeError) as error:
            raise Corrupt(
                "A wrapped key does not open under the key-encryption key.",
                got=label,
                do=RESTORE,
            ) from error

    @property
    def _stem(self) -> bytes:
        return b"%d|" % self.epoch


def load_kek(path: Path, passphrase: str | None) -> Kek:
    """Read a KEK file.

    Raises:
        Corrupt: if the file does not hold what was written.
        Refused: if it is locked and the passphrase is absent or wrong.
    """
    document = document_of(path)
    try:
        epoch, lock = int(document["epoch"]), document.get("argon2id")
        payload = base64.b64decode(document["kek"], validate=True)
    except (KeyError, TypeError, ValueError) as error:
        raise damaged(path) from error
    if lock is not None:
        return Kek(epoch, _unlock(path, payload, lock, epoch, passphrase))
    if len(payload) != KEY_BYTES or document.get("check") != _check(epoch, payload):
        raise damaged(path)
    return Kek(epoch, payload)


def epoch_of(path: Path) -> int | None:
    """Return the epoch that a KEK file says it is of; None if it is damaged or absent."""
    try:
        return int(document_of(path)["epoch"])
    except (Corrupt, FileNotFoundError, KeyError, TypeError, ValueError):
        return None


def save_kek(path: Path, kek: Kek, passphrase: str | None) -> None:
    """Write a KEK file durably, mode 0600; locked by argon2id if there is a passphrase."""
    document: dict[str, Any] = {"format": FORMAT, "epoch": kek.epoch}
    if passphrase:
        lock = {"salt": base64.b64encode(os.urandom(16)).decode(), **_ARGON2ID}
        nonce = os.urandom(NONCE_BYTES)
        sealed = AESGCM(_stretch(passphrase, lock)).encrypt(nonce, kek.key, b"%d" % kek.epoch)
        document |= {"argon2id": lock, "kek": base64.b64encode(nonce + sealed).decode()}
    else:
        document |= {
            "kek": base64.b64encode(kek.key).decode(),
            "check": _check(kek.epoch, kek.key),
        }
    write_durably(path, json.dumps(document).encode() + b"\n")


def write_durably(path: Path, data: bytes) -> None:
    """Replace a file as one step that survives power loss; mode 0600."""
    temporary = path.with_name(path.name + ".tmp")
    handle = os.open(temporary, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600)
    try:
        _write(handle, data)
    finally:
        os.close(handle)
    os.replace(temporary, path)  # noqa: PTH105 - tests break each storage call by its name in os
    sync_folder(path.parent)


def overwrite(path: Path) -> None:
    """Write random bytes over a file's content, in place, and make that durable.

    A copy-on-write file system or a flash disk may keep the old blocks all the same; there, only
    an encrypted disk or a key service destroys for certain.
    """
    with suppress(FileNotFoundError):
        handle = os.open(path, os.O_WRONLY)
        try:
            _write(handle, os.urandom(max(os.fstat(handle).st_size, 1)))
        finally:
            os.close(handle)


def discard(path: Path) -> None:
    """Overwrite a file and remove it; nothing happens if it is absent."""
    overwrite(path)
    with suppress(FileNotFoundError):
        os.unlink(path)  # noqa: PTH108 - as above
        sync_folder(path.parent)


@contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Hold a lock file against other processes and threads; the kernel frees it at death."""
    handle = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _write(handle: int, data: bytes) -> None:
    if os.write(handle, data) != len(data):
        raise OSError(errno.ENOSPC, "a key file was written only in part")
    os.fsync(handle)


def document_of(path: Path) -> dict[str, Any]:
    """Read a key file as it is written.

    Raises:
        Corrupt: if it is no key file.
        FileNotFoundError: if it is absent.
    """
    handle = os.open(path, os.O_RDONLY)
    try:
        text = os.read(handle, _LONGEST_FILE)
    finally:
        os.close(handle)
    try:
        document = json.loads(text)
    except ValueError as error:
        raise damaged(path) from error
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise damaged(path)
    return document


def _unlock(
    path: Path, payload: bytes, lock: dict[str, Any], epoch: int, passphrase: str | None
) -> bytes:
    if not passphrase:
        raise Refused(
            "The keys of this project are locked by a passphrase.",
            do=f"set {PASSPHRASE} in the environment",
        )
    try:
        stretched = _stretch(passphrase, lock)
    except (KeyError, TypeError, ValueError, binascii.Error) as error:
        raise damaged(path) from error
    try:
        return AESGCM(stretched).decrypt(
            payload[:NONCE_BYTES], payload[NONCE_BYTES:], b"%d" % epoch
        )
    except (InvalidTag, ValueError) as error:
        raise Refused(
            "The passphrase does not open the keys of this project.",
            do=f"set {PASSPHRASE} to the passphrase that the keys were made with; "
            f"if it is right, the file kek is damaged: {PUT_BACK}",
            place=str(path),
        ) from error


def _stretch(passphrase: str, lock: dict[str, Any]) -> bytes:
    from argon2.low_level import Type, hash_secret_raw

    costs = {name: int(lock[name]) for name in _ARGON2ID}
    # The file is read before it is trusted: without a bound it could ask for all memory.
    if any(not 0 < cost <= _ARGON2ID_MOST[name] for name, cost in costs.items()):
        raise ValueError(costs)
    salt = base64.b64decode(lock["salt"], validate=True)
    if not 8 <= len(salt) <= 64 or costs["memory_cost"] < 8 * costs["parallelism"]:
        raise ValueError(costs)
    return hash_secret_raw(passphrase.encode(), salt, hash_len=KEY_BYTES, type=Type.ID, **costs)


def _check(epoch: int, key: bytes) -> str:
    """A short keyed digest: tells a damaged key from a sound one without revealing it."""
    return hmac.new(key, b"heptad kek|%d" % epoch, hashlib.sha256).hexdigest()[:16]


def damaged(path: Path) -> Corrupt:
    """Return the error of a key file that holds no key."""
    return Corrupt(
        f"The key file {path.name} does not hold a key.",
        do=f"{PUT_BACK}, and without it nothing sealed opens",
        place=str(path),
    )
