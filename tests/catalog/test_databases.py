# SPDX-License-Identifier: Apache-2.0
"""Rows that are inserted many by one statement are those that would be inserted one by one."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import insert, select
from sqlalchemy.exc import IntegrityError

from heptad.catalog import Catalog
from heptad.catalog.databases import TOGETHER, sqlite
from heptad.catalog.inserts import insert_all, upsert
from heptad.catalog.schema import DecisionCountRow
from heptad.standards.time import FixedClock

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sqlalchemy import Connection

COLUMNS = ["app", "outcome", "day", "n"]


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[Connection]:
    """A transaction of the writer of a SQLite catalog."""
    catalog = Catalog(tmp_path / "c.sqlite", clock=FixedClock(0))
    with catalog.store.write() as found:
        yield found
    catalog.close()


def put(connection: Connection, way: str, rows: list[dict[str, Any]]) -> None:
    if way == "insert":
        connection.execute(insert(DecisionCountRow), rows)
    elif way == "values":
        insert_all(connection, DecisionCountRow, COLUMNS, [tuple(row.values()) for row in rows])
    else:
        upsert(connection, DecisionCountRow, rows, add=["n"])


@pytest.mark.parametrize("way", ["insert", "values", "upsert"])
@pytest.mark.parametrize("n", [1, 2, 7, TOGETHER - 1, TOGETHER, TOGETHER + 1, 3 * TOGETHER + 300])
def test_rows_are_inserted_many_by_one_statement(connection: Connection, way: str, n: int) -> None:
    rows = [{"app": f"a{i % 3}", "outcome": f"o{i}?, (?", "day": -i, "n": i} for i in range(n)]
    driver: Any = connection.connection.driver_connection
    ran: list[str] = []
    driver.set_trace_callback(ran.append)
    put(connection, way, rows)
    driver.set_trace_callback(None)
    found = connection.execute(select(*(getattr(DecisionCountRow, c) for c in COLUMNS))).all()
    assert sorted(found) == sorted(tuple(row.values()) for row in rows)
    assert len(ran) <= n // TOGETHER + TOGETHER.bit_length()


def test_a_key_that_stands_twice_is_added_to_twice(connection: Connection) -> None:
    rows = [{"app": "a", "outcome": "o", "day": i % 2, "n": 1} for i in range(10)]
    upsert(connection, DecisionCountRow, rows, add=["n"])
    found = connection.execute(select(DecisionCountRow.day, DecisionCountRow.n)).all()
    assert sorted(found) == [(0, 5), (1, 5)]


def test_of_rows_one_of_which_is_refused_none_is_left(connection: Connection) -> None:
    rows = [{"app": "a", "outcome": "o", "day": i % 600, "n": 1} for i in range(601)]
    with pytest.raises(IntegrityError), connection.begin_nested():
        connection.execute(insert(DecisionCountRow), rows)
    assert not connection.execute(select(DecisionCountRow.day)).all()


def test_some_who_open_a_new_file_at_once_wait_for_each_other(tmp_path: Path) -> None:
    errors: list[Exception] = []

    def opened(path: Path, ready: threading.Barrier) -> None:
        ready.wait()
        try:
            engine = sqlite(path, writes=True)
            with engine.begin() as connection:
                connection.exec_driver_sql("CREATE TABLE IF NOT EXISTS t (a)")
            engine.dispose()
        except Exception as error:
            errors.append(error)

    for n in range(200):
        ready = threading.Barrier(6)
        path = tmp_path / f"{n}.sqlite"
        threads = [threading.Thread(target=opened, args=[path, ready]) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert errors == []
