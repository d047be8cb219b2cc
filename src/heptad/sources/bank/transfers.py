# SPDX-License-Identifier: Apache-2.0
"""Transfers: salaries, rents, bills, savings, money between persons, loans and their service."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np

from heptad.sources.bank.digits import Bytes, decimal, scrambled
from heptad.sources.bank.draws import Ints, Words, below, chance, field, spread
from heptad.sources.bank.merchants import companies
from heptad.sources.bank.payments import row_number
from heptad.sources.bank.people import (
    OWNER,
    RETIRED,
    SELF_EMPLOYED,
    STUDENT,
    Traits,
)
from heptad.sources.bank.world import PERIOD, SECOND, Columns, World

if TYPE_CHECKING:
    from collections.abc import Iterator

    from heptad.sources.bank.laundering import Laundering
    from heptad.sources.bank.lending import Book, Lending
    from heptad.sources.bank.people import People

KINDS = np.array(
    ["salary", "rent", "bill", "person", "loan", "repayment", "savings", "other"], dtype="S9"
)
SALARY, RENT, BILL, PERSON, LOAN, REPAYMENT, SAVINGS, ELSE = range(8)
PARTIES = np.array([b"A", b"E", b"L", b"U", b"B", b"X", b"K", b"S", b"O"])
"""Whose the other account is: own customer, employer, landlord, utility, bank, outside person,
forbidden sink, own savings, other lender."""
OWN, EMPLOYER, LANDLORD, UTILITY, BANK, OUTSIDE, SINK, PURSE, LENDER = range(9)
_LONGEST_DELAY = 4
"""Periods within which an instalment is paid, or the loan is in default."""


@dataclass(slots=True)
class Moves:
    """Transfers of one day before they are written out; all arrays (n,) int64.

    Attributes:
        row: unique number of the transfer.
        time: seconds of the UTC day.
        customer: on whose account it is booked.
        party, number: the other account.
        out: 1 away from the customer, 0 towards.
        cents: amount in cents of a euro.
        kind: index into `KINDS`.
    """

    row: Ints
    time: Ints
    customer: Ints
    party: Ints
    number: Ints
    out: Ints
    cents: Ints
    kind: Ints

    def take(self, rows: Ints | slice) -> Moves:
        """Return some of the rows."""
        return Moves(*(getattr(self, f.name)[rows] for f in fields(self)))

    @classmethod
    def joined(cls, parts: list[Moves]) -> Moves:
        """Return several as one."""
        return cls(*(np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(cls)))


def moves(
    row: Ints, time: Ints, customer: Ints, other: tuple[int, Ints], out: int, what: tuple[Ints, int]
) -> Moves:
    """Build transfers of one kind: `other` is (party, number), `what` is (cents, kind)."""
    full = np.full_like(row, 1)
    return Moves(
        row, time, customer, full * other[0], other[1], full * out, what[0], full * what[1]
    )


class Transfers:
    """The transfers of all customers."""

    def __init__(
        self, world: World, people: People, lending: Lending, laundering: Laundering
    ) -> None:
        self.world, self.people, self.lending, self.laundering = world, people, lending, laundering

    def stream(self, first: int, after: int, rows: int = 65_536) -> Iterator[Columns]:
        """Yield the transfers of the days [first, after) in order of (event_time, row number)."""
        for day in range(first, after):
            found = self.of_day(day)
            order = np.lexsort((found.row, found.time))
            for low in range(0, len(order), rows):
                yield self.written(day, found.take(order[low : low + rows]))

    def of_day(self, day: int) -> Moves:
        """Return all transfers of a day, unordered."""
        parts = [self.laundering.of_day(day)]
        for low, high in self.world.blocks():
            ids = np.arange(low, high, dtype=np.int64)[self.people.traits.joined[low:high] <= day]
            parts += self._incomes(day, ids) + self._standing(day, ids) + self._between(day, ids)
        loans = self.lending.loans
        started = loans.take(np.flatnonzero(loans.start == day))
        parts += [self._paid_out(day, started), self._served(day, loans)]
        return Moves.joined(parts)

    def written(self, day: int, rows: Moves) -> Columns:
        """Return the rows as columns of Transfer, with known_time."""
        event_time = self.world.instant(day) + rows.time * SECOND
        number = decimal(rows.number, 9)
        return {
            "id": self.ids(rows.row),
            "event_time": event_time,
            "customer": decimal(rows.customer, 8, "C"),
            "account": decimal(rows.customer, 9, "A"),
            "counterparty": np.char.add(PARTIES[rows.party], number),
            "direction": np.array([b"in", b"out"])[rows.out],
            "amount": rows.cents,
            "currency": np.full(len(rows.row), b"EUR"),
            "kind": KINDS[rows.kind],
            "known_time": event_time + SECOND,
        }

    def ids(self, row: Ints) -> Bytes:
        """Return the ids of transfers by their row numbers."""
        return scrambled(row, self.world.draws.key("transfer id"))

    def _incomes(self, day: int, ids: Ints) -> list[Moves]:
        """Return salaries and pensions of a payday, and what the self-employed take in."""
        traits, words = self.people.traits, self.world.draws.of("income day", ids, day)
        alone = traits.kind[ids] == SELF_EMPLOYED
        paid = ~alone & (self.world.paydays(day)[traits.payday[ids]] > 0)
        works = self.world.date(day).weekday() < 5
        paid |= alone & chance(words, 140_000 if works else 0)
        ids, words = ids[paid], words[paid]
        found = traits.take(ids)
        whole = found.income_on(day) * (990 + field(words, 8, 4)) // 1000
        piece = spread(found.income_on(day) * 30 // 100, words, 50_000)
        cents = np.where(found.kind == SELF_EMPLOYED, piece, whole)
        draws = self.world.draws
        number = below(draws.of("employer", ids), companies(self.world))
        number = np.where(found.kind == RETIRED, 0, number)
        time = 2 * 3600 + field(words, 40, 13)
        made = moves(row_number(day, ids, 1), time, ids, (EMPLOYER, number), 0, (cents, SALARY))
        made.kind = np.where(found.kind == STUDENT, PERSON, SALARY)
        return [made]

    def _standing(self, day: int, ids: Ints) -> list[Moves]:
        """Return rents, bills, the service of other lenders' loans, and savings."""
        month_day = self.world.date(day).day
        own = self.world.draws.of("standing", ids)
        varied = self.world.draws.of("standing amount", ids, day)
        out = []
        for index, when, pick in (
            (2, 1 + field(own, 0, 2), self._rent),
            (3, 7 + field(own, 2, 3), self._bills),
            (4, 12 + field(own, 5, 1), self._debts),
            (5, (self.people.traits.payday[ids] + 2) % 28 + 1, self._saved),
        ):
            due = np.flatnonzero(when == month_day)
            if len(due):
                found = self.people.traits.take(ids[due])
                cents, party, kind = pick(found, varied[due], day)
                kept = cents > 0
                who, time = ids[due][kept], 4 * 3600 + field(varied[due][kept], 40, 12)
                number = who if party == PURSE else below(own[due][kept], 50_000)
                row = row_number(day, who, index)
                out.append(moves(row, time, who, (party, number), 1, (cents[kept], kind)))
        return out

    def _rent(self, found: Traits, _: Words, __: int) -> tuple[Ints, int, int]:
        return found.housing * (found.home != OWNER), LANDLORD, RENT

    def _bills(self, found: Traits, words: Words, day: int) -> tuple[Ints, int, int]:
        winter = 112 if self.world.date(day).month in (12, 1, 2) else 97
        own_home = np.where(found.home == OWNER, found.housing, 0)
        return own_home + found.bills * winter * (90 + below(words, 20)) // 10_000, UTILITY, BILL

    def _debts(self, found: Traits, _: Words, __: int) -> tuple[Ints, int, int]:
        return found.debts, LENDER, REPAYMENT

    def _saved(self, found: Traits, words: Words, day: int) -> tuple[Ints, int, int]:
        rest = found.income_on(day) - found.housing - found.bills - found.debts - found.spending
        saver = (found.strain < 120) & ~found.shocked(day)
        return np.where(saver, rest * (20 + below(words, 30)) // 100, 0), PURSE, SAVINGS

    def _between(self, day: int, ids: Ints) -> list[Moves]:
        """Return what persons send each other: one row for the payer and one for the payee."""
        of = self.world.draws.of
        words = of("person", ids, day)
        ids, words = ids[chance(words, 16_000)], words[chance(words, 16_000)]
        friend = below(of("friend", ids * 4 + field(words, 0, 2)), self.world.customers)
        near = self.people.household(ids)
        friend = np.where((field(words, 2, 1) == 0) & (near != ids), near, friend)
        cents = np.maximum(spread(3_500, of("person amount", ids, day), 70_000) // 50 * 50, 100)
        time = 6 * 3600 + field(words, 24, 16) * 15 * 3600 // 65_536
        inside = (self.people.traits.joined[friend] <= day) & (friend != ids)
        row = row_number(day, ids, 6)
        made = moves(row, time, ids, (OWN, friend), 1, (cents, PERSON))
        made.party = np.where(inside, OWN, OUTSIDE)
        got = moves(row + 1, time + 1, friend, (OWN, ids), 0, (cents, PERSON))
        return [made, got.take(np.flatnonzero(inside))]

    def _paid_out(self, day: int, loans: Book) -> Moves:
        """Return the paying out of the loans that start on a day."""
        customer, slot = loans.customer.astype(np.int64), loans.slot.astype(np.int64)
        asked = self.lending.asked(customer, slot, self.people.traits.take(customer))
        words = self.world.draws.of("paid out", customer, slot)
        time = 8 * 3600 + below(words, 7 * 3600)
        row = row_number(day, customer, 64 + slot)
        number = np.zeros_like(customer)
        return moves(row, time, customer, (BANK, number), 0, (asked.amount, LOAN))

    def _served(self, day: int, loans: Book) -> Moves:
        """Return the instalments that are paid on a day, on time or late."""
        number = (day - loans.start.astype(np.int64)) // PERIOD
        rows, which = [], []
        width = loans.late.shape[1]
        for back in range(_LONGEST_DELAY):
            k = number - back
            late = loans.late[np.arange(len(k)), np.clip(k - 1, 0, width - 1)]
            due = loans.start.astype(np.int64) + k * PERIOD
            found = np.flatnonzero((k >= 1) & (k <= width) & (late < 255) & (due + late == day))
            rows.append(found)
            which.append(k[found])
        index, k = np.concatenate(rows), np.concatenate(which)
        customer, slot = loans.customer[index].astype(np.int64), loans.slot[index].astype(np.int64)
        asked = self.lending.asked(customer, slot, self.people.traits.take(customer))
        time = 6 * 3600 + field(self.world.draws.of("served", customer, day), 0, 12)
        row = row_number(day, customer, 128 + slot * 64 + k)
        return moves(
            row, time, customer, (BANK, np.zeros_like(row)), 1, (asked.instalment, REPAYMENT)
        )
