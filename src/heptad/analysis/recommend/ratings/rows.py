# SPDX-License-Identifier: Apache-2.0
"""Ratings as three columns, and the shrunken means that every model starts from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from heptad.standards.errors import ContractError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import Self

    from heptad.analysis.arrays import Array, Codes
    from heptad.analysis.recommend.epochs import Epoch


@dataclass(frozen=True)
class Ratings:
    """Who rated what, and how.

    Attributes:
        users: (n,) codes 0 … shape[0] - 1.
        items: (n,) codes 0 … shape[1] - 1.
        values: (n,) ratings.
        shape: how many users and items there are, those without a rating included.
    """

    users: Codes
    items: Codes
    values: Array
    shape: tuple[int, int]

    def __post_init__(self) -> None:
        if not self.users.shape == self.items.shape == self.values.shape or self.users.ndim != 1:
            raise ContractError(
                "Users, items and values must be columns of one length.",
                got=f"{self.users.shape}, {self.items.shape}, {self.values.shape}",
            )
        if len(self.users) == 0:
            raise ContractError("At least one rating is needed.", got="no rating")
        for name, codes, n in zip(
            ("User", "Item"), (self.users, self.items), self.shape, strict=True
        ):
            if codes.min() < 0 or codes.max() >= n:
                raise ContractError(
                    f"{name} codes must lie in 0 … {n - 1}.", got=f"{codes.min()} … {codes.max()}"
                )
        if not np.isfinite(self.values).all():
            raise ContractError("Ratings must be finite.", got="NaN or infinite")

    def __len__(self) -> int:
        return len(self.users)

    def take(self, rows: Codes) -> Ratings:
        """Return the ratings of some rows, of the same users and items."""
        return Ratings(self.users[rows], self.items[rows], self.values[rows], self.shape)

    @property
    def span(self) -> tuple[float, float]:
        """The least and the greatest rating."""
        return float(self.values.min()), float(self.values.max())


class RatingModel(Protocol):
    """What all models of ratings share."""

    def fit(
        self,
        ratings: Ratings,
        held_out: Ratings | None = None,
        *,
        keep: Path | None = None,
        progress: Callable[[Epoch], None] | None = None,
    ) -> Self:
        """Learn from ratings. `held_out` is only watched; `keep` is where to resume from."""
        ...

    def predict(self, users: Codes, items: Codes) -> Array:
        """Return the ratings (n,) expected of users (n,) for items (n,)."""
        ...


def rmse(actual: Array, expected: Array) -> float:
    """Return the root of the mean squared difference, in the unit of the ratings.

    >>> rmse(np.array([1.0, 5.0]), np.array([2.0, 3.0]))
    1.5811388300841898
    """
    return float(np.sqrt(np.mean((np.asarray(actual) - np.asarray(expected)) ** 2)))


@dataclass(frozen=True)
class Means:
    """Mean, and the deviation of each user and item from it, drawn to 0 where ratings are few.

    Attributes:
        mean: of all ratings.
        of_user: (users,) deviations; 0 for users without a rating.
        of_item: (items,) deviations; 0 for items without a rating.
    """

    mean: float
    of_user: Array
    of_item: Array

    @classmethod
    def fit(
        cls, ratings: Ratings, *, reg: tuple[float, float] = (8.0, 5.0), epochs: int = 10
    ) -> Means:
        """Fit by turns: items, users, and again.

        Args:
            ratings: to learn from.
            reg: ratings' worth of evidence for a deviation of 0, of users and of items.
            epochs: turns.

        Source: Koren, Bell, Volinsky, Matrix factorization techniques, 2009, eq. (3) without factors.
        """
        mean = float(ratings.values.mean())
        users, items = np.zeros(ratings.shape[0]), np.zeros(ratings.shape[1])
        for _ in range(epochs):
            items = _deviation(
                ratings.items, ratings.values - mean - users[ratings.users], len(items), reg[1]
            )
            users = _deviation(
                ratings.users, ratings.values - mean - items[ratings.items], len(users), reg[0]
            )
        return cls(mean, users, items)

    def predict(self, users: Codes, items: Codes) -> Array:
        """Return the ratings (n,) expected of users (n,) for items (n,)."""
        return self.mean + self.of_user[users] + self.of_item[items]


def _deviation(codes: Codes, left: Array, n: int, reg: float) -> Array:
    return np.bincount(codes, left, n) / (np.bincount(codes, minlength=n) + reg)
