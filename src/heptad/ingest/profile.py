# SPDX-License-Identifier: Apache-2.0
"""A profile of what a load brings in each column, gathered while the rows pass by."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from heptad.standards.fields import Code, Flag, Instant, Integer, Money, Number, Place

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from heptad.standards.fields import Field
    from heptad.standards.tables import Table

    Numbers = NDArray[np.int64]

SAMPLE = 200_000
"""At most about this many rows are looked at closely."""

_PER_BATCH = 4_096
_LONG, _BATCH_BYTES, _SAMPLE_BYTES = 64, 256 << 10, 16 << 20
"""Of values longer than this, fewer are looked at: so many bytes of a batch, and of a column."""
_STEPS = 20
_TOP = 50


@dataclass(frozen=True, slots=True)
class Profile:
    """One physical column of one load.

    Attributes:
        column: its name.
        count: rows.
        missing: rows without a value.
        distinct: distinct values, estimated from the sample.
        smallest: smallest value, as stored.
        largest: largest value.
        mean: of numbers, in the stored unit, of the sample.
        quantiles: values at equal steps of rank, ends included, of the sample.
        top: [value, rows] of the most frequent codes and flags of the sample.
        histogram: {"edges": …, "counts": …} of the sample; counts has one more than edges.
        personal: values say who a person is.
    """

    column: str
    count: int
    missing: int
    distinct: int | None = None
    smallest: Any = None
    largest: Any = None
    mean: float | None = None
    quantiles: list[int] | None = None
    top: list[list[Any]] | None = None
    histogram: dict[str, list[int]] | None = None
    personal: bool = False


class Profiler:
    """Gathers the profile of a table's declared columns.

    Rows are counted exactly; values come from a systematic sample, the first rows of every batch
    and all rows of a small load; of long texts fewer.

    Args:
        table: the table.
    """

    def __init__(self, table: type[Table]) -> None:
        self._fields = {c.name: f for f in table.fields.values() for c in f.columns()}
        self._rows = 0
        self._sampled = 0
        self._missing = dict.fromkeys(self._fields, 0)
        self._ends: dict[str, tuple[Any, Any]] = {}
        self._samples: dict[str, list[pa.Array]] = {name: [] for name in self._fields}
        self._bytes = dict.fromkeys(self._fields, 0)

    def add(self, batch: pa.RecordBatch) -> None:
        """Take typed rows, before anything is sealed."""
        rows = batch.num_rows
        self._rows += rows
        take = rows if self._rows <= SAMPLE // 2 else min(rows, _PER_BATCH)
        take = take if self._sampled < 2 * SAMPLE else 0
        self._sampled += take
        for name, field in self._fields.items():
            column = batch.column(name)
            self._missing[name] += column.null_count
            if take and not field.personal:
                self._sample(name, column, take)
            if _ordered(field) and not field.personal:
                self._widen(name, column)

    def _sample(self, name: str, column: pa.Array, take: int) -> None:
        """Keep the first values of a batch's column."""
        each = column.nbytes // len(column)
        if each > _LONG:
            room = min(_BATCH_BYTES, _SAMPLE_BYTES - self._bytes[name])
            take = min(take, max(room // each, room > 0))
        # A copy: a slice would keep the whole batch in memory.
        part = column.take(pa.array(np.arange(take)))
        self._samples[name].append(part)
        self._bytes[name] += part.nbytes

    def profiles(self) -> list[Profile]:
        """Return the profile of each column."""
        return [self._profile(name, field) for name, field in self._fields.items()]

    def counts(self, column: str, edges: list[int]) -> list[int]:
        """Count the sample's values of a column between edges of an earlier load."""
        sample = pa.chunked_array(self._samples[column], pa.int64()).drop_null()
        return _counted(_numbers(sample), edges)

    def _widen(self, name: str, column: pa.Array) -> None:
        ends = pc.min_max(column).as_py()
        if ends["min"] is not None:
            low, high = self._ends.get(name, (ends["min"], ends["max"]))
            self._ends[name] = (min(low, ends["min"]), max(high, ends["max"]))

    def _profile(self, name: str, field: Field) -> Profile:
        missing = self._missing[name]
        if field.personal or not self._samples[name]:
            return Profile(name, self._rows, missing, personal=field.personal)
        sample = pa.chunked_array(self._samples[name]).drop_null()
        low, high = self._ends.get(name, (None, None))
        distinct = estimated(sample, self._rows - missing)
        if isinstance(field, Code | Flag):
            return Profile(name, self._rows, missing, distinct, top=_top(sample))
        if low is None or not pa.types.is_integer(sample.type):
            low, high = (None if end is None else str(end) for end in (low, high))
            return Profile(name, self._rows, missing, distinct, low, high)
        values = _numbers(sample)
        return Profile(
            name,
            self._rows,
            missing,
            distinct,
            smallest=low,
            largest=high,
            mean=math.fsum(values.tolist()) / len(values),
            quantiles=_quantiles(values, _STEPS),
            histogram=_histogram(values),
        )


def estimated(sample: pa.ChunkedArray, rows: int) -> int:
    """Estimate the distinct values of `rows` rows from a sample of them.

    Source: Charikar, Chaudhuri, Motwani, Narasayya, Towards estimation error guarantees for
    distinct values, 2000, section 4 (GEE): values met once count √(rows / sampled) times.
    """
    if not len(sample):
        return 0
    counts = pc.value_counts(sample).field("counts")
    once = pc.sum(pc.equal(counts, 1)).as_py() or 0
    share = math.sqrt(max(rows, len(sample)) / len(sample))
    return round(share * once + len(counts) - once)


def _ordered(field: Field) -> bool:
    return isinstance(field, Integer | Number | Money | Instant | Place) or field.kind == "day"


def _top(sample: pa.ChunkedArray) -> list[list[Any]]:
    counted = pc.value_counts(sample).to_pylist()
    ranked = sorted(counted, key=lambda pair: (-pair["counts"], str(pair["values"])))
    return [[pair["values"], pair["counts"]] for pair in ranked[:_TOP]]


def _quantiles(values: Numbers, steps: int) -> list[int]:
    ranks = np.arange(steps + 1) * (len(values) - 1) // steps
    return [int(v) for v in values[ranks]]


def _histogram(values: Numbers) -> dict[str, list[int]]:
    """Count values between their deciles; equal deciles are one."""
    edges = np.unique(values[np.arange(1, 10) * len(values) // 10])
    edges = edges[edges > values[0]]
    return {"edges": edges.tolist(), "counts": _counted(values, edges.tolist())}


def _counted(values: Numbers, edges: list[int]) -> list[int]:
    """Count values below, between and from the edges on."""
    places = np.searchsorted(np.asarray(edges, np.int64), values, side="right")
    counts: list[int] = np.bincount(places, minlength=len(edges) + 1).tolist()
    return counts


def _numbers(sample: pa.ChunkedArray) -> Numbers:
    """Return a sample's values, sorted."""
    values: Numbers = np.sort(sample.to_numpy())
    return values
