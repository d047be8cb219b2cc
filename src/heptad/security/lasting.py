# SPDX-License-Identifier: Apache-2.0
"""What is asked of a disk before what SQLite and others have synced may be answered.

Two things can make a reader see what the next loss of power takes away. Whoever opens a database
first takes every whole transaction of its write-ahead log for committed; but the last of them may
be in the system's memory only, if their process was killed before its sync, or the sync failed.
Syncing again does not help, since after a failed sync the system calls the bytes clean: they are
written again. And a file system that dies during a sync (ext4 and xfs both, when they shut down
upon an error) may say that it has succeeded. Such a file system then refuses to be read from, so
one byte read after the sync tells.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_CHUNK = 1 << 20


def log_of(database: Path) -> Path:
    """Return where SQLite keeps a database's write-ahead log while it is open."""
    return database.with_name(f"{database.name}-wal")


def confirm(path: Path) -> None:
    """Read a byte of a file after a sync on its file system.

    It must not be a SQLite database: to close that would let go of its locks.

    Raises:
        OSError: if the file system has died meanwhile: then what was synced may not be there.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.pread(descriptor, 1, 0)
    finally:
        os.close(descriptor)


def settle_log(database: Path) -> None:
    """Write a database's log again as it is, durable at return.

    The caller holds the database's write lock, so that nobody else appends meanwhile.

    Raises:
        OSError: if the disk refuses: then nothing of the database may be answered.
    """
    log = log_of(database)
    if not log.exists() or not log.stat().st_size:
        return
    descriptor = os.open(log, os.O_RDWR | os.O_CLOEXEC)
    try:
        at = 0
        while chunk := os.pread(descriptor, _CHUNK, at):
            at += os.pwrite(descriptor, chunk, at)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    _sync(log.parent)
    confirm(log)


def sync_log(database: Path) -> None:
    """Sync a database's log, for somebody who may only read it.

    Raises:
        OSError: if the disk refuses.
    """
    log = log_of(database)
    if log.exists():
        _sync(log)
        confirm(log)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
