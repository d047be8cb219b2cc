# SPDX-License-Identifier: Apache-2.0
"""The sequence model as recall: it reads the order that decayed histories hold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from heptad.analysis.recommend.sequence import Attending, padded

if TYPE_CHECKING:
    from heptad.analysis.arrays import Array, Codes
    from heptad.analysis.recommend.interactions import Histories, Interactions


@dataclass(frozen=True)
class Ordered:
    """What comes next, of histories decayed by steps: the greater a value, the later the item.

    Attributes:
        model: the trained net.
    """

    model: Attending

    @classmethod
    def fit(cls, data: Interactions, epochs: int, seed: int) -> Ordered | None:
        """Train on the sequences of all users; None where nobody has two events. It needs torch."""
        from heptad.analysis.recommend.neural.sequence import SequenceModel, windows

        if not len(windows(data, 1)):
            return None
        return cls(SequenceModel(epochs=epochs, patience=0, seed=seed).fit(data).fitted)

    def scores(self, recent: Histories) -> Array:
        """Score all items for (m, items) decayed histories; 0 for whoever has none."""
        return self.model.scores(self.sequences(recent))

    def some(self, recent: Histories, items: Codes) -> Array:
        """Score (m, k) items, k of each history; 0 for a code below 0."""
        return self.model.some(self.sequences(recent), items)

    def sequences(self, recent: Histories) -> Codes:
        """Return the (m, l) last items of each, newest last; an item met twice stands where it was last."""
        ends = recent.indptr
        rows = []
        for row in range(recent.shape[0]):
            part = slice(ends[row], ends[row + 1])
            rows.append(recent.indices[part][np.argsort(recent.data[part], kind="stable")])
        return padded(rows, self.model.length)
