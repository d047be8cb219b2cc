# SPDX-License-Identifier: Apache-2.0
"""Re-rank one list: varied, true to a person's mix, within quotas, or good for two aims at once.

All of it only chooses among what it is given: who may be offered what is settled before. Each
function takes one person's candidates as (k,) scores and (k, d) features and answers places in
them, best first.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from heptad.standards.errors import ContractError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from heptad.analysis.arrays import Array, Codes

HOW = ("mmr", "dpp", "calibrated")
"""What may vary a list."""


def unit_rows(features: Array) -> Array:
    """Scale rows to length 1; rows of zeros stay."""
    norm = np.linalg.norm(features, axis=1, keepdims=True)
    scaled = np.zeros(features.shape, dtype=np.float64)
    np.divide(features, norm, out=scaled, where=norm > 0)
    return scaled


def relevance(scores: Array) -> Array:
    """Bring scores to [0, 1], so that weights of other aims mean the same for every ranker."""
    if not len(scores):
        return scores
    low, high = float(scores.min()), float(scores.max())
    return (scores - low) / (high - low) if high > low else np.ones(len(scores))


def mmr(scores: Array, features: Array, n: int, *, variety: float = 0.3) -> Codes:
    """Choose n by maximal marginal relevance: good, and unlike what was chosen before.

    Args:
        scores: (k,) higher is better.
        features: (k, d) alike items have alike rows.
        n: how many.
        variety: 0 keeps the order of the scores, 1 looks at unlikeness alone.

    Source: Carbonell, Goldstein, The use of MMR, diversity-based reranking, 1998.
    """
    if not 0 <= variety <= 1:
        raise ContractError("Variety lies between 0 and 1.", got=variety)
    good, unit = relevance(scores) * (1 - variety), unit_rows(features)
    left = np.ones(len(scores), dtype=bool)
    nearest = np.zeros(len(scores))
    chosen = np.empty(min(n, len(scores)), dtype=np.int64)
    for place in range(len(chosen)):
        value = np.where(left, good - variety * nearest, -np.inf)
        best = int(value.argmax())
        chosen[place], left[best] = best, False
        np.maximum(nearest, unit @ unit[best], out=nearest)
    return chosen


def dpp(scores: Array, features: Array, n: int, *, sharpness: float = 3.0) -> Codes:
    """Choose n whose determinant is greatest, greedily: quality on the diagonal, likeness beside.

    Args:
        scores: (k,) higher is better.
        features: (k, d).
        n: how many.
        sharpness: how much quality counts against variety.

    Source: Chen, Zhang, Zhou, Fast greedy MAP inference for determinantal point processes, 2018,
    algorithm 1.
    """
    quality, unit = np.exp(sharpness * relevance(scores) / 2), unit_rows(features)
    # A little of each item is its own, so that the kernel has full rank.
    gain = quality**2 * (1 + 1e-2)
    k = len(scores)
    rows = np.zeros((min(n, k), k))
    left = np.ones(k, dtype=bool)
    chosen = np.empty(len(rows), dtype=np.int64)
    for place in range(len(rows)):
        best = int(np.where(left, gain, -np.inf).argmax())
        chosen[place], left[best] = best, False
        kernel = quality[best] * quality * (unit @ unit[best])
        new = (kernel - rows[:place].T @ rows[:place, best]) / np.sqrt(max(gain[best], 1e-12))
        rows[place] = new
        gain = np.maximum(gain - new**2, 1e-12)
    return chosen


def calibrated(
    scores: Array, categories: Array, own: Array, n: int, *, weight: float = 0.5
) -> Codes:
    """Choose n whose categories are mixed as the person's own are.

    Args:
        scores: (k,) higher is better.
        categories: (k, c) shares.
        own: (c,) the person's shares, summing to 1; all 0 leaves the order of the scores.
        n: how many.
        weight: of the mix against the scores, in [0, 1].

    Source: Steck, Calibrated recommendations, 2018, equation (5), greedy.
    """
    if not 0 <= weight <= 1:
        raise ContractError("The weight lies between 0 and 1.", got=weight)
    good = relevance(scores) * (1 - weight)
    if not own.sum() > 0:
        weight, good = 0.0, relevance(scores)
    left = np.ones(len(scores), dtype=bool)
    total, some = np.zeros(len(own)), own > 0
    chosen = np.empty(min(n, len(scores)), dtype=np.int64)
    for place in range(len(chosen)):
        given = total + categories
        given /= np.maximum(given.sum(axis=1, keepdims=True), 1e-12)
        mixed = 0.99 * given[:, some] + 0.01 * own[some]
        away = (own[some] * np.log(own[some] / mixed)).sum(axis=1)
        best = int(np.where(left, good - weight * away, -np.inf).argmax())
        chosen[place], left[best] = best, False
        total += categories[best]
    return chosen


def within_quotas(
    order: Codes, categories: Array, n: int, most: Mapping[int, int]
) -> tuple[Codes, int]:
    """Keep the first n of an order so that no category has more than its quota.

    Args:
        order: (k,) places, best first.
        categories: (all, c) above 0 where a place belongs to a category; it may to several.
        n: how many.
        most: category → most of it; categories not named have no quota.

    Returns:
        Up to n places, and how many better ones than the last were passed over.
    """
    named = [c for c in most if c < categories.shape[1]]
    left = np.array([most[c] for c in named], dtype=np.int64)
    kept: list[int] = []
    passed = 0
    for place in order.tolist():
        if len(kept) == n:
            break
        takes = categories[place, named] > 0
        if (left[takes] < 1).any():
            passed += 1
            continue
        left -= takes
        kept.append(place)
    return np.array(kept, dtype=np.int64), passed


def pareto(first: Array, second: Array) -> Codes:
    """Return the places that no other beats in both aims, by the first aim, best first."""
    order = np.lexsort((-second, -first))
    best, kept = -np.inf, []
    for place in order.tolist():
        if second[place] > best:
            best = float(second[place])
            kept.append(place)
    return np.array(kept, dtype=np.int64)


def balanced(preference: Array, value: Array, n: int, *, weight: float) -> Codes:
    """Choose n by layers of the Pareto front, and within a layer by the weighted sum.

    Nothing that another candidate beats in both aims comes before that candidate.

    Args:
        preference: (k,) what the person would like.
        value: (k,) the other aim, such as the expected return.
        n: how many.
        weight: of the other aim, in [0, 1].
    """
    if not 0 <= weight <= 1:
        raise ContractError("The weight lies between 0 and 1.", got=weight)
    mixed = (1 - weight) * relevance(preference) + weight * relevance(value)
    left = np.arange(len(preference))
    found: list[int] = []
    while len(left) and len(found) < n:
        layer = left[pareto(preference[left], value[left])]
        found += layer[np.argsort(-mixed[layer], kind="stable")].tolist()
        left = np.setdiff1d(left, layer)
    return np.array(found[:n], dtype=np.int64)


@dataclass(frozen=True)
class Reranking:
    """What is weighed against a ranker's order when a list is made of its best.

    Attributes:
        how: what varies a list: `mmr`, `dpp`, or `calibrated` to the person's own mix.
        variety: weight of that, in [0, 1]; 0 keeps the order.
        value: weight of the other aim against preference, in [0, 1]; 0 leaves it out.
        quotas: category → most of it in a list.
        values: (items,) the other aim, such as the expected return.
        own: (c,) the person's shares of the categories; all 0 where nothing is known.
    """

    how: str = "mmr"
    variety: float = 0.2
    value: float = 0.0
    quotas: Mapping[int, int] = field(default_factory=dict)
    values: Array | None = None
    own: Array | None = None

    def __post_init__(self) -> None:
        if self.how not in HOW:
            raise ContractError(
                "A list is not varied so.", got=self.how, do=f"say one of {', '.join(HOW)}"
            )

    def order(self, scores: Array, features: Array, values: Array | None) -> Codes:
        """Return all (k,) places, best first.

        Args:
            scores: (k,) of the ranker.
            features: (k, c) categories or other features.
            values: (k,) the other aim of these candidates; None where there is none.
        """
        places = np.arange(len(scores))
        if self.value and values is not None:
            places = balanced(scores, values, len(scores), weight=self.value)
            # From here on the order of both aims counts, whatever the scores were.
            scores = -np.arange(len(places), dtype=np.float64)
        given = features[places]
        if self.how == "dpp" and self.variety:
            # Sharp where variety counts little: at 0.5 quality and likeness weigh as in the source.
            found = dpp(scores, given, len(scores), sharpness=min(2 / self.variety - 2, 20.0))
        elif self.how == "calibrated":
            own = np.zeros(given.shape[1]) if self.own is None else self.own
            shares = given / np.maximum(given.sum(axis=1, keepdims=True), 1e-12)
            found = calibrated(scores, shares, own, len(scores), weight=self.variety)
        else:
            found = mmr(scores, given, len(scores), variety=self.variety)
        return places[found]

    def plain(self) -> Reranking:
        """Return what is left where there is no time: the order of the scores, within the quotas."""
        return replace(self, how="mmr", variety=0.0, value=0.0)


def explored(
    n_kept: int, n_all: int, share: float, random: np.random.Generator
) -> tuple[Codes, Array]:
    """Let a list's last place now and then go to a candidate that did not make it.

    Args:
        n_kept: length of the list, the first places of the candidates.
        n_all: how many candidates there are.
        share: probability of a draw for the last place, in [0, 1].
        random: what is drawn from.

    Returns:
        (n_kept,) places, and (n_kept,) the probability with which each was shown where it stands:
        to be logged, for what was drawn can then be judged without bias.
    """
    if not 0 <= share <= 1:
        raise ContractError("A share of exploration lies between 0 and 1.", got=share)
    places = np.arange(min(n_kept, n_all))
    propensity = np.ones(len(places))
    others = n_all - len(places)
    if share == 0 or others <= 0 or not len(places):
        return places, propensity
    propensity[-1] = 1 - share
    if random.random() < share:
        places[-1] = len(places) + int(random.integers(others))
        propensity[-1] = share / others
    return places, propensity
