# SPDX-License-Identifier: Apache-2.0
"""Golden policy: what a credit officer would expect of single applications."""

from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heptad.analysis.pricing import Costs, price
from heptad.apps.credit import app
from heptad.apps.credit.decide import flow
from heptad.service.app import Inputs, Reason, Score
from heptad.service.decisions.sentences import sentence
from heptad.standards.time import parse_instant

NOW = parse_instant("2026-03-01T12:00:00Z")
ROW = {"id": "a", "event_time": NOW, "amount": 600_000, "term": 24, "age": 40, "currency": "EUR"}
KNOWN = dict.fromkeys(app.features) | {"inflow_90d": 900_000, "bureau_overdue": 0}


def inputs(points=600, lost=(), row=(), probability=0.05, known_time=NOW, **changes):
    score = None if points is None else Score(probability, points, list(lost))
    return Inputs(KNOWN | changes, ROW | dict(row), app.policy, score, known_time)


def decide(*args, **more):
    return app.decide(inputs(*args, **more))


def instalment(amount, term, yearly_rate):
    i = yearly_rate / 12
    return amount * i / (1 - (1 + i) ** -term)


def test_the_instalment_is_that_of_an_annuity():
    # 6,000.00 over 24 months at 7.34 % a year: 6000 · (0.0734/12) / (1 − (1 + 0.0734/12)^−24) = 269.56
    numbers = decide().reasons[0].numbers
    assert (numbers["rate"], numbers["instalment"]) == (0.0734, 26_956)
    nothing = dict.fromkeys(("funding", "servicing", "return_wanted", "loss_given_default"), 0.0)
    free = Inputs(KNOWN, ROW, app.policy | nothing, Score(0.05, 600, []))
    assert app.decide(free).reasons[0].numbers["instalment"] == 25_000


@pytest.mark.parametrize("probability", [0.0, 0.01, 0.07, 0.15])
def test_the_price_is_that_of_the_algorithm(probability):
    costs = Costs(**{n: app.policy[n] for n in ("loss_given_default", "funding", "servicing",
                                                "capital", "return_wanted")})  # fmt: skip
    found = decide(row={"purpose": "medical"}, probability=probability)
    assert found.reasons[0].numbers["rate"] == round(price(probability, 1, 2.0, costs).rate, 4)


def test_a_risk_that_the_highest_rate_does_not_pay_for_is_declined():
    dear = app.policy | {"highest_rate": 0.07}
    found = app.decide(Inputs(KNOWN, ROW, dear, Score(0.05, 600, [])))
    assert (found.outcome, found.reasons[0].code) == ("decline", "RATE_CAP")


@pytest.mark.parametrize(
    ("probability", "purpose", "outcome", "group"),
    [(0.01, "travel", "approve", "A"), (0.15, "medical", "approve", "D"),
     (0.15, "travel", "refer", "D"), (0.15, None, "refer", "D"), (0.3, "medical", "refer", "E")],
)  # fmt: skip
def test_the_five_groups_limit_purposes(probability, purpose, outcome, group):
    found = decide(row={"purpose": purpose}, probability=probability)
    assert (found.outcome, found.reasons[0].numbers["group"]) == (outcome, group)


def test_each_named_stage_has_its_own_outcome_and_reasons():
    named = ["identification", "credit review", "fraud investigation", "qualification", "points"]
    cases = [{"row": {"age": 17}}, {"row": {"currency": "CZK"}}, {"applications_1d": 2},
             {"bureau_overdue": 2}, {"points": 480}]  # fmt: skip
    for stage, case in zip(named, cases, strict=True):
        assert flow.own.decide(inputs(**case))[1] == stage


@settings(max_examples=300, deadline=None)
@given(
    row=st.fixed_dictionaries({}, optional={
        "amount": st.integers(1, 10**14), "term": st.integers(1, 600), "income": st.none() | st.integers(0, 10**12),
        "expenses": st.none() | st.integers(0, 10**12), "age": st.none() | st.integers(0, 130),
        "employed_since": st.none() | st.dates(date(1950, 1, 1), date(2030, 1, 1)).map(str),
        "currency": st.sampled_from(["EUR", "CZK"]), "purpose": st.none() | st.just("travel"),
    }),
    changes=st.fixed_dictionaries({}, optional={
        "inflow_90d": st.none() | st.integers(0, 10**9), "applications_1d": st.integers(1, 3),
        "applications_30d": st.integers(1, 9), "bureau_overdue": st.none() | st.integers(0, 3),
        "group_debt": st.none() | st.integers(0, 10**9),
    }),
    later=st.integers(-3, 3), probability=st.floats(0, 0.999),
)  # fmt: skip
def test_what_is_absurd_contradictory_doubled_future_or_unknown_is_never_approved(
    row, changes, later, probability
):
    """Written once more as an examiner would: whoever gets money is of age and believed."""
    x = inputs(row=row, known_time=NOW - later, probability=probability, **changes)
    found = app.decide(x)
    assert found.reasons
    if found.outcome not in ("approve", "offer"):
        return
    r, f, p = x.row, x.features, x.policy
    today, hired = date(2026, 3, 1), r.get("employed_since")
    assert p["youngest"] <= r["age"]
    assert later <= 0
    assert hired is None or date.fromisoformat(hired) <= today
    assert hired is None or r["age"] >= 14 + (today - date.fromisoformat(hired)).days // 366
    income = r.get("income")
    assert income is None or (income <= p["most_income"] and r["amount"] <= 60 * income)
    assert income is None or r.get("expenses") is None or r["expenses"] <= 2 * income
    assert f["applications_1d"] is None or f["applications_1d"] == 1
    assert f["inflow_90d"] is not None
    assert r["currency"] == "EUR"
    assert found.amounts["amount"] <= r["amount"]


@pytest.mark.parametrize(
    ("points", "row", "changes", "outcome", "codes"),
    [
        (600, {}, {}, "approve", ["FITS"]),
        (560, {}, {}, "approve", ["FITS"]),
        (559, {}, {}, "refer", ["BORDERLINE"]),
        (499, {}, {}, "decline", ["SCORE"]),
        (None, {}, {}, "refer", ["NO_MODEL"]),
        (600, {"age": 17}, {}, "decline", ["TOO_YOUNG"]),
        (600, {"age": 80}, {}, "approve", ["FITS"]),
        (600, {"age": None}, {}, "refer", ["AGE_UNKNOWN"]),
        (600, {"employed_since": "2026-03-02"}, {}, "refer", ["FUTURE"]),
        (600, {"income": 5_000}, {}, "refer", ["ABSURD"]),
        (600, {"income": 200_000, "expenses": 500_000}, {}, "refer", ["CONTRADICTORY"]),
        (600, {"employed_since": "1990-01-01"}, {}, "refer", ["CONTRADICTORY"]),
        (600, {}, {"applications_1d": 2}, "refer", ["TWICE"]),
        (600, {}, {"applications_30d": 4}, "refer", ["MANY_APPLICATIONS"]),
        (600, {}, {"group_debt": 49_500_000}, "refer", ["GROUP_DEBT"]),
        (600, {"currency": "CZK"}, {}, "refer", ["CURRENCY"]),
        (600, {}, {"bureau_overdue": 2}, "decline", ["OVERDUE"]),
        (600, {}, {"bureau_overdue": None}, "approve", ["FITS"]),
        (600, {"amount": 6_000_000}, {}, "offer", ["TOO_MUCH"]),
        (600, {}, {"inflow_90d": 3_000}, "decline", ["NO_ROOM"]),
        (600, {}, {"inflow_90d": None}, "refer", ["MEANS_UNKNOWN"]),
    ],
)
def test_policy(points, row, changes, outcome, codes):
    found = decide(points, row=row, **changes)
    assert (found.outcome, [r.code for r in found.reasons]) == (outcome, codes)


def test_a_counter_offer_fits_and_is_the_largest_that_does():
    found = decide(row={"amount": 6_000_000})
    room = 900_000 / 3 * app.policy["instalment_share"]
    offered = found.amounts["amount"]
    assert instalment(offered, 24, found.reasons[0].numbers["rate"]) <= room
    assert instalment(offered + 10_000, 24, found.reasons[0].numbers["rate"]) > room


def test_reasons_are_the_points_lost_most_first():
    found = decide(480, lost=[("inflow_trend", 40), ("term", 12)], inflow_trend=0.62)
    assert [r.code for r in found.reasons] == ["LOST_INFLOW_TREND", "LOST_TERM"]
    assert sentence(app, found.reasons[0]) == "money received is at 62 % of the 90 days before"


def test_every_input_of_the_model_has_a_sentence_of_its_own():
    from heptad.service.decisions.sentences import messages

    known = messages(app.folder, "en")
    assert {f"LOST_{name.upper()}" for name in app.model.inputs} <= known.keys()


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_value_that_is_not_known_is_said_in_words(language):
    for name in set(app.model.inputs) & app.features.keys():
        found = sentence(app, Reason(f"LOST_{name.upper()}", {"value": None}), language=language)
        assert "–" not in found or app.features[name].op in {"count", "total"}, found
