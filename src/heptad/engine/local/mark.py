# SPDX-License-Identifier: Apache-2.0
"""The mark of a log: how many records were acknowledged, and the lock of its only writer.

The mark is written after each sync of the log and not synced itself, so it never says more than
what is durable; it survives a kill at once and power loss with a lag. It is what tells a damaged
last group from one that was never acknowledged, without a second sync for each append.
"""

from __future__ import annotations

import fcntl
import os
from struct import Struct, pack
from typing import TYPE_CHECKING, Final
from zlib import crc32

from heptad.standards.errors import Busy, Corrupt

if TYPE_CHECKING:
    from pathlib import Path

_MARK = Struct("<8sQI")
_MAGIC: Final = b"HEPMARK1"
_NAME: Final = "mark"
_READS: Final = 5


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def make_folder(folder: Path) -> None:
    """Make a folder and its parents, durably, readable by the owner only.

    An empty folder may be left from a making that ended before its name was durable, so names
    are made durable for as long as nothing is in it.
    """
    absent = [path for path in (folder, *folder.parents) if not path.exists()]
    for path in reversed(absent):
        path.mkdir(mode=0o700, exist_ok=True)
    if not any(folder.iterdir()):
        above = (folder, folder.parent, *absent)
        for place in dict.fromkeys(path.parent for path in above):
            sync_folder(place)


def mark_anew(folder: Path, count: int) -> None:
    """Write the mark of a log that was put together from a backup, durably; it may hold nothing."""
    make_folder(folder)
    (folder / _NAME).unlink(missing_ok=True)
    mark = Mark(folder, write=True, make=True, fresh=True)
    try:
        mark.set(count)
        mark.sync()
    finally:
        mark.close()


class Mark:
    """The count of acknowledged records of the log in `folder`.

    Args:
        folder: of the log.
        write: whether this process is to be the log's writer.
        make: whether the file may be absent: for a new log, or where the caller knows by other
            means how many records there must be.
        fresh: whether the log has no segment yet, so that a half-made mark is worth nothing.

    Raises:
        Busy: if another process writes this log.
        Corrupt: if the file is missing or damaged.
    """

    def __init__(self, folder: Path, *, write: bool, make: bool, fresh: bool) -> None:
        self._path = folder / _NAME
        self._write = write
        self._fd = -1
        self._synced = True
        self.count = 0
        try:
            self._fd = os.open(
                self._path,
                (os.O_RDWR | (os.O_CREAT if make else 0)) if write else os.O_RDONLY,
                0o600,
            )
        except FileNotFoundError:
            if make and not write:
                return
            raise self._corrupt("is missing") from None
        try:
            if write:
                self._lock()
            self._begin(fresh=fresh or (make and os.fstat(self._fd).st_size == 0))
        except BaseException:
            self.close()
            raise

    def _lock(self) -> None:
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Busy(
                "Another process writes this log.",
                place=str(self._path.parent),
                do="go through the process that owns the project, or open the log read-only.",
            ) from None

    def _begin(self, *, fresh: bool) -> None:
        count = self._stored()
        if count is not None:
            self.count = count
        elif not fresh:
            raise self._corrupt("is damaged")
        if self._write and fresh:
            # Also one that is whole: who made it may have been killed before it was durable.
            os.ftruncate(self._fd, 0 if count is None else _MARK.size)
            self.set(self.count)
            os.fsync(self._fd)
            sync_folder(self._path.parent)

    def _stored(self) -> int | None:
        """What the file says, or None if it is damaged; read again if it is being written."""
        for _ in range(_READS):
            data = os.pread(self._fd, _MARK.size + 1, 0)
            if len(data) == _MARK.size:
                magic, count, check = _MARK.unpack(data)
                if magic == _MAGIC and check == crc32(data[:-4]):
                    return int(count)
        return None

    def set(self, count: int) -> None:
        """Say that `count` records are acknowledged; call it only once they are durable."""
        head = pack("<8sQ", _MAGIC, count)
        data = head + pack("<I", crc32(head))
        done = 0
        while done < len(data):  # half a mark would be a damaged one
            some = os.pwrite(self._fd, data[done:], done)
            if not some:
                raise OSError("short write of the log's mark")
            done += some
        self.count, self._synced = count, False

    def check(self) -> None:
        """Compare the file with what was last set; a reader allows for the writer's progress.

        Raises:
            Corrupt: if they differ.
        """
        if self._fd < 0:
            return
        stored = self._stored()
        if stored is None or stored < self.count or (self._write and stored > self.count):
            raise self._corrupt("is damaged")

    def sync(self) -> None:
        """Make the mark itself durable."""
        if self._fd >= 0 and not self._synced:
            os.fdatasync(self._fd)
            self._synced = True

    def close(self) -> None:
        """Let go of the lock."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _corrupt(self, how: str) -> Corrupt:
        return Corrupt(
            f"The log's mark, which counts its acknowledged entries, {how}.",
            place=str(self._path),
            do="restore the project from a backup (`heptad restore BACKUPS FOLDER --kek FILE`),"
            " which writes the mark anew",
        )
