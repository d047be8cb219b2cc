# SPDX-License-Identifier: Apache-2.0
"""Whole books of loans on Spark: the compiled loops of one machine, over parts that add up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from heptad.analysis.loans.losses import Exposures, expected_loss
from heptad.analysis.loans.movements import Counter, Months, Movements
from heptad.analysis.loans.tracing import PROPORTIONAL, Moves, Transfers, parts, trace

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray
    from pyspark.sql import DataFrame

    from heptad.analysis.loans.losses import Scenarios
    from heptad.analysis.loans.tracing import Following

MONTHS = ("loan", "month", "cohort", "bucket", "balance", "lent")
EXPOSURES = ("balance", "rate", "remaining", "grade", "segment", "stage", "bullet")
TRANSFERS = ("number", "time", "source", "target", "amount", "paid")
MOVES = ("loan", "transfer", "amount", "hop")
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


def trace_on(
    frame: DataFrame, final: NDArray[np.bool_], following: Following = PROPORTIONAL
) -> Moves:
    """Follow lent money from account to account; equal to `trace` of the same transfers.

    Parts of the network that no money passes between are traced beside each other. Where all
    accounts hang together, one process has all the work.

    Args:
        frame: columns `TRANSFERS`; rows in any order, `number` gives theirs, from 0.
        final: (accounts,) where money is not followed further.
        following: how far.
    """
    pairs: Any = frame.select("source", "target").distinct().toArrow()
    part = parts(pairs.column("source").to_numpy(), pairs.column("target").to_numpy(), final)

    def place(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            pays, gets = (batch.column(name).to_numpy() for name in ("source", "target"))
            at = np.where(final[pays], part[gets], part[pays])
            yield batch.append_column("part", pa.array(at))

    def follow(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        rows = pa.Table.from_batches(list(batches), _schema((*TRANSFERS, "part")))
        if rows.num_rows:
            yield _traced(rows, final, following)

    placed = frame.select(*TRANSFERS).mapInArrow(place, _sql((*TRANSFERS, "part")))
    by_part = placed.repartition("part").sortWithinPartitions("number")
    found: Any = by_part.mapInArrow(follow, _sql(MOVES)).toArrow()
    loan, number, amount, hop = (found.column(name).to_numpy() for name in MOVES)
    lost = number < 0
    unseen = np.zeros(int(loan.max(initial=-1)) + 1, np.int64)
    unseen[loan[lost]] = amount[lost]
    order = np.flatnonzero(~lost)[np.argsort(number[~lost], kind="stable")]
    return Moves(loan[order], number[order], amount[order], hop[order], unseen)


def _sql(names: tuple[str, ...]) -> str:
    return ", ".join(f"{name} bigint" for name in names)


def _schema(names: tuple[str, ...]) -> pa.Schema:
    return pa.schema([(name, pa.int64()) for name in names])


def _traced(rows: pa.Table, final: NDArray[np.bool_], following: Following) -> pa.RecordBatch:
    """Trace some of the transfers; what was lost sight of of each loan has the number -1."""
    number, time, source, target, amount, paid = (rows.column(n).to_numpy() for n in TRANSFERS)
    accounts, sides = np.unique(np.stack([source, target]), return_inverse=True)
    pays, gets = sides.reshape(2, -1)
    loans = np.unique(paid[paid >= 0])
    own = np.where(paid >= 0, np.searchsorted(loans, paid), -1)
    moves = trace(Transfers(time, pays, gets, amount, own), final[accounts], following)
    columns = (
        [loans[moves.loan], loans],
        [number[moves.transfer], np.full(len(loans), -1)],
        [moves.amount, moves.unseen],
        [moves.hop, np.zeros(len(loans), np.int64)],
    )
    arrays = [pa.array(np.concatenate(column)) for column in columns]
    return pa.record_batch(arrays, schema=_schema(MOVES))
