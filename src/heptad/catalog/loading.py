# SPDX-License-Identifier: Apache-2.0
"""Loading: from a source to a table's next version, all of it or nothing, and once."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from heptad.catalog.files import SourceFile
from heptad.catalog.loads import Counts
from heptad.catalog.staging import Staging
from heptad.engine.local.duck import Duck
from heptad.engine.local.lake import Lake
from heptad.ingest.quarantine import Quarantine
from heptad.ingest.report import LoadReport
from heptad.sources.files import digest
from heptad.sources.readers import files_of, reader
from heptad.standards.errors import HeptadError, UnknownName, suggest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from heptad.catalog.catalog import Catalog
    from heptad.catalog.loads import Load
    from heptad.ingest.report import Progress
    from heptad.security.keys import KeyStore
    from heptad.sources.config import Project, Source
    from heptad.standards.tables import Table
    from heptad.standards.time import Clock


class Loading:
    """Loads the sources of a project; one thread at a time.

    Args:
        project: the project file.
        tables: the tables that may be loaded, by name.
        catalog: records loads, files, versions and profiles.
        lake: stores the tables.
        keys: seals personal values.
        clock: tells when rows arrive.
    """

    def __init__(  # noqa: PLR0913 - the parts that a load is composed of
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

    def load(
        self,
        source: Source,
        *,
        history: bool | None = None,
        plan: bool = False,
        progress: Callable[[Progress], None] | None = None,
    ) -> LoadReport:
        """Load what a source has that was not loaded before."""
        begun = time.monotonic()
        table = self._table(source.table)
        files = files_of(source, self.project)
        listed = {SourceFile(f.name, f.size, digest(f)): f for f in files}
        sifted = self.catalog.loads.sift(source.table, list(listed))
        skipped = tuple(f.path for f in listed if f not in sifted.new)
        if files and not sifted.new:
            return LoadReport(source.name, source.table, plan=plan, skipped=skipped)
        reading = reader(source, self.project, [listed[f] for f in sifted.new])
        self.lake.create(table)
        load = self.catalog.loads.begin(
            source.name, source.table, known=self._known(source, history)
        )
        staging = Staging(self, source, table, reading, load, progress)
        try:
            done = staging.run()
            self.catalog.loads.staged(
                load.id, done.counts, staged=done.stage.name, files=sifted.new
            )
            version = None
            if done.counts.accepted:
                version = self.lake.commit(source.table, done.stage, load=load.id, table=table)
            else:
                staging.abandon()
            stored = self.lake.files(source.table, version) if version is not None else []
            self.catalog.loads.committed(load.id, version, stored)
        except BaseException as error:
            staging.abandon()
            self.catalog.loads.failed(load.id, error if isinstance(error, Exception) else "stopped")
            raise
        c = done.counts
        return LoadReport(
            source.name,
            source.table,
            load.id,
            plan,
            load.known,
            tuple(f.path for f in sifted.new),
            skipped,
            c.read,
            c.accepted,
            c.quarantined,
            c.duplicates,
            c.corrections,
            c.deletions,
            done.rounded,
            version,
            time.monotonic() - begun,
        )

    def _known(self, source: Source, history: bool | None) -> str:
        if "known_time" in source.map:
            return "mapped"
        if history is None:
            history = self.catalog.loads.first(source.name, source.table) is None
        return "assumed" if history else "arrival"

    def _table(self, name: str) -> type[Table]:
        if name not in self.tables:
            raise UnknownName(
                f"There is no table {name!r}.", got=name, do=suggest(name, self.tables)
            )
        return self.tables[name]
