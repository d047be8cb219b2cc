# SPDX-License-Identifier: Apache-2.0
"""A matrix model whose factors are sums of known parts, drawn from their posterior and averaged."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from heptad.analysis.recommend.epochs import Arrays, Course, Epoch, digest
from heptad.analysis.recommend.ratings.rows import Ratings, rmse

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path
    from typing import Self

    from heptad.analysis.arrays import Array, Codes


@dataclass
class Parts:
    """One side's design: who has which parts, and to which group each part belongs.

    Attributes:
        x: (n, parts) by columns.
        group: (parts,) code of each part's group.
        w: (columns, parts) the current draw.
    """

    x: sparse.csc_matrix
    group: Codes
    w: Array

    @property
    def groups(self) -> int:
        """How many groups there are."""
        return int(self.group.max()) + 1

    def read(self) -> Array:
        """Return X w (columns, n)."""
        return np.ascontiguousarray((self.x @ self.w.T).T)


@dataclass
class BayesianFactors:
    """Rating = mean + b_u + b_i + x_u · y_i, averaged over draws of all of them.

    x_u is a sum: a vector of the user's own, those of all items that the user rated (over the root
    of their number), and one for each known field. y_i is made in the same way from the item's
    own vector, those of all users that rated it, and one for each known field. So are b_u and b_i.
    Precisions are drawn too: nothing is tuned but the size.

    Attributes:
        embedding_size: length of x and y.
        epochs: draws of everything.
        burn: draws at the start that are not averaged.
        every: of the draws behind, one in so many is kept for prediction.
        implicit: whether who rated what counts as parts.
        users: (users, fields) of what is known of users; None is nothing.
        items: (items, fields) of what is known of items.
        seed: of the draws.

    Source: Rendle, Zhang, Koren, On the difficulty of evaluating baselines, 2019, section 3
    (SVD++ with both sides' implicit parts, by Gibbs sampling); Rendle, Factorization machines
    with libFM, 2012, section 4.4, for the conditional distributions.
    """

    embedding_size: int = 32
    epochs: int = 100
    burn: int = 20
    every: int = 4
    implicit: bool = True
    users: sparse.csc_matrix | None = field(default=None, repr=False)
    items: sparse.csc_matrix | None = field(default=None, repr=False)
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
        names = [f.name for f in fields(self) if f.name not in {"users", "items"}]
        known = [x.indices for x in (self.users, self.items) if x is not None]
        course = Course(self.epochs, self.seed, keep, progress)
        course.key = digest(
            {name: getattr(self, name) for name in names},
            ratings.users, ratings.items, ratings.values, *known,
        )  # fmt: skip
        order = np.lexsort((ratings.items, ratings.users))
        rows = ratings.take(order)
        self._start(rows, course)
        for epoch in course.rest():
            squares = self._sweep(rows, course.rng(epoch))
            if epoch > self.burn and (epoch - self.burn) % self.every == 0:
                self.kept_.append(
                    (self._x.read().astype(np.float32), self._y.read().astype(np.float32))
                )
            seen = np.nan
            if held_out is not None and self.kept_:
                seen = rmse(held_out.values, self.predict(held_out.users, held_out.items))
            course.done(np.sqrt(squares / len(rows)), seen, self._arrays)
        self.told_ = course.told
        return self

    def _start(self, rows: Ratings, course: Course) -> None:
        self.mean_, self.span_ = float(rows.values.mean()), rows.span
        self.kept_: list[tuple[Array, Array]] = []
        seen = sparse.csr_matrix((np.ones(len(rows)), (rows.users, rows.items)), rows.shape)
        rng, k = course.rng(0), self.embedding_size
        self._x = _parts(seen if self.implicit else None, self.users, rows.shape[0], k, rng)
        self._y = _parts(
            seen.T.tocsr() if self.implicit else None, self.items, rows.shape[1], k, rng
        )
        self._x.w[k + 1], self._y.w[k] = 0, 0
        kept = course.resume()
        if kept:
            self._x.w, self._y.w = kept["x"], kept["y"]
            self.kept_ = list(zip(kept["kept_x"], kept["kept_y"], strict=True))
        self._begin = np.searchsorted(rows.users, np.arange(rows.shape[0] + 1))

    def _arrays(self) -> Arrays:
        x, y = ([pair[side] for pair in self.kept_] for side in (0, 1))
        return {"x": self._x.w, "y": self._y.w, "kept_x": np.array(x), "kept_y": np.array(y)}

    def _sweep(self, rows: Ratings, rng: np.random.Generator) -> float:
        """Draw everything once; return the sum of squares left at its start."""
        from heptad.analysis.recommend.ratings import loops

        k, place = self.embedding_size, (self._begin, rows.items)
        p, q = self._x.read(), self._y.read()
        p[k + 1], q[k] = 1, 1
        left = rows.values - self.mean_
        left -= np.einsum("nk,nk->n", p.T[rows.users], q.T[rows.items])
        squares = float(left @ left)
        alpha = rng.gamma(1 + len(rows) / 2, 1 / (1 + squares / 2))
        stats = [np.empty((2, n)) for n in rows.shape]
        for f in (k, k + 1, *range(k)):
            old = p[f].copy()
            if f != k + 1:
                loops.gather(*place, left, p[f], q[f], *stats[0])
                self._draw(self._x, f, p[f], stats[0], alpha, rng)
                loops.settle(*place, left, old - p[f], q[f], 1.0)
            old = q[f].copy()
            if f != k:
                loops.gather_other(*place, left, p[f], *stats[1])
                self._draw(self._y, f, q[f], stats[1], alpha, rng)
                loops.settle(*place, left, p[f], old - q[f], 1.0)
        return squares

    def _draw(
        self, side: Parts, f: int, p: Array, stats: Array, alpha: float, rng: np.random.Generator
    ) -> None:
        from heptad.analysis.recommend.ratings import loops

        w, groups = side.w[f], side.groups
        count = np.bincount(side.group, minlength=groups)
        center, precision = np.zeros(groups), np.zeros(groups)
        for g in range(groups):
            mine = w[side.group == g]
            spread = float(((mine - mine.mean()) ** 2).sum())
            precision[g] = rng.gamma(1 + count[g] / 2, 1 / (1 + spread / 2))
            center[g] = rng.normal(
                mine.sum() / (count[g] + 1), 1 / np.sqrt((count[g] + 1) * precision[g])
            )
        pull = stats[1] + stats[0] * p
        noise = rng.standard_normal(len(w))
        x = side.x
        loops.draw(
            stats[0], pull, p, w, x.indptr.astype(np.int64), x.indices.astype(np.int64), x.data,
            side.group, precision, center, alpha, noise,
        )  # fmt: skip

    def predict(self, users: Codes, items: Codes) -> Array:
        """Return the ratings (n,) expected of users (n,) for items (n,), within the span met."""
        total = np.zeros(len(users))
        k = self.embedding_size
        for x, y in self.kept_:
            total += np.einsum("kn,kn->n", x[:k][:, users], y[:k][:, items], dtype=np.float64)
            total += x[k][users] + y[k + 1][items]
        return np.clip(self.mean_ + total / max(len(self.kept_), 1), *self.span_)


def _parts(
    seen: sparse.csr_matrix | None,
    known: sparse.csc_matrix | None,
    n: int,
    k: int,
    rng: np.random.Generator,
) -> Parts:
    blocks: list[sparse.csc_matrix] = [sparse.identity(n, format="csc")]
    if seen is not None:
        each = np.maximum(np.asarray(seen.sum(1)).ravel(), 1)
        blocks.append((sparse.diags(1 / np.sqrt(each)) @ seen).tocsc())
    if known is not None:
        blocks.append(known.tocsc())
    return _joined(blocks, k, rng)


def _joined(blocks: Sequence[sparse.csc_matrix], k: int, rng: np.random.Generator) -> Parts:
    x = sparse.hstack(blocks, format="csc")
    group = np.repeat(np.arange(len(blocks)), [block.shape[1] for block in blocks])
    w = rng.normal(0, 0.1, (k + 2, x.shape[1]))
    w[:, group > 0] *= 0.1
    return Parts(x, group, w)
