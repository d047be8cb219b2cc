# SPDX-License-Identifier: Apache-2.0
"""Rewinding a restored project to an instant: what was stored later is taken out of every store.

What must never be undone stays: erasures, legal holds, revoked keys, and the log of who read what.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import msgspec

from heptad.catalog.backup import added, entries
from heptad.engine.local.disk import sync
from heptad.engine.local.mark import mark_anew
from heptad.engine.local.recovery import entry
from heptad.engine.local.segments import Segments
from heptad.standards.errors import Corrupt
from heptad.standards.time import day

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_LOST = """
CREATE TEMP TABLE lost AS SELECT l.id FROM loads l LEFT JOIN versions v ON v.load = l.id
WHERE l.ended IS NULL OR coalesce(v.instant, l.ended) > :to
"""
_LATER = (
    "DELETE FROM versions WHERE instant > :to",
    "DELETE FROM load_files WHERE load IN (SELECT id FROM lost)",
    "DELETE FROM profiles WHERE load IN (SELECT id FROM lost)",
    "DELETE FROM drifts WHERE load IN (SELECT id FROM lost)",
    "DELETE FROM edges WHERE since > :to",
    "UPDATE edges SET until = NULL WHERE until > :to",
    "UPDATE edges SET load = NULL WHERE load IN (SELECT id FROM lost)",
    "DELETE FROM loads WHERE id IN (SELECT id FROM lost)",
    "DELETE FROM contracts WHERE since > :to",
    "DELETE FROM model_events WHERE instant > :to",
    "DELETE FROM models WHERE trained > :to",
    "UPDATE models SET approver = NULL, approved = NULL, note = NULL WHERE approved > :to",
    "DELETE FROM steps WHERE run IN (SELECT id FROM runs WHERE coalesce(ended, :to + 1) > :to)",
    "DELETE FROM runs WHERE coalesce(ended, :to + 1) > :to",
    "DELETE FROM api_keys WHERE created > :to",
    "DELETE FROM settings WHERE name = 'traced'",
    "UPDATE settings SET value = :to WHERE name = 'clock' AND CAST(value AS INTEGER) > :to",
)
_STAGES = """
UPDATE models SET stage = coalesce((SELECT e.event FROM model_events e WHERE e.model = models.id
AND e.event IN ('challenger', 'champion', 'retired') ORDER BY e.id DESC LIMIT 1), 'candidate')
"""
_FIRST = """
SELECT min(first) FROM (SELECT min(instant) AS first FROM versions
UNION ALL SELECT min(ended) FROM loads UNION ALL SELECT min(trained) FROM models
UNION ALL SELECT min(ended) FROM runs UNION ALL SELECT min(created) FROM api_keys)
"""


def earliest(db: sqlite3.Connection) -> int | None:
    """Return the first instant, µs UTC, by which a catalog holds something; None if it never does."""
    found = db.execute(_FIRST).fetchone()[0]
    return None if found is None else int(found)


def rewind(folder: Path, to: int) -> int:
    """Take out of a project that nobody has open what was stored after an instant.

    Args:
        folder: the project folder.
        to: the instant, µs UTC.

    Returns:
        How many decisions are left.

    Raises:
        Corrupt: if what is left does not fit together.
        OSError: if the disk refuses.
    """
    kept, needed = _cut_log(folder / "log" / "decisions", to)
    with closing(sqlite3.connect(folder / "catalog.sqlite", isolation_level=None)) as db:
        following = _following(db, to)
        db.execute("PRAGMA synchronous=FULL")
        db.execute("BEGIN IMMEDIATE")
        _rewind_catalog(db, to, kept)
        db.execute("COMMIT")
        if lost := db.execute("PRAGMA foreign_key_check").fetchall():
            raise Corrupt("The catalog could not be taken back to that instant.", got=lost[0])
        loads = {int(row[0]) for row in db.execute("SELECT id FROM loads")}
    for home in sorted(p.parent for p in folder.glob("tables/*/_delta_log")):
        last = following.get(home.name, 1 << 62) - 1
        _cut_table(home, max(last, needed.get(home.name, -1)))
    for path in folder.glob("quarantine/*/*.parquet"):
        if path.stem.isdigit() and int(path.stem) not in loads:
            path.unlink()
    return kept


def _cut_log(folder: Path, to: int) -> tuple[int, dict[str, int]]:
    """Cut the decision log behind the last append all of whose decisions were made by then.

    Returns:
        How many are left, and the highest version of each table that they name.
    """
    if not any(folder.glob("*.seg")):
        return 0, {}
    with Segments(folder, write=False) as log:
        stop, needed = _read_until(log, to)
        extents = dict(log.extents(stop))
    for path in folder.glob("*.seg"):
        if path not in extents:
            path.unlink()
        elif path.stat().st_size > extents[path]:
            with path.open("r+b") as file:
                file.truncate(extents[path])
            sync(path)
    for derived in folder.glob("*.idx"):
        derived.unlink()
    mark_anew(folder, stop)
    return stop, needed


def _read_until(log: Segments, to: int) -> tuple[int, dict[str, int]]:
    """Read a log up to the first append that holds a decision made after the instant."""
    stop, needed = 0, dict[str, int]()
    for group in log.groups():
        told = [msgspec.msgpack.decode(record)["public"] for record in group.records]
        if any(public["decided_at"] > to for public in told):
            break
        stop = group.stop
        for table, version in (pair for public in told for pair in public["tables"].items()):
            needed[table] = max(version, needed.get(table, -1))
    return stop, needed


def _following(db: sqlite3.Connection, to: int) -> dict[str, int]:
    """Return the first version of each table that was recorded after the instant."""
    found = db.execute(
        'SELECT "table", min(version) FROM versions WHERE instant > ? GROUP BY "table"', (to,)
    )
    return {str(table): int(version) for table, version in found}


def _rewind_catalog(db: sqlite3.Connection, to: int, kept: int) -> None:
    """Take the rows back; what they refer to stays whole."""
    values = {"to": to}
    db.execute(_LOST, values)
    for statement in _LATER:
        db.execute(statement, values if ":to" in statement else {})
    db.execute("UPDATE models SET stage = 'candidate'")
    db.execute(_STAGES)
    for table, last in _last_versions(db):
        here = (table, last)
        db.execute('DELETE FROM data_files WHERE "table" = ? AND added > ?', here)
        db.execute('UPDATE data_files SET dropped = NULL WHERE "table" = ? AND dropped > ?', here)
    db.execute("DELETE FROM decisions WHERE place >= ?", (kept,))
    db.execute("DELETE FROM decision_counts")
    db.execute(
        "INSERT INTO decision_counts (app, outcome, day, n) SELECT app, outcome, "
        "(event_time - ((event_time % :day) + :day) % :day) / :day, count(*) "
        "FROM decisions GROUP BY 1, 2, 3",
        {"day": day},
    )
    db.execute("UPDATE settings SET value = ? WHERE name = 'log_floor'", (str(kept),))
    # Who follows the log goes on where it ends now; messages and cases are known by their decision.
    db.execute(
        "UPDATE settings SET value = :kept WHERE CAST(value AS INTEGER) > :kept AND (name = 'followed' "
        "OR name LIKE 'published:%' OR name LIKE 'shadow.%')",
        {"kept": kept},
    )
    db.execute("DELETE FROM shadows WHERE decision NOT IN (SELECT id FROM decisions)")


def _last_versions(db: sqlite3.Connection) -> Iterator[tuple[Any, ...]]:
    """Yield each table that has data files with its last version; -1 if none is left."""
    yield from db.execute(
        'SELECT f."table", coalesce((SELECT max(version) FROM versions v '
        'WHERE v."table" = f."table"), -1) FROM (SELECT DISTINCT "table" FROM data_files) f'
    ).fetchall()


def _cut_table(home: Path, last: int) -> None:
    """Remove the versions of a table after `last`, and the files that only they name."""
    kept: set[str] = set()
    for version, actions in entries(home):
        if version <= last:
            kept |= added(actions)
        else:
            entry(home, version).unlink()
    for path in [*home.glob("*.parquet"), *home.glob("_month=*/*.parquet")]:
        if str(path.relative_to(home)) not in kept:
            path.unlink()
    for folder in (home / "_delta_log", home):
        sync(folder)
