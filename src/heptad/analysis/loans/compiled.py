# SPDX-License-Identifier: Apache-2.0
"""Compiled loops over whole books: movements between months, and expected loss.

As in `heptad.analysis.kernels`: no fast-math, no threads, a fixed order. Import it inside
functions, since importing compiles or loads every kernel.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numba import njit

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from heptad.analysis.arrays import Array, Codes


def _count_movements(
    loan: Codes,
    month: NDArray[np.int32],
    cohort: NDArray[np.int32],
    bucket: NDArray[np.uint8],
    balance: Codes,
    lent: Codes,
    loans: NDArray[np.int64],
    first: NDArray[np.int64],
    moves: NDArray[np.int64],
    state: Codes,
) -> int:
    """Add rows to the counts; return the first row that is wrong, or -1.

    `state` carries the loan that goes on: number, month, bucket, balance, flags of what it has
    ever been; and the latest month of all.
    """
    months = loans.shape[1]
    for i in range(len(loan)):
        here, b, start = month[i], bucket[i], cohort[i]
        if not (0 <= here < months and 0 <= start <= here and b < 7) or loan[i] < 0:
            return i
        if loan[i] == state[0]:
            if here <= state[1]:
                return i
            if here == state[1] + 1:
                moves[0, here, state[2], b] += 1
                moves[1, here, state[2], b] += state[3]
        else:
            loans[0, start] += 1
            loans[1, start] += lent[i]
            state[0] = loan[i]
            state[4] = 0
        state[1] = here
        state[2] = b
        state[3] = balance[i]
        state[5] = max(state[5], here)
        # 31-60 is later than 30 days, and so on; what is written off has been all of it.
        worst = 4 if b == 6 else (min(b - 1, 3) if 2 <= b <= 4 else 0)
        for e in range(worst):
            if not state[4] >> e & 1:
                state[4] |= 1 << e
                first[0, start, here - start, e] += 1
                first[1, start, here - start, e] += lent[i]
    return -1


count_movements: Any = njit(cache=True, nogil=True)(_count_movements)


def _sum_losses(
    balance: Codes,
    rate: NDArray[np.int32],
    remaining: NDArray[np.int32],
    grade: NDArray[np.int32],
    segment: NDArray[np.int32],
    stage: NDArray[np.int8],
    bullet: NDArray[np.bool_],
    weights: Array,
    lost: Array,
    lgd: Array,
    booked: Codes,
    year: Codes,
    lifetime: Codes,
    each: Codes,
) -> None:
    """Write the expected loss of each loan, and add up what each scenario would book.

    `lost` is (s, grades, months): the probability to default in just that month.
    """
    scenarios = len(weights)
    by_year, by_life = np.empty(scenarios), np.empty(scenarios)
    for i in range(len(balance)):
        monthly = rate[i] / 12e6
        months = max(remaining[i], 1)
        growth, discount = 1.0 + monthly, 1.0
        if bullet[i]:
            level = 0.0
        elif monthly == 0.0:
            level = balance[i] / months
        else:
            level = balance[i] * monthly / (1.0 - growth ** -float(months))
        owed = float(balance[i])
        by_life[:] = 0.0
        by_year[:] = 0.0
        for m in range(months):
            discount /= growth
            seen = owed * discount
            for s in range(scenarios):
                by_life[s] += lost[s, grade[i], m] * seen
            if m == 11:
                by_year[:] = by_life
            owed = owed if bullet[i] else owed * growth - level
        if months < 12:
            by_year[:] = by_life
        whole = some = 0.0
        third = 0.0
        for s in range(scenarios):
            share = lgd[s, segment[i]]
            whole += weights[s] * share * by_life[s]
            some += weights[s] * share * by_year[s]
            third += weights[s] * share * balance[i]
            seen = balance[i] if stage[i] == 3 else (by_life[s] if stage[i] == 2 else by_year[s])
            each[s] += np.int64(np.rint(share * seen))
        lifetime[i] = np.int64(np.rint(whole))
        year[i] = np.int64(np.rint(some))
        if stage[i] == 3:
            booked[i] = np.int64(np.rint(third))
        else:
            booked[i] = lifetime[i] if stage[i] == 2 else year[i]


sum_losses: Any = njit(cache=True, nogil=True)(_sum_losses)
