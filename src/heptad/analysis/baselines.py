# SPDX-License-Identifier: Apache-2.0
"""The plain models that ours are measured against, set as their users would set them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def plain_logistic(
    columns: Mapping[str, Any], target: Any, *, seed: int = 0, reg: float | None = None
) -> Callable[[Mapping[str, Any]], Any]:
    """Fit scikit-learn's logistic regression on one-hot, scaled and missing-flagged columns.

    The penalty is chosen by five-fold cross-validation on the training rows, by AUC, unless given.

    Args:
        columns: name → (n,) float64 with NaN, or objects with None, for missing.
        target: (n,) 0 or 1.
        seed: of the folds.
        reg: the penalty, as 1 / C; None chooses it.

    Returns:
        A function that gives (m,) probabilities of 1 for other rows of the same columns.
    """
    from sklearn.linear_model import LogisticRegression, LogisticRegressionCV
    from sklearn.model_selection import StratifiedKFold

    design = _Design(columns)
    if reg is not None:
        plain = LogisticRegression(C=1 / reg, max_iter=2000)
        plain.fit(design(columns), np.asarray(target))
        return lambda rows: plain.predict_proba(design(rows))[:, 1]
    folds = StratifiedKFold(5, shuffle=True, random_state=seed)
    model = LogisticRegressionCV(
        Cs=np.logspace(-3, 2, 11).tolist(),
        cv=folds,
        scoring="roc_auc",
        max_iter=2000,
        use_legacy_attributes=False,
        l1_ratios=(0,),
    )
    model.fit(design(columns), np.asarray(target))
    return lambda rows: model.predict_proba(design(rows))[:, 1]


class _Design:
    """Turns named columns into a matrix with the means, spreads and levels of the training rows."""

    def __init__(self, columns: Mapping[str, Any]) -> None:
        self.numbers: dict[str, tuple[float, float]] = {}
        self.levels: dict[str, list[str]] = {}
        for name, values in columns.items():
            array = np.asarray(values)
            if array.dtype == object:
                self.levels[name] = sorted({str(v) for v in array if v is not None})
            else:
                known = array[~np.isnan(array.astype(float))].astype(float)
                mean = float(known.mean()) if len(known) else 0.0
                self.numbers[name] = mean, (float(known.std()) if len(known) else 0.0) or 1.0

    def __call__(self, columns: Mapping[str, Any]) -> Any:
        parts = []
        for name, (mean, spread) in self.numbers.items():
            values = np.asarray(columns[name]).astype(float)
            missing = np.isnan(values)
            parts += [np.where(missing, 0.0, (values - mean) / spread), missing.astype(float)]
        for name, levels in self.levels.items():
            texts = np.array(["" if v is None else str(v) for v in columns[name]])
            parts += [(texts == level).astype(float) for level in levels]
        return np.column_stack(parts)
