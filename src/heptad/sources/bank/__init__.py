# SPDX-License-Identifier: Apache-2.0
"""The simulated bank: seeded, coherent over the shared tables, the same bit for bit anywhere."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from heptad.sources.bank.laundering import Laundering
from heptad.sources.bank.lending import Lending
from heptad.sources.bank.live import Arrival, live_day
from heptad.sources.bank.loans import Loans
from heptad.sources.bank.merchants import Merchants, company_table
from heptad.sources.bank.motifs import Motifs
from heptad.sources.bank.payments import Payments
from heptad.sources.bank.people import People
from heptad.sources.bank.registers import Registers
from heptad.sources.bank.transfers import Transfers
from heptad.sources.bank.truth import Truth
from heptad.sources.bank.world import CURRENCIES, MISSING, Columns, Parameters, World
from heptad.standards.errors import UnknownName, suggest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import date

__all__ = ["MISSING", "Arrival", "Bank", "Columns", "Parameters"]


class Bank:
    """A bank that never was: customers, what they do, and what was planted among it.

    Two banks of equal parameters are equal bit for bit, on any processor and with any release of
    numpy: every value is hashed with integer arithmetic from the seed, its purpose and the entity
    it belongs to. Any day or table can be generated alone; `block` and batch sizes decide memory
    only. A bank with more customers or another length of history is another bank.

    Money is in minor units, instants in microseconds UTC, days counted from 1970, places in 1e-7
    degrees, as the shared tables store them; a missing number is `MISSING`, a missing text empty.

    Memory: 46 bytes per customer, with lending about 130 per customer and year, plus 32 bytes per
    payment of one day while payments are streamed.

    Args:
        customers: how many, 20 to 10,000,000.
        seed: any integer.
        start: first day of the history.
        days: length of the history; the live day follows it.
        **options: the other clauses of `Parameters`.
    """

    def __init__(self, customers: int, seed: int, start: date, days: int, **options: int) -> None:
        self.parameters = Parameters(customers, seed, start, days, **options)
        self.world = World(self.parameters)
        self.days = days
        self.people = People(self.world)
        self.merchants = Merchants(self.world)
        self.motifs = Motifs(self.world, self.people, self.merchants)
        self._payments = Payments(self.world, self.people, self.merchants, self.motifs)
        self.registers = Registers(self.world, self.people, self.motifs)

    @cached_property
    def lending(self) -> Lending:
        """The applications and loans, simulated when first asked for."""
        return Lending(self.world, self.people)

    @cached_property
    def laundering(self) -> Laundering:
        """The planted transfers."""
        return Laundering(self.world, self.people, self.lending, self.motifs)

    @cached_property
    def loans(self) -> Loans:
        """The lending tables."""
        return Loans(self.world, self.people, self.lending, self.registers)

    @cached_property
    def _transfers(self) -> Transfers:
        return Transfers(self.world, self.people, self.lending, self.laundering)

    @cached_property
    def _truth(self) -> Truth:
        return Truth(self._payments, self._transfers, self.laundering, self.loans)

    def payments(
        self, first: int = 0, after: int | None = None, rows: int = 65_536
    ) -> Iterator[Columns]:
        """Yield Payment of the days [first, after) in order of event_time.

        Args:
            first: first day, counted from the start of the history.
            after: first day no longer wanted; the end of the history unless given. The day
                `days` itself is the live day.
            rows: most rows of a batch.
        """
        return self._payments.stream(first, self.days if after is None else after, rows)

    def transfers(
        self, first: int = 0, after: int | None = None, rows: int = 65_536
    ) -> Iterator[Columns]:
        """Yield Transfer of the days [first, after) in order of event_time."""
        return self._transfers.stream(first, self.days if after is None else after, rows)

    def labels(self, first: int = 0, after: int | None = None) -> Iterator[Columns]:
        """Yield Label of what happened on the days [first, after): payments, then loans."""
        after = self.days if after is None else after
        yield from self._truth.labels(first, after)
        yield from self.loans.labels(first, after)

    def rates(self, first: int = 0, after: int | None = None) -> Iterator[Columns]:
        """Yield Rate: the price of the euro in each currency and back, every day."""
        for day in range(first, self.days if after is None else after):
            pairs, rates = [], []
            for index, code in enumerate(CURRENCIES[1:], start=1):
                yens = 100 if code == "JPY" else 1
                rate = int(self.world.prices[index, day]) * yens * 10**9 >> 16
                pairs += [("EUR", code), (code, "EUR")]
                rates += [rate, 10**18 // rate]
            on = self.world.date(day).isoformat()
            when = np.full(len(pairs), self.world.instant(day))
            yield {
                "id": np.array([f"{base}{quote}-{on}" for base, quote in pairs], dtype=np.bytes_),
                "event_time": when,
                "base": np.array([base for base, _ in pairs], dtype=np.bytes_),
                "quote": np.array([quote for _, quote in pairs], dtype=np.bytes_),
                "rate": np.array(rates, dtype=np.int64),
                "known_time": when,
            }

    def truth(self) -> Iterator[Columns]:
        """Yield the ground truth: motif, incident, table, id, event_time, fraud."""
        return self._truth.rows()

    def live(self) -> Iterator[Arrival]:
        """Yield what arrives on the day after the history: payments and loan applications."""
        return live_day(self)

    def table(self, name: str) -> Iterator[Columns]:
        """Yield the rows of one shared table, in the order of its exports.

        Events are those of the history. Some rows are known only after it, and Card and Device
        have rows of the days that follow: compare their known_time with `world.end`.

        Raises:
            UnknownName: if the simulated bank has no such table.
        """
        tables: dict[str, Callable[[], Iterator[Columns]]] = {
            "Customer": self.registers.customers,
            "Account": self.registers.accounts,
            "Card": self.registers.cards,
            "Device": self.registers.devices,
            "Consent": self.registers.consents,
            "Company": lambda: company_table(self.world),
            "Merchant": self.merchants.table,
            "Payment": self.payments,
            "Transfer": self.transfers,
            "Rate": self.rates,
            "LoanApplication": lambda: self.loans.applications(0, self.days),
            "Loan": self.loans.loans,
            "Repayment": lambda: self.loans.repayments(0, self.days),
            "CreditRecord": lambda: self.loans.credit_records(0, self.days),
            "Label": self.labels,
        }
        if name not in tables:
            raise UnknownName(
                f"The simulated bank has no table {name!r}.", got=name, do=suggest(name, tables)
            )
        return tables[name]()
