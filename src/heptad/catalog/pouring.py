# SPDX-License-Identifier: Apache-2.0
"""Rows that were checked and made durable before become a version of their table, once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import pyarrow as pa

from heptad.catalog.courtesy import pass_by
from heptad.catalog.loads import Counts
from heptad.catalog.recovering import settle
from heptad.engine.local.arrow import arrow_type
from heptad.engine.local.disk import refusals
from heptad.engine.sql.identifiers import quote
from heptad.ingest.protect import mixed
from heptad.ingest.writer import StageWriter
from heptad.sources.binding import Source
from heptad.standards.fields import Text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from heptad.catalog.loading import Loading
    from heptad.catalog.loads import Load
    from heptad.standards.tables import Table

SOURCE = "posted"
"""What posted rows are said to come from."""


class Poured(NamedTuple):
    """What a pour came to: its load, and the version of the table that holds the rows."""

    load: int
    version: int


def poured(loading: Loading, table: str) -> int:
    """Return the place up to which a table holds what the journal held; 0 for nothing."""
    return int(loading.catalog.loads.watermark(SOURCE, table) or 0)


def pour(
    loading: Loading, table: type[Table], rows: Sequence[Mapping[str, Any]], until: int
) -> Poured:
    """Store rows as one version of their table.

    Killed half-way, it is found out when the project is opened whether they were stored, as for
    any load; `poured` then tells it.

    Args:
        loading: the stores.
        table: an event table.
        rows: as `RowCheck` gives them, with `known_time` in rising order, card numbers as tokens.
        until: place in the journal behind the last one.

    Raises:
        HeptadError: why they were not stored, or that nobody knows; call `settled` before another
            attempt.
    """
    name, catalog, lake = table.__name__, loading.catalog, loading.lake
    loading.ensure(table)
    load = catalog.loads.begin(
        SOURCE, name, arrival=rows[-1]["known_time"], contract=table.version_hash()
    )
    with refusals(f"{name} was not written"):
        stage = lake.stage(name)
        _write(loading, table, rows, load, stage)
        counts = Counts(read=len(rows), accepted=len(rows))
        catalog.loads.staged(load.id, counts, staged=stage.name, watermark=str(until))
        version = lake.commit(name, stage, load=load.id, table=table)
        with catalog.transaction():
            catalog.loads.committed(load.id, version, lake.files(name, version))
            columns = tuple(c.name for f in table.fields.values() for c in f.columns())
            source = Source(name=SOURCE, table=name, origin="", map={})
            loading.traces.post(source, table, columns, load.id)
    return Poured(load.id, version)


def settled(loading: Loading, table: str) -> None:
    """Bring a pour to its end that broke off, whether its rows were stored or not.

    Raises:
        HeptadError: if that cannot be found out now.
    """
    for load in loading.catalog.loads.unfinished(mine=True):
        if load.table == table and load.source == SOURCE:
            settle(loading.catalog, loading.lake, load)


def _write(
    loading: Loading,
    table: type[Table],
    rows: Sequence[Mapping[str, Any]],
    load: Load,
    stage: Path,
) -> None:
    """Write the rows as they are stored into the stage."""
    n = len(rows)
    columns: dict[str, pa.Array] = {}
    for column in (c for field in table.fields.values() for c in field.columns()):
        pass_by()
        values = [row.get(column.name) for row in rows]
        columns[column.name] = pa.array(values, arrow_type(column.kind))
    system = {
        "known_time": pa.array([row["known_time"] for row in rows], pa.int64()),
        "_deleted": pa.array([False] * n, pa.bool_()),
        "_load": pa.array([load.id] * n, pa.int64()),
        "_line": pa.array(range(1, n + 1), pa.int64()),
    }
    system["_hash"] = _hashes(loading, table, columns | system)
    writer = StageWriter(stage, monthly=True)
    try:
        writer.add(pa.RecordBatch.from_pydict(columns | system))
        writer.close()
    except BaseException:
        writer.abandon()
        raise


def _hashes(loading: Loading, table: type[Table], columns: Mapping[str, pa.Array]) -> pa.Array:
    """Hash the content of each row, as the batch checks do; see `ingest.checks` and `protect`."""
    fields = table.fields.values()
    pans = [f.name for f in fields if isinstance(f, Text) and f.pan]
    named = [c.name for f in fields if f.name not in pans for c in f.columns()]
    listed = ", ".join(quote(name) for name in (*named, "_deleted"))
    sql = f"SELECT CAST(hash({listed}) >> 1 AS BIGINT) AS h FROM poured"
    given = pa.table({name: columns[name] for name in (*named, "_deleted")})
    hashes = loading.pouring.arrow(sql, poured=given).column("h").combine_chunks()
    return mixed(hashes, [columns[name] for name in pans]) if pans else hashes
