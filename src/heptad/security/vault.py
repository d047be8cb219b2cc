# SPDX-License-Identifier: Apache-2.0
"""The files of the key store: a KEK file and a database of wrapped keys that move epochs together."""

from __future__ import annotations

import os
import sqlite3
import threading
from contextlib import contextmanager
from itertools import chain
from typing import TYPE_CHECKING, Any

from heptad.security import envelope
from heptad.security.envelope import PUT_BACK, RESTORE, Kek
from heptad.security.lasting import confirm, log_of, settle_log
from heptad.standards.errors import Busy, Corrupt
from heptad.standards.locks import is_free

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from heptad.security.locks import Lock

_SCHEMA = """
CREATE TABLE state (id INTEGER PRIMARY KEY CHECK (id = 1), format INTEGER, epoch INTEGER);
CREATE TABLE secret (name TEXT PRIMARY KEY, epoch INTEGER NOT NULL, wrapped BLOB NOT NULL)
    WITHOUT ROWID;
CREATE TABLE subject (name TEXT PRIMARY KEY, epoch INTEGER NOT NULL, wrapped BLOB NOT NULL)
    WITHOUT ROWID;
CREATE TABLE erased (name TEXT PRIMARY KEY, destroyed_at INTEGER NOT NULL) WITHOUT ROWID;
INSERT INTO state VALUES (1, 1, 1);
"""
_PRAGMAS = {
    "journal_mode=WAL": "wal",
    "synchronous=FULL": 2,
    "secure_delete=ON": 1,
    "trusted_schema=OFF": 0,
    "journal_size_limit=16777216": 16_777_216,
}
_PASSING = tuple(
    f"SQLITE_{name}" for name in ("BUSY", "LOCKED", "FULL", "IOERR", "READONLY", "CANTOPEN")
)
"""SQLite's errors that say nothing about the content of the database."""

_SLICE = 32_768
_ASKED_AT_ONCE, _INSERTED_AT_ONCE = 4096, 512

Wrapping = tuple[str, bytes]


class Vault:
    """Wrapped keys by name in two tables, `subject` and `secret`, under one epoch's KEK.

    Opening makes the folder (0700; files 0600) if it is new, and finishes or undoes an
    interrupted change of epoch. All methods but `guarded` are called inside `guarded()`.

    Args:
        folder: of the database of wrapped keys.
        lock: closes the KEK for storage.
        home: folder of the KEK file, where it is another.

    Raises:
        Corrupt: if the files do not belong together, or one is damaged or missing.
        Refused: if the KEK file is locked and the passphrase is absent or wrong.
        Busy: if the disk does not keep what SQLite writes.
    """

    def __init__(self, folder: Path, lock: Lock, home: Path | None = None) -> None:
        self.folder, self.home, self._kept = folder, home or folder, lock
        self._lock = threading.RLock()
        self._database = folder / "subjects.sqlite"
        self._unsure = False
        with self.guarded():
            self._make_folder()
            with self._exclusive():
                self.db = self._connect()
                try:
                    self._settle()
                    self.kek = self._recover()
                except BaseException:
                    self.close()
                    raise
            self._seen = self.scalar("PRAGMA data_version")

    @property
    def free(self) -> bool:
        """Whether whoever comes now need not wait for another thread."""
        return is_free(self._lock)

    @contextmanager
    def guarded(self) -> Iterator[None]:
        """Let one thread in, and tell storage errors as the platform's own."""
        with self._lock:
            try:
                if self._unsure:
                    self._confirm()
                yield
            except OSError as error:
                raise _unavailable(error) from error
            except sqlite3.ProgrammingError:
                raise
            except sqlite3.DatabaseError as error:
                name = getattr(error, "sqlite_errorname", "")
                raise (
                    _unavailable(error) if name.startswith(_PASSING) else _unreadable()
                ) from error

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Change rows as one durable step."""
        self.db.execute("BEGIN IMMEDIATE")
        try:
            if self.scalar("SELECT epoch FROM state") != self.kek.epoch:
                raise _moved()
            yield
            self.db.execute("COMMIT")
        except BaseException:
            if self.db.in_transaction:
                self.db.execute("ROLLBACK")
            raise
        self._confirm()

    def _confirm(self) -> None:
        """Hear from the disk once more after a commit; until it answers, nothing else is."""
        self._unsure = True
        confirm(log_of(self._database))
        self._unsure = False

    def changed(self) -> bool:
        """Return whether another process has written since the last call; follow its epoch."""
        seen = self.scalar("PRAGMA data_version")
        if seen == self._seen:
            return False
        if self.scalar("SELECT epoch FROM state") != self.kek.epoch:
            with self._exclusive():
                self.kek = self._recover()
        self._seen = seen
        return True

    def scalar(self, sql: str) -> Any:
        """Return the first value of a statement's first row, or None."""
        row = self.db.execute(sql).fetchone()
        return None if row is None else row[0]

    def select(self, columns_from: str, names: list[str]) -> Iterator[list[tuple[Any, ...]]]:
        """Select rows by name, some thousands at a time and in order, so pages are read once."""
        wanted = sorted(names)
        for start in range(0, len(wanted), _ASKED_AT_ONCE):
            part = wanted[start : start + _ASKED_AT_ONCE]
            marks = ",".join("?" * len(part))
            sql = f"SELECT {columns_from} WHERE name IN ({marks})"
            yield self.db.execute(sql, part).fetchall()

    def read(self, table: str, names: list[str]) -> dict[str, bytes]:
        """Return the keys of those names that have one."""
        found: dict[str, bytes] = {}
        for rows in self.select(f"name, wrapped, epoch FROM {table}", names):
            if any(row[2] != self.kek.epoch for row in rows):
                raise _moved()
            keys = self.kek.unwrap([(f"{table}|{row[0]}", row[1]) for row in rows])
            found.update((row[0], key) for row, key in zip(rows, keys, strict=True))
        return found

    def make(self, table: str, names: list[str]) -> dict[str, bytes]:
        """Make a random key for each name that has none, in one transaction; return them all."""
        made: dict[str, bytes] = {}
        wanted, epoch, size = sorted(names), self.kek.epoch, envelope.KEY_BYTES
        before = self.db.total_changes
        with self.transaction():
            for start in range(0, len(wanted), _SLICE):
                part = wanted[start : start + _SLICE]
                block = os.urandom(size * len(part))
                keys = [block[i : i + size] for i in range(0, len(block), size)]
                labelled = [(f"{table}|{n}", key) for n, key in zip(part, keys, strict=True)]
                wrapped = self.kek.wrap(labelled)
                for at in range(0, len(part), _INSERTED_AT_ONCE):
                    here = slice(at, at + _INSERTED_AT_ONCE)
                    rows = zip(part[here], wrapped[here], strict=True)
                    marks = ",".join([f"(?,{epoch:d},?)"] * len(part[here]))
                    self.db.execute(
                        f"INSERT INTO {table} VALUES {marks} ON CONFLICT DO NOTHING",
                        list(chain.from_iterable(rows)),
                    )
                made.update(zip(part, keys, strict=True))
        if self.db.total_changes - before == len(made):
            return made
        return self.read(table, wanted)  # another process made some of them first

    def forget_log(self) -> bool:
        """Empty the write-ahead log, which still has pages as they were.

        Returns:
            Whether it is empty now; it is not while another process reads.
        """
        ((busy, _, _),) = self.db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        return not busy

    def purge(self) -> None:
        """Write the database anew, without the free space in which removed rows may still lie.

        Raises:
            Busy: if another process reads and so keeps the write-ahead log.
        """
        self.db.execute("VACUUM")
        if not self.forget_log():
            raise Busy(
                "Another process reads the key store, so its log cannot be emptied.",
                do="end it, and run the command again",
            )

    def renew(self) -> int:
        """Move every key to a new KEK and destroy the old one; return the new epoch.

        The KEK to come is durable beside the old one before the database moves, and the
        database's epoch says at each later opening which of the two is to stay.
        """
        with self._exclusive():
            self.kek = self._recover()
            fresh = Kek.fresh(self.kek.epoch + 1)
            self._kept.save(self.home / "kek.next", fresh)
            try:
                with self.transaction():
                    for table in ("secret", "subject"):
                        self._rewrap(table, fresh)
                    self.db.execute("UPDATE state SET epoch = ?", (fresh.epoch,))
            finally:
                self.kek = self._recover()
            self.forget_log()
            return self.kek.epoch

    def close(self) -> None:
        """Close the database, and let go of what the lock holds."""
        self.db.close()
        self._kept.close()

    def _rewrap(self, table: str, fresh: Kek) -> None:
        after = ""
        page = f"SELECT name, wrapped FROM {table} WHERE name > ? ORDER BY name LIMIT {_SLICE}"
        while rows := self.db.execute(page, (after,)).fetchall():
            labels = [f"{table}|{row[0]}" for row in rows]
            keys = self.kek.unwrap([(x, row[1]) for x, row in zip(labels, rows, strict=True)])
            blobs = fresh.wrap(list(zip(labels, keys, strict=True)))
            self.db.executemany(
                f"UPDATE {table} SET epoch = ?, wrapped = ? WHERE name = ?",
                ((fresh.epoch, blob, row[0]) for blob, row in zip(blobs, rows, strict=True)),
            )
            after = rows[-1][0]

    def _make_folder(self) -> None:
        for folder in (self.folder, self.home):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for path, mode in (
            (self.folder, 0o700),
            (self.home, 0o700),
            (self.home / "kek", 0o600),
        ):
            # A copy or a checkout may have opened them to others.
            if path.exists() and path.stat().st_mode & 0o077:
                path.chmod(mode)
        if not (self.home / "kek").exists():
            # An earlier making may have ended before the folders' own names were durable.
            for folder in (self.folder, self.home):
                envelope.sync_folder(folder.parent)

    def _exclusive(self) -> Any:
        """Keep others from recovering while the epoch moves."""
        return envelope.exclusive(self.folder / "lock")

    def _connect(self) -> sqlite3.Connection:
        path = self._database
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=30)
        try:
            for pragma, wanted in _PRAGMAS.items():
                db.execute(f"PRAGMA {pragma}").fetchall()
                # SQLite falls back without an error, so the value is read again.
                got = db.execute(f"PRAGMA {pragma.partition('=')[0]}").fetchone()[0]
                if got != wanted:
                    raise Busy(
                        f"The key store cannot be made durable: PRAGMA {pragma} did not hold.",
                        got=got,
                        do="put the project on a local disk that supports SQLite's WAL",
                    )
        except BaseException:
            db.close()
            raise
        return db

    def _settle(self) -> None:
        """Bring to the disk what a sync that failed, or never came, left in memory only."""
        self.db.execute("BEGIN IMMEDIATE")
        try:
            settle_log(self._database)
        finally:
            self.db.execute("ROLLBACK")

    def _recover(self) -> Kek:
        """Bring `kek`, `kek.next` and the database to one epoch, and return its key."""
        kek, following = self.home / "kek", self.home / "kek.next"
        for name in ("kek.tmp", "kek.next.tmp"):
            envelope.discard(self.home / name)
        epoch = self._stored_epoch()
        if following.exists():
            if envelope.epoch_of(following) == epoch:
                self._promote()
            elif envelope.epoch_of(kek) == epoch:
                envelope.discard(following)
        if not kek.exists():
            if epoch != 1 or not self._empty():
                raise Corrupt(
                    "The key file kek is missing.",
                    got=f"the key store is of epoch {epoch}",
                    do=f"{PUT_BACK}, and without it nothing sealed opens",
                    place=str(kek),
                )
            # The database comes first, so that a KEK without one is known to be a loss.
            self._kept.save(kek, Kek.fresh(1))
        found = self._kept.load(kek)
        if found.epoch != epoch:
            raise Corrupt(
                f"The key file is of epoch {found.epoch}, the key store of epoch {epoch}: "
                "one of them was rolled back.",
                do=_of_epoch(found.epoch, epoch),
                place=str(kek),
            )
        return found

    def _stored_epoch(self) -> int:
        """Return the database's epoch; make the tables if the folder is new."""
        if not self.scalar("SELECT count(*) FROM sqlite_schema"):
            if (self.home / "kek").exists() or (self.home / "kek.next").exists():
                raise _unreadable()
            self.db.executescript(f"BEGIN IMMEDIATE;{_SCHEMA}COMMIT;")
            envelope.sync_folder(self.folder)
        epoch = self.scalar("SELECT epoch FROM state")
        if not isinstance(epoch, int):
            raise _unreadable()
        return epoch

    def _empty(self) -> bool:
        held = "SELECT EXISTS (SELECT 1 FROM subject) OR EXISTS (SELECT 1 FROM secret)"
        return not self.scalar(held)

    def _promote(self) -> None:
        """Let `kek.next` take the place of `kek`, whose bytes are destroyed first."""
        self._kept.retire(self.home / "kek.next")
        envelope.overwrite(self.home / "kek")
        os.replace(self.home / "kek.next", self.home / "kek")  # noqa: PTH105 - see envelope
        envelope.sync_folder(self.home)


def _moved() -> Busy:
    return Busy("The keys have just moved to a new epoch.", do="try again")


def _unavailable(error: Exception) -> Busy:
    return Busy(
        "The key store cannot be read or written.",
        got=str(error),
        do="see that the disk has room and that the folder keys/ belongs to this account",
    )


def _unreadable() -> Corrupt:
    return Corrupt("The key store subjects.sqlite is missing or damaged.", do=RESTORE)


def _of_epoch(kek: int, store: int) -> str:
    """Return the cure of a KEK and a key store of two epochs."""
    if kek < store:
        return f"{PUT_BACK}; it must be of epoch {store}"
    return f"{RESTORE}; the file kek that lies here is newer than the key store"
