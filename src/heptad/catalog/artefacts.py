# SPDX-License-Identifier: Apache-2.0
"""The bytes of models as files named by their hash, durable before anything refers to them."""

from __future__ import annotations

import hashlib
import os
import secrets
from typing import TYPE_CHECKING

from heptad.standards.errors import Busy, Corrupt

if TYPE_CHECKING:
    from pathlib import Path


class Artefacts:
    """A folder of immutable files, each named by the SHA-256 of its content."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def path(self, sha256: str) -> Path:
        """Return where the bytes of a hash lie."""
        return self._folder / f"{sha256}.model"

    def put(self, content: bytes) -> str:
        """Keep bytes durably, and return their hash; known bytes are checked, not written.

        Raises:
            Busy: if the disk does not take them; nothing is left behind.
        """
        sha256 = hashlib.sha256(content).hexdigest()
        path = self.path(sha256)
        try:
            if not (path.is_file() and path.read_bytes() == content):
                self._write(path, content)
            # Also for known bytes: the program that wrote them may not have come this far.
            _sync(self._folder)
        except OSError as error:
            raise Busy(
                "A model could not be written.",
                got=error.strerror,
                do="free some space, or check the folder's rights",
                place=str(self._folder),
            ) from error
        return sha256

    def get(self, sha256: str) -> bytes:
        """Return bytes by their hash.

        Raises:
            Corrupt: if they are gone, or are other bytes now.
        """
        path = self.path(sha256)
        try:
            content = path.read_bytes()
        except OSError as error:
            raise Corrupt(
                "The bytes of a model cannot be read.",
                got=error.strerror,
                do="restore the file from a backup",
                place=str(path),
            ) from error
        found = hashlib.sha256(content).hexdigest()
        if found != sha256:
            raise Corrupt(
                "The bytes of a model are not those that were registered.",
                got=f"sha256 {found}",
                do="restore the file from a backup",
                place=str(path),
            )
        return content

    def _write(self, path: Path, content: bytes) -> None:
        """Write a file so that it is there whole or not at all, whatever happens."""
        self._folder.mkdir(parents=True, exist_ok=True)
        _sync(self._folder.parent)
        part = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        try:
            with part.open("xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            part.replace(path)
        except BaseException:
            part.unlink(missing_ok=True)
            raise


def _sync(folder: Path) -> None:
    """Make the names in a folder durable."""
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
