# SPDX-License-Identifier: Apache-2.0
"""The files that a source names: found, kept inside the folders allowed, opened with limits."""

from __future__ import annotations

import glob
import hashlib
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from heptad.sources.reading import InputFile, Meter
from heptad.standards.errors import Busy, InputError, Refused, suggest

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

BLOCK = 1 << 20
"""Bytes read at once: what is made of a block fits the processor's cache."""
MOST_FILES = 100_000
LARGEST_RATIO = 200
"""A file that unpacks to more than this many times its size is a bomb; real ones stay below 50."""
FREE_BYTES = 64 << 20
"""Below this many unpacked bytes the ratio does not matter."""

_OWN = ("tables", "quarantine", "log", "keys", "rows", "models", ".duck")
_CATALOG = "catalog.sqlite"
"""What the project keeps in its folder; it is no source, least of all its keys."""
_BESIDE = ("ballast", ".fetched.json", "heptad.sock", "heptad.toml", "owner.lock", "seals.json")
"""Further files of a project, which nobody means by the name of a source."""

_MAGIC = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd"}


def listed(origin: str, folder: Path, allow: Sequence[Path] = ()) -> tuple[InputFile, ...]:
    """Find the files of a glob, sorted by name.

    Args:
        origin: a path or a glob, relative to `folder`.
        folder: the project's folder.
        allow: further folders in which files may lie.

    Raises:
        InputError: if nothing is found, or something that is no regular file, or has a name that
            is no text.
        Refused: if a file lies outside the folders, symbolic links followed, or is the project's
            own.
    """
    home = folder.resolve()
    found = sorted(glob.glob(str(Path(glob.escape(str(home)), origin)), recursive=True))  # noqa: PTH207 - Path.glob takes no absolute pattern
    if not found:
        near = _near(home, origin)
        raise InputError("No file is found.", got=origin, do=near, place=str(home))
    if len(found) > MOST_FILES:
        raise InputError(
            f"A source names at most {MOST_FILES:,} files.", got=len(found), do="narrow the glob"
        )
    return tuple(_checked(Path(path), home, allow) for path in found)


def input_file(path: Path, name: str) -> InputFile:
    """Describe a regular file.

    Raises:
        InputError: if it is none, or cannot be reached.
    """
    try:
        status = path.stat()
    except OSError as error:
        raise _unreadable(name, error) from error
    if not stat.S_ISREG(status.st_mode):
        raise InputError(
            "Only regular files can be read.", got=name, do="leave folders and devices out"
        )
    return InputFile(path, name, status.st_size, status.st_mtime_ns)


def digest(file: InputFile) -> str:
    """Return the SHA-256 of a file's bytes, in hexadecimal."""
    try:
        with file.path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise _unreadable(file.name, error) from error


def check_unchanged(file: InputFile) -> None:
    """Refuse a file that changed since it was listed.

    Raises:
        Busy: if its size or its time of change is another.
    """
    now = input_file(file.path, file.name)
    if (now.size, now.modified) != (file.size, file.modified):
        raise _changed(file)


def compression_of(file: InputFile, declared: str) -> str:
    """Return none, gzip or zstd: as declared, or by the first bytes."""
    if declared != "auto":
        return declared
    with file.path.open("rb") as stream:
        head = stream.read(4)
    return next((name for magic, name in _MAGIC.items() if head.startswith(magic)), "none")


def blocks(
    file: InputFile, declared: str = "auto", size: int = BLOCK, meter: Meter | None = None
) -> Iterator[bytes]:
    """Read a file block by block, unpacked.

    Args:
        file: what to read.
        declared: compression, or auto.
        size: bytes in a block, at most.
        meter: told how many bytes of the file were taken in.

    Raises:
        InputError: if it cannot be read or unpacked, or unpacks to far more than it is.
        Busy: if it is longer than when it was listed: whoever writes it may never end.
    """
    meter = meter or Meter()
    before = meter.bytes
    try:
        compression = compression_of(file, declared)
        with pa.OSFile(os.fspath(file.path)) as plain:
            parts = (
                iter(lambda: plain.read(size), b"")
                if compression == "none"
                else _unpacked(plain, compression, file, size)
            )
            for part in parts:
                meter.bytes = before + plain.tell()
                if plain.tell() > file.size:
                    raise _changed(file)
                yield part
    except OSError as error:
        raise InputError(
            "A file cannot be read to its end, so nothing of it was loaded.",
            got=str(error).splitlines()[0],
            do="check that it was copied whole; say compression = … if its name misleads",
            place=file.name,
        ) from error


class Growth:
    """Watches how much a file unpacks to.

    Args:
        file: the file.
    """

    def __init__(self, file: InputFile) -> None:
        self._file, self._total = file, 0

    def add(self, size: int) -> None:
        """Count unpacked bytes.

        Raises:
            InputError: if they are far more than the file is.
        """
        self._total += size
        if self._total > FREE_BYTES and self._total > LARGEST_RATIO * self._file.size:
            raise InputError(
                f"The file unpacks to more than {LARGEST_RATIO} times its size.",
                got=f"{self._file.size:,} bytes packed, more than {self._total:,} unpacked",
                do="if it is what it should be, unpack it yourself and load the result",
                place=self._file.name,
            )


def _unpacked(plain: pa.OSFile, compression: str, file: InputFile, size: int) -> Iterator[bytes]:
    growth = Growth(file)
    with pa.CompressedInputStream(plain, compression) as stream:
        while block := stream.read(size):
            growth.add(len(block))
            yield block


def _checked(path: Path, home: Path, allow: Sequence[Path]) -> InputFile:
    try:
        real = path.resolve()
    except (OSError, RuntimeError) as error:  # links in a circle, as Python 3.11 and 3.13 say it
        raise _unreadable(path.name, error) from error
    if not any(real.is_relative_to(place) for place in (home, *allow)):
        raise Refused(
            "A source reaches outside the project's folder.",
            got=str(path),
            do=f'if that is meant, add "{real.parent}" to allow under [project]',
        )
    name = str(path.relative_to(home) if path.is_relative_to(home) else path)
    if real.is_relative_to(home) and _is_own(real.relative_to(home).parts[:1]):
        raise Refused(
            "A source reaches for what the project itself keeps.",
            got=name,
            do="name other files in the source",
        )
    if not _is_text(name):
        raise InputError(
            "A file has a name that is no text in UTF-8.",
            got=os.fsencode(name),
            do="rename it",
            place=ascii(name),
        )
    return input_file(real, name)


def _is_own(first: Sequence[str]) -> bool:
    return any(part in _OWN or part.startswith(_CATALOG) for part in first)


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _unreadable(name: str, error: Exception) -> InputError:
    return InputError(
        "A file cannot be read.",
        got=getattr(error, "strerror", None) or "links that lead in a circle",
        do=f"look at it by `ls -lL '{name}'`: where it leads, and who may read it",
        place=name,
    )


def _changed(file: InputFile) -> Busy:
    return Busy(
        "A file changed while it was read, so nothing of it was loaded.",
        place=file.name,
        do="load it again once it is complete",
    )


def _near(home: Path, origin: str) -> str:
    parent = (home / origin).parent
    if any(mark in str(parent) for mark in "*?[") or not parent.is_dir():
        return "check the path; it is relative to the project's folder"
    names = [entry.name for entry in parent.iterdir() if entry.is_file()]
    if parent == home:
        names = [name for name in names if not _is_own((name,)) and name not in _BESIDE]
    if not names:
        return f"put it into {parent}, or say in heptad.toml where it lies"
    return suggest(Path(origin).name, names)
