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
from heptad.analysis.recommend.neural.stored import fit_stored, store
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
        fit_stored(Ranker(SCHEMA, **settings), held, keep=tmp_path / "kept.npz", progress=kill)
    there = fit_stored(Ranker(SCHEMA, **settings), held, keep=tmp_path / "kept.npz")
    test, truth = habits(800, seed=1)
    scores = [model.score(test, {}, {}) for model in (here, there)]
    # Rows of a batch are summed in another order.
    assert np.allclose(*scores, atol=0.02)
    assert auc(truth, scores[1]) > 0.6


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
        fit_stored(Ranker(SCHEMA, "wide_deep"), held)
    with pytest.raises(ContractError, match="asks for"):
        store(tmp_path / "rows.parquet", SCHEMA, "bought", tmp_path)
    with pytest.raises(ContractError, match="0 or 1"):
        store(tmp_path / "rows.parquet", SCHEMA, "price", tmp_path / "columns")
