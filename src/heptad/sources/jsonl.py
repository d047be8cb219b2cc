# SPDX-License-Identifier: Apache-2.0
"""JSON Lines: one object per line, every value as the text that stands there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa

from heptad.sources.cells import parse_object
from heptad.sources.files import blocks, check_unchanged
from heptad.sources.reading import (
    LONGEST_RECORD,
    SHOWN_TEXT,
    Meter,
    bad_rows,
    check_columns,
    line_of,
    schema_of,
)
from heptad.standards.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from heptad.sources.config import Format
    from heptad.sources.reading import InputFile

_LOOK = 10_000


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
        self.columns = check_columns([*names, *(w for w in wanted if w not in names)], "")

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
        rest, skipping = b"", False
        for block in blocks(file, self._form.compression, meter=self.meter):
            *lines, rest = (rest + block.removeprefix(b"\xef\xbb\xbf")).split(b"\n")
            if skipping and lines:
                lines, skipping = lines[1:], False
            if len(rest) > LONGEST_RECORD:
                lines, rest = [*lines, rest[: LONGEST_RECORD + 1]] if not skipping else lines, b""
                skipping = True
            yield [line for line in lines if line.strip()]
        if rest.strip() and not skipping:
            yield [rest]

    def _parsed(self, lines: list[bytes], start: int) -> Iterator[pa.RecordBatch]:
        good: list[tuple[int, str, dict[str, str | None]]] = []
        bad: list[tuple[int, str, str]] = []
        for number, line in enumerate(lines, start + 1):
            row = parse_object(line) if len(line) <= LONGEST_RECORD else None
            if row is None:
                bad.append(
                    (number, _fault(line), line[:SHOWN_TEXT].decode(errors="backslashreplace"))
                )
            else:
                good.append((number, line.decode(), row))
        if good:
            arrays = [
                pa.array([row.get(n) or None for _, _, row in good], pa.string())
                for n in self.columns
            ]
            places = pa.array([number for number, _, _ in good], pa.int64())
            raws = pa.array([text.strip() for _, text, _ in good], pa.string())
            absent = pa.nulls(len(good), pa.string())
            yield pa.RecordBatch.from_arrays(
                [*arrays, places, absent, raws], schema=schema_of(self.columns)
            )
        if bad:
            numbers, faults, texts = zip(*bad, strict=True)
            yield bad_rows(self.columns, numbers, faults, texts)

    def _names(self, file: InputFile) -> list[str]:
        """Return the names met in a file's first lines."""
        names: dict[str, None] = {}
        seen = 0
        for lines in self._lines(file):
            for line in lines[: _LOOK - seen]:
                names |= dict.fromkeys(parse_object(line) or {})
            seen += len(lines)
            if seen >= _LOOK:
                break
        if seen and not names:
            raise InputError(
                "The file's lines are not JSON objects.",
                do='say format = "csv" if it is separated text',
                place=file.name,
            )
        return list(names)


def _fault(line: bytes) -> str:
    if len(line) > LONGEST_RECORD:
        return "length"
    try:
        line.decode()
    except UnicodeDecodeError:
        return "encoding"
    return "json"
