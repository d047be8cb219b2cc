# SPDX-License-Identifier: Apache-2.0
"""JSON Lines: one object per line, every value as the text that stands there."""

from __future__ import annotations

import codecs
import json
from typing import TYPE_CHECKING

import pyarrow as pa

from heptad.sources.cells import parse_object
from heptad.sources.files import blocks, check_unchanged
from heptad.sources.marks import check_text
from heptad.sources.reading import (
    LONGEST_RECORD,
    MOST_COLUMNS,
    SHOWN_TEXT,
    Meter,
    bad_rows,
    check_columns,
    line_of,
    named,
    schema_of,
)
from heptad.standards.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from heptad.sources.binding import Format
    from heptad.sources.reading import InputFile

_LOOK = 10_000
_GROUP = 20_000
"""Most lines in a batch."""


class JsonLines:
    """The objects of one or more files.

    The columns are the names met in the first lines of each file, and those that the source
    declares; inner objects are columns `outer.inner`.

    Args:
        files: what to read.
        form: how they are written.
        wanted: further columns that the map names.

    Raises:
        InputError: if no object is found in the first lines.
    """

    watermark: str | None = None

    def __init__(
        self, files: Sequence[InputFile], form: Format, wanted: Sequence[str] = ()
    ) -> None:
        self.files, self.meter, self._form = tuple(files), Meter(), form
        names = dict.fromkeys(form.columns)
        for file in files:
            names |= dict.fromkeys(self._names(file))
        names |= dict.fromkeys(wanted)
        self.columns = check_columns(list(names), named(files))

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yield the rows; see `Reading.batches`."""
        for number, file in enumerate(self.files):
            start = line_of(number, 0)
            for lines in self._lines(file):
                yield from self._parsed(lines, start)
                start += len(lines)
            check_unchanged(file)

    def close(self) -> None:
        """Nothing is held open."""

    def _lines(self, file: InputFile) -> Iterator[list[bytes]]:
        """Yield the lines that are not empty, in groups."""
        rest, skipping, first = b"", False, True
        for block in blocks(file, self._form.compression, LONGEST_RECORD, self.meter):
            if first:
                check_text(block, file.name)
                block, first = block.removeprefix(codecs.BOM_UTF8), False  # noqa: PLW2901
            *lines, rest = (rest + block).split(b"\n")
            if skipping and lines:
                lines, skipping = lines[1:], False
            if len(rest) > LONGEST_RECORD:
                lines, rest = [*lines, rest[: LONGEST_RECORD + 1]] if not skipping else lines, b""
                skipping = True
            found = [line for line in lines if line.strip()]
            for start in range(0, len(found), _GROUP):
                yield found[start : start + _GROUP]
        if rest.strip() and not skipping:
            yield [rest]

    def _parsed(self, lines: list[bytes], start: int) -> Iterator[pa.RecordBatch]:
        good: list[tuple[int, str, dict[str, str | None]]] = []
        bad: list[tuple[int, str, str]] = []
        for number, line in enumerate(lines, start + 1):
            row, fault = read_line(line)
            if fault:
                shown = line[:SHOWN_TEXT].decode(errors="backslashreplace")
                bad.append((number, fault, shown))
            else:
                good.append((number, line.decode().strip(), row))
        if good:
            yield self._good(good)
        if bad:
            numbers, faults, texts = zip(*bad, strict=True)
            yield bad_rows(self.columns, numbers, faults, texts)

    def _good(self, rows: list[tuple[int, str, dict[str, str | None]]]) -> pa.RecordBatch:
        arrays = [
            pa.array([row.get(n) or None for _, _, row in rows], pa.string()) for n in self.columns
        ]
        places = pa.array([number for number, _, _ in rows], pa.int64())
        raws = pa.array([text for _, text, _ in rows], pa.string())
        absent = pa.nulls(len(rows), pa.string())
        return pa.RecordBatch.from_arrays(
            [*arrays, places, absent, raws], schema=schema_of(self.columns)
        )

    def _names(self, file: InputFile) -> tuple[str, ...]:
        """Return the names met in a file's first lines."""
        names: dict[str, None] = {}
        seen = 0
        for lines in self._lines(file):
            if not seen:
                _check_lines(lines[0], file)
            for line in lines[: _LOOK - seen]:
                names |= dict.fromkeys(read_line(line)[0])
            seen += len(lines)
            if seen >= _LOOK or len(names) > MOST_COLUMNS:
                break
        if seen and not names:
            raise InputError(
                "The file's lines are not JSON objects.",
                do='say format = "csv" if it is separated text',
                place=file.name,
            )
        if not seen and not self._form.columns:
            raise InputError("The file is empty.", do="leave it out of the source", place=file.name)
        return check_columns(list(names), file.name) if names else ()


def read_line(line: bytes) -> tuple[dict[str, str | None], str]:
    """Return the columns of a JSON object in one line, and why it cannot be read."""
    if len(line) > LONGEST_RECORD:
        return {}, "length"
    try:
        text = line.decode()
        row = parse_object(text)
        if row is not None and "\\ud" in text.lower():
            # Half of a surrogate pair is no character; JSON can write it all the same.
            json.dumps(row, ensure_ascii=False).encode()
    except UnicodeError:
        return {}, "encoding"
    return ({}, "json") if row is None else (row, "")


def _check_lines(line: bytes, file: InputFile) -> None:
    """Refuse a document that is one list or one object over many lines."""
    if line.lstrip().startswith(b"[") or line.strip() == b"{":
        raise InputError(
            "The file is one JSON document, not one object a line.",
            got=line,
            do="write one object a line, for example by `jq -c '.[]'`",
            place=file.name,
        )
