# SPDX-License-Identifier: Apache-2.0
"""Restoring: a project folder made from a backup, checked to the last byte before it gets its name."""

from __future__ import annotations

import shutil
from contextlib import closing
from typing import TYPE_CHECKING, Any

from heptad.catalog import backup
from heptad.catalog.rewinding import earliest, rewind
from heptad.catalog.scrub import scrub
from heptad.engine.local.disk import digest, refusals, sync
from heptad.engine.local.mark import mark_anew
from heptad.engine.local.objects import Objects
from heptad.security.envelope import epoch_of
from heptad.standards.errors import Conflict, Corrupt, InputError, UnknownName
from heptad.standards.time import format_instant

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from heptad.catalog.backup import Listed, Manifest

    Told = Callable[[str, float], None]


def restore(
    target: Path,
    folder: Path,
    *,
    to: int | None = None,
    kek: Path | None = None,
    progress: Told | None = None,
) -> dict[str, Any]:
    """Make a project folder from a backup; broken off, it goes on where it was.

    Args:
        target: the folder of backups.
        folder: where the project is to be; nothing may be there.
        to: what was stored by this instant, µs UTC; all that the last backup holds by default.
        kek: the file of the key-encryption key that was kept apart from the backup.
        progress: told (what, share done).

    Returns:
        What was restored, as plain data.

    Raises:
        Conflict: if something is at `folder`.
        Corrupt: if a piece is missing or damaged, or what was restored does not hold.
        UnknownName: if no backup reaches the instant, or nothing was stored by then.
        InputError: if the KEK is not a file, or not that of the backup's epoch.
        Busy: if the disk refused.
    """
    if kek is not None and not kek.is_file():
        raise InputError(
            "There is no key-encryption key here.",
            got=str(kek),
            do="name the file kek that was kept apart",
        )
    made, objects = _chosen(backup.manifests(target), to), Objects(target / backup.FILES)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise Conflict(
            "Something is there already, and nothing is ever overwritten.",
            got=str(folder),
            do="name a folder that does not exist",
        )
    draft = folder.with_name(f".{folder.name}.restoring")
    with refusals("The backup was not restored"):
        if to is not None:
            _check_reached(made, objects, to)
        _write_files(made, objects, draft, progress)
        _write_marks(made, draft)
        epoch = _place_kek(draft, kek)
        kept = rewind(draft, to) if to is not None else made.logs.get("decisions", 0)
        _verify(draft)
        if folder.exists():
            folder.rmdir()
        draft.replace(folder)
        sync(folder.parent)
    return {
        "folder": str(folder),
        "of": format_instant(made.instant),
        "to": format_instant(to) if to is not None else None,
        "files": len(made.files),
        "bytes": sum(f.size for f in made.files),
        "entries": kept,
        "keys": "there" if epoch is not None else "put the file kek into keys/ before it is opened",
    }


def _chosen(made: Sequence[Manifest], to: int | None) -> Manifest:
    """Return the last backup, which knows of every erasure, if it reaches the instant."""
    if to is not None and to > made[-1].instant:
        raise UnknownName(
            "No backup reaches that instant.",
            got=format_instant(to),
            do=f"the last one is of {format_instant(made[-1].instant)}",
        )
    return made[-1]


def _check_reached(made: Manifest, objects: Objects, to: int) -> None:
    """Refuse an instant before anything was stored, which would make an empty project."""
    ((sha256, _),) = next(f.parts for f in made.files if f.path == "catalog.sqlite")
    catalog = objects.path(sha256)
    if not catalog.is_file() or digest(catalog) != sha256:
        return  # writing it says what is wrong
    with closing(backup.reading(catalog)) as db:
        first = earliest(db)
    if first is not None and to < first:
        raise UnknownName(
            "Nothing was stored by that instant.",
            got=format_instant(to),
            do=f"the earliest that can be restored to is {format_instant(first)}",
        )


def _write_files(made: Manifest, objects: Objects, draft: Path, progress: Told | None) -> None:
    """Write what is not there yet."""
    draft.mkdir(mode=0o700, exist_ok=True)
    wanted = {draft / f.path for f in made.files}
    for stray in [p for p in draft.rglob("*") if p.is_file() and p not in wanted]:
        stray.unlink()
    size, done, homes = sum(f.size for f in made.files), 0, {draft}
    for listed in made.files:
        path = draft / listed.path
        _check_path(draft, path)
        path.parent.mkdir(parents=True, exist_ok=True)
        homes |= {p for p in path.parents if draft in p.parents}
        if not _is_there(path, listed):
            objects.get(listed.parts, path)
        path.chmod(listed.mode)
        done += listed.size
        if progress is not None:
            progress("restoring", done / max(size, 1))
    for private in ("keys", "log"):
        if (draft / private).is_dir():
            (draft / private).chmod(0o700)
    for home in sorted(homes):
        sync(home)


def _check_path(draft: Path, path: Path) -> None:
    """Refuse a list that names a file outside the folder."""
    if draft.resolve() not in path.resolve().parents:
        raise Corrupt("The list of a backup names a file outside the project.", got=str(path))


def _is_there(path: Path, listed: Listed) -> bool:
    """Whether an earlier attempt wrote the file whole; one of several pieces is written again."""
    return (
        len(listed.parts) == 1
        and path.is_file()
        and path.stat().st_size == listed.size
        and digest(path) == listed.parts[0][0]
    )


def _write_marks(made: Manifest, draft: Path) -> None:
    """Say of each log how many of its entries were acknowledged: all that the backup holds."""
    for name, entries in made.logs.items():
        mark_anew(draft / "log" / name, entries)


def _place_kek(draft: Path, kek: Path | None) -> int | None:
    """Put the key-encryption key where the project looks for it; return its epoch."""
    if kek is None or not (draft / "keys").is_dir():
        return None
    epoch = epoch_of(kek)
    with closing(backup.reading(draft / "keys" / "subjects.sqlite")) as db:
        wanted = db.execute("SELECT epoch FROM state").fetchone()[0]
    if epoch != wanted:
        raise InputError(
            "The key-encryption key is not that of the backup.",
            got=f"epoch {epoch}",
            do=f"give the file kek of epoch {wanted}",
            place=str(kek),
        )
    place = draft / "keys" / "kek"
    shutil.copyfile(kek, place)
    place.chmod(0o600)
    sync(place)
    return epoch


def _verify(draft: Path) -> None:
    """Scrub what was written.

    Raises:
        Corrupt: if something does not hold.
    """
    found = scrub(draft).findings
    if found:
        raise Corrupt(
            "What was restored does not hold.",
            got=f"{found[0].store} {found[0].place}: {found[0].what}",
            do="restore from another backup",
            place=str(draft),
        )
