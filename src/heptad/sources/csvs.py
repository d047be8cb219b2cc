# SPDX-License-Identifier: Apache-2.0
"""Separated text (CSV, TSV): every column as text, in a declared dialect, nothing guessed."""

from __future__ import annotations

import codecs
import csv
import re
from collections import Counter
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.csv as pc

from heptad.sources.files import BLOCK, blocks, check_unchanged
from heptad.sources.marks import check_text
from heptad.sources.reading import (
    LONGEST_RECORD,
    Meter,
    bad_rows,
    check_columns,
    good_rows,
    line_of,
    named,
)
from heptad.sources.records import Chunk, Records
from heptad.standards.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from heptad.sources.binding import Format
    from heptad.sources.reading import InputFile
    from heptad.sources.records import Fault

_BLANKS = re.compile(rb"[ \t]+")
_LINE_ENDS = re.compile(rb"[ \t]*[\r\n][ \t\r\n]*")
_MANY = 20
"""From this many records on, a file of which most cannot be read is refused whole."""
_WRONG = {
    "columns": (
        "Most records do not have the {} columns of the file's header.",
        "check separator and quote of the source",
    ),
    "quote": (
        "Most records have a quote that does not close, or text behind one that does.",
        'check quote of the source; say quote = "" if nothing is quoted',
    ),
    "encoding": (
        "Most records are not text in the encoding of the source.",
        'say encoding = "…" in the source, for example "cp1252"',
    ),
}
"""What is said of such a file, and what to do about it, by the most frequent reason."""


class Csv:
    """The records of one or more files of the same dialect.

    Args:
        files: what to read.
        form: the dialect.

    Raises:
        InputError: if a header cannot be used.
    """

    watermark: str | None = None

    def __init__(self, files: Sequence[InputFile], form: Format) -> None:
        self.files = tuple(files)
        self._form, self.meter = form, Meter()
        self._names = [self._header(file) for file in files]
        names = dict.fromkeys(name for names in self._names for name in names)
        self.columns = check_columns(list(names), named(files))

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yield the rows; see `Reading.batches`."""
        for number, (file, names) in enumerate(zip(self.files, self._names, strict=True)):
            rows = _Rows(file, names, self._records(file), self._form)
            rows.meter = self.meter
            for batch in rows.batches(self.columns, line_of(number, 0)):
                if batch.num_rows:
                    yield batch
            check_unchanged(file)

    def close(self) -> None:
        """Nothing is held open."""

    def _records(self, file: InputFile) -> Records:
        separator = _separator(file, self._form)
        return Records(separator, self._form.quote, replaced=not _is_utf8(self._form.encoding))

    def _header(self, file: InputFile) -> tuple[str, ...]:
        """Return the names of a file's columns."""
        if self._form.columns:
            return check_columns(self._form.columns, file.name)
        text = self._first_record(file)
        reader = csv.reader(
            [text],
            delimiter=_separator(file, self._form),
            quotechar=self._form.quote or None,
            quoting=csv.QUOTE_MINIMAL if self._form.quote else csv.QUOTE_NONE,
            strict=True,
        )
        try:
            return check_columns(next(reader), file.name)
        except csv.Error as error:
            raise InputError(
                "The header cannot be read.",
                got=str(error),
                do="name columns = […]",
                place=file.name,
            ) from error

    def _first_record(self, file: InputFile) -> str:
        """Return a file's first record."""
        for chunk in _chunks(file, self._form, self._records(file), LONGEST_RECORD):
            text = chunk.first()
            if text is not None and not chunk.broken:
                return text
            if chunk.broken:
                raise InputError(
                    "The header cannot be read.",
                    got=text,
                    do="check quote, separator and encoding of the source",
                    place=file.name,
                )
        raise InputError("The file is empty.", do="leave it out of the source", place=file.name)


class _Rows:
    """The rows of one file."""

    def __init__(
        self, file: InputFile, names: tuple[str, ...], records: Records, form: Format
    ) -> None:
        self._file, self._names, self._records, self._form = file, names, records, form
        self._first, self.meter = True, Meter()
        self._kept = {"null_values": ["", *form.null], "strings_can_be_null": True}

    def batches(self, columns: Sequence[str], start: int) -> Iterator[pa.RecordBatch]:
        """Yield batches of all `columns`; the first record of the file is `start` + 1."""
        read, skip = 0, 1 if self._form.header else 0
        for chunk in _chunks(self._file, self._form, self._records, meter=self.meter):
            here = skip if chunk.data.lstrip(b"\r\n") else 0
            yield from self._parsed(chunk, columns, start + read, here)
            skip -= here
            read += chunk.records

    def _parsed(
        self, chunk: Chunk, columns: Sequence[str], start: int, skip: int
    ) -> Iterator[pa.RecordBatch]:
        """Turn a chunk into a batch of its good rows and one of its bad ones."""
        table, misfits = self._parse(chunk.data, skip)
        numbers = chunk.numbers(table.num_rows + len(misfits) + skip)
        fits = np.ones(len(numbers), dtype=bool)
        fits[[number - 1 for number, _ in misfits]] = False
        fits[:skip] = False
        bad = [(int(numbers[number - 1]), "columns", text) for number, text in misfits]
        bad = sorted([*bad, *chunk.faults()])
        if self._first:
            self._refuse_wrong_dialect(table.num_rows, bad)
            self._first = False
        found = {
            name: column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)
            for name, column in zip(self._names, table.columns, strict=True)
        }
        yield good_rows(columns, found, pa.array(numbers[fits] + start))
        if bad:
            lines, faults, texts = zip(*bad, strict=True)
            yield bad_rows(columns, [line + start for line in lines], faults, texts)

    def _parse(self, data: bytes, skip: int) -> tuple[pa.Table, list[tuple[int, str]]]:
        """Parse records; rows with another number of columns come back by their number."""
        misfits: list[tuple[int, str]] = []

        def misfit(row: pc.InvalidRow) -> str:
            misfits.append((row.number or 0, row.text))
            return "skip"

        # A row that is skipped must not be an empty line before the header.
        data = data.lstrip(b"\r\n") if skip else data
        data = data if data.endswith(b"\n") else data + b"\n"
        if not data.lstrip(b"\r\n"):
            return pa.table({name: pa.array([], pa.string()) for name in self._names}), []
        table = pc.read_csv(
            pa.BufferReader(data),
            pc.ReadOptions(
                column_names=list(self._names),
                skip_rows_after_names=skip,
                use_threads=False,  # only then are rows numbered; it takes no more work
                block_size=len(data) + 1,
            ),
            pc.ParseOptions(
                delimiter=self._records.separator,
                quote_char=self._records.quote or False,
                newlines_in_values=True,
                invalid_row_handler=misfit,
                ignore_empty_lines=True,
            ),
            pc.ConvertOptions(
                column_types=dict.fromkeys(self._names, pa.string()),
                check_utf8=False,  # the records have been decoded already
                **self._kept,
            ),
        )
        return table, misfits

    def _refuse_wrong_dialect(self, good: int, bad: Sequence[Fault]) -> None:
        """Refuse a file most of whose first records cannot be read: the source says it wrongly."""
        if len(bad) <= max(good, _MANY):
            return
        reasons = Counter(reason for _, reason, _ in bad)
        reason, many = reasons.most_common(1)[0]
        what, do = _WRONG.get(reason, _WRONG["columns"])
        raise InputError(
            what.format(len(self._names)),
            # The records themselves may say who a person is.
            got=f"{many:,} of the first {good + len(bad):,} records, beginning with number"
            f" {next(line for line, met, _ in bad if met == reason)}",
            do=do,
            place=self._file.name,
        )


def _chunks(
    file: InputFile, form: Format, records: Records, size: int = BLOCK, meter: Meter | None = None
) -> Iterator[Chunk]:
    """Cut a file into chunks of whole records in UTF-8."""
    raw = blocks(file, form.compression, size, meter)
    text = _utf8(raw, form.encoding, file.name)
    return records.chunks(_single_spaced(text) if form.separator == " " else text)


def _single_spaced(texts: Iterable[bytes]) -> Iterator[bytes]:
    """Make columns that are aligned with spaces separated by one, none at a line's ends."""
    held = b"\n"
    for text in texts:
        whole = held + text
        body = whole.rstrip(b" \t\r\n")
        held = whole[len(body) :]
        body = _BLANKS.sub(b" ", _LINE_ENDS.sub(b"\n", body))
        yield body
    yield b"\n"


def _utf8(raw: Iterable[bytes], encoding: str, name: str) -> Iterator[bytes]:
    """Turn blocks of a file into blocks of UTF-8; what cannot be decoded becomes U+FFFD."""
    try:
        yield from _decoded(raw, encoding, name)
    except UnicodeError as error:
        raise InputError(
            "The file does not begin as its encoding does.",
            got=str(error),
            do='say for example encoding = "utf-16-le"',
            place=name,
        ) from error


def _decoded(raw: Iterable[bytes], encoding: str, name: str) -> Iterator[bytes]:
    plain = _is_utf8(encoding)
    decoder = codecs.getincrementaldecoder(encoding)(errors="replace")
    first = True
    for block in raw:
        if first:
            check_text(block, name, encoding)
            first = False
            yield block.removeprefix(codecs.BOM_UTF8) if plain else decoder.decode(block).encode()
            continue
        yield block if plain else decoder.decode(block).encode()
    if not plain:
        yield decoder.decode(b"", final=True).encode()


def _is_utf8(encoding: str) -> bool:
    return encoding in ("utf-8", "utf-8-sig", "ascii")


def _separator(file: InputFile, form: Format) -> str:
    if form.separator:
        return form.separator
    return "\t" if ".tsv" in file.path.name.lower() else ","
