# SPDX-License-Identifier: Apache-2.0
"""A firm's life in a project: learned from, granted, drawn, reviewed, held against groups and room."""

import pytest

from heptad.apps.business import app
from heptad.apps.business.demo import history
from heptad.apps.business.jobs import _owed, groups, segments
from heptad.apps.business.tables import (
    PlatformRating,
    Settlement,
)
from heptad.service.decisions.decision import Decision
from heptad.standards.time import day, format_instant, hour
from heptad.testing.scratch import project


def test_companies_are_connected_by_shares_and_sureties_and_the_latest_debt_counts():
    def debt(company, at, owed):
        return {"company": company, "event_time": at, "owed": owed, "currency": "EUR"}

    rows = {
        "CompanyDebt": [debt("a", 1, 900), debt("a", 2, 10), debt("b", 1, 5), debt("c", 1, 7),
                        {**debt("d", 1, 9), "currency": "USD"}],
        "Ownership": [{"company": "b", "owner": None, "owner_company": "a", "share": 600_000},
                      {"company": "c", "owner": "p", "owner_company": None, "share": 400_000}],
        "Surety": [{"company": "b", "guarantor": "p", "guarantor_company": None, "active": True},
                   {"company": "c", "guarantor": None, "guarantor_company": "a", "active": False}],
    }  # fmt: skip
    assert groups(rows) == [(("company a", "company b", "person p"), 15), (("company c",), 7)]


@pytest.fixture(scope="module")
def bank():
    """A project with firms, a trained and approved scorecard, and their requests decided."""
    rows = history(3, firms=420)
    shops = history(5, firms=2, weeks=104)
    more = {t: [{**r, "id": f"z{r['id']}"} for r in shops[t]] for t in (Settlement, PlatformRating)}
    with project({t: given for t, given in rows.items() if given}) as platform:
        platform.clock.set(platform.clock.now() + 400 * day)
        trained = platform.train("business")
        model = platform.catalog.models.recent(app="business", limit=1)[0]
        platform.catalog.models.approve(model.id, "a second person", "tests")
        platform.catalog.models.promote(model.id, "champion", "a second person", "tests")
        for table, given in more.items():
            platform.store(table.__name__, given, source="tests")
        yield platform, trained


def shop(platform, name, **more):
    """A shop with two years of even trade that ends today."""
    now = platform.clock.now()
    platform.store("Settlement", [
        {"id": f"{name} {k}", "event_time": format_instant(now - (104 - k) * 7 * day), "merchant": name,
         "net": f"{10_000 + 400 * (k % 5)}.00", "currency": "EUR"} for k in range(104)
    ], source="tests")  # fmt: skip
    platform.store("PlatformRating", [{"id": f"{name} rated", "event_time": format_instant(now - day),
                                       "merchant": name, "rating": "1.0"}], source="tests")  # fmt: skip
    statement = {"equity": 300_000, "assets": 500_000, "debt": 100_000, "operating profit": 90_000,
                 "depreciation": 10_000, "interest": 5_000, "repayments": 10_000, "revenue": 900_000,
                 "net profit": 80_000, "current assets": 250_000, "current liabilities": 100_000,
                 "inventory": 50_000, "receivables": 60_000}  # fmt: skip
    platform.store("Statement", [
        {"id": f"{name} {item}", "event_time": format_instant(now - 60 * day), "company": name,
         "item": item, "amount": f"{value}.00", "currency": "EUR"} for item, value in statement.items()
    ], source="tests")  # fmt: skip


def ask(platform, key, kind, euros, name="neat", **more):
    platform.clock.set(platform.clock.now() + hour)
    row = {"id": key, "event_time": format_instant(platform.clock.now()), "customer": "s0",
           "company": name, "merchant": name, "industry": "62", "kind": kind,
           "amount": f"{euros}.00", "currency": "EUR", "purpose": "inventory", **more}  # fmt: skip
    return platform.decide_one("business", row=row).decision


@pytest.mark.slow
def test_a_line_is_granted_drawn_reviewed_and_replays(bank):
    platform, trained = bank
    assert trained.metrics["ours"]["auc"]["value"] > 0.65
    shop(platform, "neat")
    granted = ask(platform, "l1", "line", 30_000)
    assert granted.outcome in ("approve", "offer"), granted.reasons
    limit = granted.amounts["line"]
    assert ask(platform, "d0", "draw", 500).reasons[0].code == "NO_LINE"
    assert platform.run("business.lines", "2027-01-01") == {"set": 1}
    assert platform.run("business.lines", "2027-01-02") == {"set": 0}
    assert ask(platform, "d1", "draw", 500).reasons[0].code == "DRAWN_UNKNOWN"
    now = format_instant(platform.clock.now())
    owed = {
        "id": "n1",
        "event_time": now,
        "company": "neat",
        "owed": "0.00",
        "drawn": "0.00",
        "currency": "EUR",
    }
    platform.store("CompanyDebt", [owed], source="tests")
    # The draws asked for today count until it is booked what was drawn.
    assert ask(platform, "d2", "draw", 500).reasons[0].code == "DRAW_FITS"
    over = ask(platform, "d3", "draw", limit // 100)
    assert (over.outcome, over.amounts["amount"]) == ("offer", limit - 3 * 50_000)
    reviewed = platform.run("business.review", "2027-01-03")
    assert reviewed["reviewed"] == reviewed["set"] == 1
    report = platform.replay()
    assert report.identical, report.findings[:3]


@pytest.mark.slow
def test_groups_and_the_room_of_the_portfolio_reach_the_decision(bank):
    platform, _ = bank
    shop(platform, "safe")
    now = format_instant(platform.clock.now())
    free = ask(platform, "q1", "loan", 20_000, "safe", term=36)
    assert free.outcome == "approve", free.reasons
    told = platform.run("business.room", "2027-02-01")
    assert told["industries"] >= 1
    room = platform.read("LendingRoom").to_pylist()
    assert sum(r["amount"] for r in room) <= app.policy["portfolio_budget"]
    # When an industry has had all but 1,000 euros of its share, no more is offered, whoever asks.
    owed = app.policy["portfolio_industry"] - _owed(platform, platform.clock.now())["62"] - 100_000
    full = {"id": "n9", "event_time": now, "company": "safe", "owed": f"{owed // 100}.{owed % 100:02}",
            "drawn": "0.00", "currency": "EUR"}  # fmt: skip
    platform.store("CompanyDebt", [full], source="tests")
    assert platform.run("business.room", "2027-02-02")["industries"] >= 1
    held = ask(platform, "q2", "loan", 20_000, "neat", term=36)
    assert held.features["room"] == 100_000
    assert (held.outcome, held.amounts.get("amount")) == ("offer", 100_000)
    platform.store("Surety", [{"id": "g1", "event_time": now, "company": "safe",
                               "guarantor_company": "neat", "active": True}], source="tests")  # fmt: skip
    assert platform.run("business.groups", "2027-02-03")["groups"] > 0
    bound = ask(platform, "q3", "line", 20_000, "neat")
    assert bound.features["group_debt"] >= owed > app.policy["most_group_debt"]
    assert [r.code for r in bound.reasons] == ["GROUP_DEBT"]


def test_segments_learn_from_requests_with_a_score_alone():
    class Scored:
        probability = 0.1

    def made(industry, amount, scored=True, kind="loan"):
        found = object.__new__(Decision)
        object.__setattr__(found, "row", {"industry": industry, "amount": amount, "kind": kind})
        object.__setattr__(found, "score", Scored() if scored else None)
        return found

    decisions = [made("47", 100), made("47", 50, scored=False), made("56", 10, scored=False),
                 made("47", 1, kind="draw"), made(None, 5)]  # fmt: skip
    (found,) = segments(decisions, app.policy)
    assert (found.name, found.demand) == ("47", 150)
    assert found.loss == pytest.approx(0.045)
    assert found.groups == {"industry": "47"}
    # The price pays for loss, funding, servicing and the return on capital, up to the highest rate.
    assert found.margin == pytest.approx(0.12 * 0.1)
    capped = {**app.policy, "highest_rate": 0.05}
    assert segments(decisions, capped)[0].margin == pytest.approx(
        0.05 * 0.9 - 0.045 - 0.027 - 0.015
    )
