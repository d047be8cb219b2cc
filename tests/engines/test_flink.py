# SPDX-License-Identifier: Apache-2.0
"""Flink gives what the definition gives, row by row: rows in, rows out."""

from __future__ import annotations

import os
import random
import signal
import threading
import time

import pytest

from heptad.engine.flink.cluster import MANAGERS, SLOTS, Cluster
from heptad.engine.flink.environment import install
from heptad.service.batch.flink import Source, on_flink
from heptad.service.batch.history import compute
from heptad.service.batch.spines import spine_of
from heptad.service.batch.windows import Stored
from heptad.service.features import (
    count,
    earliest,
    largest,
    last,
    latest,
    mean,
    named,
    rate,
    ratio,
    share,
    since,
    smallest,
    spread,
    total,
)
from heptad.service.operators.patterns import distinct
from heptad.standards import day, hour, minute, second
from heptad.standards.model import Label, Payment
from heptad.testing.definition import Version
from tests.service.test_windows import BY, EUR, Registered, arrow, duck

__all__ = ["duck"]

pytestmark = [pytest.mark.soak, pytest.mark.timeout(3000)]
DECLINED = Payment.status == "declined"
PAIR = (BY, Payment.merchant)
WINDOWS = {
    "time": {"over": 90 * minute}, "day": {"over": 7 * day}, "all": {"over": None},
    "last": {"over": last(3)}, "tumbling": {"every": hour, "over": hour},
    "hopping": {"every": hour, "over": 3 * hour},
}  # fmt: skip
ASKED = {
    "count": lambda **w: count(Payment.country, by=BY, **w),
    "total": lambda **w: total(Payment.amount, by=BY, where=EUR, **w),
    "mean": lambda **w: mean(Payment.amount, by=BY, where=EUR, **w),
    "smallest": lambda **w: smallest(Payment.amount, by=BY, where=EUR & ~DECLINED, **w),
    "largest": lambda **w: largest(Payment.amount, by=PAIR, where=EUR, **w),
    "spread": lambda **w: spread(Payment.amount, by=BY, where=EUR, **w),
    "latest": lambda **w: latest(Payment.country, by=BY, where=DECLINED, **w),
    "earliest": lambda **w: earliest(Payment.event_time, by=BY, **w),
    "share": lambda **w: share(Payment.id, by=BY, where=Payment.country.isin(["ES", "FR"]), **w),
    "since": lambda **w: since(Payment.country, by=BY, **w),
    "ratio": lambda **w: ratio(total(Payment.amount, by=BY, where=EUR & DECLINED, **w),
                               total(Payment.amount, by=BY, where=EUR, **w)),
}  # fmt: skip
FEATURES = list(named({
    **{f"{op}_{window}": make(**clauses) for window, clauses in WINDOWS.items()
       for op, make in ASKED.items()},
    "distinct": distinct(Payment.country, by=BY, over=day),
    "default": latest(Payment.country, by=BY, over=minute, where=DECLINED, default="none"),
}).values())  # fmt: skip
FLAGS = list(named({"rate": rate(Label.fraud, by=Label.payment, over=day)}).values())
START = 1_700_000_000 * second


def payments(n: int, seed: int = 5) -> list[Version]:
    """Payments without two of one customer at one instant."""
    made, instants = random.Random(seed), set()
    rows = []
    for i in range(n):
        who, at = made.choice("abc"), START + made.randrange(5 * day // 1000) * 1000
        if (who, at) in instants:
            continue
        instants.add((who, at))
        rows.append(Version({
            "id": f"p{made.randrange(10**9)}-{i}", "event_time": at, "customer": made.choice([who] * 9 + [None]),
            "merchant": made.choice(["m", "n", None]), "country": made.choice(["ES", "FR", "IT", None]),
            "amount": made.randrange(10**12), "currency": made.choice(["EUR", "USD"]),
            "status": made.choice(["authorised", "declined"])}, at))  # fmt: skip
    return rows


def labels(n: int) -> list[Version]:
    made = random.Random(3)
    return [Version({"id": f"l{i}", "event_time": START + i * hour, "payment": made.choice("xy"),
                     "fraud": made.choice([True, False, None])}, START + i * hour)
            for i in range(n)]  # fmt: skip


@pytest.fixture(scope="module")
def flink():
    return install()


def compared(duck, flink, folder, table, rows, features, settings=None):
    """Compute on Flink and here; both in the order of event_time and key."""
    held = arrow(table, rows).sort_by([("event_time", "ascending"), ("id", "ascending")])
    queries = Registered(duck, events=held)
    stored = Stored("events", corrected=False)
    got = on_flink(flink, features, Source(table, stored, queries), folder, settings)
    want = compute(queries, features, spine_of(table, held), lambda _: stored)
    assert got.column("id").to_pylist() == held.column("id").to_pylist()
    return got, want


@pytest.mark.parametrize("window", [*WINDOWS, "others"])
def test_rows_in_are_rows_out_and_every_value_is_equal(duck, flink, tmp_path, window):
    features = [f for f in FEATURES if f.name.endswith(f"_{window}")] or FEATURES[-2:]
    got, want = compared(duck, flink, tmp_path, Payment, payments(600), features)
    for feature in features:
        assert got.column(feature.name).to_pylist() == want[feature.name].to_pylist(), feature.name


def test_a_rate_of_flags(duck, flink, tmp_path):
    got, want = compared(duck, flink, tmp_path, Label, labels(80), FLAGS)
    assert got.column("rate").to_pylist() == want["rate"].to_pylist()


@pytest.fixture
def cluster(flink, tmp_path):
    made = Cluster(tmp_path / "cluster")
    try:
        made.start()
        yield made
    finally:
        made.stop()
        assert not made.running()


KILLED = [
    f for f in FEATURES if f.name in ("total_time", "latest_time", "share_last", "mean_tumbling")
]


def test_a_killed_task_manager_changes_no_value(duck, flink, cluster, tmp_path):
    before = cluster.status()
    assert [(m["slots"], m["free"]) for m in before["managers"]] == [(SLOTS, SLOTS)] * MANAGERS
    seen: list[dict] = []

    def kill():
        """Kill the process of one manager when the job has a checkpoint to go back to."""
        until = time.monotonic() + 900
        while time.monotonic() < until:
            jobs = [j for j in cluster.status()["jobs"] if j["state"] == "RUNNING"]
            if jobs and jobs[0]["checkpoints"]:
                seen.extend(jobs)
                os.kill(cluster.processes()[0], signal.SIGKILL)
                return
            time.sleep(0.2)

    killer = threading.Thread(target=kill)
    killer.start()
    (tmp_path / "job").mkdir()
    settings = cluster.settings() | {"execution.checkpointing.interval": "1 s"}
    got, want = compared(
        duck, flink, tmp_path / "job", Payment, payments(150_000), KILLED, settings
    )
    killer.join()
    assert seen, "the job ended before it had a checkpoint"
    assert seen[0]["last_checkpoint"] is not None
    assert seen[0]["back_pressure"]
    after = cluster.status()
    assert after["jobs"][0]["state"] == "FINISHED"
    assert after["jobs"][0]["restored"] >= 1
    assert len(after["managers"]) == MANAGERS - 1
    for feature in KILLED:
        assert got.column(feature.name).to_pylist() == want[feature.name].to_pylist(), feature.name
    # A lost manager comes back with the next start.
    cluster.start()
    assert len(cluster.status()["managers"]) == MANAGERS
