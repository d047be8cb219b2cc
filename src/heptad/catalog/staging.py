# SPDX-License-Identifier: Apache-2.0
"""One load's way from a source's rows to staged files, refused rows and counts."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from heptad.catalog.judging import Judge, Judgement
from heptad.catalog.loads import Counts
from heptad.ingest.ahead import Ahead
from heptad.ingest.checks import IDENTITY, RAW, REASON, ROUNDED, check_sql
from heptad.ingest.clean import clean
from heptad.ingest.drift import shape
from heptad.ingest.profile import Profiler
from heptad.ingest.protect import Protection
from heptad.ingest.writer import StageWriter
from heptad.security.sealers import Sealers
from heptad.security.slices import seal_slice
from heptad.sources.reading import FAULT, FILE_SHIFT, LINE, TEXT, schema_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from heptad.catalog.identities import Index
    from heptad.engine.local.duck import Duck
    from heptad.ingest.checks import Arrival, Binding
    from heptad.ingest.protect import Protected
    from heptad.ingest.quarantine import Refusals
    from heptad.security.keys import KeyStore
    from heptad.sources.reading import Reading

_RECORD = (1 << FILE_SHIFT) - 1
_LOOK = 500
_BATCH = 122_880
_LONG, _GIANT = 512, 32 << 10
"""Rows with more bytes than this on average are long, or giants …"""
_LONG_BYTES, _GIANT_BYTES = 4 << 20, 1 << 20
"""… and the engine is given about so many bytes of them at once: it holds each of them many times."""
_ERASED, _CONFLICT = "erased|", "conflict|"


@dataclass(frozen=True, slots=True)
class Job:
    """What one load is to do.

    Attributes:
        binding: how the source's rows become rows of the table.
        arrival: when they count as known.
        load: number of the load; 0 for a plan.
        reading: the source's rows.
        stage: an empty folder for the table's files.
        refusals: takes the refused rows.
        stored: relation of the rows that the table holds; None if it holds none.
    """

    binding: Binding
    arrival: Arrival
    load: int
    reading: Reading
    stage: Path
    refusals: Refusals
    stored: str | None


class Staging:
    """Runs a job up to staged, durable refusals and complete counts; nothing is committed.

    Args:
        job: what to do.
        duck: runs the checks; rows may come out of order. If it has several threads, as many
            processes seal what is personal.
        keys: seals personal values.
        told: called with the rows read so far.
        index: knows which keys the table holds; without, the table is read.
        expected: about how many bytes will come.
    """

    def __init__(
        self,
        job: Job,
        duck: Duck,
        keys: KeyStore,
        told: Callable[[int], None] = lambda _: None,
        index: Index | None = None,
        expected: int = 0,
    ) -> None:
        self.job, self.table = job, job.binding.table
        self.profiler = Profiler(self.table)
        self.shapes: dict[str, str] = {}
        self.rounded = 0
        self.judgement = Judgement()
        self.duck, self._told = duck, told
        self._judge = Judge(job, duck, index, expected)
        self._sealers = Sealers()
        others = duck.threads if self.table.sealed() and duck.threads > 1 else 0
        protection = Protection(self.table, keys, self._sealers.seal if others else seal_slice)
        self._protected = Ahead(protection.apply, self._land, threads=others)
        self._writer = StageWriter(job.stage, monthly=not self.table.state)
        self._read = self._deleted = self._accepted = 0
        self._failure: Exception | None = None
        self._names = [c.name for c in self.table.columns() if c.name != "_month"]

    def run(self) -> Counts:
        """Check, write and judge all rows.

        Raises:
            HeptadError: as the source, the engine or the keys say; nothing counts then.
        """
        try:
            self._check_all()
            self._protected.finish()
        finally:
            self._protected.close()
            self._sealers.close()
        self.judgement = self._judge.finish(self._writer)
        if self.judgement.conflicts:
            self._refuse_conflicts(self.judgement.conflicts)
        self.job.refusals.close()
        judged = self.judgement
        return Counts(
            read=self._read,
            accepted=self._accepted - len(judged.dropped),
            quarantined=dict(self.job.refusals.counts),
            duplicates=judged.duplicates,
            corrections=judged.corrections,
            deletions=self._deleted - judged.dropped_deletions,
        )

    def checked(self, sql: str, incoming: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
        """Run the checks over incoming rows."""
        return self.duck.batches(sql, rows=_BATCH, incoming=incoming)

    def look(self, batch: pa.RecordBatch) -> None:
        """Look at checked rows, refused ones among them; a posted batch remembers its keys."""

    def note(self, lines: pa.Int64Array, reasons: pa.StringArray) -> None:
        """Note which lines are refused and why; a posted batch answers with them."""

    def abandon(self) -> None:
        """Leave nothing behind."""
        self._writer.abandon()
        self._judge.abandon()
        self.job.refusals.abandon()
        shutil.rmtree(self.job.stage, ignore_errors=True)

    def _check_all(self) -> None:
        """Send all rows through the checks; a reader's own error comes out as it was raised."""
        sql = check_sql(self.job.binding, self.job.arrival, "incoming")
        schema = schema_of(self.job.reading.columns)
        try:
            for rows in _runs(self._watched(self._incoming())):
                incoming = pa.RecordBatchReader.from_batches(schema, rows)
                for batch in self.checked(sql, incoming):
                    self._take(batch)
        except Exception:
            if self._failure is not None:
                raise self._failure from None
            raise

    def _watched(self, rows: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        try:
            yield from rows
        except Exception as error:
            self._failure = error
            raise

    def _incoming(self) -> Iterator[pa.RecordBatch]:
        for batch in self.job.reading.batches():
            if not self.shapes:
                self.shapes = _shapes(batch)
            self._read += batch.num_rows
            self._told(self._read)
            yield clean(batch, FAULT)

    def _take(self, batch: pa.RecordBatch) -> None:
        """Send checked rows on: the refused to quarantine, the others to disk."""
        self.look(batch)
        reasons = batch.column(REASON)
        if reasons.null_count < len(reasons):
            self._refuse(batch.select(["_line", REASON, RAW]).filter(reasons.is_valid()))
            kept = [n for n in batch.schema.names if n not in (REASON, RAW)]
            batch = batch.select(kept).filter(reasons.is_null())
        if batch.num_rows:
            self._protected.add(batch)

    def _land(self, done: Protected) -> None:
        """Write rows as they are stored, but for those whose key was seen before."""
        if done.erased is not None:
            self._refuse_erased(done.erased)
        batch = done.clear
        if not batch.num_rows:
            return
        # A copy: a view would keep the whole batch in memory.
        hashes = batch.column(IDENTITY).to_numpy().copy()
        self.rounded += pc.sum(batch.column(ROUNDED)).as_py()
        self._deleted += pc.sum(batch.column("_deleted")).as_py()
        self.profiler.add(batch)
        stored = self._stored(done.stored)
        self._accepted += stored.num_rows
        self._writer.add(self._judge.take(stored, hashes))

    def _stored(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Return the columns that are stored, in order."""
        load = pa.array(np.full(batch.num_rows, self.job.load, np.int64))
        arrays = [load if name == "_load" else batch.column(name) for name in self._names]
        return pa.RecordBatch.from_arrays(arrays, names=self._names)

    def _refuse(self, batch: pa.RecordBatch) -> None:
        self._add(batch.column(REASON), batch.column("_line"), batch.column(RAW))

    def _refuse_erased(self, lines: pa.Int64Array) -> None:
        """Note rows about erased persons, without a word of what they say."""
        self._add(_all(_ERASED, len(lines)), lines, pa.nulls(len(lines), pa.string()))

    def _refuse_conflicts(self, lines: list[int]) -> None:
        """Read the source again for the text of rows that only all rows together refuse."""
        wanted = pa.array(lines, pa.int64())
        for batch in self.job.reading.batches():
            found = batch.filter(pc.is_in(batch.column(LINE), wanted))
            if found.num_rows:
                rows = found.select(list(self.job.reading.columns)).to_pylist()
                written = [
                    json.dumps(row, ensure_ascii=False, separators=(",", ":")) for row in rows
                ]
                raws = pc.coalesce(found.column(TEXT), pa.array(written, pa.string()))
                self._add(_all(_CONFLICT, found.num_rows), found.column(LINE), raws)

    def _add(self, reasons: pa.StringArray, lines: pa.Int64Array, raws: pa.StringArray) -> None:
        files = [file.name for file in self.job.reading.files] or [""]
        numbers = pc.shift_right(lines, FILE_SHIFT)
        records = pc.bit_wise_and(lines, _RECORD)
        self.job.refusals.add(reasons, pa.array(files).take(numbers), records, raws)
        self.note(lines, reasons)


def _runs(batches: Iterator[pa.RecordBatch]) -> Iterator[Iterator[pa.RecordBatch]]:
    """Divide the rows into runs, one unless they are long."""
    parts = (part for batch in batches for part in _parts(batch))
    done = False

    def run() -> Iterator[pa.RecordBatch]:
        nonlocal done
        size = 0
        for part in parts:
            yield part
            average = part.nbytes // max(part.num_rows, 1)
            size += part.nbytes if average > _LONG else 0
            if size >= (_LONG_BYTES if average <= _GIANT else _GIANT_BYTES // 2):
                return
        done = True

    while not done:
        yield run()


def _parts(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    """Divide a batch if its rows are giants."""
    average = batch.nbytes // max(batch.num_rows, 1)
    step = max(_GIANT_BYTES // average, 1) if average > _GIANT else max(batch.num_rows, 1)
    for start in range(0, max(batch.num_rows, 1), step):
        yield batch.slice(start, step)


def _all(reason: str, rows: int) -> pa.StringArray:
    return pa.array([reason] * rows, pa.string())


def _shapes(batch: pa.RecordBatch) -> dict[str, str]:
    """Say what the source's columns look like."""
    head = batch.slice(0, _LOOK)
    return {
        name: shape(column.to_pylist())
        for name, column in zip(head.schema.names, head.columns, strict=True)
        if not name.startswith("__")
    }
