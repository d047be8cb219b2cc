# SPDX-License-Identifier: Apache-2.0
"""Trying refused rows again: a quarantine file is read like a source, once."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from heptad.catalog.files import SourceFile
from heptad.catalog.running import Order, Run
from heptad.engine.local.disk import digest, remove_durably
from heptad.ingest.reasons import UNREADABLE
from heptad.sources.binding import Source
from heptad.sources.cells import parse_object
from heptad.sources.reading import InputFile, Meter, line_of, schema_of
from heptad.standards.errors import UnknownName

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from heptad.catalog.loading import Loading
    from heptad.ingest.quarantine import Origin, Quarantine, Refusal
    from heptad.ingest.report import LoadReport

_BATCH = 10_000
_NEVER = frozenset({*UNREADABLE, "erased"})
"""Reasons that no change of a map can cure."""


def retry(loading: Loading, path: Path) -> LoadReport:
    """Load those rows of a quarantine file that pass now; see `Loading.retry`."""
    reading = Refused(loading.quarantine, path)
    origin = reading.origin
    source = source_of(loading, origin)
    known, reading.keeps_conflicts = known_of(source, origin)
    name = f"quarantine/{origin.table}/{path.name}"
    kept = SourceFile(name, path.stat().st_size, digest(path))
    order = Order(source, loading.table(origin.table), reading, known, [kept])  # type: ignore[arg-type]
    report = Again(loading, order).run()
    remove_durably(path)
    loading.quarantine.sweep()
    return report


class Refused:
    """The rows of a quarantine file as a reader gives them.

    Attributes:
        origin: where they come from.
        keeps_conflicts: leave rows that contradicted others as they are: without a mapped
            known_time a second try would take them for corrections.
    """

    watermark: str | None = None

    def __init__(self, quarantine: Quarantine, path: Path) -> None:
        self._quarantine, self._path = quarantine, path
        self.origin, rows = quarantine.raws(path)
        names = dict.fromkeys(row.file for row in rows)
        self.files = tuple(InputFile(Path(name), name, 0, 0) for name in names)
        self._numbers = {name: number for number, name in enumerate(names)}
        self.columns, self.meter, self.keeps_conflicts = self.origin.columns, Meter(), True

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yield the rows; see `Reading.batches`."""
        waiting: list[Refusal] = []
        for row in self._quarantine.raws(self._path)[1]:
            waiting.append(row)
            if len(waiting) >= _BATCH:
                yield self._batch(waiting)
                waiting = []
        if waiting:
            yield self._batch(waiting)

    def close(self) -> None:
        """Nothing is held open."""

    def _batch(self, rows: Sequence[Refusal]) -> pa.RecordBatch:
        cells = [self._cells(row) for row in rows]
        arrays = [pa.array([c.get(name) for c in cells], pa.string()) for name in self.columns]
        lines = [line_of(self._numbers[row.file], row.line) for row in rows]
        faults = [None if c else f"{r.reason}|{r.field}" for c, r in zip(cells, rows, strict=True)]
        texts = [None if c else row.raw for c, row in zip(cells, rows, strict=True)]
        more = [pa.array(lines, pa.int64()), pa.array(faults, pa.string())]
        return pa.RecordBatch.from_arrays(
            [*arrays, *more, pa.array(texts, pa.string())], schema=schema_of(self.columns)
        )

    def _cells(self, row: Refusal) -> dict[str, str | None]:
        """Return a row's columns; none if it stays refused."""
        if stays(row, keeps_conflicts=self.keeps_conflicts):
            return {}
        return parse_object(row.raw or "") or {}


class Again(Run):
    """A run over refused rows, whose distribution says nothing about their source."""

    def findings(self, staging: object) -> tuple[()]:  # noqa: ARG002 - there is nothing to compare
        """Compare nothing."""
        return ()

    def remember(self, load: int, staging: object, findings: object) -> None:
        """Leave what is known of the source's columns as it is."""


def known_of(source: Source, origin: Origin) -> tuple[str, bool]:
    """Say how a second try sets known_time, and whether rows that contradicted others stay."""
    known = "mapped" if "known_time" in source.map else origin.known
    if known == "mapped" and "known_time" not in source.map:
        known = "arrival"
    return known, known != "mapped"


def stays(row: Refusal, *, keeps_conflicts: bool) -> bool:
    """Whether a row stays refused whatever is changed."""
    return row.reason in _NEVER or row.raw is None or (keeps_conflicts and row.reason == "conflict")


def source_of(loading: Loading, origin: Origin) -> Source:
    """Return the binding as it is now."""
    for source in loading.project.sources:
        if source.name == origin.source and source.table == origin.table:
            return source
    if origin.source in {s.name for s in loading.project.sources}:
        raise UnknownName(
            f"The source {origin.source} is no longer bound to {origin.table}.",
            do=f"bind it again, or `heptad quarantine drop {origin.table}`",
        )
    return Source(name=origin.source, table=origin.table, origin="")
