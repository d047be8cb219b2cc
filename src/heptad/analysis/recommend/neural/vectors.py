# SPDX-License-Identifier: Apache-2.0
"""Layers that the rankers share: a vector for every column, and perceptrons with ReLU or Dice."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import torch

from heptad.standards.errors import ContractError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from heptad.analysis.recommend.neural.rows import Field, Schema

Batch: TypeAlias = "dict[str, torch.Tensor]"


class Vectors(torch.nn.Module):
    """A vector of `size` for every column: of its code, the mean of its codes, or number × vector."""

    def __init__(self, schema: Schema, size: int) -> None:
        super().__init__()
        self.schema, self.size = schema, size
        self.of = torch.nn.ModuleDict()
        self.scales = torch.nn.ParameterDict()
        for field in schema.fields:
            if not field.size:
                self.scales[field.name] = torch.nn.Parameter(0.05 * torch.randn(size))
            elif field.vectors not in self.of:
                self.of[field.vectors] = _table(field.size, size)

    def each(self, batch: Batch, field: Field) -> torch.Tensor:
        """Vectors (m, d) of a column, (m, l, d) of a list; none is 0."""
        result: torch.Tensor = self.of[field.vectors](batch[field.name])
        return result

    def one(self, batch: Batch, field: Field) -> torch.Tensor:
        """One vector per row (m, d)."""
        if not field.size:
            return batch[field.name][:, None] * self.scales[field.name]
        if not field.many:
            return self.each(batch, field)
        count = (batch[field.name] > 0).sum(1, keepdim=True).clamp(min=1)
        return self.each(batch, field).sum(1) / count

    def joined(self, batch: Batch, without: Sequence[str] = ()) -> torch.Tensor:
        """All columns' vectors side by side (n, columns · d)."""
        parts = [
            self.one(batch, field) for field in self.schema.fields if field.name not in without
        ]
        n = rows(batch)
        return torch.cat([part.expand(n, -1) for part in parts], 1)

    def width(self, without: Sequence[str] = ()) -> int:
        """The width of `joined`."""
        return self.size * sum(field.name not in without for field in self.schema.fields)

    def lengths(self, batch: Batch) -> torch.Tensor:
        """Mean squared length of the vectors in use, for a penalty."""
        total = torch.zeros(())
        for field in self.schema.fields:
            if field.size:
                total = total + self.each(batch, field).square().sum() / len(batch[field.name])
        return total


def rows(batch: Batch) -> int:
    """Return how many rows a batch has; one row stands for all."""
    return max(len(values) for values in batch.values())


def _table(codes: int, size: int) -> torch.nn.Embedding:
    table = torch.nn.Embedding(codes + 1, size, padding_idx=0)
    with torch.no_grad():
        table.weight.normal_(0, 0.05)[0] = 0
    return table


class Dice(torch.nn.Module):
    """s = p(s) · s + (1 - p(s)) · α · s, where p(s) = sigmoid of s less the batch's mean, by its spread.

    Source: Zhou et al., Deep interest network, 2018, eq. (3).
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = torch.nn.BatchNorm1d(width, affine=False, eps=1e-8)
        self.alpha = torch.nn.Parameter(torch.zeros(width))

    def forward(self, s: torch.Tensor) -> torch.Tensor:
        """Return the activation of s (…, width)."""
        flat = s.reshape(-1, s.shape[-1])
        p = torch.sigmoid(self.norm(flat)).reshape(s.shape)
        return p * s + (1 - p) * self.alpha * s


def activation(name: str, width: int) -> torch.nn.Module:
    """Return ReLU, or Dice of a width."""
    if name not in {"relu", "dice"}:
        raise ContractError("There is no such activation.", got=name, do="one of relu, dice")
    return Dice(width) if name == "dice" else torch.nn.ReLU()


def perceptron(
    width: int, layers: Sequence[int], *, act: str = "relu", dropout: float = 0.0
) -> torch.nn.Sequential:
    """Return fully connected layers with an activation behind each."""
    parts: list[torch.nn.Module] = []
    for size in layers:
        parts += [torch.nn.Linear(width, size), activation(act, size)]
        if dropout:
            parts.append(torch.nn.Dropout(dropout))
        width = size
    return torch.nn.Sequential(*parts)
