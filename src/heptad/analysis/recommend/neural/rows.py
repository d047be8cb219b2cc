# SPDX-License-Identifier: Apache-2.0
"""What a ranker is told of a user, an item and the context: named columns, and how each is read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from heptad.standards.errors import ContractError

Rows: TypeAlias = Mapping[str, NDArray[Any]]
"""Name → (n,) codes or numbers, or (n, l) lists of codes; -1 is none. One row stands for all n."""


@dataclass(frozen=True)
class Field:
    """One column.

    Attributes:
        name: of the column.
        size: how many codes there are, 0 … size - 1; 0 says that the column holds numbers. Any
            other code is unknown and says nothing.
        table: the column whose vectors it shares, as `held` those of `item`; its own by default.
        many: whether a row holds a list of codes.
    """

    name: str
    size: int = 0
    table: str = ""
    many: bool = False

    @property
    def vectors(self) -> str:
        """The name of the vectors that stand for its codes."""
        return self.table or self.name


@dataclass(frozen=True)
class Schema:
    """The columns of a ranker.

    Attributes:
        fields: in order.
        item: the column of the candidate.
        held: the column of what the user held before, newest last, as codes of `item`.
    """

    fields: tuple[Field, ...]
    item: str = "item"
    held: str = "held"

    def __getitem__(self, name: str) -> Field:
        for field in self.fields:
            if field.name == name:
                return field
        raise ContractError(f"Column {name} is absent.", got=[f.name for f in self.fields])

    def columns(self, *parts: Rows) -> dict[str, NDArray[Any]]:
        """Gather the columns of user, item and context, codes from 1, 0 for none or unknown.

        Returns:
            int64 codes (m,) or (m, l), float32 numbers (m,); m is n, or 1 where one row stands
            for all.

        Raises:
            ContractError: if a column is absent, has the wrong form, or lengths differ.
        """
        given: dict[str, NDArray[Any]] = {}
        for part in parts:
            given |= part
        result = {field.name: _read(field, given) for field in self.fields}
        lengths = {len(values) for values in result.values()} - {1}
        if len(lengths) > 1:
            told = {name: len(values) for name, values in result.items()}
            raise ContractError("Columns must have one length, or one row for all.", got=told)
        return result


def _read(field: Field, given: Rows) -> NDArray[Any]:
    if field.name not in given:
        raise ContractError(f"Column {field.name} is absent.", got=list(given))
    values = np.asarray(given[field.name])
    if values.ndim != 1 + field.many:
        raise ContractError(f"{field.name} has the wrong form.", got=f"shape {values.shape}")
    if not field.size:
        return values.astype(np.float32)
    codes = values.astype(np.int64)
    return np.where((codes >= 0) & (codes < field.size), codes + 1, 0)


def length(columns: Rows) -> int:
    """Return how many rows there are: the greatest length, as one row stands for all."""
    lengths = {len(values) for values in columns.values()}
    return 0 if 0 in lengths else max(lengths)
