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

_MERGE = 200_000


class KeySet:
    """A set of texts that never says "new" of one that it was given.

    Two texts may share a mark, so it may say "known" of a new one: about one in 10^12 where it
    holds ten million. It takes 8 bytes a text, and more for the last 200,000.
    """

    def __init__(self) -> None:
        self._old: NDArray[np.int64] = np.empty(0, np.int64)
        self._new: set[int] = set()
        self._asked: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._old) + len(self._new)

    def fill(self, texts: pa.Array) -> None:
        """Take many texts at once; null is none."""
        array = texts.drop_null().cast(pa.large_string())
        _, offsets, data = array.buffers()
        at = np.frombuffer(offsets, np.int64)[array.offset : array.offset + len(array) + 1].copy()
        self._old = np.union1d(self._old, _marks(data if data is not None else b"", at))

    def known(self, texts: Sequence[str]) -> list[bool]:
        """Tell of each text whether it may have been met."""
        array = self.marks(texts)
        marks, places = array.tolist(), self._old.searchsorted(array).tolist()
        self._asked = dict(zip(texts, marks, strict=True))
        old, n = self._old, len(self._old)
        return [
            mark in self._new or (at < n and old.item(at) == mark)
            for mark, at in zip(marks, places, strict=True)
        ]

    def add(self, texts: Sequence[str]) -> None:
        """Take some texts; those that were just asked about are known by their marks."""
        known = [self._asked[text] for text in texts if text in self._asked]
        self._new.update(known if len(known) == len(texts) else self.marks(texts).tolist())
        if len(self._new) > _MERGE:
            self._old = np.union1d(self._old, np.fromiter(self._new, np.int64, len(self._new)))
            self._new = set()

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
