# SPDX-License-Identifier: Apache-2.0
"""One run of a load: begin, stage, commit; or, for a plan, only say what it would do."""

from __future__ import annotations

import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from heptad.catalog.bindings import binding_of, personal_columns
from heptad.catalog.quality import ColumnProfile
from heptad.catalog.recovering import settle
from heptad.catalog.staging import Job, Staging
from heptad.engine.local.disk import refusals
from heptad.engine.local.duck import Duck
from heptad.ingest import drift
from heptad.ingest.checks import Arrival
from heptad.ingest.protect import Protection
from heptad.ingest.quarantine import Origin, Refusals
from heptad.ingest.report import LoadReport
from heptad.standards.errors import HeptadError

if TYPE_CHECKING:
    from collections.abc import Callable

    from heptad.catalog.files import SourceFile
    from heptad.catalog.loading import Loading
    from heptad.catalog.loads import Counts, Known, Load
    from heptad.ingest.checks import Binding
    from heptad.ingest.report import Finding
    from heptad.sources.binding import Source
    from heptad.sources.reading import Reading
    from heptad.standards.tables import Table


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be loaded.

    Attributes:
        source: the binding.
        table: the table.
        reading: the rows.
        known: how known_time is set.
        files: the files whose content counts as loaded afterwards.
        skipped: names of files that were loaded before.
        plan: only say what would happen.
        again: the files may have been loaded before.
        arrival: when the rows came, µs UTC; None is now.
        told: told (what, share done).
    """

    source: Source
    table: type[Table]
    reading: Reading
    known: Known
    files: list[SourceFile]
    skipped: tuple[str, ...] = ()
    plan: bool = False
    again: bool = False
    arrival: int | None = None
    told: Callable[[str, float], None] = lambda what, share: None  # noqa: ARG005


class Run:
    """Carries out an order.

    Args:
        loading: the stores.
        order: what is to be loaded.
    """

    def __init__(self, loading: Loading, order: Order) -> None:
        self._loading, self.order = loading, order
        self._begun = time.monotonic()
        self._total = sum(file.size for file in order.reading.files)
        self.staging: Staging | None = None
        self.counts: Counts | None = None

    def run(self) -> LoadReport:
        """Load, or plan.

        Raises:
            HeptadError: why nothing was loaded; Busy if a disk refused.
        """
        if self.order.plan:
            return self._planned()
        loading, order = self._loading, self.order
        loading.settle()
        loading.ensure(order.table)
        load = loading.catalog.loads.begin(
            order.source.name,
            order.table.__name__,
            known=order.known,
            arrival=order.arrival,
            contract=order.table.version_hash(),
        )
        try:
            binding = self.binding()
        except HeptadError as error:
            loading.catalog.loads.refused(load.id, error)
            raise
        try:
            with refusals(f"{order.table.__name__} was not loaded"):
                return self._loaded(load, binding)
        except BaseException as error:
            # Were the outcome unknown, nothing would be removed before the next start finds it out.
            loading.unsure = True
            ended = self._end(load, error)
            loading.unsure = False
            if ended.status != "committed" and self.staging is not None:
                self.staging.abandon()
            raise

    def binding(self) -> Binding:
        """Return the source's map, parsed."""
        order = self.order
        return binding_of(order.source, order.table, order.reading.columns)

    def _loaded(self, load: Load, binding: Binding) -> LoadReport:
        """Stage and commit; every step can be cut off and is finished or undone later."""
        loading, order = self._loading, self.order
        name = order.table.__name__
        self.staging = staging = self._staged(
            binding, load.id, load.arrival, loading.lake.stage(name)
        )
        counts = self._counted(staging)
        findings = self.findings(staging)
        self.order.told(f"{order.source.name}: committing", 1.0)
        with loading.catalog.transaction():
            self.record(load.id, staging)
            loading.catalog.loads.staged(
                load.id,
                counts,
                staged=staging.job.stage.name if counts.accepted else None,
                files=order.files,
                watermark=order.reading.watermark,
                again=order.again,
            )
        version = None
        if counts.accepted:
            version = loading.lake.commit(name, staging.job.stage, load=load.id, table=order.table)
        else:
            shutil.rmtree(staging.job.stage)
        with loading.catalog.transaction():
            stored = loading.lake.files(name, version) if version is not None else ()
            loading.catalog.loads.committed(load.id, version, stored)
            self.remember(load.id, staging, findings)
            self.trace(load.id)
        return self._report(counts, findings, load.id, loading.lake.version(name))

    def _planned(self) -> LoadReport:
        """Run the checks into a folder that is thrown away."""
        loading = self._loading
        binding = self.binding()
        loading.lake.folder.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=".plan-", dir=loading.lake.folder))
        try:
            staging = self._staged(binding, 0, loading.clock.now(), scratch / "rows")
            (scratch / "rows").mkdir()
            counts = self._counted(staging)
            return self._report(counts, self.findings(staging), None, None)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)

    def _staged(self, binding: Binding, load: int, arrival: int, stage: Path) -> Staging:
        loading, order = self._loading, self.order
        name, source = order.table.__name__, order.source
        protection = Protection(order.table, loading.keys)
        origin = Origin(
            name,
            source.name,
            load,
            order.known,
            order.reading.columns,
            personal_columns(source, order.table, order.reading.columns),
            protection.personal,
        )
        path = stage.parent / "refused" if order.plan else loading.quarantine.path(name, load)
        now = max(loading.clock.now(), arrival)
        job = Job(
            binding,
            Arrival(order.known, arrival, source.known_after, now),
            load,
            order.reading,
            stage,
            Refusals(path, origin, loading.keys),
            loading.stored(order.table),
        )
        return self.build(job)

    def build(self, job: Job) -> Staging:
        """Return what stages a job, with an engine of its own."""
        engine = self._loading.project.engine
        self._duck = Duck(
            self._loading.project.folder,
            memory_limit=engine.memory,
            threads=engine.threads,
        )
        keys = self._loading.keys
        return Staging(job, self._duck, keys, self._progress, expected=self._total)

    def release(self) -> None:
        """Let the engine go once all is staged."""
        self._duck.close()

    def _counted(self, staging: Staging) -> Counts:
        try:
            return staging.run()
        finally:
            self.release()

    def _progress(self, rows: int) -> None:
        share = self.order.reading.meter.bytes / self._total if self._total else 0.0
        self.order.told(f"{self.order.source.name}: {rows:,} rows", min(share, 1.0))

    def findings(self, staging: Staging) -> tuple[Finding, ...]:
        """Compare with what the source held at its last load."""
        catalog, name = self._loading.catalog, self.order.source.name
        before = catalog.settings.get(_columns_of(name), {})
        found = drift.of_columns(before, staging.shapes)
        last = catalog.loads.recent(
            self.order.table.__name__, source=name, status="committed", limit=1
        )
        past = catalog.quality.profile(last[0].id) if last else []
        profiler = staging.profiler
        return (*found, *drift.of_values(past, profiler.profiles(), profiler.counts))

    def record(self, load: int, staging: Staging) -> None:
        """Keep the profile of what was loaded."""
        name = self.order.table.__name__
        self._loading.catalog.quality.record(load, name, _profiles(staging))

    def remember(self, load: int, staging: Staging, findings: tuple[Finding, ...]) -> None:
        """Keep what the source looks like now, and what changed."""
        catalog, table = self._loading.catalog, self.order.table.__name__
        catalog.settings.set(_columns_of(self.order.source.name), staging.shapes)
        for finding in findings:
            limit = drift.LIMIT if finding.psi is not None else None
            catalog.quality.drifted(
                load, table, finding.column, "reported", finding.says, psi=finding.psi, limit=limit
            )

    def trace(self, load: int) -> None:
        """Keep from which columns the fields were filled."""
        order = self.order
        self._loading.traces.load(order.source, order.table, order.reading.columns, load)

    def _end(self, load: Load, error: BaseException) -> Load:
        """Record how a load broke off; one that has landed all the same is committed."""
        catalog = self._loading.catalog
        found = catalog.loads.get(load.id)
        if found.status == "staged":
            return settle(catalog, self._loading.lake, found)
        if found.status == "started":
            said = error if isinstance(error, Exception) else "The load was stopped."
            return catalog.loads.failed(load.id, said)
        return found

    def _report(
        self, counts: Counts, findings: tuple[Finding, ...], load: int | None, version: int | None
    ) -> LoadReport:
        order = self.order
        return LoadReport(
            source=order.source.name,
            table=order.table.__name__,
            load=load,
            plan=order.plan,
            known=order.known,
            files=tuple(file.path for file in order.files),
            skipped=order.skipped,
            read=counts.read,
            accepted=counts.accepted,
            quarantined=dict(counts.quarantined),
            duplicates=counts.duplicates,
            corrections=counts.corrections,
            deletions=counts.deletions,
            rounded=self.staging.rounded if self.staging else 0,
            version=version,
            seconds=time.monotonic() - self._begun,
            findings=findings,
        )


def _columns_of(source: str) -> str:
    """Return the name of the setting that keeps a source's columns."""
    return f"columns/{source}"


def _profiles(staging: Staging) -> list[ColumnProfile]:
    names = ColumnProfile.__slots__
    return [
        ColumnProfile(**{name: getattr(profile, name) for name in names})
        for profile in staging.profiler.profiles()
    ]
