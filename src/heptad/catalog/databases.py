# SPDX-License-Identifier: Apache-2.0
"""Connections to SQLite and PostgreSQL, with every durability setting checked by its answer."""

from __future__ import annotations

import re
import sqlite3
import time
from contextlib import suppress
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.pool import QueuePool, StaticPool

from heptad.catalog.courtesy import pass_by
from heptad.engine.local.disk import keep_private, refusals
from heptad.standards.errors import Corrupt, InputError, UnknownName

if TYPE_CHECKING:
    from collections.abc import Sequence

BUSY_S = 20
"""How long a writer waits for another: an upgrade of the catalog on a slow disk takes seconds."""
CONNECT_S = 5
READERS = 8
TOGETHER = 512
"""Rows that one statement inserts into SQLite."""
PRAGMAS: dict[str, str | int] = {
    "journal_mode": "wal",
    "synchronous": 2,
    "foreign_keys": 1,
    "trusted_schema": 0,
}
"""What every SQLite connection must answer; with synchronous below FULL (2) acknowledged rows are
lost at power loss, and some disks fall back from WAL without raising."""

WRITER = {"cache_size": -32_768, "wal_autocheckpoint": 4_000}
"""32 MiB of pages for random inserts, and 16 MiB of log between checkpoints."""
READER = {"query_only": 1}
SESSION = {"synchronous_commit": "on", "lock_timeout": f"{BUSY_S}s", "timezone": "UTC"}
"""What a PostgreSQL session is told; the server refuses what it cannot do."""
_VALUES = re.compile(r"(INSERT INTO [^?]* VALUES )(\((?:\?(?:, )?)+\))([^?]*)")


def located(target: str | Path) -> tuple[str, Path | None]:
    """Read a path or URL into a URL, and the path of the file if it is SQLite.

    Raises:
        InputError: if the URL is of neither SQLite nor PostgreSQL.
    """
    text = str(target)
    if "://" not in text:
        path = Path(target).absolute()
        return f"sqlite:///{path}", path
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        url = None
    backend = url.get_backend_name() if url is not None else ""
    if url is not None and backend == "sqlite" and url.database:
        path = Path(url.database).absolute()
        return f"sqlite:///{path}", path
    if url is not None and backend == "postgresql":
        return url.set(drivername="postgresql+psycopg").render_as_string(hide_password=False), None
    raise InputError(
        "The catalog must be a SQLite file or a PostgreSQL database.",
        got=url.render_as_string() if url is not None else "an unreadable URL",
        do="give a path, or postgresql://user@host/database",
    )


def sqlite(path: Path, *, writes: bool, read_only: bool = False) -> Engine:
    """Make the engine of the writer (one connection) or of the readers (a pool of them).

    Raises:
        UnknownName: if the folder, or the file that is only to be read, is not there.
        Busy: if the disk refuses.
    """
    with refusals("The catalog was not opened"):
        found = path.is_file() if read_only else path.parent.is_dir()
    if not found:
        raise UnknownName("There is no catalog here yet.", got=str(path), do="run `heptad init`")
    if not read_only:
        with refusals("The catalog was not opened"):
            _keep_private(path)
    uri = f"{path.as_uri()}?mode={'ro' if read_only else 'rwc'}"

    def connect() -> sqlite3.Connection:
        # isolation_level None: pysqlite's own BEGIN comes late, and not at all before DDL.
        connection = sqlite3.connect(
            uri, uri=True, timeout=BUSY_S, isolation_level=None, check_same_thread=False
        )
        try:
            for name, value in PRAGMAS.items():
                settle(connection, name, value, path)
            for name, value in (WRITER if writes else READER).items():
                settle(connection, name, value, path)
        except BaseException:
            connection.close()
            raise
        return connection

    pool: dict[str, Any] = (
        {"poolclass": StaticPool} if writes else {"poolclass": QueuePool, "pool_size": READERS}
    )
    engine = create_engine("sqlite://", creator=connect, **pool)

    event.listen(engine, "before_cursor_execute", _let_pass)
    event.listen(engine, "do_executemany", _inserted_together)

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _keep_private(path: Path) -> None:
    """Make the file, or keep other accounts out of one that is there: it holds hashes of passwords.

    What SQLite lays beside a file has the mode of the file.
    """
    if not path.exists():
        path.touch(mode=0o600)
    for beside in ("", "-wal", "-shm"):
        with suppress(FileNotFoundError):
            keep_private(path.with_name(path.name + beside), 0o600)


def settle(connection: sqlite3.Connection, name: str, value: str | int, path: Path) -> None:
    """Set a pragma and read it back.

    SQLite waits for nobody when a new file is to have a write-ahead log, so that is tried again.

    Raises:
        Corrupt: if SQLite does not take the setting here.
    """
    until = time.monotonic() + BUSY_S
    while True:
        try:
            connection.execute(f"PRAGMA {name}={value}")
            break
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                raise
            time.sleep(0.01)
    answer = connection.execute(f"PRAGMA {name}").fetchone()
    if answer is None or answer[0] != value:
        raise Corrupt(
            f"SQLite cannot keep {name}={value} here, so the catalog would not be durable.",
            got=f"{name}={answer[0] if answer else 'no answer'}",
            do="move the project to a local disk, or keep the catalog in PostgreSQL",
            place=str(path),
        )


def postgresql(url: str) -> Engine:
    """Make the engine of a PostgreSQL catalog; sessions wait for the disk at each commit.

    Raises:
        InputError: if the driver is not installed.
    """
    try:
        engine = create_engine(
            url,
            pool_size=READERS,
            pool_pre_ping=True,
            connect_args={"connect_timeout": CONNECT_S},
        )
    except ModuleNotFoundError as error:
        raise InputError(
            "A catalog in PostgreSQL needs its driver.",
            got=error.name,
            do='pip install "heptad[postgres]"',
        ) from error

    event.listen(engine, "before_cursor_execute", _let_pass)

    @event.listens_for(engine, "connect")
    def settle_session(connection: Any, _record: object) -> None:
        connection.autocommit = True
        for name, value in SESSION.items():
            connection.execute(f"SET {name} = '{value}'")
        connection.autocommit = False

    return engine


def _let_pass(*_: object) -> None:
    """Let callers pass before a statement of work in the background."""
    pass_by()


def _inserted_together(
    cursor: sqlite3.Cursor, statement: str, rows: Sequence[Sequence[Any]], _context: object
) -> bool:
    """Insert many rows by few statements; whether this was such a statement.

    The driver lets other threads go on at each row, and waits for its turn again after each.
    """
    if (found := _VALUES.fullmatch(statement)) is None:
        return False
    start, values, end = found.groups()
    left, at = len(rows), iter(rows)
    while left:
        # Powers of two, so that few different statements are prepared and kept.
        n = min(TOGETHER, 1 << (left.bit_length() - 1))
        pass_by()
        cursor.execute(
            start + ", ".join([values] * n) + end, list(chain.from_iterable(islice(at, n)))
        )
        left -= n
    return True
