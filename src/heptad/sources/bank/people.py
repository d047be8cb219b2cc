# SPDX-License-Identifier: Apache-2.0
"""Customers: their homes, incomes and habits, with their accounts, cards, devices and consents."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from heptad.sources.bank.draws import (
    RATE,
    UNIT,
    Bools,
    Ints,
    bell,
    below,
    chance,
    choose,
    field,
    spread,
    weighted,
)
from heptad.sources.bank.world import CITIES, PERIOD, World

EMPLOYED, SELF_EMPLOYED, RETIRED, STUDENT = range(4)
OWNER, TENANT, FAMILY, OTHER = range(4)
HOMES = np.array(["owner", "tenant", "family", "other"], dtype="S6")
NEVER = 32_000
"""A day that never comes."""
LAST_DAY = 31
"""Payday of those who are paid on the last day of the month."""
MEAN_TICKET = 3500
"""Cents of a mean payment at scale 1024."""
DUPLICATES_PER_MILLION = 12_000

_PAYDAYS = np.array([25, 27, LAST_DAY, LAST_DAY, 1, 15, 28, LAST_DAY], dtype=np.int64)
_KINDS = weighted([62, 10, 20, 8])
_HOMES = weighted([27, 48, 20, 5])
_INCOMES = np.array([235_000, 250_000, 150_000, 80_000], dtype=np.int64)
_HOUSING = np.array([22, 31, 3, 12], dtype=np.int64)


@dataclass(slots=True)
class Traits:
    """What drives each customer's life, one compact array per trait, indexed by customer.

    Money is in cents of a euro per month, days count from the start of the history.
    """

    joined: Ints
    city: Ints
    kind: Ints
    home: Ints
    payday: Ints
    income: Ints
    housing: Ints
    bills: Ints
    debts: Ints
    spending: Ints
    savings: Ints
    rate: Ints
    scale: Ints
    strain: Ints
    drift: Ints
    shock: Ints
    shock_days: Ints
    shock_keeps: Ints
    cards: Ints
    devices: Ints
    replaced: Ints

    def take(self, rows: Ints | slice) -> Traits:
        """Return the traits of some customers, as int64."""
        return Traits(*(getattr(self, f.name)[rows].astype(np.int64) for f in fields(self)))

    def income_on(self, day: Ints | int) -> Ints:
        """Return the monthly income of these customers as it runs on a day."""
        moved = np.clip(self.drift * np.asarray(day) // PERIOD, -400, 600)
        grown: Ints = self.income * (1000 + moved) // 1000
        kept: Ints = grown * self.shock_keeps // 100
        return np.where(self.shocked(day), kept, grown)

    def shocked(self, day: Ints | int) -> Bools:
        """Tell who has lost income on a day."""
        passed = np.asarray(day) - self.shock
        return (passed >= 0) & (passed < self.shock_days)


_STORED = {
    "joined": np.int16, "city": np.int8, "kind": np.int8, "home": np.int8, "payday": np.int8,
    "rate": np.int16, "scale": np.int16, "strain": np.int16, "drift": np.int8, "shock": np.int16,
    "shock_days": np.int16, "shock_keeps": np.int8, "cards": np.int8, "devices": np.int8,
    "replaced": np.int16,
}  # fmt: skip


class People:
    """All customers of one bank."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.traits = self._collect()

    def household(self, ids: Ints) -> Ints:
        """Return the first member of each customer's household, who stands for it."""
        group, place = ids >> 2, ids & 3
        shape = field(self.world.draws.of("household", group), 0, 3)
        first = np.array(
            [[0, 0, 0, 0], [0, 0, 2, 2], [0, 1, 1, 1], [0, 0, 2, 3],
             [0, 1, 2, 3], [0, 0, 0, 3], [0, 1, 2, 3], [0, 0, 2, 2]], dtype=np.int64,
        )  # fmt: skip
        offset: Ints = first[shape, place]
        return (group << 2) + offset

    def original(self, ids: Ints) -> Ints:
        """Return whose second entry each customer is; most are their own."""
        words = self.world.draws.of("duplicate", ids)
        other = field(words, 0, 32) % np.maximum(ids, 1)
        copies = chance(words, DUPLICATES_PER_MILLION) & (ids > 0)
        genuine = ~chance(self.world.draws.of("duplicate", other), DUPLICATES_PER_MILLION)
        return np.where(copies & (genuine | (other == 0)), other, ids)

    def card_keys(self, ids: Ints, day: int | Ints, second: Ints) -> Ints:
        """Return the key of the card in use: the main one, its replacement, or the second."""
        slot = np.where(self.traits.replaced[ids] <= day, 2, 0)
        return ids * 4 + np.where(second > 0, 1, slot)

    def _collect(self) -> Traits:
        """Fill the compact arrays block by block."""
        stored = {
            f.name: np.empty(self.world.customers, dtype=_STORED.get(f.name, np.int32))
            for f in fields(Traits)
        }
        for low, high in self.world.blocks():
            drawn = self._draw(np.arange(low, high, dtype=np.int64))
            for name, values in drawn.items():
                stored[name][low:high] = values
        return Traits(**stored)

    def _draw(self, ids: Ints) -> dict[str, Ints]:
        """Draw the traits of some customers."""
        traits = self._who(ids) | self._habits(ids)
        traits |= self._budget(ids, traits)
        return traits | self._fate(ids)

    def _who(self, ids: Ints) -> dict[str, Ints]:
        of, household = self.world.draws.of, self.household(ids)
        city = choose(field(of("city", household), 0, 16), weighted([c.weight for c in CITIES]))
        kind = choose(field(of("kind", ids), 0, 16), _KINDS)
        words = of("joined", ids)
        late = below(words, self.world.days)
        joined = np.where(field(words, 0, 8) < 30, late, -30 - field(words, 8, 12))
        home = choose(field(of("home", household), 0, 16), _HOMES)
        payday = np.where(kind == RETIRED, 25, _PAYDAYS[field(of("payday", ids), 0, 3)])
        return {"joined": joined, "city": city, "kind": kind, "home": home, "payday": payday}

    def _habits(self, ids: Ints) -> dict[str, Ints]:
        words = self.world.draws.of("habits", ids)
        mean = self.world.parameters.payments_per_day
        rate = spread(mean * 225, self.world.draws.of("rate", ids), 42_000) >> 8
        devices = 1 + (field(words, 0, 8) < 90)
        cards = 1 + (field(words, 8, 8) < 77)
        return {"rate": np.clip(rate, 3, 6 * RATE), "devices": devices, "cards": cards}

    def _budget(self, ids: Ints, traits: dict[str, Ints]) -> dict[str, Ints]:
        """Draw incomes and what is spent of them; strain says how little is left."""
        of = self.world.draws.of
        income = spread(_INCOMES[traits["kind"]], of("income", ids), 36_000)
        share = np.clip(_HOUSING[traits["home"]] + (bell(of("rent", ids)) * 5 >> 16), 0, 60)
        housing = income * share // 100
        bills = income * (6 + below(of("bills", ids), 7)) // 100
        debt = of("debts", ids)
        debts = np.where(field(debt, 0, 8) < 110, income * below(debt, 19) // 100, 0)
        burden = np.clip(46 + (bell(of("burden", ids)) * 18 >> 16), 12, 120)
        wanted = (income - housing) * burden // 100
        monthly = traits["rate"] * 30 * MEAN_TICKET // RATE
        scale = np.clip(wanted * 1024 // monthly, 128, 6144)
        spending = monthly * scale >> 10
        left = income - housing - bills - debts - spending
        strain = np.clip(170 - left * 400 // np.maximum(income, 1), 0, 255)
        savings = spread(income, of("savings", ids), 80_000) * (300 - strain) >> 8
        return {
            "income": income, "housing": housing, "bills": bills, "debts": debts, "scale": scale,
            "spending": spending, "strain": strain, "savings": np.minimum(savings, 10**8),
        }  # fmt: skip

    def _fate(self, ids: Ints) -> dict[str, Ints]:
        """Draw how incomes drift, and who loses a part of it, when and for how long."""
        of, days = self.world.draws.of, self.world.days
        words, more = of("shock", ids), of("shock size", ids)
        when = below(words, days + 400) - 200
        hit = field(words, 0, 16) < min(UNIT // 2, 12_000 * (days + 400) // 365)
        return {
            "drift": np.clip(bell(of("drift", ids)) * 7 >> 16, -25, 25),
            "shock": np.where(hit, when, NEVER),
            "shock_days": 60 + below(more, 260),
            "shock_keeps": 5 + (field(more, 0, 16) * 65 >> 16),
            "replaced": np.full(len(ids), NEVER, dtype=np.int64),
        }
