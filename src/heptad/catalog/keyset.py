# SPDX-License-Identifier: Apache-2.0
"""Texts met before, kept in memory as marks of 64 bits: one that is not among them is new."""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_FULL = 0.75
"""Of its places a table has at most so many taken."""


class KeySet:
    """A set of texts that never says "new" of one that it was given.

    Two texts may share a mark, so it may say "known" of a new one: about one in 10^12 where it
    holds ten million. It takes 11 to 21 bytes a text.
    """

    def __init__(self) -> None:
        self._table: NDArray[np.int64] = np.zeros(1 << 10, np.int64)
        self._held = 0
        self._asked: dict[str, int] = {}

    def __len__(self) -> int:
        return self._held

    def fill(self, texts: pa.Array) -> None:
        """Take many texts at once; null is none."""
        array = texts.drop_null().cast(pa.large_string())
        _, offsets, data = array.buffers()
        at = np.frombuffer(offsets, np.int64)[array.offset : array.offset + len(array) + 1].copy()
        self._take(_marks(data if data is not None else b"", at))

    def known(self, texts: Sequence[str]) -> list[bool]:
        """Tell of each text whether it may have been met."""
        from heptad.engine.local.kernel.marks import met

        marks = self.marks(texts)
        self._asked = dict(zip(texts, marks.tolist(), strict=True))
        found: list[bool] = met(self._table, marks).astype(bool).tolist()
        return found

    def add(self, texts: Sequence[str]) -> None:
        """Take some texts; those that were just asked about are known by their marks."""
        known = [self._asked[text] for text in texts if text in self._asked]
        whole = len(known) == len(texts)
        self._take(np.array(known, np.int64) if whole else self.marks(texts))

    def _take(self, marks: NDArray[np.int64]) -> None:
        from heptad.engine.local.kernel.marks import enter

        wanted = int((self._held + len(marks)) / _FULL) + 1
        if wanted > len(self._table):
            old, self._table = self._table, np.zeros(1 << wanted.bit_length(), np.int64)
            enter(self._table, old[old != 0])
        self._held += enter(self._table, marks)

    @staticmethod
    def marks(texts: Sequence[str]) -> NDArray[np.int64]:
        """Return the mark of each text."""
        parts = [text.encode() for text in texts]
        at = [0, *accumulate(map(len, parts))]
        return _marks(b"".join(parts), np.array(at, np.int64))


def _marks(data: Any, at: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the mark of each text; all their bytes are given, and where each begins."""
    from heptad.engine.local.kernel.marks import marks

    held = np.frombuffer(data, np.uint8)
    # The kernel is compiled for texts that nobody writes to.
    held.flags.writeable = False
    found: NDArray[np.int64] = marks(held, at)
    return found
