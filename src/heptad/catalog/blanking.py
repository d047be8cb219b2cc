# SPDX-License-Identifier: Apache-2.0
"""Blanking of what the catalog derived from rows, where it quotes a value of an erased person."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from sqlalchemy import Text, func, or_, select, type_coerce, update

from heptad.catalog.casetables import CaseEventRow
from heptad.catalog.outboxtables import MessageRow, ReceiptRow
from heptad.catalog.schema import DriftRow, LoadRow, ModelRow, ProfileRow, RunRow, StepRow
from heptad.catalog.worktables import AlarmRow, SlotRow

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import ColumnElement

    from heptad.catalog.store import Store

ERASED = "(erased)"
_AT_ONCE = 100

QUOTING: tuple[Any, ...] = (
    ProfileRow.smallest,
    ProfileRow.largest,
    ProfileRow.top,
    ProfileRow.quantiles,
    DriftRow.note,
    LoadRow.error,
    LoadRow.watermark,
    RunRow.result,
    RunRow.error,
    StepRow.checkpoint,
    ModelRow.note,
    SlotRow.error,
    AlarmRow.says,
    MessageRow.reason,
    ReceiptRow.note,
    CaseEventRow.detail,
)
"""Columns whose text comes from rows, from errors about rows, or from people."""


class Blanking:
    """Finds and blanks texts of the catalog that quote given words, in whatever case."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def count(self, words: Sequence[str]) -> int:
        """Count the values that quote one of the words."""
        with self._store.read() as connection:
            return sum(
                connection.execute(select(func.count()).where(quoting)).scalar_one()
                for column in QUOTING
                for quoting in _quoting(column, words)
            )

    def blank(self, words: Sequence[str]) -> int:
        """Blank those values, durably; return how many."""
        gone = 0
        with self._store.write() as connection:
            for column in QUOTING:
                nothing = None if column.property.columns[0].nullable else ERASED
                for quoting in _quoting(column, words):
                    change = update(column.class_).where(quoting).values({column.key: nothing})
                    gone += connection.execute(change).rowcount
        return gone


def _quoting(column: Any, words: Sequence[str]) -> list[ColumnElement[bool]]:
    """Return conditions, each for some of the words: as they are, and as JSON writes them."""
    text = type_coerce(column, Text)
    forms = sorted({form for word in words for form in (word, json.dumps(word)[1:-1])})
    return [
        or_(*(text.icontains(form, autoescape=True) for form in forms[start : start + _AT_ONCE]))
        for start in range(0, len(forms), _AT_ONCE)
    ]
