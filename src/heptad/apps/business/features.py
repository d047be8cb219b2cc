# SPDX-License-Identifier: Apache-2.0
"""What is known of a firm: statements and their ratios, trade week by week, invoices, debts, room."""

from __future__ import annotations

from heptad.apps.business.tables import (
    BusinessApplication,
    BusinessLine,
    CompanyDebt,
    GroupDebt,
    LendingRoom,
    Outlook,
    PlatformRating,
    Settlement,
)
from heptad.service.features import (
    Feature,
    count,
    latest,
    ratio,
    since,
    spread,
    total,
)
from heptad.service.operators.patterns import distinct, percentile
from heptad.standards import day
from heptad.standards.model import Invoice, Statement

YEARS, YEAR = 730 * day, 364 * day
"""Two years of statements, for the last one may not be published yet; and 52 whole weeks."""
_EURO = Statement.currency == "EUR"
_MERCHANT, _NET = Settlement.merchant, Settlement.net
_WEEKS = Settlement.currency == "EUR"
_DEBT = CompanyDebt.currency == "EUR"
_DRAW = BusinessApplication.kind == "draw"


def _item(name: str) -> Feature:
    """The latest published figure of an item."""
    return latest(
        Statement.amount, by=Statement.company, where=(Statement.item == name) & _EURO, over=YEARS
    )


def _sum(first: str, *more: str) -> Feature:
    """The figures of some items, added up over the statements of two years."""
    chosen = Statement.item == first
    for name in more:
        chosen |= Statement.item == name
    return total(Statement.amount, by=Statement.company, where=chosen & _EURO, over=YEARS)


def _draws(over: int) -> Feature:
    """The amounts of the draws that were asked for, refused ones too."""
    return total(
        BusinessApplication.amount, by=BusinessApplication.company,
        where=_DRAW & (BusinessApplication.currency == "EUR"), over=over,
    )  # fmt: skip


def _net(**window: int) -> Feature:
    return total(_NET, by=_MERCHANT, where=_WEEKS, **window)


_CASH = ("operating profit", "depreciation")

features = {
    "revenue": _item("revenue"),
    "operating_profit": _item("operating profit"),
    "depreciation": _item("depreciation"),
    "interest": _item("interest"),
    "repayments": _item("repayments"),
    "current_assets": _item("current assets"),
    "inventory": _item("inventory"),
    "receivables": _item("receivables"),
    "assets": _item("assets"),
    "equity": _item("equity"),
    "debt": _item("debt"),
    "statement_age": since(Statement.amount, by=Statement.company, where=_EURO),
    "current_ratio": ratio(_sum("current assets"), _sum("current liabilities")),
    "equity_ratio": ratio(_sum("equity"), _sum("assets")),
    "cash_to_debt": ratio(_sum(*_CASH), _sum("debt")),
    "interest_cover": ratio(_sum("operating profit"), _sum("interest")),
    "service_cover": ratio(_sum(*_CASH), _sum("interest", "repayments")),
    "operating_margin": ratio(_sum("operating profit"), _sum("revenue")),
    "return_on_assets": ratio(_sum("net profit"), _sum("assets")),
    "asset_turnover": ratio(_sum("revenue"), _sum("assets")),
    "receivables_share": ratio(_sum("receivables"), _sum("revenue")),
    "weeks": count(_NET, by=_MERCHANT, where=_WEEKS, over=YEAR),
    "weeks_before": count(_NET, by=_MERCHANT, where=_WEEKS, over=YEAR, delay=YEAR),
    "net_year": _net(over=YEAR),
    "net_before": _net(over=YEAR, delay=YEAR),
    "net_quarter": _net(over=91 * day),
    "net_season": _net(over=91 * day, delay=273 * day),
    "net_spread": spread(_NET, by=_MERCHANT, where=_WEEKS, over=YEAR),
    "net_trend": ratio(_net(over=91 * day), _net(over=91 * day, delay=273 * day)),
    "weak_week": percentile(_NET, q=0.1, by=_MERCHANT, where=_WEEKS, over=YEAR),
    "rating": latest(PlatformRating.rating, by=PlatformRating.merchant, over=400 * day),
    "outlook": latest(Outlook.value, by=Outlook.industry, over=400 * day),
    "invoiced_365d": total(
        Invoice.amount, by=Invoice.seller, where=Invoice.currency == "EUR", over=365 * day
    ),
    "buyers_365d": distinct(Invoice.buyer, by=Invoice.seller, over=365 * day),
    "group_debt": latest(GroupDebt.owed, by=GroupDebt.company, over=40 * day),
    "owed": latest(CompanyDebt.owed, by=CompanyDebt.company, where=_DEBT, over=40 * day),
    "drawn": latest(CompanyDebt.drawn, by=CompanyDebt.company, where=_DEBT, over=40 * day),
    "booked": since(CompanyDebt.drawn, by=CompanyDebt.company, where=_DEBT),
    "line": latest(BusinessLine.amount, by=BusinessLine.company, over=400 * day),
    "line_waiting": latest(BusinessLine.waiting, by=BusinessLine.company, over=400 * day),
    "room": latest(LendingRoom.amount, by=LendingRoom.industry, over=7 * day),
    "draws_1d": _draws(day),
    "draws_2d": _draws(2 * day),
    "draws_4d": _draws(4 * day),
    "draws_8d": _draws(8 * day),
    "requests_1d": count(
        BusinessApplication.id, by=BusinessApplication.company,
        where=BusinessApplication.kind == "loan", over=day,
    ),
    "requests_30d": count(
        BusinessApplication.id, by=BusinessApplication.company,
        where=(BusinessApplication.kind == "loan") | (BusinessApplication.kind == "line"),
        over=30 * day,
    ),
}  # fmt: skip
"""Amounts in cents of EUR; other currencies are not known. Rating and outlook in 1/10,000."""
