# SPDX-License-Identifier: Apache-2.0
"""Deep interest network of paper 000: what a user held is weighted anew for every candidate."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from heptad.analysis.recommend.neural.vectors import Batch, Vectors, activation, perceptron, rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from heptad.analysis.recommend.neural.rows import Schema


class AttentionUnit(torch.nn.Module):
    """w_i = MLP(V_i, V_a, V_i ⊗ V_a), equation (2) of paper 000.

    The first layer reads the held item's vector, the candidate's, and their outer product, row by
    row. The outer product is never laid out: with W_o (h, d, d) its part is V_i · (W_o V_a), so a
    candidate costs h·d·d once and each held item h·d.
    """

    def __init__(self, size: int, hidden: int = 36, act: str = "relu") -> None:
        super().__init__()
        self.size = size
        self.first = torch.nn.Linear(2 * size + size * size, hidden)
        self.act = activation(act, hidden)
        self.last = torch.nn.Linear(hidden, 1)

    def forward(self, held: torch.Tensor, candidate: torch.Tensor) -> torch.Tensor:
        """Return weights (n, l) of held vectors (n or 1, l, d) for candidates (n, d)."""
        d = self.size
        of_held, of_candidate, of_both = self.first.weight.split([d, d, d * d], 1)
        turned = torch.einsum("hij,nj->nih", of_both.view(-1, d, d), candidate)
        inner = held @ of_held.T + (candidate @ of_candidate.T + self.first.bias)[:, None]
        inner = inner + torch.matmul(held, turned)
        return self.last(self.act(inner))[..., 0]


class DIN(torch.nn.Module):
    """V_u = Σ w_i V_i, joined with the candidate and all other columns, through a perceptron.

    The weights are not normalised: how strong an interest is stays in the length of V_u.

    Source: Zhou et al., Deep interest network for click-through rate prediction, 2018, section 4.
    """

    def __init__(
        self,
        schema: Schema,
        size: int = 16,
        layers: Sequence[int] = (64, 32),
        act: str = "relu",
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.schema = schema
        self.vectors = Vectors(schema, size)
        self.unit = AttentionUnit(size, act=act)
        width = self.vectors.width((schema.held,)) + size
        self.deep = torch.nn.Sequential(
            perceptron(width, layers, act=act, dropout=dropout), torch.nn.Linear(layers[-1], 1)
        )

    def forward(self, batch: Batch) -> torch.Tensor:
        """Return log-odds (n,)."""
        rest = self.vectors.joined(batch, (self.schema.held,))
        return self.deep(torch.cat([self.interest(batch), rest], 1))[:, 0]

    def interest(self, batch: Batch) -> torch.Tensor:
        """Return V_u (n, d)."""
        held = self.vectors.each(batch, self.schema[self.schema.held])
        return torch.matmul(self.weights(batch)[:, None], held)[:, 0]

    def weights(self, batch: Batch) -> torch.Tensor:
        """Return w (n, l), 0 where nothing is held."""
        held = self.vectors.each(batch, self.schema[self.schema.held])
        candidate = self.vectors.each(batch, self.schema[self.schema.item]).expand(rows(batch), -1)
        return self.unit(held, candidate) * (batch[self.schema.held] > 0)
