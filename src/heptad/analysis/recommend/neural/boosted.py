# SPDX-License-Identifier: Apache-2.0
"""LambdaMART by LightGBM: boosted trees that learn the order within each user's list."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from heptad.standards.errors import ContractError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Self

    from numpy.typing import ArrayLike

    from heptad.analysis.arrays import Array, Codes
    from heptad.analysis.recommend.neural.rows import Rows


@dataclass
class LambdaMART:
    """Scores that order the rows of each list; their differences mean something within a list only.

    Attributes:
        columns: names of the numbers that it reads.
        epochs: trees.
        leaves: of a tree.
        learning_rate: share of each tree that is added.
        seed: of the sampling.

    Source: Burges, From RankNet to LambdaRank to LambdaMART, 2010.
    """

    columns: Sequence[str]
    epochs: int = 200
    leaves: int = 15
    learning_rate: float = 0.05
    seed: int = 0

    def fit(self, rows: Rows, y: ArrayLike, lists: Codes) -> Self:
        """Learn from rows (n), outcomes (n,) 0 or 1, and the list (n,) that each row lies in."""
        import lightgbm

        targets, x = np.asarray(y, np.int64), self._matrix(rows)
        if not len(targets) == len(lists) == len(x):
            raise ContractError(
                "Rows, outcomes and lists must agree.",
                got=f"{len(x)}, {len(targets)}, {len(lists)}",
            )
        order = np.argsort(lists, kind="stable")
        sizes = np.unique(lists, return_counts=True)[1]
        data = lightgbm.Dataset(
            x[order], targets[order], group=sizes, feature_name=list(self.columns)
        )
        parameters = {
            "objective": "lambdarank", "num_leaves": self.leaves, "learning_rate": self.learning_rate,
            "min_data_in_leaf": 50, "lambdarank_truncation_level": 20, "seed": self.seed,
            "deterministic": True, "num_threads": 1, "verbosity": -1,
        }  # fmt: skip
        self.model_ = lightgbm.train(parameters, data, self.epochs)
        return self

    def _matrix(self, rows: Rows) -> Array:
        absent = [name for name in self.columns if name not in rows]
        if absent:
            raise ContractError(f"Column {absent[0]} is absent.", got=list(rows))
        n = max(len(rows[name]) for name in self.columns)
        return np.stack(
            [np.broadcast_to(np.asarray(rows[name], np.float64), n) for name in self.columns], 1
        )

    def score(self, user_rows: Rows, item_rows: Rows, context: Rows) -> Array:
        """Return scores (n,), higher first; one row of a part stands for all."""
        matrix = self._matrix({**user_rows, **item_rows, **context})
        return np.asarray(self.model_.predict(matrix), np.float64)
