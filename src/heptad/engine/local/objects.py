# SPDX-License-Identifier: Apache-2.0
"""Bytes named by their digest, in a folder that only grows: what backups are made of."""

from __future__ import annotations

import hashlib
import os
import secrets
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO

from heptad.engine.local.disk import digest, sync
from heptad.standards.errors import Corrupt

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_CHUNK = 1 << 20
_DRAFT = ".draft-"

Part = tuple[str, int]
"""Digest and size of a stored piece of a file."""


class Objects:
    """A store of immutable pieces in `folder`; a piece is there whole or not at all.

    Other accounts read neither the folder nor what is copied into it; a piece that shares its
    blocks with the project's file has that file's mode.

    Attributes:
        added: pieces written by this object.
        size: their bytes.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.added = self.size = 0
        self._touched: set[Path] = set()

    def path(self, sha256: str) -> Path:
        """Return where the piece of a digest lies."""
        return self._folder / sha256[:2] / sha256

    def clear(self) -> None:
        """Remove what a kill left half-written."""
        for pattern in (f"{_DRAFT}*", f"*/{_DRAFT}*"):
            for draft in self._folder.glob(pattern):
                draft.unlink()

    def put(self, source: Path, sha256: str = "", *, link: bool = False) -> Part:
        """Store a file that nobody changes, unless it is there already.

        Args:
            source: the file.
            sha256: the digest that it must have, if it is known.
            link: share its blocks where both lie on one file system, instead of copying them.

        Raises:
            Corrupt: if it has another digest; nothing is stored.
            OSError: if it is gone, or the disk refuses.
        """
        size = source.stat().st_size
        if sha256 and self._has(sha256, size):
            return sha256, size
        if link:
            found = digest(source)
            self._expect(source, found, sha256)
            if self._has(found, size) or self._link(source, found):
                return found, size
        with source.open("rb") as file:
            return self._copy(file, size, source, sha256)

    def put_range(self, source: Path, start: int, stop: int) -> Part:
        """Store bytes `start` to `stop` of a file that only grows."""
        with source.open("rb") as file:
            file.seek(start)
            return self._copy(file, stop - start, source, "")

    def holds(self, source: Path, start: int, part: Part) -> bool:
        """Whether the bytes of a file from `start` on are those of a stored piece."""
        sha256, size = part
        seen = hashlib.sha256()
        with source.open("rb") as file:
            file.seek(start)
            for chunk in _chunks(file, size):
                seen.update(chunk)
        return seen.hexdigest() == sha256 and self._has(sha256, size)

    def settle(self) -> None:
        """Make the names of all that was put durable."""
        for folder in sorted(self._touched):
            sync(folder)
        self._touched.clear()

    def get(self, parts: list[Part], target: Path) -> None:
        """Write the file that some pieces make, durable and checked.

        Raises:
            Corrupt: if a piece is missing or damaged.
            OSError: if the disk refuses.
        """
        with target.open("wb") as file:
            for sha256, size in parts:
                seen = hashlib.sha256()
                try:
                    with self.path(sha256).open("rb") as piece:
                        for chunk in _chunks(piece, size):
                            seen.update(chunk)
                            file.write(chunk)
                except FileNotFoundError:
                    raise _lost(target, "is missing", self.path(sha256)) from None
                if seen.hexdigest() != sha256:
                    raise _lost(target, "is damaged", self.path(sha256))
            file.flush()
            os.fsync(file.fileno())

    def _has(self, sha256: str, size: int) -> bool:
        try:
            return self.path(sha256).stat().st_size == size
        except OSError:
            return False

    def _link(self, source: Path, sha256: str) -> bool:
        """Give a file a second name; False where that cannot be."""
        try:
            with self._place(sha256) as draft:
                draft.hardlink_to(source)
        except OSError:
            return False
        self.added += 1
        return True

    def _copy(self, file: BinaryIO, size: int, source: Path, sha256: str) -> Part:
        """Copy bytes under the name of their digest, which is known at the end."""
        self._folder.mkdir(mode=0o700, exist_ok=True)
        draft = self._folder / f"{_DRAFT}{secrets.token_hex(6)}"
        seen, copied = hashlib.sha256(), 0
        try:
            draft.touch(mode=0o600, exist_ok=False)
            with draft.open("wb") as copy:
                for chunk in _chunks(file, size):
                    seen.update(chunk)
                    copy.write(chunk)
                    copied += len(chunk)
                copy.flush()
                os.fsync(copy.fileno())
            found = seen.hexdigest()
            self._expect(source, found, sha256)
            if copied != size:
                raise OSError(f"{source.name} became shorter while it was copied")
            if not self._has(found, size):
                with self._place(found) as place:
                    draft.replace(place)
                self.added += 1
                self.size += size
        finally:
            draft.unlink(missing_ok=True)
        return found, size

    @contextmanager
    def _place(self, sha256: str) -> Iterator[Path]:
        """Give a free name that becomes that of the piece."""
        target = self.path(sha256)
        if not target.parent.is_dir():
            for folder in (self._folder, target.parent):
                folder.mkdir(mode=0o700, exist_ok=True)
            self._touched |= {self._folder, self._folder.parent}
        draft = target.with_name(f"{_DRAFT}{secrets.token_hex(6)}")
        yield draft
        draft.replace(target)
        self._touched.add(target.parent)

    def _expect(self, source: Path, found: str, wanted: str) -> None:
        if wanted and found != wanted:
            raise Corrupt(
                "A file of the project is damaged, so no backup was made of it.",
                got=source.name,
                do="run `heptad doctor --scrub`, and restore it from an earlier backup",
                place=str(source.parent),
            )


def _chunks(file: BinaryIO, size: int) -> Iterator[bytes]:
    """Read `size` bytes, or up to the end."""
    while size > 0 and (chunk := file.read(min(_CHUNK, size))):
        size -= len(chunk)
        yield chunk


def _lost(target: Path, how: str, piece: Path) -> Corrupt:
    return Corrupt(
        f"A piece of the backup {how}.",
        got=target.name,
        do="restore from another backup; run `heptad backup --check` to see what this one holds",
        place=str(piece),
    )
