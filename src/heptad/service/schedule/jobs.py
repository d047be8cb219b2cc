# SPDX-License-Identifier: Apache-2.0
"""Jobs by name: what applications declare and what every project has, each done once for its date."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from heptad.standards.errors import UnknownName, suggest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from heptad.catalog import Catalog
    from heptad.catalog.runs import Run
    from heptad.service.app import App
    from heptad.standards import Table

    Work = Callable[[str], Mapping[str, Any]]
    Plan = tuple[Work, Iterable[type[Table]]]

AGAIN = "again "
"""How the key of a run begins that is made again because its data were corrected."""


class Jobs:
    """The jobs of a project.

    Args:
        platform: handed to the jobs that applications declare.
        apps: the applications by name.
        own: the project's jobs: kind → what is done, given what stands behind the colon.
        catalog: records runs.
        version: returns the present version of a table, None where it has no rows.
    """

    def __init__(
        self,
        platform: Any,
        apps: Mapping[str, App],
        own: Mapping[str, Callable[[str], Plan]],
        catalog: Catalog,
        version: Callable[[str], int | None],
    ) -> None:
        self._platform, self._apps, self._own = platform, apps, own
        self._catalog, self._version = catalog, version

    def names(self) -> list[str]:
        """List the jobs that may be run, by name."""
        own = [n if n in ("outbox", "cases") else f"{n}:NAME" for n in self._own]
        return sorted([*own, *(f"{a.name}.{j.name}" for a in self._apps.values() for j in a.jobs)])

    def find(self, name: str) -> Plan:
        """Return what a job does, and the tables that it reads.

        Raises:
            UnknownName: if there is no such job.
        """
        kind, _, about = name.partition(":")
        if kind in self._own:
            return self._own[kind](about)
        app, _, rest = name.partition(".")
        if app not in self._apps:
            raise UnknownName(
                f"There is no job {name!r}.", got=name, do=suggest(name, self.names())
            )
        jobs = {j.name: j for j in self._apps[app].jobs}
        if rest not in jobs:
            raise UnknownName(f"{app} has no job {rest!r}.", got=rest, do=suggest(rest, jobs))
        job = jobs[rest]
        return (lambda date: job.run(self._platform, date)), job.reads

    def run(
        self, name: str, date: str, key: str = "", finished: Callable[[Run], None] | None = None
    ) -> Run:
        """Run a job for a date, once; a finished run is answered again.

        Args:
            name: of the job.
            date: what it is for, `2026-03-01`.
            key: tells runs of one date apart.
            finished: told of the run in the transaction that records its end.

        Raises:
            UnknownName: if there is no such job.
            Busy: if it is running.
        """
        work, tables = self.find(name)
        with self._catalog.runs.running(name, date, key) as run:
            if run.finished:
                if finished is not None:
                    finished(run)
                return run
            read = {t.__name__: self._version(t.__name__) for t in tables}
            inputs = {n: v for n, v in read.items() if v is not None}
            result = dict(work(date))
            with self._catalog.transaction():
                done = self._catalog.runs.finish(run.id, result, inputs=inputs)
                if finished is not None:
                    finished(done)
        return done

    def touched(self, table: str, version: int) -> list[Run]:
        """Return the finished runs that read a table before it came to be at a version.

        Of a date that was run again since, only what is older than the correction counts.
        """
        found: dict[tuple[str, str], Run] = {}
        fresh: set[tuple[str, str]] = set()
        for run in self._catalog.runs.recent(status="finished", limit=100_000):
            read = run.inputs.get(table)
            if read is not None:
                which = (run.job, run.date)
                (fresh.add(which) if read >= version else found.setdefault(which, run))
        return sorted((r for w, r in found.items() if w not in fresh), key=lambda r: r.id)
