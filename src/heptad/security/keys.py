# SPDX-License-Identifier: Apache-2.0
"""The key store: a key per subject, the project's signing key and its peppers, wrapped by a KEK.

A sealed value is in every version, checkpoint and backup of a table; its key is only here. To
erase a person is therefore to destroy one row here, and then to move the survivors to a new
key-encryption key (`new_epoch`), after which an old copy of this store opens nothing either.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from heptad.security.envelope import KEY_BYTES, PASSPHRASE
from heptad.security.locks import FileLock
from heptad.security.vault import Vault
from heptad.standards.errors import ContractError, Refused
from heptad.standards.time import SystemClock

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    from heptad.security.locks import Lock
    from heptad.standards.time import Clock

DISPOSABLE = "disposable|"
"""Before the names of keys that can be destroyed by themselves, among the project's secrets."""


class KeyStore(Protocol):
    """What sealing, tokens and the ledger need of a key store; a key service fits as well."""

    @property
    def free(self) -> bool:
        """Whether keys are at hand: not over a network, nor held by another thread now."""
        ...

    def of(
        self, subjects: Sequence[str], create: bool = True, *, revive: bool = False
    ) -> list[bytes | None]:
        """Return one 32-byte key per subject."""
        ...

    def destroy(self, subject: str) -> bool:
        """Destroy a subject's key."""
        ...

    def erased(self, subject: str) -> int | None:
        """Return when a subject was last erased."""
        ...

    def erasures(self, subjects: Iterable[str]) -> dict[str, int]:
        """Return those of the subjects that were erased, and when."""
        ...

    def new_epoch(self) -> int:
        """Move the survivors to a new key-encryption key."""
        ...

    def disposable(self, name: str, create: bool = True) -> bytes | None:
        """Return the 32-byte key of a thing that is dropped as a whole one day."""
        ...

    def dispose(self, names: Iterable[str]) -> int:
        """Destroy keys of things that were dropped."""
        ...

    def disposables(self, stem: str = "") -> list[str]:
        """Return the names of such keys."""
        ...

    def signing_key(self) -> Ed25519PrivateKey:
        """Return the project's signing key."""
        ...

    def public_key(self) -> Ed25519PublicKey:
        """Return the public half of the signing key."""
        ...

    def pepper(self, name: str) -> bytes:
        """Return 32 secret bytes for one use."""
        ...


def gone(keys: KeyStore, subjects: Iterable[str]) -> set[str]:
    """Return those subjects that were erased and have not come back."""
    erased = list(keys.erasures(subjects))
    found = keys.of(erased, create=False)
    return {subject for subject, key in zip(erased, found, strict=True) if key is None}


class Keys:
    """A key store in a folder: `kek` and `subjects.sqlite`, mode 0600 in a folder of mode 0700.

    Safe for threads; several processes may open it.

    Args:
        folder: made if absent.
        passphrase: locks the KEK file, by argon2id, from its making or its next epoch on; by
            default the value of HEPTAD_PASSPHRASE.
        lock: closes the KEK file in another way; see `heptad.security.places`.
        home: folder of the KEK file, if it is not `folder`; made if absent.
        clock: dates the erasures.
        cache: most subject keys kept in memory.

    Raises:
        Corrupt: if the files do not belong together, or one is damaged or missing.
        Refused: if the KEK file is locked and the passphrase is absent or wrong.
        Busy: if the disk fails or is full; every method may raise it.
    """

    def __init__(
        self,
        folder: Path | str,
        *,
        passphrase: str | None = None,
        lock: Lock | None = None,
        home: Path | None = None,
        clock: Clock | None = None,
        cache: int = 524_288,
    ) -> None:
        self.folder = Path(folder)
        closed = lock or FileLock(passphrase or os.environ.get(PASSPHRASE))
        self._vault = Vault(self.folder, closed, home)
        self._clock = clock or SystemClock()
        self._cache: dict[str, bytes] = {}
        self._cache_size = cache

    @property
    def free(self) -> bool:
        """Whether a caller need not wait for another thread, which may be moving all keys."""
        return self._vault.free

    def of(
        self, subjects: Sequence[str], create: bool = True, *, revive: bool = False
    ) -> list[bytes | None]:
        """Return one key per subject, made on first use and durable at return.

        Args:
            subjects: ids; the same id may stand many times.
            create: make the keys that do not exist; else None stands for them.
            revive: also make a new key for a subject that was erased. What was sealed before
                stays unreadable.

        Raises:
            Refused: if a key would have to be made for an erased subject; none is made then.
            ContractError: if an id is empty or not text.
        """
        with self._current():
            found = list(map(self._cache.get, subjects))
            absent = [s for s, key in zip(subjects, found, strict=True) if key is None]
            if not absent:
                return found
            fetched = self._fetch(list(dict.fromkeys(absent)), create, revive)
            return [key or fetched.get(s) for s, key in zip(subjects, found, strict=True)]

    def destroy(self, subject: str) -> bool:
        """Destroy a subject's key: all that was sealed for the subject is unreadable from now on.

        The instant is kept. Copies of this store made before still hold the key, until
        `new_epoch` makes them useless.

        Returns:
            Whether there was a key to destroy.
        """
        with self._current():
            vault = self._vault
            with vault.transaction():
                gone = vault.db.execute("DELETE FROM subject WHERE name = ?", (subject,)).rowcount
                if gone:
                    row = (subject, self._clock.now())
                    vault.db.execute("INSERT OR REPLACE INTO erased VALUES (?, ?)", row)
            self._cache.pop(subject, None)
            vault.forget_log()
            return gone > 0

    def erased(self, subject: str) -> int | None:
        """Return the instant at which a subject was last erased, or None.

        It stays after the subject was revived: what was sealed before is still unreadable.
        """
        return self.erasures([subject]).get(subject)

    def erasures(self, subjects: Iterable[str]) -> dict[str, int]:
        """Return those of the subjects that were erased, each with the instant."""
        with self._vault.guarded():
            if not self._vault.scalar("SELECT EXISTS (SELECT 1 FROM erased)"):
                return {}
            asked = list(dict.fromkeys(subjects))
            parts = self._vault.select("name, destroyed_at FROM erased", asked)
            return {name: instant for rows in parts for name, instant in rows}

    def new_epoch(self) -> int:
        """Move every key to a new key-encryption key and destroy the old one.

        A crash at any point leaves the old epoch or the new one, whole. All keys are written
        anew meanwhile, and other threads wait. Keys, signatures and peppers stay the same.

        Returns:
            The number of the new epoch.
        """
        with self._current():
            return self._vault.renew()

    def purge(self) -> None:
        """Leave no byte of removed keys in the store's files, wrapped as they may be.

        Raises:
            Busy: if another process reads the store meanwhile.
        """
        with self._current():
            self._vault.purge()

    def disposable(self, name: str, create: bool = True) -> bytes | None:
        """Return the key of a thing that is dropped as a whole one day, such as a quarantine file.

        Args:
            name: of the thing.
            create: make the key, durably, if there is none; else None stands for it.
        """
        full = DISPOSABLE + name
        with self._current():
            found = self._vault.read("secret", [full])
            if not found and create:
                found = self._vault.make("secret", [full])
            return found.get(full)

    def dispose(self, names: Iterable[str]) -> int:
        """Destroy keys of things that were dropped: no copy of them opens, once the epoch ends.

        Returns:
            How many there were.
        """
        gone = 0
        with self._current():
            vault = self._vault
            with vault.transaction():
                for name in names:
                    wanted = (DISPOSABLE + name,)
                    gone += vault.db.execute("DELETE FROM secret WHERE name = ?", wanted).rowcount
            vault.forget_log()
        return gone

    def disposables(self, stem: str = "") -> list[str]:
        """Return the names, sorted, of the keys made by `disposable` that begin with `stem`."""
        start = DISPOSABLE + stem
        with self._vault.guarded():
            rows = self._vault.db.execute(
                "SELECT name FROM secret WHERE substr(name, 1, ?) = ? ORDER BY name",
                (len(start), start),
            )
            return [row[0].removeprefix(DISPOSABLE) for row in rows]

    @property
    def epoch(self) -> int:
        """The number of the present epoch, from 1."""
        return self._vault.kek.epoch

    def __len__(self) -> int:
        """Return how many subjects have a key."""
        with self._vault.guarded():
            return int(self._vault.scalar("SELECT count(*) FROM subject"))

    def signing_key(self) -> Ed25519PrivateKey:
        """Return the project's signing key, made once."""
        return Ed25519PrivateKey.from_private_bytes(self._secret("signing"))

    def public_key(self) -> Ed25519PublicKey:
        """Return the key that verifies what the project signed."""
        return self.signing_key().public_key()

    def pepper(self, name: str) -> bytes:
        """Return 32 secret bytes for the use `name`; the same in every epoch.

        Peppers of two uses tell nothing about each other (HKDF-SHA256 from one root).
        """
        info = b"heptad pepper|" + name.encode()
        return HKDF(hashes.SHA256(), KEY_BYTES, salt=None, info=info).derive(self._secret("root"))

    def close(self) -> None:
        """Close the store and forget the keys held in memory."""
        with self._vault.guarded():
            self._cache.clear()
            self._vault.close()

    def __enter__(self) -> Keys:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def _current(self) -> Iterator[None]:
        """Let one thread in; what another process has changed is not answered from memory."""
        with self._vault.guarded():
            if self._vault.changed():
                self._cache.clear()
            yield

    def _fetch(self, subjects: list[str], create: bool, revive: bool) -> dict[str, bytes]:
        _check_ids(subjects)
        found = self._vault.read("subject", subjects)
        if create and len(found) < len(subjects):
            missing = [subject for subject in subjects if subject not in found]
            if not revive:
                self._refuse_erased(missing)
            found.update(self._vault.make("subject", missing))
        for subject in subjects[-self._cache_size :]:
            if subject in found:
                self._cache[subject] = found[subject]
        surplus = len(self._cache) - self._cache_size
        for subject in list(islice(self._cache, max(surplus, 0))):
            del self._cache[subject]
        return found

    def _refuse_erased(self, subjects: list[str]) -> None:
        erased = self.erasures(subjects)
        if erased:
            raise Refused(
                f"{len(erased)} subject(s) were erased, so nothing can be sealed for them.",
                got=", ".join(sorted(erased)[:5]),
                do="leave their rows out; if a person has come back: `heptad subject revive KEY --reason …`",
            )

    def _secret(self, name: str) -> bytes:
        """Return one of the project's own secrets; it is made, durably, on first use."""
        with self._current():
            found = self._vault.read("secret", [name])
            return (found or self._vault.make("secret", [name]))[name]


def _check_ids(subjects: list[str]) -> None:
    for subject in subjects:
        if not isinstance(subject, str) or not subject or not _is_unicode(subject):
            raise ContractError("The id of a subject must be text and not empty.", got=subject)


def _is_unicode(text: str) -> bool:
    """Whether the text can be stored: a lone surrogate cannot."""
    return text.isascii() or not any("\ud800" <= c <= "\udfff" for c in text)
