# SPDX-License-Identifier: Apache-2.0
"""Golden policy: what a credit officer would expect of firms, merchants, lines and draws."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heptad.apps.business import app
from heptad.apps.business.decide import flow, modes
from heptad.apps.business.work import resume
from heptad.service.app import Inputs, Reason, Score
from heptad.service.decisions.sentences import messages, sentence
from heptad.service.letters import written
from heptad.service.modes import hidden, implied, without
from heptad.standards.time import parse_instant

NOW = parse_instant("2026-03-01T12:00:00Z")
ROW = {"id": "a", "event_time": NOW, "customer": "s", "company": "f", "merchant": "m",
       "industry": "47", "kind": "loan", "amount": 6_000_000, "term": 36, "currency": "EUR",
       "purpose": "inventory"}  # fmt: skip
FIRM = {
    "revenue": 100_000_000, "operating_profit": 10_000_000,
    "depreciation": 2_000_000, "interest": 1_000_000, "repayments": 3_000_000,
    "current_assets": 30_000_000, "inventory": 10_000_000, "receivables": 12_000_000,
    "assets": 60_000_000, "equity": 20_000_000, "debt": 25_000_000, "statement_age": 100 * 86_400,
    "outlook": 0, "group_debt": 5_000_000, "owed": 1_000_000, "invoiced_365d": 80_000_000,
}  # fmt: skip
SHOP = {
    "weeks": 52, "weeks_before": 52, "net_year": 52_000_000, "net_before": 50_000_000,
    "net_quarter": 13_000_000, "net_season": 13_000_000, "net_spread": 200_000.0,
    "weak_week": 800_000, "rating": 10_000,
}  # fmt: skip
UNKNOWN = dict.fromkeys(app.features)
EMPTY = {"weeks": 0, "weeks_before": 0, "net_year": 0, "net_before": 0, "net_quarter": 0,
         "net_season": 0, "draws_1d": 0, "draws_2d": 0, "draws_4d": 0,
         "draws_8d": 0, "requests_1d": 0, "requests_30d": 0, "invoiced_365d": 0,
         "buyers_365d": 0}  # fmt: skip


def inputs(known=FIRM, row=(), points=600, probability=0.03, policy=(), known_time=NOW, **changes):
    score = None if points is None else Score(probability, points, [])
    features = UNKNOWN | EMPTY | dict(known) | changes
    return Inputs(features, ROW | dict(row), {**app.policy, **dict(policy)}, score, known_time)


def decide(*args, **more):
    return app.decide(inputs(*args, **more))


def told(found):
    return found.outcome, found.reasons[0].code


def line(held=None, waiting=0, known=SHOP, **more):
    row = {"kind": "review" if held else "line", "term": None, "amount": 10_000_000}
    return decide(known, row=row | more.pop("row", {}), line=held, line_waiting=waiting, **more)


# firms


def test_a_firm_borrows_what_its_free_cash_flow_pays_back():
    # Free: 10 + 2 - 1 - 3 = 8 million cents a year; half of a twelfth of it is the instalment's room.
    found = decide()
    assert told(found) == ("approve", "FITS")
    numbers = found.reasons[0].numbers
    assert numbers["room"] == round(8_000_000 / 12 * 0.5)
    assert numbers["instalment"] <= numbers["room"]
    monthly = numbers["rate"] / 12
    assert numbers["instalment"] == round(6_000_000 * monthly / (1 - (1 + monthly) ** -36))


def test_a_bad_outlook_is_taken_off_and_an_unknown_one_by_policy():
    rooms = [decide(outlook=value).reasons[0].numbers["room"] for value in (0, -3000, None, 4000)]
    assert rooms[1] == rooms[2] == round(8_000_000 * 0.7 / 12 * 0.5)
    assert rooms[0] == rooms[3]
    assert told(decide(outlook=-7000)) == ("refer", "OUTLOOK")


@pytest.mark.parametrize(
    ("row", "changes", "code"),
    [
        ({"currency": "USD"}, {}, "CURRENCY"),
        ({"event_time": NOW + 1}, {}, "FUTURE"),
        ({"term": None}, {}, "TERM_UNKNOWN"),
        ({"amount": 100_000_001}, {}, "ABSURD"),
        ({}, {"current_assets": 70_000_000}, "CONTRADICTORY"),
        ({}, {"inventory": 31_000_000}, "CONTRADICTORY"),
        ({}, {"receivables": 31_000_000}, "CONTRADICTORY"),
        ({}, {"equity": 61_000_000}, "CONTRADICTORY"),
        ({}, {"debt": -1}, "CONTRADICTORY"),
        ({}, {"invoiced_365d": 300_000_001}, "INVOICED"),
        ({}, {"requests_1d": 2}, "TWICE"),
        ({}, {"requests_30d": 4}, "MANY_REQUESTS"),
        ({}, {"group_debt": 495_000_000}, "GROUP_DEBT"),
        ({}, {"group_debt": None, "owed": 495_000_000}, "GROUP_DEBT"),
        ({}, {"interest": None}, "MEANS_UNKNOWN"),
        ({}, {"repayments": None}, "MEANS_UNKNOWN"),
        ({}, {"statement_age": 731 * 86_400}, "MEANS_UNKNOWN"),
        ({"purpose": "equipment"}, {"probability": 0.15}, "PURPOSE"),
        ({"purpose": None}, {"probability": 0.03}, "PURPOSE"),
        ({}, {"points": None}, "NO_MODEL"),
        ({}, {"points": 530}, "BORDERLINE"),
        ({}, {"policy": {"room_needed": True}}, "ROOM_UNKNOWN"),
    ],
)
def test_what_is_odd_or_unknown_goes_to_a_person(row, changes, code):
    assert told(decide(row=row, **changes)) == ("refer", code)


def test_a_firm_that_asks_for_more_than_it_carries_is_offered_less():
    found = decide(row={"amount": 30_000_000})
    assert told(found) == ("offer", "TOO_MUCH")
    offered = found.amounts["amount"]
    assert told(decide(row={"amount": offered})) == ("approve", "FITS")
    assert told(decide(row={"amount": offered + 10_000}))[0] == "offer"
    assert told(decide(operating_profit=2_020_000)) == ("decline", "NO_ROOM")


def test_the_room_of_the_portfolio_and_the_loss_budget_reach_the_offer():
    found = decide(room=2_000_000)
    assert told(found) == ("offer", "TOO_MUCH")
    assert found.amounts["amount"] == 2_000_000
    assert told(decide(room=0)) == ("decline", "NO_ROOM")
    tight = decide(policy={"loss_budget": 40_500}).amounts["amount"]
    assert tight == math.floor(40_500 / (0.03 * 0.45)) // 10_000 * 10_000


# merchants


def oracle(f, policy):
    """The monthly stressed cash flow, written once more from its description."""
    if f["weeks"] < policy["least_weeks"] or f["rating"] is None:
        return None
    mean = f["net_year"] / f["weeks"]
    if f["weeks_before"] >= 40:
        before = f["net_before"] / f["weeks_before"]
        moved = mean / before if before > 0 else 1.0
    else:
        moved = f["net_quarter"] * 4 / f["net_year"] if f["net_year"] > 0 else 1.0
    season = 1.0
    if f["weeks"] >= 50 and f["net_year"] > 0:
        season = min(1.0, f["net_season"] * 4 / f["net_year"])
    calm = mean - policy["stress"] * f["net_spread"]
    weak = (mean + f["weak_week"]) / 2
    stressed = max(0.0, min(calm, mean * min(1.0, moved), weak)) * max(0.0, season)
    trust = max(0.0, (f["rating"] / 1e4 - policy["rating_floor"]) / (1 - policy["rating_floor"]))
    return stressed * 52 * trust / 12


@settings(max_examples=200, deadline=None)
@given(
    shop=st.fixed_dictionaries({
        "weeks": st.integers(0, 52), "weeks_before": st.integers(0, 52),
        "net_year": st.integers(-10**7, 10**8), "net_before": st.integers(-10**7, 10**8),
        "net_quarter": st.integers(-10**6, 10**8), "net_season": st.integers(-10**6, 10**8),
        "net_spread": st.floats(0, 10**6), "weak_week": st.integers(-10**5, 10**6),
        "rating": st.none() | st.integers(0, 10_000),
    }),
    held=st.none() | st.integers(5, 3000).map(lambda n: n * 10_000), waiting=st.integers(0, 2),
)  # fmt: skip
def test_a_line_is_what_the_stressed_cash_flow_carries(shop, held, waiting):
    policy = app.policy
    found = line(held, waiting, known=shop)
    month = oracle(shop, policy)
    if month is None:
        assert told(found) == ("refer", "MEANS_UNKNOWN")
        return
    loss = 0.03 * policy["loss_given_default"]
    carried = min(month * policy["months"], policy["largest"], policy["loss_budget"] / loss)
    wanted = math.floor(carried) // policy["step"] * policy["step"]
    wanted = wanted if wanted >= policy["smallest"] else 0
    set_, code = found.amounts["line"], found.reasons[0].code
    if wanted == 0:
        assert (set_, code) == (0, "LINE_LOW")
    elif held is None:
        assert set_ == min(wanted, 10_000_000)
    elif wanted <= held * (1 - policy["fall"]):
        assert (set_, code) == (wanted, "LINE_LOWERED")
    elif wanted < held * (1 + policy["rise"]):
        assert (set_, code) == (held, "LINE_KEPT")
    elif waiting + 1 < policy["patience"]:
        assert (set_, code, found.amounts["waiting"]) == (held, "LINE_WAITING", waiting + 1)
    else:
        assert code == "LINE_RAISED"
        assert held <= set_ <= max(held, held * (1 + policy["rise_most"]))
        assert set_ <= wanted or set_ == held


def test_a_line_falls_at_once_and_rises_after_two_reviews_by_steps():
    start = line().amounts["line"]
    assert start == 10_000_000  # as asked; more would be carried
    better = {**SHOP, "net_year": 104_000_000, "net_before": 100_000_000, "net_quarter": 26_000_000,
              "net_season": 26_000_000, "weak_week": 1_600_000}  # fmt: skip
    held, waiting, seen = 6_000_000, 0, []
    for _ in range(4):
        made = line(held, waiting, known=better)
        held, waiting = made.amounts["line"], made.amounts["waiting"]
        seen.append((made.reasons[0].code, held))
    assert seen == [("LINE_WAITING", 6_000_000), ("LINE_RAISED", 9_000_000),
                    ("LINE_WAITING", 9_000_000), ("LINE_RAISED", 13_500_000)]  # fmt: skip
    worse = line(held, waiting, known={**SHOP, "net_spread": 900_000.0})
    assert told(worse) == ("offer", "LINE_LOWERED")
    assert worse.amounts["line"] < held / 2
    back = line(worse.amounts["line"], 0, known=better)
    assert back.reasons[0].code == "LINE_WAITING"


@pytest.mark.parametrize(
    "change",
    [{"net_spread": 400_000.0}, {"weak_week": 100_000}, {"net_before": 80_000_000},
     {"net_season": 6_000_000}, {"rating": 7_000}],
)  # fmt: skip
def test_volatility_troughs_a_falling_trend_a_slack_season_and_the_rating_lower_a_line(change):
    calm, changed = line(50_000_000), line(50_000_000, known=SHOP | change)
    assert changed.amounts["line"] < calm.amounts["line"]


def test_a_firm_with_statements_and_a_shop_borrows_on_the_lesser():
    both = decide({**FIRM, **SHOP}).reasons[0].numbers["room"]
    alone = [decide(known).reasons[0].numbers["room"] for known in (FIRM, SHOP)]
    assert both == min(alone)


def test_a_review_of_a_line_whose_holder_scores_badly_closes_it():
    found = line(5_000_000, points=480)
    assert (found.outcome, found.amounts) == ("decline", {"line": 0})
    assert decide(points=480).amounts == {}


def test_a_review_that_is_declined_closes_the_line_whoever_declines_it():
    dear = line(5_000_000, probability=0.5, policy={"highest_rate": 0.01})
    assert (*told(dear), dear.amounts) == ("decline", "RATE_CAP", {"line": 0})
    assert decide(policy={"highest_rate": 0.01}).amounts == {}
    people = {"case": "c1", "case.outcome": "decline"}
    for kind, set_ in (("review", {"line": 0}), ("line", {}), ("loan", {})):
        found = resume(inputs(row={"kind": kind}, policy=people, line=5_000_000))
        assert (found.outcome, found.amounts) == ("decline", set_)


def test_the_flow_tells_what_a_unit_lent_earns_at_its_price():
    margin = flow.own.amount("margin", inputs(probability=0.1))
    # The price pays for loss, funding, servicing and the return on capital, up to the highest rate.
    assert margin == pytest.approx(0.12 * 0.1)
    assert flow.own.amount("lost", inputs(probability=0.1)) == pytest.approx(0.045)
    capped = flow.own.amount("margin", inputs(probability=0.1, policy={"highest_rate": 0.05}))
    assert capped == pytest.approx(0.05 * 0.9 - 0.045 - 0.027 - 0.015)
    assert flow.own.amount("margin", inputs(probability=1.0)) < 0
    assert flow.own.amount("no such amount", inputs()) is None


# check-out


@pytest.mark.parametrize(
    ("line_", "drawn", "earlier", "outcome", "code", "amount"),
    [
        (1_000_000, 200_000, 0, "approve", "DRAW_FITS", 300_000),
        (1_000_000, 700_000, 0, "approve", "DRAW_FITS", 300_000),
        (1_000_000, 700_000, 100_000, "offer", "DRAW_PART", 200_000),
        (1_000_000, 900_000, 0, "offer", "DRAW_PART", 100_000),
        (1_000_000, 1_000_000, 0, "decline", "LINE_FULL", None),
        (None, 0, 0, "decline", "NO_LINE", None),
        (0, 0, 0, "decline", "NO_LINE", None),
        (1_000_000, None, 0, "refer", "DRAWN_UNKNOWN", None),
    ],
)
def test_a_draw_is_held_against_the_line(line_, drawn, earlier, outcome, code, amount):
    row = {"kind": "draw", "amount": 300_000, "term": None}
    found = decide(
        {}, row=row, points=None, line=line_, drawn=drawn, booked=0, draws_1d=300_000 + earlier
    )
    assert told(found) == (outcome, code)
    assert found.amounts.get("amount") == amount


@settings(max_examples=100, deadline=None)
@given(
    line_=st.integers(1, 10**6),
    steps=st.lists(st.tuples(st.integers(1, 6 * 86_400), st.none() | st.integers(1, 400_000)), max_size=40),
)  # fmt: skip
def test_a_line_is_never_exceeded_however_rarely_it_is_booked_what_was_drawn(line_, steps):
    """Draws, and None where it is booked what was drawn by then, each some seconds after the last."""
    at, drawn, booked, asked = 0, 0, (0, 0), []
    for seconds, amount in steps:
        at += seconds
        if amount is None:
            booked = (at, drawn)
            continue
        asked.append((at, amount))
        known = {
            f"draws_{d}d": sum(a for when, a in asked if when > at - d * 86_400)
            for d in (1, 2, 4, 8)
        }
        row = {"kind": "draw", "amount": amount, "term": None}
        found = decide({}, row=row, points=None, line=line_, drawn=booked[1],
                       booked=at - booked[0], **known)  # fmt: skip
        if at - booked[0] >= 8 * 86_400:
            assert told(found) == ("refer", "DRAWN_UNKNOWN")
        drawn += found.amounts.get("amount", 0)
        assert drawn <= line_


# all of it


def test_the_stages_decide():
    cases = [{"row": {"currency": "USD"}}, {"requests_1d": 2}, {"group_debt": 10**9},
             {"points": 400}, {"probability": 0.5}]  # fmt: skip
    named = ["credit review", "fraud investigation", "qualification", "points",
             "limits of purpose and price"]  # fmt: skip
    assert [flow.own.decide(inputs(**case))[1] for case in cases] == named


@pytest.mark.parametrize("name", modes)
def test_in_each_mode_one_function_decides_on_what_is_held(name):
    policy = {**app.policy, **implied(app, {"mode": name})}
    x = inputs({**FIRM, **SHOP}, policy=policy)
    bound = Inputs(without(x.features, hidden(app, policy)), x.row, policy, x.score, NOW)
    assert (bound["net_year"] is None) == (name == "independent_lender")
    assert (bound["operating_profit"] is None) == (name == "platform_data")
    assert told(app.decide(bound)) == ("approve", "FITS")


def test_every_reason_has_a_sentence_in_both_languages():
    for language in ("en", "zh"):
        known = messages(app.folder, language)
        codes = {r.code for s in flow.own.stages for r in s.rules.rules if not r.says}
        assert codes | {f"LOST_{n.upper()}" for n in app.model.inputs} | {"CASE"} <= known.keys()
    assert sentence(app, line(50_000_000).reasons[0]).startswith("stressed cash flow of ")


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize(
    "found",
    [decide(row={"amount": 30_000_000}), line(50_000_000, known=SHOP | {"net_spread": 9e5}),
     decide(points=400), line(known=SHOP | {"net_spread": 9.9e5})],
    ids=lambda found: found.reasons[0].code,
)  # fmt: skip
def test_each_offer_and_refusal_can_be_written_to_the_firm(found, language):
    (letter,) = [one for one in app.letters if found.outcome in one.on]
    known = {"institution": "Bank", "reference": "r", "amount": "1.00 EUR",
             "reasons": "\n".join(sentence(app, r) for r in found.reasons)}  # fmt: skip
    assert "{" not in written(app, letter, known, language).text


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_nothing_is_granted_on_what_is_odd_or_unknown(data):
    kind = data.draw(st.sampled_from(["loan", "line", "review", "draw"]))
    values = {
        name: data.draw(st.none() | st.integers(-10**4, 2 * 10**8), label=name)
        for name in ("revenue", "operating_profit", "interest", "repayments", "current_assets",
                     "assets", "equity", "debt", "group_debt", "line", "drawn", "room")
    }  # fmt: skip
    row = {"kind": kind, "amount": data.draw(st.integers(1, 10**10)),
           "term": data.draw(st.none() | st.integers(1, 120)), "event_time": NOW + data.draw(st.integers(-1, 1))}  # fmt: skip
    x = inputs(FIRM | values, row=row, booked=0, draws_1d=row["amount"])
    found = app.decide(x)
    assert found.reasons
    if found.outcome not in ("approve", "offer"):
        return
    f, r = x.features, x.row
    assert r["event_time"] <= NOW
    if kind == "draw":
        assert found.amounts["amount"] <= min(r["amount"], f["line"] - f["drawn"])
        return
    assert f["assets"] is None or f["equity"] is None or f["equity"] <= f["assets"]
    assert None not in (f["operating_profit"], f["interest"], f["repayments"])
    assert f["revenue"] is None or r["amount"] <= f["revenue"]
    granted = found.amounts.get("amount", found.amounts.get("line"))
    if kind == "loan":
        assert r["term"] is not None
        assert granted <= r["amount"]
        assert f["room"] is None or granted <= f["room"]


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_value_that_is_not_known_is_said_in_words(language):
    for name in set(app.model.inputs) & app.features.keys():
        found = sentence(app, Reason(f"LOST_{name.upper()}", {"value": None}), language=language)
        assert "–" not in found or app.features[name].op in {"count", "total", "distinct"}, found
