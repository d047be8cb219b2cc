# SPDX-License-Identifier: Apache-2.0
"""Bringing a Delta table's folder back to what was acknowledged, after a crash or power loss."""

from __future__ import annotations

import json
import re
import shutil
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from heptad.engine.local.disk import (
    digest,
    named_digest,
    remove_durably,
    rewrite_durably,
    sync,
    write_durably,
)
from heptad.standards.errors import Corrupt

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_ENTRY = re.compile(r"(\d{20})\.json")
_CHECKPOINT = re.compile(r"\d{20}\.checkpoint\.parquet")
_SEAL = ".sha256"
_SECURED = "_secured"


def entry(folder: Path, version: int) -> Path:
    """Return the path of the log entry that makes `version`."""
    return folder / "_delta_log" / f"{version:020d}.json"


def checkpoint_path(folder: Path, version: int) -> Path:
    """Return the path of the checkpoint of `version`."""
    return folder / "_delta_log" / f"{version:020d}.checkpoint.parquet"


def checkpoint_seal(checkpoint: Path) -> Path:
    """Return the path of the file that holds a checkpoint's digest."""
    return checkpoint.with_name(checkpoint.name + _SEAL)


def drop_checkpoint(checkpoint: Path) -> None:
    """Remove a checkpoint and its seal; every version stays readable from the log's entries."""
    checkpoint_seal(checkpoint).unlink(missing_ok=True)
    checkpoint.unlink(missing_ok=True)
    pointer = checkpoint.parent / "_last_checkpoint"
    if _points_to(pointer) in (None, int(checkpoint.name[:20])):
        pointer.unlink(missing_ok=True)


def recover(folder: Path, durable_version: int) -> int:
    """Drop what a crash left unfinished, and make sure that all else is on disk.

    Entries above `durable_version` were never acknowledged: a whole one is kept and written
    again, a torn one (empty, not JSON, or a named file missing or not as its digest says) is
    dropped with all that follow. Entries up to `durable_version` are never dropped.

    Args:
        folder: the table's folder.
        durable_version: the last version known to be acknowledged; -1 if none is.

    Returns:
        The last version there is now; -1 if the table does not exist.

    Raises:
        Corrupt: if an acknowledged version is damaged or missing.
        OSError: if the disk refuses.
    """
    log = folder / "_delta_log"
    if not log.is_dir():
        _expect(folder.name, durable_version, -1)
        return -1
    _clear_leftovers(folder)
    found = sorted(int(m[1]) for p in log.iterdir() if (m := _ENTRY.fullmatch(p.name)))
    safe = last = _check_acknowledged(folder, max(durable_version, _secured(log)), found)
    for version in (v for v in found if v > safe):
        if version == last + 1 and _is_whole(folder, version):
            _secure(folder, version)
            last = version
        else:
            remove_durably(entry(folder, version))
    _check_checkpoints(log, last)
    if last < 0:
        shutil.rmtree(log)
    elif last > safe:
        write_durably(log / _SECURED, str(last).encode())
    sync(folder)
    return last


def is_stillborn(folder: Path) -> bool:
    """Whether a crash left a folder in which the table's first entry was never finished."""
    log = folder / "_delta_log"
    if not log.is_dir():
        return False
    later = any(_ENTRY.fullmatch(p.name) and int(p.name[:20]) for p in log.iterdir())
    first = entry(folder, 0)
    return not later and (not first.exists() or _actions(first) is None)


def intact(path: Path) -> bool:
    """Whether a data file holds the bytes that its name's digest was taken of."""
    return named_digest(path.name) in ("", digest(path))


def missing(folder: Path, files: Iterable[tuple[str, int]]) -> list[str]:
    """Return which of the files (path, size in bytes) are not there with that size."""
    return [path for path, size in files if not _has_size(folder / path, size)]


def _check_acknowledged(folder: Path, durable_version: int, found: list[int]) -> int:
    """Return `durable_version` if its entries are all there and can be read."""
    present = set(found)
    for version in range(durable_version + 1):
        if version not in present or not entry(folder, version).stat().st_size:
            _expect(folder.name, durable_version, version - 1)
    if durable_version >= 0 and _actions(entry(folder, durable_version)) is None:
        _expect(folder.name, durable_version, durable_version - 1)
    return durable_version


def _expect(name: str, durable_version: int, last: int) -> None:
    """Refuse to go on if an acknowledged version cannot be read."""
    if last < durable_version:
        raise Corrupt(
            f"{name} has lost version {last + 1}, which had been stored.",
            got=f"acknowledged up to {durable_version}, readable up to {last}",
            do="restore the project folder from a backup; `heptad doctor` says what is missing",
        )


def clear_stages(folder: Path) -> None:
    """Remove what was staged and never committed; only for one who knows that nobody stages."""
    for stage in folder.glob(".stage-*"):
        shutil.rmtree(stage)


def _clear_leftovers(folder: Path) -> None:
    """Remove what unfinished writes of single files left behind."""
    for pattern in (".*.fresh", "_month=*/.*.fresh", "_delta_log/.*.fresh"):
        for leftover in folder.glob(pattern):
            leftover.unlink()
    for leftover in (folder / "_delta_log").iterdir():
        # What the Delta writer links into place, or the numbered copies it writes first.
        if leftover.name.startswith("_commit_") or "#" in leftover.name:
            leftover.unlink()


def _is_whole(folder: Path, version: int) -> bool:
    """Whether an entry can be read and every file it names holds the bytes it should."""
    actions = _actions(entry(folder, version))
    if actions is None:
        return False
    return all(
        _has_size(folder / path, size) and intact(folder / path) for path, size in _added(actions)
    )


def _secure(folder: Path, version: int) -> None:
    """Write an unacknowledged version again: its fsync may have failed, or never have run."""
    actions = _actions(entry(folder, version)) or []
    for path, _ in _added(actions):
        rewrite_durably(folder / path)
    rewrite_durably(entry(folder, version))
    sync(folder)
    sync(folder.parent)


def _secured(log: Path) -> int:
    """Return up to which version an earlier recovery made sure that all is on disk; -1 if none."""
    try:
        return int((log / _SECURED).read_bytes())
    except (FileNotFoundError, ValueError):
        return -1


def _actions(path: Path) -> list[dict[str, Any]] | None:
    """Read a log entry; None if it is torn."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
        actions = [json.loads(line) for line in lines]
    except ValueError:
        return None
    return actions if actions and all(isinstance(a, dict) for a in actions) else None


def _added(actions: list[dict[str, Any]]) -> list[tuple[str, int]]:
    return [(unquote(a["add"]["path"]), a["add"]["size"]) for a in actions if "add" in a]


def _has_size(path: Path, size: int) -> bool:
    try:
        return path.stat().st_size == size
    except OSError:
        return False


def _check_checkpoints(log: Path, last: int) -> None:
    """Drop each checkpoint that is torn, damaged or ahead of the log."""
    for path in log.iterdir():
        if _CHECKPOINT.fullmatch(path.name) and (int(path.name[:20]) > last or not _sealed(path)):
            drop_checkpoint(path)
    for seal in log.glob(f"*{_SEAL}"):
        if not seal.with_name(seal.name.removesuffix(_SEAL)).exists():
            seal.unlink()
    pointer = log / "_last_checkpoint"
    target = _points_to(pointer)
    if target is None or not (log / f"{target:020d}.checkpoint.parquet").exists():
        pointer.unlink(missing_ok=True)
    sync(log)


def _sealed(checkpoint: Path) -> bool:
    """Whether a checkpoint holds the bytes that its seal was written for."""
    seal = checkpoint_seal(checkpoint)
    return seal.exists() and seal.read_text(encoding="ascii", errors="replace") == digest(
        checkpoint
    )


def _points_to(pointer: Path) -> int | None:
    """Return the version that `_last_checkpoint` names; None if it is absent or torn."""
    try:
        return int(json.loads(pointer.read_bytes())["version"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
