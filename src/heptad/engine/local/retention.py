# SPDX-License-Identifier: Apache-2.0
"""Giving up old versions of a table, and the files that only they need."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from heptad.engine.local.disk import sync, write_durably
from heptad.standards.errors import ContractError, Corrupt, UnknownName

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

    from heptad.engine.local.commits import DeltaLog

_RECORD = "_released.json"


@dataclass(frozen=True, slots=True)
class Released:
    """What a retention run gave up.

    Attributes:
        versions: how many versions can no longer be read, those of earlier runs included.
        files: how many files were removed.
        size: bytes freed.
    """

    versions: int
    files: int
    size: int


def check(folder: Path, version: int) -> None:
    """Refuse a version that was given up.

    Raises:
        UnknownName: if it was.
    """
    if version in released(folder):
        raise UnknownName(
            f"Version {version} of {folder.name} was given up by `heptad retention`.",
            got=version,
            do="read a version that a decision or the retention period keeps",
        )


def released(folder: Path) -> frozenset[int]:
    """Return the versions that were given up."""
    try:
        ranges = json.loads((folder / _RECORD).read_bytes())
    except FileNotFoundError:
        return frozenset()
    except ValueError as error:
        raise Corrupt(
            f"The record of given-up versions of {folder.name} is damaged.",
            got=str(folder / _RECORD),
            do="restore it from a backup",
        ) from error
    return frozenset(v for first, last in ranges for v in range(first, last + 1))


def release(log: DeltaLog, keep_versions: int, pinned: Collection[int]) -> Released:
    """Give up all but the newest and the pinned versions.

    Args:
        log: the table's log.
        keep_versions: how many of the newest stay.
        pinned: which others stay.

    Raises:
        ContractError: if none would stay.
        OSError: if the disk refuses.
    """
    if keep_versions < 1:
        raise ContractError("Retention keeps at least one version.", got=keep_versions)
    before = released(log.folder)
    first = max(log.version + 1 - keep_versions, 0)
    kept = {v for v in {*pinned, *range(first, log.version + 1)} if v not in before}
    gone = frozenset(range(log.version + 1)) - kept
    needed = {file.path for version in kept for file in log.files(version)}
    write_durably(log.folder / _RECORD, json.dumps(list(_ranges(sorted(gone)))).encode())
    sizes = [
        _remove(path)
        for path in sorted([*log.folder.glob("*.parquet"), *log.folder.glob("_month=*/*.parquet")])
        if str(path.relative_to(log.folder)) not in needed
    ]
    for home in [*log.folder.glob("_month=*"), log.folder]:
        sync(home)
    return Released(len(gone), len(sizes), sum(sizes))


def _remove(path: Path) -> int:
    size = path.stat().st_size
    path.unlink()
    return size


def _ranges(versions: list[int]) -> Iterator[tuple[int, int]]:
    """Give sorted numbers as first and last of each run."""
    start = previous = None
    for version in versions:
        if previous is None or version != previous + 1:
            if start is not None and previous is not None:
                yield start, previous
            start = version
        previous = version
    if start is not None and previous is not None:
        yield start, previous
