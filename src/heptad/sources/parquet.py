# SPDX-License-Identifier: Apache-2.0
"""Parquet files, every column written as text so that the same checks apply."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from heptad.sources.cells import text_column
from heptad.sources.files import check_unchanged
from heptad.sources.reading import Meter, check_columns, good_rows, line_of, named
from heptad.standards.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from heptad.sources.reading import InputFile

_ROWS = 65_536
_LARGEST_GROUP = 4 << 30


class ParquetFiles:
    """The rows of one or more Parquet files.

    Args:
        files: what to read.

    Raises:
        InputError: if a file is not Parquet, or a row group unpacks to more than 4 GiB.
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
            start = line_of(number, 1)
            for batch in _batches(file):
                found = {
                    name: text_column(column, f"{file.name}: {name}")
                    for name, column in zip(names, batch.columns, strict=True)
                }
                lines = pa.array(range(start, start + batch.num_rows), pa.int64())
                yield good_rows(self.columns, found, lines)
                start += batch.num_rows
            self.meter.bytes += file.size
            check_unchanged(file)

    def close(self) -> None:
        """Nothing is held open."""


def _names(file: InputFile) -> tuple[str, ...]:
    try:
        metadata = pq.read_metadata(file.path)
        largest = max(
            (metadata.row_group(n).total_byte_size for n in range(metadata.num_row_groups)),
            default=0,
        )
        schema = metadata.schema.to_arrow_schema()
    except (pa.ArrowException, OSError) as error:
        raise _unreadable(file, error) from error
    if largest > _LARGEST_GROUP:
        raise InputError(
            "A row group of the file is too large to be read.",
            got=f"{largest:,} bytes",
            do="write it with row groups of at most a million rows",
            place=file.name,
        )
    return check_columns(schema.names, file.name)


def _batches(file: InputFile) -> Iterator[pa.RecordBatch]:
    try:
        with pq.ParquetFile(file.path, page_checksum_verification=True) as opened:
            yield from opened.iter_batches(_ROWS)
    except (pa.ArrowException, OSError) as error:
        raise _unreadable(file, error) from error


def _unreadable(file: InputFile, error: Exception) -> InputError:
    return InputError(
        "The file is not whole Parquet, so nothing of it was loaded.",
        got=str(error).splitlines()[0],
        do="check that it was copied whole",
        place=file.name,
    )
