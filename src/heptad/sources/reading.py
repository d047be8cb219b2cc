# SPDX-License-Identifier: Apache-2.0
"""What every reader gives: batches of text columns, each row with its record number."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import pyarrow as pa

from heptad.standards.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

LINE, FAULT, TEXT = "__line", "__fault", "__text"
"""Added to the source's columns: the record number, and for a record that could not be read the
reason and its text; its other columns are null."""

FILE_SHIFT = 40
"""A line is the record number in the lower 40 bits and the number of the file above them."""

MOST_COLUMNS = 2000
LONGEST_NAME = 200
LONGEST_RECORD = 1 << 20
SHOWN_TEXT = 4096
"""Characters of an unreadable record that are kept."""


@dataclass(frozen=True, slots=True)
class InputFile:
    """A file to be read.

    Attributes:
        path: where it is, resolved.
        name: how people know it: its path inside the project, or as the source names it.
        size: bytes when it was listed.
        modified: time of its last change when it was listed, ns.
    """

    path: Path
    name: str
    size: int
    modified: int


class Meter:
    """How many bytes of its files a reader has taken in."""

    def __init__(self) -> None:
        self.bytes = 0


class Reading(Protocol):
    """A source that is ready to be read, any number of times.

    Attributes:
        columns: names of its columns.
        meter: how far it has been read.
        files: the files it comes from; none for a database.
        watermark: after reading: the largest value of the watermark column; None without one.
    """

    columns: tuple[str, ...]
    files: tuple[InputFile, ...]
    watermark: str | None
    meter: Meter

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yield the rows as text columns with `LINE`, `FAULT` and `TEXT` behind them."""
        ...

    def close(self) -> None:
        """Let go of what is held open."""
        ...


def line_of(file: int, record: int) -> int:
    """Return the line of a record of the n-th file."""
    return (file << FILE_SHIFT) + record


def named(files: Sequence[InputFile]) -> str:
    """Name files, for errors that concern all of them together."""
    return ", ".join([file.name for file in files[:3]] + ["…"] * (len(files) > 3))


def schema_of(columns: Sequence[str]) -> pa.Schema:
    """Return the schema of a reading's batches."""
    fields = [pa.field(name, pa.string()) for name in columns]
    return pa.schema(
        [*fields, pa.field(LINE, pa.int64()), pa.field(FAULT, pa.string()), (TEXT, pa.string())]
    )


def good_rows(
    columns: Sequence[str], found: dict[str, pa.Array], lines: pa.Array
) -> pa.RecordBatch:
    """Return a batch of readable rows; columns that were not found are null."""
    absent = pa.nulls(len(lines), pa.string())
    arrays = [found.get(name, absent) for name in columns]
    return pa.RecordBatch.from_arrays([*arrays, lines, absent, absent], schema=schema_of(columns))


def bad_rows(
    columns: Sequence[str], lines: Sequence[int], faults: Sequence[str], texts: Sequence[str]
) -> pa.RecordBatch:
    """Return a batch of records that could not be read."""
    absent = pa.nulls(len(lines), pa.string())
    shown = pa.array([text[:SHOWN_TEXT] for text in texts], pa.string())
    arrays = [pa.array(lines, pa.int64()), pa.array(faults, pa.string()), shown]
    return pa.RecordBatch.from_arrays(
        [*[absent] * len(columns), *arrays], schema=schema_of(columns)
    )


def check_columns(names: Sequence[str], place: str) -> tuple[str, ...]:
    """Return the names of a source's columns, cleaned.

    Raises:
        InputError: if there are none or too many, or two that SQL could not tell apart.
    """
    if len(names) > MOST_COLUMNS:
        raise InputError(
            f"A file has at most {MOST_COLUMNS} columns.",
            got=f"{len(names)} columns",
            do="check the separator of the source, or read the file with `columns = […]`",
            place=place,
        )
    cleaned = [name.strip() or f"column_{n}" for n, name in enumerate(names, 1)]
    if not names:
        raise InputError("The file names no columns.", do="add columns = […]", place=place)
    seen: dict[str, str] = {}
    for name in cleaned:
        folded = name.lower()
        if (
            folded in seen
            or folded.startswith("__")
            or folded == "_record"
            or not name.isprintable()
            or len(name) > LONGEST_NAME
        ):
            raise InputError(
                "The names of the columns cannot be used: each must be there once, whatever its"
                f" case, be printable, have at most {LONGEST_NAME} characters, not begin with __"
                " and not be _record.",
                got=name,
                do="name them in the source with columns = […], and skip the header by header ="
                " true",
                place=place,
            )
        seen[folded] = name
    return tuple(cleaned)
