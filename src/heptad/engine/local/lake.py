# SPDX-License-Identifier: Apache-2.0
"""Delta tables on this machine's disk: staged, committed durably, read at any version."""

from __future__ import annotations

import itertools
import re
import shutil
import threading
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from heptad.engine.local import compaction, recovery, retention
from heptad.engine.local.commits import DeltaLog
from heptad.engine.local.disk import digest, refusals, sync
from heptad.engine.local.intact import Intact
from heptad.engine.local.relations import relation_of
from heptad.engine.local.staging import place
from heptad.standards.errors import ContractError, Corrupt, UnknownName, suggest
from heptad.standards.time import SystemClock

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from pathlib import Path

    from heptad.engine.local.commits import LakeFile
    from heptad.standards.fields import Column
    from heptad.standards.tables import Table
    from heptad.standards.time import Clock

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,62}")


class Lake:
    """The tables of one project. One process writes; its threads may read and write at once.

    Args:
        folder: where the tables lie, one folder each.
        clock: tells the instant that log entries carry.
        retention_days: how long other Delta engines must leave the log and replaced files
            alone; here nothing is ever removed but by `retain`.

    Attributes:
        awaited: called with a table's name before its last version is told, so that what waits
            to be stored in it is there.
    """

    def __init__(
        self, folder: Path, *, clock: Clock | None = None, retention_days: int = 3650
    ) -> None:
        self.folder = folder
        self._clock = clock or SystemClock()
        kept = f"interval {retention_days} days"
        self._properties = {
            "delta.logRetentionDuration": kept,
            "delta.deletedFileRetentionDuration": kept,
            "delta.enableDeletionVectors": "false",
            "delta.enableExpiredLogCleanup": "false",
        }
        self._logs: dict[str, DeltaLog] = {}
        self._writing: defaultdict[str, threading.RLock] = defaultdict(threading.RLock)
        self._opening = threading.Lock()
        self._stages = itertools.count(1)
        self._unborn: set[str] = set()
        self._intact = Intact()
        self.awaited: Callable[[str], None] = lambda _table: None

    def names(self) -> list[str]:
        """Return the names of the tables, sorted."""
        if not self.folder.is_dir():
            return []
        found = [path.name for path in self.folder.iterdir() if _NAME.fullmatch(path.name)]
        return sorted(name for name in found if self.exists(name))

    def exists(self, name: str) -> bool:
        """Whether the table has been created."""
        return name not in self._unborn and recovery.entry(self._place(name), 0).is_file()

    def version(self, name: str) -> int:
        """Return the last acknowledged version."""
        self.awaited(name)
        return self._log(name).version

    def stored(self, name: str) -> int:
        """Return the last version that is stored, whatever still waits to be."""
        return self._log(name).version

    def schema(self, name: str, version: int | None = None) -> tuple[Column, ...]:
        """Return the columns that the stored table had at a version."""
        return self._log(name).columns(version)

    def files(self, name: str, version: int | None = None) -> list[LakeFile]:
        """Return the files of a version, by path.

        Raises:
            UnknownName: if there is no such version, or `retain` has given it up.
        """
        log = self._log(name)
        if version is None or version > log.version:
            self.awaited(name)
        return self._files(name, version)

    def create(self, table: type[Table]) -> int:
        """Create the table, durable at return; one that exists with the same columns stays.

        Returns:
            The table's version.

        Raises:
            ContractError: if it exists with other columns.
            Busy: if the disk refused.
        """
        name, columns = table.__name__, table.columns()
        with self._writing[name]:
            folder = self._place(name)
            with refusals(f"{name} was not created"):
                # After a refusal what was written is written again: it may not be on the disk.
                if name in self._unborn or recovery.is_stillborn(folder):
                    recovery.recover(folder, -1)
                    self._unborn.discard(name)
            if self.exists(name):
                self._same_columns(name, columns)
                return self._log(name).version
            self._unborn.add(name)
            with refusals(f"{name} was not created"):
                self.folder.mkdir(parents=True, exist_ok=True)
                sync(self.folder.parent)
            self._logs[name] = DeltaLog.create(folder, columns, self._properties, self._clock)
            self._unborn.discard(name)
            return 0

    def evolve(self, table: type[Table]) -> int:
        """Add the columns that the table has been given since it was created.

        Returns:
            The table's version.

        Raises:
            ContractError: if a column is new and not optional, is gone, or is of another kind.
            Busy: if the disk refused.
        """
        name = table.__name__
        with self._writing[name]:
            log = self._log(name)
            stored = {c.name: c for c in log.columns()}
            declared = {c.name: c for c in table.columns()}
            for column in stored.values():
                _check_kept(name, column, declared.get(column.name))
            added = [c for c in declared.values() if c.name not in stored]
            for column in added:
                if not column.optional:
                    raise ContractError(
                        f"{name}.{column.name} is new, so the stored rows have no value for it.",
                        got="a field that must be present",
                        do=f"declare {name}.{column.name} with optional=True",
                    )
            return log.add_columns(added) if added else log.version

    def stage(self, name: str) -> Path:
        """Return an empty folder in which new Parquet files of the table are to be written.

        An event table's files lie in it in folders `_month=YYYY-MM`, as DuckDB's
        `COPY … (PARTITION_BY (_month))` leaves them; a state table's lie flat.
        """
        folder = self._log(name).folder
        with refusals(f"{name} cannot be written"):
            while (stage := folder / f".stage-{next(self._stages)}").exists():
                continue
            stage.mkdir()
            return stage

    def commit(self, name: str, staged: Path, *, load: int, table: type[Table]) -> int:
        """Make the staged files part of the table, once per load, durable at return.

        Args:
            name: the table.
            staged: a folder from `stage`; it is gone afterwards, whatever happens.
            load: identity of the load; if it has landed before, nothing is added.
            table: what the columns must be.

        Returns:
            The version at which the load landed.

        Raises:
            ContractError: if a staged file does not have the table's columns.
            Busy: if the disk refused; nothing is stored unless a repeat says so.
            Conflict: if another process writes the table.
        """
        with self._writing[name]:
            log = self._log(name)
            try:
                landed = log.landed(load)
                if landed is not None:
                    return landed
                with refusals(f"{name} was not written"):
                    files = place(log.folder, staged, f"load-{load:08d}", table.columns())
                    self._intact.note(log.folder, files)
                return log.commit(files, load=load)
            finally:
                shutil.rmtree(staged, ignore_errors=True)

    def landed(self, name: str, load: int) -> int | None:
        """Return the version at which a load was committed, or None."""
        return self._log(name).landed(load)

    def relation(
        self,
        name: str,
        version: int | None = None,
        *,
        table: type[Table],
        months: tuple[str | None, str | None] = (None, None),
    ) -> str:
        """Return SQL text, in parentheses, that reads a version in DuckDB.

        It has the columns of `table`, in order; where the version has no such column they are
        NULL. Nothing is taken from the names of folders, so a project may lie anywhere.

        Args:
            name: the table.
            version: the version; None is the last.
            table: the columns wanted.
            months: first and last month (YYYY-MM) to read, each may be None; files of other
                months are not opened.

        Raises:
            UnknownName: if there is no such version, or `retain` has given it up.
            Corrupt: if one of its files is not what was stored: a flipped bit of Parquet may be
                read as another value without any error.
        """
        paths = self.paths(name, version, months=months)
        return relation_of(map(str, paths), table.columns())

    def paths(
        self,
        name: str,
        version: int | None = None,
        *,
        months: tuple[str | None, str | None] = (None, None),
    ) -> list[Path]:
        """Return where the files of a version lie, compared with their digests.

        Args:
            name: the table.
            version: the version; None is the last.
            months: as for `relation`.

        Raises:
            UnknownName: if there is no such version, or `retain` has given it up.
            Corrupt: if one of its files is not what was stored.
        """
        first, last = months
        files = [
            f
            for f in self.files(name, version)
            if (first is None or (f.partition or first) >= first)
            and (last is None or (f.partition or last) <= last)
        ]
        self._compare(name, files)
        folder = self._place(name)
        return [folder / f.path for f in files]

    def check(self, name: str, version: int | None = None) -> None:
        """Compare a version's files with their digests, each once in a process.

        Raises:
            Corrupt: if one is gone or not what was stored.
        """
        self._compare(name, self.files(name, version))

    def compact(
        self, name: str, *, small_bytes: int = 32 << 20, most_bytes: int = 256 << 20
    ) -> int:
        """Merge small files of the same month; the rows stay what they are, bit for bit.

        Older versions keep their files.

        Args:
            name: the table.
            small_bytes: files smaller than this are merged.
            most_bytes: a merged file holds at most about this much.

        Returns:
            The version; a new one if something was merged.

        Raises:
            Corrupt: if a file to be merged is damaged; nothing is changed.
            Busy: if the disk refused.
        """
        with self._writing[name]:
            log = self._log(name)
            log.settle()
            groups = compaction.groups(log.files(), small_bytes, most_bytes)
            if not groups:
                return log.version
            stage = self.stage(name)
            try:
                old = [file for group in groups for file in group]
                self._refuse_damaged(log, old)
                with refusals(f"{name} was not compacted"):
                    compaction.merge(log.folder, stage, groups, log.columns())
                    origin = f"merge-{log.version + 1:08d}"
                    new = place(log.folder, stage, origin, log.columns())
                    self._intact.note(log.folder, new)
                return log.commit(new, old)
            finally:
                shutil.rmtree(stage, ignore_errors=True)

    def checkpoint(self, name: str) -> int:
        """Write a checkpoint, from which the log is read faster; return its version."""
        with self._writing[name]:
            return self._log(name).checkpoint()

    def retain(
        self, name: str, keep_versions: int, pinned: Collection[int] = ()
    ) -> retention.Released:
        """Give up old versions and remove the files that only they need.

        Args:
            name: the table.
            keep_versions: how many of the newest versions stay readable, at least 1.
            pinned: older versions that stay readable too, such as those of kept decisions.

        Raises:
            Busy: if the disk refused; what is to be given up is recorded before anything is
                removed, so that it can be run again.
        """
        with self._writing[name]:
            log = self._log(name)
            log.settle()
            with refusals(f"Old versions of {name} were not removed"):
                return retention.release(log, keep_versions, pinned)

    def recover(self, name: str, durable_version: int) -> int:
        """Bring the table back to what was acknowledged; to be called when a project is opened.

        Args:
            name: the table.
            durable_version: the last version recorded as acknowledged; -1 if none is.

        Returns:
            The last version there is: `durable_version`, or more if a commit was whole on disk
            though nobody was told; -1 if the table does not exist.

        Raises:
            Corrupt: if something acknowledged is missing or damaged.
            Busy: if the disk refused.
        """
        with self._writing[name]:
            self._logs.pop(name, None)
            folder = self._place(name)
            with refusals(f"{name} could not be recovered"):
                recovery.clear_stages(folder)
                last = recovery.recover(folder, durable_version)
            if last >= 0:
                lost = recovery.missing(folder, [(f.path, f.size) for f in self._files(name)])
                if lost:
                    raise _damaged(name, lost)
            return last

    def damaged(self, name: str, version: int | None = None) -> list[LakeFile]:
        """Return the files of a version whose bytes are not those that were committed."""
        folder = self._place(name)
        with ThreadPoolExecutor(2) as pool:
            files = self.files(name, version)
            found = pool.map(lambda f: not _is_intact(folder, f), files)
            return [f for f, bad in zip(files, found, strict=True) if bad]

    def entry_digest(self, name: str, version: int) -> str:
        """Return the SHA-256 of the log entry that made a version, for the catalog to keep."""
        self._log(name)
        try:
            return digest(recovery.entry(self._place(name), version))
        except OSError as error:
            raise UnknownName(f"{name} has no version {version}.", got=version) from error

    def _files(self, name: str, version: int | None = None) -> list[LakeFile]:
        """Return the files of a version as it is stored now."""
        log = self._log(name)
        retention.check(log.folder, log.version if version is None else version)
        return list(log.files(version))

    def _place(self, name: str) -> Path:
        """Return the table's folder."""
        if not _NAME.fullmatch(name):
            raise UnknownName("A table's name is letters, digits and _.", got=name)
        return self.folder / name

    def _log(self, name: str) -> DeltaLog:
        """Return the table's log, opened once."""
        with self._opening:
            if name not in self._logs:
                if not self.exists(name):
                    raise UnknownName(
                        f"{name} has no stored rows yet.", got=name, do=suggest(name, self.names())
                    )
                self._logs[name] = DeltaLog(self._place(name), self._clock)
            return self._logs[name]

    def _same_columns(self, name: str, columns: Sequence[Column]) -> None:
        stored = {(c.name, c.kind) for c in self.schema(name)}
        if other := sorted({(c.name, c.kind) for c in columns} ^ stored):
            raise ContractError(
                f"{name} is stored with other columns.",
                got=", ".join(f"{column} ({kind})" for column, kind in other),
                do="run `heptad load`, which says what has changed and what to do",
            )

    def _compare(self, name: str, files: Sequence[LakeFile]) -> None:
        if bad := self._intact.damaged(self._place(name), files):
            raise _damaged(name, bad)

    def _refuse_damaged(self, log: DeltaLog, files: Sequence[LakeFile]) -> None:
        bad = [f.path for f in files if not _is_intact(log.folder, f)]
        if bad:
            raise _damaged(log.name, bad)


def _is_intact(folder: Path, file: LakeFile) -> bool:
    try:
        return digest(folder / file.path) == file.sha256
    except OSError:
        return False


def _check_kept(name: str, stored: Column, declared: Column | None) -> None:
    """Refuse a declaration under which stored values could not be read."""
    if declared is None:
        raise ContractError(
            f"{name}.{stored.name} is stored but no longer declared.",
            do=f"declare {name}.{stored.name} with optional=True",
        )
    if declared.kind != stored.kind:
        raise ContractError(
            f"{name}.{stored.name} is stored as {stored.kind} and cannot become {declared.kind}.",
            got=declared.kind,
            do="give the field a new name",
        )


def _damaged(name: str, paths: Sequence[str]) -> Corrupt:
    more = f" and {len(paths) - 1} more" if len(paths) > 1 else ""
    return Corrupt(
        f"A file of {name} is missing or damaged.",
        got=paths[0] + more,
        do="restore it from a backup; `heptad doctor --scrub` lists what is damaged",
    )
