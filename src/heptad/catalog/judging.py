# SPDX-License-Identifier: Apache-2.0
"""Which staged rows are already there, correct others or contradict them: looked up and removed."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from heptad.engine.sql.identifiers import literal
from heptad.ingest.duplicates import (
    CONFLICT,
    CORRECTION,
    DUPLICATE,
    candidates,
    identity_sql,
    verdict_sql,
)
from heptad.ingest.writer import rewrite

if TYPE_CHECKING:
    from collections.abc import Iterator

    from heptad.catalog.identities import Index
    from heptad.catalog.staging import Job
    from heptad.engine.local.duck import Duck
    from heptad.standards.tables import Table


@dataclass(slots=True)
class Judgement:
    """What became of rows whose key stands more than once.

    Attributes:
        duplicates: rows dropped because the same is there.
        corrections: rows that are a new version of a known row.
        conflicts: lines refused because their key says something else at the same time.
        dropped: lines dropped, the conflicts included.
        dropped_deletions: how many of them said that a row is gone.
    """

    duplicates: int = 0
    corrections: int = 0
    conflicts: list[int] = field(default_factory=list)
    dropped: list[int] = field(default_factory=list)
    dropped_deletions: int = 0


def judge(
    job: Job,
    table: type[Table],
    duck: Duck,
    identities: list[Any],
    index: Index | None,
) -> Judgement:
    """Judge the staged rows of a load and remove those that are dropped.

    Args:
        job: the load.
        table: its table.
        duck: reads staged and stored rows.
        identities: identity hashes of the staged rows, in parts; sorted in place.
        index: knows which keys the table holds; without, the table is read.
    """
    relation = job.stored
    if relation is None:
        stored: Iterator[Any] = iter(())
    elif index is not None:
        stored = (index.find(part) for part in identities)
    else:
        stored = _hashes(duck, table, relation)
    twice = candidates(identities, stored)
    if not len(twice):
        return Judgement()
    if index is not None:
        relation = index.relation(twice)
    return _judged(job, table, duck, pa.table({"h": pa.array(twice)}), relation)


def _hashes(duck: Duck, table: type[Table], relation: str) -> Iterator[Any]:
    for batch in duck.batches(f"SELECT {identity_sql(table)} AS h FROM {relation} AS kept"):
        yield batch.column(0).to_numpy()


def _judged(
    job: Job, table: type[Table], duck: Duck, twice: pa.Table, relation: str | None
) -> Judgement:
    files = sorted(job.stage.rglob("*.parquet"))
    listed = ", ".join(literal(str(path)) for path in files)
    staged = f"read_parquet([{listed}], hive_partitioning = false)"
    names = ", ".join(f'"{c.name}"' for c in table.columns() if c.name != "_month")
    nothing = f"(SELECT {names} FROM {staged} WHERE false)"
    sql = verdict_sql(
        table,
        staged,
        relation or nothing,
        mapped=job.arrival.known == "mapped",
        arrival=job.arrival.arrival,
    )
    found = duck.arrow(sql, candidates=twice).to_pylist()
    judgement, known = Judgement(), {}
    for row in found:
        if row["verdict"] in (DUPLICATE, CONFLICT):
            judgement.dropped.append(row["line"])
            judgement.dropped_deletions += bool(row["gone"])
        if row["verdict"] == DUPLICATE:
            judgement.duplicates += 1
        elif row["verdict"] == CONFLICT:
            judgement.conflicts.append(row["line"])
        elif row["verdict"] == CORRECTION:
            judgement.corrections += 1
        if row["known"] is not None:
            known[row["line"]] = row["known"]
    _rewrite(duck, staged, judgement.dropped, known)
    return judgement


def _rewrite(duck: Duck, staged: str, dropped: list[int], known: dict[int, int]) -> None:
    """Write the staged files anew that hold dropped rows or rows known at another time."""
    touched = pa.table({"_line": pa.array([*dropped, *known], pa.int64())})
    if not touched.num_rows:
        return
    named = staged.replace(
        "hive_partitioning = false", "hive_partitioning = false, filename = true"
    )
    sql = f"SELECT DISTINCT filename FROM {named} SEMI JOIN touched USING (_line)"
    gone = pa.array(dropped, pa.int64())
    for path in _paths(duck.arrow(sql, touched=touched)):
        rewrite(path, gone, known)


def _paths(found: pa.Table) -> list[Path]:
    return [Path(name) for name in found.column(0).to_pylist()]
