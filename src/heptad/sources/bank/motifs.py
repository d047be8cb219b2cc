# SPDX-License-Identifier: Apache-2.0
"""Planted crime: card testing, impossible travel, account take-over, mule chains, smurfing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from heptad.sources.bank.draws import Bools, Ints, Words, below, chance, choose, field, weighted
from heptad.sources.bank.payments import (
    AUTHORISED,
    DECLINED,
    ONLINE,
    TERMINAL,
    Rows,
    row_number,
)
from heptad.sources.bank.people import NEVER, People
from heptad.sources.bank.world import (
    ASSETS,
    ELECTRONICS,
    FAR,
    JEWELLER,
    MARKETPLACE,
    SECOND,
    World,
)

if TYPE_CHECKING:
    from heptad.sources.bank.merchants import Merchants

TESTING, TRAVEL, TAKEOVER = range(3)
MOTIFS = ("card testing", "impossible travel", "account take-over")
FIRST_INDEX = 0x8000
"""Planted payments have row indices from here on, so that they never meet the usual ones."""
MOST_ROWS = 16
_SHARES = weighted([40, 25, 35])
_SHORTEST_HISTORY = 5


@dataclass(slots=True)
class Victims:
    """Customers met by card fraud, ordered by (day, customer); all arrays (n,) int64.

    Attributes:
        customer: who.
        day: when.
        motif: index into `MOTIFS`.
        second: second of the UTC day of the first payment.
        report: days until the victim reports it; `NEVER` if it is never noticed.
    """

    customer: Ints
    day: Ints
    motif: Ints
    second: Ints
    report: Ints


class Motifs:
    """The plan of all card fraud, and the payments that come of it."""

    def __init__(self, world: World, people: People, merchants: Merchants) -> None:
        self.world, self.people, self.merchants = world, people, merchants
        self.victims = self._plan()
        reported = self.victims.report < NEVER
        blocked = (self.victims.day + self.victims.report + 2)[reported]
        people.traits.replaced[self.victims.customer[reported]] = np.minimum(blocked, NEVER)

    def on(self, day: int) -> Ints:
        """Return the positions of the victims of a day."""
        return np.arange(*np.searchsorted(self.victims.day, [day, day + 1]))

    def strange_devices(self) -> tuple[Ints, Ints]:
        """Return whose accounts are taken over, and since when the thief's device is known."""
        found = self.victims.motif == TAKEOVER
        since = self.world.instant(self.victims.day[found])
        return self.victims.customer[found], since + (self.victims.second[found] - 60) * SECOND

    def payments(self, day: int) -> Rows:
        """Return the planted payments of a day, those of the genuine customer included."""
        return self.planted(day)[0]

    def planted(self, day: int) -> tuple[Rows, Bools, Ints]:
        """Return the planted payments of a day, whether each is fraud, and its victim."""
        chosen = self.on(day)
        counter = np.tile(np.arange(MOST_ROWS), len(chosen))
        victim = np.repeat(chosen, MOST_ROWS)
        customer, motif = self.victims.customer[victim], self.victims.motif[victim]
        row = row_number(day, customer, FIRST_INDEX + counter)
        words = self.world.draws.of("fraud", row)
        incident = self.world.draws.of("incident", customer)
        size = np.choose(
            motif, [6 + field(incident, 0, 3), 2 + field(incident, 0, 1), 3 + field(incident, 0, 2)]
        )
        rows = self._rows(motif, counter, size, words, row)
        rows.time = self.victims.second[victim] + self._pace(motif, words, len(chosen))
        kept = counter < size
        return rows.take(kept), ((motif != TRAVEL) | (counter > 0))[kept], victim[kept]

    def _plan(self) -> Victims:
        """Draw the victims of the history, and some more for the live day that follows it."""
        ids, words = self._history()
        day = 20 + below(self.world.draws.of("victim day", ids), self.world.days - 20)
        motif = choose(field(words, 0, 16), _SHARES)
        extra, kinds = self._live(ids)
        customer = np.concatenate([ids, extra])
        day = np.concatenate([day, np.full(len(extra), self.world.days)])
        motif = np.concatenate([motif, kinds])
        kept = self.people.traits.joined[customer] <= day - _SHORTEST_HISTORY
        customer, day, motif = customer[kept], day[kept], motif[kept]
        order = np.lexsort((customer, day))
        customer, day, motif = customer[order], day[order], motif[order]
        words = self.world.draws.of("victim time", customer)
        night = 3_600 + below(words, 4 * 3_600)
        second = np.where(motif == TAKEOVER, night, 7 * 3_600 + below(words, 13 * 3_600))
        delay = 1 + (field(words, 0, 8) * field(words, 8, 8) * 20 >> 16)
        report = np.where(field(words, 16, 8) < 10, NEVER, delay)
        return Victims(customer, day, motif, second, report)

    def _history(self) -> tuple[Ints, Words]:
        """Draw who is met by fraud during the history, block by block."""
        share = self.world.parameters.victims_per_million * self.world.days // 365
        found: list[Ints] = [np.empty(0, dtype=np.int64)]
        for low, high in self.world.blocks():
            ids = np.arange(low, high, dtype=np.int64)
            found.append(ids[chance(self.world.draws.of("victim", ids), share)])
        ids = np.concatenate(found)
        return ids, self.world.draws.of("victim", ids)

    def _live(self, taken: Ints) -> tuple[Ints, Ints]:
        """Draw victims of the live day, so that even a small bank shows each motif."""
        each = max(2, self.world.customers // 1500)
        kinds = np.repeat(np.arange(len(MOTIFS)), each)
        words = self.world.draws.of("live victim", np.arange(len(kinds)))
        drawn, first = np.unique(below(words, self.world.customers), return_index=True)
        new = ~np.isin(drawn, taken)
        return drawn[new], kinds[first[new]]

    def _rows(self, motif: Ints, counter: Ints, size: Ints, words: Words, row: Ints) -> Rows:
        """Decide merchant, price and means of each planted payment."""
        customer, day = (row >> 16) & 0xFFFFFF, row >> 40
        genuine = (motif == TRAVEL) & (counter == 0)
        last = counter >= size - 1 - (field(words, 0, 2) == 0)
        category = np.where(
            motif == TESTING,
            np.where(last, MARKETPLACE, MARKETPLACE + 1),
            np.where(field(words, 2, 1) == 0, MARKETPLACE, ASSETS),
        )
        shop = self.merchants.hot(category, day, words)
        there = np.array(FAR)[field(self.world.draws.of("far", customer), 0, 1)]
        goods = np.where(field(words, 3, 1) == 0, ELECTRONICS, JEWELLER)
        abroad = self.merchants.choose(customer, there, goods, words)
        home = self.people.traits.city[customer].astype(np.int64)
        market = self.merchants.choose(customer, home, np.zeros_like(home), words)
        merchant = np.where(motif == TRAVEL, np.where(genuine, market, abroad), shop)
        small, large = 50 + below(words, 250), 30_000 + below(words, 120_000)
        growing = 8_000 + counter * 9_000 + below(words, 6_000)
        cents = np.where(motif == TESTING, np.where(last, large, small), growing)
        cents = np.where(motif == TRAVEL, np.where(genuine, 900 + small * 10, large), cents)
        refused = (motif == TESTING) & ~last & (field(words, 4, 3) < 2)
        return Rows(
            row, counter, customer, merchant, cents,
            np.where(refused, DECLINED, AUTHORISED),
            np.where(motif == TRAVEL, TERMINAL, ONLINE),
            np.where(motif == TAKEOVER, 3, -1),
            np.zeros_like(row),
        )  # fmt: skip

    def _pace(self, motif: Ints, words: Words, incidents: int) -> Ints:
        """Return seconds since the first payment of each incident, rising by row."""
        gap = np.choose(
            motif,
            [20 + field(words, 8, 6), 480 + field(words, 8, 9), 180 + field(words, 8, 9)],
        ).reshape(incidents, MOST_ROWS)
        since: Ints = np.cumsum(gap, axis=1) - gap[:, :1]
        return since.reshape(-1)
