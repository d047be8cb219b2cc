# SPDX-License-Identifier: Apache-2.0
"""Implicit matrix factorisation by alternating least squares; anybody is folded in by one solve."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from scipy.linalg import lapack

from heptad.standards.errors import ContractError

if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import NDArray

    from heptad.analysis.arrays import Array, Codes
    from heptad.analysis.recommend.interactions import Histories, Interactions

    Floats = NDArray[np.float32]


@dataclass
class Factors:
    """User and item vectors whose product is near 1 where there was an event, and small elsewhere.

    Args:
        embedding_size: length of a vector.
        reg: on the squared vectors, times (events + unobserved × others).
        unobserved: weight of the cells without an event against those with one.
        epochs: alternations.
        seed: of the first vectors.

    Source: Hu, Koren, Volinsky 2008; the frequency-scaled regularisation and the weight of
    unobserved cells after Rendle, Krichene, Zhang, Koren, Revisiting the performance of iALS,
    2021, section 3.
    """

    embedding_size: int = 64
    reg: float = 0.01
    unobserved: float = 0.3
    epochs: int = 8
    seed: int = 0
    items_: Floats = field(init=False, repr=False)

    def fit(self, data: Interactions) -> Factors:
        """Alternate between users and items.

        Raises:
            ContractError: if a parameter is not above 0.
        """
        items, seen = self.begun(data.n_items), data.matrix()
        by_item = seen.T.tocsr()
        for _ in range(self.epochs):
            users = self.solved(seen, items, self.everyone(items))
            items = self.solved(by_item, users, self.everyone(users))
        self.items_ = items
        return self

    def begun(self, n_items: int) -> Floats:
        """Return the items' first vectors.

        Raises:
            ContractError: if a parameter is not above 0.
        """
        if min(self.embedding_size, self.reg, self.unobserved, self.epochs) <= 0:
            raise ContractError("All parameters of Factors must be above 0.", got=str(self))
        random = np.random.default_rng(self.seed)
        shape = (n_items, self.embedding_size)
        return random.normal(0, 0.1 / np.sqrt(self.embedding_size), shape).astype(np.float32)

    def everyone(self, other: Floats) -> Floats:
        """Return what all cells without an event add to each solve, (d, d)."""
        return (self.unobserved * (other.T @ other)).astype(np.float32)

    def solved(self, rows: Any, other: Floats, everyone: Floats) -> Floats:
        """Solve the vector of each row of a matrix of events against the other side's.

        Args:
            rows: (m, n) CSR of ones.
            other: (n, d) vectors of the other side.
            everyone: of all of them.

        Returns:
            (m, d); zeros for a row without an event.
        """
        size = other.shape[1]
        found = np.zeros((rows.shape[0], size), np.float32)
        ends, codes, sums = rows.indptr, rows.indices, rows @ other
        for row in np.flatnonzero(np.diff(ends)):
            mine = other[codes[ends[row] : ends[row + 1]]]
            left = mine.T @ mine
            left += everyone
            left.ravel()[:: size + 1] += self.reg * (len(mine) + self.unobserved * rows.shape[1])
            # Symmetric, so that its transpose lies as LAPACK wants it and is not copied.
            _, found[row], _ = lapack.sposv(left.T, sums[row], overwrite_a=True)
        return found

    def users(self, histories: Histories) -> Floats:
        """Fold histories in: (m, embedding_size), zeros for an empty one."""
        return self.solved(histories, self.items_, self.everyone(self.items_))

    def scores(self, histories: Histories) -> Array:
        """Score all items for (m, items) histories."""
        return (self.users(histories) @ self.items_.T).astype(np.float64)

    def some(self, histories: Histories, items: Codes) -> Array:
        """Score (m, k) items, k of each history; 0 for a code below 0."""
        vectors = self.items_[np.maximum(items, 0)]
        found = np.einsum("mf,mkf->mk", self.users(histories), vectors).astype(np.float64)
        return np.where(items >= 0, found, 0.0)
