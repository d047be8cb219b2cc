# SPDX-License-Identifier: Apache-2.0
"""The catalog's database: one durable writer, and readers beside it that never wait for it."""

from __future__ import annotations

import secrets
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from heptad.catalog import databases, upgrade
from heptad.catalog.faults import translated
from heptad.engine.local.disk import refusals
from heptad.security.lasting import confirm, log_of, settle_log, sync_log
from heptad.standards.errors import Busy, Conflict, Corrupt, Refused
from heptad.standards.time import SystemClock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from sqlalchemy import Connection, Engine

    from heptad.catalog.upgrade import Migration
    from heptad.standards.time import Clock


class Store:
    """A database that keeps what it acknowledged.

    A path or a `sqlite:///` URL is SQLite in WAL mode with a full sync at every commit; a
    `postgresql://` URL is PostgreSQL. Writes go through one connection, one at a time, from
    whatever thread; reads have connections of their own.

    Args:
        target: path of the SQLite file, or a URL.
        clock: tells the instants that are recorded.
        read_only: open beside the owner, without writing or upgrading.

    Attributes:
        commits: grows with every transaction of this process.

    Raises:
        Busy: if the database cannot be reached.
        Corrupt: if the file is damaged, or its disk cannot keep SQLite's promises.
        Conflict: if a newer Heptad wrote the catalog, or a read-only catalog needs an upgrade.
        UnknownName: if its folder, or the file that is only to be read, is not there.
    """

    def __init__(
        self, target: str | Path, *, clock: Clock | None = None, read_only: bool = False
    ) -> None:
        self.url, self.path = databases.located(target)
        self.read_only = read_only
        self.clock: Clock = clock or SystemClock()
        self.epoch = secrets.token_hex(8)
        self._lock = threading.RLock()
        self._open: Connection | None = None
        self._holder: int | None = None
        self._waiting: list[Callable[[], None]] = []
        self._unsure = False
        self.commits = 0
        if self.path is None:
            self._writer = databases.postgresql(self.url)
            self._reader: Engine = self._writer.execution_options(
                isolation_level="REPEATABLE READ", postgresql_readonly=True
            )
        else:
            self._reader = databases.sqlite(self.path, writes=False, read_only=read_only)
            self._writer = self._reader if read_only else databases.sqlite(self.path, writes=True)
        try:
            self._settle()
            self._upgrade()
        except BaseException:
            self.close()
            raise

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """Run statements in one transaction, durable when the block ends, undone if it raises.

        Blocks nest: an inner one is part of the outer, and undone alone if its error is caught.

        Raises:
            Refused: if the catalog is open for reading only.
        """
        if self.read_only:
            raise Refused(
                "The catalog is open for reading only.",
                do="run the command in the process that owns the project",
            )
        with self._lock, translated():
            if self._open is None:
                if self._unsure:
                    self._confirm()
                with self._outermost() as connection:
                    yield connection
            else:
                with self._open.begin_nested():
                    yield self._open

    @contextmanager
    def _outermost(self) -> Iterator[Connection]:
        """Hold the writer's connection for one transaction; then tell who waits for its commit."""
        self._waiting = []
        with self._writer.begin() as connection:
            self._open, self._holder = connection, threading.get_ident()
            try:
                yield connection
            finally:
                self._open = self._holder = None
        self.commits += 1
        self._confirm()
        for act in self._waiting:
            act()

    def _confirm(self) -> None:
        """Hear from the disk once more after a commit; until it answers, nothing else is.

        SQLite would show everybody the transaction that may be lost, and a repeated request
        would be told that all is well.
        """
        if self.path is None:
            return
        self._unsure = True
        try:
            confirm(log_of(self.path))
        except OSError as error:
            raise Busy(
                "The disk of the catalog has failed, and what was stored last may be lost.",
                got=error.strerror,
                do="see that the disk is healthy, then end this process and start it again",
                place=str(self.path),
            ) from error
        self._unsure = False

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Run queries on one consistent state; inside `write`, on what was written so far."""
        if self._open is not None and self.writing:
            yield self._open
            return
        if self._unsure:
            self._confirm()
        with translated(), self._reader.connect() as connection:
            yield connection

    @property
    def alone(self) -> bool:
        """Whether nobody else writes to this database, so that reads may be remembered."""
        return self.path is not None and not self.read_only

    @property
    def writing(self) -> bool:
        """Whether this thread is inside `write`."""
        return self._holder == threading.get_ident()

    def after_commit(self, act: Callable[[], None]) -> None:
        """Call `act` when the transaction that this thread is in has become durable."""
        self._waiting.append(act)

    def purge(self) -> None:
        """Write a SQLite file anew, so that nothing removed is left in it or in its log.

        PostgreSQL keeps removed values until its own VACUUM and archive let go of them.

        Raises:
            Busy: if a reader keeps the log.
        """
        if self.path is None:
            return
        with self._lock, translated(), self._writer.connect() as connection:
            raw = connection.connection.dbapi_connection
            raw.execute("VACUUM")  # type: ignore[union-attr]
            ((busy, _, _),) = raw.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()  # type: ignore[union-attr]
        if busy:
            raise Busy("A reader keeps the catalog's log.", do="run the command again")

    def close(self) -> None:
        """Let go of all connections."""
        self._reader.dispose()
        self._writer.dispose()

    def check(self) -> None:
        """Read the whole SQLite file and its references; PostgreSQL checks itself.

        Raises:
            Corrupt: if a page, an index or a reference is damaged.
        """
        if self.path is None:
            return
        with self.read() as connection:
            found = [row[0] for row in connection.exec_driver_sql("PRAGMA integrity_check")]
            lost = connection.exec_driver_sql("PRAGMA foreign_key_check").all()
        if found != ["ok"] or lost:
            raise Corrupt(
                "The catalog is damaged.",
                got="; ".join(map(str, [*found, *lost])),
                do="restore catalog.sqlite from a backup",
                place=str(self.path),
            )

    def _settle(self) -> None:
        """Bring to the disk what a killed process, or a failed sync, left in memory only."""
        if self.path is None:
            return
        with translated(), refusals("The catalog was not opened"):
            if self.read_only:
                sync_log(self.path)
                return
            with self._writer.begin():
                settle_log(self.path)

    def _upgrade(self) -> None:
        """Bring the tables to what this program expects, all of it or nothing."""
        with translated(), self._reader.connect() as connection:
            if upgrade.current(connection):
                return
            missing = upgrade.pending(connection)
        if self.read_only:
            raise Conflict(
                "The catalog waits for an upgrade, which the owner of the project makes.",
                got=", ".join(step.revision for step in missing),
                do="run any command that writes, for example `heptad load`",
            )
        with translated(), self._writer.begin() as connection:
            upgrade.apply(connection)


def pending(target: str | Path) -> list[Migration]:
    """List the migrations that opening a catalog would run; nothing is changed.

    Raises:
        Conflict: if a newer Heptad wrote the catalog.
    """
    url, path = databases.located(target)
    if path is not None and not path.exists():
        return upgrade.pending(None)
    engine = (
        databases.sqlite(path, writes=False, read_only=True) if path else databases.postgresql(url)
    )
    try:
        with translated(), engine.connect() as connection:
            return upgrade.pending(connection)
    finally:
        engine.dispose()
