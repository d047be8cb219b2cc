# SPDX-License-Identifier: Apache-2.0
"""Which staged rows are already there, correct others or contradict them: looked up and removed."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from heptad.engine.sql.identifiers import literal
from heptad.ingest.checks import IDENTITY
from heptad.ingest.duplicates import (
    CONFLICT,
    CORRECTION,
    DUPLICATE,
    candidates,
    identity_sql,
    verdict_sql,
)
from heptad.ingest.seen import Seen
from heptad.ingest.writer import StageWriter, known_at, rewrite

if TYPE_CHECKING:
    from collections.abc import Iterator

    from heptad.catalog.identities import Index
    from heptad.catalog.staging import Job
    from heptad.engine.local.duck import Duck

_LEAST, _OURS = 60, 120
"""Bytes that a row takes of a file, at least, and that it takes in memory beyond that, about."""


@dataclass(slots=True)
class Judgement:
    """What became of rows whose key stands more than once.

    Attributes:
        duplicates: rows dropped because the same is there.
        corrections: rows that are a new version of a known row.
        conflicts: lines refused because their key says something else at the same time.
        dropped: lines dropped, the conflicts included.
        dropped_deletions: how many of them said that a row is gone.
        known: lines that count as known at another time, and that time, µs UTC.
    """

    duplicates: int = 0
    corrections: int = 0
    conflicts: list[int] = field(default_factory=list)
    dropped: list[int] = field(default_factory=list)
    dropped_deletions: int = 0
    known: dict[int, int] = field(default_factory=dict)

    def take(self, row: dict[str, Any]) -> None:
        """Count one verdict."""
        if row["verdict"] in (DUPLICATE, CONFLICT):
            self.dropped.append(row["line"])
            self.dropped_deletions += bool(row["gone"])
        if row["verdict"] == DUPLICATE:
            self.duplicates += 1
        elif row["verdict"] == CONFLICT:
            self.conflicts.append(row["line"])
        elif row["verdict"] == CORRECTION:
            self.corrections += 1
        if row["known"] is not None:
            self.known[row["line"]] = row["known"]


class Judge:
    """Judges the rows of one load by their keys.

    The first row of a key is written at once; what may repeat a key is held back beside the
    stage until all rows have passed, so that staged files need seldom be written anew.

    Args:
        job: the load.
        duck: reads staged and stored rows.
        index: knows which keys the table holds; without, the table is read.
        expected: about how many bytes will come.
    """

    def __init__(self, job: Job, duck: Duck, index: Index | None, expected: int) -> None:
        self._job, self._duck, self._index = job, duck, index
        self._table = job.binding.table
        self._seen, self._expected = Seen(), expected
        self._repeated: list[Any] = []
        self._unseen: list[Any] = []
        self._folder = job.stage.with_name(job.stage.name + ".held")
        self._held: StageWriter | None = None
        if job.stored is not None and index is None:
            for part in self._stored_hashes():
                self._seen.fresh(part)

    def take(self, batch: pa.RecordBatch, hashes: Any) -> pa.RecordBatch:
        """Return the rows that may be written at once; hold the others back.

        Args:
            batch: rows as they are stored, in the order of the source.
            hashes: (n,) their identity hashes.
        """
        if self._expected:
            each = max(batch.nbytes // batch.num_rows - _OURS, _LEAST)
            self._seen.expect(self._expected // each)
            self._expected = 0
        fresh = self._seen.fresh(hashes)
        if self._seen.full:
            self._unseen.append(hashes)
        if self._index is not None:
            fresh &= ~np.isin(hashes, self._index.find(hashes))
        if fresh.all():
            return batch
        self._repeated.append(hashes[~fresh])
        self._hold(batch.append_column(IDENTITY, pa.array(hashes)).filter(pa.array(~fresh)))
        return batch.filter(pa.array(fresh))

    def finish(self, writer: StageWriter) -> Judgement:
        """Judge what repeats a key, write what stays of it, and close the writer."""
        twice = self._candidates()
        if self._held is not None:
            self._held.close()
        for batch in self._held_back(twice, repeating=False):
            writer.add(batch)
        writer.close()
        if not len(twice):
            self._forget()
            return Judgement()
        judgement = self._judged(twice)
        self._settle(judgement, twice, writer)
        self._forget()
        return judgement

    def abandon(self) -> None:
        """Leave nothing behind."""
        if self._held is not None:
            self._held.abandon()
        self._forget()

    def _candidates(self) -> Any:
        """Return the identities that stand twice among new rows, or also among stored ones."""
        found = np.unique(np.concatenate([np.empty(0, np.int64), *self._repeated]))
        if not self._unseen:
            return found
        inside = candidates([self._seen.keys(), *self._unseen], ())
        stored = self._stored_hashes() if self._job.stored is not None else iter(())
        return np.unique(np.concatenate([found, inside, candidates(self._unseen, stored)]))

    def _stored_hashes(self) -> Iterator[Any]:
        sql = f"SELECT {identity_sql(self._table)} AS h FROM {self._job.stored} AS kept"
        for batch in self._duck.batches(sql):
            yield batch.column(0).to_numpy()

    def _hold(self, batch: pa.RecordBatch) -> None:
        if self._held is None:
            self._folder.mkdir()
            self._held = StageWriter(self._folder, monthly=False)
        self._held.add(batch)

    def _held_back(self, twice: Any, *, repeating: bool) -> Iterator[pa.RecordBatch]:
        """Yield the held-back rows that do repeat a key, or those that do not."""
        chosen = pa.array(twice, pa.int64())
        for path in self._held_files():
            with pq.ParquetFile(path) as file:
                for batch in file.iter_batches():
                    repeats = pc.is_in(batch.column(IDENTITY), chosen)
                    rows = batch.filter(repeats if repeating else pc.invert(repeats))
                    if rows.num_rows:
                        yield rows.remove_column(rows.schema.get_field_index(IDENTITY))

    def _held_files(self) -> list[Path]:
        return sorted(self._folder.glob("*.parquet")) if self._held is not None else []

    def _judged(self, twice: Any) -> Judgement:
        """Look closely at the rows whose key stands more than once."""
        job, table = self._job, self._table
        staged = _files(sorted(job.stage.rglob("*.parquet")))
        columns = ", ".join(f'"{c.name}"' for c in table.columns() if c.name != "_month")
        parts = [
            f"SELECT {columns} FROM {files}"
            for files in (staged, _files(self._held_files()))
            if files
        ]
        fresh = f"({' UNION ALL '.join(parts)})"
        stored = self._index.relation(twice) if self._index is not None else job.stored
        sql = verdict_sql(
            table,
            fresh,
            stored or f"(SELECT {columns} FROM {fresh} WHERE false)",
            mapped=job.arrival.known == "mapped",
            arrival=job.arrival.arrival,
            by_hash=stored is None,
        )
        judgement = Judgement()
        for row in self._duck.arrow(sql, candidates=pa.table({"h": pa.array(twice)})).to_pylist():
            judgement.take(row)
        return judgement

    def _settle(self, judgement: Judgement, twice: Any, writer: StageWriter) -> None:
        """Write the held-back rows that stay, and take out of the files what does not."""
        gone = pa.array(judgement.dropped, pa.int64())
        late = StageWriter(
            self._job.stage, monthly=not self._table.state, prefix="late", like=writer
        )
        here: set[int] = set()
        for batch in self._held_back(twice, repeating=True):
            lines = batch.column("_line")
            here.update(lines.to_pylist())
            late.add(known_at(batch.filter(pc.invert(pc.is_in(lines, gone))), judgement.known))
        late.close()
        elsewhere = [line for line in judgement.dropped if line not in here]
        known = {line: at for line, at in judgement.known.items() if line not in here}
        if elsewhere or known:
            self._rewrite(elsewhere, known, writer.dictionaries or [])

    def _rewrite(self, dropped: list[int], known: dict[int, int], dictionaries: list[str]) -> None:
        """Write the staged files anew that hold dropped rows or rows known at another time."""
        touched = pa.table({"_line": pa.array([*dropped, *known], pa.int64())})
        staged = _files(sorted(self._job.stage.rglob("*.parquet")), ", filename = true")
        sql = f"SELECT DISTINCT filename FROM {staged} SEMI JOIN touched USING (_line)"
        found = self._duck.arrow(sql, touched=touched)
        for name in found.column(0).to_pylist():
            rewrite(Path(name), pa.array(dropped, pa.int64()), known, dictionaries)

    def _forget(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)


def _files(paths: list[Path], option: str = "") -> str:
    """Return the relation of Parquet files; "" if there are none."""
    listed = ", ".join(literal(str(path)) for path in paths)
    return f"read_parquet([{listed}], hive_partitioning = false{option})" if listed else ""
