# SPDX-License-Identifier: Apache-2.0
"""SQLite: damage, locks, queries that write or run for ever, values of any type."""

from __future__ import annotations

import sqlite3
from contextlib import closing

from tests.faults.malformed.case import GOOD, HEAD, Case, loaded, refused

SQLITE = "sqlite:///in/a.db"
TABLE = 'query = "pay"\n'


def database(*statements):
    """Return what makes a database of one good payment and runs statements in it."""

    def make(folder):
        with closing(sqlite3.connect(folder / "a.db")) as db, db:
            db.execute(f"CREATE TABLE pay ({HEAD})")
            db.execute("INSERT INTO pay VALUES (?, ?, ?, ?, ?, ?)", GOOD.split(","))
            for statement in statements:
                db.execute(statement)

    return make


def sqlite(name, given, wants, source=TABLE, **more):
    """Return a case of a SQLite file."""
    return Case(name, given, wants, source, file="a.db", origin=SQLITE, **more)


def query(name, text, wants, *statements):
    """Return a case of a query."""
    return sqlite(name, database(*statements), wants, f"query = '''{text}'''\n")


def value(name, expression, wants, column="amount"):
    """Return a case of a second payment with a value made by SQL."""
    columns = [f"'{v}'" for v in GOOD.split(",")]
    columns[0] = "'p2'"
    columns[HEAD.split(",").index(column)] = expression
    return sqlite(name, database(f"INSERT INTO pay SELECT {', '.join(columns)}"), wants)


def _damaged(folder):
    database(*("INSERT INTO pay SELECT * FROM pay" for _ in range(10)))(folder)
    data = bytearray((folder / "a.db").read_bytes())
    data[4096:4106] = b"\xff" * 10
    (folder / "a.db").write_bytes(data)


def _cut(folder):
    database(*("INSERT INTO pay SELECT * FROM pay" for _ in range(10)))(folder)
    data = (folder / "a.db").read_bytes()
    (folder / "a.db").write_bytes(data[: len(data) // 2])


def _locked(folder):
    database()(folder)
    held = sqlite3.connect(folder / "a.db")
    held.execute("BEGIN EXCLUSIVE")
    return held


def _schema(folder):
    """A schema whose text is nonsense."""
    database()(folder)
    with closing(sqlite3.connect(folder / "a.db")) as db, db:
        db.execute("PRAGMA writable_schema = ON")
        db.execute("UPDATE sqlite_master SET sql = 'CREATE TABLE pay (((('")


CASES = [
    sqlite("a file that is not there", None, refused("input", "No file")),
    sqlite("an empty file", b"", refused("input", "no such table")),
    sqlite("text named .db", f"{HEAD}\n{GOOD}\n", refused("input", "not a database")),
    sqlite("a file cut in the middle", _cut, refused("input", "malformed")),
    sqlite("a damaged page", _damaged, refused("input", "malformed")),
    sqlite("a damaged schema", _schema, refused("input", "malformed")),
    sqlite("a database that is locked", _locked, refused("busy", "locked", "again")),
    sqlite("no query", database(), refused("input", "names no table", "query"), ""),
    sqlite("a table that is not there", database(), refused("input", "no such table: payy"),
           'query = "payy"\n'),
    query("several statements", "SELECT * FROM pay; DELETE FROM pay", refused("input", "query")),
    query("a query that closes the bracket", "SELECT * FROM pay) AS x; DROP TABLE pay; --",
          refused("input", "query")),
    query("a query that deletes", "DELETE FROM pay RETURNING *", refused("input", "query")),
    query("a query that attaches", "ATTACH '/etc/passwd' AS x", refused("input", "query")),
    query("a query that reads a file", "SELECT readfile('/etc/passwd')",
          refused("input", "readfile")),
    query("a query that loads an extension", "SELECT load_extension('x')", refused("input", "query")),
    query("a query that sets", "PRAGMA journal_mode = DELETE", refused("input", "query")),
    query("a query over pragmas", "SELECT * FROM pragma_database_list", refused("input", "query")),
    query("a view with a trigger that writes", "SELECT * FROM seen", loaded(1),
          "CREATE VIEW seen AS SELECT * FROM pay",
          "CREATE TRIGGER t INSTEAD OF UPDATE ON seen BEGIN DELETE FROM pay; END"),
    query("a view on a table that is gone", "SELECT * FROM seen", refused("input", "gone"),
          "CREATE VIEW seen AS SELECT * FROM gone"),
    query("a blob of 900 MB", "SELECT *, hex(zeroblob(450000000)) AS more FROM pay",
          refused("input", "too big", "leave out")),
    query("a blob of 900 MB within a view", "SELECT * FROM large", refused("input", "too big"),
          "CREATE VIEW large AS SELECT pay.*, zeroblob(900000000) AS more FROM pay"),
    query("a join of a trillion rows",
          "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 1000000) "
          "SELECT count(*) AS id FROM n a, n b", refused("input", "interrupted", "no row")),
    query("a query of 2,500 columns",
          "SELECT " + ", ".join(f"{n} AS c{n}" for n in range(2500)) + " FROM pay",
          refused("input", "columns")),
    query("a column name twice", "SELECT *, id FROM pay", loaded(1)),
    query("SQL in a column's name", 'SELECT *, 1 AS "x""; DROP TABLE pay; --" FROM pay', loaded(1)),
    sqlite("SQL in a watermark", database(), refused("input", "watermark", "use one of"),
           TABLE + "watermark = '''id\"; DROP TABLE pay; --'''\n"),
    value("an amount as a real number", "0.1 + 0.2", loaded(1, decimals=1)),
    value("an amount as infinity", "9e999", loaded(1, parse=1)),
    value("an amount of 2^63 - 1", "9223372036854775807", loaded(1, overflow=1)),
    value("an amount as text with a zero byte", "'1' || char(0) || '0'", loaded(1, control=1)),
    value("an amount as bytes", "x'ff00'", loaded(1, encoding=1)),
    value("text that is no UTF-8", "CAST(x'ff41' AS TEXT)", loaded(1, encoding=1), "customer"),
    value("SQL in a value", "'''; DROP TABLE Payment; --'", loaded(2), "customer"),
]  # fmt: skip
