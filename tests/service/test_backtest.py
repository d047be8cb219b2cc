# SPDX-License-Identifier: Apache-2.0
"""A back-test decides as the rows one by one would be decided, and counts what changes."""

from __future__ import annotations

import random
from datetime import date

import numpy as np
import pyarrow as pa
import pytest

from heptad.apps.credit import app as credit
from heptad.apps.fraud import app as fraud
from heptad.service.app import OUTCOMES, Inputs, Score
from heptad.service.flows.backtest import History, backtest, gather
from heptad.service.flows.batch import decide_batch, frame_of
from heptad.standards import Day
from heptad.standards.time import EARLIEST, LATEST
from heptad.testing.scratch import project

ARROW = {"integer": pa.int64(), "instant": pa.int64(), "number": pa.float64(), "text": pa.string(),
         "flag": pa.bool_(), "day": pa.date32()}  # fmt: skip


def drawn(app, n, seed):
    """Rows with features and a score, as decisions see them."""
    r = random.Random(seed)
    fields = [c for f in app.on.fields.values() if not f.sealed for c in f.columns()]
    cases = []
    for _ in range(n):
        row = {c.name: None for c in fields} | {"event_time": 10**15, "id": "x", "customer": "c"}
        row |= {
            "country": r.choice([None, "ES", "US"]),
            "currency": r.choice([None, "EUR", "EUR", "USD"]),
        }
        row |= {"channel": r.choice([None, "online", "terminal"]), "device": r.choice([None, "d"])}
        row |= {
            "age": r.choice([None, 17, 40, 40, 40, 80]),
            "amount": r.randrange(1, 10**7),
            "term": r.choice([12, 60, None]),
            "known_time": 10**15 + r.choice([-1, 0, 5]),
            "income": r.choice([None, None, 10_000, 200_000, 10**6]),
            "expenses": r.choice([None, 100_000]),
            "employed_since": r.choice([None, "1990-05-01", "2000-02-29", "2001-09-10"]),
            "purpose": r.choice([None, "medical", "travel"]),
        }
        features = {name: r.choice([None, 0, 1, 3, r.randrange(10**6)]) for name in app.features}
        features |= {k: v for k, v in {
            "previous_country": r.choice([None, "ES", "US"]), "bureau_overdue": r.choice([0, 0, 2]),
            "previous_time": r.choice([None, 10**15 - r.randrange(90) * 60_000_000]),
            "applications_1d": r.choice([None, 1, 1, 1, 2]), "applications_30d": r.choice([1, 1, 2, 5]),
            "group_debt": r.choice([None, 0, 10**6, 10**8]), "inflow_90d": r.choice([None, 3000, 10**6, 10**7]),
            "merchant_fraud_28d": r.choice([None, 0.25, 0.75]), "mean_90d": r.choice([None, 10.5, 9e5]),
        }.items() if k in app.features}  # fmt: skip
        chance = r.choice([0.01, 0.07, 0.15, 0.19, 0.19, 0.3])
        score = Score(chance, r.randrange(450, 700), []) if r.random() < 0.9 else None
        kept = {c.name for c in fields} | {"known_time"}
        cases.append(({k: v for k, v in row.items() if k in kept}, features, score))
    return cases


def in_columns(app, cases):
    """The same rows as columns."""
    columns = {}
    for field in app.on.fields.values():
        for c in () if field.sealed else field.columns():
            cells = [row[c.name] for row, _, _ in cases]
            if isinstance(field, Day):
                cells = [None if v is None else date.fromisoformat(v) for v in cells]
            columns[c.name] = pa.array(cells, ARROW[c.kind])
    columns["known_time"] = pa.array([row["known_time"] for row, _, _ in cases])
    for name in app.features:
        columns[name] = pa.array([features[name] for _, features, _ in cases])
    columns["score.points"] = pa.array([s and s.points for _, _, s in cases], pa.int64())
    chances = [s and s.probability for _, _, s in cases]
    columns["score.probability"] = pa.array(chances, pa.float64())
    return columns


@pytest.mark.parametrize("app", [fraud, credit], ids=lambda a: a.name)
def test_a_batch_decides_as_its_rows_one_by_one(app):
    cases = drawn(app, 12_000, seed=5)
    flow = app.flow.own
    found = decide_batch(flow, frame_of(flow, in_columns(app, cases), len(cases)))
    codes, stages = {}, []
    for n, (row, features, score) in enumerate(cases):
        outcome, stage = flow.decide(Inputs(features, row, app.policy, score, row["known_time"]))
        assert OUTCOMES[found.outcomes[n]] == outcome.outcome, (row, features, score)
        stages.append(stage)
        for reason in outcome.reasons:
            codes[reason.code] = codes.get(reason.code, 0) + 1
    names = [s.name for s in flow.stages]
    assert [names[s] for s in found.stages] == stages
    assert len(found.counts()) >= 3
    assert app is not credit or not {r.code for s in flow.stages for r in s.rules.rules} - {*codes}
    assert {c: n for c, n in found.reasons.items() if n} == codes
    assert found.decided == {name: stages.count(name) for name in names}


def test_swaps_add_up_and_worth_counts_what_is_stopped():
    cases = drawn(fraud, 2000, seed=6)
    bad = np.random.default_rng(1).choice(np.array([-1, 0, 1], np.int8), 2000)
    amounts = np.arange(2000, dtype=np.int64)
    history = History(in_columns(fraud, cases), 2000, amounts, bad)
    text = fraud.flow.path.read_text().replace("burst_payments: 4", "burst_payments: 1000000000")
    tried = fraud.flow.read(text, "tried.yaml")
    report = backtest(fraud.flow.own, tried, history, false_alarm=7)
    assert sum(s["rows"] for s in report.swaps) == 2000
    assert sum(s["amount"] for s in report.swaps) == amounts.sum()
    assert 0 < report.changed < 2000
    one = [fraud.flow.own(Inputs(f, r, fraud.policy)).outcome for r, f, _ in cases]
    other = [tried(Inputs(f, r, tried.policy)).outcome for r, f, _ in cases]
    assert report.changed == sum(a != b for a, b in zip(one, other, strict=True))
    stopped = [n for n, o in enumerate(other) if o in ("hold", "challenge", "decline")]
    worth = report.worth["then"]
    assert worth["gain"] == sum(int(amounts[n]) for n in stopped if bad[n] == 1)
    assert worth["cost"] == 7 * sum(bad[n] == 0 for n in stopped)
    same = backtest(fraud.flow.own, fraud.flow.own, history)
    assert same.changed == 0
    assert same.worth["change"]["net"] == 0


def test_history_of_a_project_gives_what_was_decided():
    with project(fraud.demo(7), apps=[fraud]) as platform:
        made = platform.decide("fraud")
        history = gather(fraud, platform.reads, None, between=(EARLIEST, LATEST), label="fraud")
        report = backtest(fraud.flow.own, fraud.flow.own, history)
    outcomes = [entry.public["outcome"] for entry in made]
    assert report.now["outcomes"] == {
        o: outcomes.count(o) for o in sorted(set(outcomes), key=OUTCOMES.index)
    }
    assert (history.bad == 1).any()
