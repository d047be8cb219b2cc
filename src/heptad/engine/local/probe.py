# SPDX-License-Identifier: Apache-2.0
"""What the disk under a folder can be trusted with: its kind, and a trial of each promise."""

from __future__ import annotations

import fcntl
import mmap
import os
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from heptad.engine.local.disk import sync
from heptad.standards.errors import Refused

if TYPE_CHECKING:
    from collections.abc import Callable

NETWORK = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "afs", "ncpfs", "glusterfs", "fuse.glusterfs",
     "fuse.sshfs", "fuse.s3fs", "fuse.rclone", "fuse.davfs", "davfs", "fuse.gcsfuse",
     "fuse.blobfuse2"}
)  # fmt: skip
"""File systems whose locks and syncs do not reach the disk, or not in order."""
MEMORY = frozenset({"tmpfs", "ramfs"})
LAYERED = frozenset({"overlay", "aufs"})
LOCAL = frozenset({"ext3", "ext4", "xfs", "btrfs", "zfs", "f2fs", "bcachefs", "jfs", "reiserfs"})
_MOUNTS = Path("/proc/self/mountinfo")
_UNSAFE = frozenset({"nobarrier", "barrier=0", "data=writeback", "ro"})
_SYNCS, _AT_ONCE_S, _SKEW_S = 9, 20e-6, 2.0


@dataclass(frozen=True, slots=True)
class Mount:
    """Where a folder's file system is mounted, its kind and its options."""

    point: str
    kind: str
    options: frozenset[str]


@dataclass(frozen=True, slots=True)
class Trial:
    """One promise of the disk: whether it holds, what was found, and what to do if not."""

    what: str
    ok: bool
    found: str
    do: str = ""


def mount_of(folder: Path, mounts: Path = _MOUNTS) -> Mount | None:
    """Return the mount that a folder lies on; None where the system does not tell."""
    try:
        lines = mounts.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    path, best = folder.resolve(), None
    for line in lines:
        head, _, tail = line.partition(" - ")
        left, right = head.split(), tail.split()
        point = left[4].encode().decode("unicode_escape")
        # The last of two mounts on one point hides the other.
        if path.is_relative_to(point) and (best is None or len(point) >= len(best.point)):
            options = {*left[5].split(","), *(right[2].split(",") if len(right) > 2 else ())}
            best = Mount(point, right[0], frozenset(options))
    return best


def refuse_network(folder: Path, mounts: Path = _MOUNTS) -> None:
    """Refuse a folder on a network file system, on which acknowledged rows would be lost.

    Raises:
        Refused: if it is on one.
    """
    mount = mount_of(folder, mounts)
    if mount is not None and mount.kind in NETWORK:
        raise Refused(
            "A project cannot lie on a network file system: its locks and syncs do not hold there.",
            got=f"{mount.kind} at {mount.point}",
            do="put the project on a local disk or a block volume",
            place=str(folder),
        )


def judged(mount: Mount | None) -> Trial:
    """Say whether a file system keeps what it acknowledges."""
    if mount is None:
        return Trial("file system", True, "unknown: this system does not tell")
    where = f"{mount.kind} at {mount.point}"
    block = "put the project on a local disk or a block volume with ext4 or xfs"
    if mount.kind in NETWORK:
        return Trial("file system", False, f"{where}: locks and syncs do not hold", block)
    if mount.kind in MEMORY:
        return Trial("file system", False, f"{where}: gone when the machine stops", block)
    if unsafe := sorted(mount.options & _UNSAFE):
        do = "mount it read-write, with barriers and data=ordered"
        return Trial("file system", False, f"{where}, mounted {', '.join(unsafe)}", do)
    if mount.kind in LAYERED:
        found = f"{where}: gone with its container unless a volume is mounted here"
        return Trial("file system", True, found, block)
    known = "" if mount.kind in LOCAL else ": not one that we test on"
    return Trial("file system", True, where + known)


def trials(folder: Path, mounts: Path = _MOUNTS) -> list[Trial]:
    """Try what the stores rely on, in a folder of its own that is removed again.

    Args:
        folder: on the disk to be tried.
        mounts: where the system lists its mounts.
    """
    checks: dict[str, Callable[[Path], str]] = {
        "sync": _try_sync,
        "rename": _try_rename,
        "link": _try_link,
        "exclusive creation": _try_exclusive,
        "lock": _try_lock,
        "shared memory": _try_shared,
        "file times": _try_times,
    }
    found = [judged(mount_of(folder, mounts))]
    do = "put the project on a local disk with ext4 or xfs"
    with tempfile.TemporaryDirectory(prefix=".probe-", dir=folder) as name:
        for what, check in checks.items():
            try:
                found.append(Trial(f"disk: {what}", True, check(Path(name))))
            except OSError as error:
                found.append(Trial(f"disk: {what}", False, error.strerror or str(error), do))
    return found


def _try_sync(folder: Path) -> str:
    """Write and sync, some times; a disk that is done at once has done nothing."""
    path, spent = folder / "sync", []
    with path.open("wb", buffering=0) as file:
        for _ in range(_SYNCS):
            start = time.perf_counter()
            file.write(b"x" * 4096)
            os.fsync(file.fileno())
            spent.append(time.perf_counter() - start)
    sync(folder)
    typical = median(spent)
    lies = " (too quick for a disk: its cache may not be written)" if typical < _AT_ONCE_S else ""
    return f"{typical * 1e3:.2f} ms each{lies}"


def _try_rename(folder: Path) -> str:
    """Replace a file that is open: whoever has it open keeps the old, others see the new."""
    old, new = folder / "old", folder / "new"
    old.write_bytes(b"old")
    new.write_bytes(b"new")
    with old.open("rb") as held:
        new.replace(old)
        if held.read() != b"old" or old.read_bytes() != b"new" or new.exists():
            raise OSError("a file was not replaced as one step")
    return "replaces as one step"


def _try_link(folder: Path) -> str:
    """Link a file under a name that is free, and be refused under one that is taken."""
    first, second = folder / "first", folder / "second"
    first.write_bytes(b"1")
    second.hardlink_to(first)
    try:
        second.hardlink_to(first)
    except FileExistsError:
        return "refuses a name that is taken"
    raise OSError("a name that was taken was linked again")


def _try_exclusive(folder: Path) -> str:
    """Create a file once only."""
    (folder / "once").touch(exist_ok=False)
    try:
        (folder / "once").touch(exist_ok=False)
    except FileExistsError:
        return "a second one is refused"
    raise OSError("one file was created twice")


def _try_lock(folder: Path) -> str:
    """Lock a file, and be refused a second time."""
    path = folder / "lock"
    with path.open("wb") as first, path.open("wb") as second:
        fcntl.flock(first, fcntl.LOCK_EX | fcntl.LOCK_NB)
        try:
            fcntl.flock(second, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return "a second one is refused"
    raise OSError("one file was locked twice")


def _try_shared(folder: Path) -> str:
    """See through one mapping of a file what was written through another, as SQLite must."""
    path = folder / "shared"
    path.write_bytes(bytes(mmap.PAGESIZE))
    with (
        path.open("r+b") as first,
        path.open("r+b") as second,
        mmap.mmap(first.fileno(), 0) as a,
        mmap.mmap(second.fileno(), 0) as b,
    ):
        a[:4] = b"seen"
        if b[:4] != b"seen":
            raise OSError("two mappings of one file differ")
    return "two mappings agree"


def _try_times(folder: Path) -> str:
    """Compare the disk's clock with the machine's: another machine's disk may have another."""
    path = folder / "times"
    path.write_bytes(b"now")
    apart = path.stat().st_mtime - time.time()
    if abs(apart) > _SKEW_S:
        raise OSError(f"the disk's clock is {apart:+.1f} s from the machine's")
    return "as the machine's clock"
