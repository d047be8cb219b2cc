# SPDX-License-Identifier: Apache-2.0
"""Train a ranker from Parquet larger than memory: columns lie mapped on disk, a batch is read at a time."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.nn.functional import binary_cross_entropy_with_logits

from heptad.analysis.recommend.epochs import Course, Epoch, digest
from heptad.analysis.recommend.neural.ranker import Ranker
from heptad.analysis.recommend.neural.training import train
from heptad.standards.errors import ContractError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path
    from typing import Self

    from numpy.typing import NDArray

    from heptad.analysis.arrays import Codes
    from heptad.analysis.recommend.neural.rows import Field, Schema

ROWS = 16_384
"""Rows read of a file at a time."""
KINDS = ("din", "deep", "cross")
"""Rankers that need nothing of all rows but the moments of their numbers."""


@dataclass(frozen=True)
class Stored:
    """Rows of a schema as columns on disk.

    Attributes:
        columns: name → (n,) or (n, l) mapped arrays, codes from 1, 0 for none or unknown.
        outcomes: (n,) float32 mapped.
        moments: name → mean and spread of each column of numbers.
        sha256: of all columns and outcomes.
    """

    columns: Mapping[str, NDArray[Any]]
    outcomes: NDArray[np.float32]
    moments: Mapping[str, tuple[float, float]]
    sha256: str

    def __len__(self) -> int:
        return len(self.outcomes)


def store(path: Path, schema: Schema, outcome: str, folder: Path) -> Stored:
    """Write the rows of a Parquet file as columns into a folder, some rows at a time.

    Args:
        path: of the file: the schema's columns, lists of one length where `many`, and the outcome.
        schema: of the columns.
        outcome: name of the column of 0 and 1.
        folder: an empty one; as large as the file unpacked.

    Raises:
        ContractError: if the file is empty, a column is absent, an outcome is not 0 or 1, or a
            number is missing or not finite.
    """
    import pyarrow.parquet as pq

    file = pq.ParquetFile(path)
    n, names = file.metadata.num_rows, [field.name for field in schema.fields]
    absent = {outcome, *names} - set(file.schema_arrow.names)
    if not n or absent:
        raise ContractError(
            "The rows have not what the schema asks for.", got=sorted(absent) or "no row"
        )
    made: dict[str, Any] = {}
    sums = {field.name: np.zeros(2) for field in schema.fields if not field.size}
    at, seen = 0, hashlib.sha256()
    for batch in file.iter_batches(ROWS, columns=[*names, outcome]):
        given = {field.name: _array(batch.column(field.name), field) for field in schema.fields}
        part: dict[str, Any] = schema.columns(given)
        part[""] = np.asarray(batch.column(outcome).to_numpy(zero_copy_only=False), np.float32)
        if not np.isin(part[""], (0, 1)).all():
            raise ContractError("Outcomes must be 0 or 1.", got=outcome)
        _refuse_unknown(part, sums, at)
        for name, values in part.items():
            seen.update(np.ascontiguousarray(values).tobytes())
            if name not in made:
                shape = (n, *values.shape[1:])
                made[name] = np.lib.format.open_memmap(
                    folder / f"{name or 'outcome'}.npy", "w+", values.dtype, shape
                )
            made[name][at : at + len(values)] = values
        for name in sums:
            known = part[name].astype(np.float64)
            sums[name] += known.sum(), (known**2).sum()
        at += len(batch)
    moments = {
        name: (s / n, float(np.sqrt(max(q / n - (s / n) ** 2, 0.0))) or 1.0)
        for name, (s, q) in sums.items()
    }
    outcomes = made.pop("")
    return Stored(made, outcomes, moments, seen.hexdigest())


def _refuse_unknown(part: Mapping[str, NDArray[Any]], numbers: Iterable[str], at: int) -> None:
    """Refuse numbers that are missing or not finite; `at` is the number of the part's first row."""
    for name in numbers:
        wrong = np.flatnonzero(~np.isfinite(part[name]))
        if len(wrong):
            raise ContractError(
                f"{name} must be known and finite in all rows.",
                got=f"{part[name][wrong[0]]} in row {at + int(wrong[0])}",
                do="fill it in or leave the rows out; a ranker trained in memory takes missing ones",
            )


def _array(column: Any, field: Field) -> NDArray[Any]:
    """Return a column of a batch as an array, lists as rows."""
    if not field.many:
        return np.asarray(column.to_numpy(zero_copy_only=False))
    flat = column.flatten().to_numpy(zero_copy_only=False)
    return np.asarray(flat).reshape(len(column), -1)


class StoredRanker(Ranker):
    """A ranker that learns from stored rows; what it learned is scored, saved and read as any other."""

    def fit_stored(
        self,
        rows: Stored,
        *,
        keep: Path | None = None,
        progress: Callable[[Epoch], None] | None = None,
    ) -> Self:
        """Learn as `fit` does from rows in memory, a batch of them in memory at a time.

        Args:
            rows: as `store` wrote them.
            keep: file to resume from; another training's, or one on other rows, is refused.
            progress: is told every epoch.

        Raises:
            ContractError: if the ranker's kind counts over all rows.
        """
        if self.kind not in KINDS:
            raise ContractError(
                "This ranker is trained in memory.", got=self.kind, do=f"one of {KINDS}"
            )
        key = digest({**self.parameters(), "rows": rows.sha256})
        course = Course(self.epochs, self.seed, keep, progress, key)
        self.moments_ = dict(rows.moments)
        self.net_ = self._network(np.zeros(0, np.int64))

        def loss(batch: Codes) -> torch.Tensor:
            # In the order of the disk: a batch is a set.
            order = np.sort(batch)
            part = {name: np.asarray(column[order]) for name, column in rows.columns.items()}
            self._scale(part)
            tensors = {n: torch.from_numpy(np.ascontiguousarray(v)) for n, v in part.items()}
            wanted = torch.from_numpy(np.asarray(rows.outcomes[order]))
            value = binary_cross_entropy_with_logits(self.net_(tensors), wanted)
            return value + self.reg * self.net_.vectors.lengths(tensors) if self.reg else value

        train(self.net_, len(rows), loss, course=course, schedule=self.schedule)
        self.told_ = course.told
        return self
