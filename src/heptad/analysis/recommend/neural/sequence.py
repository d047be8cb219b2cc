# SPDX-License-Identifier: Apache-2.0
"""Train the sequence model: at every step of every sequence the next item is guessed among all."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import torch

from heptad.analysis.recommend.epochs import Course, Epoch, digest
from heptad.analysis.recommend.neural.training import Schedule, train
from heptad.analysis.recommend.sequence import Attending, padded
from heptad.standards.errors import ContractError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import Self

    from heptad.analysis.arrays import Codes
    from heptad.analysis.recommend.interactions import Interactions


class Block(torch.nn.Module):
    """Attention to what came before, then a gated inner layer, each through a gate to the residual."""

    def __init__(self, size: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads, self.share = heads, dropout
        self.norm1, self.norm2 = torch.nn.LayerNorm(size), torch.nn.LayerNorm(size)
        self.qkv, self.out = torch.nn.Linear(size, 3 * size), torch.nn.Linear(size, size)
        self.add_module("in", torch.nn.Linear(size, 8 * size))
        self.down = torch.nn.Linear(4 * size, size)
        self.gate1, self.gate2 = torch.nn.Linear(size, size), torch.nn.Linear(size, size)
        self.drop = torch.nn.Dropout(dropout)

    def forward(self, x: torch.Tensor, seen: torch.Tensor) -> torch.Tensor:
        """Return x (m, l, d) after the block; seen (m, 1, l, l) says who may look at whom."""
        m, n, d = x.shape
        parts = self.qkv(self.norm1(x)).view(m, n, 3, self.heads, d // self.heads)
        q, k, v = parts.permute(2, 0, 3, 1, 4)
        found = torch.nn.functional.scaled_dot_product_attention(
            q, k, v, attn_mask=seen, dropout_p=self.share if self.training else 0.0
        )
        found = self.out(found.transpose(1, 2).reshape(m, n, d))
        x = x + torch.sigmoid(self.gate1(x)) * self.drop(found)
        gate, value = self.get_submodule("in")(self.norm2(x)).chunk(2, dim=-1)
        fed = self.down(self.drop(torch.nn.functional.silu(gate) * value))
        return x + torch.sigmoid(self.gate2(x)) * self.drop(fed)


class SequenceNet(torch.nn.Module):
    """Vectors of items and places, blocks, and a last norm."""

    def __init__(
        self, items: int, length: int, size: int, blocks: int, heads: int, dropout: float
    ) -> None:
        super().__init__()
        self.items = torch.nn.Embedding(items + 1, size, padding_idx=0)
        self.places = torch.nn.Embedding(length, size)
        with torch.no_grad():
            self.items.weight.normal_(0, 0.05)[0] = 0
            self.places.weight.normal_(0, 0.05)
        self.drop = torch.nn.Dropout(dropout)
        self.blocks = torch.nn.ModuleList(Block(size, heads, dropout) for _ in range(blocks))
        self.norm = torch.nn.LayerNorm(size)

    def forward(self, sequences: torch.Tensor) -> torch.Tensor:
        """Return (m, l, d) of codes (m, l) from 1, newest last, 0 before: what each step expects next."""
        n = sequences.shape[1]
        there = sequences > 0
        seen = torch.ones(n, n, dtype=torch.bool, device=sequences.device).tril()
        # A step of padding looks at itself, so that no row of the softmax is empty.
        own = torch.eye(n, dtype=torch.bool, device=sequences.device)
        seen = (seen & there[:, None, :]) | own
        x = self.drop(self.items(sequences) + self.places.weight[-n:]) * there[..., None]
        for block in self.blocks:
            x = block(x, seen[:, None])
        return self.norm(x)


@dataclass
class SequenceModel:
    """The next item, by self-attention over the last ones.

    Attributes:
        embedding_size: length of all vectors.
        length: last items that are read.
        blocks: of attention and inner layer.
        heads: of the attention.
        dropout: share of values hidden in training.
        negatives: items drawn per batch that the next one is guessed among; None takes all.
        epochs: most passes over the sequences.
        patience: epochs without gain on what is held out after which training stops.
        schedule: of the training, a row being a sequence.
        seed: of start, order, dropout and draws.
        device: where it is trained: `cpu` or `cuda`.

    Source: see `Attending`; sampled softmax with one draw for a batch after Klenitskiy, Vasilev,
    Turning dross into gold loss, 2023.
    """

    embedding_size: int = 64
    length: int = 50
    blocks: int = 1
    heads: int = 1
    dropout: float = 0.2
    negatives: int | None = None
    epochs: int = 60
    patience: int = 8
    schedule: Schedule = field(default_factory=lambda: Schedule(batch=128, learning_rate=1e-3))
    seed: int = 0
    device: str = "cpu"

    def fit(
        self,
        data: Interactions,
        held_out: Callable[[Attending], float] | None = None,
        *,
        keep: Path | None = None,
        progress: Callable[[Epoch], None] | None = None,
    ) -> Self:
        """Learn from the sequences of all users.

        Args:
            data: events in order of time.
            held_out: of the model so far, a loss on what is not trained on; it decides when to stop.
            keep: file to resume from.
            progress: is told every epoch.

        Raises:
            ContractError: if no user has two events.
        """
        rows = windows(data, self.length)
        if not len(rows):
            raise ContractError("No sequence has two items.", got=len(data))
        parameters = {k: v for k, v in asdict(self).items() if k != "device"}
        course = Course(self.epochs, self.seed, keep, progress, digest(parameters, rows))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            self.net_ = SequenceNet(
                data.n_items,
                self.length,
                self.embedding_size,
                self.blocks,
                self.heads,
                self.dropout,
            ).to(self.device)
        whole = torch.from_numpy(rows + 1).to(self.device)
        train(
            self.net_, len(rows), lambda batch: self._loss(whole[batch]), course=course,
            schedule=self.schedule, patience=self.patience if held_out else 0,
            held_out=None if held_out is None else lambda: held_out(self.fitted),
        )  # fmt: skip
        self.told_ = course.told
        return self

    def _loss(self, rows: torch.Tensor) -> torch.Tensor:
        longest = int((rows > 0).sum(1).max())
        rows = rows[:, -longest:]
        given, wanted = rows[:, :-1], rows[:, 1:]
        asked = given > 0
        state, right = self.net_(given)[asked], wanted[asked]
        vectors = self.net_.items.weight
        if self.negatives is None:
            odds = state @ vectors.T
            odds[:, 0] = -torch.inf
            return torch.nn.functional.cross_entropy(odds, right)
        drawn = torch.randint(1, len(vectors), (self.negatives,), device=rows.device)
        odds = state @ vectors[drawn].T
        # What is right is not also wrong.
        odds = odds.masked_fill(drawn == right[:, None], -torch.inf)
        own = (state * vectors[right]).sum(1, keepdim=True)
        first = torch.zeros(len(right), dtype=torch.long, device=rows.device)
        return torch.nn.functional.cross_entropy(torch.cat([own, odds], 1), first)

    @property
    def fitted(self) -> Attending:
        """The net as it stands, as arrays."""
        arrays = {
            name.removeprefix("blocks."): value.detach().cpu().numpy().copy()
            for name, value in self.net_.state_dict().items()
        }
        for name in ("items", "places"):
            arrays[name] = arrays.pop(f"{name}.weight")
        return Attending(arrays, self.heads)

    @torch.no_grad()
    def users(self, sequences: Codes, batch: int = 1024) -> Codes:
        """Return (m, d) vectors as `Attending.users` does, many at once, where the net was trained."""
        self.net_.eval()
        rows = torch.from_numpy(np.asarray(sequences)[:, -self.length :] + 1)
        parts = [
            self.net_(rows[at : at + batch].to(self.device))[:, -1].cpu().numpy()
            for at in range(0, len(rows), batch)
        ]
        found = np.concatenate(parts)
        found[np.asarray(sequences).max(axis=1) < 0] = 0
        return found


def windows(data: Interactions, length: int) -> Codes:
    """Cut sequences into windows of length + 1 codes that share one item; -1 before short ones.

    Returns:
        (windows, length + 1); users with fewer than two events have none.
    """
    parts = []
    for items in data.sequences():
        end = len(items)
        while end > 1:
            parts.append(items[max(0, end - length - 1) : end])
            end -= length
    return padded(parts, length + 1)
