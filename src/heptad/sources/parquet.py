# SPDX-License-Identifier: Apache-2.0
"""Parquet files, every column written as text so that the same checks apply."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from heptad.sources.columns import Text, text_column
from heptad.sources.files import Growth, check_unchanged
from heptad.sources.pages import check_footer, check_pages
from heptad.sources.reading import (
    LONGEST_RECORD,
    Meter,
    bad_rows,
    check_columns,
    good_rows,
    line_of,
    named,
)
from heptad.standards.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from heptad.sources.reading import InputFile

_ROWS = 65_536
_BATCH = 8 << 20
"""Bytes of text in a batch, about."""
_FEWEST = 16
_LARGEST_GROUP = 4 << 30
_MOST_INNER = 2_000_000
"""Most values within lists in a row group: one row may hold them all."""
_BROKEN = (pa.ArrowException, OSError, ValueError, OverflowError, LookupError)
"""What a damaged file may raise; a lookup fails where its two schemas name other columns."""


class ParquetFiles:
    """The rows of one or more Parquet files.

    A few bytes of Parquet can stand for any number of rows and for values of any length; what a
    file declares, its dictionaries and what it unpacks to are looked at before they are held.

    Args:
        files: what to read.

    Raises:
        InputError: if a file is not Parquet, or unpacks to far more than it is.
    """

    watermark: str | None = None

    def __init__(self, files: Sequence[InputFile]) -> None:
        self.files, self.meter = tuple(files), Meter()
        self._names = [_names(file) for file in files]
        names = dict.fromkeys(name for names in self._names for name in names)
        self.columns = check_columns(list(names), named(files))

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yield the rows; see `Reading.batches`."""
        for number, (file, names) in enumerate(zip(self.files, self._names, strict=True)):
            start, growth = line_of(number, 1), Growth(file)
            for batch in _batches(file):
                found = {
                    name: text_column(column, f"{file.name}: {name}")
                    for name, column in zip(names, batch.columns, strict=True)
                }
                growth.add(sum(text.array.nbytes for text in found.values()))
                yield from self._turned(found, batch.num_rows, start)
                start += batch.num_rows
            self.meter.bytes += file.size
            check_unchanged(file)

    def close(self) -> None:
        """Nothing is held open."""

    def _turned(self, found: dict[str, Text], rows: int, start: int) -> Iterator[pa.RecordBatch]:
        """Yield the rows of a batch; those with a value that is no text are set aside."""
        faults: dict[int, str] = {}
        for text in found.values():
            faults |= {row: code for row, code in text.faults.items() if row not in faults}
        arrays = {name: text.array for name, text in found.items()}
        faults |= dict.fromkeys(_too_long(arrays, rows), "length")
        lines = np.arange(start, start + rows)
        if faults:
            gone = np.array(sorted(faults))
            yield bad_rows(
                self.columns, lines[gone].tolist(), [faults[n] for n in gone], [""] * len(gone)
            )
            keep = np.ones(rows, np.bool_)
            keep[gone] = False
            lines = lines[keep]
            arrays = {name: array.filter(pa.array(keep)) for name, array in arrays.items()}
        yield good_rows(self.columns, arrays, pa.array(lines))


def _too_long(arrays: dict[str, pa.StringArray], rows: int) -> list[int]:
    """Return the rows that are longer than a record may be."""
    if sum(array.nbytes for array in arrays.values()) <= LONGEST_RECORD:
        return []
    lengths = np.zeros(rows, np.int64)
    for array in arrays.values():
        lengths += pc.fill_null(pc.binary_length(array), 0).to_numpy()
    return [int(row) for row in np.flatnonzero(lengths > LONGEST_RECORD)]


def _names(file: InputFile) -> tuple[str, ...]:
    try:
        metadata = pq.read_metadata(file.path)
        names = metadata.schema.to_arrow_schema().names
        check_footer(file.path, metadata.schema)
        _check_size(metadata, file)
        check_pages(file.path, metadata)
    except _BROKEN as error:
        raise _unreadable(file, error) from error
    return check_columns(names, file.name)


def _check_size(metadata: Any, file: InputFile) -> None:
    """Refuse a file that says of itself that it is too large."""
    growth = Growth(file)
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        chunks = [group.column(n) for n in range(group.num_columns)]
        growth.add(max(group.total_byte_size, sum(chunk.num_values for chunk in chunks)))
        inner = sum(chunk.num_values for chunk in chunks if "." in chunk.path_in_schema)
        if group.total_byte_size > _LARGEST_GROUP or inner > max(_MOST_INNER, 8 * group.num_rows):
            raise InputError(
                "A row group of the file is too large to be read.",
                got=f"{group.total_byte_size:,} bytes, {inner:,} values within lists",
                do="write it with row groups of at most 100,000 rows",
                place=file.name,
            )


def _batches(file: InputFile) -> Iterator[pa.RecordBatch]:
    """Yield the rows as they are, few at a time where they are long."""
    try:
        with _opened(file) as opened:
            metadata = opened.metadata
            words = _Words(file, metadata)
            for number in range(metadata.num_row_groups):
                rows = _rows_at_once(metadata.row_group(number), words.longest(number))
                yield from opened.iter_batches(rows, row_groups=[number])
    except _BROKEN as error:
        raise _unreadable(file, error) from error


def _opened(file: InputFile, **options: Any) -> pq.ParquetFile:
    return pq.ParquetFile(
        file.path, page_checksum_verification=True, pre_buffer=False, buffer_size=1 << 20, **options
    )


def _rows_at_once(group: Any, words: int) -> int:
    """Return how many rows of a row group are read at once, by how long they may be.

    Args:
        group: metadata of the row group.
        words: bytes that a row may take from dictionaries.
    """
    chunks = [group.column(n) for n in range(group.num_columns)]
    longest: int = group.total_byte_size // max(group.num_rows, 1) + words
    # Strings that share their beginnings: any of them may be as long as all that is stored.
    longest += sum(c.total_uncompressed_size for c in chunks if "DELTA_BYTE_ARRAY" in c.encodings)
    return min(max(_BATCH // max(longest, 1), _FEWEST), _ROWS)


class _Words:
    """The dictionaries of a file: any row may hold their longest values."""

    def __init__(self, file: InputFile, metadata: Any) -> None:
        groups = [metadata.row_group(n) for n in range(metadata.num_row_groups)]
        chunks = [group.column(n) for group in groups for n in range(group.num_columns)]
        coded = {c.path_in_schema for c in chunks if c.has_dictionary_page and _is_text(c)}
        self._file = file
        self._reader = _opened(file, metadata=metadata, read_dictionary=coded) if coded else None

    def longest(self, number: int) -> int:
        """Return the length of the longest values of a row group together.

        Raises:
            InputError: if one is longer than a record may be.
        """
        if self._reader is None:
            return 0
        first = next(self._reader.iter_batches(1, row_groups=[number]), None)
        words = [w for column in (first.columns if first else ()) for w in _dictionaries(column)]
        longest = [pc.max(pc.binary_length(w)).as_py() or 0 for w in words]
        if max(longest, default=0) > LONGEST_RECORD:
            raise InputError(
                "A value of the file is longer than a record may be.",
                got=f"{max(longest):,} bytes",
                do="leave the column out at the source, or shorten it there",
                place=self._file.name,
            )
        return sum(longest)


def _is_text(chunk: Any) -> bool:
    return bool(chunk.physical_type == "BYTE_ARRAY")


def _dictionaries(column: pa.Array) -> Iterator[pa.Array]:
    """Find the dictionaries of a column, within lists and structs too."""
    if pa.types.is_dictionary(column.type):
        yield column.dictionary
    elif pa.types.is_struct(column.type):
        for n in range(column.type.num_fields):
            yield from _dictionaries(column.field(n))
    elif pa.types.is_map(column.type):
        yield from _dictionaries(column.keys)
        yield from _dictionaries(column.items)
    elif pa.types.is_nested(column.type):
        yield from _dictionaries(column.flatten())


def _unreadable(file: InputFile, error: Exception) -> InputError:
    return InputError(
        "The file is not whole Parquet, so nothing of it was loaded.",
        got=(str(error).splitlines() or [type(error).__name__])[0],
        do="check that it was copied whole, and that it is neither encrypted nor of an unusual type",
        place=file.name,
    )
