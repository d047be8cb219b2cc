# SPDX-License-Identifier: Apache-2.0
"""Which keys have passed by: an exact set of hashes that takes and answers whole batches."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Hashes = NDArray[np.int64]
    Flags = NDArray[np.bool_]

_FEW = 500_000
"""Up to this many keys are kept in a Python set, which needs no compiled loop to be loaded."""
_MOST = 1 << 26
"""The largest table has this many places: 512 MiB."""
_CROWDED = 0.6


class Seen:
    """Identity hashes that have passed by.

    When the largest table is crowded it takes no more in: `full` says so, and every further row
    passes as fresh.
    """

    def __init__(self) -> None:
        self._few: set[int] | None = set()
        self._table = np.zeros(0, np.int64)
        self._count = 0
        self.full = False

    def expect(self, rows: int) -> None:
        """Make room for about so many keys at once, rather than again and again."""
        if rows > _FEW and 2 * rows > len(self._table):
            self._spread(4 * rows)

    def fresh(self, hashes: Hashes) -> Flags:
        """Return which rows repeat no key of a row before them, and remember all.

        Args:
            hashes: (n,) in the order of the rows.
        """
        if self._few is not None:
            if len(self._few) + len(hashes) <= _FEW:
                return _taken(self._few, hashes)
            self._spread(4 * _FEW)
        self._make_room(len(hashes))
        fresh = np.ones(len(hashes), np.bool_)
        if not self.full:
            self._count += self._insert(hashes, fresh)
        return fresh

    def keys(self) -> Hashes:
        """Return all keys, in no order."""
        if self._few is not None:
            return np.array(list(self._few), np.int64)
        found: Hashes = self._table[self._table != 0]
        return found

    def _make_room(self, more: int) -> None:
        """Grow the table before it gets crowded."""
        while not self.full and self._count + more > _CROWDED * len(self._table):
            if len(self._table) >= _MOST:
                self.full = True
            else:
                self._spread(2 * len(self._table))

    def _spread(self, places: int) -> None:
        """Move all keys to a table of at most so many places, a power of two as its loop asks."""
        keys = self.keys()
        self._few = None
        self._table = np.zeros(min(1 << (places.bit_length() - 1), _MOST), np.int64)
        self._count = self._insert(keys, np.empty(len(keys), np.bool_))

    def _insert(self, hashes: Hashes, fresh: Flags) -> int:
        from heptad.ingest.probing import insert

        # Hashes that come from the engine may not be written to, which the loop insists on.
        return int(insert(self._table, np.require(hashes, np.int64, ["C", "W"]), fresh))


def _taken(few: set[int], hashes: Hashes) -> Flags:
    fresh = np.ones(len(hashes), np.bool_)
    for row, key in enumerate(hashes.tolist()):
        if key in few:
            fresh[row] = False
        else:
            few.add(key)
    return fresh
