# SPDX-License-Identifier: Apache-2.0
"""The bytes of a log segment: how groups of records are framed, checked and told from damage.

A segment is a file header and then groups. A group is what one append wrote; it counts whole or
not at all. All numbers are little-endian, every checksum is a CRC-32 seeded with the file's salt,
and no byte is left uncovered::

    file   magic 8s | first record u64 | salt u32 | crc u32 of the 20 bytes before
    group  mark 4s | records u32 | first record u64 | payload bytes u64 | seal bytes u32 | crc u32
           length u32 of each record | crc u32 of each record
           the records, end to end | the seal
           records u32 | crc u32 of the whole group before it

The salt makes a group that was copied into a record, or in from another file, fail its checksum.
"""

from __future__ import annotations

from array import array
from struct import Struct, pack, unpack_from
from typing import TYPE_CHECKING, Final, NamedTuple
from zlib import crc32

from heptad.standards.errors import ContractError, Corrupt

if TYPE_CHECKING:
    from collections.abc import Sequence

FILE_MAGIC: Final = b"HEPSEG\x001"
GROUP_MARK: Final = b"\xabGR\x01"
_FILE = Struct("<8sQII")
_GROUP = Struct("<4sIQQII")
_TRAILER = Struct("<II")
FILE_HEADER_BYTES: Final = _FILE.size
GROUP_HEADER_BYTES: Final = _GROUP.size
_LONGEST: Final = 1 << 30
CURE: Final = "restore the log from a backup, then compare it with a kept checkpoint."


class Group(NamedTuple):
    """One append as read back: its first record's number, its records and its seal."""

    first: int
    records: list[bytes]
    seal: bytes

    @property
    def stop(self) -> int:
        """The number after its last record."""
        return self.first + len(self.records)


class Shape(NamedTuple):
    """Where the parts of one group lie: its size in records, and byte positions in the file."""

    first: int
    size: int
    table: int
    payload: int
    seal: int
    end: int


class Scan(NamedTuple):
    """What a pass over one segment found.

    Attributes:
        positions: byte position of each whole group.
        firsts: number of the first record of each whole group.
        end: byte position after the last whole group.
        stop: number after the last whole group's last record.
    """

    positions: array[int]
    firsts: array[int]
    end: int
    stop: int


def file_header(first: int, salt: int) -> bytes:
    """The header of a segment whose first record has number `first`."""
    head = pack("<8sQI", FILE_MAGIC, first, salt)
    return head + pack("<I", crc32(head))


def read_file_header(data: bytes, first: int) -> int | None:
    """The salt of a segment that begins at record `first`, or None if the header is damaged."""
    if len(data) < FILE_HEADER_BYTES:
        return None
    magic, named, salt, check = _FILE.unpack_from(data)
    good = (magic, named, check) == (FILE_MAGIC, first, crc32(data[: FILE_HEADER_BYTES - 4]))
    return int(salt) if good else None


def group_bytes(records: Sequence[bytes], seal: bytes, first: int, salt: int) -> bytes:
    """Frame records and their seal as one group.

    Raises:
        ContractError: if there is no record, or they are longer than 1 GiB together.
    """
    lengths = [len(record) for record in records]
    count = len(lengths)
    if not count or sum(lengths) + 8 * count + len(seal) > _LONGEST:
        raise ContractError(
            "One append to the log takes at least one record and at most 1 GiB.",
            got=f"{count} records, {sum(lengths)} bytes",
        )
    head = pack("<4sIQQI", GROUP_MARK, count, first, sum(lengths), len(seal))
    checks = [crc32(record, salt) for record in records]
    body = b"".join(
        (
            head,
            pack(f"<{2 * count + 1}I", crc32(head, salt), *lengths, *checks),
            *records,
            seal,
            pack("<I", count),
        )
    )
    return body + pack("<I", crc32(body, salt))


def group_shape(data: bytes, at: int, salt: int, base: int = 0) -> Shape | None:
    """Read a group's header; None if it is damaged or cut.

    Args:
        data: bytes of the file from position `base` on.
        at: position of the group within `data`.
        salt: of the file.
        base: position in the file at which `data` begins.
    """
    if len(data) < at + GROUP_HEADER_BYTES:
        return None
    mark, count, first, payload, seal, check = _GROUP.unpack_from(data, at)
    if mark != GROUP_MARK or check != crc32(data[at : at + GROUP_HEADER_BYTES - 4], salt):
        return None
    table = base + at + GROUP_HEADER_BYTES
    start = table + 8 * count
    end = start + payload + seal + _TRAILER.size
    return Shape(first, count, table, start, start + payload, end)


def whole_group(data: bytes, at: int, salt: int) -> Shape | None:
    """The shape of the group at `at` if every byte of it is as written, else None."""
    if len(data) < at + GROUP_HEADER_BYTES:
        return None
    mark, count, first, payload, seal, _ = _GROUP.unpack_from(data, at)
    table = at + GROUP_HEADER_BYTES
    start = table + 8 * count
    end = start + payload + seal + _TRAILER.size
    if mark != GROUP_MARK or not count or end > len(data):
        return None
    again, check = _TRAILER.unpack_from(data, end - _TRAILER.size)
    if again != count or check != crc32(memoryview(data)[at : end - 4], salt):
        return None
    return Shape(first, count, table, start, start + payload, end)


def lengths_of(data: bytes, shape: Shape, base: int = 0) -> tuple[int, ...]:
    """Lengths of a group's records in bytes; `data` begins at position `base` of the file."""
    return unpack_from(f"<{shape.size}I", data, shape.table - base)


def read_group(data: bytes, shape: Shape) -> Group | None:
    """Cut a group that was found whole into its records and its seal.

    Returns:
        The group; None if its lengths leave bytes uncovered, which no append of ours does.
    """
    records, at = [], shape.payload
    for length in lengths_of(data, shape):
        records.append(data[at : at + length])
        at += length
    if at != shape.seal:
        return None
    return Group(shape.first, records, data[shape.seal : shape.end - _TRAILER.size])


def scan(data: bytes, first: int, salt: int) -> Scan:
    """Walk over a segment's whole groups, in order, up to the first that is not."""
    positions, firsts, at, number = array("Q"), array("Q"), FILE_HEADER_BYTES, first
    while (shape := whole_group(data, at, salt)) is not None and shape.first == number:
        positions.append(at)
        firsts.append(number)
        at, number = shape.end, number + shape.size
    return Scan(positions, firsts, at, number)


def checked(data: bytes, first: int, *, kept: int, last: bool, place: str = "") -> Scan | None:
    """Walk over a segment and tell damage from an append that power loss cut short.

    What lies behind the last whole group is a torn append only if it is in the last segment, was
    never acknowledged, and no whole group follows it. A file header is written together with the
    first group, so a damaged one means that nothing in the file was acknowledged, or damage.

    Args:
        data: bytes of the file.
        first: number of its first record, as its name says.
        kept: records that are known to have been acknowledged.
        last: whether no later segment exists.
        place: name of the file, for the message.

    Returns:
        The whole groups; None if not even the file's header was completed.

    Raises:
        Corrupt: naming the first record that is damaged or missing.
    """
    salt = read_file_header(data, first)
    if salt is None:
        if not last or first < kept:
            raise damaged(first, max(kept, first + 1), place)
        return None
    found = scan(data, first, salt)
    torn = last and found.stop >= kept and not _later_group(data, found.end, found.stop, salt)
    if (found.end < len(data) or found.stop == first) and not torn:
        entry = first_damaged(data, found.end, found.stop, salt)
        raise damaged(entry, max(kept, entry + 1), place)
    return found


def damaged(entry: int, total: int, place: str) -> Corrupt:
    """The error for a record that is not as it was written."""
    return Corrupt(f"The log is damaged at entry {entry} of {total}.", place=place, do=CURE)


def missing(entry: int, total: int, place: str) -> Corrupt:
    """The error for acknowledged records that are not there."""
    return Corrupt(
        f"The log ends before entry {entry} of {total}: acknowledged entries are missing.",
        place=place,
        do=CURE,
    )


def first_damaged(data: bytes, at: int, first: int, salt: int) -> int:
    """The first damaged record of the group at `at`, which should begin with record `first`."""
    shape = group_shape(data, at, salt)
    if shape is None or shape.first != first or shape.end > len(data):
        return first
    checks = unpack_from(f"<{shape.size}I", data, shape.table + 4 * shape.size)
    at = shape.payload
    for number, length in enumerate(lengths_of(data, shape)):
        if crc32(data[at : at + length], salt) != checks[number]:
            return shape.first + number
        at += length
    return shape.first


def _later_group(data: bytes, at: int, first: int, salt: int) -> bool:
    """Whether a whole group of a record at or after `first` lies behind position `at`."""
    while (at := data.find(GROUP_MARK, at + 1)) >= 0:
        shape = whole_group(data, at, salt)
        if shape is not None and shape.first >= first:
            return True
    return False
