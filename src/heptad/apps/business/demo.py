# SPDX-License-Identifier: Apache-2.0
"""A small history of firms and shops, drawn at random, for tests; it shows nothing about real ones."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from heptad.apps.business.tables import (
    BusinessApplication,
    BusinessOutcome,
    CompanyDebt,
    Industry,
    Outlook,
    PlatformRating,
    Settlement,
)
from heptad.standards.model import Company, Customer, Invoice, Merchant, Statement

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from heptad.standards import Table

    Rows = dict[type[Table], list[dict[str, Any]]]

FIRST = datetime(2024, 1, 1, tzinfo=UTC)
INDUSTRIES = ("47", "56", "62")
ITEMS = ("revenue", "operating profit", "depreciation", "interest", "repayments", "net profit",
         "current assets", "current liabilities", "inventory", "receivables", "assets", "equity",
         "debt")  # fmt: skip


def demo(seed: int) -> Mapping[type[Table], Sequence[Mapping[str, Any]]]:
    """Return what eight firms reported, traded and asked for."""
    return history(seed, firms=8, weeks=60)


def history(seed: int, *, firms: int, weeks: int = 0) -> Rows:
    """Draw firms whose health shows in statements, trade and outcomes.

    Args:
        seed: of everything drawn.
        firms: how many; every second one has a shop if there are weeks.
        weeks: of trade, before the requests.
    """
    draw = random.Random(seed)
    rows: Rows = {t: [] for t in (Customer, Company, Merchant, Industry, Statement, Outlook,
                                  Settlement, PlatformRating, Invoice, CompanyDebt,
                                  BusinessApplication, BusinessOutcome)}  # fmt: skip
    for n, code in enumerate(INDUSTRIES):
        rows[Industry].append({"id": code, "event_time": _at(FIRST)})
        value = f"{draw.uniform(-0.3, 0.5):.4f}"
        at = _at(FIRST + timedelta(days=400 + n))
        rows[Outlook].append({"id": f"o{code}", "event_time": at, "industry": code, "value": value})
    for n in range(firms):
        _firm(rows, draw, n, weeks if n % 2 == 0 else 0)
    return rows


def _at(when: datetime) -> str:
    return when.isoformat()


def _euros(value: float) -> str:
    return f"{value:.2f}"


def _firm(rows: Rows, draw: random.Random, n: int, weeks: int) -> None:
    """One firm: statements of two years, trade, invoices, debts, a request and what became of it."""
    name, size = f"f{n}", draw.uniform(3e5, 2e6)
    health, thrift = draw.gauss(0, 1), draw.gauss(0, 1)
    rows[Customer].append({"id": f"s{n}", "event_time": _at(FIRST)})
    rows[Company].append({"id": name, "event_time": _at(FIRST), "name": f"Firm {n}"})
    for year in (2023, 2024):
        at = _at(datetime(year, 12, 31, tzinfo=UTC))
        for item, value in zip(ITEMS, _figures(draw, (health, thrift), size), strict=True):
            rows[Statement].append(
                {"id": f"{name} {year} {item}", "event_time": at, "company": name, "item": item,
                 "amount": _euros(value), "currency": "EUR"}
            )  # fmt: skip
    asked = FIRST + timedelta(days=420 + draw.randrange(200), hours=10)
    for k, when in enumerate((asked - timedelta(days=50), asked - timedelta(days=9))):
        rows[Invoice].append(
            {"id": f"i{n} {k}", "event_time": _at(when), "seller": name, "buyer": f"f{n + 1 + k}",
             "amount": _euros(size / 40), "currency": "EUR"}
        )  # fmt: skip
    rows[CompanyDebt].append(
        {"id": f"d{n}", "event_time": _at(asked - timedelta(days=3)), "company": name,
         "owed": _euros(size / 20), "drawn": "0.00", "currency": "EUR"}
    )  # fmt: skip
    if weeks:
        _shop(rows, draw, n, weeks, (health, size, asked))
    request = {
        "id": f"r{n}", "event_time": _at(asked), "customer": f"s{n}", "company": name,
        "industry": INDUSTRIES[n % 3], "kind": "line" if weeks else "loan",
        "amount": _euros(round(size / draw.uniform(10, 60), -2)), "currency": "EUR",
        "purpose": draw.choice(["working capital", "inventory", "equipment"]),
    }  # fmt: skip
    rows[BusinessApplication].append(request | ({"merchant": f"m{n}"} if weeks else {"term": 36}))
    bad = draw.random() < 1 / (1 + 2.718281828 ** (1.2 + 1.2 * health + 1.2 * thrift))
    outcome = {"id": f"x{n}", "event_time": _at(asked), "application": f"r{n}", "default": bad}
    rows[BusinessOutcome].append(outcome)


def _figures(draw: random.Random, firm: tuple[float, float], size: float) -> Iterator[float]:
    """The items of one statement, as shares of sales."""
    health, thrift = firm
    margin = 0.08 + 0.03 * health + draw.gauss(0, 0.02)
    assets = size * draw.uniform(0.5, 0.9)
    equity = assets * min(0.9, max(-0.2, 0.3 + 0.12 * thrift + draw.gauss(0, 0.08)))
    debt = max(0.0, assets - equity) * 0.7
    current = assets * draw.uniform(0.35, 0.6)
    yield from (
        size,
        size * margin,
        size * 0.03,
        debt * 0.05,
        debt / 12,
        size * margin - debt * 0.05,
    )
    yield from (current, current / max(0.4, draw.gauss(1.3, 0.3)), current * 0.3, current * 0.4)
    yield from (assets, equity, debt)


def _shop(
    rows: Rows, draw: random.Random, n: int, weeks: int, firm: tuple[float, float, datetime]
) -> None:
    """The weekly trade of a shop, ending before the request, and what its platform thinks of it."""
    health, size, asked = firm
    name = f"m{n}"
    rows[Merchant].append({"id": name, "event_time": _at(FIRST), "company": f"f{n}"})
    for k in range(weeks):
        when = asked - timedelta(weeks=weeks - k)
        net = size / 52 * 0.2 * (1 + 0.1 * health) * max(0.0, draw.gauss(1, 0.15))
        rows[Settlement].append(
            {"id": f"{name} {k}", "event_time": _at(when), "merchant": name, "net": _euros(net),
             "currency": "EUR"}
        )  # fmt: skip
    rating = min(1.0, max(0.0, 0.75 + 0.12 * health))
    rows[PlatformRating].append(
        {"id": f"p{n}", "event_time": _at(asked - timedelta(days=20)), "merchant": name,
         "rating": f"{rating:.4f}"}
    )  # fmt: skip
