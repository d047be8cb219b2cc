# SPDX-License-Identifier: Apache-2.0
"""Room on the disk: a low-water mark below which nothing is written, and a file to give up.

A store that meets a full disk half-way may need space to be opened again. So writes are refused
while there is still some, and a ballast file holds more, which is given to whoever recovers.
"""

from __future__ import annotations

import errno
import os
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from heptad.standards.errors import Busy

if TYPE_CHECKING:
    from pathlib import Path

SMALL, LARGE = 2 << 20, 64 << 20
"""Bytes of the ballast: enough to open every store, and what a server keeps beside that."""
NEEDED = 1 << 20
"""Free bytes with which every store can be opened."""
FILE = "ballast"
LOOK_S = 0.1
"""For so long there is space enough if there was: the low-water mark leaves room for what is written."""
_BLOCK = 1 << 20


class DiskFull(Busy):
    """Too little space is left to write; reads go on, and writes do once there is space again."""

    code, retry_s = "disk-full", 30


class Room:
    """The space of the disk that a project lies on.

    Args:
        folder: the project folder.
        low: free bytes below which writes are refused.
    """

    def __init__(self, folder: Path, low: int) -> None:
        self._folder, self.low = folder, low
        self._ballast = folder / FILE
        self._size = 0
        self._enough = (-LOOK_S, 0)

    @property
    def free(self) -> int:
        """Bytes that this user may still write; those of the ballast are not among them."""
        found = os.statvfs(self._folder)
        return found.f_bavail * found.f_frsize

    @property
    def ballast(self) -> int:
        """Bytes of the ballast file; 0 if there is none."""
        try:
            return self._ballast.stat().st_size
        except FileNotFoundError:
            return 0

    def require(self) -> None:
        """Refuse to write while there is too little space; it is looked at ten times a second.

        Raises:
            DiskFull: if less than the low-water mark is free.
        """
        seen, mark = self._enough
        if (now := time.monotonic()) < seen + LOOK_S and self.low <= mark:
            return
        free = self.free
        if free < self.low:
            raise DiskFull(
                "The disk is nearly full, so nothing is written; reads go on.",
                got=f"{free >> 20:,} MiB free, at least {self.low >> 20:,} MiB are needed",
                do="free some space, then send it again; nothing has to be restarted",
                place=str(self._folder),
            )
        if self.ballast < self._size:
            self.keep(self._size)
        self._enough = now, self.low

    def keep(self, size: int) -> None:
        """Make the ballast file of so many bytes, now or once there is space for it."""
        self._size = size
        if self.ballast >= size or self.free < self.low + size:
            return
        fresh = self._ballast.with_name(f".{FILE}.fresh")
        try:
            with fresh.open("wb") as file:
                _allocate(file.fileno(), size)
                os.fsync(file.fileno())
            fresh.replace(self._ballast)
        except OSError:
            with suppress(OSError):
                fresh.unlink(missing_ok=True)

    def rescue(self) -> bool:
        """Give the ballast to a recovery that has too little space; return whether it was given."""
        if not self.ballast or self.free >= NEEDED:
            return False
        with suppress(OSError):
            self._ballast.unlink()
        return True


def _allocate(descriptor: int, size: int) -> None:
    """Take the ballast's bytes from the disk."""
    try:
        os.posix_fallocate(descriptor, 0, size)
    except OSError as error:
        if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL):
            raise
        # Not zeros: a compressing file system would keep none of them.
        for _ in range(size // _BLOCK):
            os.write(descriptor, os.urandom(_BLOCK))
