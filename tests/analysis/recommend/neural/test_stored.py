# SPDX-License-Identifier: Apache-2.0
"""Training from Parquet: as from memory, in little memory, and on after a kill."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from heptad.analysis.evaluation import auc
from heptad.analysis.recommend.neural.ranker import Ranker
from heptad.analysis.recommend.neural.stored import StoredRanker, store
from heptad.standards.errors import ContractError
from tests.analysis.recommend.neural.test_models import FAST, SCHEMA, habits


def written(path, n, seed=0):
    """Habits as a Parquet file of several row groups."""
    rows, y = habits(n, seed)
    columns = {k: list(v) if v.ndim == 2 else v for k, v in rows.items()}
    pq.write_table(pa.table(columns | {"taken": y}), path, row_group_size=max(1, n // 5))
    return rows, y


def test_it_learns_as_from_memory_and_goes_on_after_a_kill(tmp_path):
    rows, y = written(tmp_path / "rows.parquet", 2000)
    (tmp_path / "columns").mkdir()
    held = store(tmp_path / "rows.parquet", SCHEMA, "taken", tmp_path / "columns")
    assert len(held) == 2000
    settings = {"kind": "din", "embedding_size": 8, "layers": (16,), "epochs": 3, "schedule": FAST}
    here = Ranker(SCHEMA, **settings).fit(rows, y)

    def kill(epoch):
        if epoch.number == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        StoredRanker(SCHEMA, **settings).fit_stored(held, keep=tmp_path / "kept.npz", progress=kill)
    there = StoredRanker(SCHEMA, **settings).fit_stored(held, keep=tmp_path / "kept.npz")
    test, truth = habits(800, seed=1)
    scores = [model.score(test, {}, {}) for model in (here, there)]
    # Rows of a batch are summed in another order.
    assert np.allclose(*scores, atol=0.02)
    assert auc(truth, scores[1]) > 0.6
    there.save(tmp_path / "ranker.npz")
    again = Ranker.load(tmp_path / "ranker.npz")
    assert np.allclose(again.score(test, {}, {}), scores[1], atol=1e-5)


def test_little_of_a_file_is_in_memory_at_once(tmp_path):
    written(tmp_path / "rows.parquet", 200_000)
    (tmp_path / "columns").mkdir()
    tracemalloc.start()
    held = store(tmp_path / "rows.parquet", SCHEMA, "taken", tmp_path / "columns")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    whole = sum(column.nbytes for column in held.columns.values())
    assert peak < whole / 2
    assert held.columns["held"].shape == (200_000, 5)


def test_what_cannot_be_trained_so_is_refused(tmp_path):
    written(tmp_path / "rows.parquet", 50)
    (tmp_path / "columns").mkdir()
    held = store(tmp_path / "rows.parquet", SCHEMA, "taken", tmp_path / "columns")
    with pytest.raises(ContractError, match="in memory"):
        StoredRanker(SCHEMA, "wide_deep").fit_stored(held)
    with pytest.raises(ContractError, match="asks for"):
        store(tmp_path / "rows.parquet", SCHEMA, "bought", tmp_path)
    with pytest.raises(ContractError, match="0 or 1"):
        store(tmp_path / "rows.parquet", SCHEMA, "price", tmp_path / "columns")


def folder(tmp_path, name):
    (tmp_path / name).mkdir()
    return tmp_path / name


def test_a_training_is_not_resumed_on_other_rows_of_equal_outcomes(tmp_path):
    rows, y = habits(200, 0)
    held = []
    for name, given in (("one", rows), ("two", rows | {"evening": rows["evening"][::-1]})):
        columns = {k: list(v) if v.ndim == 2 else v for k, v in given.items()}
        pq.write_table(pa.table(columns | {"taken": y}), tmp_path / f"{name}.parquet")
        held.append(store(tmp_path / f"{name}.parquet", SCHEMA, "taken", folder(tmp_path, name)))
    settings = {"kind": "din", "embedding_size": 4, "layers": (4,), "epochs": 1, "schedule": FAST}
    StoredRanker(SCHEMA, **settings).fit_stored(held[0], keep=tmp_path / "kept.npz")
    with pytest.raises(ContractError):
        StoredRanker(SCHEMA, **settings).fit_stored(held[1], keep=tmp_path / "kept.npz")


@pytest.mark.parametrize("wrong", [float("nan"), float("inf"), None])
def test_a_number_that_is_not_known_is_refused_with_its_row(tmp_path, wrong):
    rows, y = habits(20, 0)
    prices = [wrong if n == 7 else float(v) for n, v in enumerate(rows["price"])]
    columns = {k: list(v) if v.ndim == 2 else v for k, v in rows.items()} | {"price": prices}
    pq.write_table(pa.table(columns | {"taken": y}), tmp_path / "rows.parquet")
    with pytest.raises(ContractError, match=r"price must be known(.|\n)*in row 7"):
        store(tmp_path / "rows.parquet", SCHEMA, "taken", folder(tmp_path, "columns"))
