# SPDX-License-Identifier: Apache-2.0
"""The footer and the page headers of a Parquet file, looked at before a reader believes them."""

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


_GROUPS, _COLUMNS, _ABOUT, _SIZES = 4, 1, 3, 16
_ENCRYPTED = (8, 9)
"""Fields of the footer, a row group, a column chunk and its metadata, as far as they are read."""


def check_footer(path: Path, schema: Any) -> None:
    """Refuse a footer that ends the process: pyarrow catches no error of a column's metadata.

    Args:
        path: of the file.
        schema: the Parquet schema, as pyarrow gives it.

    Raises:
        ValueError, IndexError: if it cannot be read, has other columns than the schema, encrypted
            ones, or counts of levels that the schema does not have.
    """
    with path.open("rb") as stream:
        stream.seek(-8, 2)
        length = int.from_bytes(stream.read(4), "little")
        stream.seek(-8 - length, 2)
        found = _Compact(stream.read(length)).struct()
    try:
        _check_groups(found, [schema.column(n) for n in range(len(schema))])
    except (TypeError, AttributeError) as error:
        raise ValueError("the footer has values of other kinds than it should") from error


def _check_groups(footer: dict[int, Any], columns: list[Any]) -> None:
    for group in footer.get(_GROUPS) or ():
        chunks = group.get(_COLUMNS) or ()
        if len(chunks) != len(columns):
            raise ValueError("a row group has other columns than the file")
        for chunk, column in zip(chunks, columns, strict=True):
            _check_chunk(chunk, column)


def _check_chunk(chunk: dict[int, Any], column: Any) -> None:
    about = chunk.get(_ABOUT)
    if not isinstance(about, dict) or any(field in chunk for field in _ENCRYPTED):
        raise ValueError(f"the column {column.path} is encrypted, or nothing is said of it")
    sizes = about.get(_SIZES) or {}
    levels = {2: column.max_repetition_level, 3: column.max_definition_level}
    for field, level in levels.items():
        if (counts := sizes.get(field)) and len(counts) != level + 1:
            raise ValueError(f"the column {column.path} has counts of other levels than its own")
    if 1 in sizes and column.physical_type != "BYTE_ARRAY":
        raise ValueError(f"the column {column.path} has lengths of text, but is no text")


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
    """Reads structs, lists and numbers in Thrift's compact protocol; other values are skipped.

    Source: Apache Thrift, compact protocol specification.
    """

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def struct(self, depth: int = 0) -> dict[int, Any]:
        """Return numbers, lists and structs by field.

        Raises:
            IndexError: if the data end too early.
            ValueError: if they are not such a struct.
        """
        _check_depth(depth)
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
        if kind == 9:
            return self._list(depth + 1)
        if kind not in (7, 8):
            raise ValueError("it holds what none has")
        length = 8 if kind == 7 else self._plain()
        self.at += length
        if self.at > len(self.data):
            raise IndexError
        return None

    def _list(self, depth: int) -> list[Any]:
        _check_depth(depth)
        mark = self._byte()
        size = mark >> 4 if mark >> 4 < 15 else self._plain()
        if size > len(self.data):
            raise IndexError
        kind = mark & 15
        if kind in (1, 2):
            self.at += size
            return []
        return [self._value(kind, depth) for _ in range(size)]

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
        raise ValueError("a number in it has no end")

    def _signed(self) -> int:
        value = self._plain()
        return (value >> 1) ^ -(value & 1)


def _check_depth(depth: int) -> None:
    if depth > _DEEPEST:
        raise ValueError("it is nested too deeply")
