# SPDX-License-Identifier: Apache-2.0
"""The durable commit path of one Delta table: nothing is acknowledged that a power loss can take.

`deltalake` alone writes without a single fsync. Here the data files are durable before their
names enter the log, and the log entry is durable before the version is told to anyone.
"""

from __future__ import annotations

import json
import threading
from collections import OrderedDict
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from deltalake import DeltaTable
from deltalake.exceptions import CommitFailedError, DeltaError
from deltalake.transaction import (
    AddAction,
    CommitProperties,
    PostCommitHookProperties,
    RemoveAction,
    Transaction,
)

from heptad.engine.local.arrow import delta_columns, delta_schema
from heptad.engine.local.disk import digest, named_digest, refusals, sync, write_durably
from heptad.engine.local.recovery import (
    checkpoint_path,
    checkpoint_seal,
    drop_checkpoint,
    entry,
    recover,
)
from heptad.security.lasting import confirm
from heptad.standards.errors import Conflict, Corrupt, InputError, UnknownName

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from heptad.standards.fields import Column
    from heptad.standards.time import Clock

# A log read has to walk every entry after the last checkpoint, so reads and commits slow down
# by about 0.2 ms an entry; one checkpoint in ten stays, for reads of old versions.
_CHECKPOINT_EVERY = 20
_CHECKPOINT_KEPT = 200
_SNAPSHOTS = 16
_NO_HOOKS = PostCommitHookProperties(create_checkpoint=False, cleanup_expired_logs=False)


@dataclass(frozen=True, slots=True)
class LakeFile:
    """One Parquet file of a table's version.

    Attributes:
        path: relative to the table's folder.
        size: bytes.
        sha256: digest of the bytes, in hexadecimal.
        rows: number of rows.
        partition: the month as YYYY-MM, or None in a table without partitions.
    """

    path: str
    size: int
    sha256: str
    rows: int
    partition: str | None


class DeltaLog:
    """The commit log of one Delta table; one process writes it.

    Args:
        folder: the table's folder.
        clock: tells the instant that log entries carry.
    """

    def __init__(self, folder: Path, clock: Clock) -> None:
        self.folder = folder
        self.name = folder.name
        self._clock = clock
        self._lock = threading.RLock()
        self._snapshots: OrderedDict[int, tuple[LakeFile, ...]] = OrderedDict()
        self._unsure = False
        self._open()

    @classmethod
    def create(
        cls, folder: Path, columns: Sequence[Column], properties: dict[str, str], clock: Clock
    ) -> DeltaLog:
        """Create the table, durable at return.

        Raises:
            Busy: if the disk refused; the table does not exist then.
        """
        with _refusals(folder.name, "was not created"):
            folder.mkdir(parents=True, exist_ok=True)
            DeltaTable.create(
                _address(folder),
                delta_schema(columns),
                partition_by=[c.name for c in columns if c.name == "_month"],
                name=folder.name,
                configuration=properties,
                post_commithook_properties=_NO_HOOKS,
            )
            sync(entry(folder, 0))
            for place in (folder / "_delta_log", folder, folder.parent):
                sync(place)
        return cls(folder, clock)

    @property
    def version(self) -> int:
        """The last acknowledged version."""
        return self._version

    def columns(self, version: int | None = None) -> tuple[Column, ...]:
        """Return the columns that the table had at a version."""
        if version in (None, self._version):
            return self._columns
        return delta_columns(self._at(version or 0).schema())

    def files(self, version: int | None = None) -> tuple[LakeFile, ...]:
        """Return the files of a version, by path.

        Raises:
            UnknownName: if there is no such version.
        """
        with self._lock:
            wanted = self._version if version is None else version
            if wanted not in self._snapshots:
                table = self._table if wanted == self._version else self._at(wanted)
                self._remember(wanted, _active(table))
            self._snapshots.move_to_end(wanted)
            return self._snapshots[wanted]

    def landed(self, load: int) -> int | None:
        """Return the version at which a load was committed, or None."""
        with self._lock:
            self.settle()
            with _refusals(self.name, "could not be read"):
                found: int | None = self._table.transaction_version(_application(load))
            return found

    def commit(
        self, add: Sequence[LakeFile], remove: Sequence[LakeFile] = (), load: int | None = None
    ) -> int:
        """Commit files that already lie in the table's folder, durable with their folders.

        Args:
            add: files to name.
            remove: files to name no longer; they stay on disk for older versions.
            load: the load that brought them; None where rows only move between files.

        Returns:
            The new version, durable.

        Raises:
            Conflict: if another process committed to the table.
            Busy: if the disk refused; whether it happened is found out by the next call.
        """
        now = self._clock.now() // 1000
        moves = load is None
        actions: list[AddAction | RemoveAction] = [
            *(_added(file, now, data_change=not moves) for file in add),
            *(_removed(file, now, data_change=not moves) for file in remove),
        ]
        with self._lock:
            self.settle()
            if self._version - self._checkpointed >= _CHECKPOINT_EVERY:
                self.checkpoint()
            properties = CommitProperties(
                custom_metadata=None if moves else {"heptad.load": load},
                max_commit_retries=0,
                # One application id per load, so that a retry finds its own version even when
                # later loads have landed since.
                app_transactions=None
                if load is None
                else [Transaction(_application(load), self._version + 1)],
            )
            before = self.files()
            version = self._land(
                lambda: self._table.create_write_transaction(
                    actions,
                    mode="append",
                    schema=self._table.schema(),
                    partition_by=self._partitions,
                    commit_properties=properties,
                    post_commithook_properties=_NO_HOOKS,
                )
            )
            gone = {file.path for file in remove}
            kept = [file for file in before if file.path not in gone]
            self._remember(version, tuple(sorted([*kept, *add], key=lambda f: f.path)))
            return version

    def add_columns(self, columns: Sequence[Column]) -> int:
        """Add columns that older rows have no value for; return the new version, durable."""
        with self._lock:
            self.settle()
            files = self.files()
            version = self._land(
                lambda: self._table.alter.add_columns(
                    delta_schema(columns).fields, post_commithook_properties=_NO_HOOKS
                )
            )
            self._remember(version, files)
            return version

    def checkpoint(self) -> int:
        """Write a checkpoint of the present version, durable; nothing is removed from the log.

        A checkpoint is a cache: it counts only with the seal beside it, and a table without
        any reads the same.

        Raises:
            Busy: if the disk refused; the table is unharmed.
        """
        with self._lock:
            self.settle()
            version, previous = self._version, self._checkpointed
            if version == previous:
                return version
            path = checkpoint_path(self.folder, version)
            with _refusals(self.name, "got no checkpoint"):
                try:
                    self._table.create_checkpoint()
                    sync(path)
                    sync(path.parent / "_last_checkpoint")
                    write_durably(checkpoint_seal(path), digest(path).encode())
                except BaseException:
                    drop_checkpoint(path)
                    raise
                self._thin_checkpoints(previous)
            self._open()
            return version

    def settle(self) -> None:
        """Find out what became of a commit whose outcome is unknown, if there is one."""
        with self._lock:
            if self._unsure:
                with _refusals(self.name, "could not be read again"):
                    recover(self.folder, self._version)
                self._open()
                self._unsure = False

    def _open(self) -> None:
        """Read the log from disk."""
        self._table = _table(self.folder)
        self._version: int = self._table.version()
        self._columns = delta_columns(self._table.schema())
        self._partitions: list[str] = self._table.metadata().partition_columns
        self._checkpointed = max(self._checkpoints(), default=0)
        for version in [v for v in self._snapshots if v > self._version]:
            del self._snapshots[version]

    def _thin_checkpoints(self, previous: int) -> None:
        """Drop the checkpoint before the newest unless it is the first of its stretch."""
        stretch = previous // _CHECKPOINT_KEPT
        kept = [v for v in self._checkpoints() if v < previous and v // _CHECKPOINT_KEPT == stretch]
        if previous and kept:
            drop_checkpoint(checkpoint_path(self.folder, previous))

    def _checkpoints(self) -> list[int]:
        """Return the versions that have a checkpoint."""
        return [int(p.name[:20]) for p in self.folder.glob("_delta_log/*.checkpoint.parquet")]

    def _land(self, write: Callable[[], Any]) -> int:
        """Let `write` add one entry to the log, make it durable, then tell its version."""
        version = self._version + 1
        self._unsure = True
        with _refusals(self.name, "was not written"):
            write()
            sync(entry(self.folder, version))
            sync(self.folder / "_delta_log")
            confirm(entry(self.folder, version))
            self._table.update_incremental()
        self._columns = delta_columns(self._table.schema())
        self._version = version
        self._unsure = False
        return version

    def _at(self, version: int) -> DeltaTable:
        """Open an older version."""
        if not 0 <= version <= self._version:
            raise UnknownName(
                f"{self.name} has no version {version}.",
                got=version,
                do=f"use a version from 0 to {self._version}",
            )
        return _table(self.folder, version)

    def _remember(self, version: int, files: tuple[LakeFile, ...]) -> None:
        """Keep a version's files in memory; the one read longest ago gives way."""
        self._snapshots[version] = files
        self._snapshots.move_to_end(version)
        while len(self._snapshots) > _SNAPSHOTS:
            self._snapshots.popitem(last=False)


@contextmanager
def _refusals(name: str, what: str) -> Iterator[None]:
    """Turn what the disk or the Delta writer refuses into errors that name the cure."""
    with refusals(f"{name} {what}"):
        try:
            yield
        except CommitFailedError as error:
            raise Conflict(
                f"Another process has written {name}.",
                got=str(error).partition("\n")[0],
                do="let only the process that owns the project write, then run it again",
            ) from error
        except DeltaError as error:
            raise OSError(str(error).partition("\n")[0]) from error


def _table(folder: Path, version: int | None = None) -> DeltaTable:
    """Open a Delta table as of a version.

    Raises:
        Corrupt: if its log cannot be read.
        Busy: if the disk refuses.
    """
    try:
        with refusals(f"{folder.name} could not be read"):
            return DeltaTable(_address(folder), version=version)
    except DeltaError as error:
        raise Corrupt(
            f"The log of {folder.name} cannot be read.",
            got=str(error).partition("\n")[0],
            do="run `heptad doctor`; if it cannot be mended, restore from a backup",
        ) from error


def _address(folder: Path) -> str:
    """Return the folder as a URI.

    Raises:
        InputError: if a % is in its path, which the Delta library would decode.
    """
    if "%" in str(folder.absolute()):
        raise InputError(
            "A project cannot lie in a folder with % in its path.",
            got=str(folder.absolute()),
            do="rename the folder",
        )
    return folder.absolute().as_uri()


def _active(table: DeltaTable) -> tuple[LakeFile, ...]:
    """Return the files that an open Delta table names."""
    actions = pa.table(table.get_add_actions(flatten=True))
    paths = actions["path"].to_pylist()
    months = (
        actions["partition._month"].to_pylist()
        if "partition._month" in actions.column_names
        else [None] * len(paths)
    )
    rows = zip(
        paths,
        actions["size_bytes"].to_pylist(),
        actions["num_records"].to_pylist(),
        months,
        strict=True,
    )
    return tuple(
        sorted(
            (LakeFile(p, size, named_digest(p), count, month) for p, size, count, month in rows),
            key=lambda f: f.path,
        )
    )


def _application(load: int) -> str:
    """Return the Delta transaction's application id of a load."""
    return f"heptad-load-{load}"


def _partition_values(file: LakeFile) -> dict[str, str | None]:
    return {} if file.partition is None else {"_month": file.partition}


def _added(file: LakeFile, now_ms: int, *, data_change: bool) -> AddAction:
    """Name a file in the log: rows are counted, values are not (they may be personal)."""
    stats = json.dumps({"numRecords": file.rows})
    return AddAction(file.path, file.size, _partition_values(file), now_ms, data_change, stats)


def _removed(file: LakeFile, now_ms: int, *, data_change: bool) -> RemoveAction:
    return RemoveAction(file.path, data_change, now_ms, file.size, _partition_values(file))
