# SPDX-License-Identifier: Apache-2.0
"""Recall models on Spark: who chose both, rules, and least squares, by the code of one machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from scipy import sparse

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray
    from pyspark.sql import DataFrame

    from heptad.analysis.recommend.factors import Factors
    from heptad.analysis.recommend.rules import Rules

    Floats = NDArray[np.float32]

EVENTS = ("user", "item")


def together_on(frame: DataFrame, n_items: int) -> tuple[Any, int]:
    """Count of how many users chose both of two items; equal to the product of the matrix of events.

    Args:
        frame: columns `EVENTS`, codes from 0; rows in any order, once or many times.
        n_items: how many items there are.

    Returns:
        (items, items) CSR of counts, how many chose it on the diagonal; and how many users there are.
    """

    def count(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        part = _matrix(batches, "user", "item", n_items)[1]
        both = (part.T @ part).tocoo()
        yield pa.record_batch({"one": both.row.astype(np.int64), "other": both.col.astype(np.int64),
                               "n": both.data.astype(np.int64)})  # fmt: skip

    by_user = frame.select(*EVENTS).distinct().repartition("user")
    parts: Any = by_user.mapInArrow(count, "one bigint, other bigint, n bigint")
    summed: Any = parts.groupBy("one", "other").sum("n").toArrow()
    one, other, n = (summed.column(i).to_numpy() for i in range(3))
    both = sparse.csr_matrix((n.astype(np.float32), (one, other)), shape=(n_items, n_items))
    return both, int(frame.select("user").distinct().count())


def rules_on(frame: DataFrame, n_items: int, rules: Rules) -> Rules:
    """Fit association rules; equal to `Rules.fit` of the same events."""
    both, people = together_on(frame, n_items)
    return rules.fit_counts(both, people)


def factors_on(frame: DataFrame, n_users: int, n_items: int, factors: Factors) -> Factors:
    """Fit factors by alternating least squares; equal to `Factors.fit` of the same events.

    The vectors of both sides lie with the driver and go to the workers whole; the events stay
    where they are.

    Args:
        frame: columns `EVENTS`, codes from 0.
        n_users: how many users there are.
        n_items: how many items there are.
        factors: its parameters.
    """
    events = frame.select(*EVENTS).distinct()
    by_user = events.repartition("user").cache()
    by_item = events.repartition("item").cache()
    items = factors.begun(n_items)
    try:
        for _ in range(factors.epochs):
            users = _solved(by_user, EVENTS, factors, items, n_users)
            items = _solved(by_item, EVENTS[::-1], factors, users, n_items)
    finally:
        by_user.unpersist()
        by_item.unpersist()
    factors.items_ = items
    return factors


def _solved(
    frame: DataFrame, names: tuple[str, ...], factors: Factors, other: Floats, n: int
) -> Floats:
    """Solve each row's vector against the other side's, where its events lie."""
    everyone = factors.everyone(other)

    def solve(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        codes, part = _matrix(batches, names[0], names[1], len(other))
        found = factors.solved(part, other, everyone)
        flat = pa.array(found.ravel(), pa.float32())
        vectors = pa.FixedSizeListArray.from_arrays(flat, other.shape[1]).cast(
            pa.list_(pa.float32())
        )
        yield pa.record_batch({"code": codes, "vector": vectors})

    made: Any = frame.mapInArrow(solve, "code bigint, vector array<float>").toArrow()
    found = np.zeros((n, other.shape[1]), np.float32)
    if made.num_rows:
        flat = made.column("vector").combine_chunks().flatten().to_numpy()
        found[made.column("code").to_numpy()] = flat.reshape(made.num_rows, -1)
    return found


def _matrix(
    batches: Iterator[pa.RecordBatch], rows: str, columns: str, width: int
) -> tuple[NDArray[np.int64], Any]:
    """Return the codes of the rows of one part, ascending, and their matrix of ones."""
    held = [(b.column(rows).to_numpy(), b.column(columns).to_numpy()) for b in batches]
    one, other = (
        np.concatenate([pair[i] for pair in held]) if held else np.zeros(0, np.int64)
        for i in (0, 1)
    )
    codes, place = np.unique(one, return_inverse=True)
    ones = np.ones(len(one), np.float32)
    return codes, sparse.csr_matrix((ones, (place, other)), shape=(len(codes), width))
