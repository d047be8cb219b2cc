# SPDX-License-Identifier: Apache-2.0
"""A firm's life in a project: learned from, granted, drawn, reviewed, held against groups and room."""

import pytest

from heptad.apps.business import app
from heptad.apps.business.demo import history
from heptad.apps.business.jobs import _asking, groups, owed_by_industry, request, segments
from heptad.apps.business.tables import (
    BusinessApplication,
    BusinessLine,
    CompanyDebt,
    PlatformRating,
    Settlement,
    Surety,
)
from heptad.service.app import Score
from heptad.service.decisions.decision import Decision
from heptad.standards.time import day, format_instant, hour
from heptad.testing.scratch import project


def test_companies_are_connected_by_shares_and_sureties():
    rows = {
        "CompanyDebt": [{"company": c, "owed": n} for c, n in (("a", 10), ("b", 5), ("c", 7))],
        "Ownership": [{"company": "b", "owner": None, "owner_company": "a", "share": 600_000},
                      {"company": "c", "owner": "p", "owner_company": None, "share": 400_000}],
        "Surety": [{"company": "b", "guarantor": "p", "guarantor_company": None, "active": True},
                   {"company": "c", "guarantor": None, "guarantor_company": "a", "active": False}],
    }  # fmt: skip
    two = [(("company a", "company b", "person p"), 15), (("company c",), 7)]
    assert groups(rows) == two
    assert groups(rows, ["a", "d"]) == [*two, (("company d",), 0)]


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
    assert all(r["amount"] <= app.policy["portfolio_industry"] for r in room)
    # However little was asked for so far: an industry has what the limits leave.
    asked = {r["industry"]: 0 for r in room}
    for r in platform.read("BusinessApplication").to_pylist():
        asked[r["industry"]] = asked.get(r["industry"], 0) + r["amount"]
    assert all(r["amount"] > asked[r["industry"]] for r in room if r["margin"] > 0)
    # When an industry has had all but 1,000 euros of its share, no more is offered, whoever asks.
    with _asking(platform, "room") as ask_:
        owed = app.policy["portfolio_industry"] - owed_by_industry(ask_)["62"] - 100_000
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


def test_demand_is_what_is_asked_for_anew_once_in_our_currency_and_scored_requests_teach():
    def made(key, industry="47", amount=100, chance=None, **more):
        row = {"industry": industry, "amount": amount, "kind": "loan", "currency": "EUR"} | more
        score = None if chance is None else Score(chance, 600, [])
        found = object.__new__(Decision)
        told = {"row_key": key, "row": row, "score": score, "features": {}, "known_time": 0}
        for name, value in told.items():
            object.__setattr__(found, name, value)
        return request(found, app.policy)

    given = [made("a", chance=0.1), made("b", amount=50), made("c", "56", 10), made("d", None, 5),
             made("e", kind="draw"), made("f", kind="review"), made("g", currency="USD"),
             made("a", chance=0.3)]  # fmt: skip
    (found,) = segments([one for one in given if one], 0.1)
    assert (found.name, found.demand, found.capital) == ("47", 150, 0.1)
    assert found.loss == pytest.approx(0.045)
    assert found.margin == pytest.approx(0.12 * 0.1)
    assert found.groups == {"industry": "47"}


AT = "2026-03-{:02d}T10:00:00Z"


def owing(company, day_, euros, **more):
    return {"id": f"{company} {day_}", "event_time": AT.format(day_), "company": company,
            "owed": f"{euros}.00", "drawn": "0.00", "currency": "EUR"} | more  # fmt: skip


def test_a_review_takes_up_what_was_asked_for_last_whoever_runs_it():
    asked = [{"id": key, "event_time": AT.format(day_), "customer": "s", "company": "f",
              "industry": industry, "kind": "line", "amount": "9000.00", "currency": "EUR"}
             for key, day_, industry in (("r10", 9, "62"), ("r9", 1, "47"))]  # fmt: skip
    lines = [{"id": key, "event_time": AT.format(day_), "company": "f", "amount": euros,
              "currency": "EUR", "waiting": 0}
             for key, day_, euros in (("a", 9, "700.00"), ("b", 2, "500.00"))]  # fmt: skip
    debts = [owing("f", 9, 10), owing("f", 3, 4000), owing("g", 8, 5)]
    with project({BusinessApplication: asked, BusinessLine: lines, CompanyDebt: debts}) as platform:
        # Whoever runs a job may see less than the application, which reads in its own right.
        platform.role, platform.purpose = "auditor", "audit"
        assert platform.run("business.review", "2026-03-10") == {"reviewed": 1, "set": 0}
        platform.role, platform.purpose = "admin", "service"
        rows = {r["id"]: r for r in platform.read("BusinessApplication").to_pylist()}
        made = rows["review 2026-03-10 f"]
        assert (made["industry"], made["amount"], made["customer"]) == ("62", 70_000, "s")
        with _asking(platform, "room") as ask:
            assert owed_by_industry(ask) == {"62": 1000, "": 500}
        seen = platform.accesses(purpose="audit")
        assert "business.review" in {entry.record.who for entry in seen}


def test_what_a_group_owes_falls_to_nothing_when_it_is_paid_back():
    tie = {"id": "g1", "event_time": AT.format(1), "company": "b", "guarantor_company": "a",
           "active": True}  # fmt: skip
    given = {CompanyDebt: [owing("a", 2, 70), owing("c", 2, 5), owing("d", 2, 0)], Surety: [tie]}
    with project(given) as platform:

        def reckoned(date):
            platform.clock.set(platform.clock.now() + hour)
            platform.run("business.groups", date)
            rows = platform.read("GroupDebt").to_pylist()
            return {
                r["company"]: (r["owed"], r["members"]) for r in rows if r["id"].startswith(date)
            }

        assert reckoned("2026-03-03") == {"a": (7000, 2), "b": (7000, 2), "c": (500, 1)}
        platform.clock.set(platform.clock.now() + 5 * day)
        free = {**tie, "event_time": AT.format(4), "active": False}
        platform.store("CompanyDebt", [owing("a", 4, 0)], source="tests")
        platform.store("Surety", [free], source="tests")
        assert reckoned("2026-03-05") == {"a": (0, 1), "b": (0, 1), "c": (500, 1)}
        # Told once, it need not be told again.
        assert reckoned("2026-03-06") == {"c": (500, 1)}
