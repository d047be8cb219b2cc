# SPDX-License-Identifier: Apache-2.0
"""Rows by key in HBase, through its Thrift gateway and happybase."""

from __future__ import annotations

from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, Any

from heptad.engine.cells import check_table, families_of, wanted_of
from heptad.engine.protocols import Cell, Family
from heptad.engine.rowkeys import after_key, column_key
from heptad.standards.errors import Busy, ContractError, InputError
from heptad.standards.time import second

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

MILLI = 1000
"""Microseconds of one step of HBase's clock."""
POOL = 4
PAGE = 200


class HBaseRows:
    """The row store in HBase; any number of processes may use it.

    HBase counts time in milliseconds: a timestamp is cut to them, and `until` holds for the whole
    millisecond. Cells written without a timestamp get the server's time. A deletion hides what is
    as old or older than it, also what is written afterwards with such a timestamp, until HBase
    compacts. Rows of `put_many` land row by row: each is whole, not all together.

    Args:
        host: of HBase's Thrift 1 gateway (buffered transport, binary protocol).
        port: of the gateway.
        prefix: what the names of the tables begin with, before an underscore.
        timeout_s: how long an answer is waited for.

    Raises:
        InputError: if the package is not installed.
        Busy: if the gateway cannot be reached.
    """

    tick = MILLI

    def __init__(
        self, host: str = "127.0.0.1", port: int = 9090, *, prefix: str = "", timeout_s: float = 30
    ) -> None:
        try:
            import happybase
            from thriftpy2.thrift import TException
        except ImportError as error:
            raise InputError(
                "HBase needs packages that are not installed.",
                do="run `pip install 'heptad[hbase]'`",
            ) from error
        self._errors = (TException, OSError, happybase.NoConnectionsAvailable)
        with self._failures():
            self._pool: Any = happybase.ConnectionPool(
                POOL, host=host, port=port, table_prefix=prefix or None,
                timeout=int(timeout_s * 1000),
            )  # fmt: skip
            self._families = self._read_families()

    def create(self, table: str, families: Mapping[str, Family]) -> None:
        """Create a table; of one that is there nothing may change, since Thrift 1 cannot.

        Raises:
            ContractError: if the table is there with other families.
        """
        check_table(table, families)
        known = self._families.get(table)
        if known is not None:
            if any(known.get(name) != family for name, family in families.items()):
                raise ContractError(
                    f"HBase has a table {table} that is kept otherwise.",
                    got=str(known),
                    do="change it in HBase's shell by `alter`",
                )
            return
        with self._failures(), self._pool.connection() as connection:
            connection.create_table(table, {name: _told(f) for name, f in families.items()})
        self._families[table] = dict(families)

    def tables(self) -> list[str]:
        """Return the names of the tables, sorted."""
        self._families = self._read_families()
        return sorted(self._families)

    def families(self, table: str) -> dict[str, Family]:
        """Return how a table's families are kept."""
        return dict(families_of(table, self._families))

    def drop(self, table: str) -> None:
        """Disable and remove a table and all its rows."""
        families_of(table, self._families)
        with self._failures(), self._pool.connection() as connection:
            connection.delete_table(table, disable=True)
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
        """Write many rows, each all or none."""
        listed = [(self._checked(table, row, cells), cells) for row, cells in rows]
        with self._table(table) as found, found.batch(timestamp=_milli(timestamp)) as batch:
            for row, cells in listed:
                batch.put(row, dict(cells))

    def get(
        self,
        table: str,
        row: bytes,
        columns: Collection[bytes] | None = None,
        *,
        until: int | None = None,
    ) -> dict[bytes, bytes]:
        """Return the newest value of each column of a row; {} if there is none."""
        wanted = self._asked(table, columns)
        self._checked(table, row, {})
        if wanted == []:
            return {}
        with self._table(table) as found:
            return dict(found.row(row, columns=wanted, timestamp=_beyond(until)))

    def cells(
        self, table: str, row: bytes, column: bytes, *, until: int | None = None
    ) -> list[Cell]:
        """Return the kept versions of one column, newest first."""
        self._checked(table, row, {column: b""})
        with self._table(table) as found:
            told = found.cells(row, column, timestamp=_beyond(until), include_timestamp=True)
        return [Cell(value, at * MILLI) for value, at in told]

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
        """Give rows in the order of their keys' bytes."""
        wanted = self._asked(table, columns)
        low = max(start, prefix)
        high = min((e for e in (stop, after_key(prefix)) if e is not None), default=None)
        if wanted == [] or limit == 0 or (high is not None and low >= high):
            return
        # HBase's reverse scan begins at its start, inclusive, and ends before its stop: the other
        # way round than here, so it is asked for more and what lies outside is left out.
        bounds = (high, None) if reverse else (low, high)
        with self._table(table) as found:
            scanned = found.scan(
                *bounds, columns=wanted, timestamp=_beyond(until), reverse=reverse,
                batch_size=PAGE,
            )  # fmt: skip
            rows = ((row, dict(cells)) for row, cells in scanned if high is None or row < high)
            for row, cells in islice(rows, limit):
                if row < low:
                    return
                yield row, cells

    def delete(
        self,
        table: str,
        row: bytes,
        columns: Collection[bytes] | None = None,
        *,
        until: int | None = None,
    ) -> None:
        """Remove cells of one row."""
        wanted = self._asked(table, columns)
        self._checked(table, row, {})
        if wanted != []:
            with self._table(table) as found:
                found.delete(row, columns=wanted, timestamp=_milli(until))

    def check_and_put(
        self,
        table: str,
        row: bytes,
        column: bytes,
        expected: bytes | None,
        cells: Mapping[bytes, bytes],
        timestamp: int | None = None,
    ) -> bool:
        """Write one cell if a column's newest value is what is expected; say whether.

        Raises:
            ContractError: if it is more than one cell, or has a timestamp: Thrift 1 cannot.
        """
        if len(cells) != 1 or timestamp is not None:
            raise ContractError(
                "HBase's Thrift 1 checks and puts one cell at the server's time.",
                got=f"{len(cells)} cells",
                do="put one cell, without a timestamp",
            )
        self._checked(table, row, {column: b""} | dict(cells))
        ((name, value),) = cells.items()
        with self._table(table) as found:
            from Hbase_thrift import Mutation

            client = found.connection.client
            change = Mutation(isDelete=False, column=name, value=value, writeToWAL=True)
            return bool(client.checkAndPut(found.name, row, column, expected, change, {}))

    def close(self) -> None:
        """Let the connections go."""
        for _ in range(POOL):
            with self._failures(), self._pool.connection(timeout=1) as connection:
                connection.close()

    def _asked(self, table: str, columns: Collection[bytes] | None) -> list[bytes] | None:
        wanted = wanted_of(columns, families_of(table, self._families))
        return None if wanted is None else [c.removesuffix(b":") if c.count(b":") == 1 and
                                            c.endswith(b":") else c for c in sorted(wanted)]  # fmt: skip

    def _checked(self, table: str, row: bytes, cells: Mapping[bytes, bytes]) -> bytes:
        """Refuse what HBase would, or would take for something else."""
        families = families_of(table, self._families)
        if not row:
            raise ContractError("A row's key cannot be empty.")
        for column in cells:
            column_key(column, families)
        return row

    def _read_families(self) -> dict[str, dict[str, Family]]:
        with self._failures(), self._pool.connection() as connection:
            names = [name.decode() for name in connection.tables()]
            return {
                name: {f.decode(): _family(told)
                       for f, told in connection.table(name).families().items()}
                for name in names
            }  # fmt: skip

    @contextmanager
    def _table(self, table: str) -> Iterator[Any]:
        families_of(table, self._families)
        with self._failures(), self._pool.connection() as connection:
            yield connection.table(table)

    @contextmanager
    def _failures(self) -> Iterator[None]:
        try:
            yield
        except self._errors as error:
            raise Busy(
                "HBase's Thrift gateway does not answer, or refuses.",
                got=str(getattr(error, "message", error) or error),
                do="check the gateway: its address, transport and protocol",
            ) from error


def _told(family: Family) -> dict[str, int]:
    """Return how a family is kept, in HBase's words."""
    lives = {} if family.ttl is None else {"time_to_live": max(1, family.ttl // second)}
    return {"max_versions": family.versions, **lives}


def _family(told: Mapping[str, Any]) -> Family:
    lives = int(told["time_to_live"])
    return Family(int(told["max_versions"]), None if lives in {-1, 2**31 - 1} else lives * second)


def _milli(timestamp: int | None) -> int | None:
    if timestamp is not None and timestamp < 0:
        raise ContractError("A timestamp is microseconds since 1970.", got=timestamp)
    return None if timestamp is None else timestamp // MILLI


def _beyond(until: int | None) -> int | None:
    """Return the first millisecond that is not read any more."""
    return None if until is None else until // MILLI + 1
