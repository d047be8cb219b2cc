# SPDX-License-Identifier: Apache-2.0
"""One file of the log: opening it, reading records and groups from it, checking every byte."""

from __future__ import annotations

import os
from array import array
from bisect import bisect_left, bisect_right
from contextlib import suppress
from dataclasses import dataclass
from struct import Struct, pack, unpack_from
from typing import TYPE_CHECKING, Final
from zlib import crc32

from heptad.engine.local.frames import (
    FILE_HEADER_BYTES,
    GROUP_HEADER_BYTES,
    Group,
    Scan,
    checked,
    damaged,
    first_damaged,
    group_shape,
    lengths_of,
    read_file_header,
    read_group,
    whole_group,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_BLOCK: Final = 1 << 20
_OFFSETS: Final = Struct("<8sQIIQ")
_OFFSETS_MAGIC: Final = b"HEPOFFS1"


def segment_name(first: int) -> str:
    """File name of the segment whose first record has number `first`."""
    return f"{first:020d}.seg"


@dataclass(slots=True)
class Segment:
    """One file of the log and where its groups begin.

    Attributes:
        path: of the file.
        first: number of its first record.
        salt: that seeds its checksums.
        size: bytes up to the end of its last whole group.
        stop: number after its last record.
        positions: byte position of each group.
        firsts: number of each group's first record.
        indexed: whether they were taken from its offsets file.
        torn: whether bytes lie behind its last whole group that are not zeros written ahead.
    """

    path: Path
    first: int
    salt: int
    size: int
    stop: int
    positions: array[int]
    firsts: array[int]
    indexed: bool = False
    torn: bool = False

    def add(self, size: int, records: int) -> None:
        """Take note of a group of `size` bytes that is durable now."""
        self.positions.append(self.size)
        self.firsts.append(self.stop)
        self.size += size
        self.stop += records

    def group_of(self, index: int) -> int:
        """Which group holds record `index`."""
        return bisect_right(self.firsts, index) - 1

    def read(self, index: int, total: int) -> bytes:
        """One record of the `total` in the log, checked by its own checksum."""
        group = self.group_of(index)
        start, first = self.positions[group], self.firsts[group]
        stop = self.firsts[group + 1] if group + 1 < len(self.firsts) else self.stop
        nth, count = index - first, stop - first
        fd = os.open(self.path, os.O_RDONLY)
        try:
            head = os.pread(fd, GROUP_HEADER_BYTES + 8 * count, start)
            shape = group_shape(head, 0, self.salt, start)
            if shape is None or (shape.first, shape.size) != (first, count):
                raise damaged(index, total, self.path.name)
            lengths = lengths_of(head, shape, start)
            record = os.pread(fd, lengths[nth], shape.payload + sum(lengths[:nth]))
        finally:
            os.close(fd)
        check = head[GROUP_HEADER_BYTES + 4 * (count + nth) :][:4]
        if crc32(record, self.salt) != int.from_bytes(check, "little"):
            raise damaged(index, total, self.path.name)
        return record

    def groups(self, start: int, total: int) -> Iterator[Group]:
        """Read groups from the one that holds record `start` on, checking every byte."""
        begin, count = max(self.group_of(start), 0), len(self.positions)
        with self.path.open("rb", buffering=0) as file:
            head = os.pread(file.fileno(), FILE_HEADER_BYTES, 0)
            if read_file_header(head, self.first) != self.salt:
                raise damaged(self.first, total, self.path.name)
            while begin < count:
                end = max(bisect_left(self.positions, self.positions[begin] + _BLOCK), begin + 1)
                limit = self.positions[end] if end < count else self.size
                data = os.pread(file.fileno(), limit - self.positions[begin], self.positions[begin])
                yield from self._block(data, range(begin, end), total)
                begin = end

    def _block(self, data: bytes, numbers: range, total: int) -> Iterator[Group]:
        base, at = self.positions[numbers.start], 0
        for number in numbers:
            first, shape = self.firsts[number], whole_group(data, at, self.salt)
            placed = shape is not None and (shape.first, at + base) == (
                first,
                self.positions[number],
            )
            group = read_group(data, shape) if shape is not None and placed else None
            if shape is None or group is None:
                raise damaged(first_damaged(data, at, first, self.salt), total, self.path.name)
            yield group
            at = shape.end


def open_segment(path: Path, first: int, *, kept: int, last: bool) -> Segment | None:
    """Read a segment and find its groups, by its offsets file where that agrees with the bytes.

    Args:
        path: of the segment.
        first: number that its first record must have.
        kept: records of the log that are known to have been acknowledged.
        last: whether it is the last segment, which alone may end in a torn append.

    Returns:
        The segment; None if it is nothing but the torn beginning of one.

    Raises:
        Corrupt: if a byte of it is not as it was written.
    """
    data = path.read_bytes()
    salt = read_file_header(data, first)
    stored = None if last or salt is None else stored_offsets(offsets_path(path), data)
    found = stored or checked(data, first, kept=kept, last=last, place=path.name)
    if found is None or salt is None or found.stop == first:
        return None
    return Segment(
        path,
        first,
        salt,
        size=found.end,
        stop=found.stop,
        positions=found.positions,
        firsts=found.firsts,
        indexed=stored is not None,
        torn=data.count(0, found.end) < len(data) - found.end,
    )


def offsets_path(path: Path) -> Path:
    """Where the offsets file of a segment lies."""
    return path.with_suffix(".idx")


def stored_offsets(path: Path, data: bytes) -> Scan | None:
    """The groups of a full segment as its offsets file tells them.

    Returns:
        None if there is no such file, or it is damaged, or `data`, the segment's bytes, are not
        those that it was made from.
    """
    try:
        body = path.read_bytes()
    except OSError:
        return None
    if len(body) < _OFFSETS.size + 4 or crc32(body[:-4]) != int.from_bytes(body[-4:], "little"):
        return None
    magic, size, check, count, stop = _OFFSETS.unpack_from(body)
    if (magic, size) != (_OFFSETS_MAGIC, len(data)) or check != crc32(data):
        return None
    if len(body) != _OFFSETS.size + 16 * count + 4:
        return None
    numbers = unpack_from(f"<{2 * count}Q", body, _OFFSETS.size)
    return Scan(array("Q", numbers[:count]), array("Q", numbers[count:]), size, stop)


def store_offsets(segment: Segment) -> bool:
    """Write the offsets file of a full segment.

    It is derived and checked at each use: a failure to write it is no failure of the log.

    Returns:
        Whether there was one before, which was wrong.
    """
    path, count = offsets_path(segment.path), len(segment.positions)
    wrong, data = path.exists(), segment.path.read_bytes()
    body = _OFFSETS.pack(_OFFSETS_MAGIC, len(data), crc32(data), count, segment.stop)
    body += pack(f"<{2 * count}Q", *segment.positions, *segment.firsts)
    try:
        path.write_bytes(body + pack("<I", crc32(body)))
    except OSError:
        with suppress(OSError):
            path.unlink()
    return wrong
