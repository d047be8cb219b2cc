# SPDX-License-Identifier: Apache-2.0
"""A simulated world of borrowers who spend loans as agreed or not, with noise and camouflage."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from heptad.analysis.loans.tracing import DAY, Transfers

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from heptad.analysis.arrays import Codes

PURPOSES = 6
"""Kinds of purposes; each has suppliers of its own."""
_SHOPS, _SINKS, _PER = 40, 30, 8


@dataclass(frozen=True)
class World:
    """Transfers in order of time, with what is true of them.

    Attributes:
        time, source, target, amount: (n,) of each transfer: microseconds, accounts, minor units.
        paid: (n,) loan that a transfer pays out, or -1.
        kind: (accounts,) index into `heptad.analysis.loans.tracing.ENDS`.
        serves: (accounts,) purpose that a supplier serves, or -1.
        purpose: (loans,) what each loan is for.
        diverted: (loans,) whether it was spent where it must not be, by at least half.
    """

    transfers: Transfers
    kind: Codes
    serves: Codes
    purpose: Codes
    diverted: NDArray[np.bool_]


@dataclass
class _Book:
    """Transfers as they are written down, not in order."""

    rows: list[tuple[Any, ...]] = field(default_factory=list)

    def add(self, day: Any, source: Any, target: Any, amount: Any, paid: Any = -1) -> None:
        """Write down transfers; days may have fractions, single values stand for all."""
        columns = np.broadcast_arrays(day, source, target, amount, paid)
        self.rows.append(tuple(np.atleast_1d(c) for c in columns))


def world(
    loans: int, seed: int, *, diverted: float = 0.15, noise: float = 1.0, camouflage: float = 0.0
) -> World:
    """Draw a world of borrowers.

    An honest borrower spends most of a loan on its purpose within three weeks, now and then
    through a spouse's account. Another sends at least half of it to brokers, betting houses or
    property abroad. Everybody earns, lives, sends money to friends, and may bet or invest a
    little each month.

    Args:
        loans: how many.
        seed: any integer; another seed is another world.
        diverted: share of loans that are spent where they must not be.
        noise: how much else happens on the same accounts; 1 is usual, 0 nothing.
        camouflage: how often, from 0 to 1, one who diverts hides it by each of five tricks:
            splitting, go-betweens, waiting, spending a part as agreed, mixing with other money.
    """
    random = np.random.default_rng([seed, loans])
    people = 3 * loans
    # 0 is the lender, 1 everything outside; then people, suppliers, sinks.
    first_shop = 2 + people
    first_sink = first_shop + PURPOSES * _PER + _SHOPS
    accounts = first_sink + _SINKS
    kind, serves = np.zeros(accounts, np.int64), np.full(accounts, -1)
    kind[0], kind[1], kind[first_shop:first_sink], kind[first_sink:] = 3, 4, 1, 2
    kind[first_shop + PURPOSES * _PER : first_sink] = 4
    serves[first_shop : first_shop + PURPOSES * _PER] = np.repeat(np.arange(PURPOSES), _PER)
    book = _Book()
    _living(book, random, people, first_shop + PURPOSES * _PER, first_sink, noise)
    purpose, bad = random.integers(0, PURPOSES, loans), random.random(loans) < diverted
    for loan in range(loans):
        size = int(np.exp(random.normal(13.5, 0.7))) // 1000 * 1000 + 100_000
        day = random.uniform(20, 60)
        book.add(day, 0, 2 + loan, size, loan)
        shop = first_shop + purpose[loan] * _PER + random.integers(0, _PER)
        if bad[loan]:
            sink = first_sink + random.integers(0, _SINKS)
            helpers = 2 + loans + random.integers(0, people - loans, 4)
            _diverts(book, random, (2 + loan, int(sink), int(shop), helpers), day, size, camouflage)
        else:
            spouse = 2 + loans + loan
            _spends(book, random, 2 + loan, spouse if random.random() < 0.15 else -1,
                    int(shop), day, size)  # fmt: skip
    days, source, target, amount, paid = (np.concatenate(c) for c in zip(*book.rows, strict=True))
    time = (days * DAY).astype(np.int64)
    order = np.argsort(time, kind="stable")
    cents = np.maximum(amount.astype(np.int64), 1)
    moved = Transfers(time[order], source[order], target[order], cents[order], paid[order])
    return World(moved, kind, serves, purpose, bad)


def _living(
    book: _Book, random: np.random.Generator, people: int, shop: int, sink: int, noise: float
) -> None:
    """What everybody does anyway, for four months."""
    if noise <= 0:
        return
    who = np.arange(2, 2 + people)
    wage = np.exp(random.normal(12.3, 0.4, people))
    bets = random.random(people) < 0.12
    for month in range(4):
        start = 30 * month
        book.add(start + random.uniform(0, 3, people), 1, who, wage)
        times = max(1, round(10 * noise))
        for _ in range(times):
            spent = wage * random.uniform(0.01, 0.12, people) * noise / max(noise, times / 10)
            where = random.integers(shop, sink, people)
            book.add(start + random.uniform(0, 30, people), who, where, spent)
        friends = np.flatnonzero(random.random(people) < min(1.0, 0.5 * noise))
        other = 2 + random.integers(0, people, len(friends))
        gift = np.exp(random.normal(8.7, 0.8, len(friends))) * noise
        book.add(start + random.uniform(0, 30, len(friends)), 2 + friends, other, gift)
        play = np.flatnonzero(bets)
        stake = wage[play] * random.uniform(0.01, 0.08, len(play)) * noise
        house = sink + random.integers(0, _SINKS, len(play))
        book.add(start + random.uniform(0, 30, len(play)), 2 + play, house, stake)


def _spends(  # noqa: PLR0913, PLR0917 - who, through whom, where, when and how much
    book: _Book,
    random: np.random.Generator,
    who: int,
    through: int,
    shop: int,
    day: float,
    size: int,
) -> None:
    """Spend a loan as agreed, in up to four payments."""
    whole = size * random.uniform(0.8, 1.0)
    pieces = _pieces(random, whole, int(random.integers(1, 5)))
    at = day + np.sort(random.uniform(0.1, 20, len(pieces)))
    if through >= 0:
        book.add(at, who, through, pieces)
        book.add(at + 0.4, through, shop, pieces)
    else:
        book.add(at, who, shop, pieces)


def _diverts(
    book: _Book,
    random: np.random.Generator,
    who: tuple[int, int, int, Any],
    day: float,
    size: int,
    camouflage: float,
) -> None:
    """Send at least half of a loan where it must not go, hidden by some tricks."""
    borrower, sink, shop, helpers = who
    split, between, waits, partly, mixes = random.random(5) < camouflage
    whole = size * random.uniform(0.5, 0.6 if partly else 0.95)
    if partly:
        book.add(day + random.uniform(0.1, 3), borrower, shop, size * random.uniform(0.3, 0.4))
    pieces = _pieces(random, whole, int(random.integers(5, 16)) if split else 1)
    start = day + (random.uniform(15, 45) if waits else random.uniform(0.1, 3))
    at = start + np.sort(random.uniform(0, 12, len(pieces))) * (len(pieces) > 1)
    chain = [borrower]
    if between:
        chain += [int(h) for h in helpers[: random.integers(1, 4)]]
    for n, (source, target) in enumerate(zip(chain, [*chain[1:], sink], strict=True)):
        left = pieces * 0.97**n
        if mixes and n:
            # The go-between brings money of their own, and sends both on.
            book.add(at + 0.5 * n - 0.2, 1, source, left)
            left = left * 2
        book.add(at + 0.5 * n, source, target, left)


def _pieces(random: np.random.Generator, whole: float, n: int) -> Any:
    parts = random.dirichlet(np.full(n, 4.0))
    return np.floor(whole * parts)
