# SPDX-License-Identifier: Apache-2.0
"""Find the items with the greatest inner product: exactly, or by cells for large catalogues."""

from __future__ import annotations

import os
import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from heptad.standards.errors import ContractError

if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import NDArray

    from heptad.analysis.arrays import Codes

    Floats = NDArray[np.float32]

EXACT = 50_000
"""Items up to which an exact scan is as fast as anything."""
PROBES = 200
"""Cells looked into where nothing else is said."""
FEW = 0.05
"""Share of items allowed below which they are scanned one by one: cells would miss them."""
_BLOCK = 256
"""Vectors compared at once, so that their products stay within a processor's cache."""


@dataclass
class Index:
    """Item vectors, laid out cell by cell; a query looks into the cells nearest to it.

    Args:
        cells: how many; None takes 0 (an exact scan) for small catalogues, else 4 √items.
        probes: cells looked into; 200 if not given. More find more and take longer: measure it on
            your own vectors, for those of a matrix model are harder than they look.
        seed: of the first centres.

    Source: Jégou, Douze, Schmid, Product quantization for nearest neighbor search, 2011, section
    IV (the inverted file; vectors are kept whole here).
    """

    cells: int | None = None
    probes: int | None = None
    seed: int = 0
    vectors_: Floats = field(init=False, repr=False)
    codes_: Codes = field(init=False, repr=False)
    centres_: Floats = field(init=False, repr=False)
    ends_: Codes = field(init=False, repr=False)

    def fit(self, vectors: Floats) -> Index:
        """Group (items, d) vectors into cells."""
        n = len(vectors)
        cells = (0 if n <= EXACT else int(4 * np.sqrt(n))) if self.cells is None else self.cells
        vectors = np.ascontiguousarray(vectors, dtype=np.float32)
        if not cells:
            self.vectors_, self.codes_ = vectors, np.arange(n)
            self.centres_, self.ends_ = vectors[:0], np.zeros(1, dtype=np.int64)
            return self
        self.centres_ = _centres(vectors, cells, self.seed)
        cell = _nearest(vectors, self.centres_)
        self.codes_ = np.argsort(cell, kind="stable")
        self.vectors_ = vectors[self.codes_]
        self.ends_ = np.concatenate([[0], np.cumsum(np.bincount(cell, minlength=cells))])
        return self

    def search(
        self, query: Floats, n: int, *, allowed: NDArray[Any] | None = None
    ) -> tuple[Codes, Floats]:
        """Find the n best items of one query.

        Args:
            query: (d,).
            n: how many.
            allowed: (items,) whether an item may be found; all if not given. Where few may, they
                are all scanned, so that a narrow rule never empties a list.

        Returns:
            (n,) item codes, best first, and their products; fewer where there are not so many.
        """
        query = np.asarray(query, dtype=np.float32)
        most = max(n, FEW * len(self.codes_))
        if allowed is not None and np.count_nonzero(allowed) <= most:
            few = np.flatnonzero(allowed[self.codes_])
            return _best(self.codes_[few], self.vectors_[few] @ query, n)
        if not len(self.centres_):
            codes, products = self.codes_, self.vectors_ @ query
        else:
            codes, products = self._near(query)
        if allowed is None:
            return _best(codes, products, n)
        # What may not be found sinks: to pick out the rest takes longer than the products do.
        codes, products = _best(codes, np.where(allowed[codes], products, -np.inf), n)
        found = products > -np.inf
        return codes[found], products[found]

    def _near(self, query: Floats) -> tuple[Codes, Floats]:
        """Return the codes and products of the cells nearest to a query."""
        probes = min(self.probes or PROBES, len(self.centres_))
        near = np.sort(np.argpartition(-(self.centres_ @ query), probes - 1)[:probes])
        starts, ends = self.ends_[near].tolist(), self.ends_[near + 1].tolist()
        codes = np.concatenate([self.codes_[a:b] for a, b in zip(starts, ends, strict=True)])
        products, at = np.empty(len(codes), dtype=np.float32), 0
        for a, b in zip(starts, ends, strict=True):
            np.dot(self.vectors_[a:b], query, out=products[at : at + b - a])
            at += b - a
        return codes, products

    def save(self, path: Path) -> None:
        """Write the index so that a reader of `path` finds the old one or the new one, whole."""
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=".index-") as scratch:
            made = Path(scratch) / "made"
            made.mkdir()
            for name in ("vectors_", "codes_", "centres_", "ends_"):
                np.save(made / f"{name}.npy", getattr(self, name))
            # The new one gets a folder of its own; the name is switched in one step.
            own = Path(tempfile.mkdtemp(dir=path.parent, prefix=f"{path.name}-"))
            os.rename(made, own)  # noqa: PTH104 - onto an empty folder, in one step
            old = path.resolve() if path.is_symlink() else None
            link = Path(scratch) / "link"
            link.symlink_to(own.name, target_is_directory=True)
            os.replace(link, path)  # noqa: PTH105 - replaces a link in one step
        if old is not None:
            # Who has the old one mapped keeps reading it.
            shutil.rmtree(old)

    @classmethod
    def load(cls, path: Path, *, probes: int | None = None) -> Index:
        """Map an index into memory; pages are read when they are searched.

        Raises:
            ContractError: if there is none.
        """
        if not (path / "vectors_.npy").exists():
            raise ContractError("There is no index.", got=str(path))
        found = cls(probes=probes)
        folder = path.resolve()
        for name in ("vectors_", "codes_", "centres_", "ends_"):
            # As plain arrays, for a memmap makes each slice of it in Python.
            setattr(found, name, np.asarray(np.load(folder / f"{name}.npy", mmap_mode="r")))
        return found


def _best(codes: Codes, products: Floats, n: int) -> tuple[Codes, Floats]:
    if len(codes) > n:
        top = np.argpartition(-products, n - 1)[:n] if n else np.zeros(0, dtype=np.int64)
        codes, products = codes[top], products[top]
    order = np.lexsort((codes, -products))
    return np.asarray(codes)[order], products[order]


def _centres(vectors: Floats, cells: int, seed: int, rounds: int = 8) -> Floats:
    """Return centres by k-means on a sample."""
    random = np.random.default_rng(seed)
    most = min(len(vectors), 40 * cells)
    sample = vectors[np.sort(random.choice(len(vectors), most, replace=False))]
    centres = sample[random.choice(most, cells, replace=most < cells)].copy()
    for _ in range(rounds):
        cell = _nearest(sample, centres)
        sums = np.zeros_like(centres)
        np.add.at(sums, cell, sample)
        counts = np.bincount(cell, minlength=cells)
        full = counts > 0
        centres[full] = sums[full] / counts[full, None]
    return centres


def _nearest(vectors: Floats, centres: Floats) -> Codes:
    """Return the nearest centre of each vector, block by block."""
    half, turned = (centres**2).sum(axis=1) / 2, np.ascontiguousarray(centres.T)
    found = np.empty(len(vectors), dtype=np.int64)
    products = np.empty((_BLOCK, len(centres)), dtype=np.float32)
    for start in range(0, len(vectors), _BLOCK):
        block = vectors[start : start + _BLOCK]
        near = np.matmul(block, turned, out=products[: len(block)])
        near -= half
        found[start : start + len(block)] = near.argmax(axis=1)
    return found
