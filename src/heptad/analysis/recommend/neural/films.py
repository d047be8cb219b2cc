# SPDX-License-Identifier: Apache-2.0
"""Users and films as numbers, as paper 001 prepares MovieLens: codes, genre lists and title lists."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from heptad.standards.errors import ContractError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from heptad.analysis.arrays import Codes

PAD = "<PAD>"
GENDERS = ("F", "M")
AGES = (1, 18, 25, 35, 45, 50, 56)
_WORD = re.compile(r"\w+(?:['’]\w+)*")


def gender(values: Sequence[str]) -> Codes:
    """Turn F and M into 0 and 1.

    >>> gender(["F", "M"]).tolist()
    [0, 1]
    """
    return _codes(values, GENDERS, "Gender")


def age(values: Sequence[int]) -> Codes:
    """Turn the seven ages of MovieLens (the least of each group) into 0 … 6.

    >>> age([1, 18, 25, 35, 45, 50, 56]).tolist()
    [0, 1, 2, 3, 4, 5, 6]
    """
    return _codes(values, AGES, "Age")


def _codes(values: Sequence[object], levels: Sequence[object], name: str) -> Codes:
    number = {level: code for code, level in enumerate(levels)}
    try:
        return np.array([number[value] for value in values], np.int64)
    except KeyError as error:
        raise ContractError(
            f"{name} must be one of {', '.join(map(str, levels))}.", got=error.args[0]
        ) from None


def genres(text: str) -> list[str]:
    """Take a genre field apart.

    >>> genres("Animation|Children's|Comedy")
    ['Animation', "Children's", 'Comedy']
    """
    return [genre for genre in text.split("|") if genre]


def words(title: str) -> list[str]:
    """Take a title apart into words, without case or punctuation; the year is a word.

    >>> words("Bug's Life, A (1998)")
    ["bug's", 'life', 'a', '1998']
    """
    return _WORD.findall(title.lower())


@dataclass(frozen=True)
class Vocabulary:
    """Number by text: `<PAD>` is 0, texts follow in order of the alphabet.

    Attributes:
        number: of each text.
        length: of every list, the longest of the rows that it was made from.
    """

    number: dict[str, int]
    length: int

    @classmethod
    def fit(cls, lists: Iterable[Sequence[str]]) -> Vocabulary:
        """Make the vocabulary of the training rows' lists."""
        held = list(lists)
        texts = sorted({text for texts in held for text in texts} - {PAD})
        number = {PAD: 0} | {text: code for code, text in enumerate(texts, start=1)}
        return cls(number, max((len(texts) for texts in held), default=0) or 1)

    def __len__(self) -> int:
        return len(self.number)

    def codes(self, lists: Sequence[Sequence[str]]) -> Codes:
        """Turn lists of texts into (n, length) numbers, filled up with that of `<PAD>`.

        A text that no training row had says nothing and is left out; what goes beyond the
        length is cut.
        """
        result = np.zeros((len(lists), self.length), np.int64)
        for row, texts in enumerate(lists):
            known = [self.number[text] for text in texts if text in self.number]
            result[row, : len(known)] = known[: self.length]
        return result
