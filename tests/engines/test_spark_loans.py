# SPDX-License-Identifier: Apache-2.0
"""Vintages, roll rates, expected losses and traces on Spark equal those of one process, to the cent."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from heptad.analysis.loans.losses import Exposures, expected_loss
from heptad.analysis.loans.movements import Months, movements
from heptad.analysis.loans.tracing import METHODS, Following, Transfers, parts, trace
from heptad.engine.spark.loans import (
    COUNTS,
    EXPOSURES,
    MOVES,
    TRANSFERS,
    losses_on,
    movements_on,
    trace_on,
)
from heptad.engine.spark.session import Spark
from heptad.testing.spending import world
from tests.analysis.loans.test_books import MONTHS, SCENARIOS, book, drawn

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
QUICK = {
    "spark.driver.memory": "1500m",
    "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
}


def worlds(*seeds: int) -> tuple[Transfers, np.ndarray]:
    """Several simulated networks beside each other, their transfers in order of time."""
    made = [world(80, seed, camouflage=0.5, noise=1.0) for seed in seeds]
    first = np.cumsum([0, *(len(w.kind) for w in made)])
    columns = []
    for n, (w, at) in enumerate(zip(made, first, strict=False)):
        m = w.transfers
        paid = np.where(m.paid >= 0, m.paid + 80 * n, -1)
        columns.append(np.stack([m.time, m.source + at, m.target + at, m.amount, paid]))
    every = np.concatenate(columns, axis=1)
    every = every[:, np.argsort(every[0], kind="stable")]
    return Transfers(*every), np.concatenate([w.kind for w in made])


def test_books_on_spark_are_as_in_one_process(tmp_path) -> None:
    months, rows = drawn(3_000, 4), book(5_000, 3)
    mixed = np.random.default_rng(1).permutation(len(months["loan"]))
    pq.write_table(pa.table({n: c[mixed] for n, c in months.items()}), tmp_path / "months.parquet")
    keyed = {"id": np.arange(5_000)} | {n: rows[n] for n in EXPOSURES}
    pq.write_table(pa.table(keyed), tmp_path / "loans.parquet")
    moved, kind = worlds(21, 22, 23, 24)
    columns = {"number": np.arange(len(moved.time))} | {n: getattr(moved, n) for n in TRANSFERS[1:]}
    mixed = np.random.default_rng(2).permutation(len(moved.time))
    pq.write_table(pa.table({n: c[mixed] for n, c in columns.items()}), tmp_path / "moved.parquet")
    with Spark(2, QUICK) as spark:
        read = spark.session.read.parquet
        traced = {
            method: trace_on(
                read(str(tmp_path / "moved.parquet")), kind > 0, Following(method=method)
            )
            for method in METHODS
        }
        counted = movements_on(read(str(tmp_path / "months.parquet")), MONTHS)
        frame = losses_on(read(str(tmp_path / "loans.parquet")), "id", SCENARIOS)
        lost = {r["id"]: (r["booked"], r["year"], r["lifetime"]) for r in frame.collect()}
    here = movements(Months(**months), MONTHS)
    for name in (*COUNTS, "last"):
        assert np.array_equal(getattr(counted, name), getattr(here, name)), name
    ours = expected_loss(Exposures(**rows), SCENARIOS)
    each = zip(ours.booked.tolist(), ours.year.tolist(), ours.lifetime.tolist(), strict=True)
    assert lost == dict(enumerate(each))
    assert len(np.unique(parts(moved.source, moved.target, kind > 0)[kind == 0])) >= 4
    for method, found in traced.items():
        wanted = trace(moved, kind > 0, Following(method=method))
        for name in (*MOVES, "unseen"):
            assert np.array_equal(getattr(found, name), getattr(wanted, name)), (method, name)
        assert len(wanted.loan) > 300
