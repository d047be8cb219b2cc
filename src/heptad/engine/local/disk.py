# SPDX-License-Identifier: Apache-2.0
"""Putting files on disk so that they are still there after a power loss."""

from __future__ import annotations

import hashlib
import os
import re
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from heptad.security.lasting import confirm
from heptad.standards.errors import Busy

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_CHUNK = 1 << 20
_DIGEST = re.compile(r"-([0-9a-f]{64})\.parquet$")


def sync(path: Path) -> None:
    """Make a file's bytes, or a folder's list of names, durable."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def digest(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def named_digest(path: str) -> str:
    """Return the digest that a data file's name carries, `…-<sha256>.parquet`; else ''.

    With it in the name, what a version's bytes must be is part of the log itself, and a file
    cannot be replaced by another without the log being rewritten.
    """
    found = _DIGEST.search(path)
    return found[1] if found else ""


def keep_private(path: Path, mode: int) -> None:
    """Take from other accounts what a file or folder lets them do; another account's stays as it is."""
    if path.stat().st_mode & 0o077:
        with suppress(PermissionError):
            path.chmod(mode)


def write_durably(path: Path, content: bytes, *, private: bool = False) -> None:
    """Put `content` under `path`, whole or not at all, durable at return.

    Args:
        path: of the file.
        content: all of it.
        private: whether no other account may read it.
    """
    fresh = path.with_name(f".{path.name}.fresh")
    if private:
        fresh.touch(mode=0o600)
    with fresh.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    sync(path.parent)
    confirm(path)


def rewrite_durably(path: Path) -> None:
    """Write a file anew with the bytes it has, durable at return.

    After a failed fsync the kernel may call pages clean that never reached the disk, and a later
    fsync of the same file says yes. Only bytes written again are known to be there.
    """
    fresh = path.with_name(f".{path.name}.fresh")
    with path.open("rb") as old, fresh.open("wb") as new:
        while chunk := old.read(_CHUNK):
            new.write(chunk)
        new.flush()
        os.fsync(new.fileno())
    fresh.replace(path)
    sync(path.parent)
    confirm(path)


def remove_durably(path: Path) -> None:
    """Remove a file, if it is there, so that it does not come back after a power loss."""
    path.unlink(missing_ok=True)
    sync(path.parent)


@contextmanager
def refusals(doing: str) -> Iterator[None]:
    """Turn what the operating system refuses into an error that names the cure.

    Args:
        doing: what was being done, as the start of a sentence, for example "Payment was not
            written".

    Raises:
        Busy: if the system refused; what was being done has not been acknowledged.
    """
    try:
        yield
    except OSError as error:
        raise Busy(
            f"{doing}: the disk refused.",
            got=error.strerror or str(error),
            do="check the disk and its free space (`heptad doctor`), then run it again",
        ) from error
