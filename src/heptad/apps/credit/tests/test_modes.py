# SPDX-License-Identifier: Apache-2.0
"""Four bindings of one flow: which fields exist, who holds them, on what basis, who bears the loss."""

from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heptad.apps.credit import app
from heptad.apps.credit.modes import mode, modes
from heptad.apps.credit.tests.test_policy import inputs
from heptad.security.purposes import Basis
from heptad.standards.errors import UnknownName

NAMES = ["bank_with_platform", "independent_lender", "own_platform", "platform_data"]
each = pytest.mark.parametrize("name", NAMES)


def test_there_are_four():
    assert sorted(modes()) == NAMES
    with pytest.raises(UnknownName, match="no mode"):
        mode("platform")


@each
def test_a_mode_names_tables_that_exist_lawful_bases_and_values_of_the_flow(name):
    found = mode(name)
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
    bound = mode(name).bind(x, app.features)
    for feature, value in bound.features.items():
        assert value is None or mode(name).has(app.features[feature])
    found = app.decide(bound)
    if found.outcome in ("approve", "offer"):
        trusted = mode(name).settings().get("statement_trust", 0.0)
        assert bound.features["inflow_90d"] is not None or (trusted and income is not None)


def test_who_bears_less_of_the_loss_asks_for_less():
    x = inputs()
    rates = {
        name: app.decide(mode(name).bind(x, app.features)).reasons[0].numbers.get("rate")
        for name in ("bank_with_platform", "own_platform")
    }
    assert rates["bank_with_platform"] < rates["own_platform"]


def test_a_platform_lends_on_what_is_stated_and_an_independent_lender_does_not():
    x = inputs(row={"income": 300_000, "expenses": 100_000}, inflow_90d=None)
    platform = app.decide(mode("platform_data").bind(x, app.features))
    lender = app.decide(mode("independent_lender").bind(x, app.features))
    assert platform.outcome == "approve"
    assert (lender.outcome, lender.reasons[0].code) == ("refer", "MEANS_UNKNOWN")
