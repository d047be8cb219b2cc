# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from heptad.apps.credit.companies import Accounts, Stake, connected, contradictions, ratios
from heptad.standards.errors import ContractError

YEAR = Accounts(
    revenue=1000, operating_profit=100, depreciation=50, interest=20, net_profit=60,
    current_assets=400, inventory=150, receivables=200, current_liabilities=200, assets=1200,
    equity=480, debt=500, repayments=55,
)  # fmt: skip


def test_ratios_as_a_textbook_has_them() -> None:
    found = ratios(YEAR, Accounts(revenue=800))
    assert found == {
        "current_ratio": 2.0,
        "quick_ratio": 1.25,
        "equity_ratio": 0.4,
        "debt_to_cash_flow": pytest.approx(500 / 150),
        "interest_cover": 5.0,
        "debt_service_cover": 2.0,
        "operating_margin": 0.1,
        "return_on_assets": 0.05,
        "asset_turnover": pytest.approx(1000 / 1200),
        "receivable_days": pytest.approx(73.0),
        "revenue_growth": 0.25,
    }


def test_what_is_unknown_or_has_no_meaning_is_missing() -> None:
    assert set(ratios(Accounts()).values()) == {None}
    assert ratios(Accounts(equity=-50, assets=0))["equity_ratio"] is None
    # A negative cash flow would make a high debt look like a low ratio.
    assert (
        ratios(Accounts(debt=10, operating_profit=-5, depreciation=1))["debt_to_cash_flow"] is None
    )


def test_contradictions_are_told_in_words() -> None:
    assert contradictions(YEAR) == []
    wrong = Accounts(current_assets=10, assets=5, equity=6, revenue=-1)
    assert contradictions(wrong) == [
        "current assets exceed all assets", "equity exceeds all assets", "revenue is negative",
    ]  # fmt: skip


def test_control_reaches_through_chains_and_adds_up() -> None:
    stakes = [
        Stake("ada", "holding", 0.8),
        Stake("holding", "shop", 0.4),
        Stake("ada", "shop", 0.2),
        Stake("ada", "farm", 0.3),
        Stake("ben", "farm", 0.7),
    ]
    owed = {"shop": 100, "holding": 50, "farm": 30, "alone": 5}
    assert connected(stakes, owed) == [
        (("ada", "holding", "shop"), 150),
        (("ben", "farm"), 30),
        (("alone",), 5),
    ]
    # Neither of ada's ways into the shop is control; together, 0.8 · 0.4 + 0.2, they are.
    assert connected(stakes[:2], owed)[0] == (("shop",), 100)


def test_guarantees_connect_and_circles_end() -> None:
    stakes = [Stake("a", "b", 0.9), Stake("b", "a", 0.9), Stake("c", "b", 1.0)]
    assert connected(stakes, {"a": 1, "b": 2, "c": 4}) == [(("a", "b", "c"), 7)]
    with pytest.raises(ContractError):
        connected([Stake("a", "b", 1.5)], {})
