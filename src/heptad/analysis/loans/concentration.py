# SPDX-License-Identifier: Apache-2.0
"""How much of a book lies with few: Herfindahl index, the largest, and shares against limits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from heptad.standards.errors import ContractError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


@dataclass(frozen=True)
class Concentration:
    """How a book is spread over groups.

    Attributes:
        total: in minor units.
        index: Σ share², from 1 / groups to 1 (Herfindahl-Hirschman).
        equal: 1 / index, the number of equal groups that would be as concentrated.
        top: share of the ten largest.
        shares: group → share, the largest first.
        over: group → share, where it passes its limit.
    """

    total: int
    index: float
    equal: float
    top: float
    shares: dict[str, float]
    over: dict[str, float]


def concentration(
    amounts: Iterable[tuple[str, int]], limits: Mapping[str, float] | None = None
) -> Concentration:
    """Measure how much of a book lies with few.

    Args:
        amounts: (group, minor units), in any number.
        limits: group → largest share; "" stands for any that is not named.

    Raises:
        ContractError: if nothing is owed in all, or an amount is below 0.

    >>> concentration([("a", 50), ("b", 50)]).index
    0.5
    """
    sums: dict[str, int] = {}
    for group, amount in amounts:
        if amount < 0:
            raise ContractError("An exposure is at least 0.", got=amount)
        sums[group] = sums.get(group, 0) + amount
    total = sum(sums.values())
    if not total:
        raise ContractError("Nothing is owed.", got=0)
    ranked = sorted(sums.items(), key=lambda pair: (-pair[1], pair[0]))
    shares = {group: amount / total for group, amount in ranked}
    # Whole numbers, so that the index does not depend on the order of groups.
    index = sum(amount * amount for amount in sums.values()) / (total * total)
    top = sum(amount for _, amount in ranked[:10]) / total
    most = limits or {}
    over = {g: s for g, s in shares.items() if s > most.get(g, most.get("", 1.0))}
    return Concentration(total, index, 1 / index, top, shares, over)
