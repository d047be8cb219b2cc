# SPDX-License-Identifier: Apache-2.0
"""Train a ranker from Parquet larger than memory: columns lie mapped on disk, a batch is read at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from heptad.analysis.recommend.epochs import Course, Epoch, digest
from heptad.analysis.recommend.neural.training import train
from heptad.standards.errors import ContractError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from heptad.analysis.arrays import Codes
    from heptad.analysis.recommend.neural.ranker import Ranker
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
    """

    columns: Mapping[str, NDArray[Any]]
    outcomes: NDArray[np.float32]
    moments: Mapping[str, tuple[float, float]]

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
        ContractError: if the file is empty, a column is absent, or an outcome is not 0 or 1.
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
    at = 0
    for batch in file.iter_batches(ROWS, columns=[*names, outcome]):
        given = {field.name: _array(batch.column(field.name), field) for field in schema.fields}
        part: dict[str, Any] = schema.columns(given)
        part[""] = np.asarray(batch.column(outcome).to_numpy(zero_copy_only=False), np.float32)
        if not np.isin(part[""], (0, 1)).all():
            raise ContractError("Outcomes must be 0 or 1.", got=outcome)
        for name, values in part.items():
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
    return Stored(made, outcomes, moments)


def _array(column: Any, field: Field) -> NDArray[Any]:
    """Return a column of a batch as an array, lists as rows."""
    if not field.many:
        return np.asarray(column.to_numpy(zero_copy_only=False))
    flat = column.flatten().to_numpy(zero_copy_only=False)
    return np.asarray(flat).reshape(len(column), -1)


def fit_stored(
    ranker: Ranker,
    rows: Stored,
    *,
    keep: Path | None = None,
    progress: Callable[[Epoch], None] | None = None,
) -> Ranker:
    """Learn from stored rows, as `Ranker.fit` does from rows in memory.

    Args:
        ranker: with its parameters; of a kind of `KINDS`.
        rows: numbers must be known in all of them.
        keep: file to resume from.
        progress: is told every epoch.

    Raises:
        ContractError: if the ranker's kind counts over all rows.
    """
    if ranker.kind not in KINDS:
        raise ContractError(
            "This ranker is trained in memory.", got=ranker.kind, do=f"one of {KINDS}"
        )
    key = digest(ranker.parameters(), np.array([len(rows)]), rows.outcomes)
    course = Course(ranker.epochs, ranker.seed, keep, progress, key)
    ranker.moments_ = dict(rows.moments)
    ranker.net_ = ranker._network(np.zeros(0, np.int64))

    def loss(batch: Codes) -> torch.Tensor:
        # In the order of the disk: a batch is a set.
        order = np.sort(batch)
        part = {name: np.asarray(column[order]) for name, column in rows.columns.items()}
        ranker._scale(part)
        tensors = {name: torch.from_numpy(np.ascontiguousarray(v)) for name, v in part.items()}
        wanted = torch.from_numpy(np.asarray(rows.outcomes[order]))
        value = torch.nn.functional.binary_cross_entropy_with_logits(ranker.net_(tensors), wanted)
        return value + ranker.reg * ranker.net_.vectors.lengths(tensors) if ranker.reg else value

    train(ranker.net_, len(rows), loss, course=course, schedule=ranker.schedule)
    ranker.told_ = course.told
    return ranker
