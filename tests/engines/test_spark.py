# SPDX-License-Identifier: Apache-2.0
"""Spark gives what DuckDB, the kernel and the definition give, bit for bit."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from heptad.engine.spark.dialect import to_spark
from heptad.engine.spark.session import Spark
from heptad.service.batch.history import Spine, compute
from heptad.service.batch.spark import on_spark
from heptad.service.batch.windows import Stored
from heptad.service.features import count, latest, mean, named, spread, total
from heptad.standards import minute, second
from heptad.standards.errors import ContractError, UnknownName
from heptad.standards.model import Label, Payment, Rate
from heptad.testing.definition import Version
from tests.service import test_guard, test_kernel, test_windows
from tests.service.test_guard import NOW, OFFERS, platform
from tests.service.test_windows import (
    BY,
    EUR,
    PHASES,
    Registered,
    arrow,
    duck,
    expected,
    label,
    payment,
    point,
    versions,
)

__all__ = ["duck", "platform"]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
# The kernel is the same code on every engine: of its windows two are enough here.
SWEPT = [f for f in test_kernel.FEATURES if not f.name.endswith(("_0", "_1", "_3"))]
FEATURES = list(named(
    {f"one_{f.name}": f for f in test_windows.FEATURES}
    | {f"two_{f.name}": f for f in SWEPT}
    | {"into": total(Payment.amount, by=BY, over=30 * second, into="EUR"),
       "into_latest": latest(Payment.amount, by=BY, into="EUR")}
).values())  # fmt: skip
CASES = 100


@pytest.fixture(scope="module")
def spark():
    quick = {
        "spark.driver.memory": "1500m",
        "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
        "spark.sql.shuffle.partitions": "2",
    }
    with Spark(2, quick) as opened:
        yield opened


def cases() -> list[tuple]:
    """Generated worlds: payments, labels, where it is asked."""
    found: list[tuple] = []

    @settings(max_examples=CASES, phases=PHASES, suppress_health_check=list(HealthCheck))
    @given(versions(payment), versions(label), st.lists(point, min_size=1, max_size=6))
    def take(payments, labels, points):
        found.append((payments, labels, points))

    take()
    return found


def apart(n: int, values: dict, names: tuple[str, ...]) -> dict:
    """Give the keys of one world names that no other has."""
    return values | {k: f"{n:03d}{values[k]}" for k in names if values.get(k) is not None}


def merged(worlds: list[tuple]) -> tuple[list[Version], list[Version], list[tuple]]:
    """Put many worlds into one."""
    payments, labels, points = [], [], []
    for n, (some, told, asked) in enumerate(worlds):
        payments += [
            Version(apart(n, v.values, ("id", "customer", "merchant")), v.known, v.deleted)
            for v in some
        ]
        labels += [Version(apart(n, v.values, ("id", "payment")), v.known, v.deleted) for v in told]
        for p in asked:
            named_ = apart(n, dict(enumerate(p)), (0, 1, 4))
            points.append(tuple(named_.values()))
    return payments, labels, points  # fmt: skip


RATES = [
    Version({"id": f"r{n}", "event_time": n * 5 * second, "base": "USD", "quote": "EUR",
             "rate": 900_000_000 + n * 7}, (n * 5 + n % 2) * second)
    for n in range(4)
]  # fmt: skip


def spine_of(points) -> Spine:
    return Spine(
        {"Customer": pa.array([p[0] for p in points], pa.string()),
         "Merchant": pa.array([p[1] for p in points], pa.string())},
        pa.array([p[2] for p in points], pa.int64()),
        pa.array([p[2] + p[3] for p in points], pa.int64()),
        pa.array([p[4] for p in points], pa.string()),
        Payment,
    )  # fmt: skip


class Lake:
    """Stored tables, in memory for DuckDB and as Parquet files for Spark."""

    def __init__(self, duck, spark, folder, payments, labels):
        self.held = {Payment: arrow(Payment, payments), Label: arrow(Label, labels),
                     Rate: arrow(Rate, RATES)}  # fmt: skip
        self.duck, self.spark, self.folder = duck, spark, folder

    def on_duck(self, features, spine, plans):
        names = {table: f"t_{table.__name__.lower()}" for table in self.held}
        queries = Registered(self.duck, **{names[t]: rows for t, rows in self.held.items()})
        return compute(queries, features, spine, lambda t: Stored(names[t], corrected=True), plans)

    def on_spark(self, features, spine):
        return on_spark(self.spark, features, spine, self.files)

    def files(self, table):
        """Two files, the second without a column that has been added since."""
        rows, paths = self.held[table], []
        for n, part in enumerate((rows.slice(0, len(rows) // 2), rows.slice(len(rows) // 2))):
            paths.append(self.folder / f"{table.__name__}-{n}.parquet")
            if not paths[-1].exists():
                pq.write_table(part, paths[-1])
        return Stored(self.spark.relation(table.columns(), paths), corrected=True)


def test_spark_equals_duckdb_and_the_definition(duck, spark, tmp_path):
    worlds = cases()
    payments, labels, points = merged(worlds)
    spine = spine_of(points)
    lake = Lake(duck, spark, tmp_path, payments, labels)
    got, want = lake.on_spark(FEATURES, spine), lake.on_duck(FEATURES, spine, "join")
    for feature in FEATURES:
        assert got[feature.name].to_pylist() == want[feature.name].to_pylist(), feature.sentence()
        assert got[feature.name].type == want[feature.name].type, feature.name
    last, first = len(points) - len(worlds[-1][2]), f"{len(worlds) - 1:03d}"
    mine = [v for v in payments if v.values["id"].startswith(first)]
    told = [v for v in labels if v.values["id"].startswith(first)]
    for feature in (f for f in FEATURES if not f.into):
        own = [expected(feature, mine, told, p, True) for p in points[last:]]
        assert got[feature.name].to_pylist()[last:] == own, feature.sentence()


FEW = list(named({
    "count": count(Payment.id, by=BY, over=3 * second),
    "mean": mean(Payment.amount, by=BY, over=5 * second, delay=second, where=EUR),
}).values())  # fmt: skip
MUTANTS = {
    "": {},
    "window off by one": {"`_us` > `_t` - ": "`_us` >= `_t` - ",
                          "`e`.`_us` > `s`.`_t` - ": "`e`.`_us` >= `s`.`_t` - "},
    "known_time ignored": {"`e`.`_from` <= `s`.`_k`": "true"},
    "future leak": {"`e`.`_us` <= `s`.`_t`": "true", "`_us` <= `_t` - 0": "true"},
}  # fmt: skip


@pytest.mark.parametrize("what", MUTANTS)
def test_planted_faults_of_the_plan_are_caught(duck, spark, tmp_path, monkeypatch, what):
    from heptad.engine.spark import session

    def changed(sql, names=None):
        text = to_spark(sql, names)
        for right, wrong in MUTANTS[what].items():
            assert right in text
            text = text.replace(right, wrong)
        return text

    monkeypatch.setattr(session, "to_spark", changed)
    rows = test_kernel.some(12)
    spine = spine_of(
        [("a", "m", n * second, wait, None) for n in range(14) for wait in (0, minute)]
    )
    lake = Lake(duck, spark, tmp_path, rows, [])
    got, want = lake.on_spark(FEW, spine), lake.on_duck(FEW, spine, "kernel")
    assert any(got[f.name] != want[f.name] for f in FEW) == bool(what)


def test_totals_are_exact_to_64_bits_and_refused_beyond(duck, spark, tmp_path):
    rows = [
        Version(v.values | {"amount": (-1) ** n * (2**62 + n)}, v.known)
        for n, v in enumerate(test_kernel.some(5))
    ]
    spine = spine_of([("a", "m", 4 * second, 0, None)])
    asked = list(named({"all": total(Payment.amount, by=BY, where=EUR),
                        "spread": spread(Payment.amount, by=BY, over=2 * second, where=EUR)}
                       ).values())  # fmt: skip
    lake = Lake(duck, spark, tmp_path, rows, [])
    got, want = lake.on_spark(asked, spine), lake.on_duck(asked, spine, "kernel")
    assert got == want
    (tmp_path / "more").mkdir()
    rows = [Version(v.values | {"amount": 2**62}, v.known) for v in test_kernel.some(5)]
    lake = Lake(duck, spark, tmp_path / "more", rows, [])
    with pytest.raises(ContractError, match="64 bits"):
        lake.on_spark(asked[:1], spine)


AMOUNT = Payment.amount
CONDITIONS = [
    (AMOUNT / 0 > 1) | (AMOUNT / 7 < 10**9),
    (AMOUNT * AMOUNT > 5) | (AMOUNT - 2**60 < 0),
    Payment.merchant.isin(["007m", "it's", "a\\b"]) | Payment.merchant.is_missing(),
    Payment.event_time.between(0, 10 * second) | (Payment.country == "ES"),
    ~((Payment.status == "declined") & (Payment.country != "FR")),
]


def test_conditions_mean_the_same(duck, spark, tmp_path):
    payments, labels, points = merged(cases()[:40])
    asked = list(named({f"c{n}": count(Payment.id, by=BY, where=where)
                        for n, where in enumerate(CONDITIONS)}).values())  # fmt: skip
    odd = tmp_path / "id=7 [a]*"
    odd.mkdir()
    lake, spine = Lake(duck, spark, odd, payments, labels), spine_of(points)
    assert lake.on_spark(asked, spine) == lake.on_duck(asked, spine, "join")


def test_a_project_is_read_on_spark_as_purpose_and_consents_allow(spark, platform, monkeypatch):
    from heptad.engine.spark import session
    from heptad.terminal.commands.engines import plan_features

    monkeypatch.setattr(session, "_opened", [spark])
    features = [*OFFERS.features.values()]
    asked = pa.table({"Customer": ["c1", "c2", "c3"], "Merchant": ["m1"] * 3,
                      "event_time": [NOW] * 3})  # fmt: skip
    for purpose, role in (("fraud", "risk"), ("marketing", "marketer")):
        here, there = (
            platform.history(asked, features, engine=engine, purpose=purpose, role=role)
            for engine in ("local", "spark")
        )
        assert here.equals(there)
        assert here.column("mine").to_pylist()[2] == (2 if purpose == "fraud" else 0)
    with pytest.raises(UnknownName, match="flink"):
        platform.history(asked, features, engine="flink")
    # A later load is seen, though the files of an earlier version were read before.
    platform.store("Payment", [test_guard.payment(7, "c1")])
    again = platform.history(asked, features, engine="spark", purpose="fraud", role="risk")
    assert again.column("mine").to_pylist() == [3, 2, 2]
    queries = plan_features(platform, "offers", engine="spark")["queries"]
    assert [q["features"] for q in queries] == [["mine"], ["all_here"]]
    for query in queries:
        assert query["stages"] > 1
        assert "Scan parquet" in query["text"]
        assert query["svg"].count("<rect") == query["stages"]
        assert query["mermaid"].startswith("flowchart")
    assert "range join" in plan_features(platform, "offers")["queries"][0]["text"]


def test_a_plan_is_drawn_before_there_are_rows(spark, tmp_path, monkeypatch):
    from heptad.engine.spark import session
    from heptad.runtime import Platform
    from heptad.terminal.commands.engines import plan_features

    monkeypatch.setattr(session, "_opened", [spark])
    (tmp_path / "heptad.toml").write_text('[project]\nname = "bare"\n', encoding="utf-8")
    with Platform.open(tmp_path) as platform:
        queries = plan_features(platform, "fraud", engine="spark")["queries"]
    assert queries
    assert all(query["svg"].count("<rect") == query["stages"] for query in queries)
