# SPDX-License-Identifier: Apache-2.0
"""Association rules of pairs: who has this is missing that."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

from heptad.analysis.recommend.linear import picked

if TYPE_CHECKING:
    from heptad.analysis.arrays import Array, Codes
    from heptad.analysis.recommend.interactions import Histories, Interactions


@dataclass(frozen=True)
class Rule:
    """Of those who have `given` a share of `confidence` has `then` too, `lift` times the usual."""

    given: int
    then: int
    support: int
    confidence: float
    lift: float
    q_value: float


@dataclass
class Rules:
    """Rules between two items that are more frequent than chance explains.

    Args:
        support: fewest users who have both.
        lift: least lift.
        q: most false discoveries among the rules kept, as a share.

    Source: Agrawal, Srikant, Fast algorithms for mining association rules, 1994; false discoveries
    after Benjamini, Hochberg, Controlling the false discovery rate, 1995.
    """

    support: int = 20
    lift: float = 1.2
    q: float = 0.01
    rules_: list[Rule] = field(init=False, repr=False, default_factory=list)
    weights_: Any = field(init=False, repr=False)

    def fit(self, data: Interactions) -> Rules:
        """Count pairs, test each against independence and keep what stands."""
        seen = data.matrix()
        return self.fit_counts(seen.T @ seen, int((np.diff(seen.indptr) > 0).sum()))

    def fit_counts(self, together: Any, people: int) -> Rules:
        """Keep the rules that stand by counts made elsewhere.

        Args:
            together: (items, items) sparse: how many chose both, how many chose it on the diagonal.
            people: how many chose anything.
        """
        from scipy import stats  # takes long, and much memory; only training needs it

        counts = together.diagonal().astype(np.int64)
        both = sparse.triu(together, k=1).tocoo()
        kept = both.data >= self.support
        one, other, n = both.row[kept], both.col[kept], both.data[kept].astype(np.int64)
        expected = counts[one] * counts[other] / max(people, 1)
        p = stats.hypergeom.sf(n - 1, max(people, 1), counts[one], counts[other])
        q = _false_discoveries(np.asarray(p, dtype=np.float64), len(both.data))
        good = (q <= self.q) & (n >= self.lift * expected)
        self.rules_ = [
            Rule(int(a), int(b), int(m), m / counts[a], m / e, float(v))
            for x, y, m, e, v in zip(
                one[good], other[good], n[good], expected[good], q[good], strict=True
            )
            for a, b in ((x, y), (y, x))
        ]
        rows = np.array([r.given for r in self.rules_], dtype=np.int64)
        columns = np.array([r.then for r in self.rules_], dtype=np.int64)
        values = np.array([r.confidence for r in self.rules_], dtype=np.float32)
        self.weights_ = sparse.csc_matrix((values, (rows, columns)), shape=together.shape)
        return self

    def scores(self, histories: Histories) -> Array:
        """Score all items: (m, items) the greatest confidence of a rule that the history meets."""
        found = np.zeros((histories.shape[0], self.weights_.shape[1]))
        weights = self.weights_.tocsr()
        for row in range(histories.shape[0]):
            held: Codes = histories.indices[histories.indptr[row] : histories.indptr[row + 1]]
            if len(held):
                found[row] = weights[held].max(axis=0).toarray().ravel()
        return found

    def some(self, histories: Histories, items: Codes) -> Array:
        """Score (m, k) items, k of each history; 0 for a code below 0."""
        return picked(self.scores(histories), items)


def _false_discoveries(p: Array, asked: int) -> Array:
    """Return q-values of p-values, of which more were asked than are given."""
    order = np.argsort(p)
    scaled = p[order] * max(asked, len(p)) / np.arange(1, len(p) + 1)
    found = np.empty_like(p)
    found[order] = np.minimum(np.minimum.accumulate(scaled[::-1])[::-1], 1.0)
    return found
