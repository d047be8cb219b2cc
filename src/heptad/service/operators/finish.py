# SPDX-License-Identifier: Apache-2.0
"""Turn exact integer state into the value of a feature: one function for every reading."""

from __future__ import annotations

from decimal import Decimal, localcontext
from math import isqrt
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def quotient(above: int, below: int) -> float | None:
    """Divide two integers, correctly rounded to float64; None for a zero divisor."""
    return None if below == 0 else above / below


def deviation(n: int, total: int, squares: int) -> float | None:
    """Sample standard deviation from count, sum and sum of squares, all exact.

    The variance is (n·squares − total²) / (n·(n−1)); its root is taken with 60 digits and rounded
    once, so the result depends on the state alone. None below two values.
    """
    if n < 2:
        return None
    above = n * squares - total * total
    below = n * (n - 1)
    root = isqrt(above * below)
    if root * root == above * below:
        return root / below
    with localcontext() as context:
        context.prec = 60
        return float((Decimal(above) / Decimal(below)).sqrt())


def slope(state: Sequence[int]) -> float | None:
    """Slope of the least-squares line per day, from sums over whole seconds, all exact.

    Args:
        state: count, sum of seconds, and as 128-bit pairs (high, low) the sum of values, of
            squared seconds and of seconds times values.

    Returns:
        The slope, rounded once; None where fewer than two instants differ.
    """
    n, x = state[0], state[1]
    y, xx, xy = (wide(state[i], state[i + 1]) for i in (2, 4, 6))
    below = n * xx - x * x
    return None if below == 0 else (n * xy - x * y) * 86_400 / below


def entropy(n: int, logs: int, scale: int) -> float:
    """Shannon entropy in bits from n and the sum of c · log2(c) in 2^-scale."""
    from heptad.service.batch.programs import log_of

    return (log_of(n) - logs) / (n << scale)


def scaled(high: int, low: int, bits: int) -> float:
    """Return a 128-bit number of 2^-bits as float64, rounded once."""
    return wide(high, low) / (1 << bits)


def wide(high: int, low: int) -> int:
    """Return a 128-bit number from its halves; `low` may come as int64 bits."""
    return (high << 64) | (low & (2**64 - 1))


def finish(op: str, state: Sequence[int | None]) -> int | float | None:
    """Finish one aggregate.

    Args:
        op: mean, share, rate, ratio or spread; others need no finishing.
        state: (sum, count) for mean; (part, whole) for share, rate and ratio;
            (count, sum, sum of squares) for spread.

    Returns:
        The value, or None where there is none.
    """
    values = [0 if v is None else v for v in state]
    if op == "spread":
        return deviation(values[0], values[1], values[2])
    return quotient(values[0], values[1])
