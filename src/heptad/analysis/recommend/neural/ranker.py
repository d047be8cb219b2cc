# SPDX-License-Identifier: Apache-2.0
"""Rankers: networks that say how likely a user takes an item here and now."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from heptad.analysis.recommend.epochs import Course, Epoch, digest, load, save
from heptad.analysis.recommend.neural.crossnet import CrossNetwork
from heptad.analysis.recommend.neural.interest import DIN
from heptad.analysis.recommend.neural.rows import Field, Rows, Schema, length
from heptad.analysis.recommend.neural.training import Schedule, restore, state, train
from heptad.analysis.recommend.neural.wide_deep import WideDeep, frequent, pairs
from heptad.standards.errors import ContractError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import Self

    from numpy.typing import ArrayLike, NDArray

    from heptad.analysis.arrays import Array, Codes

KINDS = ("wide_deep", "wide", "deep", "din", "cross")
_SCORED = 8192


@dataclass
class Ranker:
    """Log-odds that a user takes an item, by one of the networks.

    Attributes:
        schema: the columns of user, item and context.
        kind: `wide_deep` (paper 000), its halves `wide` and `deep`, `din` (paper 000), or `cross`
            (DCN V2 over DIN's interest).
        embedding_size: length of a column's vector.
        layers: widths of the perceptron.
        act: `relu`, as written, or `dice`; of `din` alone.
        dropout: share of the perceptron's values hidden in training.
        reg: penalty on the squared length of the vectors in use.
        least: rows in which a cross must be met to have a weight.
        epochs: most passes over the rows.
        patience: epochs without gain on held-out rows after which training stops.
        schedule: of the training.
        seed: of start, order and dropout.
    """

    schema: Schema
    kind: str = "din"
    embedding_size: int = 16
    layers: tuple[int, ...] = (64, 32)
    act: str = "relu"
    dropout: float = 0.0
    reg: float = 0.0
    least: int = 3
    epochs: int = 10
    patience: int = 2
    schedule: Schedule = field(default_factory=lambda: Schedule(batch=1024, learning_rate=1e-3))
    seed: int = 0

    def fit(
        self,
        rows: Rows,
        y: ArrayLike,
        held_out: tuple[Rows, ArrayLike] | None = None,
        *,
        keep: Path | None = None,
        progress: Callable[[Epoch], None] | None = None,
    ) -> Self:
        """Learn from rows whose outcome is known, by the log loss.

        Args:
            rows: the schema's columns, n rows.
            y: (n,) 1 taken, 0 not.
            held_out: rows and outcomes that decide when to stop.
            keep: file to resume from.
            progress: is told every epoch.
        """
        targets = np.asarray(y, np.float32)
        columns = self.schema.columns(rows)
        n = length(columns)
        if targets.shape != (n,) or not np.isin(targets, (0, 1)).all():
            raise ContractError(
                "Outcomes must be 0 or 1, one per row.", got=f"{targets.shape}, {n} rows"
            )
        key = digest(self.parameters(), targets, *columns.values())
        course = Course(self.epochs, self.seed, keep, progress, key)
        self._start(columns)
        whole, wanted = _tensors(columns), torch.from_numpy(targets)

        def loss(batch: Codes) -> torch.Tensor:
            part = {name: v if len(v) != n else v[batch] for name, v in whole.items()}
            odds = self.net_(part)
            value = torch.nn.functional.binary_cross_entropy_with_logits(odds, wanted[batch])
            return value + self.reg * self.net_.vectors.lengths(part) if self.reg else value

        watched = None
        if held_out is not None:
            seen, truth = held_out[0], torch.as_tensor(np.asarray(held_out[1], np.float64))

            def watched() -> float:
                odds = torch.from_numpy(self.score(seen, {}, {}))
                return float(torch.nn.functional.binary_cross_entropy_with_logits(odds, truth))

        patience = self.patience if held_out is not None else 0
        train(
            self.net_,
            n,
            loss,
            course=course,
            schedule=self.schedule,
            held_out=watched,
            patience=patience,
        )
        self.told_ = course.told
        return self

    def parameters(self) -> dict[str, Any]:
        """Plain data of all that was set."""
        return asdict(self)

    def _start(self, columns: dict[str, NDArray[Any]]) -> None:
        self.moments_ = {}
        for column in self.schema.fields:
            if not column.size:
                values = columns[column.name].astype(np.float64)
                self.moments_[column.name] = (float(values.mean()), float(values.std()) or 1.0)
        self._scale(columns)
        crosses = np.zeros(0, np.int64)
        if self.kind in {"wide_deep", "wide"}:
            item = self.schema[self.schema.item]
            met = pairs(columns[self.schema.held], columns[self.schema.item], item.size)
            crosses = frequent(met, self.least)
        self.net_ = self._network(crosses)

    def _network(self, crosses: Codes) -> WideDeep | DIN | CrossNetwork:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            if self.kind == "din":
                return DIN(self.schema, self.embedding_size, self.layers, self.act, self.dropout)
            if self.kind == "cross":
                return CrossNetwork(self.schema, self.embedding_size, 2, self.layers, self.dropout)
            parts = {"wide_deep": ("wide", "deep"), "wide": ("wide",), "deep": ("deep",)}
            if self.kind not in parts:
                raise ContractError(
                    "There is no such ranker.", got=self.kind, do=f"one of {', '.join(KINDS)}"
                )
            return WideDeep(
                self.schema,
                crosses,
                self.embedding_size,
                self.layers,
                self.dropout,
                parts[self.kind],
            )

    def _scale(self, columns: dict[str, NDArray[Any]]) -> None:
        for name, (mean, spread) in self.moments_.items():
            scaled = (np.nan_to_num(columns[name], nan=mean) - mean) / spread
            columns[name] = scaled.astype(np.float32)

    @torch.no_grad()
    def score(self, user_rows: Rows, item_rows: Rows, context: Rows) -> Array:
        """Return log-odds (n,) that the users take the items in this context.

        Args:
            user_rows: the user's columns, n rows or one for all.
            item_rows: the candidates' columns.
            context: hour, channel, page and so on.
        """
        columns = self.schema.columns(user_rows, item_rows, context)
        n = length(columns)
        self._scale(columns)
        self.net_.eval()
        whole, result = _tensors(columns), np.empty(n)
        for start in range(0, n, _SCORED):
            part = {
                name: v if len(v) == 1 else v[start : start + _SCORED] for name, v in whole.items()
            }
            result[start : start + _SCORED] = self.net_(part).double().numpy()
        return result

    @torch.no_grad()
    def weights(self, user_rows: Rows, item_rows: Rows, context: Rows) -> Array:
        """Return the attention weights (n, l) of what the users held, for the reasons.

        Raises:
            ContractError: if this ranker has no attention.
        """
        if isinstance(self.net_, WideDeep):
            raise ContractError("This ranker has no attention weights.", got=self.kind)
        columns = self.schema.columns(user_rows, item_rows, context)
        self._scale(columns)
        self.net_.eval()
        return self.net_.weights(_tensors(columns)).double().numpy()

    def save(self, path: Path) -> None:
        """Write the fitted ranker to a file."""
        head = {"ranker": self.parameters(), "moments": self.moments_}
        save(path, state(self.net_), head)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what `save` wrote. Nothing in the file is run."""
        arrays, head = load(path)
        given = head["ranker"]
        fields = tuple(Field(**f) for f in given["schema"]["fields"])
        given["schema"] = Schema(**(given["schema"] | {"fields": fields}))
        given["layers"], given["schedule"] = tuple(given["layers"]), Schedule(**given["schedule"])
        ranker = cls(**given)
        ranker.moments_ = {name: (mean, spread) for name, (mean, spread) in head["moments"].items()}
        ranker.net_ = ranker._network(arrays.get("net/known", np.zeros(0, np.int64)))
        restore(ranker.net_, None, arrays)
        ranker.net_.eval()
        return ranker


def _tensors(columns: dict[str, NDArray[Any]]) -> dict[str, torch.Tensor]:
    return {
        name: torch.from_numpy(np.ascontiguousarray(values)) for name, values in columns.items()
    }
