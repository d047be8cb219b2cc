# SPDX-License-Identifier: Apache-2.0
"""Groups of borrowers that are connected by control or guarantee, and what each group owes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from heptad.standards.errors import ContractError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


@dataclass(frozen=True)
class Stake:
    """One owner's share of a company, or a guarantee that one gives for another.

    Attributes:
        by: who owns or guarantees.
        of: the company.
        share: of ownership, in [0, 1]; a guarantee is 1.
    """

    by: str
    of: str
    share: float


def connected(
    stakes: Iterable[Stake], exposures: Mapping[str, int], *, control: float = 0.5
) -> list[tuple[tuple[str, ...], int]]:
    """Groups of connected borrowers and what each owes in all.

    Two are connected where one controls the other, also through others (shares are multiplied
    along a chain and added over chains), or guarantees it, or where a third controls both.

    Args:
        stakes: ownership and guarantees.
        exposures: borrower → what it owes, in minor units; 0 for one that is to be told of though
            it owes nothing.
        control: the share from which one controls.

    Returns:
        Members, sorted, and their exposure; largest first, groups of nobody in `exposures` left
        out.

    Raises:
        ContractError: if a share lies outside (0, 1].
    """
    held: dict[str, dict[str, float]] = {}
    for stake in stakes:
        if not 0 < stake.share <= 1:
            raise ContractError("A share must lie above 0 and up to 1.", got=stake.share)
        row = held.setdefault(stake.by, {})
        row[stake.of] = row.get(stake.of, 0.0) + stake.share
    names = sorted({*held, *exposures, *(c for row in held.values() for c in row)})
    ties = [
        (owner, company)
        for owner in sorted(held)
        for company, share in _reach(owner, held).items()
        if share >= control
    ]
    groups = [g for g in _joined(names, ties) if any(name in exposures for name in g)]
    totals = [(g, sum(exposures.get(name, 0) for name in g)) for g in groups]
    return sorted(totals, key=lambda t: (-t[1], t[0]))


def _joined(names: Iterable[str], ties: Iterable[tuple[str, str]]) -> list[tuple[str, ...]]:
    """The groups that ties make of names."""
    root = {name: name for name in names}

    def top(name: str) -> str:
        while root[name] != name:
            root[name] = root[root[name]]
            name = root[name]
        return name

    for one, other in ties:
        root[top(other)] = top(one)
    groups: dict[str, list[str]] = {}
    for name in root:
        groups.setdefault(top(name), []).append(name)
    return [tuple(group) for group in groups.values()]


def _reach(owner: str, held: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """What one owns of each company, directly and through those it owns, cycles cut at 1e-6."""
    found: dict[str, float] = {}
    front = dict(held.get(owner, {}))
    for _ in range(60):
        if not front:
            break
        further: dict[str, float] = {}
        for company, share in front.items():
            found[company] = min(1.0, found.get(company, 0.0) + share)
            for below, part in held.get(company, {}).items():
                if share * part > 1e-6 and below != owner:
                    further[below] = further.get(below, 0.0) + share * part
        front = further
    return found
