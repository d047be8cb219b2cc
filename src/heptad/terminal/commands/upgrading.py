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
