# SPDX-License-Identifier: Apache-2.0
"""Profiles count exactly, sample fairly, and show nothing of a person; drift is what moved."""

from __future__ import annotations

from random import Random

import numpy as np
import pyarrow as pa
import pytest

from heptad.ingest import profile as module
from heptad.ingest.drift import LIMIT, of_columns, of_values, shape
from heptad.ingest.profile import Profiler, estimated
from heptad.standards import Code, Instant, Money, Table, Text


class Sale(Table):
    """One sale, for tests."""

    id = Text("Key", key=True, subject=True)
    event_time = Instant("When")
    amount = Money("Amount", currency="currency", optional=True)
    currency = Code("Currency", standard="ISO 4217", optional=True)
    name = Text("Name", personal=True, optional=True)


def batch(rows, *, low=0, codes=("EUR", "USD"), missing=0.0, seed=1):
    """Return typed rows."""
    random = Random(seed)
    amounts = [
        None if random.random() < missing else low + random.randint(0, 1000) for _ in range(rows)
    ]
    return pa.RecordBatch.from_pydict(
        {
            "id": pa.array([f"k{n}" for n in range(rows)]),
            "event_time": pa.array(range(rows), pa.int64()),
            "amount": pa.array(amounts, pa.int64()),
            "currency": pa.array([random.choice(codes) for _ in range(rows)]),
            "name": pa.array(["Ann"] * rows),
        }
    )


def profiled(*batches):
    profiler = Profiler(Sale)
    for rows in batches:
        profiler.add(rows)
    return profiler, {p.column: p for p in profiler.profiles()}


def test_of_long_texts_few_are_kept(monkeypatch):
    monkeypatch.setattr(module, "_BATCH_BYTES", 20_000)
    monkeypatch.setattr(module, "_SAMPLE_BYTES", 100_000)
    profiler = Profiler(Sale)
    for n in range(20):
        part = batch(1000, seed=n)
        ids = pa.array([f"{n:02}-{k:0500}" for k in range(1000)])
        profiler.add(part.set_column(0, "id", ids))
    assert sum(part.nbytes for part in profiler._samples["id"]) < 110_000
    found = {p.column: p for p in profiler.profiles()}
    assert found["id"].count == 20_000
    assert (
        1_500 < found["id"].distinct <= 20_000
    )  # at least √(20,000 × 200), as the estimate has it
    assert found["amount"].distinct == 1_001


def test_a_profile_of_a_small_load_is_exact():
    rows = batch(1000, missing=0.1)
    _, found = profiled(rows)
    amounts = rows.column("amount").drop_null().to_numpy()
    amount = found["amount"]
    assert (amount.count, amount.missing) == (1000, 1000 - len(amounts))
    assert (amount.smallest, amount.largest) == (amounts.min(), amounts.max())
    assert amount.mean == pytest.approx(amounts.mean())
    assert amount.distinct == len(np.unique(amounts))
    assert amount.quantiles[0] == amounts.min()
    assert amount.quantiles[-1] == amounts.max()
    assert sum(amount.histogram["counts"]) == len(amounts)
    assert found["id"].distinct == 1000
    assert sorted(code for code, _ in found["currency"].top) == ["EUR", "USD"]
    assert sum(n for _, n in found["currency"].top) == 1000


def test_nothing_of_a_person_is_kept():
    _, found = profiled(batch(10))
    name = found["name"]
    assert name.personal
    assert (name.count, name.missing) == (10, 0)
    assert (name.top, name.smallest, name.largest, name.distinct, name.quantiles) == (None,) * 5


def test_a_large_load_is_sampled_but_counted(monkeypatch):
    monkeypatch.setattr(module, "SAMPLE", 2000)
    monkeypatch.setattr(module, "_PER_BATCH", 100)
    parts = [batch(1000, seed=n, low=n) for n in range(20)]
    profiler, found = profiled(*parts)
    assert found["amount"].count == 20_000
    assert found["amount"].largest == max(max(p.column("amount").to_pylist()) for p in parts)
    assert sum(found["amount"].histogram["counts"]) < 5000
    assert sum(profiler.counts("amount", [500])) == sum(found["amount"].histogram["counts"])


def test_distinct_values_are_estimated():
    random = Random(3)
    values = [random.randint(0, 5000) for _ in range(100_000)]
    sample = pa.chunked_array([values[:20_000]])
    assert estimated(sample, 100_000) == pytest.approx(5000, rel=0.15)
    assert estimated(pa.chunked_array([[]], pa.int64()), 0) == 0


def test_the_same_again_is_no_drift_and_a_shift_is():
    _, before = profiled(batch(2000))
    profiler, same = profiled(batch(2000, seed=2))
    assert of_values(before.values(), same.values(), profiler.counts) == []
    profiler, moved = profiled(batch(2000, low=700, codes=("GBP", "USD"), missing=0.5))
    found = {
        f.psi is not None: f for f in of_values(before.values(), moved.values(), profiler.counts)
    }
    assert found[True].psi > LIMIT
    told = {
        (f.column, f.psi is None)
        for f in of_values(before.values(), moved.values(), profiler.counts)
    }
    assert told == {("amount", True), ("amount", False), ("currency", False)}


def test_few_rows_say_nothing():
    _, before = profiled(batch(50))
    profiler, now = profiled(batch(50, low=10_000))
    assert of_values(before.values(), now.values(), profiler.counts) == []


@pytest.mark.parametrize(
    ("values", "looks"),
    [
        (["1", "-2", None], "whole numbers"), (["1", "2.5"], "numbers"), (["1,5"], "numbers"),
        (["1.234,56", "12,50"], "numbers"), (["1,234.5"], "numbers"), (["1 234 567"], "numbers"),
        (["1.2.3"], "text"), (["2026-01-02"], "days"), (["02/01/2026"], "days"), (["2026-01-02T03:04:05Z"], "instants"),
        (["02/01/2026 10:00"], "instants"), (["a"], "text"), ([None], ""), (["1", "a"], "text"),
    ],
)  # fmt: skip
def test_shapes(values, looks):
    assert shape(values) == looks


def test_columns_that_came_went_and_changed():
    before = {"id": "text", "amount": "whole numbers", "state": "text", "x": "days"}
    now = {"id": "text", "amount": "numbers", "status": "text", "x": "text"}
    found = {f.column: f.says for f in of_columns(before, now)}
    assert "renamed to 'status'" in found["state"]
    assert "new column" in found["status"]
    assert "held days, now text" in found["x"]
    assert "amount" not in found
    assert of_columns({}, now) == []
