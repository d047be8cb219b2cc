# SPDX-License-Identifier: Apache-2.0
"""What comes next in a sequence, by self-attention: a trained net as arrays, read with NumPy alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from heptad.analysis.arrays import Array, Codes

    Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Attending:
    """Vectors of people from their last items, and of items, whose product ranks what comes next.

    Attributes:
        arrays: of the net: `items` (n + 1, d), row 0 padding; `places` (l, d); of block b
            `b.norm1`, `b.qkv`, `b.out`, `b.gate1`, `b.norm2`, `b.in`, `b.down`, `b.gate2`, weights
            under `.weight` and `.bias`; `norm.weight`, `norm.bias`.
        heads: of the attention.

    Source: Kang, McAuley, Self-attentive sequential recommendation, 2018, section III (the
    objective and the mask); gated residuals and the gated inner layer after the eSASRec recipe
    (Tikhonovich et al., 2025), which takes them from LiGR (Hertel et al., 2024).
    """

    arrays: Mapping[str, Floats]
    heads: int = 1

    @property
    def items_(self) -> Floats:
        """(items, d) vectors."""
        return self.arrays["items"][1:]

    @property
    def length(self) -> int:
        """How many of the last items are read."""
        return len(self.arrays["places"])

    def users(self, sequences: Codes) -> Floats:
        """Return (m, d) vectors of people.

        Args:
            sequences: (m, l) item codes, newest last; -1 is none. Who has none gets zeros.
        """
        return (
            np.stack([self._user(row[row >= 0]) for row in np.asarray(sequences)])
            if len(sequences)
            else np.zeros((0, self.items_.shape[1]), np.float32)
        )

    def _user(self, items: Codes) -> Floats:
        given, places = self.arrays["items"], self.arrays["places"]
        if not len(items):
            return np.zeros(given.shape[1], np.float32)
        last = items[-self.length :]
        x = given[last + 1] + places[self.length - len(last) :]
        block = 0
        while f"{block}.qkv.weight" in self.arrays:
            x = self._block(f"{block}.", x)
            block += 1
        found: Floats = self._norm("norm", x[-1:])[0]
        return found

    def _block(self, at: str, x: Floats) -> Floats:
        found = self._attention(at, self._norm(f"{at}norm1", x))
        x = x + _sigmoid(self._linear(f"{at}gate1", x)) * found
        inner = self._linear(f"{at}in", self._norm(f"{at}norm2", x))
        gate, value = np.split(inner, 2, axis=1)
        fed = self._linear(f"{at}down", gate * _sigmoid(gate) * value)
        left: Floats = x + _sigmoid(self._linear(f"{at}gate2", x)) * fed
        return left

    def _attention(self, at: str, x: Floats) -> Floats:
        n, d = x.shape
        parts: Floats = self._linear(f"{at}qkv", x).reshape(n, 3, self.heads, d // self.heads)
        q, k, v = (parts[:, i].transpose(1, 0, 2) for i in range(3))
        weights: Floats = q @ k.transpose(0, 2, 1) / np.float32(np.sqrt(d // self.heads))
        weights[:, np.triu(np.ones((n, n), bool), 1)] = -np.inf
        weights = np.exp(weights - weights.max(axis=2, keepdims=True))
        weights /= weights.sum(axis=2, keepdims=True)
        found: Floats = (weights @ v).transpose(1, 0, 2).reshape(n, d)
        return self._linear(f"{at}out", found)

    def _linear(self, name: str, x: Floats) -> Floats:
        found: Floats = x @ self.arrays[f"{name}.weight"].T + self.arrays[f"{name}.bias"]
        return found

    def _norm(self, name: str, x: Floats) -> Floats:
        away = x - x.mean(axis=1, keepdims=True)
        spread = np.sqrt((away**2).mean(axis=1, keepdims=True) + np.float32(1e-5))
        found: Floats = away / spread * self.arrays[f"{name}.weight"] + self.arrays[f"{name}.bias"]
        return found

    def scores(self, sequences: Codes) -> Array:
        """Score all items for (m, l) sequences: (m, items)."""
        return (self.users(sequences) @ self.items_.T).astype(np.float64)

    def some(self, sequences: Codes, items: Codes) -> Array:
        """Score (m, k) items, k of each sequence; 0 for a code below 0."""
        vectors = self.items_[np.maximum(items, 0)]
        found = np.einsum("md,mkd->mk", self.users(sequences), vectors).astype(np.float64)
        return np.where(items >= 0, found, 0.0)


def padded(sequences: Sequence[Any], length: int) -> Codes:
    """Return the last items of each sequence as (m, length) codes, newest last, -1 before."""
    found = np.full((len(sequences), length), -1, dtype=np.int64)
    for row, items in enumerate(sequences):
        last = np.asarray(items, dtype=np.int64)[-length:]
        if len(last):
            found[row, length - len(last) :] = last
    return found


def _sigmoid(x: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp(-x)), dtype=np.float32)
