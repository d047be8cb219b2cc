# SPDX-License-Identifier: Apache-2.0
"""Data files compared with their digests: once in a process, unless they were touched since."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from heptad.engine.local.disk import digest

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from heptad.engine.local.commits import LakeFile

_FEW = 4

Mark = tuple[int, int, int]
"""Inode, instant of the last change and size of a file."""


class Intact:
    """Remembers which files were seen to hold the bytes that their digests were taken of."""

    def __init__(self) -> None:
        self._seen: dict[Path, Mark] = {}

    def note(self, folder: Path, files: Iterable[LakeFile]) -> None:
        """Remember files whose digests this process has just taken."""
        for file in files:
            self._seen[folder / file.path] = _mark(folder / file.path)

    def damaged(self, folder: Path, files: Sequence[LakeFile]) -> list[str]:
        """Return those of the files that are gone or hold other bytes, by path.

        A file that was compared before, and has the same inode, instant and size since, is not
        read again: a disk that decays meanwhile is for `heptad doctor --scrub` to find.
        """
        unseen = [file for file in files if not self._known(folder / file.path)]
        if len(unseen) < _FEW:
            return [file.path for file in unseen if not self._compare(folder, file)]
        with ThreadPoolExecutor(2) as pool:
            good = pool.map(lambda file: self._compare(folder, file), unseen)
            return [file.path for file, fine in zip(unseen, good, strict=True) if not fine]

    def _known(self, path: Path) -> bool:
        try:
            return self._seen.get(path) == _mark(path)
        except OSError:
            return False

    def _compare(self, folder: Path, file: LakeFile) -> bool:
        path = folder / file.path
        try:
            before = _mark(path)
            if digest(path) != file.sha256:
                return False
        except OSError:
            return False
        self._seen[path] = before
        return True


def _mark(path: Path) -> Mark:
    found = path.stat()
    return found.st_ino, found.st_mtime_ns, found.st_size
