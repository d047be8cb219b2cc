# SPDX-License-Identifier: Apache-2.0
"""Digests of those files of a closed project that carry no checksum of their own.

Data files and models are named by their digest, and the log has a checksum for every record. The
databases, the entries of the tables' logs, quarantined rows and the row store's files have none:
SQLite reads a flipped bit of a name as another name. So their digests are taken when a project is
closed, and compared when it is opened.
"""

from __future__ import annotations

import hashlib
import json
import logging
import re
from dataclasses import dataclass
from os import scandir
from typing import TYPE_CHECKING, Any

from heptad.engine.local.disk import digest, remove_durably, write_durably
from heptad.security.envelope import PUT_BACK
from heptad.standards.errors import Corrupt

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from os import stat_result
    from pathlib import Path

_LOG = logging.getLogger("heptad.engine")
FILE = "seals.json"
KEK = "keys/kek"
"""The one sealed file that is in no backup."""
_FOLDERS = ("", "keys", "rows", "quarantine/*", "tables/*", "tables/*/_delta_log")
"""Where the files lie that are sealed; `*` stands for any folder."""
_LASTING = re.compile(r"tables/[^/]+/_delta_log/[^/_]+\.(json|parquet|sha256)|rows/[^/]+\.sst")
"""Files that nobody changes once they are there."""
_CHANGING = re.compile(
    r"catalog\.sqlite|keys/[^/]+|rows/[^/]+|quarantine/[^/]+/[^/]+\.parquet|"
    r"tables/[^/]+/(_released\.json|_delta_log/_[ls][^/]*)"
)
"""Files that change while the project is open."""
_PASSING = re.compile(
    r"lock|LOCK|LOG.*|.*\.tmp|.*\.next|.*-wal|.*-shm|.*-journal|\..*\.fresh|_commit_.*"
)
_LATER = ("quarantine/", "rows/")
"""What opening does not read: it has checksums within, or waits for `heptad doctor --scrub`."""


@dataclass(frozen=True, slots=True)
class Seal:
    """What a file was when it was sealed; `lasting` if it may never change."""

    size: int
    changed: int
    inode: int
    sha256: str
    lasting: bool


class Seals:
    """The digests kept in a project folder's `seals.json`.

    Args:
        folder: the project folder.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self._path = folder, folder / FILE
        self._seals: dict[str, Seal] = {}

    def begin(self) -> None:
        """Compare the files with their digests, before a store is opened; they may change then.

        Raises:
            Corrupt: if a file is not what it was when the project was closed, or is gone.
            OSError: if the disk refuses even to remove a file.
        """
        closed, self._seals = self._read()
        if closed:
            wrong = list(self._wrong(lambda name: not name.startswith(_LATER)))
            if wrong:
                raise _changed(wrong)
            try:
                self._write(closed=False)
            except OSError:
                # A full disk still lets go of a file, and must not keep a project closed.
                remove_durably(self._path)

    def end(self) -> None:
        """Take the digests of all files, once every store is closed.

        A file that nobody has touched keeps the digest that it had. Where the disk refuses, the
        project stays unsealed: nothing is lost but this check.
        """
        try:
            found = _listed(self.folder)
            self._seals = {n: self._sealed(n, now) for n, now in found.items() if self._settled(n)}
            if self._seals:
                self._write(closed=True)
        except OSError as error:
            _LOG.warning("the project was closed without its digests: %s", error.strerror)

    def _sealed(self, name: str, now: stat_result) -> Seal:
        """Return what a file is now."""
        mark = (now.st_size, now.st_mtime_ns, now.st_ino)
        before = self._seals.get(name)
        if before is not None and (before.size, before.changed, before.inode) == mark:
            return before
        return Seal(*mark, digest(self.folder / name), _LASTING.fullmatch(name) is not None)

    def _settled(self, name: str) -> bool:
        """Whether a database has written all of its log into its file."""
        if not name.endswith(".sqlite"):
            return True
        log = self.folder / f"{name}-wal"
        return not (log.exists() and log.stat().st_size)

    def damaged(self, told: Callable[[int], None]) -> list[str]:
        """Return the files that are not what they were sealed as, beside the owner or without one.

        Args:
            told: hears of the bytes of each file compared.

        Raises:
            Corrupt: if the list of digests is itself damaged.
        """
        closed, self._seals = self._read()
        kept = {n: s for n, s in self._seals.items() if closed or s.lasting}
        for seal in kept.values():
            told(seal.size)
        return list(self._wrong(kept.__contains__, gone=closed))

    def _wrong(self, wanted: Callable[[str], bool], *, gone: bool = True) -> Iterator[str]:
        """Yield the files that are missing or other than sealed; `wanted` says whose bytes."""
        there = _listed(self.folder)
        for name, seal in sorted(self._seals.items()):
            if name not in there:
                if gone:
                    yield name
            elif there[name].st_size != seal.size or (
                wanted(name) and digest(self.folder / name) != seal.sha256
            ):
                yield name

    def _read(self) -> tuple[bool, dict[str, Seal]]:
        """Return whether the project was closed, and the seals."""
        try:
            text = self._path.read_bytes()
        except FileNotFoundError:
            return False, {}
        head, _, body = text.partition(b"\n")
        if head.decode("ascii", "replace") != hashlib.sha256(body).hexdigest():
            raise Corrupt(
                "The list of the project's digests is damaged.",
                place=str(self._path),
                do=f"remove {FILE}, then run `heptad doctor --scrub`",
            )
        document: dict[str, Any] = json.loads(body)
        return document["closed"], {n: Seal(*s) for n, s in document["files"].items()}

    def _write(self, *, closed: bool) -> None:
        kept = {n: s for n, s in self._seals.items() if closed or s.lasting}
        files = {
            n: [s.size, s.changed, s.inode, s.sha256, s.lasting] for n, s in sorted(kept.items())
        }
        body = json.dumps({"closed": closed, "files": files}, separators=(",", ":")).encode()
        write_durably(self._path, hashlib.sha256(body).hexdigest().encode() + b"\n" + body)


def _listed(folder: Path) -> dict[str, stat_result]:
    """Return what the system tells of each file to be sealed, by its path in the project."""
    found: dict[str, stat_result] = {}
    for pattern in _FOLDERS:
        for home in folder.glob(pattern) if "*" in pattern else [folder / pattern]:
            start = "" if home == folder else f"{home.relative_to(folder)}/"
            try:
                entries = list(scandir(home))
            except (FileNotFoundError, NotADirectoryError):
                continue
            for entry in entries:
                name = start + entry.name
                sealed = _LASTING.fullmatch(name) or _CHANGING.fullmatch(name)
                if sealed and not _PASSING.fullmatch(entry.name) and entry.is_file():
                    found[name] = entry.stat()
    return found


def _changed(names: list[str]) -> Corrupt:
    if KEK in names:
        do = f"for {KEK}: {PUT_BACK}"
        if len(names) > 1:
            do += "; for the others: run `heptad doctor --scrub`, which names the cure of each"
    else:
        do = "run `heptad doctor --scrub`, and restore them from a backup"
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return Corrupt(
        "Files of the project are not what they were when it was closed.",
        got=", ".join(names[:3]) + more,
        do=f"{do}; if you put them there yourself, remove {FILE}",
    )
