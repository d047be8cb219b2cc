# SPDX-License-Identifier: Apache-2.0
"""DuckDB in a session that is locked before anyone's SQL reaches it."""

from __future__ import annotations

import itertools
import os
import re
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import duckdb
from duckdb import StatementType

from heptad.engine.local.disk import refusals
from heptad.engine.sql.identifiers import literal
from heptad.standards.errors import Busy, HeptadError, InputError, Refused

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path
    from types import TracebackType

    import pyarrow as pa

    Parameters = Sequence[object] | Mapping[str, object] | None

_READS = frozenset({StatementType.SELECT, StatementType.EXPLAIN})
_WRITES = _READS | {
    StatementType.COPY,
    StatementType.CREATE,
    StatementType.DELETE,
    StatementType.DROP,
    StatementType.INSERT,
    StatementType.UPDATE,
}
_STORES = ("tables", "quarantine")
_LARGEST_BATCH = 65_536
_DISK = re.compile("No space left|Input/output error|Read-only file system|quota exceeded")
_numbers = itertools.count()


class Duck:
    """An in-memory DuckDB that sees only the folders it was given.

    No other file, no network, no extension, no setting can be reached from its SQL: external
    access is off and the configuration locked; symbolic links are followed before the check.
    Statements that could change what the session is (ATTACH, SET, PRAGMA, LOAD, EXPORT, several
    in one text) are refused by kind. Times are UTC. One thread uses it at a time; another takes
    its own `cursor()`.

    Args:
        folder: the project folder; its `tables/` and `quarantine/` may be read and written, and
            spilled data lie in its `.duck/`. Keys, logs and the catalog cannot be read.
        allow: further folders or files that may be read.
        memory_limit: most memory, as DuckDB writes it.
        threads: most threads.
        temp_limit: most disk for data that do not fit into memory.
        keep_order: rows come out in the order in which they were read, where no order is asked
            for. Without, large copies need less memory.

    Attributes:
        threads: most threads.

    Raises:
        Busy: if the disk refuses.
    """

    def __init__(
        self,
        folder: Path,
        *,
        allow: Sequence[Path] = (),
        memory_limit: str = "1GB",
        threads: int = 2,
        temp_limit: str = "20GB",
        keep_order: bool = True,
    ) -> None:
        home = folder.resolve()
        self.threads = threads
        self._spill = _spill_folder(home)
        places = [path.resolve() for path in allow]
        folders = [home / name for name in _STORES] + [p for p in places if not p.is_file()]
        settings: dict[str, str | bool | int | list[str]] = {
            "threads": threads,
            "memory_limit": memory_limit,
            "temp_directory": str(self._spill),
            "max_temp_directory_size": temp_limit,
            # One row group. With the default of four, a load of many months fills the memory,
            # spills, and takes 1.6 times the CPU.
            "partitioned_write_flush_threshold": 122_880,
            "preserve_insertion_order": keep_order,
            # Who takes batches one by one works on each while the next ones are made.
            "streaming_buffer_size": "32MB",
            "TimeZone": "UTC",
            "enable_progress_bar": False,
            "python_enable_replacements": False,
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            "allow_community_extensions": False,
            "allow_persistent_secrets": False,
            "allowed_directories": [str(path) for path in folders],
            "allowed_paths": [str(p) for p in places if p.is_file()],
            "enable_external_access": False,
            "lock_configuration": True,
        }
        self._connection = duckdb.connect(":memory:")
        self._owns = True
        with _refusals():
            for name, value in settings.items():
                self._connection.execute(f"SET {name} = {_setting(value)}")

    def arrow(self, sql: str, params: Parameters = None, **tables: pa.Table) -> pa.Table:
        """Run one query and return its rows.

        Args:
            sql: one SELECT.
            params: values for `?` (a sequence) or `$name` (a mapping).
            **tables: Arrow tables that the query may name.

        Raises:
            InputError: if the query is not one SELECT or cannot be run.
            Refused: if it reaches outside the allowed folders.
            Busy: if it needs more memory or disk than allowed.
        """
        with self._registered(tables), _refusals():
            return self._relation(sql, params).to_arrow_table()

    def batches(
        self,
        sql: str,
        params: Parameters = None,
        *,
        rows: int = _LARGEST_BATCH,
        **tables: pa.Table,
    ) -> Iterator[pa.RecordBatch]:
        """Run one query and give its rows in batches, without holding all of them.

        Args:
            sql: one SELECT.
            params: values for `?` or `$name`.
            rows: most rows in a batch.
            **tables: Arrow tables that the query may name.

        Raises:
            InputError, Refused, Busy: as `arrow` does.
        """
        with self._registered(tables), _refusals():
            yield from self._relation(sql, params).to_arrow_reader(rows)

    def run(self, sql: str, params: Parameters = None, **tables: pa.Table) -> int:
        """Run one COPY, CREATE, INSERT, UPDATE, DELETE or DROP; return the rows it wrote.

        Raises:
            InputError, Refused, Busy: as `arrow` does.
        """
        with self._registered(tables), _refusals():
            result = self._connection.execute(self._statement(sql, _WRITES), params)
            row = result.fetchone() if result.description else None
        return row[0] if row and isinstance(row[0], int) else 0

    @contextmanager
    def spool(self) -> Iterator[Path]:
        """Give a folder beside the spilled data, for rows that somebody lays down; it is removed.

        Raises:
            Busy: if the disk refuses.
        """
        folder = self._spill.with_name(f"{os.getpid()}-{next(_numbers)}")
        with refusals("Rows were not laid on disk"):
            folder.mkdir(mode=0o700, parents=True)
            try:
                yield folder
            finally:
                shutil.rmtree(folder, ignore_errors=True)

    def cursor(self) -> Duck:
        """Return another session of the same database, for another thread.

        Temporary tables and Arrow tables of one session are not seen by the other.
        """
        other = object.__new__(Duck)
        other._connection, other._spill, other._owns = self._connection.cursor(), self._spill, False
        return other

    def interrupt(self) -> None:
        """Stop what runs now, from another thread."""
        self._connection.interrupt()

    def close(self) -> None:
        """Free memory and spilled data."""
        self._connection.close()
        if self._owns:
            shutil.rmtree(self._spill, ignore_errors=True)

    def __enter__(self) -> Duck:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _relation(self, sql: str, params: Any) -> Any:
        return self._connection.sql(self._statement(sql, _READS), params=params)

    def _statement(self, sql: str, allowed: frozenset[StatementType]) -> Any:
        """Parse `sql`; refuse all but one statement of an allowed kind."""
        found = self._connection.extract_statements(sql)
        if len(found) != 1:
            raise InputError(
                "A query is exactly one statement.", got=len(found), do="run them one by one"
            )
        if found[0].type not in allowed:
            kind = str(found[0].type).removeprefix("StatementType.")
            raise Refused(
                f"A {kind} statement cannot be run here.",
                got=sql.strip(),
                do="use " + ", ".join(sorted(t.name for t in allowed)),
            )
        return found[0]

    @contextmanager
    def _registered(self, tables: Mapping[str, pa.Table]) -> Iterator[None]:
        """Let the SQL name the Arrow tables while the block runs."""
        try:
            for name, table in tables.items():
                self._connection.register(name, table)
            yield
        finally:
            for name in tables:
                self._connection.unregister(name)


@contextmanager
def _refusals() -> Iterator[None]:
    """Turn DuckDB's exceptions into errors that name the cure."""
    try:
        yield
    except duckdb.Error as error:
        raise _explained(error) from error


def _explained(error: duckdb.Error) -> HeptadError:
    said = str(error).partition("\n\n")[0].partition("LINE ")[0].strip()
    if isinstance(error, duckdb.PermissionException):
        return Refused(
            "The query reaches outside the folders it may read.",
            got=said,
            do="read only files that a [[source]] of heptad.toml names",
        )
    if isinstance(error, duckdb.OutOfMemoryException):
        return Busy(
            "The query needs more memory or disk than it may take.",
            got=said,
            do="raise memory_limit under [engine] in heptad.toml, or ask for less at once",
        )
    if isinstance(error, duckdb.IOException) and _DISK.search(said):
        return Busy(
            "The disk refused.",
            got=said,
            do="check the disk and its free space (`heptad doctor`), then run it again",
        )
    if isinstance(error, duckdb.InterruptException):
        return Busy("The query was interrupted.", do="run it again")
    return InputError("The query cannot be run.", got=said, do="check its names and types")


def _setting(value: str | bool | int | list[str]) -> str:
    """Return a setting's value as SQL."""
    if isinstance(value, bool | int):
        return str(value).lower()
    if isinstance(value, list):
        return "[" + ", ".join(literal(v) for v in value) + "]"
    return literal(value)


def _spill_folder(home: Path) -> Path:
    """Name this session's folder for spilled data; clear those that dead processes left."""
    parent = home / ".duck"
    with refusals("The query engine did not start"):
        parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        for left in parent.iterdir():
            pid = left.name.partition("-")[0]
            if pid.isdigit() and not _is_alive(int(pid)):
                shutil.rmtree(left, ignore_errors=True)
    return parent / f"{os.getpid()}-{next(_numbers)}"


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
