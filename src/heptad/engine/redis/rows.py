# SPDX-License-Identifier: Apache-2.0
"""Rows by key in Redis, in HBase's model: a hash per row, a sorted set of the rows per table."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from heptad.engine.cells import (
    check_table,
    doomed,
    families_of,
    judged,
    newest,
    wanted_of,
)
from heptad.engine.protocols import Cell, Family
from heptad.engine.rowkeys import STAMP, after_key, column_key, stamp_key, stamp_of
from heptad.standards.errors import Busy, ContractError, InputError
from heptad.standards.time import SystemClock

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

    from heptad.engine.cells import Judged, Stored
    from heptad.standards.time import Clock

PAGE = 200
"""Rows that a scan fetches at once."""
TRIES = 100
"""How often a change is tried while others change the same row."""


class RedisRows:
    """The row store in a Redis server; any number of processes may use it.

    Of a row key and a table name the row `NAME:r:TABLE:KEY` is a hash from column and timestamp
    to value, and the sorted set `NAME:k:TABLE` holds the keys, in the order of their bytes. A
    write is one transaction. How durable it is at return is the server's business: only with
    `appendonly yes` and `appendfsync always` does it survive a loss of power.

    A scan goes page by page: a row that is written meanwhile may be among them or not.

    Args:
        url: for example `redis://localhost:6379/0`.
        name: what the names of all keys begin with.
        clock: tells the timestamp of cells written without one, and the age of all.

    Raises:
        InputError: if the package is not installed.
        Busy: if the server cannot be reached.
    """

    tick = 1

    def __init__(self, url: str, *, name: str = "heptad", clock: Clock | None = None) -> None:
        try:
            import redis
        except ImportError as error:
            raise InputError(
                "Redis needs a package that is not installed.",
                do="run `pip install 'heptad[redis]'`",
            ) from error
        self._error, self._watched = redis.RedisError, redis.WatchError
        self._clock, self._name = clock or SystemClock(), name.encode()
        with self._failures():
            self._server: Any = redis.Redis.from_url(url, socket_timeout=10)
            self._read_families()

    def create(self, table: str, families: Mapping[str, Family]) -> None:
        """Create a table, or add families and change how they are kept."""
        check_table(table, families)
        self._read_families()
        merged = self._families.get(table, {}) | dict(families)
        settings = {name: [f.versions, f.ttl] for name, f in merged.items()}
        with self._failures():
            self._server.hset(self._key(b"t"), table, json.dumps(settings))
        self._families[table] = merged

    def tables(self) -> list[str]:
        """Return the names of the tables, sorted."""
        self._read_families()
        return sorted(self._families)

    def families(self, table: str) -> dict[str, Family]:
        """Return how a table's families are kept."""
        return dict(self._known(table))

    def drop(self, table: str) -> None:
        """Remove a table and all its rows."""
        self._known(table)
        with self._failures():
            self._server.hdel(self._key(b"t"), table)
            while found := self._server.zpopmin(self._keys(table), PAGE):
                self._server.delete(*(self._row(table, key) for key, _ in found))
        del self._families[table]

    def put(
        self, table: str, row: bytes, cells: Mapping[bytes, bytes], timestamp: int | None = None
    ) -> None:
        """Write cells of one row, all or none."""
        self.put_many(table, [(row, cells)], timestamp)

    def put_many(
        self,
        table: str,
        rows: Iterable[tuple[bytes, Mapping[bytes, bytes]]],
        timestamp: int | None = None,
    ) -> None:
        """Write many rows, all or none."""
        with self._failures():
            changes = self._server.pipeline(transaction=True)
            for row, fields in self._encoded(table, rows, timestamp):
                self._set(changes, table, row, fields)
            changes.execute()

    def get(
        self,
        table: str,
        row: bytes,
        columns: Collection[bytes] | None = None,
        *,
        until: int | None = None,
    ) -> dict[bytes, bytes]:
        """Return the newest value of each column of a row; {} if there is none."""
        wanted = wanted_of(columns, self._known(table))
        with self._failures():
            found = self._server.hgetall(self._row(table, _checked(row)))
        return newest(self._judged(table, found), wanted, until)

    def cells(
        self, table: str, row: bytes, column: bytes, *, until: int | None = None
    ) -> list[Cell]:
        """Return the visible versions of one column, newest first."""
        suffix = column_key(column, self._known(table))
        with self._failures():
            found = self._server.hgetall(self._row(table, _checked(row)))
        own = {key: value for key, value in found.items() if key[:-STAMP] == suffix}
        return [
            Cell(value, stamp)
            for _, _, stamp, value, visible in self._judged(table, own)
            if visible and (until is None or stamp <= until)
        ]

    def scan(  # noqa: PLR0913 - HBase's scan, by name
        self,
        table: str,
        start: bytes = b"",
        stop: bytes | None = None,
        *,
        prefix: bytes = b"",
        columns: Collection[bytes] | None = None,
        until: int | None = None,
        reverse: bool = False,
        limit: int | None = None,
    ) -> Iterator[tuple[bytes, dict[bytes, bytes]]]:
        """Give rows in the order of their keys' bytes; see the local store's `scan`."""
        wanted = wanted_of(columns, self._known(table))
        ends = [end for end in (stop, after_key(prefix)) if end is not None]
        left = -1 if limit is None else limit
        for row, found in self._pages(table, max(start, prefix), min(ends, default=None), reverse):
            if left == 0:
                return
            if cells := newest(self._judged(table, found), wanted, until):
                left -= 1
                yield row, cells

    def delete(
        self,
        table: str,
        row: bytes,
        columns: Collection[bytes] | None = None,
        *,
        until: int | None = None,
    ) -> None:
        """Remove cells of one row, all or none; a deletion leaves no mark."""
        wanted, key = wanted_of(columns, self._known(table)), self._row(table, _checked(row))

        def change(watched: Any) -> None:
            found = watched.hgetall(key)
            gone = list(doomed(self._judged(table, found), wanted, until))
            watched.multi()
            if gone:
                watched.hdel(key, *gone)
            if len(gone) == len(found):
                watched.zrem(self._keys(table), row)

        self._changed(key, change)

    def check_and_put(
        self,
        table: str,
        row: bytes,
        column: bytes,
        expected: bytes | None,
        cells: Mapping[bytes, bytes],
        timestamp: int | None = None,
    ) -> bool:
        """Write cells if a column's newest value is what is expected; say whether."""
        column_key(column, self._known(table))
        ((_, fields),) = self._encoded(table, [(row, cells)], timestamp)
        key, done = self._row(table, row), False

        def change(watched: Any) -> None:
            nonlocal done
            found = newest(self._judged(table, watched.hgetall(key)), None, None)
            done = found.get(column) == expected
            watched.multi()
            if done:
                self._set(watched, table, row, fields)

        self._changed(key, change)
        return done

    def sweep(self, table: str) -> int:
        """Remove what is not visible any more; return how many cells."""
        swept = 0
        for row, _ in self._pages(table, b"", None, reverse=False):
            key = self._row(table, row)

            def change(watched: Any, key: bytes = key, row: bytes = row) -> None:
                nonlocal swept
                found = watched.hgetall(key)
                hidden = [cell for cell, *_, seen in self._judged(table, found) if not seen]
                watched.multi()
                if hidden:
                    watched.hdel(key, *hidden)
                if len(hidden) == len(found):
                    watched.zrem(self._keys(table), row)
                swept += len(hidden)

            self._changed(key, change)
        return swept

    def close(self) -> None:
        """Let the connections go."""
        self._server.close()

    def _changed(self, key: bytes, change: Callable[[Any], None]) -> None:
        """Change a row, again from the start if another changed it meanwhile."""
        with self._failures():
            for _ in range(TRIES):
                with self._server.pipeline() as watched:
                    try:
                        watched.watch(key)
                        change(watched)
                        watched.execute()
                    except self._watched:
                        continue
                    return
        raise Busy("Others keep changing this row.", do="try again")

    def _encoded(
        self,
        table: str,
        rows: Iterable[tuple[bytes, Mapping[bytes, bytes]]],
        timestamp: int | None,
    ) -> list[tuple[bytes, dict[bytes, bytes]]]:
        """Return rows with their cells as they are kept."""
        families = self._known(table)
        stamp = stamp_key(self._clock.now() if timestamp is None else timestamp)
        return [
            (_checked(row), {column_key(c, families) + stamp: v for c, v in cells.items()})
            for row, cells in rows
        ]

    def _set(self, changes: Any, table: str, row: bytes, fields: Mapping[bytes, bytes]) -> None:
        if fields:
            changes.hset(self._row(table, row), mapping=fields)
            changes.zadd(self._keys(table), {row: 0})

    def _pages(
        self, table: str, start: bytes, stop: bytes | None, reverse: bool
    ) -> Iterator[tuple[bytes, dict[bytes, bytes]]]:
        """Give each row in the bounds with its cells as kept."""
        low, high = b"[" + start, b"+" if stop is None else b"(" + stop
        while True:
            with self._failures():
                rows = self._listed(table, low, high, reverse)
                asked = self._server.pipeline(transaction=False)
                for row in rows:
                    asked.hgetall(self._row(table, row))
                found = asked.execute()
            yield from zip(rows, found, strict=True)
            if len(rows) < PAGE:
                return
            low, high = (low, b"(" + rows[-1]) if reverse else (b"(" + rows[-1], high)

    def _listed(self, table: str, low: bytes, high: bytes, reverse: bool) -> list[bytes]:
        """Return the next keys of a page."""
        if reverse:
            found = self._server.zrevrangebylex(self._keys(table), high, low, 0, PAGE)
        else:
            found = self._server.zrangebylex(self._keys(table), low, high, 0, PAGE)
        return list(found)

    def _judged(self, table: str, found: Mapping[bytes, bytes]) -> Iterator[Judged]:
        cells: list[Stored] = [
            (key, key[:-STAMP], stamp_of(key), value) for key, value in sorted(found.items())
        ]
        return judged(cells, self._known(table), self._clock.now())

    def _known(self, table: str) -> dict[str, Family]:
        if table not in self._families:
            self._read_families()
        return families_of(table, self._families)

    def _read_families(self) -> None:
        with self._failures():
            stored = self._server.hgetall(self._key(b"t"))
        self._families = {
            table.decode(): {n: Family(*settings) for n, settings in json.loads(told).items()}
            for table, told in stored.items()
        }

    def _key(self, *parts: bytes) -> bytes:
        return b":".join((self._name, *parts))

    def _keys(self, table: str) -> bytes:
        return self._key(b"k", table.encode())

    def _row(self, table: str, row: bytes) -> bytes:
        return self._key(b"r", table.encode(), row)

    @contextmanager
    def _failures(self) -> Iterator[None]:
        try:
            yield
        except self._error as error:
            raise Busy(
                "Redis does not answer, or refuses.", got=str(error), do="check the server"
            ) from error


def _checked(row: bytes) -> bytes:
    if not row:
        raise ContractError("A row's key cannot be empty.")
    return row
