# SPDX-License-Identifier: Apache-2.0
"""Recall models on Spark equal those of one process: counts and rules exactly, vectors closely."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from heptad.analysis.recommend.factors import Factors
from heptad.analysis.recommend.interactions import Interactions
from heptad.analysis.recommend.rules import Rules
from heptad.engine.spark.recommend import factors_on, rules_on, together_on
from heptad.engine.spark.session import Spark
from tests.engines.test_spark_loans import QUICK

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
USERS, ITEMS = 400, 60


def events() -> Interactions:
    """Users of two tastes; some have no event, some items nobody, some pairs stand twice."""
    random = np.random.default_rng(5)
    who = random.integers(0, USERS - 10, 6_000)
    item = (
        random.integers(0, (ITEMS - 4) // 2, 6_000) * 2 + (who + (random.random(6_000) < 0.2)) % 2
    )
    return Interactions.of(who, item, n_users=USERS, n_items=ITEMS)


def test_recall_on_spark_is_as_in_one_process(tmp_path) -> None:
    data = events()
    pq.write_table(pa.table({"user": data.users, "item": data.items}), tmp_path / "events.parquet")
    with Spark(2, QUICK) as spark:
        frame = spark.session.read.parquet(str(tmp_path / "events.parquet"))
        both, people = together_on(frame, ITEMS)
        rules = rules_on(frame, ITEMS, Rules(support=5, lift=1.1))
        factors = factors_on(frame, USERS, ITEMS, Factors(8, epochs=3))
    seen = data.matrix()
    assert (both != seen.T @ seen).nnz == 0
    assert people == len(np.unique(data.users))
    here = Rules(support=5, lift=1.1).fit(data)
    assert len(here.rules_) >= 10
    order = lambda found: sorted(found.rules_, key=lambda r: (r.given, r.then))  # noqa: E731
    assert order(rules) == order(here)
    alone = Factors(8, epochs=3).fit(data)
    assert np.allclose(factors.items_, alone.items_, atol=1e-5)
    # The same ten candidates for everybody, ties within the rounding left out.
    mine, theirs = (np.argsort(-f.scores(seen), axis=1)[:, :10] for f in (factors, alone))
    same = [len(np.intersect1d(a, b)) for a, b in zip(mine, theirs, strict=True)]
    assert np.mean(same) > 9.9
