# SPDX-License-Identifier: Apache-2.0
"""Companies: ratios of their statements, and what a group of owners and guarantors owes in all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from heptad.standards.errors import ContractError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


@dataclass(frozen=True)
class Accounts:
    """One year's statement, in minor units; None where it was not given."""

    revenue: int | None = None
    operating_profit: int | None = None
    depreciation: int | None = None
    interest: int | None = None
    net_profit: int | None = None
    current_assets: int | None = None
    inventory: int | None = None
    receivables: int | None = None
    current_liabilities: int | None = None
    assets: int | None = None
    equity: int | None = None
    debt: int | None = None
    repayments: int | None = None


def ratios(year: Accounts, before: Accounts | None = None) -> dict[str, float | None]:
    """The ratios that a scorecard of companies learns from.

    A ratio is None where a part of it is unknown or its divisor is not above 0: missing is a bin
    of its own, while an infinite ratio, or one whose sign turned, would be a lie.

    Args:
        year: the latest statement.
        before: the one a year earlier, for growth.
    """
    cash = _sum(year.operating_profit, year.depreciation)
    service = _sum(year.interest, year.repayments)
    quick = _sum(year.current_assets, _minus(year.inventory))
    growth = (
        None
        if before is None
        else _over(_sum(year.revenue, _minus(before.revenue)), before.revenue)
    )
    days = _over(year.receivables, year.revenue)
    return {
        "current_ratio": _over(year.current_assets, year.current_liabilities),
        "quick_ratio": _over(quick, year.current_liabilities),
        "equity_ratio": _over(year.equity, year.assets),
        "debt_to_cash_flow": _over(year.debt, cash),
        "interest_cover": _over(year.operating_profit, year.interest),
        "debt_service_cover": _over(cash, service),
        "operating_margin": _over(year.operating_profit, year.revenue),
        "return_on_assets": _over(year.net_profit, year.assets),
        "asset_turnover": _over(year.revenue, year.assets),
        "receivable_days": None if days is None else 365 * days,
        "revenue_growth": growth,
    }


def _minus(value: int | None) -> int | None:
    return None if value is None else -value


def _sum(one: int | None, other: int | None) -> int | None:
    return None if one is None or other is None else one + other


def _over(part: int | None, whole: int | None) -> float | None:
    return None if part is None or whole is None or whole <= 0 else part / whole


def contradictions(year: Accounts) -> list[str]:
    """What cannot be true of a statement, in words; a case for a person, never for a score."""
    checks = (
        (year.current_assets, year.assets, "current assets exceed all assets"),
        (year.inventory, year.current_assets, "inventory exceeds current assets"),
        (year.receivables, year.current_assets, "receivables exceed current assets"),
        (year.equity, year.assets, "equity exceeds all assets"),
    )
    found = [
        say
        for part, whole, say in checks
        if part is not None and whole is not None and part > whole
    ]
    known = (("revenue", year.revenue), ("assets", year.assets), ("debt", year.debt))
    return found + [
        f"{name} is negative" for name, value in known if value is not None and value < 0
    ]


@dataclass(frozen=True)
class Stake:
    """One owner's share of a company, or a guarantee that one gives for another.

    Attributes:
        by: who owns or guarantees.
        of: the company.
        share: of ownership, in [0, 1]; a guarantee is 1.
    """

    by: str
    of: str
    share: float


def connected(
    stakes: Iterable[Stake], exposures: Mapping[str, int], *, control: float = 0.5
) -> list[tuple[tuple[str, ...], int]]:
    """Groups of connected borrowers and what each owes in all.

    Two are connected where one controls the other, also through others (shares are multiplied
    along a chain and added over chains), or guarantees it, or where a third controls both.

    Args:
        stakes: ownership and guarantees.
        exposures: borrower → what it owes, in minor units.
        control: the share from which one controls.

    Returns:
        Members, sorted, and their exposure; largest first, those without exposure left out.

    Raises:
        ContractError: if a share lies outside (0, 1].
    """
    held: dict[str, dict[str, float]] = {}
    for stake in stakes:
        if not 0 < stake.share <= 1:
            raise ContractError("A share must lie above 0 and up to 1.", got=stake.share)
        row = held.setdefault(stake.by, {})
        row[stake.of] = row.get(stake.of, 0.0) + stake.share
    names = sorted({*held, *exposures, *(c for row in held.values() for c in row)})
    ties = [
        (owner, company)
        for owner in sorted(held)
        for company, share in _reach(owner, held).items()
        if share >= control
    ]
    totals = [(g, sum(exposures.get(name, 0) for name in g)) for g in _joined(names, ties)]
    return sorted((t for t in totals if t[1]), key=lambda t: (-t[1], t[0]))


def _joined(names: Iterable[str], ties: Iterable[tuple[str, str]]) -> list[tuple[str, ...]]:
    """The groups that ties make of names."""
    root = {name: name for name in names}

    def top(name: str) -> str:
        while root[name] != name:
            root[name] = root[root[name]]
            name = root[name]
        return name

    for one, other in ties:
        root[top(other)] = top(one)
    groups: dict[str, list[str]] = {}
    for name in root:
        groups.setdefault(top(name), []).append(name)
    return [tuple(group) for group in groups.values()]


def _reach(owner: str, held: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """What one owns of each company, directly and through those it owns, cycles cut at 1e-6."""
    found: dict[str, float] = {}
    front = dict(held.get(owner, {}))
    for _ in range(60):
        if not front:
            break
        further: dict[str, float] = {}
        for company, share in front.items():
            found[company] = min(1.0, found.get(company, 0.0) + share)
            for below, part in held.get(company, {}).items():
                if share * part > 1e-6 and below != owner:
                    further[below] = further.get(below, 0.0) + share * part
        front = further
    return found
