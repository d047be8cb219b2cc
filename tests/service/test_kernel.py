# SPDX-License-Identifier: Apache-2.0
"""The operators of the kernel equal the definition, on data made to be difficult."""

from __future__ import annotations

import inspect
import math
import random
import sys
import types
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heptad.analysis.regions import Regions
from heptad.service.batch import programs
from heptad.service.features import count, last, mean, named, total
from heptad.service.operators.patterns import (
    decayed,
    distinct,
    entropy,
    gap,
    most_common,
    percentile,
    previous,
    sequence,
    streak,
    top,
    trend,
)
from heptad.service.operators.space import (
    cells,
    distance,
    fence,
    inside,
    layer,
    moved,
    near,
    region,
    speed,
)
from heptad.standards import minute, second
from heptad.standards.errors import ContractError
from heptad.standards.model import Label, Payment
from heptad.testing.definition import Version
from tests.service.test_windows import (
    BY,
    EUR,
    PHASES,
    duck,
    expected,
    label,
    payment,
    point,
    run,
    versions,
)

__all__ = ["duck"]

pytestmark = pytest.mark.timeout(400)
"""The first test of a fresh checkout compiles the kernel."""
DECLINED = Payment.status == "declined"
TOWN = fence("town", [("41.3", "2.1"), ("41.3", "2.3"), ("41.5", "2.3"), ("41.5", "2.1")])
PORTS = layer("ports", [("41.3852", "2.1734"), ("-33.8688", "151.2093"), (0, 0)])
LANDS = Regions("lands", {
    "hole": [np.array([[0, 0], [0, 10], [10, 10], [10, 0]]) * 10**7,
             np.array([[2, 1], [2, 4], [6, 4]]) * 10**7],
    "coast": [np.array([[41, 2], [41, 3], [42, 2]]) * 10**7],
    "south": [np.array([[-40, 150], [0, 150], [-30, 160]]) * 10**7],
})  # fmt: skip
WINDOWS = [
    {"over": 20 * second},
    {"over": last(3)},
    {"every": 7 * second, "over": 15 * second, "delay": second},
    {"where": DECLINED | (Payment.country == "ES")},
    {"over": last(4), "where": DECLINED, "delay": 2 * second},
]
ASKED = [
    lambda **w: distinct(Payment.country, by=BY, **w),
    lambda **w: distinct(Payment.country, by=(BY, Payment.merchant), **w),
    lambda **w: most_common(Payment.country, by=BY, **w),
    lambda **w: top(Payment.country, n=2, by=BY, **w),
    lambda **w: entropy(Payment.merchant, by=BY, **w),
    lambda **w: previous(Payment.merchant, by=BY, **w),
    lambda **w: previous(Payment.event_time, k=2, by=BY, **w),
    lambda **w: sequence(Payment.merchant, n=3, by=BY, **w),
    lambda **w: decayed(Payment.id, half=5 * second, by=BY, **w),
    lambda **w: gap(Payment.id, by=BY, **w),
    lambda **w: distance(Payment.place, by=BY, **w),
    lambda **w: speed(Payment.place, by=BY, **w),
    lambda **w: moved(Payment.place, by=BY, **w),
    lambda **w: inside(Payment.place, fence=TOWN, by=BY, **w),
    lambda **w: near(Payment.place, layer=PORTS, metres=500, by=BY, **w),
    lambda **w: region(Payment.place, regions=LANDS, by=BY, **w),
    lambda **w: cells(Payment.place, resolution=7, by=BY, **w),
]
OF_MONEY = [
    lambda **w: percentile(Payment.amount, q=0.9, by=BY, **w),
    lambda **w: trend(Payment.amount, by=BY, **w),
    lambda **w: decayed(Payment.amount, half=3 * second, by=BY, **w),
    lambda **w: top(Payment.amount, n=3, by=BY, **w),
]
FEATURES = list(named({
    **{f"{n}_{m}": make(**window) for n, make in enumerate(ASKED)
       for m, window in enumerate(WINDOWS)},
    **{f"money_{n}_{m}": make(**(window | {"where": EUR})) for n, make in enumerate(OF_MONEY)
       for m, window in enumerate(WINDOWS)},
    **{f"streak_{m}": streak(Payment.id, by=BY, **({"where": DECLINED} | window))
       for m, window in enumerate(WINDOWS)},
    "walked": distinct(Label.fraud, by=Label.payment.merchant, over=minute, delay=2 * second),
    "default": previous(Payment.country, k=3, by=BY, default="none"),
}).values())  # fmt: skip


@settings(max_examples=60, deadline=None, phases=PHASES)
@given(versions(payment), versions(label), st.lists(point, min_size=1, max_size=6), st.booleans())
def test_the_kernel_equals_the_definition(duck, payments, labels, points, own):
    found = run(duck, payments, labels, points, Payment if own else None, features=FEATURES)
    for feature in FEATURES:
        got = found[feature.name].to_pylist()
        want = [expected(feature, payments, labels, p, own) for p in points]
        assert got == want, (feature.name, feature.sentence(), points)


KERNEL = list(named({
    "count": count(Payment.id, by=BY, over=3 * second),
    "last": total(Payment.amount, by=BY, over=last(2), where=EUR),
    "mean": mean(Payment.amount, by=BY, over=5 * second, delay=second, where=EUR),
}).values())  # fmt: skip


def some(n: int) -> list[Version]:
    return [
        Version({"id": f"p{i:02d}", "event_time": i * second, "customer": "a", "merchant": "m",
                 "country": "ES", "amount": i * 7, "currency": "EUR", "status": "authorised",
                 "place_lat": None, "place_lon": None}, (i + i % 3) * second)
        for i in range(n)
    ]  # fmt: skip


def plant(monkeypatch, fault: str) -> None:
    """Plant a fault into the plan of the kernel."""
    from heptad.engine.local.kernel import pool
    from heptad.service.batch.programs import Compiled

    honest = Compiled.window_array
    changes = {"window off by one": [[0, 1, 0, 0]], "future leak": [[0, 0, -second, 0]]}
    if fault in changes:
        monkeypatch.setattr(
            Compiled, "window_array", lambda self: honest(self) + np.array(changes[fault])
        )
    elif fault == "known_time ignored":
        ask = pool.Asked
        monkeypatch.setattr(pool, "Asked", lambda e, t, k, limit: ask(e, t, k + minute, limit))
    elif fault == "late rows not repaired":
        found = pool.bounds
        monkeypatch.setattr(
            pool, "bounds", lambda *a: (*found(*a)[:3], np.zeros(len(a[3].t), np.uint8))
        )
    elif fault == "float state":
        summed = pool.index

        def rounded(made, begin, end):
            summed(made, begin, end)
            made.s[:] = made.s.astype(np.float64).astype(np.int64)

        monkeypatch.setattr(pool, "index", rounded)


@pytest.mark.parametrize(
    "fault",
    [
        "",
        "window off by one",
        "future leak",
        "known_time ignored",
        "late rows not repaired",
        "float state",
    ],
)
def test_planted_faults_of_the_kernel_are_caught(duck, monkeypatch, fault):
    plant(monkeypatch, fault)
    # Amounts beyond what a float holds to the unit, and small enough to be added up.
    rows = [
        Version(v.values | {"amount": v.values["amount"] + 2**55 + 1}, v.known) for v in some(20)
    ]
    rows += [Version(rows[4].values | {"amount": 10**6}, 9 * second)]
    points = [("a", "m", n * second, 0, None) for n in range(22)]
    found = run(duck, rows, [], points, plans="kernel", features=KERNEL)
    caught = any(
        found[f.name].to_pylist() != [expected(f, rows, [], p, False) for p in points]
        for f in KERNEL
    )
    assert caught == bool(fault)


def test_a_total_that_leaves_64_bits_is_refused_and_large_ones_are_exact(duck):
    big = [Version(v.values | {"amount": 2**62 - 1}, v.known) for v in some(6)]
    features = list(named({
        "two": total(Payment.amount, by=BY, over=last(2), where=EUR),
        "mean": mean(Payment.amount, by=BY, over=last(2), where=EUR),
    }).values())  # fmt: skip
    point = ("a", "m", 4 * second, minute, None)
    found = run(duck, big, [], [point], plans="kernel", features=features)
    assert found["two"].to_pylist() == [2**63 - 2]
    assert found["mean"].to_pylist() == [float(2**62)]
    with pytest.raises(ContractError, match="64 bits"):
        run(duck, big, [], [point], plans="kernel", features=[
            *named({"all": total(Payment.amount, by=BY, where=EUR)}).values()
        ])  # fmt: skip


def test_entropy_and_distance_are_what_books_say():
    from heptad.analysis.legs import leg, leg_mm
    from heptad.service.batch.programs import LOG_SCALE, log_of
    from heptad.service.operators.finish import entropy as finish_entropy

    made = random.Random(7)
    for _ in range(50):
        values = [made.randrange(6) for _ in range(made.randrange(1, 40))]
        counts = Counter(values).values()
        want = -sum(c / len(values) * math.log2(c / len(values)) for c in counts)
        got = finish_entropy(len(values), sum(map(log_of, counts)), LOG_SCALE)
        assert got == pytest.approx(want, abs=1e-6)
        places = [made.randrange(-9 * 10**8, 9 * 10**8), made.randrange(-18 * 10**8, 18 * 10**8)]
        more = [made.randrange(-9 * 10**8, 9 * 10**8), made.randrange(-18 * 10**8, 18 * 10**8)]
        assert leg(*places, *more) == leg_mm(*places, *more)
    # Madrid to Barcelona, Vincenty on a sphere of the mean radius.
    assert leg(404_168_000, -37_038_000, 413_851_000, 21_734_000) == pytest.approx(
        505_4e5, rel=2e-3
    )


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: percentile(Payment.amount, q=2, by=BY, where=EUR), "between 0 and 1"),
        (lambda: percentile(Payment.amount, q=0.5, by=BY), "different currencies"),
        (lambda: trend(Payment.country, by=BY), "needs a number"),
        (lambda: streak(Payment.id, by=BY), "which streak"),
        (lambda: distance(Payment.amount, by=BY), "asked of a Place"),
        (lambda: distinct(Payment.place, by=BY), "no single value"),
        (lambda: decayed(Payment.id, half=0, by=BY), "longer than nothing"),
        (lambda: previous(Payment.id, k=-1, by=BY), "k rows back"),
        (lambda: top(Payment.id, n=0, by=BY), "between 1 and"),
        (lambda: top(Payment.country, n=2, by=BY, default="x"), "no list"),
        (lambda: trend(Payment.amount, by=BY, into="EUR"), "tier 1"),
        (lambda: fence("f", [(0, 0), (1, 1)]), "three corners"),
        (lambda: fence("f", [(0, 0), (1, 1), (91, 0)]), "off the globe"),
        (lambda: layer("l", []), "no points"),
        (lambda: near(Payment.place, layer=PORTS, metres=-1, by=BY), "whole number"),
        (lambda: cells(Payment.place, resolution=16, by=BY), "0 to 15"),
    ],
)
def test_a_question_without_exact_meaning_is_refused(make, says):
    with pytest.raises(ContractError, match=says):
        make()


def test_every_operator_is_tried():
    """The catalogue has no operator that no generated case asks."""
    from heptad.service.operators.declared import OPERATORS
    from tests.service import test_windows

    tried = {f.op for f in (*FEATURES, *test_windows.FEATURES)}
    assert tried == set(OPERATORS)


def test_the_grid_of_regions_is_laid_with_the_program_also_without_assertions():
    """As `python -O` reads the module: without assertions."""
    source = compile(inspect.getsource(programs), programs.__file__, "exec", optimize=1)
    module = types.ModuleType(programs.__name__)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, programs.__name__, module)
        exec(source, vars(module))
    ring = np.array([[0, 0], [0, 10], [10, 10]]) * 10**7
    lands = Regions("lands", {"one": [ring]})
    module.compiled([region(Payment.place, regions=lands, by=BY, over=minute)])
    assert "grid" in vars(lands)
