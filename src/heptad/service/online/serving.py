# SPDX-License-Identifier: Apache-2.0
"""Answer online reads: kept values where they are what the definition gives, else computed."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

from heptad.service.features import tables_of
from heptad.service.online.filling import Filled, Filling
from heptad.service.online.values import OnlineStore, Reading, Values
from heptad.service.operators.lasting import LASTS
from heptad.standards.errors import HeptadError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from heptad.service.features import Feature
    from heptad.service.reads.guard import Access
    from heptad.service.reads.reads import Reads
    from heptad.service.stores import Stores

_LOG = logging.getLogger("heptad.online")
EVERY_S = 1.0
"""How often a served project looks for rows that the online store has not seen."""


class Online:
    """Online reads of one project.

    The row store is opened when a feature is first filled, or at the first read if it is there.

    Args:
        stores: the project's.
        reads: computes what is not kept.
        declared: every feature that may be kept.
    """

    def __init__(self, stores: Stores, reads: Reads, declared: Iterable[Feature]) -> None:
        self._stores, self._reads, self._declared = stores, reads, list(declared)
        self._lock = threading.Lock()
        self._store: OnlineStore | None = None
        self._filling: Filling | None = None

    def answer(
        self,
        keys: Mapping[str, str],
        features: Sequence[Feature],
        access: Access,
        *,
        exact: bool = True,
    ) -> Values:
        """Read features of one key as of now.

        What rests on a basis that a person can end is always computed, from the rows of those
        for whom it stands now.

        Args:
            keys: entity → key.
            features: what to read; names are unique.
            access: under which it is read.
            exact: compute what is not kept, or late; else it is answered as it is kept.

        Raises:
            Refused: if the purpose does not cover a table.
        """
        # Every table is asked about, so that one that is not covered refuses the read.
        ends = {t: access.ground(t).withdrawable for f in features for t in tables_of(f)}
        plain = [f for f in features if not any(ends[t] for t in tables_of(f))]
        readings = self._kept(keys, plain, exact=exact)
        lacking = [
            f
            for f in features
            if f.name not in readings or (exact and readings[f.name].state != "fresh")
        ]
        if lacking:
            now = self._stores.clock.now()
            values = self._reads.under(access).at(now, keys, lacking)
            readings |= {name: Reading(value, now, "computed") for name, value in values.items()}
        return Values({f.name: readings[f.name] for f in features})

    def backfill(
        self, features: Sequence[Feature], told: Callable[[str, float], None] = lambda *_: None
    ) -> Filled:
        """Keep values of features for all keys, and from now on for those that rows touch."""
        self._stores.room.require()
        return self._open()[1].backfill(features, told)

    def catch_up(self) -> Filled:
        """Keep the values of the keys that rows have touched since."""
        if not self._is_there():
            return Filled(0, 0)
        filling = self._open()[1]
        if any(filling.is_behind(feature) for feature in self._declared):
            self._stores.pending.pour_all()
        return filling.catch_up(self._declared)

    def marks(self, feature: Feature) -> dict[str, int] | None:
        """Return table → the last load that the kept values of a feature have seen."""
        return self._open()[0].marks(feature) if self._is_there() else None

    def is_behind(self, feature: Feature) -> bool:
        """Tell whether rows came that the kept values of a feature have not seen."""
        return self._is_there() and self._open()[1].is_behind(feature)

    def keep(self, stopped: threading.Event) -> None:
        """Catch up again and again, until told to stop."""
        while not stopped.wait(EVERY_S):
            try:
                self.catch_up()
            except HeptadError as error:
                _LOG.warning("the online store was not brought up to date: %s", error.what)

    def _kept(
        self, keys: Mapping[str, str], features: Sequence[Feature], *, exact: bool
    ) -> dict[str, Reading]:
        """Read what is kept; of one key whose time has run out, compute and keep it again."""
        if not features or not self._is_there():
            return {}
        store, filling = self._open()
        now = self._stores.clock.now()
        found = store.read(keys, features, now)
        if exact:
            again = [f for f in features if found[f.name].state == "late"
                     and f.op != "decayed" and not filling.is_behind(f)]  # fmt: skip
            if again:
                filling.refresh(keys, again)
                found |= store.read(keys, again, now)
        return found

    def _newest(self, table: str) -> int:
        """Return the last load of a table; beyond all while rows wait to be stored in it."""
        line = self._stores.pending.lines.get(table)
        return (
            LASTS if line is not None and line.batches else self._stores.catalog.loads.newest(table)
        )

    def _is_there(self) -> bool:
        return self._store is not None or (self._stores.path / "rows" / "CURRENT").exists()

    def _open(self) -> tuple[OnlineStore, Filling]:
        with self._lock:
            if self._store is None or self._filling is None:
                stores = self._stores
                loads = stores.catalog.loads
                self._store = OnlineStore(stores.rows, self._newest)
                self._filling = Filling(
                    self._store,
                    self._reads,
                    loads,
                    stores.keys,
                    stores.clock,
                    stores.loading.paused,
                )
            return self._store, self._filling
