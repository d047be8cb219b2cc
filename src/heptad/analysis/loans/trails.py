# SPDX-License-Identifier: Apache-2.0
"""Compiled loops that follow lent money through accounts, first in first out or in proportion.

What lies on an account is a chain of lots, each of one loan or of none. Import it inside
functions, since importing compiles or loads every kernel.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numba import njit

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from heptad.analysis.arrays import Codes

    Ints32 = NDArray[np.int32]


def _least_opening(source: Ints32, target: Ints32, amount: Codes, accounts: int) -> Codes:
    """Return the least that each account must have held before, so that none goes below 0."""
    balance, least = np.zeros(accounts, np.int64), np.zeros(accounts, np.int64)
    for i in range(len(amount)):
        balance[source[i]] -= amount[i]
        least[source[i]] = min(least[source[i]], balance[source[i]])
        balance[target[i]] += amount[i]
    return -least


least_opening: Any = njit(cache=True, nogil=True)(_least_opening)


def _grown(lots: NDArray[np.int64], more: int) -> NDArray[np.int64]:
    found = np.empty((lots.shape[0], lots.shape[1] + more), np.int64)
    found[:, : lots.shape[1]] = lots
    return found


grown: Any = njit(cache=True, nogil=True)(_grown)


def _put(
    lots: NDArray[np.int64], chain: Codes, ends: NDArray[np.int64], account: int,
    loan: int, cents: int, hop: int, anywhere: bool,
) -> NDArray[np.int64]:  # fmt: skip
    """Lay money on an account: at the end of its chain, or with what is there of the same loan.

    Rows of `lots`: loan, amount, hop, next. `ends` is (2, accounts): first and last lot, or -1.
    `chain` is (used, first free).
    """
    at = ends[0, account] if anywhere else ends[1, account]
    while at >= 0:
        if lots[0, at] == loan and (anywhere or loan < 0 or lots[2, at] == hop):
            lots[1, at] += cents
            lots[2, at] = min(lots[2, at], hop)
            return lots
        at = lots[3, at] if anywhere else -1
    if chain[1] >= 0:
        new = chain[1]
        chain[1] = lots[3, new]
    else:
        if chain[0] == lots.shape[1]:
            lots = grown(lots, lots.shape[1])
        new = chain[0]
        chain[0] += 1
    lots[0, new], lots[1, new], lots[2, new], lots[3, new] = loan, cents, hop, -1
    if ends[1, account] >= 0:
        lots[3, ends[1, account]] = new
    else:
        ends[0, account] = new
    ends[1, account] = new
    return lots


put: Any = njit(cache=True, nogil=True)(_put)


def _follow(
    time: Codes,
    source: Ints32,
    target: Ints32,
    amount: Codes,
    paid: Ints32,
    begun: Codes,
    final: NDArray[np.bool_],
    opening: Codes,
    window: int,
    hops: int,
    dust: int,
    proportional: bool,
) -> tuple[NDArray[np.int64], Codes]:
    """Follow lent money through transfers in order of time.

    Args:
        time: (n,) microseconds, rising.
        source: (n,) number of the account that pays.
        target: (n,) number of the account that receives.
        amount: (n,) minor units.
        paid: (n,) number of the loan that a transfer pays out, or -1.
        begun: (loans,) when each was paid out, microseconds.
        final: (accounts,) where money is not followed further.
        opening: (accounts,) what lay there before, minor units.
        window: microseconds after paying out for which money is followed.
        hops: most transfers that it is followed through, the paying out not counted.
        dust: amounts below this are not followed on.
        proportional: share each transfer among all that lies there, not first in first out.

    Returns:
        (4, m) moves: loan, transfer, minor units, hop; and (loans,) minor units lost sight of.
    """
    accounts = len(final)
    lots = np.empty((4, max(1024, accounts)), np.int64)
    chain = np.array([0, -1], np.int64)
    ends = np.full((2, accounts), -1, np.int64)
    unseen = np.zeros(len(begun), np.int64)
    moves = np.empty((4, 1024), np.int64)
    count = 0
    held = np.zeros(accounts, np.int64)
    for a in range(accounts):
        if opening[a] > 0 and not final[a]:
            lots = put(lots, chain, ends, a, -1, opening[a], 0, proportional)
            held[a] = opening[a]
    for i in range(len(amount)):
        payer, payee, left = source[i], target[i], amount[i]
        if left <= 0 or payer == payee:
            continue
        if paid[i] >= 0:
            # Lent money begins here, wherever the lender had it from.
            if not final[payee]:
                lots = put(lots, chain, ends, payee, paid[i], left, 0, proportional)
                held[payee] += left
            else:
                unseen[paid[i]] += left
            continue
        before, at, whole, plain = -1, ends[0, payer], held[payer], np.int64(0)
        if final[payer]:
            at, plain, left = -1, left, 0
        else:
            # More than is known to lie there is nobody's lent money.
            plain = max(np.int64(0), left - whole)
            left -= plain
            held[payer] -= left
        while at >= 0 and left > 0:
            nothing = lots[1, at]
            if not proportional:
                piece = min(nothing, left)
            else:
                piece = np.int64(left * (nothing / whole))
                piece = max(min(piece, nothing, left), left - (whole - nothing))
                whole -= nothing
            left -= piece
            lots[1, at] -= piece
            loan, hop, after = lots[0, at], lots[2, at], lots[3, at]
            if lots[1, at] == 0:
                if before >= 0:
                    lots[3, before] = after
                else:
                    ends[0, payer] = after
                if ends[1, payer] == at:
                    ends[1, payer] = before
                lots[3, at] = chain[1]
                chain[1] = at
            else:
                before = at
            at = after
            if piece == 0:
                continue
            if loan < 0:
                plain += piece
            elif piece < dust or hop >= hops or time[i] - begun[loan] > window:
                unseen[loan] += piece
                plain += piece
            else:
                if count == moves.shape[1]:
                    moves = grown(moves, count)
                moves[0, count], moves[1, count] = loan, i
                moves[2, count], moves[3, count] = piece, hop + 1
                count += 1
                if not final[payee]:
                    lots = put(lots, chain, ends, payee, loan, piece, hop + 1, proportional)
                    held[payee] += piece
        if plain > 0 and not final[payee]:
            lots = put(lots, chain, ends, payee, -1, plain, 0, proportional)
            held[payee] += plain
    return moves[:, :count], unseen


follow: Any = njit(cache=True, nogil=True)(_follow)
