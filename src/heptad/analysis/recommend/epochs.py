# SPDX-License-Identifier: Apache-2.0
"""A training's epochs: told as they end, kept so that a kill costs at most one of them."""

from __future__ import annotations

import hashlib
import json
import math
import os
import time
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from heptad.standards.errors import ContractError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

Arrays: TypeAlias = "dict[str, NDArray[Any]]"


@dataclass(frozen=True)
class Epoch:
    """One pass over the training rows.

    Attributes:
        number: 1 for the first.
        seconds: CPU seconds spent in training so far, those before a restart included.
        loss: training loss of this epoch, in the model's own unit.
        held_out: loss on rows that are not trained on; NaN without them.
    """

    number: int
    seconds: float
    loss: float
    held_out: float


@dataclass
class Course:
    """The epochs of one training.

    A training that draws its random numbers from `rng(epoch)` and hands `done` all that it
    changes goes on after a kill as if it had never stopped.

    Attributes:
        epochs: how many there are in all.
        seed: of the random numbers.
        keep: the file that holds the last epoch; None keeps nothing.
        progress: is told every epoch when it ends.
        key: digest of the parameters and rows, so that no other training's file is taken up.
        told: the epochs so far.
    """

    epochs: int
    seed: int = 0
    keep: Path | None = None
    progress: Callable[[Epoch], None] | None = None
    key: str = ""
    told: list[Epoch] = field(default_factory=list)
    _since: float = 0.0

    def resume(self) -> Arrays:
        """Return the arrays kept by the last whole epoch; none if there is none.

        Raises:
            ContractError: if the file belongs to another training.
        """
        if self.keep is None or not self.keep.exists():
            return {}
        arrays, head = load(self.keep)
        if head.get("key") != self.key:
            raise ContractError(
                "The checkpoint belongs to another training.",
                got=str(self.keep),
                do="remove the file, or train with the rows and parameters that it was made with.",
            )
        self.told = [Epoch(**epoch) for epoch in head["told"]]
        return arrays

    def rest(self) -> Iterator[int]:
        """Yield the numbers of the epochs that are still to be done."""
        self._since = time.process_time() - (self.told[-1].seconds if self.told else 0.0)
        yield from range(len(self.told) + 1, self.epochs + 1)

    @property
    def least(self) -> float:
        """The least loss held out so far; infinite without any."""
        return min((e.held_out for e in self.told if not math.isnan(e.held_out)), default=math.inf)

    @property
    def worse(self) -> int:
        """How many epochs have gone by since the least loss held out."""
        best = [e.number for e in self.told if e.held_out == self.least]
        return len(self.told) - best[0] if best else 0

    def rng(self, epoch: int) -> np.random.Generator:
        """Return the random numbers of one epoch; 0 is the start."""
        return np.random.default_rng((self.seed, epoch))

    def done(self, loss: float, held_out: float, arrays: Callable[[], Arrays]) -> None:
        """End an epoch: keep its arrays, then tell it."""
        seconds = time.process_time() - self._since
        epoch = Epoch(len(self.told) + 1, seconds, float(loss), float(held_out))
        self.told.append(epoch)
        if self.keep is not None:
            save(self.keep, arrays(), {"key": self.key, "told": [asdict(e) for e in self.told]})
        if self.progress is not None:
            self.progress(epoch)


def digest(parameters: Mapping[str, Any], *rows: NDArray[Any]) -> str:
    """Return what tells one training from another: its parameters and rows, hashed."""
    sha = hashlib.sha256(json.dumps(parameters, sort_keys=True, default=str).encode())
    for array in rows:
        sha.update(f"{array.dtype}{array.shape}".encode())
        sha.update(np.ascontiguousarray(array).tobytes())
    return sha.hexdigest()


def save(path: Path, arrays: Mapping[str, NDArray[Any]], head: Mapping[str, Any]) -> None:
    """Write arrays and a head of plain data to a file, whole or not at all."""
    new = path.with_name(path.name + ".new")
    with new.open("wb") as file:
        np.savez(file, head=np.array(json.dumps(head)), **arrays)  # type: ignore[arg-type]
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)


def load(path: Path) -> tuple[Arrays, dict[str, Any]]:
    """Read what `save` wrote: arrays by name, and the head. Nothing in the file is run."""
    with np.load(path, allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files if name != "head"}
        return arrays, json.loads(str(file["head"]))
