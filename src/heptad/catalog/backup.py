# SPDX-License-Identifier: Apache-2.0
"""Backups: a consistent copy of a project, taken while it is in use, of which only what is new is written.

The catalog is copied first, as one state. Tables and decisions are then copied as far as that state
knows them: up to the last load of each table, and the entries that it counts. What came later is
left out, so that no file names another that is not there. Accesses name none; all of them are copied.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from contextlib import closing, suppress
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from heptad import __version__
from heptad.catalog.settings import LOG_FLOOR
from heptad.engine.local.disk import keep_private, named_digest, refusals, sync, write_durably
from heptad.engine.local.objects import Objects
from heptad.engine.local.recovery import entry
from heptad.engine.local.segments import Segments
from heptad.standards.errors import Busy, Conflict, Corrupt, InputError, UnknownName
from heptad.standards.time import format_instant

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from heptad.engine.local.objects import Part

    Told = Callable[[str, float], None]

FORMAT = 1
ABOUT, FILES, LISTS = "heptad-backup.json", "files", "backups"


@dataclass(frozen=True, slots=True)
class Listed:
    """One file of a backup: its path in the project, its mode and the pieces that make it."""

    path: str
    mode: int
    parts: list[Part]

    @property
    def size(self) -> int:
        """Bytes."""
        return sum(size for _, size in self.parts)


@dataclass(slots=True)
class Manifest:
    """What one backup holds.

    Attributes:
        instant: of the catalog's state, µs UTC.
        project: the project's id.
        version: of the program that made it.
        tables: table → version.
        logs: log → entries.
        files: everything.
    """

    instant: int
    project: str
    version: str
    tables: dict[str, int]
    logs: dict[str, int]
    files: list[Listed] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The manifest's file name; names sort as instants do."""
        return f"{self.instant:020d}.json"


def back_up(
    folder: Path,
    target: Path,
    *,
    now: int,
    incremental: bool = False,
    link: bool = False,
    progress: Told | None = None,
) -> dict[str, Any]:
    """Add a backup of a project to a folder of backups; one that was broken off goes on.

    Args:
        folder: the project folder; its owner may be at work.
        target: where backups lie: a new or empty folder, or one of this project.
        now: the instant, µs UTC.
        incremental: add to backups that are there; without it, `target` must hold none.
        link: share blocks of data files with the project where both lie on one disk.
        progress: told (what, share done).

    Returns:
        What was written, as plain data.

    Raises:
        Conflict: if `target` holds backups and this is not to be one more, or other things.
        Corrupt: if a file is damaged; no backup is made then.
        Busy: if the disk refused, or the project changed too quickly.
    """
    _same_project(folder, target)
    with refusals("The backup was not made"):
        before = _prepare(folder, target, incremental=incremental)
        objects = Objects(target / FILES)
        objects.clear()
        for draft in target.glob(".*.sqlite*"):
            draft.unlink()
        told = progress or (lambda _what, _share: None)
        made = _Copier(folder, target, objects, before, link=link, told=told).copy(now)
        objects.settle()
        write_manifest(target, made)
    return {
        "backup": str(target),
        "instant": format_instant(made.instant),
        "files": len(made.files),
        "bytes": sum(f.size for f in made.files),
        "written_files": objects.added,
        "written_bytes": objects.size,
        "entries": made.logs.get("decisions", 0),
        "tables": made.tables,
    }


def manifests(target: Path) -> list[Manifest]:
    """Return the backups in a folder, the first one first.

    Raises:
        UnknownName: if it holds none.
        Corrupt: if a list is damaged.
    """
    found = sorted((target / LISTS).glob("*.json"))
    if not found:
        raise UnknownName(
            "There is no backup here.", got=str(target), do="make one with `heptad backup FOLDER`"
        )
    return [read_manifest(path) for path in found]


def read_manifest(path: Path) -> Manifest:
    """Read one backup's list.

    Raises:
        Corrupt: if it is damaged.
    """
    head, _, body = path.read_bytes().partition(b"\n")
    if head.decode("ascii", "replace") != hashlib.sha256(body).hexdigest():
        raise Corrupt("The list of a backup is damaged.", place=str(path), do="use another backup")
    document = json.loads(body)
    files = [
        Listed(f["path"], f["mode"], [(sha, size) for sha, size in f["parts"]])
        for f in document.pop("files")
    ]
    return Manifest(**document, files=files)


def write_manifest(target: Path, made: Manifest) -> None:
    """Write a backup's list, durably: from then on the backup is there."""
    body = json.dumps(asdict(made), separators=(",", ":")).encode()
    (target / LISTS).mkdir(mode=0o700, exist_ok=True)
    sync(target)
    text = hashlib.sha256(body).hexdigest().encode() + b"\n" + body
    write_durably(target / LISTS / made.name, text, private=True)


def check(target: Path, progress: Told | None = None) -> dict[str, Any]:
    """Read every byte of every backup in a folder; return what is missing or damaged."""
    from heptad.engine.local.disk import digest

    lists, objects = manifests(target), Objects(target / FILES)
    pieces = sorted({part for made in lists for f in made.files for part in f.parts})
    bad = []
    for n, (sha256, size) in enumerate(pieces):
        path = objects.path(sha256)
        if not path.is_file() or path.stat().st_size != size or digest(path) != sha256:
            bad.append(sha256)
        if progress is not None:
            progress("reading every piece", (n + 1) / len(pieces))
    hurt = {format_instant(m.instant): sorted({f.path for f in m.files for s, _ in f.parts
                                               if s in bad}) for m in lists}  # fmt: skip
    return {"backups": [format_instant(m.instant) for m in lists], "pieces": len(pieces),
            "damaged": {instant: paths for instant, paths in hurt.items() if paths}}  # fmt: skip


def _same_project(folder: Path, target: Path) -> None:
    """Refuse a place for backups that lies within the project, or around it."""
    here, there = folder.resolve(), target.resolve()
    if there == here or here in there.parents:
        raise InputError(
            "A backup cannot lie within its project.", got=str(target), do="name another folder"
        )


def _prepare(folder: Path, target: Path, *, incremental: bool) -> Manifest | None:
    """Make the folder of backups, or see that it is this project's; return the last backup."""
    about = target / ABOUT
    with closing(reading(folder / "catalog.sqlite")) as db:
        project = _settings(db).get("project", "")
    if target.is_dir():
        keep_private(target, 0o700)
    if about.is_file():
        told = json.loads(about.read_bytes())
        if told.get("project") != project:
            raise Conflict(
                "The folder holds backups of another project.",
                got=str(target),
                do="name another folder",
            )
        lists = sorted((target / LISTS).glob("*.json"))
        if lists and not incremental:
            raise Conflict(
                "The folder holds a backup, which is never overwritten.",
                got=str(target),
                do="say --incremental to add to it, or name another folder",
            )
        return read_manifest(lists[-1]) if lists else None
    begun = f".{ABOUT}.fresh"
    if target.exists() and any(path.name != begun for path in target.iterdir()):
        raise Conflict(
            "The folder is not empty, and holds no backups.",
            got=str(target),
            do="name a new folder",
        )
    target.mkdir(mode=0o700, parents=True, exist_ok=True)
    sync(target.parent)
    document = {"format": FORMAT, "project": project}
    write_durably(about, json.dumps(document).encode(), private=True)
    return None


def reading(path: Path) -> sqlite3.Connection:
    """Open a SQLite file to be read; one that nobody has open is left without a trace.

    Raises:
        UnknownName: if it is not there.
    """
    if not path.is_file():
        raise UnknownName("There is no project here.", got=str(path), do="run `heptad init`")
    # Reading a file in WAL mode makes its log, which only a writer may remove again.
    closed = not path.with_name(f"{path.name}-wal").exists()
    how = "mode=ro&immutable=1" if closed else "mode=ro"
    return sqlite3.connect(f"{path.absolute().as_uri()}?{how}", uri=True, timeout=30)


def _settings(db: sqlite3.Connection) -> dict[str, Any]:
    rows = db.execute("SELECT name, value FROM settings")
    return {name: json.loads(value) for name, value in rows if value is not None}


class _Copier:
    """Copies one project as one state of its catalog knows it."""

    def __init__(
        self,
        folder: Path,
        scratch: Path,
        objects: Objects,
        before: Manifest | None,
        *,
        link: bool,
        told: Told,
    ) -> None:
        self._folder, self._scratch, self._objects = folder, scratch, objects
        self._link, self._told = link, told
        self._before = {f.path: f for f in before.files} if before else {}
        self._files: list[Listed] = []

    def copy(self, now: int) -> Manifest:
        """Copy everything; return the list of it."""
        draft = self._scratch / ".catalog.sqlite"
        try:
            _snapshot(self._folder / "catalog.sqlite", draft)
            self._add("catalog.sqlite", draft)
            with closing(reading(draft)) as db:
                settings = _settings(db)
                logs = {name: self._log(name, settings) for name in self._logs()}
                # One that was only started would be undone, so what it brings is left out.
                known = "SELECT id FROM loads WHERE status IN ('staged', 'committed')"
                loads = {int(row[0]) for row in db.execute(known)}
                tables = self._tables(db, loads)
                models = [str(row[0]) for row in db.execute("SELECT DISTINCT sha256 FROM models")]
        finally:
            _forget(draft)
        for sha256 in models:
            self._add(f"models/{sha256}.model", sha256=sha256)
        self._quarantine(loads)
        self._keys()
        self._add("heptad.toml")
        return Manifest(now, settings.get("project", ""), __version__, tables, logs, self._files)

    def _add(self, path: str, source: Path | None = None, sha256: str = "") -> None:
        """Copy one file."""
        source = source or self._folder / path
        mode = source.stat().st_mode & 0o777
        part = self._objects.put(source, sha256, link=self._link and bool(sha256))
        self._files.append(Listed(path, mode, [part]))

    def _logs(self) -> list[str]:
        return sorted(p.name for p in (self._folder / "log").glob("*/") if any(p.glob("*.seg")))

    def _log(self, name: str, settings: dict[str, Any]) -> int:
        """Copy a log, of decisions no more than the catalog's state knows; return how many entries."""
        folder = self._folder / "log" / name
        with Segments(folder, write=False) as log:
            stop = len(log)
            if name == "decisions":
                stop = min(int(settings.get(LOG_FLOOR, stop)), stop)
            for path, size in log.extents(stop):
                self._growing(path, size)
        return stop

    def _growing(self, path: Path, size: int) -> None:
        """Copy what a file that only grows has beyond the last backup."""
        name = str(path.relative_to(self._folder))
        parts: list[Part] = []
        at = 0
        for part in self._before[name].parts if name in self._before else ():
            if at + part[1] > size or not self._objects.holds(path, at, part):
                break
            parts.append(part)
            at += part[1]
        if at < size:
            parts.append(self._objects.put_range(path, at, size))
        self._files.append(Listed(name, 0o600, parts))

    def _tables(self, db: sqlite3.Connection, loads: set[int]) -> dict[str, int]:
        """Copy each table up to the last entry of its log that the catalog's state knows of."""
        found: dict[str, int] = {}
        durable = dict(db.execute('SELECT "table", max(version) FROM versions GROUP BY "table"'))
        names = sorted(p.parent.name for p in self._folder.glob("tables/*/_delta_log"))
        for n, name in enumerate(names):
            self._told(f"copying {name}", n / len(names))
            home, version, paths = self._folder / "tables" / name, -1, set[str]()
            for number, actions in entries(home):
                load = load_of(actions)
                if number > durable.get(name, -1) and load is not None and load not in loads:
                    break
                version = number
                paths |= added(actions)
                self._add(f"tables/{name}/_delta_log/{number:020d}.json")
            found[name] = version
            self._data_files(home, paths)
        return found

    def _data_files(self, home: Path, paths: set[str]) -> None:
        """Copy a table's files, less those that retention has removed."""
        released = home / "_released.json"
        if released.exists():
            self._add(str(released.relative_to(self._folder)))
        for path in sorted(paths):
            source = home / path
            if not source.exists() and released.exists():
                continue
            self._add(str(source.relative_to(self._folder)), sha256=named_digest(path))

    def _quarantine(self, loads: set[int]) -> None:
        """Copy the rows that known loads set aside."""
        for path in sorted(self._folder.glob("quarantine/*/*.parquet")):
            if path.stem.isdigit() and int(path.stem) in loads:
                # Retried and gone meanwhile: then the rows are in a load of a later backup.
                with suppress(FileNotFoundError):
                    self._add(str(path.relative_to(self._folder)))

    def _keys(self) -> None:
        """Copy the wrapped keys, but never the key that opens them."""
        for path in sorted(self._folder.glob("keys/*.sqlite")):
            draft = self._scratch / f".{path.name}"
            try:
                _snapshot(path, draft)
                self._add(str(path.relative_to(self._folder)), draft)
            finally:
                _forget(draft)


def _forget(draft: Path) -> None:
    """Remove the copy of a database, and what SQLite made beside it."""
    for leftover in draft.parent.glob(f"{draft.name}*"):
        leftover.unlink()


def _snapshot(source: Path, target: Path) -> None:
    """Copy a SQLite database as one state, while others write it."""
    target.unlink(missing_ok=True)
    target.touch(mode=0o600)
    try:
        with closing(reading(source)) as db, closing(sqlite3.connect(target)) as copy:
            db.backup(copy)
            copy.execute("PRAGMA journal_mode=DELETE").fetchall()
            found = copy.execute("PRAGMA quick_check(1)").fetchone()[0]
    except sqlite3.OperationalError as error:
        raise Busy("A database could not be copied.", got=str(error), place=source.name) from error
    except sqlite3.DatabaseError as error:
        found = str(error)
    if found != "ok":
        raise Corrupt(
            "A database of the project is damaged, so no backup was made.",
            got=found,
            place=source.name,
            do="run `heptad doctor --scrub`, and restore it from an earlier backup",
        )


def entries(home: Path) -> Iterator[tuple[int, list[dict[str, Any]]]]:
    """Yield the entries of a table's log: the version and what it does."""
    version = 0
    while (path := entry(home, version)).is_file():
        try:
            yield version, [json.loads(line) for line in path.read_text("utf-8").splitlines()]
        except ValueError:
            return  # being written
        version += 1


def load_of(actions: list[dict[str, Any]]) -> int | None:
    """Return the load that made a version; None if no load did."""
    for action in actions:
        if "commitInfo" in action and "heptad.load" in action["commitInfo"]:
            return int(action["commitInfo"]["heptad.load"])
    return None


def added(actions: list[dict[str, Any]]) -> set[str]:
    """Return the files that a version adds, relative to the table's folder."""
    return {unquote(action["add"]["path"]) for action in actions if "add" in action}
