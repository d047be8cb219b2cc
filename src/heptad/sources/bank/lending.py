# SPDX-License-Identifier: Apache-2.0
"""Lending: who applies, who is granted, and which loans the simulated cash flow cannot carry."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING

import numpy as np

from heptad.sources.bank.cashflow import GRACE, CashFlow
from heptad.sources.bank.draws import (
    Bools,
    Ints,
    below,
    chance,
    choose,
    field,
    spread,
    weighted,
)
from heptad.sources.bank.world import PERIOD, QUARTER, World

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from heptad.sources.bank.people import People, Traits

TERMS = np.array([6, 12, 18, 24, 36], dtype=np.int64)
DIVERTED_PER_MILLION = 40_000
SINKS = 12
"""Brokers, betting houses and the like where borrowed money must not go."""

_TERM = weighted([15, 35, 20, 20, 10])
_PURPOSE = weighted([18, 18, 14, 10, 8, 8, 16, 8])


@dataclass(slots=True)
class Asked:
    """Applications of some customers in one slot; money in cents, all arrays (n,) int64."""

    day: Ints
    second: Ints
    amount: Ints
    term: Ints
    purpose: Ints
    instalment: Ints
    rate: Ints
    applies: Bools


@dataclass(slots=True)
class Book:
    """Applications with the loans that came of them, as compact arrays by (day, customer).

    Attributes:
        customer, slot, day: (n,) who applied, in which slot, on which day.
        granted: (n,) whether the bank granted it then.
        start: (n,) day of paying out, meaningless if not granted.
        default: (n,) day on which it was 90 days late, or `NEVER`.
        late: (n, k) days by which instalment k + 1 was paid late; `UNPAID` if never. Without
            columns in a book of mere applications.
    """

    customer: Ints
    slot: Ints
    day: Ints
    granted: Bools
    start: Ints
    default: Ints
    late: NDArray[np.uint8]

    def take(self, rows: Ints | slice | Bools) -> Book:
        """Return some of the applications."""
        return Book(*(getattr(self, f.name)[rows] for f in fields(self)))


class Lending:
    """Applications, the bank's former policy, and a monthly cash flow that decides who pays."""

    def __init__(self, world: World, people: People) -> None:
        self.world, self.people = world, people
        last = world.days + world.parameters.performance_days + GRACE
        self.periods = last // PERIOD + 2
        self.slots = world.days // QUARTER + 1
        self.instalments = int(min(self.periods, TERMS[-1]))
        self.applications, self.loans = self._write_books()

    def asked(self, ids: Ints, slot: Ints | int, traits: Traits) -> Asked:
        """Return what customers ask for in a slot: a pure function of both."""
        of = self.world.draws.of
        words, more = of("application", ids, slot), of("loan terms", ids, slot)
        day = np.asarray(slot) * QUARTER + below(words, QUARTER)
        pressed = 220_000 + traits.strain * 1_500 + 150_000 * traits.shocked(day)
        applies = (field(words, 0, 20) * 1_000_000 >> 20 < pressed) & (traits.joined <= day - 10)
        applies &= day <= self.world.days
        wish = spread(traits.income * 9 // 5, of("loan amount", ids, slot), 56_000)
        amount = np.clip(wish // 10_000 * 10_000, 50_000, 4_000_000)
        term = TERMS[choose(field(more, 0, 16), _TERM)]
        rate = 59_000 + 100 * (field(more, 16, 8) + traits.strain)
        instalment = amount * (24_000_000 + rate * term) // (24_000_000 * term) + 1
        purpose = choose(field(more, 24, 16), _PURPOSE)
        second = 7 * 3600 + field(more, 40, 16) * 14 * 3600 // 65_536
        return Asked(day, second, amount, term, purpose, instalment, rate, applies)

    def record(self, ids: Ints, quarter: Ints | int, traits: Traits) -> dict[str, Ints]:
        """Return what the credit bureau knows of customers in a quarter of a year."""
        words = self.world.draws.of("bureau", ids)
        fresh = self.world.draws.of("bureau quarter", ids, quarter)
        careless = self.careless(ids)
        trouble = traits.strain + careless + field(fresh, 0, 6)
        overdue = (trouble > 330).astype(np.int64) + (trouble > 420)
        worst = np.where(trouble > 270, (trouble - 250) * (1 + field(words, 0, 2)) // 4, 0)
        return {
            "thin": chance(words, 220_000).astype(np.int64),
            "open_loans": (traits.debts > 0) + field(words, 8, 2) // 2 + (traits.debts > 20_000),
            "overdue": overdue,
            "enquiries": (traits.strain * field(fresh, 8, 6) >> 12) + field(fresh, 16, 1),
            "worst_late": worst,
            "debt": traits.debts * (12 + field(words, 16, 4)),
        }

    def careless(self, ids: Ints) -> Ints:
        """Return how careless each customer is with due dates, 0 to 255."""
        return field(self.world.draws.of("careless", ids), 0, 8)

    def diverted(self, customer: Ints, slot: Ints) -> Bools:
        """Tell which loans are spent where they must not be."""
        return chance(self.world.draws.of("diverted", customer, slot), DIVERTED_PER_MILLION)

    def _write_books(self) -> tuple[Book, Book]:
        """Simulate all customers block by block; return all applications, and those granted."""
        asked, lent = [], []
        for low, high in self.world.blocks():
            book = self._simulate(low, high)
            lent.append(book.take(book.granted))
            asked.append(replace(book, late=np.empty((len(book.day), 0), dtype=np.uint8)))
        return _in_order(asked), _in_order(lent)

    def _simulate(self, low: int, high: int) -> Book:
        """Run the monthly cash flow of a block of customers with all their loans."""
        ids = np.arange(low, high, dtype=np.int64)
        traits = self.people.traits.take(slice(low, high))
        asked = [self.asked(ids, slot, traits) for slot in range(self.slots)]
        flow = CashFlow(self, ids, traits, asked)
        for period in range(self.periods):
            flow.advance(period)
        row, slot = np.nonzero(np.stack([a.applies for a in asked], axis=1))
        return Book(
            ids[row].astype(np.int32),
            slot.astype(np.int8),
            np.stack([a.day for a in asked], axis=1)[row, slot].astype(np.int16),
            flow.granted[row, slot],
            flow.start[row, slot].astype(np.int16),
            flow.default[row, slot].astype(np.int16),
            flow.late[row, slot],
        )


def _in_order(parts: list[Book]) -> Book:
    """Return books as one, by day and customer."""
    day, customer = (np.concatenate([getattr(p, n) for p in parts]) for n in ("day", "customer"))
    order = np.lexsort((customer, day))
    return Book(*(np.concatenate([getattr(p, f.name) for p in parts])[order] for f in fields(Book)))
