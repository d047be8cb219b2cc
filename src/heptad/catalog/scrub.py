# SPDX-License-Identifier: Apache-2.0
"""The scrub: every byte of every store read and compared with what it must be.

It works on the folder alone, so that it runs beside the owner, and on a project that cannot be
opened any more.
"""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq
from pyarrow import ArrowException

from heptad.catalog.backup import reading
from heptad.engine.local.disk import digest, named_digest
from heptad.engine.local.rows import Rows
from heptad.engine.local.seals import KEK, Seals
from heptad.engine.local.segments import Segments
from heptad.security.envelope import PUT_BACK, RESTORE
from heptad.standards.errors import HeptadError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Told = Callable[[str, float], None]
    Read = Callable[[int], None]

_TABLES = "tables/*/*.parquet", "tables/*/_month=*/*.parquet"
UNREADABLE = (sqlite3.DatabaseError, UnicodeDecodeError)
"""What SQLite raises about a damaged file; its own messages may quote the damage."""
_SEALED = 64
"""Characters of a SHA-256 in hexadecimal."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not what it must be: in which store and file; `told` is a cure of its own."""

    store: str
    what: str
    place: str
    told: str = ""

    @property
    def do(self) -> str:
        """The cure."""
        if self.told:
            return self.told
        if self.place == KEK:
            return PUT_BACK
        if self.store == "keys" or self.place.startswith("keys/"):
            return RESTORE
        return f"restore {self.place} from a backup (`heptad restore`)"


@dataclass(slots=True)
class Scrubbed:
    """What a scrub read and found."""

    files: int = 0
    size: int = 0
    findings: list[Finding] = field(default_factory=list)


def scrub(folder: Path, progress: Told | None = None) -> Scrubbed:
    """Read every byte of a project's stores; nothing is changed.

    Args:
        folder: the project folder.
        progress: told (what, share done).
    """
    report, todo = Scrubbed(), _bytes_in(folder)

    def told(size: int) -> None:
        report.files += 1
        report.size += size
        if progress is not None:
            progress("reading every byte", min(report.size / max(todo, 1), 1.0))

    report.findings += _sealed_files(folder, told)
    found, catalog = _catalog(folder / "catalog.sqlite")
    report.findings += found
    for check in (_data_files, _models):
        report.findings += check(folder, catalog, told)
    floor = next((v for n, v in catalog.get("settings", ()) if n == "log_floor"), "")
    known = int(floor) if str(floor).isdigit() else None
    for log in sorted((folder / "log").glob("*/")):
        report.findings += _log(log, known if log.name == "decisions" else None, told)
    report.findings += [*_keys(folder / "keys"), *_rows(folder / "rows")]
    report.findings += _quarantine(folder / "quarantine")
    report.findings = list(dict.fromkeys(report.findings))
    return report


def _bytes_in(folder: Path) -> int:
    """Return how many bytes a scrub will compare with digests."""
    wanted = (*_TABLES, "models/*", "log/*/*.seg", "catalog.sqlite", "keys/*", "tables/*/_*/*")
    return sum(p.stat().st_size for pattern in wanted for p in folder.glob(pattern) if p.is_file())


def _sealed_files(folder: Path, told: Read) -> Iterator[Finding]:
    """Compare the files whose digests were taken when the project was closed."""
    try:
        for name in Seals(folder).damaged(told):
            yield Finding("sealed files", "is gone, or not what it was", name)
    except HeptadError as error:
        yield _told_by("sealed files", error)


def _catalog(path: Path) -> tuple[list[Finding], dict[str, list[Any]]]:
    """Let SQLite read all of the catalog; return also what it says of files and models."""
    asked = {
        "settings": "SELECT name, value FROM settings",
        "data_files": 'SELECT "table", path, size, sha256, dropped FROM data_files',
        "models": "SELECT DISTINCT sha256 FROM models",
    }
    found, error = _whole(path)
    if found or error is None:
        return found, {}
    try:
        with closing(_reading(path)) as db:
            return [], {name: db.execute(sql).fetchall() for name, sql in asked.items()}
    except UNREADABLE as failed:
        return [Finding("catalog", str(failed), path.name)], {}


def _reading(path: Path) -> sqlite3.Connection:
    db = reading(path)
    # Damaged text must not stop the search for damage.
    db.text_factory = lambda text: text.decode("utf-8", "replace")
    return db


def _whole(path: Path) -> tuple[list[Finding], str | None]:
    """Check a SQLite file; return what is wrong, and its name if it is there."""
    if not path.is_file():
        return [], None
    store = "catalog" if path.name.startswith("catalog") else path.parent.name
    try:
        with closing(_reading(path)) as db:
            said = [row[0] for row in db.execute("PRAGMA integrity_check(20)")]
            lost = db.execute("PRAGMA foreign_key_check").fetchall()
    except UNREADABLE as error:
        return [Finding(store, str(error), path.name)], path.name
    wrong = [line for line in said if line != "ok"] + [f"{row[0]} lacks {row[2]}" for row in lost]
    return [Finding(store, line, path.name) for line in wrong[:20]], path.name


def _data_files(folder: Path, catalog: dict[str, list[Any]], told: Read) -> Iterator[Finding]:
    """Compare each data file, also those that only old versions need, with its name's digest."""
    for path in sorted(p for pattern in _TABLES for p in folder.glob(pattern)):
        table = path.relative_to(folder / "tables").parts[0]
        with suppress(OSError):
            told(path.stat().st_size)
        if not _holds(path, named_digest(path.name)) and path.exists():
            yield Finding(f"table {table}", "other bytes than were stored", path.name)
    for table, name, size, sha256, dropped in catalog.get("data_files", ()):
        home = folder / "tables" / table
        if not (home / name).exists():
            if dropped is None or not (home / "_released.json").exists():
                yield Finding(f"table {table}", "missing", name)
        elif named_digest(name) != sha256 or (home / name).stat().st_size != size:
            yield Finding(f"table {table}", "not what the catalog says", name)


def _models(folder: Path, catalog: dict[str, list[Any]], told: Read) -> Iterator[Finding]:
    """Compare each model with its name, and see that none is missing."""
    known = {f"{row[0]}.model" for row in catalog.get("models", ())}
    there = {p.name for p in (folder / "models").glob("*.model")}
    for name in sorted(known | there):
        path = folder / "models" / name
        with suppress(OSError):
            told(path.stat().st_size)
        if not _holds(path, path.stem):
            what = "other bytes than were registered" if path.exists() else "missing"
            yield Finding("models", what, name)


def _holds(path: Path, sha256: str) -> bool:
    """Whether a file has the digest; one whose name carries none counts as whole."""
    try:
        return len(sha256) != _SEALED or digest(path) == sha256
    except OSError:
        return False


def _log(folder: Path, floor: int | None, told: Read) -> Iterator[Finding]:
    """Read every record of a log."""
    try:
        with Segments(folder, write=False, floor=floor) as log:
            for _ in log.groups():
                continue
        for path in folder.glob("*.seg"):
            told(path.stat().st_size)
    except HeptadError as error:
        yield _told_by(f"log {folder.name}", error)


def _keys(folder: Path) -> Iterator[Finding]:
    """Let SQLite read the key store; whether its keys open is asked of the open store."""
    for path in sorted(folder.glob("*.sqlite")):
        yield from _whole(path)[0]


def _rows(folder: Path) -> Iterator[Finding]:
    """Read every cell of the row store."""
    if not (folder / "CURRENT").exists():
        return
    try:
        with Rows(folder, read_only=True) as rows:
            rows.check()
    except HeptadError as error:
        yield _told_by("row store", error)


def _quarantine(folder: Path) -> Iterator[Finding]:
    """Read every page of the quarantined rows against its checksum."""
    for path in sorted(folder.glob("*/*.parquet")):
        try:
            with pq.ParquetFile(path, page_checksum_verification=True) as file:
                for batch in file.iter_batches():
                    del batch
        except FileNotFoundError:
            continue
        except (ArrowException, OSError) as error:
            said = str(error).partition("\n")[0]
            yield Finding(f"quarantine {path.parent.name}", said, path.name)


def _told_by(store: str, error: HeptadError) -> Finding:
    """Return what a store itself says of its damage."""
    what = error.what if error.got is None else f"{error.what} {json.dumps(str(error.got))}"
    return Finding(store, what, error.place, error.do)
