# SPDX-License-Identifier: Apache-2.0
"""What closes a key-encryption key for storage: nothing, a passphrase, or a key service."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from heptad.security import envelope

if TYPE_CHECKING:
    from pathlib import Path

    from heptad.security.envelope import Kek


class Lock(Protocol):
    """How the key-encryption key of an epoch is written to a file, read back, and made useless.

    An epoch is over when its file is overwritten *and* `retire` was called for what replaced it:
    a copy of the old file must not open afterwards, if the lock can see to that.
    """

    def save(self, path: Path, kek: Kek) -> None:
        """Write a key-encryption key durably."""
        ...

    def load(self, path: Path) -> Kek:
        """Read it back."""
        ...

    def retire(self, path: Path) -> None:
        """Destroy what opened the epochs before that of the file at `path`; may be repeated."""
        ...

    def close(self) -> None:
        """Let go of what is held open."""
        ...


class FileLock:
    """A file of mode 0600, locked by argon2id if there is a passphrase.

    A copy of the file stays good for its epoch, so it has to lie where backups do not reach.

    Args:
        passphrase: locks the file.
    """

    def __init__(self, passphrase: str | None = None) -> None:
        self._passphrase = passphrase

    def save(self, path: Path, kek: Kek) -> None:
        """Write a key-encryption key durably."""
        envelope.save_kek(path, kek, self._passphrase)

    def load(self, path: Path) -> Kek:
        """Read it back; see `envelope.load_kek`."""
        return envelope.load_kek(path, self._passphrase)

    def retire(self, path: Path) -> None:
        """Do nothing: the file is all there is, and the vault overwrites it."""

    def close(self) -> None:
        """Nothing is held open."""
