# SPDX-License-Identifier: Apache-2.0
"""Standardise text as it comes in: NFC, no space around it, no control characters within it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SPACES = "[\t\n\r\x0b\x0c]+"
_CONTROLS = "[\x00-\x08\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ufeff]"
"""Both sets of control characters, those that turn the direction of text, and a mark of byte
order: nobody sees them, and what is seen with them is not what is stored."""
_NAME = re.compile(r"[^\x20-\x7e|]")


def clean(batch: pa.RecordBatch, fault: str) -> pa.RecordBatch:
    """Standardise the text columns of a batch.

    Line ends and tabs inside a value become one space. Most batches need nothing done, which is
    seen from their bytes at once.

    Args:
        batch: text columns; others are left alone.
        fault: the column that says why a row cannot be read; `control|column` is added there
            where a value has a control character.
    """
    arrays, faults = list(batch.columns), batch.column(fault)
    for index, field in enumerate(batch.schema):
        if field.name.startswith("__") or not pa.types.is_string(field.type):
            continue
        arrays[index], bad = _cleaned(arrays[index])
        if bad is not None:
            told = pa.scalar("control|" + _NAME.sub("?", field.name))
            faults = pc.if_else(pc.and_(bad, faults.is_null()), told, faults)
    arrays[batch.schema.get_field_index(fault)] = faults
    return pa.RecordBatch.from_arrays(arrays, schema=batch.schema)


def _cleaned(column: pa.StringArray) -> tuple[pa.StringArray, pa.BooleanArray | None]:
    """Return a column standardised, and which of its rows cannot be."""
    text, places = _bytes(column)
    if not len(text):
        return _without_empty(column, places), None
    last = len(text) - 1
    starts, ends = np.minimum(places[:-1], last), np.maximum(places[1:] - 1, 0)
    lowest, highest = text.min(), text.max()
    # An empty value takes a neighbour's bytes here, which does no harm: they are looked at too.
    padded = bool((text[starts] <= 32).any() or (text[ends] <= 32).any())
    if lowest >= 32 and highest < 127 and not padded:
        return _without_empty(column, places), None
    if highest > 127:
        column = pc.utf8_normalize(column, form="NFC")
    if lowest < 32:
        column = pc.replace_substring_regex(column, _SPACES, " ")
    column = pc.utf8_trim_whitespace(column)
    column = _nulled(column)
    if lowest >= 32 and highest < 127:
        return column, None
    bad = pc.fill_null(pc.match_substring_regex(column, _CONTROLS), False)
    return column, bad if pc.any(bad).as_py() else None


def _without_empty(column: pa.StringArray, places: NDArray[np.int64]) -> pa.StringArray:
    """Make empty values null, if there are any."""
    empty = int(np.count_nonzero(places[1:] == places[:-1]))
    return _nulled(column) if empty > column.null_count else column


def _nulled(column: pa.StringArray) -> pa.StringArray:
    empty = pc.fill_null(pc.equal(pc.binary_length(column), 0), False)
    return pc.if_else(empty, pa.scalar(None, pa.string()), column)


def _bytes(column: pa.StringArray) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return a column's bytes, and where its values begin and end in them."""
    _, offsets, data = column.buffers()
    if offsets is None or not len(column):
        return np.empty(0, np.uint8), np.empty(0, np.int64)
    marks = np.frombuffer(offsets, np.int32)[column.offset : column.offset + len(column) + 1]
    text = np.frombuffer(data if data is not None else b"", np.uint8)[marks[0] : marks[-1]]
    return text, marks.astype(np.int64) - int(marks[0])
