# SPDX-License-Identifier: Apache-2.0
"""One load's way from the source's rows to staged files, refused rows and counts."""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from heptad.catalog.bindings import binding_of, personal_columns
from heptad.catalog.loads import Counts
from heptad.engine.local.duck import Duck
from heptad.ingest import duplicates
from heptad.ingest.checks import IDENTITY, RAW, REASON, ROUNDED, Arrival, check_sql
from heptad.ingest.clean import clean
from heptad.ingest.protect import Protection
from heptad.ingest.quarantine import Origin, Refusals
from heptad.ingest.writer import StageWriter, rewrite
from heptad.sources.reading import FAULT, FILE_SHIFT, schema_of

if TYPE_CHECKING:
    from pathlib import Path


class Staged(NamedTuple):
    stage: Path
    counts: Counts
    rounded: int


class Staging:
    def __init__(self, loading, source, table, reading, load, progress=None) -> None:
        self.loading, self.source, self.table, self.reading, self.load = (
            loading,
            source,
            table,
            reading,
            load,
        )
        self.protection = Protection(table, loading.keys)
        self.stage = loading.lake.stage(table.__name__)
        self.writer = StageWriter(self.stage, monthly=not table.state)
        origin = Origin(
            table.__name__,
            source.name,
            load.id,
            load.known,
            reading.columns,
            (),
            self.protection.personal,
        )
        self.refusals = Refusals(
            loading.quarantine.path(table.__name__, load.id), origin, loading.keys
        )
        self.error = None
        self.read = self.rounded = self.deleted = 0
        self.identities = []

    def run(self) -> Staged:
        arrival = Arrival(
            self.load.known, self.load.arrival, self.source.known_after, self.loading.clock.now()
        )
        binding = binding_of(self.source, self.table, self.reading.columns)
        sql = check_sql(binding, arrival, "incoming")
        engine = self.loading.project.engine
        with Duck(
            self.loading.project.folder,
            memory_limit=engine.memory,
            threads=engine.threads,
            keep_order=False,
        ) as duck:
            rows = pa.RecordBatchReader.from_batches(
                schema_of(self.reading.columns), self._incoming()
            )
            for batch in duck.batches(sql, rows=122_880, incoming=rows):
                self._take(batch)
            self.writer.close()
        counts = Counts(self.read, self.writer.rows, dict(self.refusals.counts), 0, 0, self.deleted)
        self.refusals.close()
        return Staged(self.stage, counts, self.rounded)

    def _incoming(self):
        for batch in self.reading.batches():
            self.read += batch.num_rows
            yield clean(batch, FAULT)

    def _take(self, batch):
        reasons = batch.column(REASON)
        if reasons.null_count < len(reasons):
            self._refuse(batch.filter(reasons.is_valid()))
            batch = batch.filter(reasons.is_null())
        if not batch.num_rows:
            return
        self.identities.append(batch.column(IDENTITY).to_numpy())
        self.rounded += pc.sum(batch.column(ROUNDED)).as_py()
        batch = self.protection.apply(batch)
        load = pa.array(np.full(batch.num_rows, self.load.id))
        names = [c.name for c in self.table.columns() if c.name != "_month"]
        self.writer.add(
            pa.RecordBatch.from_arrays(
                [load if n == "_load" else batch.column(n) for n in names], names=names
            )
        )

    def _refuse(self, batch):
        for reason in pc.unique(batch.column(REASON)).to_pylist():
            rows = batch.filter(pc.equal(batch.column(REASON), reason))
            lines = rows.column("_line").to_pylist()
            places = [
                (self.reading.files[l >> FILE_SHIFT].name, l & ((1 << FILE_SHIFT) - 1))
                for l in lines
            ]
            self.refusals.add(reason, places, rows.column(RAW).to_pylist())

    def abandon(self):
        self.writer.abandon()
        self.refusals.abandon()
        import shutil

        shutil.rmtree(self.stage, ignore_errors=True)
