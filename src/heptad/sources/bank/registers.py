# SPDX-License-Identifier: Apache-2.0
"""The registers kept about customers: Customer, Account, Card, Device, Consent."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

import numpy as np

from heptad.sources.bank.digits import card_numbers, decimal, ibans
from heptad.sources.bank.draws import Ints, Words, bell, below, field
from heptad.sources.bank.names import FIRST, LAST
from heptad.sources.bank.people import NEVER, RETIRED, STUDENT, People
from heptad.sources.bank.world import CITIES, DAY, MISSING, SECOND, Columns, World

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from heptad.sources.bank.motifs import Motifs

_DEVICES = np.array([b"phone", b"computer", b"tablet", b"other"])


class Registers:
    """Rows of the tables about customers, block by block, in order of customer."""

    def __init__(self, world: World, people: People, motifs: Motifs) -> None:
        self.world, self.people, self.motifs = world, people, motifs

    def customers(self) -> Iterator[Columns]:
        """Yield Customer: one row when they join, a second one when their income is updated."""
        for ids in self._blocks():
            words = self.world.draws.of("register", ids)
            since = self.people.traits.joined[ids].astype(np.int64)
            first = self._customer_rows(ids, since, words)
            again = field(words, 0, 8) < 18
            later = 30 + below(words, max(self.world.days - 30, 1))
            again &= (later > since + 20) & (later < self.world.days)
            yield _stacked(first, self._customer_rows(ids[again], later[again], words[again]))

    def _customer_rows(self, ids: Ints, day: Ints, words: Words) -> Columns:
        """Return the rows of customers as they stand from a day on."""
        traits = self.people.traits.take(ids)
        event_time = self.world.instant(day) + (8 * 3600 + field(words, 8, 14)) * SECOND
        event_time[day == traits.joined] = self.world.instant(day[day == traits.joined])
        names, mails = self._names(ids)
        lat, lon = self._homes(ids)
        city = np.array([c.name for c in CITIES])[self._home_city(ids)]
        segment = np.where(traits.kind == STUDENT, "student", "standard")
        return {
            "id": decimal(ids, 8, "C"),
            "event_time": event_time,
            "name": names,
            "tax_number": decimal(self.people.original(ids) * 7 + 10_000_019, 9, "T"),
            "email": mails,
            "phone": decimal(self._phones(ids), 8, "+346"),
            "home_lat": lat,
            "home_lon": lon,
            "birth": self._births(ids),
            "city": city,
            "country": np.array([c.country for c in CITIES], dtype="S2")[self._home_city(ids)],
            "segment": np.where(traits.income > 350_000, "premium", segment),
            "income": traits.income_on(np.maximum(day, 0)) // 1000 * 1000,
            "currency": np.full(len(ids), b"EUR"),
            "since": self.world.instant(traits.joined) // DAY,
            "known_time": event_time + SECOND,
        }

    def accounts(self) -> Iterator[Columns]:
        """Yield Account: a current account each, and a savings account for those who save."""
        for ids in self._blocks():
            traits = self.people.traits.take(ids)
            since = self.world.instant(traits.joined)
            saves = np.flatnonzero(traits.strain < 120)
            current = self._account_rows(ids, since, "A", b"current")
            yield _stacked(current, self._account_rows(ids[saves], since[saves], "S", b"savings"))

    def _account_rows(self, ids: Ints, since: Ints, prefix: str, kind: bytes) -> Columns:
        return {
            "id": decimal(ids, 9, prefix),
            "event_time": since,
            "customer": decimal(ids, 8, "C"),
            "iban": ibans(ids * 2 + (prefix == "S")),
            "kind": np.full(len(ids), kind),
            "currency": np.full(len(ids), b"EUR"),
            "opened": since // DAY,
            "status": np.full(len(ids), b"open"),
            "known_time": since,
        }

    def cards(self) -> Iterator[Columns]:
        """Yield Card: issued, and where fraud was reported blocked and replaced."""
        for ids in self._blocks():
            traits = self.people.traits.take(ids)
            issued = self.world.instant(traits.joined)
            two, bad = np.flatnonzero(traits.cards > 1), np.flatnonzero(traits.replaced < NEVER)
            again = self.world.instant(traits.replaced[bad])
            parts = [
                self._card_rows(ids, issued, 0, b"active"),
                self._card_rows(ids[two], issued[two], 1, b"active"),
                self._card_rows(ids[bad], again, 0, b"blocked"),
                self._card_rows(ids[bad], again, 2, b"active"),
            ]
            yield _stacked(*parts)

    def _card_rows(self, ids: Ints, since: Ints, slot: int, status: bytes) -> Columns:
        return {
            "id": decimal(ids * 4 + slot, 9, "K"),
            "event_time": since,
            "customer": decimal(ids, 8, "C"),
            "account": decimal(ids, 9, "A"),
            "number": card_numbers(ids * 4 + slot),
            "status": np.full(len(ids), status),
            "known_time": since,
        }

    def devices(self) -> Iterator[Columns]:
        """Yield Device: the customers' own, then those that thieves signed in with."""
        for ids in self._blocks():
            since = self.world.instant(self.people.traits.joined[ids])
            two = np.flatnonzero(self.people.traits.devices[ids] > 1)
            second = self._device_rows(ids[two], since[two], 1)
            yield _stacked(self._device_rows(ids, since, 0), second)
        taken, since = self.motifs.strange_devices()
        yield self._device_rows(taken, since, 3)

    def _device_rows(self, ids: Ints, since: Ints, slot: int) -> Columns:
        return {
            "id": decimal(ids * 4 + slot, 9, "D"),
            "event_time": since,
            "customer": decimal(ids, 8, "C"),
            "kind": np.full(len(ids), _DEVICES[slot]),
            "known_time": since,
        }

    def consents(self) -> Iterator[Columns]:
        """Yield Consent: to marketing and to scoring by behaviour, some of it withdrawn later."""
        for ids in self._blocks():
            since = self.world.instant(self.people.traits.joined[ids])
            parts = []
            for slot, (purpose, share) in enumerate(((b"marketing", 170), (b"scoring", 230))):
                words = self.world.draws.of("consent", ids * 2 + slot)
                gives = np.flatnonzero(field(words, 0, 8) < share)
                later = self.world.instant(below(words, self.world.days))
                later += field(words, 16, 16) * SECOND
                leaves = gives[(field(words[gives], 8, 8) < 25) & (later[gives] > since[gives])]
                parts.append(self._consent_rows(ids[gives], since[gives], slot, purpose))
                ended = self._consent_rows(ids[leaves], later[leaves], slot, purpose)
                parts.append(ended | {"status": np.full(len(leaves), b"withdrawn")})
            yield _stacked(*parts)

    def _consent_rows(self, ids: Ints, since: Ints, slot: int, purpose: bytes) -> Columns:
        return {
            "id": decimal(ids * 2 + slot, 9, "N"),
            "event_time": since,
            "customer": decimal(ids, 8, "C"),
            "purpose": np.full(len(ids), purpose),
            "scope": np.full(len(ids), b"behaviour"),
            "mode": np.full(len(ids), b"direct"),
            "status": np.full(len(ids), b"active"),
            "until": np.full(len(ids), MISSING),
            "known_time": since,
        }

    def _blocks(self) -> Iterator[Ints]:
        for low, high in self.world.blocks():
            yield np.arange(low, high, dtype=np.int64)

    def _home_city(self, ids: Ints) -> Ints:
        """Return the city of each customer's entry; a second entry repeats the first one's."""
        return self.people.traits.city[self.people.original(ids)].astype(np.int64)

    def _homes(self, ids: Ints) -> tuple[Ints, Ints]:
        """Return where the homes are, in 1e-7 degrees: one place per household."""
        words = self.world.draws.of("home place", self.people.household(self.people.original(ids)))
        city = self._home_city(ids)
        lat = np.array([c.lat for c in CITIES], dtype=np.int64)[city] * 1000
        lon = np.array([c.lon for c in CITIES], dtype=np.int64)[city] * 1000
        east = bell(words * np.uint64(3) + np.uint64(1))
        return lat + (bell(words) * 400_000 >> 16), lon + (east * 550_000 >> 16)

    def ages(self, ids: Ints) -> Ints:
        """Return ages in days at the start of the history."""
        kind = self.people.traits.kind[ids]
        young, span = np.full(len(ids), 23), np.full(len(ids), 42)
        young[kind == RETIRED], span[kind == RETIRED] = 64, 24
        young[kind == STUDENT], span[kind == STUDENT] = 18, 9
        return young * 365 + below(self.world.draws.of("birth", ids), span * 365)

    def _births(self, ids: Ints) -> Ints:
        return self.world.start // DAY - self.ages(self.people.original(ids))

    def _phones(self, ids: Ints) -> Ints:
        return below(self.world.draws.of("phone", self.people.original(ids)), 100_000_000)

    def _names(self, ids: Ints) -> tuple[NDArray[np.str_], NDArray[np.str_]]:
        """Return full names and e-mail addresses; a second entry is written a little otherwise."""
        original = self.people.original(ids)
        words = self.world.draws.of("first name", original)
        last = self.world.draws.of("last name", self.people.household(original))
        slips = self.world.draws.of("slip", ids)
        names, mails = [], []
        rows = zip(
            ids.tolist(), original.tolist(), below(words, len(FIRST)).tolist(),
            below(last, len(LAST)).tolist(), below(slips, 4).tolist(), strict=True,
        )  # fmt: skip
        for own, first, given, family, slip in rows:
            name = f"{FIRST[given]} {LAST[family]}"
            names.append(name if own == first else misspelt(name, slip))
            mails.append(f"{plain(FIRST[given])}.{own}@example.org".lower())
        return np.array(names), np.array(mails)


def misspelt(name: str, slip: int) -> str:
    """Return a name as another clerk would type it: one of four slips.

    >>> [misspelt("José Peña", slip) for slip in range(4)]
    ['Jose Pena', 'Peña, José', 'JOSÉ PEÑA', 'José Peñ']
    """
    first, _, last = name.partition(" ")
    forms = (plain(name), f"{last}, {first}", name.upper(), name[:-1])
    return forms[slip] if forms[slip] != name else name[0] + name[2:]


def plain(text: str) -> str:
    """Return text without accents."""
    apart = unicodedata.normalize("NFKD", text.replace("ß", "ss").replace("ø", "o"))
    return "".join(c for c in apart if not unicodedata.combining(c))


def _stacked(*parts: Columns) -> Columns:
    """Return parts of the same columns as one, by customer, so that blocks leave no trace."""
    whole = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    order = np.argsort(whole["customer" if "customer" in whole else "id"], kind="stable")
    return {name: values[order] for name, values in whole.items()}
