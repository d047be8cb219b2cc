# SPDX-License-Identifier: Apache-2.0
"""Ratings of MovieLens-1M by users, and of films, without one rating: the hybrid beside the biases."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.fits import Fits
from benchmarks.recommend_ratings import FILES, data_of, shorten, tell
from heptad.analysis.recommend.ratings.rows import Means, rmse

if TYPE_CHECKING:
    from pathlib import Path

FOLDS, SHARE = 5, 10
"""So many disjoint tenths of the users, or films, are left out, one after the other."""


def cold_fits(*, quick: bool, seed: int) -> Fits:
    """The hybrid on users without one rating, and on films without one."""
    work = {
        f"hybrid-{side}-{fold}": partial(_cold, side, fold, seed, quick)
        for side in ("items", "users")
        for fold in range(1 if quick else FOLDS)
    }
    return Fits("cold", work, "benchmarks.recommend_cold", *FILES, quick=quick)


def _cold(side: str, fold: int, seed: int, quick: bool, keep: Path) -> dict[str, Any]:
    """Leave a tenth of a side out, and return the errors of each one left out, ours and the biases'."""
    from heptad.analysis.recommend.neural.hybrid import Hybrid

    ratings, sides_of = data_of(quick)
    codes = ratings.users if side == "users" else ratings.items
    n = ratings.shape[side == "items"]
    tenths = np.random.default_rng(seed).permutation(n) % SHARE
    out = tenths[codes] == fold
    train, test = ratings.take(np.flatnonzero(~out)), ratings.take(np.flatnonzero(out))
    model = Hybrid(sides_of(np.unique(train.items)), 64, 8, reg=0.06, seed=seed)
    if quick:
        shorten(model)
    model.fit(train, keep=keep, progress=tell)
    expected = model.predict(test.users, test.items)
    base = Means.fit(train).predict(test.users, test.items)
    _, who = np.unique(codes[out], return_inverse=True)
    each = [np.bincount(who)]
    each += [np.bincount(who, (test.values - e) ** 2) for e in (expected, base)]
    return {
        "rmse": rmse(test.values, expected),
        "rmse_biases": rmse(test.values, base),
        "sums": [np.asarray(column, float).tolist() for column in each],
    }
