# SPDX-License-Identifier: Apache-2.0
"""Loading: from a source to a table's next version, all of it or nothing, and once."""

from __future__ import annotations

import threading
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

from heptad.catalog import compacting, recovering
from heptad.catalog.bindings import wanted_columns
from heptad.catalog.files import SourceFile
from heptad.catalog.identities import Identities
from heptad.catalog.posting import load_rows
from heptad.catalog.repairing import Place, Repair, repair
from heptad.catalog.retrying import retry
from heptad.catalog.running import Order, Run
from heptad.catalog.tracing import Traces
from heptad.engine.local.duck import Duck
from heptad.ingest.quarantine import Quarantine
from heptad.ingest.report import Finding, LoadReport, Rejected, RowsReport
from heptad.sources import https
from heptad.sources.files import digest
from heptad.sources.messages import Acknowledges, Messages
from heptad.sources.readers import BROKERS, files_of, reader
from heptad.standards.errors import Busy, UnknownName, suggest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager

    from heptad.catalog.catalog import Catalog
    from heptad.catalog.loads import Known, Load
    from heptad.engine.local.lake import Lake
    from heptad.security.keys import KeyStore
    from heptad.sources.binding import Source
    from heptad.sources.config import Project
    from heptad.sources.reading import InputFile
    from heptad.standards.tables import Table
    from heptad.standards.time import Clock

    Told = Callable[[str, float], None]

__all__ = ["Finding", "LoadReport", "Loading", "Rejected", "RowsReport"]


PATIENCE_S = 10.0
"""How long posted rows wait for a load that is running."""


def _silent(what: str, share: float) -> None:
    """Tell nobody."""


def _free(names: Sequence[str], *, moved: bool = False) -> AbstractContextManager[None]:  # noqa: ARG001 - what another does
    """Change tables for which no row waits."""
    return nullcontext()


class Loading:
    """Loads the sources of a project; one load runs at a time.

    Args:
        project: the project file.
        tables: the tables that may be loaded, by name.
        catalog: records loads, files, versions and profiles.
        lake: stores the tables.
        keys: seals personal values.
        clock: tells when rows arrive.

    Attributes:
        changing: entered around whatever changes some tables, or, with `moved`, only lays their
            rows out anew; rows that wait for them are stored before.
    """

    def __init__(
        self,
        project: Project,
        tables: Mapping[str, type[Table]],
        catalog: Catalog,
        lake: Lake,
        keys: KeyStore,
        clock: Clock,
    ) -> None:
        self.project, self.tables, self.catalog = project, tables, catalog
        self.lake, self.keys, self.clock = lake, keys, clock
        self.quarantine = Quarantine(project.folder / "quarantine", keys)
        self._lock = threading.RLock()
        self._small: Duck | None = None
        self._pouring: Duck | None = None
        self.changing: Callable[..., AbstractContextManager[None]] = _free
        self.unsure = False
        self.identities = Identities(lake)
        self.traces = Traces(catalog.lineage)
        self._ready: set[tuple[str, str]] = set()

    def load(
        self,
        source: str | None = None,
        *,
        plan: bool = False,
        history: bool = False,
        again: bool = False,
        progress: Told | None = None,
    ) -> list[LoadReport]:
        """Load what the sources hold and the project does not.

        Args:
            source: name of one source; all by default.
            plan: only say what would happen; nothing is written.
            history: count the rows as history, known at event_time + known_after, though the
                source was loaded before.
            again: load files whose content was loaded before once more, after a change of the
                map; rows that are there already are dropped as duplicates.
            progress: told (what, share done).

        Raises:
            UnknownName: if there is no such source or table.
            HeptadError: why a source was not loaded; those before it stay loaded.
        """
        chosen = self.project.sources if source is None else (self.project.source(source),)
        told = progress or _silent
        with self._lock:
            return [
                self._load_one(one, plan=plan, history=history, again=again, told=told)
                for one in chosen
            ]

    def load_rows(
        self,
        table: str,
        rows: Sequence[Mapping[str, Any]],
        *,
        source: str = "posted",
        arrival: int | None = None,
    ) -> RowsReport:
        """Load rows given in memory, known at arrival, through the same checks; durable at return.

        Args:
            table: name of the table.
            rows: values by field name (a place as `place_lat` and `place_lon`, amounts as decimal
                text); `_deleted`: true says that a row is gone.
            source: what the rows are said to come from.
            arrival: when they came, µs UTC; now by default.

        Raises:
            UnknownName: if there is no such table.
            InputError: if a row is no object, or all lack a field that must be present.
            Busy: if a load of a source takes its time.
        """
        declared = self.table(table)
        if not self._lock.acquire(timeout=PATIENCE_S):
            raise Busy(
                "Another load is running, and rows are stored one load after the other.",
                do="send them again in a while; nothing was stored",
            )
        try:
            with self.changing([table]):
                report = load_rows(self, declared, rows, source, arrival)
            if report.accepted:
                self.tidy(table)
        finally:
            self._lock.release()
        return report

    def tidy(self, table: str, *, wait: bool = True) -> None:
        """Merge the smallest files of a table that rows are posted to, when they are many.

        Args:
            table: its name.
            wait: for a load that runs; else nothing is done then.
        """
        if compacting.crowded(self.lake, table) and self._lock.acquire(blocking=wait):
            try:
                with self.changing([table], moved=True):
                    compacting.tidy(self.catalog, self.lake, table)
            finally:
                self._lock.release()

    def retry(self, table: str, *, load: int | None = None) -> list[LoadReport]:
        """Try refused rows again, after a change of the map or of the standard.

        Rows that pass are loaded as a new load; the others go back to quarantine. Nothing is
        loaded twice, however often this is run or interrupted.

        Args:
            table: name of the table.
            load: only the rows that this load refused.

        Raises:
            UnknownName: if there is no such table, or a source is no longer bound.
        """
        self.table(table)
        with self._lock, self.changing([table]):
            return [retry(self, path) for path in self.quarantine.paths(table, load)]

    def repair(
        self, table: str, place: Place, cells: Mapping[str, str], *, check: bool = False
    ) -> Repair:
        """Try one refused row again with some cells written anew; see `repairing.repair`.

        A check waits for no load, and lets none wait.
        """
        self.table(table)
        if check:
            return repair(self, table, place, cells, check=True)
        with self._lock, self.changing([table]):
            return repair(self, table, place, cells, check=False)

    def recover(self) -> list[Load]:
        """Finish or undo what a kill left unfinished; call it when a project is opened."""
        with self._lock:
            ended = recovering.recover(self.catalog, self.lake, self.quarantine)
            for name in self.lake.names():
                compacting.record(self.catalog, self.lake, name)
            return ended

    def settle(self) -> None:
        """Find out what became of a load whose end could not be recorded, before another begins.

        A table's versions are recorded in their order: the next one would leave it behind.
        """
        if self.unsure:
            for load in self.catalog.loads.unfinished(mine=True):
                recovering.settle(self.catalog, self.lake, load)
            self.unsure = False

    def compact(self, table: str) -> int:
        """Merge the small files of a table, between loads; see `compacting.compact`."""
        with self._lock, self.changing([table], moved=True):
            self.settle()
            return compacting.compact(self.catalog, self.lake, table)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Let no load run in the block, and none begin; one that runs is waited for."""
        with self._lock, self.changing(list(self.tables)):
            yield

    def close(self) -> None:
        """Free the engine."""
        for engine in (self._small, self._pouring):
            if engine is not None:
                engine.close()
        self._small = self._pouring = None

    def table(self, name: str) -> type[Table]:
        """Find a table.

        Raises:
            UnknownName: if there is none of that name.
        """
        if name not in self.tables:
            raise UnknownName(
                f"There is no table {name!r}.", got=name, do=suggest(name, self.tables)
            )
        return self.tables[name]

    def ensure(self, table: type[Table]) -> None:
        """Make the stored table, or give it the columns that it lacks.

        Raises:
            ContractError: if what is stored cannot become what is declared.
        """
        name = table.__name__
        if (name, table.version_hash()) in self._ready:
            return
        if self.lake.exists(name):
            self.lake.evolve(table)
        else:
            self.lake.create(table)
        self.catalog.versions.declare(table)
        self._ready.add((name, table.version_hash()))

    def stored(self, table: type[Table]) -> str | None:
        """Return the relation of the rows that a table holds; None if it holds none."""
        name = table.__name__
        if not self.lake.exists(name) or not self.lake.files(name):
            return None
        return self.lake.relation(name, table=table)

    @property
    def small(self) -> Duck:
        """The engine for rows that are posted, kept open."""
        if self._small is None:
            self._small = Duck(self.project.folder, memory_limit="512MB", threads=1)
        return self._small

    @property
    def pouring(self) -> Duck:
        """The engine for rows that were checked before, kept open; one pour at a time uses it."""
        if self._pouring is None:
            self._pouring = Duck(self.project.folder, memory_limit="256MB", threads=1)
        return self._pouring

    def _load_one(
        self, source: Source, *, plan: bool, history: bool, again: bool, told: Told
    ) -> LoadReport:
        """Load one source, while no row waits for its table."""
        with nullcontext() if plan else self.changing([source.table]):
            return self._load(source, plan=plan, history=history, again=again, told=told)

    def _load(
        self, source: Source, *, plan: bool, history: bool, again: bool, told: Told
    ) -> LoadReport:
        table = self.table(source.table)
        told(f"{source.name}: looking for new data", 0.0)
        files, skipped = self._fresh(source, again=again)
        if files is not None and not files:
            return LoadReport(source.name, source.table, plan=plan, skipped=skipped)
        since = None if again else self.catalog.loads.watermark(source.name, source.table)
        listed = [file for file, _ in files or ()]
        known = self._known_by(source, history=history)
        wanted = wanted_columns(source)
        if source.origin.startswith(BROKERS):
            # A message may lack any field: that sets the message aside, and no load.
            wanted = (*wanted, *(c.name for f in table.fields.values() for c in f.columns()
                                 if f.name not in source.map and c.name not in source.map))  # fmt: skip
        reading = reader(source, self.project, listed, since=since, wanted=wanted)
        try:
            if isinstance(reading, Messages) and reading.empty:
                return LoadReport(source.name, source.table, plan=plan)
            order = Order(
                source, table, reading, known, [kept for _, kept in files or ()],
                skipped=skipped, plan=plan, again=again, told=told,
            )  # fmt: skip
            report = Run(self, order).run()
            if not plan and isinstance(reading, Acknowledges):
                reading.landed()
            if not plan:
                https.landed(source, self.project.folder, listed)
            return report
        finally:
            reading.close()
            https.forget(source, listed)

    def _fresh(
        self, source: Source, *, again: bool
    ) -> tuple[list[tuple[InputFile, SourceFile]] | None, tuple[str, ...]]:
        """Return the files to be loaded and the names of those loaded before."""
        files = files_of(source, self.project)
        if not files and source.origin.startswith(https.SCHEME):
            return [], (source.origin.rpartition("@")[2],)
        if not files:
            return None, ()
        listed = {SourceFile(f.name, f.size, digest(f)): f for f in files}
        if again:
            return [(file, kept) for kept, file in listed.items()], ()
        new = self.catalog.loads.sift(source.table, list(listed)).new
        skipped = tuple(kept.path for kept in listed if kept not in new)
        if not new:
            https.landed(source, self.project.folder, files)
            https.forget(source, files)
        return [(listed[kept], kept) for kept in new], skipped

    def _known_by(self, source: Source, *, history: bool) -> Known:
        """Say how known_time is set: mapped, history up to a source's first load, or arrival."""
        if "known_time" in source.map:
            return "mapped"
        first = self.catalog.loads.first(source.name, source.table) is None
        return "assumed" if first or history else "arrival"
