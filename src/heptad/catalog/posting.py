# SPDX-License-Identifier: Apache-2.0
"""Rows handed over in memory: the same checks as for files, quick for small batches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from heptad.catalog.running import Order, Run
from heptad.catalog.staging import Staging
from heptad.ingest.checks import IDENTITY
from heptad.ingest.reasons import REASONS, explain
from heptad.ingest.report import (
    CHANGED,
    DUPLICATE,
    GONE,
    NEW,
    REJECTED,
    Rejected,
    RowsReport,
)
from heptad.sources.binding import Source
from heptad.sources.posted import Posted

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import pyarrow as pa

    from heptad.catalog.loading import Loading
    from heptad.catalog.staging import Job
    from heptad.ingest.report import Finding, LoadReport
    from heptad.standards.tables import Table

DELETED = "_deleted"
"""The column by which posted rows say that a row is gone."""


def load_rows(
    loading: Loading,
    table: type[Table],
    rows: Sequence[Mapping[str, Any]],
    source: str,
    arrival: int | None,
) -> RowsReport:
    """Load rows; see `Loading.load_rows`."""
    name = table.__name__
    if not rows:
        return RowsReport(name)
    reading = Posted(rows, [f.name for f in table.fields.values() if not f.optional])
    given = {"deleted": DELETED} if DELETED in reading.columns else {}
    binding = Source(name=source, table=name, origin="", map=given)
    run = _Post(loading, Order(binding, table, reading, "arrival", [], arrival=arrival))
    return run.answer(run.run())


class _Post(Run):
    """A run whose rows are few: the engine is kept, keys are looked up, nothing is profiled."""

    def build(self, job: Job) -> Staging:
        """Return what stages the rows."""
        loading, table = self._loading, self.order.table
        index = loading.identities.of(table, loading.small) if job.stored else None
        self.remembered = _Remembered(job, loading.small, loading.keys, index=index)
        return self.remembered

    def release(self) -> None:
        """Keep the engine."""

    def findings(self, staging: Staging) -> tuple[Finding, ...]:  # noqa: ARG002 - there is nothing to compare
        """Compare nothing: a few rows have no distribution."""
        return ()

    def record(self, load: int, staging: Staging) -> None:
        """Keep no profile."""

    def remember(self, load: int, staging: Staging, findings: tuple[Finding, ...]) -> None:
        """Keep nothing of what the rows looked like."""

    def trace(self, load: int) -> None:
        """Keep which fields are posted, where one is new."""
        order = self.order
        self._loading.traces.post(order.source, order.table, order.reading.columns, load)

    def answer(self, report: LoadReport) -> RowsReport:
        """Say what became of each row."""
        staging = self.remembered
        refused = staging.refused
        twice = set(staging.judgement.dropped) - refused.keys()
        lines = sorted(staging.named)
        kept = [n for n in lines if n not in refused and n not in twice]
        if kept:
            hashes = np.array([staging.hashes[n] for n in kept], np.int64)
            self._loading.identities.note(self.order.table, hashes)
        return RowsReport(
            table=report.table,
            load=report.load,
            accepted=tuple(str(staging.named[n]) for n in kept),
            duplicates=tuple(str(staging.named[n]) for n in lines if n in twice),
            corrections=report.corrections,
            rejected=tuple(
                _rejected(n, staging.named.get(n), refused[n], report.table)
                for n in sorted(refused)
            ),
            version=report.version,
            became=tuple(staging.became(n, twice) for n in lines),
        )


class _Remembered(Staging):
    """Staging that remembers the key of every row and why a row was refused."""

    def __init__(self, *parts: Any, **more: Any) -> None:
        super().__init__(*parts, **more)
        self.named: dict[int, str | None] = {}
        self.hashes: dict[int, int] = {}
        self.gone: set[int] = set()
        self.refused: dict[int, str] = {}

    def checked(self, sql: str, incoming: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
        """Run the checks: a query that is handed out in batches is planned twice."""
        self.duck.run(f"CREATE OR REPLACE TEMP TABLE checked AS {sql}", incoming=incoming)
        found = list(self.duck.batches("SELECT * FROM checked"))
        self.duck.run("DROP TABLE checked")
        return iter(found)

    def look(self, batch: pa.RecordBatch) -> None:
        """Remember keys."""
        lines = batch.column("_line").to_pylist()
        self.named |= zip(lines, batch.column(self.table.key.name).to_pylist(), strict=True)
        self.hashes |= zip(lines, batch.column(IDENTITY).to_pylist(), strict=True)
        gone = batch.column("_deleted").to_pylist()
        self.gone |= {line for line, deleted in zip(lines, gone, strict=True) if deleted}

    def note(self, lines: pa.Int64Array, reasons: pa.StringArray) -> None:
        """Remember refusals."""
        self.refused |= zip(lines.to_pylist(), reasons.to_pylist(), strict=True)

    def became(self, line: int, twice: set[int]) -> str:
        """Say what became of a row; `twice` are the lines of rows that are there already."""
        if line in self.refused:
            return REJECTED
        if line in twice:
            return DUPLICATE
        if line in self.judgement.known:
            return CHANGED
        return GONE if line in self.gone else NEW


def _rejected(line: int, key: str | None, reason: str, table: str) -> Rejected:
    code, _, field = reason.partition("|")
    says = explain(code, f"{table}.{field}" if field else "")
    return Rejected(line, key, code, field, says, REASONS[code].do)
