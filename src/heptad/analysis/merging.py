# SPDX-License-Identifier: Apache-2.0
"""Bins changed by hand: merged or cut where a person says, with the reason kept."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from heptad.analysis.binning import Bins, evidence
from heptad.standards.errors import ContractError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from heptad.analysis.arrays import Array, Codes
    from heptad.analysis.histogram import Cases


def merge(
    bins: Bins, which: Sequence[int], reason: str, *, by: str = "", smoothing: float = 5.0
) -> Bins:
    """Make one bin of several, and keep why.

    Args:
        bins: a column's bins.
        which: the bins to merge, by number: neighbours for numbers, any for text. Missing and
            special codes stay on their own.
        reason: why; it stays with the card.
        by: who.
        smoothing: average cases added before the weight of evidence is taken.

    Raises:
        ContractError: if the bins cannot be merged or no reason is given.
    """
    chosen = sorted(set(which))
    if not reason.strip():
        raise ContractError(f"Merging bins of {bins.name} needs a reason.", do="say why.")
    if len(chosen) < 2 or chosen[0] < 0 or chosen[-1] >= bins.regular:
        raise ContractError(
            f"Two or more regular bins of {bins.name} are needed.",
            got=list(which),
            do=f"choose from 0 to {bins.regular - 1}.",
        )
    first, last = chosen[0], chosen[-1]
    if bins.edges is not None and chosen != list(range(first, last + 1)):
        raise ContractError(f"Only neighbouring bins of {bins.name} can be merged.", got=chosen)
    kept = [i for i in range(len(bins.woe)) if i not in chosen[1:]]
    good = [_sum(bins.good, chosen) if i == first else bins.good[i] for i in kept]
    bad = [_sum(bins.bad, chosen) if i == first else bins.bad[i] for i in kept]
    groups = tuple(
        tuple(level for at in chosen for level in bins.groups[at]) if i == first else bins.groups[i]
        for i in kept
        if i < len(bins.groups)
    )
    edges = None if bins.edges is None else (*bins.edges[:first], *bins.edges[last:])
    names = ", ".join(f"“{bins.labels[i]}”" for i in chosen)
    note = f"Merged {names}: {reason.strip()}" + (f" ({by})" if by else "")
    woe = evidence(good, bad, sum(good), sum(bad), smoothing)
    return replace(
        bins,
        edges=edges,
        groups=groups,
        good=tuple(good),
        bad=tuple(bad),
        woe=woe,
        notes=(*bins.notes, note),
    )


def _sum(values: Sequence[float], which: Sequence[int]) -> float:
    return float(sum(values[i] for i in which))


def recount(bins: Bins, codes: Codes, cases: Cases, smoothing: float = 5.0) -> tuple[Bins, Array]:
    """Count cases anew in bins that stay as they are.

    Args:
        bins: bins made before, by hand or on other rows.
        codes: (n,) the bin of each row.
        cases: outcomes, weights and folds of the rows.
        smoothing: average cases added before the weight of evidence is taken.

    Returns:
        The bins with these counts, and (n,) weights of evidence counted without each row's fold.
    """
    k, folds = len(bins.woe), cases.folds
    place = codes + cases.fold * k
    good = np.bincount(place, cases.mass * (1 - cases.y), folds * k).reshape(folds, k)
    bad = np.bincount(place, cases.mass * cases.y, folds * k).reshape(folds, k)
    whole = _filled(bins, good.sum(axis=0), bad.sum(axis=0), smoothing)
    if cases.part is None:
        return whole, np.array(whole.woe)[codes]
    apart = [
        _filled(bins, good.sum(axis=0) - g, bad.sum(axis=0) - b, smoothing).woe
        for g, b in zip(good, bad, strict=True)
    ]
    return whole, np.array(apart)[cases.part, codes]


def _filled(bins: Bins, good: Array, bad: Array, smoothing: float) -> Bins:
    g, b = np.maximum(good, 0.0).tolist(), np.maximum(bad, 0.0).tolist()
    return replace(bins, good=tuple(g), bad=tuple(b), woe=evidence(g, b, sum(g), sum(b), smoothing))
