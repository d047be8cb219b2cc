# SPDX-License-Identifier: Apache-2.0
"""Stored columns as the arrays that the kernel reads, and its integer state as feature values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from heptad.service.batch.programs import LOG_SCALE
from heptad.service.features import result_of
from heptad.service.operators.declared import OPERATORS
from heptad.service.operators.finish import deviation, entropy, quotient, scaled, slope, wide
from heptad.standards.errors import ContractError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import numpy.typing as npt

    from heptad.service.batch.programs import Compiled, Measure
    from heptad.service.features import Feature

    Ints = npt.NDArray[np.int64]
    Flags = npt.NDArray[np.bool_]

_EXACT = 2**53


class Codes(Protocol):
    """Numbers for texts."""

    def code(self, column: str, texts: pa.Array) -> Ints:
        """Return a number for each text, any number for null."""
        ...

    def texts(self, column: str, codes: Ints) -> pa.Array:
        """Return the texts of numbers."""
        ...


class Dictionary:
    """Numbers for the texts of one batch."""

    def __init__(self) -> None:
        self._texts: dict[str, pa.Array] = {}

    def code(self, column: str, texts: pa.Array) -> Ints:
        """Return a number for each text, 0 for null."""
        found = texts.dictionary_encode()
        self._texts[column] = found.dictionary
        codes: Ints = pc.fill_null(found.indices, 0).to_numpy(zero_copy_only=False).astype(np.int64)
        return codes

    def texts(self, column: str, codes: Ints) -> pa.Array:
        """Return the texts of numbers."""
        if not len(self._texts[column]):
            return pa.nulls(len(codes), pa.string())
        return self._texts[column].take(pa.array(codes)).cast(pa.string())


def whole(column: pa.ChunkedArray | pa.Array) -> pa.Array:
    """Return a column as one array."""
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def numbers(column: pa.Array) -> Ints:
    """Return a stored column as int64, 0 for null."""
    if pa.types.is_date(column.type):
        column = column.cast(pa.date32()).cast(pa.int32())
    if pa.types.is_boolean(column.type):
        column = column.cast(pa.int8())
    if column.null_count:
        column = pc.fill_null(column, 0)
    return np.asarray(column.to_numpy(zero_copy_only=False), np.int64)


class Reader:
    """Gives measures of one batch of events, each column turned once.

    Args:
        columns: stored columns by name.
        masks: condition name → where it is true.
        codes: numbers for texts.
    """

    def __init__(
        self, columns: Mapping[str, pa.Array], masks: Mapping[str, Flags], codes: Codes
    ) -> None:
        self._columns, self._masks, self._codes = columns, masks, codes
        self._numbers: dict[tuple[str, str], Ints] = {}

    def held(self, measure: Measure) -> Flags | None:
        """Return where the measure has a value; None for everywhere."""
        kept: Flags | None = self._masks[measure.mask] if measure.mask else None
        for name in measure.columns:
            column = self._columns[name]
            if column.null_count:
                there = np.asarray(column.is_valid())
                kept = there if kept is None else kept & there
        return kept

    def values(self, measure: Measure) -> Ints | int:
        """Return the values of the measure, or the one that all have."""
        if measure.form == "one":
            return 1
        if measure.form in ("cell", "region"):
            lats, lons = (self._once(name, "value") for name in measure.columns)
            return looked_up(measure, lats, lons)
        name = measure.columns[1 if measure.form == "longitude" else 0]
        return self._once(name, "code" if measure.form == "code" else "value")

    def _once(self, name: str, form: str) -> Ints:
        if (name, form) not in self._numbers:
            column = self._columns[name]
            turned = self._codes.code(name, column) if form == "code" else numbers(column)
            self._numbers[name, form] = turned
        return self._numbers[name, form]


def looked_up(measure: Measure, lats: Ints, lons: Ints) -> Ints:
    """Return the cell or the region of each place, as a number."""
    if measure.regions is not None:
        return measure.regions.first(lats, lons)
    return h3_cells(lats, lons, measure.resolution)


def h3_cells(lats: Ints, lons: Ints, resolution: int) -> Ints:
    """Return the H3 cell of each place.

    Raises:
        ContractError: if the library is missing.
    """
    try:
        from h3.api.basic_int import latlng_to_cell
    except ImportError as error:
        raise ContractError("Cells need the library h3.", do="pip install 'heptad[geo]'") from error
    pairs = zip(lats.tolist(), lons.tolist(), strict=True)
    found = [latlng_to_cell(lat / 1e7, lon / 1e7, resolution) for lat, lon in pairs]
    return np.array(found, np.int64)


def finished(compiled: Compiled, out: Ints, ok: Any, codes: Codes) -> dict[str, pa.Array]:
    """Turn state into the values of features, without defaults; ratios stay apart.

    Args:
        compiled: what was read.
        out: (m, columns) state.
        ok: (m, columns) whether there is one.
        codes: the numbers of texts.
    """
    found: dict[str, pa.Array] = {}
    for feature, step in zip(compiled.features, compiled.steps, strict=True):
        found[feature.name] = _finished(feature, out[:, step[6] :], ok[:, step[6] :], codes)
    return found


def _finished(feature: Feature, out: Ints, ok: Any, codes: Codes) -> pa.Array:
    """Turn the state of one feature into its values."""
    gives, none = OPERATORS[feature.op].gives, ok[:, 0] == 0
    if gives == "list":
        return _lists(feature, out, ok, codes)
    if gives == "number":
        return pa.array(_numbers(feature, out, none), pa.float64(), mask=none | _none(feature, out))
    if gives == "value":
        return _stored(feature, out[:, 0], none, codes)
    if gives == "text":
        return _named(feature, out[:, 0], none)
    return pa.array(np.ascontiguousarray(out[:, 0]), pa.int64(), mask=none).cast(
        pa.bool_() if gives == "flag" else pa.int64()
    )


def _named(feature: Feature, numbers: Ints, none: Flags) -> pa.Array:
    """Turn numbers of regions into their names."""
    names = pa.array(feature.argument("regions").names, pa.string())
    outside = none | (numbers < 0)
    return names.take(pa.array(np.ascontiguousarray(numbers), pa.int64(), mask=outside))


def _none(feature: Feature, out: Ints) -> Any:
    """Tell where the state has no value though there are events."""
    if feature.op in ("mean", "share", "rate", "speed"):
        return out[:, 1] == 0
    if feature.op == "spread":
        return out[:, 0] < 2
    if feature.op == "trend":
        return np.array([v is None for v in _slopes(out)], np.bool_)
    return np.zeros(len(out), np.bool_)


def _numbers(feature: Feature, out: Ints, none: Flags) -> Any:
    """Finish the operators that give fractions."""
    if feature.op in ("mean", "share", "rate"):
        return divided(out[:, 0], out[:, 1])
    if feature.op == "spread":
        rows = out[:, :5].tolist()
        spreads = (deviation(r[0], wide(r[1], r[2]), wide(r[3], r[4])) for r in rows)
        return np.array([0.0 if v is None else v for v in spreads])
    if feature.op == "trend":
        return np.array([0.0 if v is None else v for v in _slopes(out)])
    rows = zip(out[:, 0].tolist(), out[:, 1].tolist() if out.shape[1] > 1 else out[:, 0].tolist(),
               strict=True)  # fmt: skip
    finish: dict[str, Callable[[int, int], float | None]] = {
        "entropy": lambda n, logs: entropy(n, logs, LOG_SCALE),
        "decayed": lambda high, low: scaled(high, low, 40),
        "distance": lambda mm, _: quotient(mm, 1000),
        "moved": lambda mm, _: quotient(mm, 1000),
        "speed": lambda mm, us: quotient(mm * 1000, us),
    }
    made = finish[feature.op]
    values = (0.0 if gone else made(a, b) for gone, (a, b) in zip(none, rows, strict=True))
    return np.array([0.0 if v is None else v for v in values])


def _slopes(out: Ints) -> list[float | None]:
    return [slope(row) for row in out[:, :8].tolist()]


def divided(above: Ints, below: Ints) -> npt.NDArray[np.float64]:
    """Divide whole numbers, each result correctly rounded; 0 for a zero divisor."""
    none = below == 0
    values: npt.NDArray[np.float64] = above / np.where(none, 1, below)
    # Above 2^53 the conversion to float would round before the division does.
    for i in np.flatnonzero(~none & ((np.abs(above) > _EXACT) | (np.abs(below) > _EXACT))):
        values[i] = int(above[i]) / int(below[i])
    values[none] = 0.0
    return values


def _stored(feature: Feature, values: Ints, none: Any, codes: Codes) -> pa.Array:
    """Turn numbers back into values of the field."""
    kind = result_of(feature) if OPERATORS[feature.op].gives == "value" else _kind(feature)
    values = np.ascontiguousarray(values)
    if kind == "text":
        texts = codes.texts(feature.of.columns()[0].name, np.where(none, 0, values))
        return pc.if_else(pa.array(none), pa.scalar(None, pa.string()), texts)
    plain = pa.array(values, pa.int64(), mask=none)
    if kind == "flag":
        return plain.cast(pa.bool_())
    return plain.cast(pa.int32()).cast(pa.date32()) if kind == "day" else plain


def _kind(feature: Feature) -> str:
    return feature.of.columns()[0].kind


def _lists(feature: Feature, out: Ints, ok: Any, codes: Codes) -> pa.Array:
    """Turn columns of state into lists; a row without values has none."""
    n = feature.argument("n")
    there = ok[:, :n] != 0
    flat = _stored(feature, out[:, :n][there], np.zeros(int(there.sum()), np.bool_), codes)
    offsets = np.concatenate([[0], np.cumsum(there.sum(axis=1))]).astype(np.int32)
    empty = pa.array(~there[:, 0])
    return pa.ListArray.from_arrays(pa.array(offsets), flat, mask=empty)


def filled(features: Sequence[Feature], values: Mapping[str, pa.Array]) -> dict[str, pa.Array]:
    """Put ratios together and defaults where there is no value."""
    found: dict[str, pa.Array] = {}
    for feature in features:
        if feature.parts:
            above, below = (values[f"{feature.name}#{i}"] for i in (0, 1))
            value = quotients(above, below)
        else:
            value = values[feature.name]
        if feature.default is not None:
            value = pc.fill_null(value, pa.scalar(feature.default, value.type))
        found[feature.name] = value
    return found


def quotients(above: pa.Array, below: pa.Array) -> pa.Array:
    """Divide two integer columns, each result correctly rounded; null for null or zero below."""
    missing = pc.or_(pc.is_null(above), pc.is_null(below)).to_numpy(zero_copy_only=False)
    a, b = numbers(above), numbers(below)
    return pa.array(divided(a, b), pa.float64(), mask=missing | (b == 0))
