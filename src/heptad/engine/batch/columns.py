# SPDX-License-Identifier: Apache-2.0
"""Columns of a batch as arrays: values, where there is one, and texts as codes of distinct texts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy.typing as npt

    from heptad.standards.resolve import Type

    Array = npt.NDArray[Any]
    Flags = npt.NDArray[np.bool_]

_DTYPES: dict[str, Any] = {
    "integer": np.int64, "instant": np.int64, "day": np.int64, "number": np.float64,
    "flag": np.bool_, "text": np.int64, "null": np.int64,
}  # fmt: skip
_EPOCH = date(1970, 1, 1)


@dataclass(frozen=True, eq=False, slots=True)
class Column:
    """One column of a batch, or a constant.

    Attributes:
        kind: type of its values.
        data: (n,) int64 (days are counted from 1970), float64 or bool; of texts, int64 positions
            in `texts`. A constant has shape (). Where there is no value it is 0.
        there: (n,) where there is a value, or None where there is everywhere.
        texts: the texts that `data` points at.
    """

    kind: Type
    data: Array
    there: Flags | None = None
    texts: Sequence[str] = ()

    @property
    def constant(self) -> bool:
        """Whether it is one value for all rows."""
        return self.data.ndim == 0

    def taken(self, rows: Array) -> Column:
        """Return the column of some rows only."""
        if self.constant:
            return self
        there = None if self.there is None else self.there[rows]
        return Column(self.kind, self.data[rows], there, self.texts)

    def true(self, n: int) -> Flags:
        """Return where a flag is true; null counts as false."""
        found = self.data if self.there is None else self.data & self.there
        return np.broadcast_to(found, n) if found.ndim == 0 else found

    def plain(self, positions: Array) -> list[Any]:
        """Return values as Python knows them, at some positions."""
        data = (
            np.broadcast_to(self.data, positions.max(initial=-1) + 1)
            if self.constant
            else self.data
        )
        values: list[Any] = data[positions].tolist()
        if self.kind == "text":
            values = [self.texts[v] for v in values]
        elif self.kind == "day":
            values = [_EPOCH + timedelta(v) for v in values]
        if self.there is None:
            return values
        there = self.there if self.there.ndim == 0 else self.there[positions]
        flags = np.broadcast_to(there, len(values)).tolist()
        return [v if t else None for v, t in zip(values, flags, strict=True)]

    def to_arrow(self, n: int) -> pa.Array:
        """Return the column as Arrow: int64, double, bool, string or date32."""
        data = np.ascontiguousarray(np.broadcast_to(self.data, n))
        gone = None if self.there is None else ~np.broadcast_to(self.there, n)
        if self.kind == "text":
            texts = pa.array(list(self.texts) or [""], pa.string())
            return texts.take(pa.array(data, pa.int64(), mask=gone))
        if self.kind == "day":
            return pa.array(data.astype(np.int32), pa.int32(), mask=gone).cast(pa.date32())
        return pa.array(data, mask=gone)


def constant(kind: Type, value: Any) -> Column:
    """Make a constant of a type; None is null."""
    if value is None:
        return Column(kind, np.zeros((), _DTYPES[kind]), np.zeros((), np.bool_), ("",))
    if kind == "text":
        return Column(kind, np.zeros((), np.int64), None, (value,))
    if kind == "day":
        value = (value - _EPOCH).days
    return Column(kind, np.array(value, _DTYPES[kind]))


def from_values(kind: Type, values: Sequence[Any]) -> Column:
    """Make a column of Python values."""
    gone = [v is None for v in values]
    there = None if not any(gone) else ~np.array(gone, np.bool_)
    if kind == "text":
        places: dict[str, int] = {}
        codes = [0 if v is None else places.setdefault(v, len(places)) for v in values]
        return Column(kind, np.array(codes, np.int64), there, tuple(places) or ("",))
    if kind == "day":
        plain = [0 if v is None else (v - _EPOCH).days for v in values]
    else:
        plain = [0 if v is None else v for v in values]
    return Column(kind, np.array(plain, _DTYPES[kind]), there)


def from_arrow(kind: Type, values: pa.Array | pa.ChunkedArray) -> Column:
    """Make a column of an Arrow array; numbers that are not finite become null."""
    values = _whole(values)
    there = None if values.null_count == 0 else np.asarray(pc.is_valid(values))
    if kind == "text":
        return _texts(values, there)
    if kind == "day":
        values = values.cast(pa.date32()).cast(pa.int32())
    if pa.types.is_null(values.type):
        return constant(kind, None)
    if there is not None:
        values = pc.fill_null(values, False if pa.types.is_boolean(values.type) else 0)
    data = values.to_numpy(zero_copy_only=False).astype(_DTYPES[kind], copy=False)
    if kind == "number" and not np.isfinite(data).all():
        finite = np.isfinite(data)
        there = finite if there is None else there & finite
        data = np.where(finite, data, 0.0)
    return Column(kind, data, there)


def _whole(values: pa.Array | pa.ChunkedArray) -> pa.Array:
    """Return one array; instants as int64 microseconds."""
    if isinstance(values, pa.ChunkedArray):
        values = pa.concat_arrays(values.chunks) if values.num_chunks else pa.array([], values.type)
    if pa.types.is_timestamp(values.type):
        return values.cast(pa.timestamp("us", tz=values.type.tz)).cast(pa.int64())
    return values


def _texts(values: pa.Array, there: Flags | None) -> Column:
    if pa.types.is_null(values.type):
        return constant("text", None)
    coded = values if pa.types.is_dictionary(values.type) else pc.dictionary_encode(values)
    codes = pc.fill_null(coded.indices, 0).to_numpy(zero_copy_only=False).astype(np.int64)
    return Column("text", codes, there, coded.dictionary.to_pylist() or ("",))


class Frame:
    """The columns of a batch, read when they are asked for.

    Args:
        columns: name → Arrow array; a name that is missing is null in every row.
        n: rows.
    """

    def __init__(self, columns: Mapping[str, Any], n: int) -> None:
        self.n = n
        self._columns = columns
        self._made: dict[str, Column] = {}

    def column(self, name: str, kind: Type) -> Column:
        """Return a column as values of a type."""
        found = self._made.get(name)
        if found is None:
            given = self._columns.get(name)
            if isinstance(given, Column):
                found = given
            elif given is None:
                found = constant(kind, None)
            else:
                found = from_arrow(kind, given)
            self._made[name] = found
        return found

    def put(self, name: str, column: Column) -> None:
        """Add a column that was computed, in the place of one of that name."""
        self._made[name] = column

    def taken(self, rows: Array) -> Frame:
        """Return some rows only."""
        return _Part(self, rows)


class _Part(Frame):
    """Some rows of a frame; columns are cut when they are asked for."""

    def __init__(self, whole: Frame, rows: Array) -> None:
        super().__init__({}, len(rows))
        self._whole, self._rows = whole, rows

    def column(self, name: str, kind: Type) -> Column:
        found = self._made.get(name)
        if found is None:
            found = self._made[name] = self._whole.column(name, kind).taken(self._rows)
        return found
