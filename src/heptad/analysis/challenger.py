# SPDX-License-Identifier: Apache-2.0
"""The challenger of a scorecard: boosted trees, monotone where a direction is declared."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from heptad.analysis.arrays import Array, Column, Table, columns, target, weights
from heptad.standards.errors import ContractError, suggest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import ArrayLike


class Challenger:
    """LightGBM on the columns that a card learns from, for comparison in the same folds.

    One thread and fixed seeds: the same rows give the same trees. Directions are taken as
    declared and never guessed, since a guessed sign costs accuracy where an effect turns.

    Args:
        monotone: column name → "up" (more of it, more bad) or "down"; numbers only.
        epochs: trees.
        learning_rate: of each tree.
        leaves: most leaves of a tree.
        least: fewest rows in a leaf.
        seed: of the trees.
    """

    def __init__(
        self,
        *,
        monotone: Mapping[str, str] | None = None,
        epochs: int = 300,
        learning_rate: float = 0.03,
        leaves: int = 15,
        least: int = 30,
        seed: int = 0,
    ) -> None:
        self.monotone = monotone
        self.epochs = epochs
        self.learning_rate = learning_rate
        self.leaves = leaves
        self.least = least
        self.seed = seed

    def fit(self, X: Table, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Challenger:  # noqa: N803
        """Grow the trees.

        Args:
            X: named columns, as `Scorecard.fit` takes them.
            y: (n,) 1 bad, 0 good.
            sample_weight: (n,) not negative.

        Raises:
            ContractError: if columns, outcomes or directions cannot be used.
        """
        from lightgbm import LGBMClassifier

        table, labels = columns(X), target(y)
        mass = None if sample_weight is None else weights(sample_weight, len(labels))
        self.levels_ = {
            name: {level: i for i, level in enumerate(sorted({*values.tolist()} - {None}))}
            for name, values in table.items()
            if values.dtype == object
        }
        self.names_ = tuple(table)
        signs = [self._sign(name, values) for name, values in table.items()]
        for name in self.monotone or {}:
            if name not in table:
                raise ContractError(
                    "A direction names a column that is absent.", got=name, do=suggest(name, table)
                )
        model = LGBMClassifier(
            n_estimators=self.epochs,
            learning_rate=self.learning_rate,
            num_leaves=self.leaves,
            min_child_samples=self.least,
            monotone_constraints=signs if any(signs) else None,
            # The finer methods break a direction beside columns of text.
            monotone_constraints_method="basic",
            random_state=self.seed,
            deterministic=True,
            force_row_wise=True,
            n_jobs=1,
            cat_smooth=20,
            verbose=-1,
        )
        named = [i for i, name in enumerate(self.names_) if name in self.levels_]
        self.model_ = model.fit(
            self._matrix(table), labels, sample_weight=mass, categorical_feature=named
        )
        return self

    def _sign(self, name: str, values: Column) -> int:
        given = (self.monotone or {}).get(name)
        if given is None:
            return 0
        if given not in {"up", "down"} or values.dtype == object:
            raise ContractError(
                f"The direction of {name} must be up or down, and of numbers.", got=given
            )
        return 1 if given == "up" else -1

    def _matrix(self, table: Mapping[str, Column]) -> Array:
        x = np.empty((len(next(iter(table.values()))), len(self.names_)))
        for i, name in enumerate(self.names_):
            place = self.levels_.get(name)
            if place is None:
                x[:, i] = table[name]
            else:
                x[:, i] = [place.get(v, np.nan) for v in table[name].tolist()]
        return x

    def predict_proba(self, X: Table) -> Array:  # noqa: N803
        """Probabilities (n, 2) of good and bad.

        Raises:
            ContractError: if it has not been trained or a column is absent.
        """
        if not hasattr(self, "model_"):
            raise ContractError("This challenger has not been trained.", do="call `fit` first.")
        bad: Any = self.model_.booster_.predict(
            self._matrix(columns(X, self.names_)), num_threads=1
        )
        return np.column_stack([1 - bad, bad])
