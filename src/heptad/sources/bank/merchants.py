# SPDX-License-Identifier: Apache-2.0
"""Merchants: where they stand, what they sell, how customers choose among them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from heptad.sources.bank.digits import decimal
from heptad.sources.bank.draws import Ints, Words, bell, below, field
from heptad.sources.bank.names import INDUSTRIES, SHOPS
from heptad.sources.bank.world import (
    CATEGORIES,
    CITIES,
    CURRENCIES,
    CURRENCY_OF,
    DAY,
    MISSING,
    Columns,
    World,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

ONLINE_COUNTRIES = ("ES", "DE", "FR", "NL", "IE", "LU", "US", "GB", "CN", "MT")
COUNTRIES = tuple(dict.fromkeys([*(city.country for city in CITIES), *ONLINE_COUNTRIES]))
MOST_MERCHANTS = 200_000
_HOT = 12
"""Sites that thieves like to use, per category and month."""


class Merchants:
    """All merchants: those of one city and category have consecutive numbers.

    Attributes:
        count: how many there are.
        first: (cities + 1, categories) number of the first of each group; the last row is online.
        size: (cities + 1, categories) how many each group has.
        city, category, country, currency: (count,) indices.
        lat, lon: (count,) place in 1e-7 degrees, `MISSING` online.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self.size = self._sizes()
        flat = self.size.reshape(-1)
        self.first = (np.cumsum(flat) - flat).reshape(self.size.shape)
        self.count = int(flat.sum())
        group = np.repeat(np.arange(flat.size), flat)
        self.city, self.category = np.divmod(group, len(CATEGORIES))
        self._settle(self.world.draws.of("merchant", np.arange(self.count)))

    def _sizes(self) -> Ints:
        """Decide how many merchants each city and category has, growing with the customers."""
        total = min(MOST_MERCHANTS, 500 + self.world.customers // 20)
        weights = np.array([max(city.weight, 10) for city in CITIES], dtype=np.int64)
        shares = np.array([category.share for category in CATEGORIES], dtype=np.int64)
        online = np.array([category.online for category in CATEGORIES], dtype=np.int64)
        here = total * weights[:, None] * shares // (weights.sum() * shares.sum())
        there = total * shares // shares.sum()
        standing = np.maximum(here, 2) * (1 - online)
        return np.vstack([standing, np.maximum(there, _HOT + 4) * online])

    def _settle(self, words: Words) -> None:
        """Place each merchant near the centre of its city, or in a country if it is online."""
        online = self.city == len(CITIES)
        home = np.where(online, 0, self.city)
        lat = np.array([c.lat for c in CITIES], dtype=np.int64)[home] * 1000
        lon = np.array([c.lon for c in CITIES], dtype=np.int64)[home] * 1000
        north, east = bell(words), bell(words * np.uint64(3) + np.uint64(1))
        self.lat = np.where(online, MISSING, lat + (north * 300_000 >> 16))
        self.lon = np.where(online, MISSING, lon + (east * 420_000 >> 16))
        index = {code: n for n, code in enumerate(COUNTRIES)}
        of_city = np.array([index[c.country] for c in CITIES], dtype=np.int64)[home]
        of_site = np.array([index[c] for c in ONLINE_COUNTRIES], dtype=np.int64)
        self.country = np.where(online, of_site[below(words, len(ONLINE_COUNTRIES))], of_city)
        money = [CURRENCIES.index(CURRENCY_OF.get(code, "EUR")) for code in COUNTRIES]
        self.currency = np.array(money, dtype=np.int64)[self.country]
        self.ids = decimal(np.arange(self.count), 7, "M")

    def choose(self, customer: Ints, city: Ints, category: Ints, words: Words) -> Ints:
        """Choose a merchant per payment: mostly one of two favourites, else a popular one.

        Args:
            customer: (n,) who pays.
            city: (n,) where the customer is.
            category: (n,) what is bought.
            words: (n,) one word per payment.
        """
        online = np.array([c.online for c in CATEGORIES], dtype=np.bool_)
        row = np.where(online[category], len(CITIES), city)
        size, first = self.size[row, category], self.first[row, category]
        habit = (customer * 64 + category) * 32 + city * 2 + field(words, 0, 1)
        favourite = below(self.world.draws.of("favourite", habit), size)
        uniform = field(words, 20, 16)
        popular = (uniform * uniform >> 16) * size >> 16
        return first + np.where(field(words, 1, 8) < 160, favourite, popular)

    def hot(self, category: Ints, day: Ints, words: Words) -> Ints:
        """Choose the online merchants of a category where thieves buy in this month."""
        row = len(CITIES)
        size = self.size[row, category]
        kept = (category * 4096 + day // 28) * 4 + field(words, 0, 2)
        first: Ints = self.first[row, category]
        return first + below(self.world.draws.of("hot", kept), size)

    def table(self) -> Iterator[Columns]:
        """Yield the rows of Merchant."""
        n = np.arange(self.count)
        words = self.world.draws.of("merchant name", n)
        names = [
            f"{CATEGORIES[c].name} {SHOPS[w]} {k}"
            for c, w, k in zip(self.category, below(words, len(SHOPS)), n, strict=True)
        ]
        cities = np.array([*(city.name for city in CITIES), ""])
        codes = np.array([c.code for c in CATEGORIES], dtype="S4")
        since = self.world.instant(-400 - field(words, 0, 11))
        yield {
            "id": self.ids,
            "event_time": since,
            "company": decimal(n % companies(self.world), 6, "E"),
            "name": np.array(names),
            "category": codes[self.category],
            "country": np.array(COUNTRIES, dtype="S2")[self.country],
            "city": cities[self.city],
            "place_lat": self.lat,
            "place_lon": self.lon,
            "known_time": since,
        }


def companies(world: World) -> int:
    """Return how many companies there are: employers, and owners of merchants."""
    return 20 + min(world.customers // 25, 100_000)


def company_table(world: World) -> Iterator[Columns]:
    """Yield the rows of Company."""
    n = np.arange(companies(world))
    words = world.draws.of("company", n)
    home = np.array([city.country for city in CITIES if city.weight], dtype="S2")
    names = [
        f"{SHOPS[a]} & {SHOPS[b]} {k}"
        for a, b, k in zip(field(words, 0, 16) % 24, field(words, 16, 16) % 24, n, strict=True)
    ]
    since = world.instant(-500 - field(words, 32, 12))
    yield {
        "id": decimal(n, 6, "E"),
        "event_time": since,
        "name": np.array(names),
        "industry": np.array(INDUSTRIES, dtype="S5")[below(words, len(INDUSTRIES))],
        "country": home[field(words, 44, 12) % len(home)],
        "founded": (since // DAY) - 30 - field(words, 0, 13),
        "known_time": since,
    }
