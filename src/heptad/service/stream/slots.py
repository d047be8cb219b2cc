# SPDX-License-Identifier: Apache-2.0
"""The places of an application's reels, and what is read there for rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from heptad.service.stream.reels import Reel
from heptad.standards.errors import ContractError
from heptad.standards.model import Rate

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from heptad.service.app import App
    from heptad.service.features import Feature

    Row = Mapping[str, Any]

FOREVER = 2**63 - 1


class Slot:
    """The place of one reel of one application.

    Attributes:
        reel: the reel as it is now; None while it is being built.
        turn: grows whenever what is being built has become old.
        extra: rows that came while it was being built.
        later: rows that are stored and count as known only later, in that order.
        until: from which known_time on the reel is old.
        orphans: keys of walked rows that events name and that are not known yet.
    """

    def __init__(self, app: App, features: Sequence[Feature]) -> None:
        self.app, self.features = app, list(features)
        self.shape = Reel(app.on, features)
        self.reel: Reel | None = None
        self.turn, self.until = 0, FOREVER
        self.extra: list[Row] = []
        self.later: list[Row] = []
        self.orphans: frozenset[str] = frozenset()

    def reads(self, name: str) -> bool:
        """Whether the reel rests on a table."""
        shape = self.shape
        tables = {shape.table, *shape.walked, *([Rate] if shape.converted else [])}
        return name in {table.__name__ for table in tables}

    def renew(self) -> None:
        """Have the reel built anew."""
        self.reel, self.turn = None, self.turn + 1
        self.extra, self.later, self.until = [], [], FOREVER


def beside(slots: Sequence[Slot], rows: Sequence[Row]) -> list[dict[str, Any] | None]:
    """Read the reels of other tables for rows; None where one cannot say."""
    found: list[dict[str, Any] | None] = [{} for _ in rows]
    for slot in slots:
        try:
            values = slot.reel.values(rows) if slot.reel is not None else [None] * len(rows)
        except ContractError:
            values = [None] * len(rows)
        found = [
            None if old is None or new is None else old | new
            for old, new in zip(found, values, strict=True)
        ]
    return found
