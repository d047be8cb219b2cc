# SPDX-License-Identifier: Apache-2.0
"""A risk modeller looks at a card and moves a bin; an officer sees how applications go through."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from heptad.service.cases.case import Worker
from heptad.standards.errors import ContractError, Refused, UnknownName
from heptad.standards.model import Customer, Label, LoanApplication, Transfer
from heptad.standards.time import day, format_instant, minute, parse_instant
from heptad.terminal.commands import run
from heptad.terminal.http.api import public
from heptad.testing.scratch import project
from tests.terminal.calling import Client

if TYPE_CHECKING:
    from collections.abc import Iterator

    from heptad.runtime import Platform

N = 700
START = parse_instant("2026-01-01T10:00:00Z")


def past() -> dict[Any, list[dict[str, Any]]]:
    """Applications of which the greater and the longer ones turn out bad more often."""
    random = np.random.default_rng(7)
    amount, term = random.integers(500, 20_000, N), random.choice([12, 24, 36, 60], N)
    bad = amount / 8_000 + term / 40 + random.normal(0, 1.2, N) > 3.2
    who = [f"c{n}" for n in range(N)]
    at = [format_instant(START + n * day // 4) for n in range(N)]
    asked = [
        {"id": f"a{n}", "event_time": at[n], "customer": who[n], "amount": f"{amount[n]}.00",
         "currency": "EUR", "term": int(term[n]), "age": 30 + n % 40, "purpose": "medical"}
        for n in range(N)
    ]  # fmt: skip
    outcomes = [
        {"id": f"l{n}", "event_time": at[n], "customer": who[n], "application": f"a{n}",
         "default": bool(bad[n])} for n in range(N)
    ]  # fmt: skip
    money = [
        {"id": f"t{n}", "event_time": format_instant(START + n * day // 4 - day), "customer": who[n],
         "direction": "in", "kind": "salary", "amount": "2000.00", "currency": "EUR"}
        for n in range(N)
    ]  # fmt: skip
    late = {"id": "c0", "event_time": format_instant(START + 500 * day)}
    return {Customer: [late], Transfer: money, LoanApplication: asked, Label: outcomes}


@pytest.fixture(scope="module")
def bank() -> Iterator[Platform]:
    with project(past()) as platform:
        platform.train("credit", trainer="eva")
        platform.approve(1, "bob", "seen")
        platform.decide("credit", latest=200)
        yield platform


def test_the_report_is_one_page_with_the_models_figures(bank) -> None:
    made = run(bank, "card.report", {"app": "credit"})
    model = bank.catalog.models.get(1)
    auc = model.metrics["ours"]["auc"]["value"]
    assert f"{auc:.4f}" in made["html"]
    assert "<script" not in made["html"]
    assert made["html"] == run(bank, "card.report", {"app": "credit", "number": 1})["html"]
    with pytest.raises(ContractError, match="no such model"):
        run(bank, "card.report", {"app": "fraud"})


def test_a_merged_card_is_kept_with_its_reason_until_another_approves_it(bank) -> None:
    asked = {"app": "credit", "input": "amount", "bins": [0, 1], "reason": "one product",
             "by": "eva", "keep": True}  # fmt: skip
    kept = run(bank, "card.bins", asked)["kept"]
    model = bank.catalog.models.get(kept)
    assert (model.stage, model.trainer, model.app) == ("candidate", "eva", "credit")
    first = bank.catalog.models.get(1)
    assert (model.window_start, model.window_end) == (first.window_start, first.window_end)
    assert model.settings["merged"] == [
        {"input": "amount", "bins": [0, 1], "reason": "one product", "by": "eva", "of": 1}
    ]
    card = bank.desk.scorer("credit", model.sha256).estimator.card
    assert any("one product" in note for note in card.bins_["amount"].notes)
    assert "one product" in run(bank, "card.report", {"app": "credit", "number": kept})["html"]
    with pytest.raises(Refused):
        bank.approve(kept, "eva", "my own")
    again = run(bank, "card.bins", asked | {"input": "term", "bins": [0, 1], "number": kept})
    both = bank.catalog.models.get(again["kept"])
    assert [one["input"] for one in both.settings["merged"]] == ["amount", "term"]
    twice = bank.desk.scorer("credit", both.sha256).estimator.card
    assert twice.bins_["amount"].notes == card.bins_["amount"].notes
    with pytest.raises(ContractError, match="No bins"):
        run(bank, "card.bins", {"app": "credit", "keep": True})


def test_the_same_over_http(bank) -> None:
    api = Client(public(bank))
    tried = api.post(
        "/v1/apps/credit/card/bins", json={"input": "amount", "bins": [0, 1], "reason": "one"}
    )
    assert tried.status_code == 200, tried.text
    assert tried.json() | {"kept": 0} == tried.json()
    assert len(tried.json()["would_be"]) == len(tried.json()["bins"]) - 1
    page = api.get("/v1/apps/credit/card/report")
    assert "@media print" in page.json()["html"]
    shown = run(bank, "apps.page", {"name": "credit", "path": "bins"})
    assert "amount" in shown["blocks"][0]["data"]["inputs"]


def test_a_merged_bin_moves_swap_set_and_expected_loss(bank) -> None:
    same = run(bank, "card.bins", {"app": "credit", "input": "amount"})
    assert same["bins"] == same["would_be"]
    assert same["auc"][0] == same["auc"][1]
    assert len(same["bins"]) >= 3
    moved = run(bank, "card.bins", {"app": "credit", "input": "amount", "bins": [0, 1],
                                    "reason": "one product", "by": "eva"})  # fmt: skip
    assert len(moved["would_be"]) == len(moved["bins"]) - 1
    assert moved["auc"][0] == same["auc"][0] != moved["auc"][1]
    assert sum(s["rows"] for s in moved["swaps"]) == moved["rows"]
    assert moved["expected_loss"][0] == same["expected_loss"][0] != moved["expected_loss"][1]
    strict = run(bank, "card.bins", {"app": "credit", "cut": moved["cut"][0] + 20})
    assert strict["approved"][1] < strict["approved"][0]
    assert strict["expected_loss"][1] < strict["expected_loss"][0]
    assert not [s for s in strict["swaps"] if s["was"] == "not" and s["would_be"] == "approved"
                and s["rows"]]  # fmt: skip
    with pytest.raises(UnknownName, match="no input"):
        run(bank, "card.bins", {"app": "credit", "input": "amonut"})
    with pytest.raises(ContractError, match="reason"):
        run(bank, "card.bins", {"app": "credit", "input": "amount", "bins": [0, 1]})


def test_the_flow_is_drawn_with_what_each_stage_decided(bank) -> None:
    told = run(bank, "flow.counts", {"app": "credit", "form": "mermaid"})
    assert told["rows"] == 200 == told["stages"][0]["entered"]
    assert sum(stage["decided"] for stage in told["stages"]) == 200
    named = ["identification", "credit review", "fraud investigation", "qualification"]
    assert [s["name"] for s in told["stages"] if s["name"] in named] == named
    made = bank.catalog.decisions.counts("credit")
    assert len(made) >= 2
    points = next(s for s in told["stages"] if s["name"] == "points")
    assert f"|{points['decided']:,}|" in told["drawing"]
    page = run(bank, "apps.page", {"name": "credit", "path": "stages"})
    assert not [b["problem"] for b in page["blocks"] if b["problem"]]
    assert run(bank, "apps.page", {"name": "credit", "path": "validation"})["blocks"][0]["data"]


def test_minutes_and_cost_are_those_of_closed_cases(bank) -> None:
    before = run(bank, "flow.pace", {"app": "credit", "hourly": 60.0})
    assert before["cases"] == 0
    assert before["straight"] < 1
    now = bank.clock.now()
    bank.accept("LoanApplication", [
        {"id": "new", "event_time": format_instant(now), "customer": "c1", "amount": "900.00",
         "currency": "USD", "term": 12, "age": 40}])  # fmt: skip
    bank.work.settle()
    (case,) = bank.work.cases.page(app="credit")
    ann, bob = Worker("ann", "risk"), Worker("bob", "risk")
    bank.clock.set(now + 10 * minute)
    bank.work.cases.assign(case.id, "ann", ann)
    bank.clock.set(now + 40 * minute)
    seen = bank.work.cases.propose(case.id, "decline", "not our currency", ann)
    if seen.status != "closed":
        bank.work.cases.agree(case.id, seen.revision, bob)
    bank.work.settle()
    after = run(bank, "flow.pace", {"app": "credit", "hourly": 60.0})
    assert (after["cases"], after["waited"], after["worked"]) == (1, 40.0, 30.0)
    assert after["decisions"] == before["decisions"] + 1
    assert after["cost"] == pytest.approx(30 / after["decisions"])
