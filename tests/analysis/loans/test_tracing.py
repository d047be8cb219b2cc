# SPDX-License-Identifier: Apache-2.0
"""Lent money is followed exactly: every cent is somewhere, and plain accounting finds the same."""

from __future__ import annotations

from collections import deque

import numpy as np
import pytest

from heptad.analysis.loans.tracing import (
    DAY,
    ELSEWHERE,
    FORBIDDEN,
    LENDER,
    METHODS,
    PURPOSE,
    Following,
    Transfers,
    parts,
    trace,
    use_of_funds,
)
from heptad.standards.errors import ContractError
from heptad.testing.spending import world

KIND = np.array([LENDER, 0, PURPOSE, FORBIDDEN, 0, ELSEWHERE])


def hand(method: str, rows: list[tuple[int, int, int, int, int]], **more):
    """Trace (day, source, target, amount, loan) among lender, borrower, shop, sink, friend, else."""
    day, source, target, amount, paid = (np.array(c) for c in zip(*rows, strict=True))
    following = Following(method=method, dust=1, **more)
    moved = Transfers(day * DAY, source, target, amount, paid)
    moves = trace(moved, KIND > 0, following, opening=[0] * 6)
    return moves, use_of_funds(moves, moved, KIND, following)


def test_first_in_first_out_by_hand():
    # 1000 of wages, then 10000 lent; 500 to the shop are wages, of 4000 to the sink 500 are.
    rows = [(0, 5, 1, 1000, -1), (1, 0, 1, 10_000, 0), (2, 1, 2, 500, -1), (3, 1, 3, 4000, -1)]
    moves, use = hand("fifo", rows)
    assert list(zip(moves.transfer, moves.amount, moves.hop, strict=True)) == [(3, 3500, 1)]
    assert (use.forbidden[0], use.purpose[0], use.held[0]) == (3500, 0, 6500)
    assert use.diverted[0]


def test_in_proportion_by_hand():
    # 10/11 of what lies there is lent: 454 of 500 (rounded down), then 3637 of 4000.
    rows = [(0, 5, 1, 1000, -1), (1, 0, 1, 10_000, 0), (2, 1, 2, 500, -1), (3, 1, 3, 4000, -1)]
    moves, use = hand("proportional", rows)
    wages = 1000 - 500 * 1000 // 11_000
    assert moves.amount.tolist()[0] == 500 - 500 * 1000 // 11_000
    assert use.purpose[0] == 500 - (1000 - wages)
    assert use.forbidden[0] == pytest.approx(4000 * (10_000 - use.purpose[0]) / 10_500, abs=1)


def test_through_a_friend_and_back():
    rows = [(0, 0, 1, 10_000, 0), (1, 1, 4, 8000, -1), (2, 4, 3, 5000, -1), (3, 4, 1, 3000, -1)]
    for method in METHODS:
        _, use = hand(method, rows)
        assert (use.forbidden[0], use.round_trip[0], use.held[0]) == (5000, 3000, 5000)
    _, use = hand("fifo", rows, hops=1)
    assert (use.forbidden[0], use.unseen[0]) == (0, 8000)
    late = [*rows[:2], (100, 4, 3, 5000, -1)]
    _, use = hand("fifo", late)
    assert (use.forbidden[0], use.unseen[0], use.held[0]) == (0, 5000, 5000)


def test_borrowed_back_to_the_lender_through_others_is_a_round_trip():
    rows = [(0, 0, 1, 10_000, 0), (1, 1, 4, 6000, -1), (2, 4, 0, 6000, -1), (3, 1, 0, 900, -1)]
    _, use = hand("fifo", rows)
    assert use.lender[0] == 6900
    assert use.diverted[0]
    assert use.share("lender")[0] == 0.69


def plain_fifo(m, final, following, opening):
    """Follow money in queues of Python, as slowly as it is clear."""
    accounts = [deque([[-1, int(o), 0]] if o else []) for o in opening]
    begun, moves, unseen = {}, [], {}
    rows = zip(*(c.tolist() for c in (m.time, m.source, m.target, m.amount, m.paid)), strict=True)
    for i, (time, payer, payee, amount, loan) in enumerate(rows):
        if payer == payee:
            continue
        if loan >= 0:
            begun[loan] = time
            accounts[payee].append([loan, amount, 0])
            continue
        pieces, left, plain = [], amount, 0
        while left and accounts[payer] and not final[payer]:
            lot = accounts[payer][0]
            piece = min(lot[1], left)
            lot[1] -= piece
            left -= piece
            pieces.append((lot[0], piece, lot[2]))
            if not lot[1]:
                accounts[payer].popleft()
        plain = left
        for owner, piece, hop in pieces:
            lost = owner >= 0 and (
                piece < following.dust
                or hop >= following.hops
                or time - begun[owner] > following.window * DAY
            )
            if lost:
                unseen[owner] = unseen.get(owner, 0) + piece
            if owner < 0 or lost:
                plain += piece
                continue
            moves.append((owner, i, piece, hop + 1))
            if not final[payee]:
                accounts[payee].append([owner, piece, hop + 1])
        if plain and not final[payee]:
            accounts[payee].append([-1, plain, 0])
    return moves, unseen


def test_first_in_first_out_equals_plain_queues():
    from heptad.analysis.loans.trails import least_opening

    w = world(40, 11, camouflage=0.7)
    following = Following(method="fifo", hops=3)
    final = w.kind > 0
    m = w.transfers
    sides = (m.source.astype(np.int32), m.target.astype(np.int32))
    opening = least_opening(*sides, m.amount, len(w.kind))
    moves = trace(m, final, following)
    wanted, unseen = plain_fifo(m, final, following, opening)
    found = zip(
        *(c.tolist() for c in (moves.loan, moves.transfer, moves.amount, moves.hop)), strict=True
    )
    # Neighbouring lots of one loan and hop may be one or two: what is compared is their sum.
    assert _summed(found) == _summed(wanted)
    assert {n: v for n, v in enumerate(moves.unseen.tolist()) if v} == unseen


def _summed(moves):
    added: dict[tuple[int, int], int] = {}
    for loan, transfer, amount, _ in moves:
        added[loan, transfer] = added.get((loan, transfer), 0) + amount
    return added


@pytest.mark.parametrize("method", METHODS)
def test_every_cent_is_somewhere(method):
    w = world(120, 5, camouflage=0.5, noise=2.0)
    following = Following(method=method)
    moves = trace(w.transfers, w.kind > 0, following)
    use = use_of_funds(moves, w.transfers, w.kind, following)
    parts = use.purpose + use.forbidden + use.elsewhere + use.lender + use.unseen + use.held
    assert (parts == use.lent).all()
    assert (use.held >= 0).all()
    assert (moves.amount > 0).all()
    carried = np.zeros(len(w.transfers.amount), np.int64)
    np.add.at(carried, moves.transfer, moves.amount)
    assert (carried <= w.transfers.amount).all()
    assert (moves.hop <= following.hops + 1).all()


@pytest.mark.parametrize("method", METHODS)
def test_what_comes_later_changes_nothing_before(method):
    w = world(60, 9, camouflage=0.5)
    m, following = w.transfers, Following(method=method)
    n, opening = len(m.time) * 2 // 3, np.full(len(w.kind), 50_000)
    early = Transfers(m.time[:n], m.source[:n], m.target[:n], m.amount[:n], m.paid[:n])
    assert len(early.payouts) == 60
    whole = trace(m, w.kind > 0, following, opening=opening)
    part = trace(early, w.kind > 0, following, opening=opening)
    assert part.amount.tolist() == whole.amount[whole.transfer < n].tolist()
    assert len(part.amount) < len(whole.amount)


def test_no_money_passes_between_parts():
    # 0 and 1 meet at the shop 2 only, which is final; 3 and 4 pay each other.
    final = np.array([False, False, True, False, False])
    found = parts([0, 1, 3, 2], [2, 2, 4, 1], final)
    assert len({int(found[n]) for n in (0, 1, 3)}) == 3
    assert found[3] == found[4]
    w = world(60, 3)
    part = parts(w.transfers.source, w.transfers.target, w.kind > 0)
    moves = trace(w.transfers, w.kind > 0)
    borrower = w.transfers.target[w.transfers.payouts]
    payer = w.transfers.source[moves.transfer]
    assert (part[payer] == part[borrower[moves.loan]]).all()


def test_what_cannot_be_followed_is_refused():
    with pytest.raises(ContractError, match="method"):
        Following(method="lifo")
    with pytest.raises(ContractError, match="number"):
        trace(Transfers([0], [0], [1], [5], [0]), final=[True])
    with pytest.raises(ContractError, match="order"):
        Transfers([2, 1], [0, 0], [1, 1], [5, 5], [0, -1])
    with pytest.raises(ContractError, match="one transfer"):
        Transfers([1, 2], [0, 0], [1, 1], [5, 5], [0, 0])
    with pytest.raises(ContractError, match="length"):
        Transfers([1, 2], [0], [1, 1], [5, 5], [0, 0])


def agreement(seeds, **how):
    """Precision and recall over worlds of these seeds, by either method."""
    right = told = there = 0
    for seed in seeds:
        w = world(200, seed, **how)
        found = np.zeros(200, np.bool_)
        for method in METHODS:
            following = Following(method=method)
            moves = trace(w.transfers, w.kind > 0, following)
            suits = w.serves[w.transfers.target[moves.transfer]] == w.purpose[moves.loan]
            found |= use_of_funds(moves, w.transfers, w.kind, following, suits=suits).diverted
        right, told = right + (found & w.diverted).sum(), told + found.sum()
        there += w.diverted.sum()
    return right / told, right / there


def test_diversion_is_found_on_seeds_that_nothing_was_set_on():
    precision, recall = agreement(range(1000, 1003))
    assert precision >= 0.95
    assert recall >= 0.95
    assert agreement([1000], camouflage=1.0)[1] < recall  # hidden money is harder to find
