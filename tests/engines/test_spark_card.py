# SPDX-License-Identifier: Apache-2.0
"""A scorecard scores on Spark as it does in bulk, bit for bit."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from heptad.analysis.scorecard import Scorecard
from heptad.engine.spark.session import Spark
from tests.analysis.test_crosses import crossed_world

pytestmark = pytest.mark.timeout(600)
SIZES = [
    pytest.param(30_000, marks=pytest.mark.slow),
    pytest.param(1_000_000, marks=pytest.mark.soak),
]


@pytest.mark.parametrize("n", SIZES)
def test_rows_score_on_spark_as_in_bulk(n, tmp_path) -> None:
    card = Scorecard(crosses=4, special={"plain": [-999]}).fit(*crossed_world())
    table, _ = crossed_world(n, seed=21)
    random = np.random.default_rng(22)
    for name in ("a", "b", "plain"):
        cuts = [*(card.bins_[name].edges or ())]
        odd = np.array([np.nan, np.inf, -np.inf, -999.0, *cuts, *np.nextafter(cuts, -np.inf)])
        table[name][random.integers(0, n, n // 10)] = random.choice(odd, n // 10)
    odd_levels = np.array(["back\\slash", "it's", "", None], dtype=object)
    table["bank"][random.integers(0, n, n // 100)] = random.choice(odd_levels, n // 100)
    arrow = pa.table(
        {
            name: pa.array(values, pa.string() if values.dtype == object else pa.float64())
            for name, values in table.items()
        }
        | {"ours": card.totals(table), "chance": card.predict_proba(table)[:, 1]}
    )
    pq.write_table(arrow, tmp_path / "rows.parquet")
    quick = {
        "spark.driver.memory": "1500m",
        "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
    }
    with Spark(2, quick) as spark:
        frame = spark.session.read.parquet(str(tmp_path / "rows.parquet"))
        same = frame.selectExpr(
            f"{card.to_sql(dialect='spark')} = ours AS points",
            f"{card.to_sql('probability', 'spark')} = chance AS chance",
        )
        found = same.selectExpr("count_if(points)", "count_if(chance)", "count(*)").collect()
    assert [tuple(row) for row in found] == [(n, n, n)]
