# SPDX-License-Identifier: Apache-2.0
"""The monthly cash flow of customers that decides which instalments are paid, late or never."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from heptad.sources.bank.draws import Bools, Ints, bell, chance, field
from heptad.sources.bank.people import NEVER, SELF_EMPLOYED, Traits
from heptad.sources.bank.world import PERIOD, QUARTER

if TYPE_CHECKING:
    from heptad.sources.bank.lending import Asked, Lending

PAYSLIP_AGE = 75
"""Days by which the income that the former policy looked at was out of date."""
UNPAID = 255
"""Stands for an instalment that is not paid within the simulated time."""
GRACE = 90
"""Days past due at which a loan counts as defaulted."""


class CashFlow:
    """The purses and loans of a block of customers, advanced by periods of 30 days."""

    def __init__(self, lending: Lending, ids: Ints, traits: Traits, asked: list[Asked]) -> None:
        self.lending, self.ids, self.traits, self.asked = lending, ids, traits, asked
        shape = (len(ids), len(asked))
        self.purse = traits.savings.copy()
        self.granted = np.zeros(shape, dtype=np.bool_)
        self.start = np.zeros(shape, dtype=np.int64)
        self.paid = np.zeros(shape, dtype=np.int64)
        self.default = np.full(shape, NEVER, dtype=np.int64)
        self.late = np.full((*shape, lending.instalments), UNPAID, dtype=np.uint8)
        self.quits = self._quitting(shape)

    def advance(self, period: int) -> None:
        """Let one period pass: earn and spend, fall due, pay or not, apply and be granted."""
        self.purse = np.clip(
            self.purse + self._surplus(period), -self.traits.income // 3,
            self.traits.savings + self.traits.income * 2,
        )  # fmt: skip
        for slot, asked in enumerate(self.asked):
            self._collect(period, slot, asked)
        for slot, asked in enumerate(self.asked):
            self._decide(period, slot, asked)

    def _quitting(self, shape: tuple[int, int]) -> Bools:
        """Decide which loans are never served at all: most often diverted ones."""
        slots = np.broadcast_to(np.arange(shape[1]), shape)
        ids = np.broadcast_to(self.ids[:, None], shape)
        words = self.lending.world.draws.of("quits", ids.reshape(-1), slots.reshape(-1))
        diverted = self.lending.diverted(ids.reshape(-1), slots.reshape(-1))
        usual = 1_000 + self.lending.careless(ids.reshape(-1)) ** 2 // 12
        return chance(words, np.where(diverted, 180_000, usual)).reshape(shape)

    def _surplus(self, period: int) -> Ints:
        """Return what is left of the income of a period before loans of this bank are served."""
        t, of = self.traits, self.lending.world.draws.of
        words = of("surprise", self.ids, period)
        income = t.income_on(period * PERIOD)
        swing = np.where(t.kind == SELF_EMPLOYED, bell(of("swing", self.ids, period)), 0)
        income = income + (income * swing >> 18)
        bill = np.where(chance(words, 45_000), income * (40 + field(words, 0, 8)) // 100, 0)
        thrift = field(of("thrift", self.ids), 0, 7) * t.spending * 3 >> 9
        saved = np.where(self.purse < t.income // 4, thrift, 0)
        return income - t.housing - t.bills - t.debts - t.spending + saved - bill

    def _collect(self, period: int, slot: int, asked: Asked) -> None:
        """Let the instalment of a loan fall due and pay as many as the purse holds."""
        number = period - self.start[:, slot] // PERIOD
        alive = self.granted[:, slot] & (self.default[:, slot] == NEVER)
        open_ = np.where(alive, np.clip(number, 0, asked.term) - self.paid[:, slot], 0)
        fails = (open_ > 0) & (number - self.paid[:, slot] > GRACE // PERIOD)
        oldest = self.start[:, slot] + PERIOD * (self.paid[:, slot] + 1)
        self.default[fails, slot] = oldest[fails] + GRACE
        able = np.maximum(self.purse, 0) // asked.instalment
        pays = np.where(self.quits[:, slot] | fails, 0, np.minimum(open_, able))
        pays = np.where(self._forgets(period, slot) & (open_ == 1), 0, pays)
        self._book_paid(slot, number, pays, asked)
        self.purse -= pays * asked.instalment

    def _forgets(self, period: int, slot: int) -> Bools:
        """Tell who lets an instalment lie although there is money."""
        words = self.lending.world.draws.of("forgets", self.ids, period * 64 + slot)
        return chance(words, self.lending.careless(self.ids) ** 2)

    def _book_paid(self, slot: int, number: Ints, pays: Ints, asked: Asked) -> None:
        """Write down how late each of the instalments paid in this period is, oldest first."""
        words = self.lending.world.draws.of("days late", self.ids, number * 64 + slot)
        tight = self.purse < 2 * asked.instalment
        slack = np.where(
            tight, 1 + field(words, 0, 4), field(words, 4, 2) * (field(words, 6, 2) == 0)
        )
        for n in range(int(pays.max(initial=0))):
            who = np.flatnonzero(pays > n)
            which = self.paid[who, slot]
            fits = which < self.late.shape[2]
            days = PERIOD * (number[who] - 1 - which) + slack[who]
            self.late[who[fits], slot, which[fits]] = days[fits]
            self.paid[who, slot] += 1

    def _decide(self, period: int, slot: int, asked: Asked) -> None:
        """Grant what the bank's former policy grants of the applications of this period."""
        new = asked.applies & (asked.day // PERIOD == period)
        if not new.any():
            return
        words = self.lending.world.draws.of("policy", self.ids, slot)
        running = self.granted & (self.paid < np.stack([a.term for a in self.asked], axis=1))
        burden = (running * np.stack([a.instalment for a in self.asked], axis=1)).sum(axis=1)
        t = self.traits
        free = t.income_on(asked.day - PAYSLIP_AGE) - t.housing - t.debts
        record = self.lending.record(self.ids, asked.day // QUARTER, t)
        known = (record["overdue"] > 0) & (record["thin"] == 0)
        grants = ((asked.instalment + burden) * 100 <= free * 32) & ~known
        grants = np.where(chance(words, 60_000), ~grants, grants)
        bad = (self.default < NEVER).any(axis=1)
        grants &= new & ~bad & (running.sum(axis=1) < 3)
        self.granted[:, slot] |= grants
        self.start[:, slot] = np.where(
            grants, asked.day + 1 + field(words, 0, 1), self.start[:, slot]
        )
