# SPDX-License-Identifier: Apache-2.0
"""Numbers for the texts of columns, as windows keep them."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt

    Ints = npt.NDArray[np.int64]


class Texts:
    """Numbers for texts that stay the same as long as the stream lives."""

    def __init__(self) -> None:
        self._numbers: dict[str, dict[str, int]] = defaultdict(dict)
        self._texts: dict[str, list[str]] = defaultdict(list)

    def code(self, column: str, texts: pa.Array) -> Ints:
        """Return a number for each text, 0 for null."""
        parts = texts.dictionary_encode()
        numbers, known = self._numbers[column], self._texts[column]
        codes = np.zeros(len(parts.dictionary) + 1, np.int64)
        for i, text in enumerate(parts.dictionary.to_pylist()):
            if text not in numbers:
                numbers[text] = len(known)
                known.append(text)
            codes[i] = numbers[text]
        index = parts.indices.fill_null(len(parts.dictionary)).to_numpy(zero_copy_only=False)
        coded: Ints = codes[index]
        return coded

    def number(self, column: str, text: str) -> int:
        """Return the number of one text."""
        numbers, known = self._numbers[column], self._texts[column]
        found = numbers.setdefault(text, len(known))
        if found == len(known):
            known.append(text)
        return found

    def text(self, column: str, code: int) -> str:
        """Return the text of one number."""
        return self._texts[column][code]

    def texts(self, column: str, codes: Ints) -> pa.Array:
        """Return the texts of numbers."""
        known = self._texts[column]
        if not known:
            return pa.nulls(len(codes), pa.string())
        return pa.array([known[c] for c in codes.tolist()], pa.string())

    def since(self, done: Mapping[str, int]) -> dict[str, list[str]]:
        """Return the texts that were numbered since there were so many of each column."""
        found = {name: texts[done.get(name, 0) :] for name, texts in self._texts.items()}
        return {name: texts for name, texts in found.items() if texts}

    def counts(self) -> dict[str, int]:
        """Return how many texts of each column there are."""
        return {name: len(texts) for name, texts in self._texts.items()}

    def kept(self) -> dict[str, list[str]]:
        """Return all texts in the order of their numbers."""
        return dict(self._texts)

    def load(self, texts: Mapping[str, list[str]]) -> None:
        """Take the texts of a snapshot."""
        self._texts = defaultdict(list, {name: list(found) for name, found in texts.items()})
        self._numbers = defaultdict(dict)
        for name, found in self._texts.items():
            self._numbers[name] = {text: n for n, text in enumerate(found)}
