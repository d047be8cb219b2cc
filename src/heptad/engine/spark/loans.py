# SPDX-License-Identifier: Apache-2.0
"""Whole books of loans on Spark: the compiled loops of one machine, over parts that add up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from heptad.analysis.loans.losses import Exposures, expected_loss
from heptad.analysis.loans.movements import Counter, Months, Movements

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pyspark.sql import DataFrame

    from heptad.analysis.loans.losses import Scenarios

MONTHS = ("loan", "month", "cohort", "bucket", "balance", "lent")
EXPOSURES = ("balance", "rate", "remaining", "grade", "segment", "stage", "bullet")
COUNTS = ("loans", "lent", "first", "first_lent", "moves", "moved")


def movements_on(frame: DataFrame, months: int) -> Movements:
    """Count what the loans of a book did; equal to `movements` of the same rows.

    Args:
        frame: columns `MONTHS`; rows in any order, bucket as an index into `BUCKETS`.
        months: how many months the book covers.
    """

    def count(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        counter = Counter(months)
        for batch in batches:
            counter.add(Months(*(batch.column(name).to_numpy() for name in MONTHS)))
        found = counter.movements()
        for number, name in enumerate(COUNTS):
            flat = getattr(found, name).ravel()
            at = np.flatnonzero(flat)
            yield pa.record_batch({"what": np.full(len(at), number), "at": at, "n": flat[at]})

    by_loan = frame.select(*MONTHS).repartition("loan").sortWithinPartitions("loan", "month")
    counted: Any = by_loan.mapInArrow(count, "what bigint, at bigint, n bigint")
    shapes = Counter(months).movements()
    arrays = [np.zeros_like(getattr(shapes, name)) for name in COUNTS]
    for what, at, n in counted.groupBy("what", "at").sum("n").collect():
        arrays[what].flat[at] = n
    last = frame.selectExpr("max(month)").collect()[0][0]
    loans, lent, first, first_lent, moves, moved = arrays
    end = -1 if last is None else int(last)
    return Movements(loans, lent, first, first_lent, moves, moved, end)


def losses_on(frame: DataFrame, key: str, scenarios: Scenarios) -> DataFrame:
    """Compute the expected loss of each loan; equal to `expected_loss` of the same rows.

    Args:
        frame: a key and columns `EXPOSURES`.
        key: name of the key, a text or a number.
        scenarios: what may come.

    Returns:
        The key, `booked`, `year` and `lifetime` in minor units.
    """

    def lose(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            columns = [batch.column(n).to_numpy(zero_copy_only=False) for n in EXPOSURES]
            found = expected_loss(Exposures(*columns), scenarios)
            yield pa.record_batch(
                {
                    key: batch.column(key),
                    "booked": found.booked,
                    "year": found.year,
                    "lifetime": found.lifetime,
                }
            )

    kind = dict(frame.dtypes)[key]
    schema = f"`{key}` {kind}, booked bigint, year bigint, lifetime bigint"
    return frame.select(key, *EXPOSURES).mapInArrow(lose, schema)
