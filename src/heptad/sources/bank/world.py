# SPDX-License-Identifier: Apache-2.0
"""The parameters, calendar, cities, categories and currencies of the simulated world."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from heptad.sources.bank.draws import UNIT, Draws, Ints, field, weighted
from heptad.standards.errors import ContractError

Columns: TypeAlias = dict[str, NDArray[Any]]
"""Columns of equal length: int64 for numbers and instants, fixed-width bytes or str for text.

A missing number is `MISSING`, a missing text is empty.
"""
MISSING = np.iinfo(np.int64).min
"""Stands for a missing number, instant, day or flag in a column."""

SECOND = 1_000_000
DAY = 86_400 * SECOND
MOST_CUSTOMERS = 10_000_000
QUARTER = 90
"""Days in which a customer hands in at most one application and the bureau reports once."""
PERIOD = 30
"""Days between two instalments of a loan, and of one step of the simulated cash flow."""


class City(NamedTuple):
    """One city: where people live, or where they travel to (weight 0)."""

    name: str
    country: str
    lat: int
    lon: int
    weight: int
    clock: str


class Category(NamedTuple):
    """One merchant category: ISO 18245 code, share of payments, median in cents, spread."""

    code: str
    name: str
    share: int
    strained_share: int
    median: int
    sigma: int
    weekend: int
    online: int


CITIES = (
    City("Madrid", "ES", 404168, -37038, 60, "CET"),
    City("Barcelona", "ES", 413874, 21686, 40, "CET"),
    City("Valencia", "ES", 394699, -3763, 20, "CET"),
    City("Sevilla", "ES", 373891, -59845, 16, "CET"),
    City("Lisboa", "PT", 387223, -91393, 24, "WET"),
    City("Porto", "PT", 411579, -86291, 14, "WET"),
    City("Paris", "FR", 488566, 23522, 60, "CET"),
    City("Lyon", "FR", 457640, 48357, 20, "CET"),
    City("Marseille", "FR", 432965, 53698, 18, "CET"),
    City("Berlin", "DE", 525200, 134050, 48, "CET"),
    City("Hamburg", "DE", 535511, 99937, 26, "CET"),
    City("München", "DE", 481351, 115820, 28, "CET"),
    City("Köln", "DE", 509375, 69603, 20, "CET"),
    City("Wien", "AT", 482082, 163738, 26, "CET"),
    City("Roma", "IT", 419028, 124964, 40, "CET"),
    City("Milano", "IT", 454642, 91900, 30, "CET"),
    City("Napoli", "IT", 408518, 142681, 20, "CET"),
    City("Amsterdam", "NL", 523676, 49041, 24, "CET"),
    City("Bruxelles", "BE", 508503, 43517, 20, "CET"),
    City("Dublin", "IE", 533498, -62603, 16, "WET"),
    City("Athína", "GR", 379838, 237275, 18, "EET"),
    City("Helsinki", "FI", 601699, 249384, 12, "EET"),
    City("London", "GB", 515074, -1278, 0, "WET"),
    City("New York", "US", 407128, -740060, 0, "EST"),
    City("Tokyo", "JP", 356762, 1396503, 0, "JST"),
)
FAR = (23, 24)
"""Cities that nobody reaches within an hour."""

CATEGORIES = (
    Category("5411", "Market", 270, 230, 2600, 45_000, 270, 0),
    Category("5812", "Restaurant", 160, 110, 2200, 40_000, 340, 0),
    Category("5541", "Fuel", 60, 60, 4800, 28_000, 256, 0),
    Category("5651", "Clothing", 60, 50, 4500, 52_000, 330, 0),
    Category("5732", "Electronics", 28, 24, 8500, 70_000, 290, 0),
    Category("5912", "Pharmacy", 50, 50, 1500, 45_000, 200, 0),
    Category("4111", "Transport", 90, 90, 600, 60_000, 190, 0),
    Category("7832", "Cinema", 40, 25, 2400, 40_000, 380, 0),
    Category("5944", "Jeweller", 4, 3, 16_000, 65_000, 300, 0),
    Category("6011", "Cash machine", 50, 120, 8000, 48_000, 256, 0),
    Category("5262", "Marketplace", 110, 110, 3200, 60_000, 256, 1),
    Category("5815", "Streaming", 50, 50, 1100, 18_000, 256, 1),
    Category("4722", "Travel agency", 14, 8, 22_000, 70_000, 256, 1),
    Category("7995", "Betting", 8, 60, 3000, 60_000, 300, 1),
    Category("6051", "Digital assets", 6, 10, 9000, 75_000, 256, 1),
)
CASH, MARKETPLACE, ASSETS = 9, 10, 14
ELECTRONICS, JEWELLER = 4, 8

CURRENCY_OF = {"GB": "GBP", "US": "USD", "JP": "JPY"}
CURRENCIES = ("EUR", "USD", "GBP", "JPY")
RATES = (UNIT, 71_500, 56_400, 106_900)
"""Mean price of one cent of a euro in minor units of each currency, × UNIT."""

WEEKDAYS = (236, 238, 243, 253, 294, 312, 215)
MONTHS = (238, 240, 250, 256, 258, 261, 266, 256, 253, 253, 271, 312)
HOURS = (2, 1, 1, 0, 0, 1, 4, 12, 22, 26, 30, 36, 44, 40, 30, 28, 32, 42, 52, 50, 38, 24, 12, 5)
"""How busy each local hour is; weekdays and months are factors × 256."""
HOLIDAYS = {(1, 1): 90, (1, 6): 150, (5, 1): 170, (12, 24): 330, (12, 25): 80, (12, 26): 140}


@dataclass(frozen=True, slots=True)
class Parameters:
    """What a simulated bank is made from; two equal ones give the same bank, bit for bit.

    Args:
        customers: how many, 20 to 10,000,000.
        seed: any integer.
        start: first day of the history.
        days: length of the history in days, 30 to 3,650.
        payments_per_day: mean payments of a customer a day, in 1/128.
        victims_per_million: customers met by card fraud in a year.
        performance_days: days after paying out within which a default counts.
        block: customers worked on at once; decides memory, never the result.
    """

    customers: int
    seed: int
    start: date
    days: int
    payments_per_day: int = 58
    victims_per_million: int = 70_000
    performance_days: int = 180
    block: int = 65_536

    def __post_init__(self) -> None:
        for name, low, high in (
            ("customers", 20, MOST_CUSTOMERS),
            ("days", 30, 3650),
            ("payments_per_day", 1, 512),
            ("victims_per_million", 0, 500_000),
            ("performance_days", 90, 720),
            ("block", 1, MOST_CUSTOMERS),
        ):
            if not low <= getattr(self, name) <= high:
                raise ContractError(
                    f"Bank.{name} must lie between {low:,} and {high:,}.", got=getattr(self, name)
                )


class World:
    """What all parts of the bank share: the parameters, the draws and the calendar."""

    def __init__(self, parameters: Parameters) -> None:
        self.parameters = parameters
        self.customers, self.days = parameters.customers, parameters.days
        self.draws = Draws(parameters.seed)
        self.start = (parameters.start - date(1970, 1, 1)).days * DAY
        """First instant of the history, microseconds UTC."""
        self.end = self.start + self.days * DAY
        """First instant after the history."""

    def date(self, day: int) -> date:
        """Return the date of a day counted from the start."""
        return self.parameters.start + timedelta(days=day)

    def instant(self, day: Ints | int) -> Ints:
        """Return the first instant of days counted from the start."""
        return self.start + np.asarray(day, dtype=np.int64) * DAY

    def blocks(self) -> list[tuple[int, int]]:
        """Return the ranges of customers that are worked on together."""
        size = self.parameters.block
        return [(n, min(n + size, self.customers)) for n in range(0, self.customers, size)]

    def busy(self, day: int) -> int:
        """Return how busy a day is, × 256: by weekday, month and public holidays."""
        on = self.date(day)
        factor = WEEKDAYS[on.weekday()] * MONTHS[on.month - 1] >> 8
        return factor * HOLIDAYS.get((on.month, on.day), 256) >> 8

    def offsets(self, day: int) -> Ints:
        """Return for each city the hours by which its clock leads UTC at noon of a day."""
        shifts = clock_shifts(self.date(day))
        return np.array([shifts[city.clock] for city in CITIES], dtype=np.int64)

    def paydays(self, day: int) -> Ints:
        """Return for each day of the month (0 to 31) whether salaries due then are paid today.

        What falls on a weekend is paid on the Friday before; 31 means the last day of the month.
        """
        paid, today = np.zeros(32, dtype=np.int64), self.date(day)
        if today.weekday() > 4:
            return paid
        for ahead in range(3 if today.weekday() == 4 else 1):
            due = today + timedelta(days=ahead)
            paid[due.day] = 1
            if (due + timedelta(days=1)).day == 1:
                paid[due.day : 32] = 1
        return paid

    @cached_property
    def prices(self) -> Ints:
        """How many minor units of each currency a cent buys on each day, × UNIT: a slow walk."""
        day = np.arange(self.days + 1, dtype=np.int64)
        walks = [np.full_like(day, UNIT)]
        for currency in range(1, len(CURRENCIES)):
            move = np.zeros_like(day)
            for grid, size in ((128, 5_000), (32, 2_200), (8, 900)):
                where = np.full_like(day, currency * 1024 + grid)
                low, high = (
                    field(self.draws.of("price", where, day // grid + step), 0, 20) - 524_288
                    for step in (0, 1)
                )
                mixed = low * (grid - day % grid) + high * (day % grid)
                move += size * mixed // (grid * 524_288)
            walks.append(RATES[currency] + RATES[currency] * move // (2 * UNIT))
        return np.stack(walks)

    @cached_property
    def clock(self) -> Ints:
        """Second of the local day for each 16-bit draw, by how busy the hours are."""
        hours = weighted(list(HOURS))
        first = np.searchsorted(hours, hours, side="left")
        size = np.bincount(hours, minlength=24)[hours]
        return hours * 3600 + (np.arange(UNIT) - first) * 3600 // size


def clock_shifts(on: date) -> dict[str, int]:
    """Return the hours by which the clocks lead UTC at noon, by the European and American rule."""
    summer = last_sunday(on.year, 3) <= on < last_sunday(on.year, 10)
    march, november = date(on.year, 3, 14), date(on.year, 11, 7)
    american = _sunday_until(march) <= on < _sunday_until(november)
    return {
        "CET": 1 + summer,
        "WET": 0 + summer,
        "EET": 2 + summer,
        "EST": -5 + american,
        "JST": 9,
    }


def last_sunday(year: int, month: int) -> date:
    """Return the last Sunday of a month of 31 days."""
    return _sunday_until(date(year, month, 31))


def _sunday_until(on: date) -> date:
    """Return the last Sunday not after a date."""
    return on - timedelta(days=(on.weekday() + 1) % 7)
