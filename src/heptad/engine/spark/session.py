# SPDX-License-Identifier: Apache-2.0
"""One Spark session of this process: queries over Arrow tables and over a table's files."""

from __future__ import annotations

import atexit
import copy
import itertools
import os
import shutil
import sys
import threading
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from heptad.engine.local.arrow import arrow_type
from heptad.engine.spark.dialect import tables_in, to_spark
from heptad.standards.errors import Busy, ContractError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from pyspark.sql import DataFrame, SparkSession

    from heptad.standards.fields import Column

MASTER = "HEPTAD_SPARK"
"""Environment variable: Spark's master; this machine's cores by default."""
MEMORY = "HEPTAD_SPARK_MEMORY"
"""Environment variable: memory of Spark's driver, 2g by default."""
BUCKET = 200_000
"""Events that one call of the kernel takes in a worker, about."""

_numbers = itertools.count(1)
_TYPES: dict[str, str] = {
    "text": "string", "integer": "bigint", "instant": "bigint", "day": "date", "flag": "boolean",
    "sealed": "binary",
}  # fmt: skip


def settings(threads: int = 2) -> dict[str, str]:
    """Return what a session is opened with."""
    return {
        "spark.master": os.environ.get(MASTER) or f"local[{threads}]",
        "spark.app.name": "heptad",
        "spark.driver.memory": os.environ.get(MEMORY) or "2g",
        "spark.driver.maxResultSize": "0",
        "spark.sql.shuffle.partitions": str(2 * threads),
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.ansi.enabled": "true",
        "spark.sql.parquet.enableVectorizedReader": "true",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.pyspark.python": sys.executable,
        "spark.pyspark.driver.python": sys.executable,
    }


def ready() -> None:
    """Check that Spark can be started.

    Raises:
        Busy: if pyspark or Java is missing.
    """
    from importlib.util import find_spec

    if find_spec("pyspark") is None:
        raise Busy("Spark is not installed.", got="no pyspark", do="pip install 'heptad[spark]'")
    home = os.environ.get("JAVA_HOME")
    java = shutil.which("java", path=f"{home}/bin" if home else None)
    if java is None:
        raise Busy(
            "Spark needs Java 17 or later.",
            got=f"JAVA_HOME={home}" if home else "no java on the PATH",
            do="apt-get install openjdk-17-jre-headless, or set JAVA_HOME",
        )


_opened: list[Spark] = []
_opening = threading.Lock()


def opened(threads: int = 2) -> Spark:
    """Return the Spark session of this process, which ends with it.

    Raises:
        Busy: if Spark cannot be started.
    """
    with _opening:
        if not _opened:
            _opened.append(Spark(threads))
            atexit.register(_opened[0].close)
        return _opened[0]


class Spark:
    """A Spark session that answers the queries of plans written for DuckDB.

    Args:
        threads: cores of this machine that Spark may take, where no master is named.
        more: settings of Spark beside or instead of Heptad's own.
        lookup: gives the rows of a table that a plan names and Spark does not hold.

    Raises:
        Busy: if Spark cannot be started.
    """

    def __init__(
        self,
        threads: int = 2,
        more: Mapping[str, str] | None = None,
        lookup: Callable[[str], pa.Table] | None = None,
    ) -> None:
        ready()
        self._settings = settings(threads) | dict(more or {})
        self.lookup = lookup
        self._views: dict[tuple[Any, ...], str] = {}
        self._lock = threading.Lock()
        self.session = self._open()

    def _open(self) -> SparkSession:
        from pyspark.sql import SparkSession

        os.environ["PYSPARK_PYTHON"] = os.environ["PYSPARK_DRIVER_PYTHON"] = sys.executable
        builder: Any = SparkSession.builder
        try:
            made: SparkSession = builder.config(map=self._settings).getOrCreate()
        except Exception as error:
            raise Busy(
                "Spark did not start.", got=str(error), do="see what Spark printed above"
            ) from error
        made.sparkContext.setLogLevel("ERROR")
        return made

    def asking(self, lookup: Callable[[str], pa.Table]) -> Spark:
        """Return the same session, that asks for tables which it does not hold."""
        other = copy.copy(self)
        other.lookup = lookup
        return other

    def close(self) -> None:
        """Stop Spark and the Java process that it runs in."""
        from pyspark import SparkContext

        gateway: Any = SparkContext._gateway
        self.session.stop()
        if gateway is not None:
            gateway.shutdown()
            if gateway.proc is not None:
                gateway.proc.stdin.close()
                gateway.proc.wait(timeout=60)
            SparkContext._gateway = SparkContext._jvm = None

    def __enter__(self) -> Spark:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def relation(self, columns: Sequence[Column], paths: Sequence[Path]) -> str:
        """Make Parquet files readable as a table; return its name.

        Columns are found by name, and are NULL where a file lacks them, as on DuckDB.
        """
        kept = [c for c in columns if c.name != "_month"]
        asked = (tuple((c.name, c.kind) for c in kept), tuple(map(str, paths)))
        with self._lock:
            if asked not in self._views:
                self._views[asked] = name = f"_files_{next(_numbers)}"
                self._read(kept, paths).createOrReplaceTempView(name)
            return self._views[asked]

    def _read(self, columns: Sequence[Column], paths: Sequence[Path]) -> DataFrame:
        if not paths:
            empty = {c.name: pa.array([], arrow_type(c.kind)) for c in columns}
            return self.session.createDataFrame(pa.table(empty))
        schema = ", ".join(f"`{c.name.replace('`', '``')}` {_TYPES[c.kind]}" for c in columns)
        # Names of folders mean nothing: neither `id=7` a column, nor `[a]` one of several.
        plainly = {"recursiveFileLookup": "true", "__globPaths__": "false"}
        return self.session.read.options(**plainly).schema(schema).parquet(*map(str, paths))

    def arrow(
        self, sql: str, params: Sequence[object] | None = None, **tables: pa.Table
    ) -> pa.Table:
        """Run one query of a plan; rows come in the order of `_i` where it is selected.

        Raises:
            ContractError: if Spark cannot say what the plan says.
        """
        del params
        with self.views(sql, tables) as frame:
            found = collected(frame)
        return found.sort_by("_i") if "_i" in found.column_names else found

    def views(self, sql: str, tables: Mapping[str, pa.Table]) -> _Planned:
        """Plan a query; the tables that it is given live as long as the block."""
        return _Planned(self, sql, tables)

    def frame(self, table: pa.Table) -> DataFrame:
        """Give an Arrow table to Spark."""
        return self.session.createDataFrame(table)

    def grouped(
        self,
        spine: pa.Table,
        events: DataFrame,
        work: Callable[[pa.Table, pa.Table], pa.Table],
        schema: str,
    ) -> DataFrame:
        """Apply a function to the rows and events of each bucket of keys.

        Args:
            spine: rows with `_code`, the number of their key.
            events: with `_code` too.
            work: (rows, events) of one bucket → answer, run in Spark's workers.
            schema: of the answer, in Spark's words.
        """
        from pyspark.sql import functions

        keys = max(1, int(spine.column("_code").to_numpy().max(initial=0)) + 1)
        buckets = max(1, min(keys, self._buckets(spine)))
        bucket = functions.expr(f"pmod(_code, {buckets})")
        rows = self.frame(spine).groupBy(bucket)
        return rows.cogroup(events.groupBy(bucket)).applyInArrow(work, schema)

    def _buckets(self, spine: pa.Table) -> int:
        """As many as there are tasks, or more where a bucket would be large."""
        least = int(self._settings["spark.sql.shuffle.partitions"])
        return max(least, len(spine) // BUCKET)


class _Planned:
    """A query of which Spark has made a plan."""

    def __init__(self, spark: Spark, sql: str, tables: Mapping[str, pa.Table]) -> None:
        self._spark, self._sql, self._tables = spark, sql, dict(tables)
        self._names: dict[str, str] = {}

    def __enter__(self) -> DataFrame:
        spark = self._spark
        for name in tables_in(self._sql) - self._tables.keys():
            if spark.lookup is not None and not spark.session.catalog.tableExists(name):
                self._tables[name] = spark.lookup(name)
        for name, table in self._tables.items():
            self._names[name] = f"{name.lower()}_{next(_numbers)}"
            spark.frame(plain(table)).createOrReplaceTempView(self._names[name])
        return self._planned(to_spark(self._sql, self._names))

    def _planned(self, text: str) -> DataFrame:
        try:
            return self._spark.session.sql(text)
        except Exception as error:
            raise ContractError(
                "Spark cannot say what a plan says.", got=first_line(error)
            ) from error

    def __exit__(self, *_: object) -> None:
        for name in self._names.values():
            self._spark.session.catalog.dropTempView(name)


def plain(table: pa.Table) -> pa.Table:
    """Return a table whose columns Spark takes as they are."""
    columns: Iterator[pa.ChunkedArray] = (
        c.cast(pa.string()) if pa.types.is_large_string(c.type) or pa.types.is_dictionary(c.type)
        else c
        for c in table.columns
    )  # fmt: skip
    return pa.table(dict(zip(table.column_names, columns, strict=True)))


def collected(frame: DataFrame) -> pa.Table:
    """Return the answer of a query.

    Raises:
        ContractError: if a number leaves what Spark can hold.
    """
    try:
        found: pa.Table = frame.toArrow()
    except Exception as error:
        text = str(error)
        if any(sign in text for sign in _TOO_LARGE):
            raise ContractError(f"overflow: {first_line(error)}") from error
        raise
    return found.combine_chunks()


_TOO_LARGE: Iterable[str] = ("OVERFLOW", "OUT_OF_RANGE", "OUT_OF_SUPPORTED_RANGE", "64 bits")


def first_line(error: Exception) -> str:
    """Return the first line of what Spark said."""
    return str(error).strip().split("\n", 1)[0][:300]
