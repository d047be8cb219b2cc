# SPDX-License-Identifier: Apache-2.0
"""Four bindings of one flow: which fields exist, who holds them, on what basis, who bears the loss."""

from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heptad.apps.credit import app
from heptad.apps.credit.modes import modes
from heptad.apps.credit.tests.test_policy import inputs
from heptad.runtime import Platform
from heptad.security.purposes import Basis
from heptad.service.features import rate
from heptad.service.modes import Mode, Source, hidden, implied, read_modes, without
from heptad.standards import day
from heptad.standards.errors import ContractError, UnknownName
from heptad.standards.model import Label
from heptad.standards.time import FixedClock, parse_instant

NAMES = ["bank_with_platform", "independent_lender", "own_platform", "platform_data"]
each = pytest.mark.parametrize("name", NAMES)


def bind(name, x):
    """The inputs as `decide` gets them in a project of this mode."""
    policy = {**app.policy, **implied(app, {"mode": name})}
    return replace(x, features=without(x.features, hidden(app, policy)), policy=policy)


def test_there_are_four():
    assert sorted(modes) == sorted(app.modes) == NAMES
    assert app.policy["mode"] in modes
    assert hidden(app, app.policy) == ()
    with pytest.raises(UnknownName, match="no mode"):
        implied(app, {"mode": "platform"})


def test_what_a_project_says_itself_stands():
    found = implied(app, {"mode": "independent_lender", "funding": 0.04})
    assert (found["funding"], found["most_applications"]) == (0.04, 2)
    assert implied(app, {"funding": 0.04}) == {"funding": 0.04}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("bank = 0.7\nplatform = 0.7", "add up"),
        ("bank = 1.3\nplatform = -0.3", "between 0 and 1"),
        ("platform = 1.0", "bank, who lends"),
    ],
)
def test_shares_of_a_loss_that_cannot_be_are_refused(tmp_path, text, said):
    whole = f'title = "Odd"\nlender = "bank"\n[holds]\n[bears]\n{text}\n'
    Path(tmp_path, "odd.toml").write_text(whole)
    with pytest.raises(ContractError, match=said):
        read_modes(tmp_path)
    Path(tmp_path, "odd.toml").write_text('title = "Odd"\nlender = "bank"\n[holds]\n')
    with pytest.raises(ContractError, match="says its bears"):
        read_modes(tmp_path)


def test_an_application_refuses_a_mode_of_what_it_does_not_have():
    mode = modes["own_platform"]
    table = replace(mode.sources[0], table="LoanAplication")
    for odd in (replace(mode, sources=(table,)), replace(mode, policy={"fundin": 0.1})):
        with pytest.raises(ContractError, match="does not have") as told:
            replace(app, modes={"odd": odd})
        assert told.value.do in {"did you mean 'LoanApplication'?", "did you mean 'funding'?"}


def test_what_a_feature_converts_at_or_walks_to_must_be_held_as_well():
    mode = modes["own_platform"]
    rateless = replace(mode, sources=[s for s in mode.sources if s.table != "Rate"])
    inflow = app.features["inflow_90d"]
    assert (mode.has(inflow), rateless.has(inflow)) == (True, False)
    assert rateless.has(app.features["salaries_180d"])
    fraud = rate(Label.fraud, by=Label.payment.merchant, over=day, delay=day)
    for tables, has in (("Label", False), ("Label Payment", True)):
        held = replace(mode, sources=[Source(t, "bank", "contract") for t in tables.split()])
        assert held.has(fraud) is has
        assert [row["features"] for row in held.rows({"fraud": fraud})] == ["fraud"] * len(
            tables.split()
        )


def test_what_nobody_holds_is_found_out_once(monkeypatch):
    fresh, asked = replace(app), []
    has = Mode.has
    monkeypatch.setattr(Mode, "has", lambda self, f: asked.append(f.name) or has(self, f))
    policy = {**app.policy, "mode": "independent_lender"}
    first = hidden(fresh, policy)
    assert "declined_share_90d" in first
    asked.clear()
    assert (hidden(fresh, policy), hidden(fresh, {}), asked) == (first, (), [])


@each
def test_a_mode_names_tables_that_exist_lawful_bases_and_values_of_the_flow(name):
    found = modes[name]
    tables = {t.__name__ for t in app.used_tables()} | {"Loan"}
    assert {s.table for s in found.sources} <= tables
    assert {s.basis for s in found.sources} <= {*get_args(Basis), "public"}
    assert found.settings().keys() <= app.policy.keys()
    assert found.lender in found.bears
    assert "LoanApplication" in {s.table for s in found.sources}


@each
@settings(max_examples=60, deadline=None)
@given(inflow=st.none() | st.integers(0, 10**7), amount=st.integers(1, 10**7),
       income=st.none() | st.integers(10_000, 10**6), points=st.integers(450, 650))  # fmt: skip
def test_one_decision_function_decides_in_every_mode_and_on_nothing_that_nobody_holds(
    name, inflow, amount, income, points
):
    x = inputs(points, row={"amount": amount, "income": income}, inflow_90d=inflow,
               spend_to_inflow=0.5, bureau_overdue=0)  # fmt: skip
    bound = bind(name, x)
    for feature, value in bound.features.items():
        assert value is None or modes[name].has(app.features[feature])
    found = app.decide(bound)
    if found.outcome in ("approve", "offer"):
        trusted = modes[name].settings().get("statement_trust", 0.0)
        assert bound.features["inflow_90d"] is not None or (trusted and income is not None)


def test_who_bears_less_of_the_loss_asks_for_less():
    x = inputs()
    rates = {
        name: app.decide(bind(name, x)).reasons[0].numbers.get("rate")
        for name in ("bank_with_platform", "own_platform")
    }
    assert rates["bank_with_platform"] < rates["own_platform"]


def test_a_platform_lends_on_what_is_stated_and_an_independent_lender_does_not():
    x = inputs(row={"income": 300_000, "expenses": 100_000}, inflow_90d=None)
    platform = app.decide(bind("platform_data", x))
    lender = app.decide(bind("independent_lender", x))
    assert platform.outcome == "approve"
    assert (lender.outcome, lender.reasons[0].code) == ("refer", "MEANS_UNKNOWN")


AT = "2026-03-01T10:00:00Z"
ROWS = {
    "Transfer": [
        {"id": f"t{n}", "event_time": f"2026-02-0{n}T10:00:00Z", "customer": "ada",
         "direction": "in", "amount": "3000.00", "currency": "EUR", "kind": "salary"}
        for n in (1, 2, 3)
    ],
    "Payment": [
        {"id": "p1", "event_time": "2026-02-09T10:00:00Z", "customer": "ada", "amount": "1.00",
         "currency": "EUR", "status": "declined"}
    ],
}  # fmt: skip
ROW = {"id": "a1", "event_time": AT, "customer": "ada", "amount": "5000.00", "currency": "EUR",
       "term": 24, "age": 40, "income": "3000.00", "expenses": "900.00"}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "inflow", "declined"),
    [("own_platform", 900_000, 1.0), ("platform_data", None, 1.0),
     ("independent_lender", 900_000, None)],
)  # fmt: skip
def test_a_project_decides_in_its_mode_and_replays(tmp_path, name, inflow, declined):
    """Rows that the mode says nobody holds lie in the tables, and are not known all the same."""
    (tmp_path / "heptad.toml").write_text(
        f'[project]\nname = "modes"\n[apps.credit]\nmode = "{name}"\n', encoding="utf-8"
    )
    clock = FixedClock(parse_instant("2026-03-01T09:00:00Z"))
    with Platform.open(tmp_path, clock=clock) as platform:
        for table, rows in ROWS.items():
            platform.store(table, rows, source="tests")
        clock.set(parse_instant(AT))
        made = platform.decide_one("credit", row=ROW).decision
        assert made is not None
        assert (made.features["inflow_90d"], made.features["declined_share_90d"]) == (
            inflow,
            declined,
        )
        assert made.policy["mode"] == name
        assert made.policy["loss_share"] == modes[name].bears[modes[name].lender]
        report = platform.replay()
        assert report.identical, report.findings
        assert report.derived["identical"] == 1
