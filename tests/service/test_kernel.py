# SPDX-License-Identifier: Apache-2.0
"""The operators of the kernel equal the definition, on data made to be difficult."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from heptad.service.features import last, named
from heptad.service.patterns import (
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
from heptad.service.space import cells, distance, fence, inside, layer, moved, near, speed
from heptad.standards import minute, second
from heptad.standards.model import Label, Payment
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

DECLINED = Payment.status == "declined"
TOWN = fence("town", [("41.3", "2.1"), ("41.3", "2.3"), ("41.5", "2.3"), ("41.5", "2.1")])
PORTS = layer("ports", [("41.3852", "2.1734"), ("-33.8688", "151.2093"), (0, 0)])
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
