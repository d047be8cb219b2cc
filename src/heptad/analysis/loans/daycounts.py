# SPDX-License-Identifier: Apache-2.0
"""How much of a year lies between two days, and the days on which something falls due."""

from __future__ import annotations

import calendar
from datetime import date, timedelta
from fractions import Fraction
from typing import TYPE_CHECKING

from heptad.standards.errors import ContractError, suggest

if TYPE_CHECKING:
    from collections.abc import Callable

    Business = Callable[[date], bool]


def share_of_year(start: date, end: date, rule: str) -> Fraction:
    """Return the exact share of a year that interest is counted for.

    Args:
        start: first day, on which interest begins.
        end: last day, which bears none.
        rule: one of `RULES`.

    Raises:
        UnknownName: if there is no such rule.
        ContractError: if the end lies before the start.

    Source: ISDA Definitions 2006, section 4.16 (b), (d), (e), (f) and (g).

    >>> share_of_year(date(2024, 1, 31), date(2024, 2, 29), "30/360")
    Fraction(29, 360)
    """
    if rule not in RULES:
        raise ContractError(f"There is no day count {rule!r}.", got=rule, do=suggest(rule, RULES))
    if end < start:
        raise ContractError("Interest ends after it begins.", got=f"{start} … {end}")
    return RULES[rule](start, end)


def _thirty(start: date, end: date) -> Fraction:
    """Every month has 30 days; the 31st counts as the 30th at the start, and then at the end."""
    first = min(start.day, 30)
    last = 30 if end.day == 31 and first == 30 else end.day
    return _months_of_thirty(start, end, first, last)


def _thirty_european(start: date, end: date) -> Fraction:
    """Every month has 30 days; the 31st counts as the 30th at both ends."""
    return _months_of_thirty(start, end, min(start.day, 30), min(end.day, 30))


def _months_of_thirty(start: date, end: date, first: int, last: int) -> Fraction:
    months = 12 * (end.year - start.year) + end.month - start.month
    return Fraction(30 * months + last - first, 360)


def _actual(start: date, end: date) -> Fraction:
    """Days as they are, each over the length of the calendar year that it lies in."""
    found = Fraction(0)
    for year in range(start.year, end.year + 1):
        low, high = max(start, date(year, 1, 1)), min(end, date(year + 1, 1, 1))
        found += Fraction((high - low).days, 366 if calendar.isleap(year) else 365)
    return found


RULES: dict[str, Callable[[date, date], Fraction]] = {
    "30/360": _thirty,
    "30E/360": _thirty_european,
    "ACT/360": lambda start, end: Fraction((end - start).days, 360),
    "ACT/365": lambda start, end: Fraction((end - start).days, 365),
    "ACT/ACT": _actual,
}
"""Day counts by the names that contracts use."""


def add_months(day: date, months: int, anchor: int = 0) -> date:
    """Return the same day some months later, or the last one of a shorter month.

    Args:
        day: from which.
        months: how many later.
        anchor: day of the month that is meant, where `day` itself was cut short by its month.

    >>> add_months(date(2024, 1, 31), 1), add_months(date(2024, 2, 29), 1, anchor=31)
    (datetime.date(2024, 2, 29), datetime.date(2024, 3, 31))
    """
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    last = calendar.monthrange(year, month + 1)[1]
    return date(year, month + 1, min(anchor or day.day, last))


def adjusted(day: date, convention: str, is_business: Business) -> date:
    """Move a day on which nobody works to one on which people do.

    Args:
        day: any day.
        convention: `none`, `following`, `preceding`, or `modified following`, which goes back
            where the next business day lies in another month.
        is_business: whether people work on a day, such as `Calendar.is_business`.

    Raises:
        ContractError: if there is no such convention.
    """
    if convention not in ("none", "following", "preceding", "modified following"):
        known = ("none", "following", "preceding", "modified following")
        raise ContractError("There is no such convention.", got=convention, do=str(known))
    if convention == "none":
        return day
    back = convention == "preceding"
    found = _moved(day, -1 if back else 1, is_business)
    if convention == "modified following" and found.month != day.month:
        return _moved(day, -1, is_business)
    return found


def _moved(day: date, step: int, is_business: Business) -> date:
    while not is_business(day):
        day += timedelta(days=step)
    return day
