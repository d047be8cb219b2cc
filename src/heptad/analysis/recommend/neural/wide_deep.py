# SPDX-License-Identifier: Apache-2.0
"""Wide & Deep of paper 000: crosses of held and candidate items beside embeddings and a perceptron."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from heptad.analysis.recommend.neural.vectors import Batch, Vectors, perceptron, rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from heptad.analysis.arrays import Array, Codes
    from heptad.analysis.recommend.neural.rows import Schema


def cross_products(x: Array, c: Codes) -> Array:
    """φ_k(X) = Π_i x_i^{c_ki}, equation (1) of paper 000.

    Args:
        x: (n, d) features.
        c: (k, d) of 0 and 1; 1 where the feature belongs to the cross.

    Returns:
        (n, k). A cross without a feature is 1.

    >>> cross_products(np.array([[1.0, 0.0, 1.0]]), np.array([[1, 0, 1], [1, 1, 0]])).tolist()
    [[1.0, 0.0]]
    """
    chosen = np.where(np.asarray(c, bool)[None], np.asarray(x)[:, None, :], 1.0)
    return np.asarray(chosen.prod(axis=2))


def pairs(held: Codes, item: Codes, items: int) -> Codes:
    """Number the crosses (held product × candidate product) that are 1 in each row.

    Args:
        held: (n, l) codes from 1, 0 for none.
        item: (n,) codes from 1, 0 for unknown.
        items: how many codes there are.

    Returns:
        (n, l) held · (items + 1) + item, 0 where either is none; a product held twice counts once.
    """
    ordered = np.sort(held, axis=1)
    again = np.zeros_like(ordered, dtype=bool)
    again[:, 1:] = ordered[:, 1:] == ordered[:, :-1]
    there = (ordered > 0) & ~again & (item[:, None] > 0)
    return np.where(there, ordered * (items + 1) + item[:, None], 0)


def frequent(crosses: Codes, least: int) -> Codes:
    """Return the crosses met in at least so many rows, in order."""
    found, count = np.unique(crosses[crosses > 0], return_counts=True)
    return found[count >= least]


class WideDeep(torch.nn.Module):
    """Log-odds = wide + deep, both inside one log loss.

    The wide part is linear in the crosses of each held product with the candidate that the
    training rows hold at least `least` times; each has a weight of its own that starts at 0.

    Source: Cheng et al., Wide & deep learning for recommender systems, 2016, eq. (1) and (3).
    """

    def __init__(
        self,
        schema: Schema,
        crosses: Codes,
        size: int = 16,
        layers: Sequence[int] = (64, 32),
        dropout: float = 0.0,
        parts: Sequence[str] = ("wide", "deep"),
    ) -> None:
        super().__init__()
        self.schema, self.parts = schema, tuple(parts)
        self.register_buffer("known", torch.from_numpy(crosses))
        self.of_cross = torch.nn.Embedding(len(crosses) + 1, 1, padding_idx=0)
        torch.nn.init.zeros_(self.of_cross.weight)
        self.bias = torch.nn.Parameter(torch.zeros(()))
        self.vectors = Vectors(schema, size)
        self.deep = torch.nn.Sequential(
            perceptron(self.vectors.width(), layers, dropout=dropout),
            torch.nn.Linear(layers[-1], 1),
        )

    def forward(self, batch: Batch) -> torch.Tensor:
        """Return log-odds (n,)."""
        result = self.bias.expand(rows(batch))
        if "wide" in self.parts:
            result = result + self.wide(batch)
        if "deep" in self.parts:
            result = result + self.deep(self.vectors.joined(batch))[:, 0]
        return result

    def wide(self, batch: Batch) -> torch.Tensor:
        """Return Σ_k w_k φ_k (n,)."""
        return self.of_cross(self.places(batch))[..., 0].sum(1)

    def places(self, batch: Batch) -> torch.Tensor:
        """Return the places (n, l) of a batch's crosses among the known, from 1; 0 for none."""
        schema = self.schema
        n = rows(batch)
        held, item = batch[schema.held].expand(n, -1), batch[schema.item].expand(n)
        met = torch.from_numpy(pairs(held.numpy(), item.numpy(), schema[schema.item].size))
        known = self.get_buffer("known")
        if not len(known):
            return torch.zeros_like(met)
        place = torch.searchsorted(known, met).clamp(max=len(known) - 1)
        return torch.where(known[place] == met, place + 1, 0)
