# SPDX-License-Identifier: Apache-2.0
"""A small project with an event table and a state table, and a way to load rows of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa

from heptad.engine.local.arrow import arrow_schema
from heptad.engine.local.duck import Duck
from heptad.engine.local.lake import Lake
from heptad.engine.sql.identifiers import literal
from heptad.standards import Flag, Instant, Integer, Table, Text, day

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


class Visit(Table):
    """One visit to a branch."""

    id = Text("Id of the visit", key=True)
    event_time = Instant("When the door opened")
    branch = Text("Name of the branch", optional=True)


class Branch(Table, state=True):
    """One branch of the bank."""

    id = Text("Id of the branch", key=True)
    event_time = Instant("Since when this holds")
    open = Flag("Whether it is open")
    seats = Integer("Seats for visitors", optional=True)


class Project:
    """A lake and a DuckDB session over one folder."""

    def __init__(self, folder: Path, duck: Duck | None = None) -> None:
        self.folder = folder
        self.lake = Lake(folder / "tables")
        self.duck = duck or Duck(folder)

    def visits(self, numbers: Iterable[int], *, load: int = 1, branch: str = "A") -> pa.Table:
        """Rows of Visit: visit n happens on day 10 n, so about three a month."""
        n = list(numbers)
        columns = {
            "id": [f"v{i}" for i in n],
            "event_time": [10 * day * i for i in n],
            "branch": [branch] * len(n),
            "known_time": [10 * day * i for i in n],
            "_deleted": [False] * len(n),
            "_load": [load] * len(n),
            "_line": n,
            "_hash": [hash((i, branch)) for i in n],
        }
        return pa.table(columns, schema=arrow_schema(Visit.columns()[:-1]))

    def stage(self, rows: pa.Table, name: str = "Visit") -> Path:
        """Write rows where `commit` takes them from, as a load does."""
        staged = self.lake.stage(name)
        month = "strftime(make_timestamp(event_time), '%Y-%m') AS _month"
        self.duck.run(
            f"COPY (SELECT *, {month} FROM arriving) TO {literal(str(staged))} "
            "(FORMAT parquet, PARTITION_BY (_month), OVERWRITE_OR_IGNORE)",
            arriving=rows,
        )
        return staged

    def load(self, numbers: Iterable[int], load: int, branch: str = "A") -> int:
        """Stage and commit visits."""
        staged = self.stage(self.visits(numbers, load=load, branch=branch))
        return self.lake.commit("Visit", staged, load=load, table=Visit)

    def read(self, version: int | None = None, **how: object) -> list[dict]:
        """The stored visits of a version, by id, load and line."""
        source = self.lake.relation("Visit", version, table=Visit, **how)
        return self.duck.arrow(f"SELECT * FROM {source} ORDER BY id, _load, _line").to_pylist()

    def ids(self, version: int | None = None, **how: object) -> list[str]:
        """The ids of the stored visits."""
        return [row["id"] for row in self.read(version, **how)]

    def reopened(self) -> Project:
        """The same tables, opened by one that knows nothing yet."""
        return Project(self.folder, self.duck)
