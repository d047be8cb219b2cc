# SPDX-License-Identifier: Apache-2.0
"""What would change a decision is true, permitted, and the smallest; where there is nothing it says so."""

from __future__ import annotations

from itertools import product

import pytest

from heptad.apps.credit import app
from heptad.service.app import Inputs, Score
from heptad.service.decisions.counterfactual import Lever, what_would_change
from heptad.service.decisions.deciding import Scorer
from heptad.standards.errors import HeptadError

ROW = {
    "id": "a",
    "event_time": 0,
    "customer": "c",
    "amount": 3_000_000,
    "term": 24,
    "age": 40,
    "currency": "EUR",
}
KNOWN = dict.fromkeys(app.features) | {"inflow_90d": 900_000, "bureau_overdue": 0}
LEVERS = [
    Lever("amount", low=50_000, step=10_000),
    Lever("term", high=84, step=6),
    Lever("bureau_overdue", low=0),
]


class Card:
    """A scorecard of three inputs, so that points move with what is changed."""

    def score(self, row):
        points = 600 - 20 * (row["bureau_overdue"] or 0) - (row["term"] or 0) // 6
        points -= (row["amount"] or 0) // 200_000 * 3
        return Score(0.1, points, [])


SCORER = Scorer(Card(), "x")


def inputs(row=(), **changes):
    merged = ROW | dict(row)
    features = KNOWN | changes
    score = Card().score({**merged, **features})
    return Inputs(features, merged, app.policy, score)


def brute(x, most):
    """Every permitted combination, cheapest first, by plain enumeration."""
    best = {}
    grids = []
    for lever in LEVERS:
        now = x.features.get(lever.name, x.row.get(lever.name))
        grids.append([(0.0, None), *lever.values(now)])
    for choice in product(*grids):
        changed = [
            (lever.name, v) for lever, (_, v) in zip(LEVERS, choice, strict=True) if v is not None
        ]
        if not 0 < len(changed) <= most:
            continue
        f, r = dict(x.features), dict(x.row)
        for name, v in changed:
            (f if name in f else r)[name] = v
        if app.decide(Inputs(f, r, x.policy, Card().score({**r, **f}))).outcome == "approve":
            key = (len(changed), round(sum(c for c, v in choice if v is not None), 9))
            best.setdefault(key, []).append(dict(changed))
    return best


@pytest.mark.parametrize(
    ("row", "changes"),
    [
        ({}, {}),
        ({"amount": 400_000}, {"bureau_overdue": 3}),
        ({"amount": 1_200_000}, {"bureau_overdue": 2}),
        ({"amount": 900_000, "term": 60}, {"bureau_overdue": 2}),
    ],
)
def test_it_is_the_smallest_and_holds_when_decided_again(row, changes):
    x = inputs(row, **changes)
    assert app.decide(x).outcome != "approve"
    found = what_would_change(app, x, LEVERS, scorer=SCORER)
    best = brute(x, 2)
    assert found.complete
    if not best:
        assert found.changes == ()
        return
    assert {c.name: c.to for c in found.changes} in best[min(best)]
    assert found.outcome == "approve"


def test_the_levers_of_the_credit_flow_are_these():
    assert app.flow.own.levers == tuple(LEVERS)
    text = app.flow.own.text
    for old, new in (("low: 50000, step", "low: a, step"), ("  term: {high", "  trm: {high")):
        with pytest.raises(HeptadError) as met:
            app.flow.read(text.replace(old, new, 1), "mine.yaml")
        assert "mine.yaml line" in met.value.place


def test_there_is_nothing_to_do_for_a_minor():
    found = what_would_change(app, inputs({"age": 17}), LEVERS, scorer=SCORER)
    assert (found.changes, found.outcome, found.complete) == ((), None, True)


def test_a_search_that_was_given_up_says_so():
    found = what_would_change(app, inputs({"age": 17}), LEVERS, scorer=SCORER, budget=10)
    assert (found.changes, found.tried, found.complete) == ((), 10, False)


def test_levers_stay_within_what_they_permit():
    values = [v for _, v in Lever("term", low=12, high=48, step=6).values(25)]
    assert values[:2] == [24, 30] or values[:2] == [30, 24]
    assert sorted(values) == [12, 18, 24, 30, 36, 42, 48]
    assert list(Lever("age").values(17)) == []
