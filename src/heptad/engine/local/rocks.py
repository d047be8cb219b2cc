# SPDX-License-Identifier: Apache-2.0
"""RocksDB as the row store opens it: its options, and what it raises as errors with a cure."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from rocksdict import AccessType, DBRecoveryMode, Options, Rdict

from heptad.engine.local.mark import make_folder
from heptad.engine.local.torn import opened
from heptad.standards.errors import Busy, Corrupt, HeptadError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def open_rocks(folder: Path, *, read_only: bool) -> Rdict:
    """Open the store of a folder, which is made if need be.

    Raises:
        Busy: if another process has it open for writing, or the disk refuses.
        Corrupt: if its files are damaged.
    """
    access = AccessType.read_only() if read_only else AccessType.read_write()
    with refusals():
        if not read_only:
            make_folder(folder)
        return opened(
            folder,
            lambda: Rdict(str(folder), _options(), access_type=access),
            mend=not read_only,
        )


@contextmanager
def refusals() -> Iterator[None]:
    """Turn what RocksDB raises into errors that name the cure."""
    try:
        yield
    except HeptadError:
        raise
    except Exception as error:
        raise _explained(str(error)) from error


def _explained(said: str) -> HeptadError:
    if "Corruption" in said or "checksum" in said:
        return Corrupt(
            "The row store is damaged.",
            got=said,
            do="restore rows/ from a backup, or remove it and build it again from the tables",
        )
    if "lock" in said.lower():
        return Busy(
            "Another process owns the row store.",
            got=said,
            do="let it answer (`heptad serve` does), or stop it",
        )
    return Busy(
        "The row store cannot be used.",
        got=said,
        do="check the disk and its free space (`heptad doctor`), then run it again",
    )


def _options() -> Options:
    """Return RocksDB's options: a flipped bit in its log is an error, a torn tail is not."""
    options = Options(raw_mode=True)
    options.set_wal_recovery_mode(DBRecoveryMode.tolerate_corrupted_tail_records())
    options.set_paranoid_checks(True)
    options.set_keep_log_file_num(4)
    return options
