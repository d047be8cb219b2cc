# SPDX-License-Identifier: Apache-2.0
"""Judge recommenders by ranking every item for every user, block by block; nothing is sampled."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from heptad.standards.errors import ContractError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from heptad.analysis.arrays import Array, Codes
    from heptad.analysis.recommend.splits import Split

    Scores = Callable[[Codes], Array]
    """Of (m,) users, the scores of all items, (m, items); higher is better."""

BLOCK = 512


@dataclass(frozen=True)
class Judged:
    """What one recommender did.

    Attributes:
        users: (m,) who was judged.
        lists: (m, n) item codes, best first; -1 where there were no more items.
        each: metric → (m,) value of each user.
        overall: metric → value of all lists together.
    """

    users: Codes
    lists: Codes
    each: Mapping[str, Array]
    overall: Mapping[str, float] = field(default_factory=dict)

    def mean(self, metric: str) -> float:
        """Return the mean over users."""
        return float(self.each[metric].mean())


def judge(
    split: Split, scores: Scores, *, n: int = 10, unseen: bool = True, block: int = BLOCK
) -> Judged:
    """Rank all items for each user of a split and compare with what they chose then.

    Args:
        split: what was seen, what came, and whom to judge.
        scores: of all items for some users.
        n: length of a list.
        unseen: leave out what the user was seen with in train.
        block: users scored at a time, which bounds the memory.

    Returns:
        By user ndcg, recall, mrr, hit (of lists of n) and auc (of all items ranked: the mean over
        users is gAUC); overall coverage, novelty in bits and the Gini coefficient of exposure.

    Raises:
        ContractError: if nobody is judged, or a score is NaN.
    """
    if not len(split.rows):
        raise ContractError("Nobody is judged by this split.", do="lower `fewest`, or give more")
    seen, wanted = split.train.matrix(), split.test.matrix()
    lists = np.full((len(split.rows), n), -1, dtype=np.int64)
    each = {name: np.zeros(len(split.rows)) for name in ("ndcg", "recall", "mrr", "hit", "auc")}
    for start in range(0, len(split.rows), block):
        rows = split.rows[start : start + block]
        found = np.asarray(scores(rows), dtype=np.float64)
        if np.isnan(found).any():
            raise ContractError("A recommender scored NaN.", got=int(np.isnan(found).sum()))
        found = found.copy()
        if unseen:
            found[seen[rows].nonzero()] = -np.inf
        hits = wanted[rows].toarray() > 0
        top = ranked(found, n)
        part = slice(start, start + len(rows))
        lists[part] = top
        for name, values in _figures(found, top, hits & np.isfinite(found)).items():
            each[name][part] = values
    return Judged(split.rows, lists, each, _overall(lists, split.train.counts()))


def ranked(scores: Array, n: int) -> Codes:
    """Return the (m, n) best items, best first, ties by the smaller code; -1 beyond the finite."""
    found = np.full((len(scores), n), -1, dtype=np.int64)
    width = min(n, scores.shape[1])
    if not width:
        return found
    least = np.partition(-scores, width - 1, axis=1)[:, width - 1]
    for row, (values, limit) in enumerate(zip(scores, -least, strict=True)):
        chosen = np.flatnonzero(values >= limit)
        best = chosen[np.argsort(-values[chosen], kind="stable")][:width]
        best = best[np.isfinite(values[best])]
        found[row, : len(best)] = best
    return found


def _figures(scores: Array, top: Codes, hits: Any) -> dict[str, Array]:
    """Return the figures of each user of a block."""
    n = top.shape[1]
    there = top >= 0
    hit = np.take_along_axis(hits, np.maximum(top, 0), axis=1) & there
    discount = 1 / np.log2(np.arange(n) + 2)
    total = hits.sum(axis=1)
    ideal = np.concatenate([[0.0], np.cumsum(discount)])[np.minimum(total, n)]
    some = np.maximum(total, 1)
    first = np.where(hit.any(axis=1), 1 / (hit.argmax(axis=1) + 1), 0.0)
    return {
        "ndcg": np.divide(hit @ discount, ideal, out=np.zeros(len(top)), where=ideal > 0),
        "recall": hit.sum(axis=1) / np.minimum(some, n),
        "mrr": first,
        "hit": hit.any(axis=1).astype(np.float64),
        "auc": np.array([_auc(s, h) for s, h in zip(scores, hits, strict=True)]),
    }


def _auc(scores: Array, hits: Any) -> float:
    """The share of pairs (chosen, not chosen) in the right order, ties half; 0.5 without pairs."""
    kept = np.isfinite(scores)
    good, other = scores[kept & hits], np.sort(scores[kept & ~hits])
    if not (len(good) and len(other)):
        return 0.5
    twice = np.searchsorted(other, good, "left") + np.searchsorted(other, good, "right")
    return float(twice.sum()) / (2 * len(good) * len(other))


def _overall(lists: Codes, counts: Codes) -> dict[str, float]:
    shown = lists[lists >= 0]
    exposure = np.bincount(shown, minlength=len(counts))
    share = (counts + 1) / (counts.sum() + len(counts))
    return {
        "coverage": float((exposure > 0).mean()) if len(counts) else 0.0,
        "novelty": float(-np.log2(share[shown]).mean()) if len(shown) else 0.0,
        "gini": gini(exposure),
    }


def gini(exposure: Codes) -> float:
    """Measure how unevenly (items,) showings are spread: 0 alike, near 1 all to one item."""
    n, total = len(exposure), exposure.sum()
    if not total:
        return 0.0
    ranked_up = np.sort(exposure)
    return float((2 * np.arange(1, n + 1) - n - 1) @ ranked_up / (n * total))


def diversity(lists: Codes, features: Array) -> Array:
    """Return of each (m, n) list the mean cosine distance of its pairs, by (items, d) features."""
    norm = np.linalg.norm(features, axis=1, keepdims=True)
    unit = np.divide(features, norm, out=np.zeros_like(features, dtype=np.float64), where=norm > 0)
    found = np.zeros(len(lists))
    for row, one in enumerate(lists):
        vectors = unit[one[one >= 0]]
        n = len(vectors)
        if n > 1:
            alike = vectors @ vectors.T
            found[row] = 1 - (alike.sum() - np.trace(alike)) / (n * (n - 1))
    return found


def miscalibration(lists: Codes, histories: Any, categories: Array, alpha: float = 0.01) -> Array:
    """Return how far each list's categories are from its user's, as Kullback-Leibler divergence.

    Args:
        lists: (m, n) item codes; -1 is left out.
        histories: (m, items) what each user did.
        categories: (items, c) shares, rows summing to 1 or all 0.
        alpha: share of the user's own mixed into the list's, so that no category is impossible.

    Returns:
        (m,) in nats; 0 is alike.

    Source: Steck, Calibrated recommendations, 2018, equations (1) to (3).
    """
    own = np.asarray(histories @ categories, dtype=np.float64)
    own /= np.maximum(own.sum(axis=1, keepdims=True), 1e-12)
    found = np.zeros(len(lists))
    for row, one in enumerate(lists):
        given = categories[one[one >= 0]].sum(axis=0)
        given = given / max(given.sum(), 1e-12)
        mixed = (1 - alpha) * given + alpha * own[row]
        some = own[row] > 0
        found[row] = float((own[row][some] * np.log(own[row][some] / mixed[some])).sum())
    return found
