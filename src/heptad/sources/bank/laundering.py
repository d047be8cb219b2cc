# SPDX-License-Identifier: Apache-2.0
"""Planted transfers: mule chains, smurfing, emptied accounts, and loans spent where forbidden."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from heptad.sources.bank.draws import Ints, below, field
from heptad.sources.bank.lending import SINKS
from heptad.sources.bank.motifs import TAKEOVER
from heptad.sources.bank.payments import row_number
from heptad.sources.bank.transfers import ELSE, OUTSIDE, OWN, PERSON, SINK, Moves, moves

if TYPE_CHECKING:
    from heptad.sources.bank.lending import Lending
    from heptad.sources.bank.motifs import Motifs
    from heptad.sources.bank.people import People
    from heptad.sources.bank.world import World

SCHEMES = ("mule chain", "smurfing", "account take-over", "diverted loan")
CHAIN_LENGTH = 4
"""Mules in a chain."""
_DEPOSITS, _SMALL_DEPOSITS = 4, 12
_RING = 1 << 62
_OUTSIDERS = 900_000
_THRESHOLD = 1_000_000
"""Cents above which deposits are reported, and below which smurfs stay."""


class Laundering:
    """All planted transfers of the history, ordered by day.

    Attributes:
        day: (n,) day of each transfer.
        moves: the n transfers.
        scheme: (n,) index into `SCHEMES`.
        incident: (n,) number of the ring, the customer or the loan's row it belongs to.
    """

    def __init__(self, world: World, people: People, lending: Lending, motifs: Motifs) -> None:
        self.world, self.people, self.lending, self.motifs = world, people, lending, motifs
        parts = [self._chains(), self._smurfs(), self._emptied(), self._diverted()]
        day = np.concatenate([part[0] for part in parts])
        scheme = np.repeat(np.arange(len(parts)), [len(part[0]) for part in parts])
        incident = np.concatenate([part[2] for part in parts])
        every = Moves.joined([part[1] for part in parts])
        order = np.flatnonzero(day <= world.days)
        order = order[np.argsort(day[order], kind="stable")]
        self.day, self.moves = day[order], every.take(order)
        self.scheme, self.incident = scheme[order], incident[order]

    def on(self, day: int) -> Ints:
        """Return the positions of the transfers of a day."""
        return np.arange(*np.searchsorted(self.day, [day, day + 1]))

    def of_day(self, day: int) -> Moves:
        """Return the planted transfers of a day."""
        return self.moves.take(self.on(day))

    def _rings(self, purpose: str, per: int, members: int) -> tuple[Ints, Ints, Ints]:
        """Return day, start and members of rings; a ring without enough customers is dropped."""
        world = self.world
        count = max(2, world.customers * world.days // (365 * per))
        ring = np.arange(count)
        words = world.draws.of(purpose, ring)
        day = 15 + below(words, world.days - 20)
        who = ring[:, None] * 16 + np.arange(members)
        member = below(world.draws.of(purpose + " member", who.reshape(-1)), world.customers)
        member = member.reshape(count, members)
        ordered = np.sort(member, axis=1)
        distinct = (ordered[:, 1:] != ordered[:, :-1]).all(axis=1)
        fit = distinct & (self.people.traits.joined[member] <= day[:, None] - 5).all(axis=1)
        return day[fit], 7 * 3600 + field(words, 0, 13)[fit], member[fit]

    def _chains(self) -> tuple[Ints, Moves, Ints]:
        """Return rings in which money comes in at the first mule and leaves at the last."""
        day, start, mule = self._rings("chain", 400, CHAIN_LENGTH)
        ring, draws = np.arange(len(day)), self.world.draws
        paid = np.stack([draws.of("chain deposit", ring, j) for j in range(_DEPOSITS)], axis=1)
        deposits = 150_000 + below(paid, 340_000)
        parts = []
        for j in range(_DEPOSITS):
            row, time = _ring_row(ring, j), start + j * 700 + field(paid[:, j], 0, 8)
            other = OUTSIDE, below(paid[:, j] << np.uint64(9), _OUTSIDERS)
            parts.append(moves(row, time, mule[:, 0], other, 0, (deposits[:, j], PERSON)))
        held, time = deposits.sum(axis=1), start + _DEPOSITS * 700 + 300
        for j in range(CHAIN_LENGTH):
            words = draws.of("chain hop", ring, j)
            held, time = held * (92 + below(words, 6)) // 100, time + 900 + field(words, 0, 11)
            row = _ring_row(ring, 16 + 2 * j)
            if j == CHAIN_LENGTH - 1:
                away = OUTSIDE, below(words << np.uint64(9), _OUTSIDERS)
                parts.append(moves(row, time, mule[:, j], away, 1, (held, ELSE)))
                break
            sent = OWN, mule[:, j + 1]
            got = OWN, mule[:, j]
            parts.append(moves(row, time, mule[:, j], sent, 1, (held, PERSON)))
            parts.append(moves(row + 1, time + 1, mule[:, j + 1], got, 0, (held, PERSON)))
        return np.tile(day, len(parts)), Moves.joined(parts), np.tile(ring, len(parts))

    def _smurfs(self) -> tuple[Ints, Moves, Ints]:
        """Return accounts filled by many deposits just below the threshold, then emptied."""
        day, start, member = self._rings("smurf", 600, 1)
        ring, who = np.arange(len(day)), member[:, 0]
        parts, days, total = [], [], np.zeros_like(day)
        for j in range(_SMALL_DEPOSITS):
            words = self.world.draws.of("smurf deposit", ring, j)
            cents = _THRESHOLD - 1_000 * (5 + below(words, 95))
            total += cents
            time = start + j % 4 * 3_000 + field(words, 0, 11)
            other = OUTSIDE, below(words << np.uint64(9), _OUTSIDERS)
            row = _ring_row(ring + (1 << 32), j)
            parts.append(moves(row, time, who, other, 0, (cents, PERSON)))
            days.append(day + j // 4)
        row, other = _ring_row(ring + (1 << 32), 99), (OUTSIDE, ring % _OUTSIDERS)
        parts.append(moves(row, start, who, other, 1, (total * 9 // 10, ELSE)))
        days.append(day + 4)
        return np.concatenate(days), Moves.joined(parts), np.tile(ring, len(parts))

    def _emptied(self) -> tuple[Ints, Moves, Ints]:
        """Return what thieves send away from accounts that they have taken over."""
        victims = self.motifs.victims
        who = np.flatnonzero(victims.motif == TAKEOVER)
        customer, day = victims.customer[who], victims.day[who]
        words = self.world.draws.of("emptied", customer)
        other = OUTSIDE, below(words << np.uint64(9), _OUTSIDERS)
        cents = 150_000 + below(words, 650_000)
        row, time = row_number(day, customer, 0x5000), victims.second[who] + 600
        return day, moves(row, time, customer, other, 1, (cents, PERSON)), customer

    def _diverted(self) -> tuple[Ints, Moves, Ints]:
        """Return what borrowers send to forbidden places within days of being paid out."""
        loans = self.lending.loans
        customer, slot = loans.customer.astype(np.int64), loans.slot.astype(np.int64)
        bad = self.lending.diverted(customer, slot)
        customer, slot, start = customer[bad], slot[bad], loans.start[bad].astype(np.int64)
        asked = self.lending.asked(customer, slot, self.people.traits.take(customer))
        words = self.world.draws.of("diverted how", customer, slot)
        day, time = start + 1 + field(words, 0, 1), 9 * 3600 + field(words, 1, 14)
        whole = asked.amount * (82 + below(words, 16)) // 100
        first = np.where(field(words, 15, 1) == 0, whole, whole * 6 // 10)
        other = SINK, field(words, 16, 8) % SINKS
        row = row_number(start, customer, 0x6000 + slot * 2)
        one = moves(row, time, customer, other, 1, (first, ELSE))
        two = moves(row + 1, time + 5_000, customer, other, 1, (whole - first, ELSE))
        two = two.take(np.flatnonzero(whole > first))
        again = day[whole > first]
        return (
            np.concatenate([day, again]),
            Moves.joined([one, two]),
            np.concatenate([row, two.row - 1]),
        )


def _ring_row(ring: Ints, index: int) -> Ints:
    """Return the row number of a transfer of a ring, apart from those of `row_number`."""
    return _RING | (ring << 16) | index
