# SPDX-License-Identifier: Apache-2.0
"""The hybrid of paper 001: users and films as sums of their parts, titles through the text convolution."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING

import numpy as np
import torch

from heptad.analysis.recommend.epochs import Course, Epoch, digest
from heptad.analysis.recommend.neural.textcnn import TextCNN
from heptad.analysis.recommend.neural.training import Schedule, train
from heptad.analysis.recommend.neural.words import word_vectors
from heptad.analysis.recommend.ratings.rows import Ratings, rmse

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import Self

    from numpy.typing import NDArray

    from heptad.analysis.arrays import Array, Codes


@dataclass(frozen=True)
class Sides:
    """What is known of users and items beside the ratings.

    Attributes:
        users: name → (users,) codes from 0, as gender, age and occupation.
        lists: name → (items, l) numbers from 1, 0 is padding, as genres.
        titles: (items, l) numbers of words, 0 is padding.
    """

    users: dict[str, Codes]
    lists: dict[str, Codes]
    titles: Codes


class HybridNet(torch.nn.Module):
    """r = mean + b_u + b_i + x_u · y_i, where x_u and y_i are sums of parts.

    x_u: vectors of the user and of each of the user's fields. y_i: vectors of the item, the mean
    of each list's vectors, and s_i, what the text convolution makes of the title. b_u and b_i are
    a number per user and item and a linear reading of the other parts.
    """

    def __init__(
        self, shape: tuple[int, int], sides: Sides, vectors: NDArray[np.float32] | None, size: int
    ) -> None:
        super().__init__()
        self.user, self.item = _table(shape[0], size), _table(shape[1], size)
        self.of_user, self.of_item = _table(shape[0], 1, 0.0), _table(shape[1], 1, 0.0)
        self.fields = torch.nn.ModuleDict(
            {name: _table(int(codes.max()) + 1, size) for name, codes in sides.users.items()}
        )
        self.lists = torch.nn.ModuleDict(
            {
                name: _table(int(codes.max()) + 1, size, padding=0)
                for name, codes in sides.lists.items()
            }
        )
        self.title = None if vectors is None else TextCNN(vectors, size=size)
        self.reads_user, self.reads_item = (
            torch.nn.Linear(size, 1, bias=False),
            torch.nn.Linear(size, 1, bias=False),
        )
        for name, codes in (sides.users | sides.lists | {"titles": sides.titles}).items():
            self.register_buffer(f"held_{name}", torch.from_numpy(codes), persistent=False)

    def users_side(self, users: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return x (n, k) and b (n,) of users (n,)."""
        parts = [
            table(self.get_buffer(f"held_{name}")[users]) for name, table in self.fields.items()
        ]
        side = (
            torch.stack(parts).sum(0) if parts else torch.zeros(len(users), self.user.embedding_dim)
        )
        return self.user(users) + side, self.of_user(users)[:, 0] + self.reads_user(side)[:, 0]

    def items_side(self, items: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return y (n, k) and b (n,) of items (n,)."""
        parts = [torch.zeros(len(items), self.item.embedding_dim)]
        for name, table in self.lists.items():
            numbers = self.get_buffer(f"held_{name}")[items]
            parts.append(table(numbers).sum(1) / (numbers > 0).sum(1, keepdim=True).clamp(min=1))
        if self.title is not None:
            parts.append(self.title(self.get_buffer("held_titles")[items]))
        side = torch.stack(parts).sum(0)
        return self.item(items) + side, self.of_item(items)[:, 0] + self.reads_item(side)[:, 0]

    def forward(
        self, users: torch.Tensor, items: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the rating less the mean, and the squared length of all that made it, (n,) each.

        Each item of the batch is read once.
        """
        each, place = torch.unique(items, return_inverse=True)
        y, of_item = self.items_side(each)
        x, of_user = self.users_side(users)
        lengths = x.square().sum(1) + of_user.square()
        lengths = lengths + (y.square().sum(1) + of_item.square())[place]
        return (x * y[place]).sum(1) + of_user + of_item[place], lengths


def _table(
    n: int, size: int, spread: float = 0.1, padding: int | None = None
) -> torch.nn.Embedding:
    table = torch.nn.Embedding(n, size, padding_idx=padding)
    with torch.no_grad():
        table.weight.normal_(0, spread) if spread else table.weight.zero_()
        if padding is not None:
            table.weight[padding] = 0
    return table


@dataclass
class Hybrid:
    """Ratings by `HybridNet`, the least of squared errors and of the vectors' lengths.

    Attributes:
        sides: what is known of users and items.
        embedding_size: k, length of x, y and s.
        epochs: passes over all ratings.
        reg: penalty on the squared length of x, y, b_u and b_i, per rating: on the sums, as a title
            could otherwise say freely what an item's own vector may not.
        title: whether titles are read.
        pretrained: whether word vectors start from a bag of words over the titles of training items.
        schedule: of the training.
        seed: of start and order.

    Source: Jiang, Liu, Research on internet financial personalized services based on big data
    analysis, section 3.1; how the parts join is ours, see docs/decisions.
    """

    sides: Sides
    embedding_size: int = 64
    epochs: int = 50
    reg: float = 0.05
    title: bool = True
    pretrained: bool = True
    schedule: Schedule = field(default_factory=lambda: Schedule(batch=4096, learning_rate=5e-3))
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
        names = [f.name for f in fields(self) if f.name != "sides"]
        parameters = {name: getattr(self, name) for name in names}
        key = digest(parameters, ratings.users, ratings.items, ratings.values, self.sides.titles)
        course = Course(self.epochs, self.seed, keep, progress, key)
        self._start(ratings)
        rows = [torch.from_numpy(ratings.users), torch.from_numpy(ratings.items)]
        left = torch.from_numpy(ratings.values - self.mean_).float()

        def loss(batch: Codes) -> torch.Tensor:
            return self._loss(rows[0][batch], rows[1][batch], left[batch])

        def watched() -> float:
            assert held_out is not None  # noqa: S101
            return rmse(held_out.values, self.predict(held_out.users, held_out.items))

        train(
            self.net_, len(ratings), loss, course=course, schedule=self.schedule,
            held_out=None if held_out is None else watched,
        )  # fmt: skip
        self.told_ = course.told
        return self

    def _start(self, ratings: Ratings) -> None:
        self.mean_, self.span_ = float(ratings.values.mean()), ratings.span
        seen = [
            np.bincount(c, minlength=n) > 0
            for c, n in zip((ratings.users, ratings.items), ratings.shape, strict=True)
        ]
        vectors = None
        if self.title:
            vectors = self._vectors(seen[1])
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            self.net_ = HybridNet(ratings.shape, self.sides, vectors, self.embedding_size)
        with torch.no_grad():
            self.net_.user.weight[~torch.from_numpy(seen[0])] = 0
            self.net_.item.weight[~torch.from_numpy(seen[1])] = 0

    def _vectors(self, seen: NDArray[np.bool_]) -> NDArray[np.float32]:
        vocabulary = int(self.sides.titles.max()) + 1
        if self.pretrained:
            return word_vectors(
                self.sides.titles[seen], vocabulary, self.embedding_size // 2, seed=self.seed
            )
        start = np.random.default_rng(self.seed).normal(
            0, 0.1, (vocabulary, self.embedding_size // 2)
        )
        start[0] = 0
        return start.astype(np.float32)

    def _loss(self, users: torch.Tensor, items: torch.Tensor, left: torch.Tensor) -> torch.Tensor:
        rating, lengths = self.net_(users, items)
        return ((rating - left).square() + self.reg * lengths).mean()

    @torch.no_grad()
    def predict(self, users: Codes, items: Codes) -> Array:
        """Return the ratings (n,) expected of users (n,) for items (n,), within the span met."""
        self.net_.eval()
        x, of_user = self.net_.users_side(torch.arange(self.net_.user.num_embeddings))
        y, of_item = self.net_.items_side(torch.arange(self.net_.item.num_embeddings))
        u, i = torch.from_numpy(users), torch.from_numpy(items)
        result = (x[u] * y[i]).sum(1) + of_user[u] + of_item[i]
        return np.clip(self.mean_ + result.double().numpy(), *self.span_)
