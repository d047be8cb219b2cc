# SPDX-License-Identifier: Apache-2.0
"""What most people choose, lately and among those alike: the recall that never fails."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from heptad.standards.errors import ContractError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from heptad.analysis.arrays import Array, Codes
    from heptad.analysis.recommend.interactions import Histories, Interactions

DAY = 86_400_000_000


@dataclass
class Popularity:
    """Counts of events by item, halved with age, by segment where one is known.

    Args:
        half_life_days: age at which an event counts half; None counts all alike.
        strength: events of a segment's own that weigh as much as everybody's.
    """

    half_life_days: float | None = None
    strength: float = 100.0
    counts_: Array = field(init=False, repr=False)
    segments_: Array = field(init=False, repr=False)

    def fit(self, data: Interactions, segments: ArrayLike | None = None) -> Popularity:
        """Count.

        Args:
            data: the events.
            segments: (users,) segment codes from 0; -1 where none is known.

        Raises:
            ContractError: if the half-life is not above 0.
        """
        if self.half_life_days is not None and not self.half_life_days > 0:
            raise ContractError("A half-life must be above 0.", got=self.half_life_days)
        weight = data.weights.copy()
        if self.half_life_days is not None and len(data):
            age = (data.times.max() - data.times) / (self.half_life_days * DAY)
            weight *= np.exp2(-age)
        self.counts_ = np.bincount(data.items, weight, data.n_items).astype(np.float64)
        if segments is None:
            self.segments_ = np.zeros((0, data.n_items))
            return self
        of = np.asarray(segments, dtype=np.int64)
        some = of[data.users] >= 0
        n = int(of.max(initial=-1)) + 1
        cell = of[data.users[some]] * data.n_items + data.items[some]
        own = np.bincount(cell, weight[some], n * data.n_items).reshape(n, data.n_items)
        everyone = self.counts_ / max(self.counts_.sum(), 1e-12)
        size = own.sum(axis=1, keepdims=True)
        self.segments_ = (own + self.strength * everyone) / (size + self.strength)
        return self

    def scores(self, histories: Histories, segments: Codes | None = None) -> Array:
        """Score all items for m rows.

        Args:
            histories: (m, items); only m is read.
            segments: (m,) segment codes; everybody's counts where -1 or not given.

        Returns:
            (m, items) shares of events.
        """
        everyone = self.counts_ / max(self.counts_.sum(), 1e-12)
        found = np.tile(everyone, (histories.shape[0], 1))
        if segments is not None and len(self.segments_):
            known = (segments >= 0) & (segments < len(self.segments_))
            found[known] = self.segments_[segments[known]]
        return found
