# SPDX-License-Identifier: Apache-2.0
"""What falls due on a loan, and when: annuity, linear, bullet and irregular, exact to the cent."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from heptad.analysis.loans.daycounts import add_months, adjusted, share_of_year
from heptad.standards.errors import ContractError, suggest

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from heptad.analysis.loans.daycounts import Business

KINDS = ("annuity", "linear", "bullet", "irregular")
MILLION = 1_000_000


@dataclass(frozen=True)
class Terms:
    """What a contract says about paying back.

    Attributes:
        principal: amount owed at the start, in minor units.
        rate: nominal yearly interest in millionths, as `Loan.rate` is stored: 60_000 is 6 %.
        term: number of instalments.
        start: day from which interest is counted.
        first_due: day of the first instalment; a month (or `every` of them) after the start
            unless given. Its day of the month is kept where months are long enough.
        kind: `annuity` (level instalments), `linear` (level principal), `bullet` (interest, and
            the principal at the end) or `irregular`.
        parts: of an irregular loan: the day and the principal of each instalment.
        day_count: name of the day count.
        every: months between instalments.
        convention: how a due day that is no business day is moved. Interest is counted between
            the days before they are moved.
    """

    principal: int
    rate: int
    term: int
    start: date
    first_due: date | None = None
    kind: str = "annuity"
    parts: tuple[tuple[date, int], ...] = ()
    day_count: str = "30/360"
    every: int = 1
    convention: str = "none"

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ContractError(
                "A loan is of a known kind.", got=self.kind, do=suggest(self.kind, KINDS)
            )
        if self.principal < 0 or self.rate < 0 or self.term < 1 or self.every < 1:
            raise ContractError("A loan has an amount, a rate and a term of at least 0, 0 and 1.")
        if self.kind == "irregular":
            days = [day for day, _ in self.parts]
            whole = sum(part for _, part in self.parts)
            rising = days == sorted(set(days)) and all(day > self.start for day in days)
            if whole != self.principal or len(days) != self.term or not rising:
                raise ContractError(
                    "The parts of an irregular loan add up to it, on days in order.", got=whole
                )


@dataclass(frozen=True)
class Instalment:
    """What falls due on one day, in minor units.

    Attributes:
        number: from 1.
        due: day on which it is to be paid.
        until: day up to which its interest is counted.
        principal, interest: what it is made of.
        balance: principal that is left after it.
    """

    number: int
    due: date
    until: date
    principal: int
    interest: int
    balance: int

    @property
    def total(self) -> int:
        """What is to be paid."""
        return self.principal + self.interest


def schedule(terms: Terms, is_business: Business = lambda _: True) -> list[Instalment]:
    """Return what falls due, in order.

    The interest of each period is rounded to the minor unit, half to even; the level instalment
    of an annuity is rounded once, and the last instalment takes what rounding left over. So the
    principal parts add up to the loan, exactly.

    Args:
        terms: of the loan.
        is_business: whether people work on a day.
    """
    days = due_days(terms)
    shares = [
        share_of_year(low, high, terms.day_count)
        for low, high in zip([terms.start, *days[:-1]], days, strict=True)
    ]
    rates = [share * Fraction(terms.rate, MILLION) for share in shares]
    level = level_instalment(terms.principal, rates) if terms.kind == "annuity" else 0
    found, left = [], terms.principal
    for number, (day, rate) in enumerate(zip(days, rates, strict=True), 1):
        interest = round(left * rate)
        part = left if number == terms.term else _part(terms, number, level - interest)
        # A level instalment below its interest would let the loan grow: then no principal is due.
        part = min(max(part, 0), left)
        left -= part
        due = adjusted(day, terms.convention, is_business)
        found.append(Instalment(number, due, day, part, interest, left))
    return found


def _part(terms: Terms, number: int, rest: int) -> int:
    """Return the principal of an instalment that is not the last."""
    if terms.kind == "annuity":
        return rest
    if terms.kind == "linear":
        return terms.principal // terms.term
    return terms.parts[number - 1][1] if terms.kind == "irregular" else 0


def due_days(terms: Terms) -> list[date]:
    """Return the days up to which interest is counted, before they are moved to business days."""
    if terms.kind == "irregular":
        return [day for day, _ in terms.parts]
    first = terms.first_due or add_months(terms.start, terms.every)
    if first <= terms.start:
        raise ContractError("The first instalment falls due after the start.", got=str(first))
    anchor = (terms.first_due or terms.start).day
    return [add_months(first, terms.every * n, anchor) for n in range(terms.term)]


def level_instalment(principal: int, rates: Sequence[Fraction]) -> int:
    """Return the level instalment that repays a loan over periods of given interest.

    Args:
        principal: in minor units.
        rates: interest of each period as a share of what is owed.

    Returns:
        principal × Π(1 + r) / Σ Π over later periods, rounded half to even, exactly.

    Source: the balance after n periods, B·Π(1 + r_i) - A·Σ_i Π_{j>i}(1 + r_j), set to nothing.

    >>> level_instalment(100_000, [Fraction(1, 100)] * 12)
    8885
    """
    growth, pieces = Fraction(1), Fraction(0)
    for rate in reversed(rates):
        pieces += growth
        growth *= 1 + rate
    return round(principal * growth / pieces)


def split_level(principal: int, dues: Sequence[int]) -> tuple[int, list[int]]:
    """Split instalments of which only the amounts are known into principal and interest.

    Args:
        principal: paid out at the start, in minor units.
        dues: amounts of instalments at equal distances, in minor units.

    Returns:
        The interest per period in 10^-12, and the principal part of each instalment, which add
        up to `principal` exactly.

    Raises:
        ContractError: if the instalments together are less than the loan.
    """
    if sum(dues) < principal or principal <= 0 or min(dues, default=0) < 0:
        raise ContractError(
            "Instalments together pay back at least the loan.", got=f"{sum(dues)} for {principal}"
        )
    low, high = 0, 10**12
    while high - low > 1:
        middle = (low + high) // 2
        if _worth(dues, middle / 1e12) >= principal:
            low = middle
        else:
            high = middle
    left, parts = principal, []
    for due in dues[:-1]:
        interest = round(Fraction(left * low, 10**12))
        parts.append(min(max(due - interest, 0), left))
        left -= parts[-1]
    return low, [*parts, left]


def _worth(dues: Sequence[int], rate: float) -> float:
    """Return what dues at equal distances are worth now."""
    if rate > 0 and min(dues) == max(dues):
        return dues[0] * -math.expm1(-len(dues) * math.log1p(rate)) / rate
    return math.fsum(due / (1 + rate) ** n for n, due in enumerate(dues, 1))


def internal_rate(flows: Sequence[tuple[float, float]]) -> float:
    """Return the yearly rate at which flows of money are worth nothing together.

    Args:
        flows: (years from the start, amount), what is paid out negative.

    Raises:
        ContractError: if there is none between -0.99 and 1000, or flows have one sign only.
    """
    from scipy.optimize import brentq

    signs = {amount > 0 for _, amount in flows if amount}
    if len(signs) < 2:
        raise ContractError("A rate needs money that goes and money that comes.", got=len(flows))

    def worth(rate: float) -> float:
        return math.fsum(amount * (1 + rate) ** -years for years, amount in flows)

    if worth(-0.99) * worth(1000.0) > 0:
        raise ContractError("These flows have no yearly rate between -0.99 and 1000.")
    return float(brentq(worth, -0.99, 1000.0, xtol=1e-14, rtol=8.9e-16))
