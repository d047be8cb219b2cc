# SPDX-License-Identifier: Apache-2.0
"""Which process owns a project folder's stores, and where it listens."""

from __future__ import annotations

import fcntl
import hashlib
import os
import tempfile
import weakref
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from heptad.engine.local.disk import refusals
from heptad.standards.errors import Busy, Refused

if TYPE_CHECKING:
    from types import TracebackType

# A socket's address holds 108 bytes on Linux and 104 on macOS, the closing zero included.
_LONGEST_ADDRESS = 100
_held: weakref.WeakSet[Owner] = weakref.WeakSet()


class Held(Busy):
    """Another process holds the project; it may be given up at any moment."""


class Owner:
    """The claim of one process on a project folder, kept by a lock that dies with it.

    Args:
        folder: the project folder; it must exist.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / "owner.lock"
        self._descriptor: int | None = None

    def acquire(self) -> bool:
        """Claim the folder; return whether this process owns it now.

        What a dead process left in the file does not count: the system freed its lock.

        Raises:
            Busy: if the disk refused.
        """
        if self._descriptor is not None:
            return True
        with refusals("The project was not opened"):
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(descriptor)
                return False
            except OSError:
                os.close(descriptor)
                raise
        self._descriptor = descriptor
        with suppress(OSError):
            # The lock is what counts; on a full disk nobody is told who holds it.
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        _held.add(self)
        return True

    def release(self) -> None:
        """Give the folder up; nothing happens if it was not owned."""
        if self._descriptor is not None:
            with suppress(OSError):
                os.ftruncate(self._descriptor, 0)  # what is left there tells nobody anything
            os.close(self._descriptor)
            self._descriptor = None
            _held.discard(self)

    @property
    def owned(self) -> bool:
        """Whether this process owns the folder."""
        return self._descriptor is not None

    def holder(self) -> int | None:
        """Return the id of the process that owns the folder, or None if none does."""
        if self._descriptor is not None:
            return os.getpid()
        try:
            descriptor = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            text = os.pread(descriptor, 20, 0).strip()
            return int(text) if text.isdigit() else None
        else:
            return None
        finally:
            os.close(descriptor)

    def __enter__(self) -> Owner:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()

    def _forget(self) -> None:
        """Close a forked child's copy of the lock, so that it dies with the parent."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def socket_path(folder: Path) -> Path:
    """Return where the owner of a project folder listens.

    That is `heptad.sock` in the folder; if its path is too long for a socket, a name derived
    from the path in the user's runtime directory.

    Raises:
        Refused: if that directory belongs to someone else.
    """
    path = folder.resolve() / "heptad.sock"
    if len(os.fsencode(path)) <= _LONGEST_ADDRESS:
        return path
    name = hashlib.sha256(os.fsencode(path)).hexdigest()[:16]
    return _runtime_folder() / f"{name}.sock"


def _runtime_folder() -> Path:
    """Return a folder that only this user can use, made if need be."""
    given = os.environ.get("XDG_RUNTIME_DIR", "")
    if given and len(given) < _LONGEST_ADDRESS - 30 and Path(given).is_dir():
        place = Path(given) / "heptad"
    else:
        place = Path(tempfile.gettempdir()) / f"heptad-{os.getuid()}"
    place.mkdir(mode=0o700, exist_ok=True)
    found = place.lstat()
    if place.is_symlink() or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise Refused(
            "The folder for the project's socket can be used by others.",
            got=str(place),
            do="set XDG_RUNTIME_DIR to a folder of yours with mode 700",
        )
    return place


def _after_fork() -> None:
    for owner in list(_held):
        owner._forget()
    _held.clear()


os.register_at_fork(after_in_child=_after_fork)
