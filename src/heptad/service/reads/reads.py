# SPDX-License-Identifier: Apache-2.0
"""Reads of one project: rows and features, as of two times or at stored versions."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from heptad.engine.sql.identifiers import literal, quote
from heptad.service.batch.history import Spine, compute, spine_from, spine_of
from heptad.service.batch.windows import Stored
from heptad.service.decisions.deciding import select_rows
from heptad.service.reads.asof import read_sql
from heptad.standards.errors import ContractError, UnknownName, suggest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from heptad.catalog import Catalog
    from heptad.engine.protocols import Tables
    from heptad.engine.spark.session import Spark
    from heptad.ingest.report import RowsReport
    from heptad.service.app import App
    from heptad.service.batch.history import Queries
    from heptad.service.features import Feature
    from heptad.service.reads.guard import Access
    from heptad.standards import Table


class Reads:
    """Rows and features of one project; nothing here writes, and nothing is masked.

    Of itself it reads every row; `under` an access only those that may be read.

    Args:
        lake: where the tables are.
        catalog: knows which tables have corrections.
        session: gives the query session of the calling thread.
    """

    def __init__(self, lake: Tables, catalog: Catalog, session: Callable[[], Queries]) -> None:
        self._lake, self._catalog, self._session = lake, catalog, session
        self._access: Access | None = None
        self._spark: Spark | None = None

    def under(self, access: Access) -> Reads:
        """Return the same reads, narrowed to the rows that an access may read."""
        other = copy.copy(self)
        other._access = access
        return other

    def on(self, engine: str, threads: int = 2) -> Reads:
        """Return the same reads, whose features another engine computes.

        Args:
            engine: local, or spark.
            threads: cores that it may take of this machine.

        Raises:
            UnknownName: if there is no such engine.
            Busy: if it cannot be started.
        """
        if engine == "local":
            return self
        if engine != "spark":
            known = ("local", "spark")
            raise UnknownName(
                f"Features are not computed on {engine!r}.", got=engine, do=suggest(engine, known)
            )
        from heptad.engine.spark.session import opened

        other = copy.copy(self)
        # What only this process holds, such as who has given a consent, Spark asks for.
        other._spark = opened(threads).asking(
            lambda name: self.queries.arrow(f"SELECT * FROM {quote(name)}")
        )
        return other

    @property
    def spark(self) -> Spark:
        """The Spark session that computes features.

        Raises:
            ContractError: if this process computes them.
        """
        if self._spark is None:
            raise ContractError("Features are computed in this process.", do='ask for on("spark")')
        return self._spark

    @property
    def queries(self) -> Queries:
        """The query session of the calling thread."""
        return self._session()

    def stored(self, table: type[Table], version: int | None = None) -> Stored:
        """Say where the row versions of a table are, now or at a stored version."""
        self._lake.create(table)
        if self._spark is None:
            relation = self._lake.relation(table.__name__, version, table=table)
        else:
            paths = self._lake.paths(table.__name__, version)
            relation = self._spark.relation(table.columns(), paths)
        found = Stored(relation, self._catalog.loads.corrected(table.__name__))
        return found if self._access is None else self._access.narrowed(table, found)

    def versions(self, app: App) -> dict[str, int]:
        """Return the present version of each table that an application reads."""
        for table in app.used_tables():
            self._lake.create(table)
        return {t.__name__: self._lake.version(t.__name__) for t in app.used_tables()}

    def rows(
        self,
        table: type[Table],
        t: int | None = None,
        k: int | None = None,
        *,
        version: int | None = None,
        limit: int | None = None,
        after: str = "",
    ) -> pa.Table:
        """Read rows as they are stored, in key order; see `Platform.read`."""
        key = quote(table.key.name)
        relation = self.stored(table, version).relation
        if version is not None and t is None and k is None:
            sql = f"SELECT * FROM {relation}"
            order = f"{key}, known_time, _load, _line"
        else:
            sql, order = read_sql(table, relation, t=t, k=k), key
        beyond = f" WHERE {key} > {literal(after)}" if after else ""
        most = "" if limit is None else f" LIMIT {int(limit)}"
        return self.queries.arrow(f"SELECT * FROM ({sql}){beyond} ORDER BY {order}{most}")

    def columns(
        self,
        table: type[Table],
        names: Sequence[str],
        t: int | None,
        k: int | None,
        *,
        limit: int,
    ) -> pa.Table:
        """Read some columns of the rows that held at t as known at k, in no order."""
        sql = read_sql(table, self.stored(table).relation, t=t, k=k, columns=names)
        return self.queries.arrow(f"SELECT * FROM ({sql}) LIMIT {int(limit)}")

    def compute(
        self, features: Sequence[Feature], versions: Mapping[str, int] | None = None
    ) -> Callable[[Spine], dict[str, pa.Array]]:
        """Return the function that computes features at the latest or at given versions."""

        def stored(table: type[Table]) -> Stored:
            return self.stored(table, versions.get(table.__name__) if versions else None)

        if self._spark is not None:
            from heptad.service.batch.spark import on_spark

            spark = self._spark
            return lambda spine: on_spark(spark, features, spine, stored)
        return lambda spine: compute(self.queries, features, spine, stored)

    def spine(self, app: App, keys: Sequence[str] | None = None) -> Spine:
        """Return the spine of stored rows that an application decides on."""
        return spine_of(app.on, select_rows(self.queries, app.on, self.stored(app.on), keys=keys))

    def opened(self, table: type[Table], report: RowsReport) -> list[str]:
        """Return the keys that posted rows brought for the first time, and that are not deleted.

        A correction or a deletion of a known row opens no decision.
        """
        if not report.accepted:
            return []
        key = quote(table.key.name)
        wanted = pa.table({"wanted_key": pa.array(report.accepted, pa.string())})
        found = self.queries.arrow(
            f"SELECT {key} AS k FROM {self.stored(table).relation} r WHERE EXISTS "
            f"(SELECT 1 FROM wanted WHERE wanted_key = r.{key}) GROUP BY {key} "
            f"HAVING min(_load) = {int(report.load or 0)} AND NOT bool_or(_deleted)",
            wanted=wanted,
        )
        fresh = set(found.column("k").to_pylist())
        return [k for k in dict.fromkeys(report.accepted) if k in fresh]

    def history(self, spine: pa.Table, features: Sequence[Feature]) -> pa.Table:
        """Compute features for a spine that a user gives; see `Platform.history`."""
        values = self.compute(features)(spine_from(spine, features))
        for feature in features:
            spine = spine.append_column(feature.name, values[feature.name])
        return spine

    def at(self, now: int, keys: Mapping[str, str], features: Sequence[Feature]) -> dict[str, Any]:
        """Read features of one key as of an instant, microseconds."""
        columns: dict[str, Any] = {name: pa.array([value]) for name, value in keys.items()}
        spine = pa.table(columns | {"event_time": pa.array([now], pa.int64())})
        (row,) = self.history(spine, features).select([f.name for f in features]).to_pylist()
        return dict(row)
