# SPDX-License-Identifier: Apache-2.0
"""The page headers of a Parquet file: what each says that it unpacks to, before it is believed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, BinaryIO

if TYPE_CHECKING:
    from pathlib import Path

_WINDOWS = (1 << 9, 1 << 14, 1 << 20)
"""Bytes in which a header is looked for, one after the other: most are short."""
_SLACK = 1 << 20
"""Not every writer counts the same; what is beyond is no matter of counting."""
_DEEPEST = 8
_UNPACKED, _PACKED = 2, 3
"""Fields of a page header. Source: Apache Parquet Format 2.10, parquet.thrift, PageHeader."""
_KINDS = (5, 7, 8)
"""Data page, dictionary page, data page of the second version; in each, 1 is the values."""


def check_pages(path: Path, metadata: Any) -> None:
    """Refuse pages larger than the columns that they belong to.

    A reader allocates what a page header says, up to 2 GiB, and no checksum covers the header.

    Args:
        path: of the file.
        metadata: its footer, as pyarrow gives it; its own sizes have been looked at.

    Raises:
        ValueError: if a header cannot be read, or says more than its column has.
    """
    with path.open("rb") as stream:
        for number in range(metadata.num_row_groups):
            group = metadata.row_group(number)
            for n in range(group.num_columns):
                _check_column(stream, group.column(n))


def _check_column(stream: BinaryIO, chunk: Any) -> None:
    at = chunk.data_page_offset
    if chunk.has_dictionary_page and chunk.dictionary_page_offset:
        at = min(at, chunk.dictionary_page_offset)
    end, unpacked, values = at + chunk.total_compressed_size, 0, 0
    while at < end and values < chunk.num_values:
        header, size = _header(stream, at)
        kinds = [header[kind] for kind in _KINDS if isinstance(header.get(kind), dict)]
        counted = [_number(kind, 1) for kind in kinds]
        unpacked += _number(header, _UNPACKED)
        if unpacked > chunk.total_uncompressed_size + _SLACK:
            raise ValueError(f"a page of {chunk.path_in_schema} says that it is larger than all")
        if any(count > chunk.num_values + _SLACK for count in counted):
            raise ValueError(f"a page of {chunk.path_in_schema} says that it has more than all")
        values += sum(counted) if 7 not in header else 0
        at += size + _number(header, _PACKED)
        if at > end + _SLACK:
            raise ValueError(f"a page of {chunk.path_in_schema} says that it ends behind all")


def _number(header: dict[int, Any], field: int) -> int:
    value = header.get(field)
    if not isinstance(value, int) or value < 0:
        raise ValueError("a page header lacks a size")
    return value


def _header(stream: BinaryIO, at: int) -> tuple[dict[int, Any], int]:
    """Read the page header at a place; return it and its length."""
    for window in _WINDOWS:
        stream.seek(at)
        reader = _Compact(stream.read(window))
        try:
            return reader.struct(), reader.at
        except IndexError:
            continue
    raise ValueError("a page header has no end")


class _Compact:
    """Reads structs of numbers in Thrift's compact protocol; other values are skipped.

    Source: Apache Thrift, compact protocol specification.
    """

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def struct(self, depth: int = 0) -> dict[int, Any]:
        """Return numbers and structs by field.

        Raises:
            IndexError: if the data end too early.
            ValueError: if they are not such a struct.
        """
        if depth > _DEEPEST:
            raise ValueError("a page header is nested too deeply")
        found: dict[int, Any] = {}
        field = 0
        while (mark := self._byte()) != 0:
            field = field + (mark >> 4) if mark >> 4 else self._signed()
            found[field] = self._value(mark & 15, depth)
        return found

    def _value(self, kind: int, depth: int) -> Any:
        if kind in (1, 2):
            return None
        if kind == 3:
            return self._byte()
        if kind in (4, 5, 6):
            return self._signed()
        if kind == 12:
            return self.struct(depth + 1)
        if kind not in (7, 8):
            raise ValueError("a page header holds what none has")
        length = 8 if kind == 7 else self._plain()
        self.at += length
        if self.at > len(self.data):
            raise IndexError
        return None

    def _byte(self) -> int:
        self.at += 1
        return self.data[self.at - 1]

    def _plain(self) -> int:
        value = 0
        for shift in range(0, 70, 7):
            byte = self._byte()
            value |= (byte & 127) << shift
            if byte < 128:
                return value
        raise ValueError("a number of a page header has no end")

    def _signed(self) -> int:
        value = self._plain()
        return (value >> 1) ^ -(value & 1)
