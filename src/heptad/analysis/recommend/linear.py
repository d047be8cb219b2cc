# SPDX-License-Identifier: Apache-2.0
"""Linear recall: item neighbours, EASE, and what follows what."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import linalg, sparse

from heptad.standards.errors import ContractError

if TYPE_CHECKING:
    from heptad.analysis.arrays import Array, Codes
    from heptad.analysis.recommend.interactions import Histories, Interactions

MOST_ITEMS = 20_000
"""Items up to which a dense items × items matrix is made; 3.2 GB at that size."""


@dataclass
class Neighbours:
    """Items that the same people chose: cosine, shrunk where few people say so.

    Args:
        n: neighbours kept of each item.
        shrink: people in common at which a cosine counts half.

    Source: Sarwar, Karypis, Konstan, Riedl, Item-based collaborative filtering, 2001.
    """

    n: int = 200
    shrink: float = 20.0
    weights_: Any = field(init=False, repr=False)

    def fit(self, data: Interactions) -> Neighbours:
        """Count who chose both, block by block of items."""
        seen = data.matrix()
        norms = np.sqrt(np.maximum(np.asarray(seen.sum(axis=0)).ravel(), 1e-12))
        by_item = seen.T.tocsr()
        blocks = []
        for start in range(0, data.n_items, 2_000):
            both = (by_item[start : start + 2_000] @ seen).toarray().astype(np.float64)
            value = both / (both + self.shrink) * both
            value /= norms[start : start + len(both), None] * norms
            value[np.arange(len(both)), np.arange(start, start + len(both))] = 0
            blocks.append(strongest(value, self.n))
        self.weights_ = sparse.vstack(blocks, format="csr") if blocks else seen.T @ seen
        return self

    def scores(self, histories: Histories) -> Array:
        """Score all items: (m, items) sums of the neighbourhoods of what is in each history."""
        return _dense(histories @ self.weights_)

    def some(self, histories: Histories, items: Codes) -> Array:
        """Score (m, k) items, k of each history; 0 for a code below 0."""
        return picked(histories @ self.weights_, items)


@dataclass
class Ease:
    """The linear model that predicts each item from all others, in closed form.

    Args:
        reg: on the squared weights, about a tenth of the people of a popular item.
        n: weights kept of each item, the strongest; None keeps all.

    Source: Steck, Embarrassingly shallow autoencoders for sparse data, 2019, equation (8).
    """

    reg: float = 500.0
    n: int | None = None
    weights_: Any = field(init=False, repr=False)

    def fit(self, data: Interactions) -> Ease:
        """Invert the regularised items × items matrix.

        Raises:
            ContractError: if there are too many items for a dense matrix.
        """
        seen = data.matrix()
        inverse = _inverse(_dense(seen.T @ seen), self.reg)
        weights = inverse / -np.diag(inverse)
        np.fill_diagonal(weights, 0.0)
        self.weights_ = weights if self.n is None else strongest(weights, self.n)
        return self

    def scores(self, histories: Histories) -> Array:
        """Score all items for (m, items) histories."""
        return _dense(histories @ self.weights_)

    def some(self, histories: Histories, items: Codes) -> Array:
        """Score (m, k) items, k of each history; 0 for a code below 0."""
        return picked(histories @ self.weights_, items)


@dataclass
class Following:
    """What comes soon after what: sparse, so that a catalogue of any size has its sequences read.

    At each step of each sequence every item before it, decayed by distance, votes for every item
    after it, decayed likewise. Votes against the order count in part, votes for frequent items
    less. Its inputs at an answer are histories decayed by `Interactions.recent(past)`.

    Args:
        past: steps after which what lies before counts 1/e as much.
        future: steps after which what lies ahead counts 1/e as much.
        back: weight of votes against the order.
        damp_before: power of its frequency by which what votes is divided.
        damp_after: power of its frequency by which what is voted for is divided.

    Source: the decayed before and after of each step follow Choe, Kang, Kweon, Oh, Lee,
    Session-aware linear item-item models, 2021, equations (9) and (10); the damping is the cosine
    of item neighbours with free powers, Deshpande, Karypis, Item-based top-N, 2004, section 4.
    """

    past: float = 2.0
    future: float = 1.0
    back: float = 0.5
    damp_before: float = 0.5
    damp_after: float = 0.2
    weights_: Any = field(init=False, repr=False)

    def fit(self, data: Interactions) -> Following:
        """Count the votes of all steps.

        Raises:
            ContractError: if a decay is not above 0.
        """
        if min(self.past, self.future) <= 0:
            raise ContractError("A decay in steps must be above 0.", got=str(self))
        before, after = _steps(data, self.past, self.future)
        votes = (before.T @ after).tocsr()
        votes = (votes + self.back * votes.T).tocsr()
        votes.setdiag(0)
        often = data.counts() + 1.0
        damped = sparse.diags_array(often**-self.damp_before) @ votes
        found = (damped @ sparse.diags_array(often**-self.damp_after)).tocsr().astype(np.float32)
        found.eliminate_zeros()
        self.weights_ = found
        return self

    def scores(self, histories: Histories) -> Array:
        """Score all items for (m, items) histories, decayed by `past`."""
        return _dense(histories @ self.weights_)

    def some(self, histories: Histories, items: Codes) -> Array:
        """Score (m, k) items, k of each history; 0 for a code below 0."""
        return picked(histories @ self.weights_, items)


def _steps(data: Interactions, past: float, future: float) -> tuple[Any, Any]:
    """Return for each step with something before it: the decayed before, and the decayed after."""
    rows: list[tuple[Any, Any, Any]] = []
    ahead: list[tuple[Any, Any, Any]] = []
    at = 0
    for items in data.sequences():
        n = len(items)
        if n < 2:
            continue
        cut, place = np.meshgrid(np.arange(1, n), np.arange(n), indexing="ij")
        behind = place < cut
        rows.append((cut[behind] - 1 + at, items[place[behind]],
                     np.exp(-(cut[behind] - 1 - place[behind]) / past)))  # fmt: skip
        ahead.append((cut[~behind] - 1 + at, items[place[~behind]],
                      np.exp(-(place[~behind] - cut[~behind]) / future)))  # fmt: skip
        at += n - 1
    shape = (at, data.n_items)
    return _gathered(rows, shape), _gathered(ahead, shape)


def _gathered(parts: list[tuple[Any, Any, Any]], shape: tuple[int, int]) -> Any:
    if not parts:
        return sparse.csr_matrix(shape, dtype=np.float32)
    row, item, value = (np.concatenate([p[i] for p in parts]) for i in range(3))
    kept = value > 1e-4
    return sparse.csr_matrix((value[kept].astype(np.float32), (row[kept], item[kept])), shape=shape)


def _inverse(gram: Array, reg: float) -> Array:
    """Invert gram + reg on its diagonal, a symmetric positive matrix."""
    if len(gram) > MOST_ITEMS:
        raise ContractError(
            "There are too many items for a dense matrix.",
            got=len(gram),
            do=f"use Factors above {MOST_ITEMS:,} items",
        )
    if not reg > 0:
        raise ContractError("The regularisation must be above 0.", got=reg)
    gram[np.diag_indices(len(gram))] += reg
    if not len(gram):
        return gram
    factor, wrong = linalg.lapack.dpotrf(gram, lower=1, overwrite_a=True)
    inverse, bad = linalg.lapack.dpotri(factor, lower=1, overwrite_c=True)
    if wrong or bad:
        raise ContractError("The items × items matrix cannot be inverted.", do="raise reg")
    upper = np.triu_indices(len(gram), 1)
    inverse[upper] = inverse.T[upper]
    return np.asarray(inverse)


def strongest(weights: Array, n: int) -> Any:
    """Keep the n entries of each row that are largest in size; CSR float32."""
    if weights.shape[1] > n:
        weak = np.argpartition(-np.abs(weights), n, axis=1)[:, n:]
        weights = weights.copy()
        np.put_along_axis(weights, weak, 0.0, axis=1)
    return sparse.csr_matrix(weights.astype(np.float32))


def picked(found: Any, items: Codes) -> Array:
    """Return of an (m, items) product, dense or CSR, the (m, k) columns named; 0 below 0."""
    if not sparse.issparse(found):
        chosen = np.take_along_axis(np.asarray(found, np.float64), np.maximum(items, 0), axis=1)
        return np.where(items >= 0, chosen, 0.0)
    found.sort_indices()
    answer = np.zeros(items.shape)
    for row, wanted in enumerate(items):
        part = slice(found.indptr[row], found.indptr[row + 1])
        codes, values = found.indices[part], found.data[part]
        if len(codes):
            place = np.minimum(np.searchsorted(codes, wanted), len(codes) - 1)
            answer[row] = np.where(codes[place] == wanted, values[place], 0.0)
    return answer


def _dense(found: Any) -> Array:
    dense = found.toarray() if sparse.issparse(found) else np.asarray(found)
    return dense.astype(np.float64, copy=False)
