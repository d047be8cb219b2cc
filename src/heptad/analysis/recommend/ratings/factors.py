# SPDX-License-Identifier: Apache-2.0
"""Matrix models of ratings: probabilistic matrix factorisation as published, and tuned with biases."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np

from heptad.analysis.recommend.epochs import Arrays, Course, Epoch, digest
from heptad.analysis.recommend.ratings.rows import Ratings, rmse

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import Self

    from heptad.analysis.arrays import Array, Codes


@dataclass
class Factors:
    """Rating = mean [+ user's bias + item's bias] + u · v, by stochastic gradient descent.

    Without biases and with `reg_by="row"` it is the posterior mode of PMF as written: the least of
    ½ Σ (r - u·v)² + reg/2 (Σ |u|² + Σ |v|²), the penalty counted once per user and item.
    With `reg_by="rating"` the penalty is counted once per rating, which is what tuned models use.

    Attributes:
        embedding_size: length of u and v.
        epochs: passes over all ratings.
        learning_rate: of the first epoch.
        decay: by which each epoch's rate is the previous one's.
        reg: penalty.
        reg_by: "rating" or "row".
        biases: whether users and items have one.
        seed: of the start and of the order of ratings.

    Source: Salakhutdinov, Mnih, Probabilistic matrix factorization, 2008, eq. (4); Koren, Bell,
    Volinsky, Matrix factorization techniques for recommender systems, 2009, eq. (4)-(5).
    """

    embedding_size: int = 200
    epochs: int = 60
    learning_rate: float = 0.01
    decay: float = 1.0
    reg: float = 0.05
    reg_by: str = "rating"
    biases: bool = True
    seed: int = 0

    def fit(
        self,
        ratings: Ratings,
        held_out: Ratings | None = None,
        *,
        keep: Path | None = None,
        progress: Callable[[Epoch], None] | None = None,
    ) -> Self:
        """Learn from ratings; see `RatingModel`."""
        from heptad.analysis.recommend.ratings import loops

        key = digest(asdict(self), ratings.users, ratings.items, ratings.values)
        course = Course(self.epochs, self.seed, keep, progress, key)
        self._start(ratings, course)
        regs = [
            self._penalty(codes, n)
            for codes, n in zip((ratings.users, ratings.items), ratings.shape, strict=True)
        ]
        left = np.ascontiguousarray(ratings.values - self.mean_)
        for epoch in course.rest():
            rate = self.learning_rate * self.decay ** (epoch - 1)
            order = course.rng(epoch).permutation(len(ratings))
            squares = loops.descend(
                order, ratings.users, ratings.items, left, self.of_user_, self.of_item_,
                self.u_, self.v_, *regs, rate, rate if self.biases else 0.0,
            )  # fmt: skip
            seen = np.nan
            if held_out is not None:
                seen = rmse(held_out.values, self.predict(held_out.users, held_out.items))
            course.done(np.sqrt(squares / len(ratings)), seen, self._arrays)
        self.told_ = course.told
        return self

    def _start(self, ratings: Ratings, course: Course) -> None:
        self.span_, self.mean_ = ratings.span, float(ratings.values.mean())
        rng, k = course.rng(0), self.embedding_size
        users, items = ratings.shape
        self.u_ = rng.normal(0, 0.1 / np.sqrt(k) * 3, (users, k)).astype(np.float32)
        self.v_ = rng.normal(0, 0.1 / np.sqrt(k) * 3, (items, k)).astype(np.float32)
        self.u_[np.bincount(ratings.users, minlength=users) == 0] = 0
        self.v_[np.bincount(ratings.items, minlength=items) == 0] = 0
        self.of_user_, self.of_item_ = np.zeros(users), np.zeros(items)
        for name, array in course.resume().items():
            setattr(self, name, array)

    def _arrays(self) -> Arrays:
        return {name: getattr(self, name) for name in ("u_", "v_", "of_user_", "of_item_")}

    def _penalty(self, codes: Codes, n: int) -> Array:
        if self.reg_by == "rating":
            return np.full(n, self.reg)
        return self.reg / np.maximum(np.bincount(codes, minlength=n), 1)

    def predict(self, users: Codes, items: Codes) -> Array:
        """Return the ratings (n,) expected of users (n,) for items (n,), within the span met.

        A user or an item without a rating has no factors: what is left is the mean and the
        other's bias.
        """
        dot = np.einsum("nk,nk->n", self.u_[users], self.v_[items], dtype=np.float64)
        whole: Array = self.mean_ + self.of_user_[users] + self.of_item_[items] + dot
        return whole.clip(*self.span_)
