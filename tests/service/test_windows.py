# SPDX-License-Identifier: Apache-2.0
"""The batch reading equals the definition, on data made to be difficult."""

from __future__ import annotations

import dataclasses
import math
import statistics
from fractions import Fraction

import pyarrow as pa
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from heptad.engine.local.duck import Duck
from heptad.service.batch import windows
from heptad.service.batch.history import Spine, compute
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
)  # fmt: skip
from heptad.service.operators.finish import deviation
from heptad.standards import minute, second
from heptad.standards.errors import ContractError
from heptad.standards.model import Label, Payment
from heptad.testing.definition import Ask, Version, value

pytestmark = pytest.mark.timeout(400)
"""The first test of a fresh checkout compiles the kernel."""
# Shrinking takes minutes, and the cases are small as they come.
PHASES = (Phase.explicit, Phase.generate)
BY = Payment.customer
EUR = Payment.currency == "EUR"
PAID = (Payment.status == "authorised") & EUR
FEATURES = list(named({
    "count": count(Payment.id, by=BY, over=10 * second),
    "count_all": count(Payment.id, by=BY),
    "count_where": count(Payment.id, by=BY, over=20 * second, where=Payment.status == "declined"),
    "count_country": count(Payment.country, by=BY, over=minute),
    "total": total(Payment.amount, by=BY, over=10 * second, where=PAID),
    "total_delay": total(Payment.amount, by=BY, over=10 * second, delay=5 * second, where=EUR),
    "mean": mean(Payment.amount, by=BY, over=30 * second, where=EUR),
    "smallest": smallest(Payment.amount, by=BY, over=30 * second, where=EUR),
    "largest": largest(Payment.amount, by=BY, over=30 * second, where=EUR),
    "spread": spread(Payment.amount, by=BY, over=minute, where=EUR),
    "latest": latest(Payment.country, by=BY, over=minute),
    "earliest": earliest(Payment.country, by=BY, over=minute),
    "share": share(Payment.id, by=BY, over=minute, where=Payment.status == "declined"),
    "since": since(Payment.id, by=BY, over=minute, delay=second),
    "last_share": share(Payment.id, by=BY, over=last(3), where=Payment.status == "declined"),
    "last_largest": largest(Payment.amount, by=BY, over=last(2), where=EUR),
    "last_earliest": earliest(Payment.event_time, by=BY, over=last(2)),
    "last_delay": count(Payment.id, by=BY, over=last(2), delay=3 * second),
    "ratio": ratio(
        total(Payment.amount, by=BY, over=10 * second, where=EUR),
        total(Payment.amount, by=BY, over=minute, where=EUR),
    ),
    "every": count(Payment.id, by=BY, every=7 * second),
    "every_total": total(Payment.amount, by=BY, over=15 * second, every=4 * second, delay=3 * second,
                         where=EUR),
    "every_last": earliest(Payment.country, by=BY, over=last(2), every=3 * second),
    "every_all": share(Payment.id, by=BY, every=5 * second, over=None,
                       where=Payment.status == "declined"),
    "default": latest(Payment.country, by=BY, over=3 * second, default="none"),
    "default_mean": mean(Payment.amount, by=BY, over=3 * second, where=EUR, default=-1),
    "pair": count(Payment.id, by=(BY, Payment.merchant), over=30 * second),
    "pair_last": largest(Payment.amount, by=(BY, Payment.merchant), over=last(2), where=EUR),
    "walked_pair": count(Label.id, by=(Label.payment.merchant, Label.payment.customer), over=minute),
    "merchant_rate": rate(Label.fraud, by=Label.payment.merchant, over=minute, delay=2 * second),
}).values())  # fmt: skip

PLACES = [
    (413_851_000, 21_734_000), (413_900_000, 21_800_000), (-338_688_000, 1_512_093_000),
    (413_851_000, 21_734_100),
]  # fmt: skip

seconds = st.integers(0, 40).map(lambda s: s * second // 2)
payment = st.fixed_dictionaries({
    "id": st.sampled_from([f"p{i}" for i in range(12)]),
    "event_time": seconds,
    "customer": st.sampled_from(["a", "b"]),
    "merchant": st.sampled_from(["m", "n", None]),
    "country": st.sampled_from(["ES", "FR", None]),
    "amount": st.integers(0, 10**12),
    "currency": st.sampled_from(["EUR", "USD"]),
    "status": st.sampled_from(["authorised", "declined"]),
    "place": st.sampled_from([(None, None), *PLACES]),
}).map(lambda row: row | dict(zip(("place_lat", "place_lon"), row.pop("place"), strict=True)))  # fmt: skip
label = st.fixed_dictionaries({
    "id": st.sampled_from([f"l{i}" for i in range(6)]),
    "event_time": seconds,
    "payment": st.sampled_from([f"p{i}" for i in range(12)]),
    "fraud": st.sampled_from([True, False, None]),
})  # fmt: skip


def versions(rows):
    late = st.sampled_from([0, 0, second, 15 * second, -(10**9)])
    made = st.builds(
        lambda row, wait, gone: Version(row, max(row["event_time"] + wait, 0), gone),
        rows, late, st.sampled_from([False, False, False, True]),
    )  # fmt: skip
    return st.lists(made, max_size=18)


point = st.tuples(
    st.sampled_from(["a", "b", "z", None]), st.sampled_from(["m", "n", None]), seconds,
    st.sampled_from([0, 0, second, 20 * second]),
    st.sampled_from([None, None, "p3", "p7"]),
)  # fmt: skip


def arrow(table, made: list[Version]) -> pa.Table:
    """Stored form of versions, in order of arrival."""
    columns: dict[str, list] = {}
    names = [
        "id",
        "event_time",
        *sorted({n for v in made for n in v.values} - {"id", "event_time"}),
    ]
    for name in names:
        columns[name] = [v.values[name] for v in made]
    data = {n: pa.array(c) for n, c in columns.items()}
    data["event_time"] = pa.array([v.values["event_time"] for v in made], pa.int64())
    data["known_time"] = pa.array([v.known for v in made], pa.int64())
    data["_deleted"] = pa.array([v.deleted for v in made], pa.bool_())
    data["_load"] = pa.array([1] * len(made), pa.int64())
    data["_line"] = pa.array(range(len(made)), pa.int64())
    kinds = {"text": pa.string(), "integer": pa.int64(), "flag": pa.bool_()}
    for column in table.columns():
        if column.kind in kinds and not column.name.startswith("_"):
            if column.name in data:
                data[column.name] = data[column.name].cast(kinds[column.kind])
            else:
                data[column.name] = pa.nulls(len(made), kinds[column.kind])
    return pa.table(data)


@pytest.fixture(scope="module")
def duck(tmp_path_factory):
    folder = tmp_path_factory.mktemp("project")
    for name in ("tables", "quarantine"):
        (folder / name).mkdir()
    with Duck(folder) as opened:
        yield opened


class Registered:
    """Queries that always see the stored tables."""

    def __init__(self, duck, **stored):
        self.duck, self.stored = duck, stored

    def arrow(self, sql, params=None, **tables):
        return self.duck.arrow(sql, params, **self.stored, **tables)


def run(duck, payments, labels, points, own_table=None, plans="join", features=None):
    queries = Registered(duck, payments=arrow(Payment, payments), labels=arrow(Label, labels))
    where = {Payment: Stored("payments", corrected=True), Label: Stored("labels", corrected=True)}
    spine = Spine(
        {
            "Customer": pa.array([p[0] for p in points], pa.string()),
            "Merchant": pa.array([p[1] for p in points], pa.string()),
        },
        pa.array([p[2] for p in points], pa.int64()),
        pa.array([p[2] + p[3] for p in points], pa.int64()),
        pa.array([p[4] for p in points], pa.string()) if own_table else None,
        own_table,
    )
    return compute(queries, features or FEATURES, spine, where.__getitem__, plans)


def expected(feature, payments, labels, point, own):
    parts = {"Customer": point[0], "Merchant": point[1]}
    key = tuple(parts[entity] for entity in feature.entities)
    tables = {Payment: payments, Label: labels}
    mine = point[4] if own and feature.table is Payment else None
    return value(feature, tables, Ask(key, point[2], point[2] + point[3], mine))


@settings(max_examples=120, deadline=None, phases=PHASES)
@given(versions(payment), versions(label), st.lists(point, min_size=1, max_size=6), st.booleans())
def test_batch_equals_the_definition(duck, payments, labels, points, own):
    for plans in ("join", "kernel"):
        found = run(duck, payments, labels, points, Payment if own else None, plans)
        for feature in FEATURES:
            got = found[feature.name].to_pylist()
            want = [expected(feature, payments, labels, p, own) for p in points]
            assert got == want, (plans, feature.name, points)


def mutants():
    yield (
        "window off by one",
        {"_us > _t - ": "_us >= _t - ", "e._us > s._t - ": "e._us >= s._t - "},
    )
    yield "known_time ignored", {"e._from <= s._k": "true"}
    yield "future leak", {"e._us <= s._t": "e._us <= s._t + 1000000", "_us <= _t - 0": "true"}
    yield "correction ignored", {"(e._to IS NULL OR e._to > s._k)": "true"}


@pytest.mark.parametrize(("what", "changes"), list(mutants()))
def test_planted_mutants_are_caught(duck, monkeypatch, what, changes):
    """The comparison above would notice each of these faults."""
    real = windows.plan

    def changed(sql):
        for right, wrong in changes.items():
            assert right in sql, what
            sql = sql.replace(right, wrong)
        return sql

    def broken(*args):
        return [dataclasses.replace(p, sql=changed(p.sql)) for p in real(*args)]

    rows = [
        Version({"id": f"p{n}", "event_time": n * second, "customer": "a", "merchant": "m",
                 "country": "ES", "amount": n, "currency": "EUR", "status": "authorised"},
                (n + n % 3) * second)
        for n in range(20)
    ]  # fmt: skip
    rows += [dataclasses.replace(rows[4], known=8 * second, deleted=True)]
    points = [("a", "m", n * second, wait, None) for n in range(22) for wait in (0, minute)]
    one = [f for f in FEATURES if f.name == "count"]
    monkeypatch.setattr("tests.service.test_windows.FEATURES", one)
    want = run(duck, rows, [], points)["count"].to_pylist()
    monkeypatch.setattr("heptad.service.batch.history.plan", broken)
    assert run(duck, rows, [], points)["count"].to_pylist() != want


@pytest.mark.parametrize("fault", ["", "float state"])
def test_a_state_in_floats_is_caught(duck, monkeypatch, fault):
    """Amounts beyond 2^53 are added up to the unit."""
    real = windows.plan

    def rounded(*args):
        for made in real(*args):
            yield dataclasses.replace(made, sql=made.sql.replace("sum(", "sum(0::DOUBLE + "))

    if fault:
        monkeypatch.setattr("heptad.service.batch.history.plan", rounded)
    rows = [
        Version({"id": f"p{n}", "event_time": n, "customer": "a", "merchant": None, "country": None,
                 "amount": 2**55 + n, "currency": "EUR", "status": "authorised"}, n)
        for n in range(4)
    ]  # fmt: skip
    (summed,) = named({"sum": total(Payment.amount, by=BY, where=EUR)}).values()
    point = ("a", None, second, minute, None)
    found = run(duck, rows, [], [point], features=[summed])["sum"].to_pylist()
    assert (found == [expected(summed, rows, [], point, False)]) == (not fault)


def test_a_total_that_leaves_64_bits_is_refused(duck):
    rows = [
        Version({"id": f"p{n}", "event_time": 0, "customer": "a", "merchant": None, "country": None,
                 "amount": 2**62, "currency": "EUR", "status": "authorised"}, 0)
        for n in range(4)
    ]  # fmt: skip
    with pytest.raises(ContractError, match="64 bits"):
        run(duck, rows, [], [("a", None, 1, 0, None)])


def test_money_of_several_currencies_is_refused():
    with pytest.raises(ContractError, match="different currencies"):
        total(Payment.amount, by=BY, over=minute)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: total(Payment.country, by=BY, over=minute), "needs a number"),
        (lambda: count(Payment.id, over=minute), "needs by="),
        (lambda: count(Payment.id, by=BY, overr=minute), "did you mean"),
        (lambda: count(Payment.id, by=Label.payment, over=minute), "must start at Payment"),
        (lambda: count(Payment.id, by=BY, over=-1), "longer than nothing"),
        (lambda: count(Payment.id, by=BY, delay=-1), "never ahead"),
        (lambda: share(Payment.id, by=BY, over=minute), "say with `where`"),
        (lambda: rate(Payment.amount, by=BY, over=minute), "needs a number|of a Flag"),
        (lambda: latest(Payment.place, by=BY), "no single value"),
        (lambda: last(0), "at least one event"),
        (lambda: count(Payment.id, by=BY, every=-1), "length of time"),
        (lambda: count(Payment.id, by=BY, over=minute, default="x"), "no integer"),
        (lambda: count(Payment.id, by=BY, over=minute, default=True), "no integer"),
        (lambda: count(Payment.id, by=(BY, Label.payment), over=minute), "must start at Payment"),
    ],
)
def test_a_feature_without_exact_meaning_is_refused(make, says):
    with pytest.raises(ContractError, match=says):
        make()


@given(st.lists(st.integers(-(10**12), 10**12), min_size=2, max_size=30))
def test_spread_is_the_standard_deviation(values):
    got = deviation(len(values), sum(values), sum(v * v for v in values))
    want = statistics.stdev(map(Fraction, values))
    assert math.isclose(got, want, rel_tol=1e-14, abs_tol=0)
