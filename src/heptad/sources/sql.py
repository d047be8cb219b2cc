# SPDX-License-Identifier: Apache-2.0
"""Databases: a table or a query of SQLite or PostgreSQL, read in one snapshot, batch by batch."""

from __future__ import annotations

import json
import re
import sqlite3
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from heptad.sources.cells import as_text
from heptad.sources.config import revealed
from heptad.sources.files import listed
from heptad.sources.reading import LONGEST_RECORD, Meter, bad_rows, check_columns, good_rows
from heptad.standards.errors import Busy, InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from heptad.sources.binding import Source
    from heptad.sources.reading import InputFile

SCHEMES = ("sqlite:", "postgresql:", "postgres:")
_BATCH = 50_000
_BYTES = 8 << 20
"""Most bytes of values in a batch, about."""
LOCKED_WAIT_S = 10.0
"""How long a lock is waited for."""
_STEP = 64
"""Rows fetched at once; they are counted before more are."""
LONGEST_WAIT_S = 600.0
"""A query that gives no row for so long is given up."""
_TABLE = re.compile(r"[A-Za-z_][\w$]*(\.[A-Za-z_][\w$]*)?")


class Query:
    """The rows of a query; the snapshot is held until `close`.

    With a watermark only rows at or above the last one are read: those that share it may have
    come later, and what was loaded before is dropped as a duplicate.

    Args:
        source: the binding.
        folder: the project's folder.
        allow: further folders in which a SQLite file may lie.
        since: the watermark of the last load, as `watermark` gave it.

    Raises:
        InputError: if the database or the query cannot be read.
        Refused: if a SQLite file lies outside the folders allowed.
    """

    files: tuple[InputFile, ...] = ()

    def __init__(
        self, source: Source, folder: Path, allow: Sequence[Path] = (), since: str | None = None
    ) -> None:
        self.meter, self.watermark = Meter(), since
        self._source, self._since = source, since
        if source.origin.startswith("sqlite:"):
            self._database: _Sqlite | _Postgres = _Sqlite(source, folder, allow)
        else:
            self._database = _Postgres(source, folder)
        try:
            self.columns = self._columns()
        except BaseException:
            self.close()
            raise

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yield the rows; see `Reading.batches`."""
        cursor = self._run(limit=False)
        number = 0
        while rows := self._fetched(cursor):
            yield from self._turned(rows, number)
            number += len(rows)

    def close(self) -> None:
        """Let go of the snapshot."""
        self._database.close()

    def _columns(self) -> tuple[str, ...]:
        cursor = self._run(limit=True)
        self._fetched(cursor)
        names = [column[0] for column in cursor.description or ()]
        mark = self._source.watermark
        if mark and mark not in names:
            raise InputError(
                "The query has no such column for the watermark.",
                got=mark,
                do=f"use one of: {', '.join(names[:20])}",
                place=f"source {self._source.name}",
            )
        return check_columns(names, f"source {self._source.name}")

    def _run(self, *, limit: bool) -> Any:
        query, mark = self._source.query.strip().rstrip(";"), self._source.watermark
        if not query:
            raise InputError(
                "A database source names no table.",
                do='add query = "table", or a SELECT, to the source',
                place=f"source {self._source.name}",
            )
        text = f"SELECT * FROM {query if _TABLE.fullmatch(query) else f'({query})'} AS asked"
        params: list[Any] = []
        if mark:
            quoted = '"' + mark.replace('"', '""') + '"'
            if self._since is not None:
                text += f" WHERE {quoted} >= {self._database.sign}"
                params.append(json.loads(self._since))
            text += f" ORDER BY {quoted}"
        if limit:
            text = f"SELECT * FROM ({text}) AS looked LIMIT 1"
        return self._database.run(text, params, stream=not limit)

    def _fetched(self, cursor: Any) -> list[tuple[Any, ...]]:
        rows: list[tuple[Any, ...]] = []
        size = 0
        with self._database.failures():
            while len(rows) < _BATCH and size < _BYTES:
                self._database.waits()
                more = cursor.fetchmany(_STEP)
                rows += more
                size += sum(len(v) for row in more for v in row if isinstance(v, bytes | str))
                if len(more) < _STEP:
                    break
        return rows

    def _turned(self, rows: list[tuple[Any, ...]], number: int) -> Iterator[pa.RecordBatch]:
        """Write rows as text; one whose bytes are no text is set aside."""
        good: list[tuple[int, list[str | None]]] = []
        bad: list[int] = []
        for line, row in enumerate(rows, number + 1):
            try:
                good.append((line, [as_text(value) or None for value in row]))
            except UnicodeDecodeError:
                bad.append(line)
        columns = list(zip(*(cells for _, cells in good), strict=True)) if good else []
        found = {n: pa.array(c, pa.string()) for n, c in zip(self.columns, columns, strict=False)}
        if good:
            yield good_rows(self.columns, found, pa.array([line for line, _ in good], pa.int64()))
        if bad:
            yield bad_rows(self.columns, bad, ["encoding"] * len(bad), [""] * len(bad))
        self._remember(rows)

    def _remember(self, rows: list[tuple[Any, ...]]) -> None:
        """Keep the largest watermark; the rows come in its order."""
        if not self._source.watermark:
            return
        place = self.columns.index(self._source.watermark)
        for row in reversed(rows):
            if row[place] is not None:
                plain = isinstance(row[place], int | float) and not isinstance(row[place], bool)
                self.watermark = json.dumps(row[place] if plain else as_text(row[place]))
                return


class _Sqlite:
    """A SQLite file, opened for reading only."""

    sign = "?"

    def __init__(self, source: Source, folder: Path, allow: Sequence[Path]) -> None:
        place = source.origin.removeprefix("sqlite:")
        place = place.removeprefix("///")
        (file,) = listed(place, folder, allow)[:1]
        self._place = file.name
        self.waits()
        with self.failures():
            self._connection = sqlite3.connect(
                f"{file.path.as_uri()}?mode=ro",
                uri=True,
                check_same_thread=False,
                timeout=LOCKED_WAIT_S,
            )
            self._connection.isolation_level = None
            self._connection.set_authorizer(_reads_only)
            self._connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LONGEST_RECORD)
            self._connection.set_progress_handler(self._is_late, 100_000)
            self._connection.text_factory = bytes
            self._connection.execute("BEGIN")

    def run(self, text: str, params: Sequence[Any], *, stream: bool) -> Any:  # noqa: ARG002
        with self.failures():
            self.waits()
            return self._connection.execute(text, params)

    def waits(self) -> None:
        """Begin to wait for rows."""
        self._until = time.monotonic() + LONGEST_WAIT_S

    def _is_late(self) -> bool:
        return time.monotonic() > self._until

    def failures(self) -> _Failures:
        # A column's name may be no text at all.
        return _Failures((sqlite3.Error, UnicodeDecodeError), self._place)

    def close(self) -> None:
        self._connection.close()


class _Postgres:
    """A PostgreSQL database, in one read-only snapshot."""

    sign = "%s"

    def __init__(self, source: Source, folder: Path) -> None:
        try:
            import psycopg
        except ImportError as error:
            raise InputError(
                "PostgreSQL needs a package that is not installed.",
                do="run `pip install 'heptad[postgres]'`",
            ) from error
        self._error, self._place = psycopg.Error, f"source {source.name}"
        self._cursors: list[Any] = []
        with self.failures():
            self._connection = psycopg.connect(revealed(source.origin, folder), connect_timeout=10)
            self._connection.read_only = True
            self._connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ

    def run(self, text: str, params: Sequence[Any], *, stream: bool) -> Any:
        with self.failures():
            named = f"heptad_{len(self._cursors)}" if stream else ""
            cursor: Any = self._connection.cursor(named)
            self._cursors.append(cursor)
            # A per cent sign of the query's own is no parameter.
            asked = text.replace("%", "%%").replace("%%s", "%s") if params else text
            cursor.execute(asked, params or None)
            return cursor

    def waits(self) -> None:
        """Begin to wait for rows; the server has limits of its own."""

    def failures(self) -> _Failures:
        return _Failures(self._error, self._place)

    def close(self) -> None:
        with suppress(self._error):
            for cursor in self._cursors:
                cursor.close()
        self._connection.close()


_CURES = {
    "too big": f"leave out of the query what is longer than {LONGEST_RECORD:,} bytes",
    "interrupted": f"narrow the query: it gave no row for {LONGEST_WAIT_S:.0f} s",
    "malformed": "restore the file from a backup; check it by `sqlite3 FILE 'PRAGMA quick_check'`",
    "": "check the URL, the query and the rights of its user",
}


class _Failures:
    """Turns a database's errors into ours; what they say may not hold the password."""

    def __init__(self, error: type[Exception] | tuple[type[Exception], ...], place: str) -> None:
        self._error, self._place = error, place

    def __enter__(self) -> None:
        """Begin to watch."""

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: object) -> None:
        if not isinstance(error, self._error):
            return
        said = re.sub(r"://[^@\s]*@", "://•••@", str(error)).strip().splitlines() or [""]
        if "locked" in said[0] or "timeout" in said[0]:
            raise Busy("The database is busy.", got=said[0], place=self._place, do="try again")
        raise InputError(
            "The database or its query cannot be read.",
            got=said[0],
            do=next((do for sign, do in _CURES.items() if sign in said[0]), _CURES[""]),
            place=self._place,
        ) from error


def _reads_only(action: int, *_: object) -> int:
    """Allow a query nothing but reading."""
    allowed = (
        sqlite3.SQLITE_SELECT,
        sqlite3.SQLITE_READ,
        sqlite3.SQLITE_FUNCTION,
        sqlite3.SQLITE_RECURSIVE,
        sqlite3.SQLITE_TRANSACTION,
    )
    return sqlite3.SQLITE_OK if action in allowed else sqlite3.SQLITE_DENY
