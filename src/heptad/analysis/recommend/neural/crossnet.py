# SPDX-License-Identifier: Apache-2.0
"""Deep & cross network, version 2, over the columns and a user's interest in the candidate."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from heptad.analysis.recommend.neural.interest import DIN
from heptad.analysis.recommend.neural.vectors import Batch, perceptron

if TYPE_CHECKING:
    from collections.abc import Sequence

    from heptad.analysis.recommend.neural.rows import Schema


class CrossNetwork(torch.nn.Module):
    """x_{l+1} = x_0 ⊙ (W_l x_l + b_l) + x_l, beside a perceptron.

    x_0 holds every column's vector and, instead of the plain mean of what was held, the interest
    V_u of `DIN`.

    Source: Wang et al., DCN V2, 2021, eq. (1) and the parallel structure of section 3.
    """

    def __init__(
        self,
        schema: Schema,
        size: int = 16,
        crosses: int = 2,
        layers: Sequence[int] = (64, 32),
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.schema = schema
        self.base = DIN(schema, size, layers, dropout=dropout)
        self.base.deep = torch.nn.Sequential()
        self.vectors = self.base.vectors
        width = self.vectors.width((schema.held,)) + size
        self.crosses = torch.nn.ModuleList(torch.nn.Linear(width, width) for _ in range(crosses))
        self.deep = perceptron(width, layers, dropout=dropout)
        self.last = torch.nn.Linear(width + layers[-1], 1)

    def forward(self, batch: Batch) -> torch.Tensor:
        """Return log-odds (n,)."""
        rest = self.vectors.joined(batch, (self.schema.held,))
        start = torch.cat([self.base.interest(batch), rest], 1)
        x = start
        for layer in self.crosses:
            x = start * layer(x) + x
        return self.last(torch.cat([x, self.deep(start)], 1))[:, 0]

    def weights(self, batch: Batch) -> torch.Tensor:
        """Return the attention weights (n, l) of what was held."""
        return self.base.weights(batch)
