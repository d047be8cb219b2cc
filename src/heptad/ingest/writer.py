# SPDX-License-Identifier: Apache-2.0
"""Checked rows on their way to disk: one Parquet file per month, in bounded memory."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ROW_GROUP = 122_880
_GROUP_BYTES = 16 << 20
_MOST_WAITING, _MOST_BYTES = 8 * ROW_GROUP, 64 << 20
"""Most rows and bytes that wait for all months together."""
_MOST_OPEN = 48
_FEW = 0.3
"""A text column with a smaller share of distinct values is worth a dictionary."""


class StageWriter:
    """Writes rows into a stage: by month of `event_time` in `_month=YYYY-MM/`, or flat.

    Args:
        folder: an empty folder.
        monthly: whether the table is partitioned by month.
        prefix: of the files' names.
        like: a writer of the same rows, whose choice of dictionaries is taken over.
    """

    def __init__(
        self,
        folder: Path,
        *,
        monthly: bool,
        prefix: str = "part",
        like: StageWriter | None = None,
    ) -> None:
        self.folder, self._monthly, self._prefix = folder, monthly, prefix
        self.rows = 0
        self._waiting: dict[str, list[pa.RecordBatch]] = {}
        self._counts: dict[str, int] = {}
        self._sizes: dict[str, int] = {}
        self._open: OrderedDict[str, pq.ParquetWriter] = OrderedDict()
        self._parts: dict[str, int] = {}
        self.dictionaries: list[str] | None = like.dictionaries if like else None

    def add(self, batch: pa.RecordBatch) -> None:
        """Take rows of the stored columns, `_month` left out."""
        if not batch.num_rows:
            return
        for month, rows in self._by_month(batch):
            self._waiting.setdefault(month, []).append(rows)
            self._counts[month] = self._counts.get(month, 0) + rows.num_rows
            self._sizes[month] = self._sizes.get(month, 0) + rows.nbytes
            if self._counts[month] >= ROW_GROUP or self._sizes[month] >= _GROUP_BYTES:
                self._flush(month)
        self.rows += batch.num_rows
        while sum(self._counts.values()) > _MOST_WAITING:
            self._flush(max(self._counts, key=lambda m: self._counts[m]))
        while sum(self._sizes.values()) > _MOST_BYTES:
            self._flush(max(self._sizes, key=lambda m: self._sizes[m]))

    def close(self) -> None:
        """Write what waits and finish the files."""
        for month in sorted(self._waiting):
            self._flush(month)
        while self._open:
            self._open.popitem()[1].close()

    def abandon(self) -> None:
        """Let go of the files without finishing them."""
        self._waiting.clear()
        while self._open:
            self._open.popitem()[1].close()

    def _by_month(self, batch: pa.RecordBatch) -> Iterator[tuple[str, pa.RecordBatch]]:
        if not self._monthly:
            yield "", batch
            return
        micros = batch.column("event_time").to_numpy(zero_copy_only=False)
        months = micros.astype("M8[us]").astype("M8[M]")
        low, high = months.min(), months.max()
        if low == high:
            yield str(low), batch
            return
        # A copy for each month: a view would keep the rows of all others in memory.
        order = np.argsort(months, kind="stable")
        ordered = months[order]
        cuts = np.flatnonzero(ordered[1:] != ordered[:-1]) + 1
        for start, end in zip([0, *cuts], [*cuts, len(ordered)], strict=True):
            yield str(ordered[start]), batch.take(pa.array(order[start:end]))

    def _flush(self, month: str) -> None:
        """Write the waiting rows of a month as a row group."""
        batches = self._waiting.pop(month, [])
        self._counts.pop(month, None)
        self._sizes.pop(month, None)
        if batches:
            table = pa.Table.from_batches(batches)
            self._writer(month, table).write_table(table, row_group_size=2 * ROW_GROUP)

    def _writer(self, month: str, table: pa.Table) -> pq.ParquetWriter:
        """Return the open file of a month; the one used longest ago gives way."""
        if month in self._open:
            self._open.move_to_end(month)
            return self._open[month]
        if len(self._open) >= _MOST_OPEN:
            self._open.popitem(last=False)[1].close()
        part = self._parts[month] = self._parts.get(month, -1) + 1
        home = self.folder / f"_month={month}" if month else self.folder
        home.mkdir(exist_ok=True)
        self._open[month] = parquet_writer(
            home / f"{self._prefix}-{part:04d}.parquet", table.schema, self._worth(table)
        )
        return self._open[month]

    def _worth(self, table: pa.Table) -> list[str]:
        """Return the columns worth a dictionary, found once from the first rows."""
        if self.dictionaries is None:
            first = table.slice(0, 20_000)
            self.dictionaries = [
                f.name
                for f in table.schema
                if pa.types.is_string(f.type)
                and pc.count_distinct(first[f.name]).as_py() < _FEW * first.num_rows + 2
            ]
            self.dictionaries += ["_load"] if "_load" in table.column_names else []
        return self.dictionaries


def parquet_writer(path: Path, schema: pa.Schema, dictionaries: list[str]) -> pq.ParquetWriter:
    """Open a Parquet file whose pages carry checksums.

    Integers are written as differences: smaller, and quicker than compressing them. Only times
    get statistics, by which row groups are skipped; those of other values cost more than they
    save, and would put values where nobody looks for them.
    """
    plain = ("_hash", *dictionaries)
    return pq.ParquetWriter(
        path,
        schema,
        compression="zstd",
        compression_level=1,
        use_dictionary=dictionaries or False,
        column_encoding={
            f.name: "DELTA_BINARY_PACKED"
            for f in schema
            if pa.types.is_int64(f.type) and f.name not in plain
        },
        write_page_checksum=True,
        write_statistics=[n for n in ("event_time", "known_time") if n in schema.names],
    )


def rewrite(path: Path, dropped: pa.Array, known: dict[int, int], dictionaries: list[str]) -> int:
    """Write a staged file anew without some lines and with other known times; return its rows.

    Args:
        path: the file.
        dropped: lines that go.
        known: line → its new known_time, µs UTC.
        dictionaries: columns worth a dictionary.
    """
    fresh = path.with_suffix(".fresh")
    rows = 0
    with (
        pq.ParquetFile(path) as old,
        parquet_writer(fresh, old.schema_arrow, dictionaries) as new,
    ):
        for batch in old.iter_batches(ROW_GROUP):
            kept = batch.filter(pc.invert(pc.is_in(batch.column("_line"), dropped)))
            kept = known_at(kept, known)
            rows += kept.num_rows
            new.write_batch(kept)
    if rows:
        fresh.replace(path)
    else:
        fresh.unlink()
        path.unlink()
    return rows


def known_at(batch: pa.RecordBatch, known: dict[int, int]) -> pa.RecordBatch:
    """Return rows with other known times, line → µs UTC."""
    if not known:
        return batch
    position = pc.index_in(batch.column("_line"), pa.array(list(known), pa.int64()))
    told = pa.array(list(known.values()), pa.int64()).take(position)
    index = batch.schema.get_field_index("known_time")
    return batch.set_column(
        index, batch.schema.field(index), pc.coalesce(told, batch.column(index))
    )
