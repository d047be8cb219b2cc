# SPDX-License-Identifier: Apache-2.0
"""Vintages, roll rates and expected losses on Spark equal those of one process, to the cent."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from heptad.analysis.loans.losses import Exposures, expected_loss
from heptad.analysis.loans.movements import Months, movements
from heptad.engine.spark.loans import COUNTS, EXPOSURES, losses_on, movements_on
from heptad.engine.spark.session import Spark
from tests.analysis.loans.test_books import MONTHS, SCENARIOS, book, drawn

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
QUICK = {
    "spark.driver.memory": "1500m",
    "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
}


def test_books_on_spark_are_as_in_one_process(tmp_path) -> None:
    months, rows = drawn(3_000, 4), book(5_000, 3)
    mixed = np.random.default_rng(1).permutation(len(months["loan"]))
    pq.write_table(pa.table({n: c[mixed] for n, c in months.items()}), tmp_path / "months.parquet")
    keyed = {"id": np.arange(5_000)} | {n: rows[n] for n in EXPOSURES}
    pq.write_table(pa.table(keyed), tmp_path / "loans.parquet")
    with Spark(2, QUICK) as spark:
        read = spark.session.read.parquet
        counted = movements_on(read(str(tmp_path / "months.parquet")), MONTHS)
        frame = losses_on(read(str(tmp_path / "loans.parquet")), "id", SCENARIOS)
        lost = {r["id"]: (r["booked"], r["year"], r["lifetime"]) for r in frame.collect()}
    here = movements(Months(**months), MONTHS)
    for name in (*COUNTS, "last"):
        assert np.array_equal(getattr(counted, name), getattr(here, name)), name
    ours = expected_loss(Exposures(**rows), SCENARIOS)
    each = zip(ours.booked.tolist(), ours.year.tolist(), ours.lifetime.tolist(), strict=True)
    assert lost == dict(enumerate(each))
