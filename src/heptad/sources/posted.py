# SPDX-License-Identifier: Apache-2.0
"""Rows handed over in memory, as over HTTP: read like a file of one batch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa

from heptad.sources.cells import flat
from heptad.sources.reading import LONGEST_RECORD, Meter, check_columns, good_rows
from heptad.standards.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from heptad.sources.reading import InputFile

MOST_ROWS = 100_000


class Posted:
    """Rows given as mappings of plain values.

    Args:
        rows: at most `MOST_ROWS`; values are text, numbers, truth values, null, or objects.
        columns: columns that are there even if no row has them.

    Raises:
        InputError: if there are too many rows, or one is not a mapping by text.
    """

    watermark: str | None = None
    files: tuple[InputFile, ...] = ()

    def __init__(self, rows: Sequence[Mapping[str, Any]], columns: Sequence[str] = ()) -> None:
        if len(rows) > MOST_ROWS:
            raise InputError(
                f"At most {MOST_ROWS:,} rows are taken at once.",
                got=len(rows),
                do="send them in parts, or as a file",
            )
        self.meter = Meter()
        self._rows = [_cells(row, number) for number, row in enumerate(rows, 1)]
        names = dict.fromkeys(columns)
        for row in self._rows:
            names |= dict.fromkeys(row)
        self.columns = check_columns(list(names), "rows")

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yield the rows; see `Reading.batches`."""
        found = {
            name: pa.array([row.get(name) or None for row in self._rows], pa.string())
            for name in self.columns
        }
        yield good_rows(self.columns, found, pa.array(range(1, len(self._rows) + 1), pa.int64()))

    def close(self) -> None:
        """Nothing is held open."""


def _cells(row: Mapping[str, Any], number: int) -> dict[str, str | None]:
    if not isinstance(row, dict) or not all(isinstance(name, str) for name in row):
        raise InputError(
            "A row is an object by names.",
            got=row,
            do='send for example {"id": "p17"}',
            place=f"row {number}",
        )
    try:
        cells = flat(row)
        size = sum(len(text.encode()) for text in cells.values() if text)
    except UnicodeError as error:
        raise InputError(
            "A row has a value that is no text.",
            got=str(error),
            do="send UTF-8; half of a surrogate pair is no character",
            place=f"row {number}",
        ) from error
    except (ValueError, RecursionError) as error:
        raise InputError(
            "A row cannot be laid out as columns.",
            got=str(error),
            do="send an object of plain values by field name",
            place=f"row {number}",
        ) from error
    if size > LONGEST_RECORD:
        raise InputError(
            "A row is longer than a record may be.",
            got=f"{size:,} bytes",
            do=f"send at most {LONGEST_RECORD:,}",
            place=f"row {number}",
        )
    return cells
