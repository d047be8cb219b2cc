# SPDX-License-Identifier: Apache-2.0
"""Golden policy: what a credit officer would expect of single applications."""

import pytest

from heptad.apps.credit import app
from heptad.service.app import Inputs, Score
from heptad.service.decisions.sentences import sentence

ROW = {"id": "a", "event_time": 0, "amount": 600_000, "term": 24, "age": 40, "currency": "EUR"}
KNOWN = dict.fromkeys(app.features) | {"inflow_90d": 900_000, "bureau_overdue": 0}


def decide(points=600, lost=(), row=(), **changes):
    score = None if points is None else Score(0.05, points, list(lost))
    return app.decide(Inputs(KNOWN | changes, ROW | dict(row), app.policy, score))


def instalment(amount, term, yearly_rate):
    i = yearly_rate / 12
    return amount * i / (1 - (1 + i) ** -term)


def test_the_instalment_is_that_of_an_annuity():
    # 6,000.00 over 24 months at 8 % a year: 6000 · (0.08/12) / (1 − (1 + 0.08/12)^−24) = 271.36
    assert decide().reasons[0].numbers["instalment"] == 27_136
    free = Inputs(KNOWN, ROW, app.policy | {"yearly_rate": 0.0}, Score(0.05, 600, []))
    assert app.decide(free).reasons[0].numbers["instalment"] == 25_000


@pytest.mark.parametrize(
    ("points", "row", "changes", "outcome", "codes"),
    [
        (600, {}, {}, "approve", ["FITS"]),
        (560, {}, {}, "approve", ["FITS"]),
        (559, {}, {}, "refer", ["BORDERLINE"]),
        (499, {}, {}, "decline", ["SCORE"]),
        (None, {}, {}, "refer", ["NO_MODEL"]),
        (600, {"age": 17}, {}, "decline", ["AGE"]),
        (600, {"currency": "CZK"}, {}, "refer", ["CURRENCY"]),
        (600, {}, {"bureau_overdue": 2}, "decline", ["OVERDUE"]),
        (600, {}, {"bureau_overdue": None}, "approve", ["FITS"]),
        (600, {"amount": 6_000_000}, {}, "offer", ["TOO_MUCH"]),
        (600, {}, {"inflow_90d": 3_000}, "decline", ["NO_ROOM"]),
        (600, {}, {"inflow_90d": None}, "decline", ["NO_ROOM"]),
    ],
)
def test_policy(points, row, changes, outcome, codes):
    found = decide(points, row=row, **changes)
    assert (found.outcome, [r.code for r in found.reasons]) == (outcome, codes)


def test_a_counter_offer_fits_and_is_the_largest_that_does():
    found = decide(row={"amount": 6_000_000})
    room = 900_000 / 3 * app.policy["instalment_share"]
    offered = found.amounts["amount"]
    assert instalment(offered, 24, app.policy["yearly_rate"]) <= room
    assert instalment(offered + 10_000, 24, app.policy["yearly_rate"]) > room


def test_reasons_are_the_points_lost_most_first():
    found = decide(480, lost=[("inflow_trend", 40), ("term", 12)], inflow_trend=0.62)
    assert [r.code for r in found.reasons] == ["LOST_INFLOW_TREND", "LOST_TERM"]
    assert sentence(app, found.reasons[0]) == "money received is at 62 % of the 90 days before"


def test_every_input_of_the_model_has_a_sentence_of_its_own():
    from heptad.service.decisions.sentences import messages

    known = messages(app.folder, "en")
    assert {f"LOST_{name.upper()}" for name in app.model.inputs} <= known.keys()
