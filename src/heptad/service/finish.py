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
