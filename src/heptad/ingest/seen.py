# SPDX-License-Identifier: Apache-2.0
"""Which keys have passed by, roughly: rows that may repeat one are held back to be looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Hashes = NDArray[np.int64]
    Flags = NDArray[np.bool_]

_SLOTS = 1 << 20
_LEAST, _MOST = 16, 28


class Seen:
    """The identity hashes that have passed by, one mark for some bits of each.

    A row that repeats a key is always held back. A few others are too, since two keys may share
    their bits; that costs a second look, never an error.

    Args:
        rows: about how many rows will pass; 8 marks, of a byte, are kept for each.
    """

    def __init__(self, rows: int) -> None:
        bits = min(max((8 * rows).bit_length(), _LEAST), _MOST)
        self._marks = np.zeros(1 << bits, np.bool_)
        self._mask = np.int64((1 << bits) - 1)
        self._first = np.empty(_SLOTS, np.int32)

    def add(self, hashes: Hashes) -> None:
        """Remember keys without asking."""
        self._marks[hashes & self._mask] = True

    def fresh(self, hashes: Hashes) -> Flags:
        """Return which rows certainly repeat no key of a row before them, and remember all.

        Args:
            hashes: (n,) in the order of the rows, each in [0, 2^63).
        """
        places = hashes & self._mask
        seen = self._marks[places]
        slots = (hashes >> np.int64(40)) & np.int64(_SLOTS - 1)
        numbers = np.arange(len(hashes), dtype=np.int32)
        # Assigned backwards, so that the first row of each slot is the one that remains there.
        self._first[slots[::-1]] = numbers[::-1]
        alone: Flags = self._first[slots] == numbers
        self._marks[places] = True
        fresh: Flags = alone & ~seen
        return fresh
