# SPDX-License-Identifier: Apache-2.0
"""Upgrades of a catalog: which migrations it lacks, and their run in one transaction."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import inspect

from heptad.catalog.schema import HEAD
from heptad.standards.errors import Conflict

if TYPE_CHECKING:
    from alembic.config import Config
    from alembic.script import ScriptDirectory
    from sqlalchemy import Connection

MIGRATIONS = Path(__file__).parent / "migrations"
_LOCK = 4_611_371_094_537_126
"""Names our upgrade among PostgreSQL's advisory locks."""
_TURN = threading.Lock()
"""alembic keeps the migration under way in a global: one thread at a time."""


@dataclass(frozen=True, slots=True)
class Migration:
    """One step that brings a catalog forward: its revision and a sentence on what it does."""

    revision: str
    says: str


def revision(connection: Connection) -> str | None:
    """Return the revision that a catalog is at; None if it is empty."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    found = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()
    return None if found is None else str(found)


def pending(connection: Connection | None, scripts: Path = MIGRATIONS) -> list[Migration]:
    """List the migrations that `apply` would run, first one first; all, if there is no catalog.

    Raises:
        Conflict: if a newer program wrote the catalog.
    """
    at = revision(connection) if connection is not None else None
    directory = _directory(scripts)
    known = {script.revision for script in directory.walk_revisions()}
    if at is not None and at not in known:
        raise Conflict(
            "A newer Heptad wrote this catalog.",
            got=f"revision {at}",
            do="upgrade this installation: pip install --upgrade heptad",
        )
    found = directory.iterate_revisions("head", at or "base")
    return [Migration(s.revision, (s.doc or "").strip()) for s in reversed(list(found))]


def apply(connection: Connection, to: str = "head", scripts: Path = MIGRATIONS) -> None:
    """Run migrations up to a revision, inside the transaction of `connection`."""
    from alembic import command

    with _TURN:
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")
        pending(connection, scripts)
        command.upgrade(_config(scripts, connection), to)


def revert(connection: Connection, to: str, scripts: Path = MIGRATIONS) -> None:
    """Run migrations back to a revision ("base" for none), inside the transaction."""
    from alembic import command

    with _TURN:
        command.downgrade(_config(scripts, connection), to)


def current(connection: Connection) -> bool:
    """Say whether a catalog has the tables that this program expects, without loading alembic."""
    return revision(connection) == HEAD


def _config(scripts: Path, connection: Connection | None = None) -> Config:
    """Tell alembic where the migrations lie and which connection to use."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(scripts).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


def _directory(scripts: Path) -> ScriptDirectory:
    """Open the folder of migrations."""
    from alembic.script import ScriptDirectory

    return ScriptDirectory.from_config(_config(scripts))
