# SPDX-License-Identifier: Apache-2.0
"""What lent money was used for: followed from its paying out through transfers, with the path."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np

from heptad.standards.errors import ContractError, suggest

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from heptad.analysis.arrays import Array, Codes

DAY = 86_400_000_000
METHODS = ("fifo", "proportional")
PASSES, PURPOSE, FORBIDDEN, LENDER, ELSEWHERE = range(5)
"""What an account is to a loan: money passes through it, or ends there."""
ENDS = ("passes", "purpose", "forbidden", "lender", "elsewhere")


@dataclass(frozen=True)
class Following:
    """How far money is followed, and what is called diverted; frozen before it was tested.

    Attributes:
        method: `fifo`, what lay there first leaves first; or `proportional`, each transfer takes
            of everything that lies there its share.
        window: days after paying out for which money is followed.
        hops: most transfers that it is followed through.
        dust: amounts below this are not followed on, in minor units.
        forbidden: share at forbidden places from which on a loan counts as diverted, ...
        returned: ... or share that came back through others to borrower or lender.
    """

    method: str = "proportional"
    window: int = 60
    hops: int = 6
    dust: int = 100
    forbidden: float = 0.12
    returned: float = 0.5

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise ContractError(
                "Money is followed by a known method.",
                got=self.method,
                do=suggest(self.method, METHODS),
            )


PROPORTIONAL = Following()
FIFO = Following(method="fifo")


@dataclass(frozen=True)
class Transfers:
    """Money between accounts, in order of time; all (n,).

    Attributes:
        time: microseconds, rising.
        source: number of the account that pays, from 0.
        target: number of the account that receives.
        amount: minor units, at least 0.
        paid: number of the loan that a transfer pays out, or -1; each loan has one.
    """

    time: Codes
    source: Codes
    target: Codes
    amount: Codes
    paid: Codes

    def __post_init__(self) -> None:
        for f in fields(self):
            object.__setattr__(self, f.name, np.ascontiguousarray(getattr(self, f.name), np.int64))
        if len({len(getattr(self, f.name)) for f in fields(self)}) != 1:
            raise ContractError("Columns have one length.", got=len(self.time))
        if len(self.time) and ((np.diff(self.time) < 0).any() or self.amount.min() < 0):
            raise ContractError("Transfers come in order of time, with amounts of at least 0.")
        loans = self.paid[self.paid >= 0]
        if not np.array_equal(np.sort(loans), np.arange(len(loans))):
            raise ContractError("Each loan is paid out by one transfer.", got=len(loans))

    @property
    def payouts(self) -> Codes:
        """The transfer that pays out each loan, (loans,)."""
        out = np.flatnonzero(self.paid >= 0)
        return out[np.argsort(self.paid[out])]


@dataclass(frozen=True)
class Moves:
    """Transfers that carried lent money, in order of time.

    Attributes:
        loan: (m,) number of the loan.
        transfer: (m,) number of the transfer.
        amount: (m,) how much of it was lent money, in minor units.
        hop: (m,) through how many transfers it had come, this one included.
        unseen: (loans,) lost sight of: too late, too far or too little.
    """

    loan: Codes
    transfer: Codes
    amount: Codes
    hop: Codes
    unseen: Codes


@dataclass(frozen=True)
class Use:
    """What became of each loan, in minor units, all (loans,).

    Attributes:
        lent: paid out.
        purpose: reached what it was for.
        forbidden: reached places where it must not go.
        elsewhere: was spent on something else.
        lender: went to the lender, its own service.
        round_trip: came back to the borrower's account through others; a part of no other figure.
        unseen: lost sight of; `held` still lies on an account. With these two, the parts above
            add up to `lent`.
        held: see above.
        diverted: whether it counts as diverted.
    """

    lent: Codes
    purpose: Codes
    forbidden: Codes
    elsewhere: Codes
    lender: Codes
    round_trip: Codes
    unseen: Codes
    held: Codes
    diverted: NDArray[np.bool_]

    def share(self, part: str) -> Array:
        """Return a part as a share of what was lent, 0 where nothing was."""
        lent = np.maximum(self.lent, 1)
        return np.asarray(getattr(self, part) / lent)


def trace(
    transfers: Transfers,
    final: ArrayLike,
    following: Following = PROPORTIONAL,
    *,
    opening: ArrayLike | None = None,
) -> Moves:
    """Follow lent money from account to account.

    Args:
        transfers: everything that moved.
        final: (accounts,) where money is not followed further: merchants, brokers, the lender,
            accounts of which no transfers are known.
        following: how far.
        opening: (accounts,) what lay there before; by default the least with which no account
            goes below 0.

    Raises:
        ContractError: if an account has no number below that of `final`.

    Source: FIFO as in Clayton's case (1816) 1 Mer 572; in proportion as in Barlow Clowes v
    Vaughan [1992] 4 All ER 22.
    """
    from heptad.analysis.loans.trails import follow, least_opening

    ends = np.ascontiguousarray(final, np.bool_)
    sides = np.stack([transfers.source, transfers.target])
    if sides.size and not 0 <= sides.min() <= sides.max() < len(ends):
        raise ContractError("Each account has a number below that of `final`.", got=len(ends))
    pays, gets = (np.ascontiguousarray(side, np.int32) for side in sides)
    loans = transfers.paid.astype(np.int32)
    if opening is None:
        known = least_opening(pays, gets, transfers.amount, len(ends))
    else:
        known = np.ascontiguousarray(opening, np.int64)
    moves, unseen = follow(
        transfers.time, pays, gets, transfers.amount, loans, transfers.time[transfers.payouts],
        ends, known, following.window * DAY, following.hops, following.dust,
        following.method == "proportional",
    )  # fmt: skip
    return Moves(moves[0], moves[1], moves[2], moves[3], unseen)


def parts(source: ArrayLike, target: ArrayLike, final: ArrayLike) -> Codes:
    """Split a network into parts that no money passes between, so that each is traced by itself.

    Args:
        source: (n,) number of the account that pays; each pair needs to be there once only.
        target: (n,) number of the account that receives.
        final: (accounts,) where money is not followed further; it joins nothing.

    Returns:
        (accounts,) number of the part. A transfer belongs to the part of whichever of its sides
        is not final; one between two final accounts carries nothing.
    """
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    ends = np.asarray(final, np.bool_)
    pays, gets = np.asarray(source, np.int64), np.asarray(target, np.int64)
    joins = ~ends[pays] & ~ends[gets]
    sides, ones = (pays[joins], gets[joins]), np.ones(int(joins.sum()), np.bool_)
    graph = coo_matrix((ones, sides), shape=(len(ends), len(ends)))
    _, part = connected_components(graph, directed=False)
    return np.asarray(part, np.int64)


def use_of_funds(
    moves: Moves,
    transfers: Transfers,
    kind: ArrayLike,
    following: Following = PROPORTIONAL,
    *,
    suits: ArrayLike | None = None,
) -> Use:
    """Say what each loan was used for.

    Args:
        moves: as traced.
        transfers: everything that moved.
        kind: (accounts,) index into `ENDS`.
        following: what is called diverted.
        suits: (m,) whether a move that ends at a purpose serves that loan's own purpose; all do
            unless given.
    """
    loans, out = len(moves.unseen), transfers.payouts
    kinds = np.asarray(kind, np.int64)
    payer, payee = transfers.source[moves.transfer], transfers.target[moves.transfer]
    lent, borrower = transfers.amount[out], transfers.target[out]
    end = kinds[payee]
    if suits is not None:
        end = np.where((end == PURPOSE) & ~np.asarray(suits, np.bool_), ELSEWHERE, end)

    def added(where: NDArray[np.bool_]) -> Codes:
        found = np.zeros(loans, np.int64)
        np.add.at(found, moves.loan[where], moves.amount[where])
        return found

    parts = {name: added(end == n) for n, name in enumerate(ENDS) if n}
    back = added((payee == borrower[moves.loan]) & (moves.hop > 1))
    held = lent - sum(parts.values()) - moves.unseen
    through = added((end == LENDER) & (payer != borrower[moves.loan]))
    diverted = parts["forbidden"] >= following.forbidden * np.maximum(lent, 1)
    diverted |= back + through >= following.returned * np.maximum(lent, 1)
    return Use(
        lent, parts["purpose"], parts["forbidden"], parts["elsewhere"], parts["lender"],
        np.minimum(back, lent), moves.unseen, held, diverted & (lent > 0),
    )  # fmt: skip
