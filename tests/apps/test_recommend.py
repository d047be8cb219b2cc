# SPDX-License-Identifier: Apache-2.0
"""Recommendation on an open platform: fresh events and items, consent, moments, repeated requests."""

from __future__ import annotations

import json

import numpy as np
import pytest

from heptad.analysis.recommend.pipeline import Alike
from heptad.apps.recommend import app
from heptad.apps.recommend.decide import WHY
from heptad.apps.recommend.learning import learn
from heptad.apps.recommend.measuring import Shown, figures
from heptad.apps.recommend.serving import advisor_of, chosen_by
from heptad.apps.recommend.tables import Item
from heptad.standards.errors import ContractError, InputError
from heptad.standards.time import day
from heptad.terminal.commands.decisions import decide
from heptad.terminal.commands.models import challenge
from heptad.terminal.commands.pages import show_page
from heptad.testing.scratch import project

AT = "2025-12-18T00:{:02d}:00Z"


def listed(platform, name, customer, minute=0, **more):
    """Ask for a list; the ids shown, the codes of the others, and the decision."""
    row = {"id": name, "event_time": AT.format(minute), "customer": customer,
           "catalogue": "funds", "channel": "app", "n": 5} | more  # fmt: skip
    made = platform.decide_one("recommend", row=row).decision
    shown = [r.numbers["item"] for r in made.reasons if r.code in WHY]
    return shown, {r.code: dict(r.numbers) for r in made.reasons if r.code not in WHY}, made


@pytest.fixture(scope="module")
def platform():
    with project(app.demo(7), decided=app) as opened:
        opened.store("Holding", [{"id": "h1", "event_time": AT.format(0), "customer": "c002",
                                  "product": "f04", "active": True}])  # fmt: skip
        opened.run("recommend.learn", "2026-01-01")
        (model,) = opened.catalog.models.recent(app="recommend", limit=1)
        opened.approve(model.id, "somebody else", "figures reviewed")
        yield opened


def test_a_model_is_registered_with_figures_on_what_came_later(platform):
    model = platform.catalog.models.champion("recommend")
    assert model.metrics["ours"]["ndcg"]["value"] > model.metrics["popularity"]["ndcg"]["value"]
    assert set(model.metrics["gain"]) == {"popularity", "neighbours"}


def test_a_list_says_why_and_what_was_left_out(platform):
    shown, others, made = listed(platform, "a1", "c002")
    risks = {f["id"]: f["risk"] for f in app.demo(7)[app.tables[0]]}
    assert made.outcome == "offer"
    assert len(shown) == 5
    assert max(risks[i] for i in shown) <= made.features["profile"] == "R3"
    assert others["TOO_RISKY"]["items"] == sum(r > "R3" for r in risks.values())
    assert others["STEPS"]["all"] == 40
    assert risks["f04"] == "R2"
    assert "f04" not in shown
    assert others["ALREADY_HELD"] == {"items": 1}
    assert (
        json.loads(made.row["slate"])["model"]
        == platform.catalog.models.champion("recommend").sha256
    )


def test_what_a_caller_proposes_is_dropped(platform):
    forged = json.dumps({"items": [{"item": "f03", "title": "Forged"}]})
    shown, _, made = listed(platform, "a2", "c001", slate=forged)
    assert "f03" not in shown
    assert "Forged" not in made.row["slate"]


def test_asked_again_the_first_list_is_answered(platform):
    first = listed(platform, "a3", "c003")[2]
    assert listed(platform, "a3", "c003", slate="{}")[2].to_bytes() == first.to_bytes()


def test_a_fresh_event_changes_the_next_list_and_a_dismissed_item_goes(platform):
    before = listed(platform, "a4", "c007", 1)[0]
    assert before == []  # no questionnaire
    shown = listed(platform, "a5", "c004", 1)[0]
    platform.store("Interaction", [{"id": "fresh", "event_time": AT.format(2), "customer": "c004",
                                    "item": shown[0], "action": "dismiss"}])  # fmt: skip
    after, others, _ = listed(platform, "a6", "c004", 3)
    assert shown[0] not in after
    assert others["DISMISSED"]["items"] >= 1


def test_a_new_item_and_a_changed_one_are_there_at_once(platform):
    new = {"id": "z1", "event_time": AT.format(4), "catalogue": "tips", "title": "Neu: ünï 基金",
           "categories": "bonds"}  # fmt: skip
    platform.store("Item", [new])
    shown, _, made = listed(platform, "a7", "c004", 5, catalogue="tips")
    assert shown == ["z1"]
    assert made.reasons[0].code == "NEW"
    platform.store("Item", [new | {"event_time": AT.format(6), "withdrawn": True}])
    assert listed(platform, "a8", "c004", 7, catalogue="tips")[0] == []


def test_without_consent_nothing_that_was_done_counts(platform):
    """c005 and c010 have not agreed that their behaviour is read: only suitability tells them apart."""
    made = [listed(platform, f"b{who}", who, 8)[2] for who in ("c005", "c010")]
    for decision in made:
        assert decision.features["chosen"] in (None, [])
        assert decision.features["events"] in (None, 0)
        assert {r.code for r in decision.reasons if r.code in WHY} <= {"POPULAR", "NEW"}


def test_a_challenger_makes_the_lists_of_some_and_is_asked_in_shadow_for_others(platform):
    """A customer stays with one ranker; what the other would have shown is recorded, not shown."""
    platform.run("recommend.learn", "2026-01-02")
    models = platform.catalog.models
    model = models.recent(app="recommend", limit=1)[0]
    if model.stage == "candidate":
        told = challenge(platform, model.id, "somebody else", "to be tried")
        assert told["stage"] == "challenger"
    policy = {"licences": "", "trial": 0.5, "shadow": True}
    drawn = {f"c{i:03d}": chosen_by(platform, f"c{i:03d}", policy) for i in range(60)}
    stages = [stage for stage, _ in drawn.values()]
    assert 15 < stages.count("challenger") < 45
    assert {who: chosen_by(platform, who, policy)[0] for who in drawn} == dict(
        zip(drawn, stages, strict=True)
    )
    assert all(other is not None for _, other in drawn.values())
    assert chosen_by(platform, "c002", app.policy)[0] == "champion"


def test_champion_and_challenger_recommend_from_one_shelf(platform, monkeypatch):
    def asked(**_):
        raise AssertionError("who stands at a stage is known without asking the catalog again")

    monkeypatch.setattr(platform.catalog.models, "recent", asked)
    assert advisor_of(platform, "challenger").shelf is advisor_of(platform).shelf


@pytest.mark.parametrize(
    ("value", "given"),
    [("quotas", "energy:x"), ("quotas", "energy"), ("quotas", "bonds:2 :3"), ("quotas", "a:-1"),
     ("quotas", "a:²"), ("licences", "GR"), ("licences", "GR:funds,"), ("licences", ":funds"),
     ("rerank", "mmx"), ("variety", 1.5), ("trial", "half"), ("explore", -0.1)],
)  # fmt: skip
def test_a_policy_that_no_list_can_be_made_by_is_refused_when_it_is_read(value, given):
    with project({Item: app.demo(7)[Item][:1]}) as opened:
        assert opened.desk.policy(app)["n"] == 10
        opened.desk._policies = {"recommend": {value: given}}
        with pytest.raises(ContractError, match=value):
            opened.desk.policy(app)


def test_a_quota_of_a_category_that_no_item_has_is_told_when_a_ranker_is_learned(
    platform, monkeypatch
):
    monkeypatch.setattr(platform.desk, "_policies", {"recommend": {"quotas": "bonds:2 enrgy:1"}})
    with pytest.raises(ContractError, match="enrgy"):
        learn(platform, "2026-01-03")


def test_what_came_of_lists_is_measured_by_cohort_and_exposure(platform):
    shown = listed(platform, "m1", "c008", 10)[0]
    platform.store("Interaction", [{"id": "taken", "event_time": AT.format(20), "customer": "c008",
                                    "item": shown[1], "action": "purchase"}])  # fmt: skip
    now = platform.clock.now()
    platform.clock.set(now + 9 * day)
    told = platform.run("recommend.measure", "2025-12-26")
    assert told["lists"] > 5
    again = platform.run("recommend.measure", "2025-12-26")
    assert again["figures"] == told["figures"]
    rows = platform.read("ListFigure", purpose="advice", role="app").to_pylist()
    found = {(r["report"], r["series"], r["at"]): r for r in rows}
    assert found["cohort", "hit", "everybody"]["value"] > 0
    assert found["exposure", "items ever shown", "all"]["value"] > 0
    assert {"TOO_RISKY", "SEEN"} <= {series for report, series, _ in found if report == "left_out"}
    for path in ("shown", "cohorts", "exposure", "why", "quality"):
        page = show_page(platform, "recommend", path)
        assert not [b["problem"] for b in page["blocks"] if b["problem"]], path
    platform.clock.set(now)


def test_figures_count_what_was_chosen_in_the_week_after_a_list():
    lists = [
        Shown("a", 10 * day, {"x": 1.0, "y": 0.5}, {"SEEN": 2}, 0, "R1", "champion", ["z"]),
        Shown("b", 10 * day, {"y": 1.0, "z": 1.0}, {}, 9, "", "challenger"),
        Shown("c", 10 * day, {}),
    ]
    acts = {"a": [(11 * day, "y"), (11 * day, "z"), (9 * day, "x")], "b": [(18 * day, "y")]}
    found = {(r["report"], r["series"], r["at"]): r for r in figures(lists, acts, 4, 17 * day)}
    assert found["cohort", "hit", "everybody"]["value"] == 0.5
    assert found["cohort", "hit", "history nothing known"]["value"] == 1.0
    # Of two chosen one stands at place 2; drawn with 0.5, it weighs 2 of 3.
    assert found["cohort", "ndcg", "profile R1"]["value"] == pytest.approx(
        (1 / np.log2(3)) / (1 + 1 / np.log2(3))
    )
    assert found["cohort", "taken, by propensity", "profile R1"]["value"] == pytest.approx(2 / 3)
    assert found["cohort", "hit of the shadow", "profile R1"]["value"] == 1.0
    assert found["variant", "hit", "challenger"]["value"] == 0.0
    assert found["exposure", "items ever shown", "all"]["value"] == 0.75
    assert found["showings", "share of all showings", "y"]["value"] == 0.5
    assert found["left_out", "SEEN", "a list"]["value"] == pytest.approx(2 / 3)


def test_a_list_is_judged_when_its_week_is_over():
    lists = [Shown("a", 10 * day, {"x": 1.0}), Shown("b", 10 * day + 1, {"x": 1.0})]
    acts = {"a": [(11 * day, "x")]}
    found = {(r["report"], r["series"], r["at"]): r for r in figures(lists, acts, 1, 17 * day)}
    hit = found["cohort", "hit", "everybody"]
    assert (hit["value"], hit["n"]) == (1.0, 1)
    assert found["showings", "share of all showings", "x"]["n"] == 2


def test_the_interval_of_a_trial_does_not_narrow_because_customers_look_often():
    def gap(times):
        lists, acts = [], {}
        for n in range(40):
            name, variant = f"c{n}", ("champion", "challenger")[n % 2]
            lists += [Shown(name, n, {"x": 1.0}, variant=variant)] * times
            acts[name] = [(day, "x")] if n % 8 < 3 else []
        (found,) = (r for r in figures(lists, acts, 1, 30 * day)
                    if (r["series"], r["at"]) == ("hit", "challenger less champion"))  # fmt: skip
        return found

    once, often = gap(1), gap(50)
    assert often["n"] == 50 * once["n"]
    assert (often["low"], often["high"]) == pytest.approx((once["low"], once["high"]))
    # Of single lists it is the interval of two independent means: shares of 1/4 and 1/2 of 20.
    half = 1.96 * np.sqrt(0.25 * 0.75 / 19 + 0.5 * 0.5 / 19)
    assert once["high"] - once["value"] == pytest.approx(half)


def test_all_decisions_replay_bit_for_bit(platform):
    report = platform.replay()
    assert report.identical, report.findings[:3]
    assert report.decided["identical"] > 5


def test_one_new_row_is_decided_by_command(platform):
    row = {
        "id": "cmd",
        "event_time": AT.format(9),
        "customer": "c002",
        "catalogue": "funds",
        "n": 2,
    }
    found = decide(platform, "recommend", new=json.dumps(row))
    assert found["outcomes"] == {"offer": 1}
    assert found["decisions"][0]["on"] == "Visit cmd"
    for wrong in ("{", "[]"):
        with pytest.raises(InputError):
            decide(platform, "recommend", new=wrong)


def test_while_it_is_served_a_forged_list_is_dropped_too(platform):
    from heptad.terminal.http.api import public
    from tests.terminal.calling import Client

    forged = json.dumps({"items": [{"item": "f03", "title": "Forged"}]})
    row = {
        "id": "h1",
        "event_time": AT.format(9),
        "customer": "c001",
        "catalogue": "funds",
        "slate": forged,
    }
    platform.quicken()
    client = Client(public(platform))
    answer = client.post("/v1/apps/recommend/decide", json={"row": row})
    assert answer.status_code == 200, answer.text
    posted = client.post("/v1/tables/Visit/rows", json=[row | {"id": "h2"}])
    assert posted.status_code < 300, posted.text
    made = [e.decision for e in platform.decide("recommend", keys=["h1", "h2"])]
    assert len(made) == 2
    for decision in made:
        assert "Forged" not in decision.row["slate"]
        assert "f03" not in {r.numbers.get("item") for r in decision.reasons}


def test_flags_of_groups_are_ones_own_and_follow_the_terms():
    terms = [("a", None), ("b", 1), ("a", None), ("a", 1), ("b", 1)]
    alike = Alike(terms)
    assert [terms[p] for p in alike.firsts] == [("a", None), ("b", 1), ("a", 1)]
    assert alike.counts == [2, 2, 1]
    for _ in range(2):
        found = alike.flags(np.array([True, False, True]))
        assert found.tolist() == [True, False, True, True, False]
        found[:] = False
    assert Alike([]).flags(np.zeros(0, dtype=bool)).tolist() == []
