# SPDX-License-Identifier: Apache-2.0
"""The last write of the row store's log, where a loss of power has left single sectors of it.

RocksDB forgives a log that ends early, not one whose last record has holes: a write of several
sectors, none of them synced yet, of which a later one is on the disk and an earlier one is not. Such
a write was never acknowledged. A hole reads as zeros to the end of its sector, which tells it from a
flipped bit; that stays an error, unless the last record has a sector of zeros of its own. What is cut
is told. The log's form: RocksDB wiki, "Write Ahead Log File Format".
"""

from __future__ import annotations

import logging
import os
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_LOG = logging.getLogger("heptad.rows")
Store = TypeVar("Store")
_BLOCK, _SECTOR = 32_768, 512
_HEAD = struct.Struct("<IHB")
_FULL, _FIRST, _MIDDLE, _LAST = 1, 2, 3, 4
_FEW = 16
"""Zeros that a value may well end with: fewer are no hole."""


@dataclass(frozen=True)
class Cut:
    """What was cut off a log.

    Attributes:
        path: of the log.
        at: where it ends now.
        rest: the bytes that came after.
    """

    path: Path
    at: int
    rest: bytes

    def undo(self) -> None:
        """Put it back: it was not what kept the store from opening."""
        with self.path.open("r+b") as file:
            file.seek(self.at)
            file.write(self.rest)
            os.fsync(file.fileno())


def opened(folder: Path, make: Callable[[], Store], *, mend: bool) -> Store:
    """Open a store, without a last write that a loss of power has torn.

    Args:
        folder: of the RocksDB store.
        make: opens it.
        mend: whether something may be cut off.
    """
    try:
        return make()
    except Exception as error:
        cut = cut_torn(folder) if mend and "Corruption" in str(error) else None
        if cut is None:
            raise
    try:
        made = make()
    except BaseException:
        cut.undo()
        raise
    _LOG.warning(
        "the last write of the row store was torn, as a loss of power leaves one that was never"
        " acknowledged: %s bytes were cut off %s",
        len(cut.rest), cut.path,
    )  # fmt: skip
    return made


def cut_torn(folder: Path) -> Cut | None:
    """Cut the last write off the newest log if it has holes.

    Args:
        folder: of a RocksDB store that is not open.

    Returns:
        What was cut; None if nothing is torn.
    """
    logs = sorted(
        (p for p in folder.glob("*.log") if p.stem.isdigit() and p.stat().st_size),
        key=lambda p: int(p.stem),
    )
    if not logs:
        return None
    data = logs[-1].read_bytes()
    at = _last(data)
    if not _has_hole(data, at):
        return None
    with logs[-1].open("r+b") as file:
        file.truncate(at)
        os.fsync(file.fileno())
    return Cut(logs[-1], at, data[at:])


def _last(data: bytes) -> int:
    """Return where the last record of a log begins, as far as its fragments can be followed."""
    at = start = 0
    opened = False
    while at + _HEAD.size <= len(data):
        left = _BLOCK - at % _BLOCK
        if left < _HEAD.size:
            at += left
            continue
        _, length, kind = _HEAD.unpack_from(data, at)
        if not kind or length > left - _HEAD.size:
            # What begins here is no fragment: it belongs to a record that goes on, or is one.
            return start if opened else at
        if kind not in (_MIDDLE, _LAST):
            start = at
        opened = kind in (_FIRST, _MIDDLE)
        at += _HEAD.size + length
    return start


def _has_hole(data: bytes, start: int) -> bool:
    """Tell whether a sector, or the part of it from `start` on, has nothing but zeros."""
    at = start
    while at < len(data):
        end = min(len(data), at - at % _SECTOR + _SECTOR)
        if not any(data[at:end]) and (at == start or end - at >= _FEW):
            return True
        at = end
    return False
