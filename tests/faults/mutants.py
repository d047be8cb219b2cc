# SPDX-License-Identifier: Apache-2.0
"""Stores with a planted fault, to show that the harness finds what it is for."""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import store_work
from store_work import CatalogWork, JournalWork, LakeWork, LogWork, MarksWork, RowsWork

from heptad.engine.local import journal
from heptad.standards.errors import Busy

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from heptad.engine.local.segments import Segments


def warm() -> None:
    store_work.warm()


class LogThatDoesNotSync(LogWork):
    """Acknowledges what only the page cache holds."""

    @contextmanager
    def open(self, home: Path, told: dict[str, Any]) -> Iterator[Any]:
        with patch.object(os, "fdatasync", lambda _: None), super().open(home, told) as store:
            yield store


class LogThatTriesAgain(LogWork):
    """After a failed sync it syncs again, which says yes to nothing."""

    @contextmanager
    def open(self, home: Path, told: dict[str, Any]) -> Iterator[Any]:
        real = os.fdatasync

        def stubborn(descriptor: int) -> None:
            try:
                real(descriptor)
            except OSError:
                real(descriptor)

        with patch.object(os, "fdatasync", stubborn), super().open(home, told) as store:
            yield store


class JournalThatRemovesInPlace(JournalWork):
    """Removes the files of a generation one by one, under the name by which it is opened."""

    @contextmanager
    def open(self, home: Path, told: dict[str, Any]) -> Iterator[Any]:
        def rmtree(gone: Path) -> None:
            shutil.rmtree(gone.rename(gone.with_name(gone.name.removeprefix(journal._GONE))))

        with patch.object(journal, "_remove", rmtree), super().open(home, told) as store:
            yield store


class LogThatAppendsTwice(LogWork):
    """A client that takes an unknown outcome for a refusal."""

    @staticmethod
    def _append(log: Segments, name: str, size: int) -> list[int]:
        try:
            return LogWork._append(log, name, size)
        except Busy:
            log._broken = ""
            return list(log.append([f"{name} {i}|".encode() * 9 for i in range(size)]))


class LakeThatDoesNotSync(LakeWork):
    """Commits that are not durable when they are told."""

    @contextmanager
    def open(self, home: Path, told: dict[str, Any]) -> Iterator[Any]:
        with patch.object(os, "fsync", lambda _: None), super().open(home, told) as store:
            yield store


class CatalogThatSyncsNow_AndThen(CatalogWork):
    """SQLite as it is by default in WAL mode elsewhere: durable at checkpoints only."""

    @contextmanager
    def open(self, home: Path, told: dict[str, Any]) -> Iterator[Any]:
        from heptad.catalog import databases

        lax = {"synchronous": 1}
        with (
            patch.dict(databases.PRAGMAS, {k: v for k, v in lax.items() if k in databases.PRAGMAS}),
            patch.dict(databases.WRITER, {k: v for k, v in lax.items() if k in databases.WRITER}),
            super().open(home, told) as store,
        ):
            yield store


class CatalogThatTrustsItsLog(CatalogWork):
    """Takes what the system remembers of the log for what the disk holds."""

    @contextmanager
    def open(self, home: Path, told: dict[str, Any]) -> Iterator[Any]:
        with (
            patch("heptad.catalog.store.settle_log", lambda _: None),
            super().open(home, told) as store,
        ):
            yield store


class CatalogThatBelievesItsDisk(MarksWork):
    """Does not ask once more whether the file system lives."""

    @contextmanager
    def open(self, home: Path, told: dict[str, Any]) -> Iterator[Any]:
        with (
            patch("heptad.catalog.store.confirm", lambda _: None),
            super().open(home, told) as store,
        ):
            yield store


class RowsThatDoNotSync(RowsWork):
    """RocksDB as it is by default."""

    @contextmanager
    def open(self, home: Path, told: dict[str, Any]) -> Iterator[Any]:
        with super().open(home, told) as store:
            store._synced.sync = False
            yield store
