# SPDX-License-Identifier: Apache-2.0
"""Databases: read whole, read on from a watermark, and never written."""

from __future__ import annotations

import os
import sqlite3

import pytest

from heptad.sources.binding import Source
from heptad.sources.config import Project
from heptad.sources.readers import files_of, reader
from heptad.sources.sql import Query
from heptad.standards.errors import InputError, Refused


@pytest.fixture
def bank(tmp_path):
    """A small SQLite database."""
    with sqlite3.connect(tmp_path / "core.db") as connection:
        connection.execute("CREATE TABLE tx (id INTEGER, amount TEXT, changed INTEGER, note BLOB)")
        rows = [(n, f"{n}.10", n // 2, None) for n in range(10)]
        connection.executemany("INSERT INTO tx VALUES (?, ?, ?, ?)", rows)
    connection.close()
    return tmp_path


def query(folder, text="tx", since=None, origin="sqlite:///core.db", **more):
    return Query(Source("core", "T", origin, query=text, **more), folder, (), since)


def rows_of(reading):
    try:
        return [row for batch in reading.batches() for row in batch.to_pylist()]
    finally:
        reading.close()


def test_a_table_and_a_query(bank):
    rows = rows_of(query(bank))
    assert len(rows) == 10
    assert rows[1] == {
        "id": "1", "amount": "1.10", "changed": "0", "note": None,
        "__line": 2, "__fault": None, "__text": None,
    }  # fmt: skip
    assert [r["x"] for r in rows_of(query(bank, "SELECT id * 2 AS x FROM tx WHERE id > 7;"))] == [
        "16", "18",
    ]  # fmt: skip


def test_reading_goes_on_at_the_watermark(bank):
    first = query(bank, watermark="changed")
    assert len(rows_of(first)) == 10
    assert first.watermark == "4"
    with sqlite3.connect(bank / "core.db") as connection:
        connection.execute("INSERT INTO tx VALUES (10, '5', 4, NULL), (11, '6', 7, NULL)")
    connection.close()
    second = query(bank, since=first.watermark, watermark="changed")
    # Rows that share the last watermark come again: some of them may be new.
    assert [r["id"] for r in rows_of(second)] == ["8", "9", "10", "11"]
    assert second.watermark == "7"
    assert rows_of(query(bank, since="99", watermark="changed")) == []


def test_a_snapshot_is_held_for_a_second_reading(bank):
    with sqlite3.connect(bank / "core.db") as connection:
        connection.execute("PRAGMA journal_mode = WAL")
    connection.close()
    reading = query(bank)
    first = [b.num_rows for b in reading.batches()]
    with sqlite3.connect(bank / "core.db") as connection:
        connection.execute("INSERT INTO tx VALUES (99, '1', 9, NULL)")
    connection.close()
    assert [b.num_rows for b in reading.batches()] == first
    reading.close()


def test_bytes_that_are_no_text_are_set_aside(bank):
    with sqlite3.connect(bank / "core.db") as connection:
        connection.execute("UPDATE tx SET note = x'ff' WHERE id = 3")
    connection.close()
    rows = rows_of(query(bank))
    assert [r["__line"] for r in rows if r["__fault"] == "encoding"] == [4]


@pytest.mark.parametrize(
    ("text", "more", "says"),
    [
        ("", {}, "names no table"),
        ("missing", {}, "cannot be read"),
        ("SELECT * FROM", {}, "cannot be read"),
        ("DELETE FROM tx RETURNING *", {}, "cannot be read"),
        ("tx", {"watermark": "absent"}, "no such column"),
        ("SELECT load_extension('x') AS y", {}, "cannot be read"),
    ],
)
def test_what_cannot_be_read_is_said(bank, text, more, says):
    with pytest.raises(InputError, match=says) as met:
        query(bank, text, **more)
    assert met.value.do


def test_a_database_outside_the_folder(bank, tmp_path):
    inner = tmp_path / "inner"
    inner.mkdir()
    with pytest.raises(Refused):
        query(inner, origin="sqlite:///../core.db")


def test_a_database_is_no_file_of_the_source(bank):
    source = Source("core", "T", "sqlite:///core.db", query="tx")
    project = Project(bank, "p")
    assert files_of(source, project) == ()
    reading = reader(source, project, ())
    assert reading.columns == ("id", "amount", "changed", "note")
    reading.close()


def test_an_error_does_not_tell_the_password(tmp_path, monkeypatch):
    pytest.importorskip("psycopg")
    monkeypatch.setenv("SECRET", "hunter2")
    origin = "postgresql://user:${env:SECRET}@127.0.0.1:1/none"
    with pytest.raises(InputError) as met:
        query(tmp_path, "tx", origin=origin)
    assert "hunter2" not in str(met.value)


@pytest.mark.postgres
@pytest.mark.skipif("HEPTAD_POSTGRES" not in os.environ, reason="no PostgreSQL server is named")
def test_postgresql(tmp_path):
    import psycopg

    url = os.environ["HEPTAD_POSTGRES"]
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("DROP TABLE IF EXISTS heptad_tx")
        connection.execute(
            "CREATE TABLE heptad_tx (id int, amount numeric(20, 4), at timestamptz, ok bool, j jsonb)"
        )
        connection.execute(
            "INSERT INTO heptad_tx SELECT n, n + 0.1000, '2026-01-01Z'::timestamptz + n * '1 day'"
            "::interval, n % 2 = 0, '{\"a\": [1]}' FROM generate_series(1, 5) AS n"
        )
    first = query(tmp_path, "heptad_tx", origin=url, watermark="at")
    rows = rows_of(first)
    assert rows[0]["amount"] == "1.1000"
    assert rows[1]["ok"] == "true"
    assert rows[0]["j"] == '{"a": [1]}'
    assert len(rows) == 5
    text = "SELECT * FROM heptad_tx WHERE amount::text LIKE '%1000'"
    again = query(tmp_path, text, first.watermark, url, watermark="at")
    assert [r["id"] for r in rows_of(again)] == ["5"]
    gone = "WITH gone AS (DELETE FROM heptad_tx RETURNING *) SELECT * FROM gone"
    with pytest.raises(InputError):
        query(tmp_path, gone, origin=url)


def test_a_column_whose_name_is_no_text_is_refused(bank):
    path = bank / "core.db"
    path.write_bytes(path.read_bytes().replace(b"changed", b"ch\xbbnged"))
    with pytest.raises(InputError, match="cannot be read"):
        query(bank)
