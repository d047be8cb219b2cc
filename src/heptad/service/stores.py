# SPDX-License-Identifier: Apache-2.0
"""The stores of one project: opened lowest layer first, let go the other way round."""

from __future__ import annotations

import threading
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING

from heptad.catalog import Catalog
from heptad.catalog.loading import Loading
from heptad.catalog.pending import Pending
from heptad.engine.local.disk import refusals
from heptad.engine.local.duck import Duck
from heptad.engine.local.lake import Lake
from heptad.engine.local.owner import Held, Owner
from heptad.engine.local.room import SMALL, Room
from heptad.engine.local.seals import Seals
from heptad.engine.local.segments import Segments
from heptad.security.ledger import Ledger
from heptad.security.places import open_keys
from heptad.service.decisions.log import DecisionLog
from heptad.service.reads.recording import open_access_log
from heptad.sources.config import revealed
from heptad.standards.errors import HeptadError
from heptad.standards.time import FixedClock

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from heptad.engine.local.rows import Rows
    from heptad.security.keys import Keys
    from heptad.sources.config import Project
    from heptad.standards import Table
    from heptad.standards.time import Clock

CLOCK = "clock"
CLOSED = ("catalog", "keys", "_segments", "access", "_engine", "loading", "pending", "_rows")
"""What is closed; the last one first."""
STREAMS_LEFT = "streams_left"
"""The setting that says whether dropped streams may have left bytes in the row store's files."""


class Stores:
    """Everything that a project keeps, held by this process alone.

    Args:
        path: the project folder.
        project: what its heptad.toml says.
        tables: the declared tables, by name.
        clock: tells the present; a simulated one is set to where the project left it.

    Attributes:
        streams_dropped: called when an erasure dropped what streams had laid in the row store.

    Raises:
        Held: if another process holds the project.
    """

    def __init__(
        self, path: Path, project: Project, tables: Mapping[str, type[Table]], clock: Clock
    ) -> None:
        self.path, self.project, self.tables, self.clock = path, project, tables, clock
        self._lock, self._sessions = threading.Lock(), threading.local()
        self._rows: Rows | None = None
        self.streams_dropped: Callable[[], None] = lambda: None
        self._owner = Owner(path)
        if not self._owner.acquire():
            raise Held(
                "Another process holds this project.",
                got=self._owner.holder(),
                do="end that process; if it is `heptad serve`, commands go through it once it serves",
            )
        try:
            self._open()
        except BaseException:
            with suppress(HeptadError):
                self.let_go()
            raise

    def _open(self) -> None:
        """Open the stores; each is ready for those that are opened after it."""
        engine = self.project.engine
        self.room = Room(self.path, engine.low_water)
        self.room.rescue()
        self._seals = Seals(self.path)
        with refusals("The project was not opened"):
            self._seals.begin()
        self.catalog = Catalog(self.path / "catalog.sqlite", clock=self.clock)
        self.keys = self._open_keys()
        self.lake = Lake(self.path / "tables", clock=self.clock)
        self._engine = Duck(self.path, memory_limit=engine.memory, threads=engine.threads)
        if isinstance(self.clock, FixedClock):
            self.clock.set(max(self.clock.now(), int(self.catalog.settings.get(CLOCK, 0))))
        self.log = DecisionLog(self._open_ledger(), self.catalog, self.keys, self._mended_ledger)
        self.loading = Loading(
            self.project, self.tables, self.catalog, self.lake, self.keys, self.clock
        )
        self.pending = Pending(self.path / "log" / "intake", self.loading)
        self.access = open_access_log(
            self.path / "log" / "access",
            self.keys,
            self.project.security.origin,
            self.catalog.settings,
            self.clock,
        )

    def _open_keys(self) -> Keys:
        """Open the key store where heptad.toml says that it is."""
        kept = self.project.security
        return open_keys(
            self.path / "keys",
            kept.keys,
            passphrase=revealed(kept.passphrase, self.path),
            token=revealed(kept.token, self.path),
            ca=kept.ca and str(self.path / kept.ca),
            clock=self.clock,
        )

    def _open_ledger(self, floor: int | None = None) -> Ledger:
        """Open the decision log, of which `floor` records are known to be there."""
        self._segments = Segments(self.path / "log" / "decisions", floor=floor)
        least = max(self.catalog.settings.log_floor, floor or 0)
        origin = self.project.security.origin
        return Ledger(self._segments, self.keys.signing_key(), origin, floor=least)

    def _mended_ledger(self) -> Ledger:
        """Return the decision log, opened again if the disk refused an append to it."""
        if not self._segments.broken:
            return self.log.ledger
        self.room.rescue()
        self._segments.close()
        return self._open_ledger(len(self._segments))

    def recover(self) -> None:
        """Bring to an end, or back, what a kill left unfinished in the tables."""
        self.room.keep(SMALL)
        for table in {*self.tables, *self.lake.names()}:
            durable = self.catalog.versions.durable(table)
            self.lake.recover(table, -1 if durable is None else durable)
        self.loading.recover()
        self.pending.recover()

    @property
    def duck(self) -> Duck:
        """The query engine, in a session of the calling thread's own."""
        found: Duck | None = getattr(self._sessions, "duck", None)
        if found is None:
            with self._lock:
                found = self._sessions.duck = self._engine.cursor()
        return found

    @property
    def rows(self) -> Rows:
        """The row store, opened when it is first asked for."""
        from heptad.engine.local.rows import Rows

        with self._lock:
            if self._rows is None:
                self._rows = Rows(self.path / "rows", clock=self.clock)
            return self._rows

    def settle(self) -> None:
        """Store every row that was answered, and index every decision."""
        self.pending.pour_all()
        self.log.settle()

    def drop_streams(self) -> None:
        """Drop all that streams have laid in the row store, also those of applications now gone.

        It is made anew from the tables. Its bytes stay in files until they are written anew, which
        the next erasure has to do: `streams_left` says so.
        """
        from heptad.service.stream.cold import PREFIX

        if (self.path / "rows" / "CURRENT").exists():
            self.catalog.settings.set(STREAMS_LEFT, True)
            for table in self.rows.tables():
                if table.startswith(PREFIX):
                    self.rows.drop(table)

    @property
    def streams_left(self) -> bool:
        """Whether files of the row store may hold what streams had laid there."""
        return bool(self.catalog.settings.get(STREAMS_LEFT, False))

    def purge_rows(self) -> None:
        """Write all files of the row store anew, so that nothing removed is left in them."""
        self.rows.purge()
        self.catalog.settings.set(STREAMS_LEFT, False)

    def keep_clock(self) -> None:
        """Remember where a simulated clock stands, for whoever opens the project next."""
        self.catalog.settings.raise_to(CLOCK, self.clock.now())

    def close(self) -> None:
        """Let the stores go, and seal what they hold.

        Raises:
            Busy: if the disk refused what a store wrote at last; all are closed even so.
        """
        self.let_go(self._seals.end)

    def let_go(self, *at_last: Callable[[], None]) -> None:
        """Close each store that was opened, last one first, whatever becomes of the others."""
        with ExitStack() as left:
            left.callback(self._owner.release)
            for act in at_last:
                left.callback(act)
            for name in CLOSED:
                if (store := getattr(self, name, None)) is not None:
                    left.callback(store.close)
