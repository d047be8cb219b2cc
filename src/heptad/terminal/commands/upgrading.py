# SPDX-License-Identifier: Apache-2.0
"""What opening a project of an earlier release would change, told before anything is changed."""

from __future__ import annotations

from contextlib import closing
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import sqlite3
    from pathlib import Path

    from heptad.catalog.upgrade import Migration
    from heptad.standards import Table


def plan(folder: Path) -> dict[str, Any]:
    """Say what this program would change in a project; nothing is written.

    Args:
        folder: the project folder, whoever holds it.

    Raises:
        Conflict: if a newer Heptad wrote the project.
    """
    from heptad import __version__
    from heptad.catalog.backup import reading

    path = folder / "catalog.sqlite"
    if not path.is_file():
        return {"made_by": None, "program": __version__, "catalog": [], "tables": []}
    steps = [asdict(step) for step in _pending(path)]
    with closing(reading(path)) as db:
        made = db.execute("SELECT value FROM settings WHERE name = 'created_version'").fetchone()
        tables = _declared(db)
    return {
        "made_by": made[0].strip('"') if made else None,
        "program": __version__,
        "catalog": steps,
        "tables": tables,
    }


def saved(
    folder: Path, target: Path, *, incremental: bool = False, link: bool = False
) -> dict[str, Any] | None:
    """Back a project of an earlier release up as it is: opening it would upgrade it.

    Args:
        folder: the project folder.
        target: where backups lie.
        incremental: add to the backups that are there.
        link: share blocks of data files where both lie on one disk.

    Returns:
        What was written; None, and nothing was done, if this program changes nothing in the
        project, or if another process holds it.

    Raises:
        HeptadError: as `back_up` does.
    """
    from heptad.catalog.backup import back_up
    from heptad.engine.local.owner import Owner
    from heptad.standards.time import SystemClock

    path, owner = folder / "catalog.sqlite", Owner(folder)
    if not path.is_file() or not _pending(path) or not owner.acquire():
        return None
    try:
        now = SystemClock().now()
        return back_up(folder, target, now=now, incremental=incremental, link=link)
    finally:
        owner.release()


def _pending(path: Path) -> list[Migration]:
    """List the migrations that opening the catalog would run."""
    from sqlalchemy import create_engine

    from heptad.catalog.backup import reading
    from heptad.catalog.upgrade import pending

    engine = create_engine("sqlite://", creator=lambda: reading(path))
    try:
        with engine.connect() as connection:
            return pending(connection)
    finally:
        engine.dispose()


def _declared(db: sqlite3.Connection) -> list[dict[str, Any]]:
    """Return each stored table whose declaration is another now, and what that breaks."""
    import json

    from heptad.catalog.contracts import changes

    found = []
    sql = (
        'SELECT "table", contract FROM contracts c '
        'WHERE id = (SELECT max(id) FROM contracts d WHERE d."table" = c."table") ORDER BY 1'
    )
    known = _tables()
    for name, contract in db.execute(sql):
        if name not in known:
            found.append({"table": name, "says": "is declared nowhere now", "breaking": True})
            continue
        found += [
            {"table": name, "says": change.says, "breaking": change.breaking}
            for change in changes(json.loads(contract), known[name].contract())
        ]
    return found


def _tables() -> dict[str, type[Table]]:
    from heptad.runtime import discover, tables_of

    return tables_of(discover().values())
