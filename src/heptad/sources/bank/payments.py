# SPDX-License-Identifier: Apache-2.0
"""Payments: who pays on a day, when, where and how much, in time order."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np

from heptad.sources.bank.digits import Bytes, card_numbers, decimal, scrambled
from heptad.sources.bank.draws import (
    Bools,
    Ints,
    Words,
    chance,
    choose,
    field,
    poisson,
    spread,
    weighted,
)
from heptad.sources.bank.merchants import COUNTRIES, Merchants
from heptad.sources.bank.world import (
    CASH,
    CATEGORIES,
    CITIES,
    CURRENCIES,
    SECOND,
    Columns,
    World,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from heptad.sources.bank.motifs import Motifs
    from heptad.sources.bank.people import People

TERMINAL, ONLINE, WALLET, ATM = range(4)
CHANNELS = np.array(["terminal", "online", "wallet", "atm"], dtype="S8")
AUTHORISED, DECLINED, REVERSED = range(3)
STATUSES = np.array(["authorised", "declined", "reversed"], dtype="S10")
LATE_PER_MILLION = 4_000
"""Payments that reach the bank's books between six hours and five days late."""
_SUBSCRIPTION = 11
_TRIP = 28

_USUAL = weighted([c.share for c in CATEGORIES])
_STRAINED = weighted([c.strained_share for c in CATEGORIES])
_MEDIAN = np.array([c.median for c in CATEGORIES], dtype=np.int64)
_SIGMA = np.array([c.sigma for c in CATEGORIES], dtype=np.int64)
_WEEKEND = np.array([c.weekend for c in CATEGORIES], dtype=np.int64)
_IS_ONLINE = np.array([c.online for c in CATEGORIES], dtype=np.bool_)
_TRIPS_TO = weighted([8 if c.weight else 24 for c in CITIES])


@dataclass(slots=True)
class Rows:
    """Payments of one day before they are written out; all arrays (n,) int64.

    Attributes:
        row: unique number of the payment, from its day, customer and index.
        time: seconds of the UTC day.
        customer, merchant: numbers.
        cents: price in cents of a euro.
        status, channel: indices into `STATUSES`, `CHANNELS`.
        device: 0 or 1 one of the customer's own, 3 a stranger's, -1 none.
        second: whether the customer's second card was used.
    """

    row: Ints
    time: Ints
    customer: Ints
    merchant: Ints
    cents: Ints
    status: Ints
    channel: Ints
    device: Ints
    second: Ints

    def take(self, rows: Ints | Bools | slice) -> Rows:
        """Return some of the rows."""
        return Rows(*(getattr(self, f.name)[rows] for f in fields(self)))

    def put(self, where: Ints, other: Rows) -> None:
        """Overwrite the rows at `where` by those of another."""
        for f in fields(self):
            getattr(self, f.name)[where] = getattr(other, f.name)


def row_number(day: int | Ints, customer: Ints, index: Ints | int) -> Ints:
    """Return the unique number of a row: 24 bits of day, 24 of customer, 16 of index."""
    return (np.asarray(day, dtype=np.int64) << 40) | (customer << 16) | index


class Payments:
    """The payments of all customers."""

    def __init__(self, world: World, people: People, merchants: Merchants, motifs: Motifs) -> None:
        self.world, self.people, self.merchants, self.motifs = world, people, merchants, motifs

    def stream(self, first: int, after: int, rows: int = 65_536) -> Iterator[Columns]:
        """Yield the payments of the days [first, after) in order of (event_time, row number).

        Memory is bounded by 32 bytes per payment of one day, by one block of customers and by
        one batch; neither size changes what is yielded.

        Args:
            first: day counted from the start of the history.
            after: the first day no longer wanted.
            rows: most rows of a batch.
        """
        for day in range(first, after):
            time, row = self._keys(day)
            planted = self.motifs.payments(day)
            time = np.concatenate([time, planted.time])
            row = np.concatenate([row, planted.row])
            order = np.lexsort((row, time))
            usual = len(time) - len(planted.time)
            for low in range(0, len(order), rows):
                chosen = order[low : low + rows]
                batch = self._choices(day, time[chosen], row[chosen])
                if len(planted.time):
                    where = np.flatnonzero(chosen >= usual)
                    batch.put(where, planted.take(chosen[where] - usual))
                yield self.written(day, batch)

    def counts(self, day: int, ids: Ints) -> Ints:
        """Return how many payments each of some customers makes on a day."""
        traits = self.people.traits
        since = (self.world.date(day).day - traits.payday[ids].astype(np.int64)) % 30
        cycle = np.where(since < 6, 300, np.where(since > 22, 226, 250))
        rate = traits.rate[ids].astype(np.int64) * cycle * self.world.busy(day) >> 16
        rate[traits.joined[ids] > day] = 0
        return poisson(self.world.draws.of("payments", ids, day), rate)

    def seconds(self, day: int, row: Ints) -> Ints:
        """Return at which second of the UTC day each usual payment is made."""
        words = self.world.draws.of("payment time", row)
        local = choose(field(words, 0, 16), self.world.clock) + field(words, 20, 5)
        city = self.people.traits.city[(row >> 16) & 0xFFFFFF]
        shift: Ints = self.world.offsets(day)[city] * 3600
        return (local - shift) % 86_400

    def _keys(self, day: int) -> tuple[Ints, Ints]:
        """Return second of the day and row number of the usual payments of a day."""
        times, rows = [], []
        for low, high in self.world.blocks():
            ids = np.arange(low, high, dtype=np.int64)
            counts = self.counts(day, ids)
            starts = np.repeat(np.cumsum(counts) - counts, counts)
            row = row_number(day, np.repeat(ids, counts), np.arange(len(starts)) - starts)
            times.append(self.seconds(day, row))
            rows.append(row)
        return np.concatenate(times), np.concatenate(rows)

    def _choices(self, day: int, time: Ints, row: Ints) -> Rows:
        """Decide what is bought, where, for how much, by which means."""
        customer, of = (row >> 16) & 0xFFFFFF, self.world.draws.of
        traits, words = self.people.traits, of("payment", row)
        since_shock = day - traits.shock[customer].astype(np.int64)
        shocked = (since_shock >= 0) & (since_shock < traits.shock_days[customer])
        strain = np.minimum(traits.strain[customer].astype(np.int64) + 60 * shocked, 255)
        troubled = field(words, 56, 8) < strain - 96
        what = field(words, 0, 16)
        category = np.where(troubled, choose(what, _STRAINED), choose(what, _USUAL))
        merchant = self.merchants.choose(
            customer, self._whereabouts(day, customer), category, of("payment merchant", row)
        )
        refused = 12_000 + np.maximum(strain - 110, 0) * 900
        fate = field(words, 36, 20) * 1_000_000 >> 20
        status = np.where(fate < refused, DECLINED, np.where(fate > 994_000, REVERSED, AUTHORISED))
        channel = np.where(field(words, 16, 8) < 70, WALLET, TERMINAL)
        channel = np.where(_IS_ONLINE[category], ONLINE, np.where(category == CASH, ATM, channel))
        own = (field(words, 24, 8) < 64) & (traits.devices[customer] > 1)
        device = np.where((channel == ONLINE) | (channel == WALLET), own, -1)
        second = (traits.cards[customer] > 1) & (field(words, 32, 4) < 5)
        cents = self._cents(day, customer, category, of("payment amount", row))
        return Rows(
            row, time, customer, merchant, cents, status, channel, device, second.astype(np.int64)
        )

    def _cents(self, day: int, customer: Ints, category: Ints, words: Words) -> Ints:
        """Draw prices: log-normal around the category's median, at the customer's scale."""
        on = self.world.date(day)
        level = _MEDIAN[category]
        if on.weekday() > 4:
            level = level * _WEEKEND[category] >> 8
        scale = self.people.traits.scale[customer].astype(np.int64)
        cents = spread(level * scale >> 10, words, _SIGMA[category])
        cash = np.maximum(cents // 1000, 1) * 1000
        plan = np.maximum(_MEDIAN[category] * (1 + field(words, 7, 2)) // 200, 1) * 100 + 99
        cents = np.where(category == CASH, cash, np.where(category == _SUBSCRIPTION, plan, cents))
        return np.clip(cents, 50, 2_000_000)

    def _whereabouts(self, day: int, customer: Ints) -> Ints:
        """Return the city where each customer is on a day: at home, or on a trip."""
        words = self.world.draws.of("trip", customer, day // _TRIP)
        warm = self.world.date(day).month in (7, 8, 12)
        away = chance(words, 120_000 if warm else 50_000)
        begins = field(words, 0, 16) * 20 >> 16
        phase = day % _TRIP - begins
        away &= (phase >= 0) & (phase < 2 + field(words, 16, 3))
        city = self.people.traits.city[customer].astype(np.int64)
        return np.where(away, choose(field(words, 19, 13) << 3, _TRIPS_TO), city)

    def written(self, day: int, rows: Rows) -> Columns:
        """Return the rows as columns of Payment, with known_time."""
        shops, draws = self.merchants, self.world.draws
        currency = shops.currency[rows.merchant]
        prices = self.world.prices[:, day]
        event_time = self.world.instant(day) + rows.time * SECOND
        late = draws.of("payment late", rows.row)
        delay = np.where(
            chance(late, LATE_PER_MILLION),
            6 * 3600 + field(late, 0, 24) * (5 * 86_400 - 6 * 3600) // 2**24,
            1 + field(late, 0, 2),
        )
        has_device = rows.device >= 0
        device = decimal(rows.customer * 4 + np.maximum(rows.device, 0), 9, "D")
        return {
            "id": self.ids(rows.row),
            "event_time": event_time,
            "customer": decimal(rows.customer, 8, "C"),
            "merchant": shops.ids[rows.merchant],
            "country": np.array(COUNTRIES, dtype="S2")[shops.country[rows.merchant]],
            "amount": np.maximum(rows.cents * prices[currency] >> 16, 1),
            "currency": np.array(CURRENCIES, dtype="S3")[currency],
            "card": card_numbers(self.people.card_keys(rows.customer, day, rows.second)),
            "device": np.where(has_device, device, b""),
            "channel": CHANNELS[rows.channel],
            "status": STATUSES[rows.status],
            "place_lat": shops.lat[rows.merchant],
            "place_lon": shops.lon[rows.merchant],
            "known_time": event_time + delay * SECOND,
        }

    def ids(self, row: Ints) -> Bytes:
        """Return the ids of payments by their row numbers."""
        return scrambled(row, self.world.draws.key("payment id"))
