# SPDX-License-Identifier: Apache-2.0
"""Hostile SQL: nothing but a question over declared tables passes, and nothing escapes its process."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest

from heptad.engine.local.worker import Limits, answer_question
from heptad.engine.sql.questions import DEEPEST, LONGEST, MOST_TOKENS, check_question
from heptad.standards.errors import Busy, HeptadError, InputError, Refused, UnknownName

if TYPE_CHECKING:
    from pathlib import Path

TABLES = {
    "Payment": ["id", "event_time", "customer", "amount", "currency", "note"],
    "Customer": ["id", "event_time", "name", "city"],
}
CANARY = "c4n4ry-of-another-folder"

HOSTILE = {
    "file as a table": "SELECT * FROM '{secret}'",
    "file quoted": 'SELECT * FROM "{secret}"',
    "read_text": "SELECT * FROM read_text('{secret}')",
    "read_blob": "SELECT * FROM read_blob('{secret}')",
    "read_csv": "SELECT * FROM read_csv('{secret}')",
    "read_csv_auto": "SELECT * FROM read_csv_auto('{secret}', all_varchar=true)",
    "read_parquet": "SELECT * FROM read_parquet('tables/*/*.parquet')",
    "read_json": "SELECT * FROM read_json('{secret}')",
    "read_ndjson_objects": "SELECT * FROM read_ndjson_objects('{secret}')",
    "parquet_scan": "SELECT * FROM parquet_scan('x.parquet')",
    "parquet_metadata": "SELECT * FROM parquet_metadata('x.parquet')",
    "sniff_csv": "SELECT * FROM sniff_csv('{secret}')",
    "glob": "SELECT * FROM glob('/**')",
    "delta_scan": "SELECT * FROM delta_scan('tables/Customer')",
    "sqlite_scan": "SELECT * FROM sqlite_scan('catalog.sqlite', 'key')",
    "postgres_scan": "SELECT * FROM postgres_scan('host=127.0.0.1', 'public', 't')",
    "arrow_scan": "SELECT * FROM arrow_scan(1, 2, 3)",
    "web address": "SELECT * FROM 'http://127.0.0.1/x.csv'",
    "s3": "SELECT * FROM read_parquet('s3://bucket/x')",
    "in a sub-query": "SELECT (SELECT max(content) FROM read_text('{secret}')) FROM Payment",
    "in a CTE": "WITH x AS (SELECT * FROM read_text('{secret}')) SELECT * FROM x",
    "in EXISTS": "SELECT * FROM Payment WHERE EXISTS (SELECT 1 FROM glob('/*'))",
    "in a join": "SELECT * FROM Payment p JOIN read_csv('{secret}') r ON true",
    "in a lateral": "SELECT * FROM Payment p, LATERAL (SELECT * FROM read_text(p.id))",
    "in ORDER BY": "SELECT * FROM Payment ORDER BY (SELECT count(*) FROM glob('*'))",
    "in a union": "SELECT id FROM Payment UNION ALL SELECT content FROM read_text('{secret}')",
    "copy out": "COPY Payment TO '{out}'",
    "copy in": "COPY Payment FROM '{secret}'",
    "copy of a query": "COPY (SELECT * FROM Payment) TO '{out}' (FORMAT csv)",
    "export": "EXPORT DATABASE '{out}'",
    "attach": "ATTACH 'catalog.sqlite' AS other (TYPE sqlite)",
    "detach": "DETACH memory",
    "use": "USE memory",
    "install": "INSTALL httpfs",
    "load": "LOAD '{secret}'",
    "set": "SET enable_external_access = true",
    "reset": "RESET enable_external_access",
    "pragma": "PRAGMA database_list",
    "pragma as a function": "SELECT * FROM pragma_database_list()",
    "call": "CALL duckdb_settings()",
    "settings": "SELECT * FROM duckdb_settings()",
    "secrets": "SELECT * FROM duckdb_secrets()",
    "tables of the engine": "SELECT * FROM duckdb_tables()",
    "catalog": "SELECT * FROM information_schema.tables",
    "sqlite_master": "SELECT * FROM sqlite_master",
    "pg_catalog": "SELECT * FROM pg_catalog.pg_class",
    "another schema": "SELECT * FROM main.Payment",
    "another database": "SELECT * FROM system.main.duckdb_settings",
    "an undeclared table": "SELECT * FROM owner_keys",
    "environment": "SELECT getenv('HOME')",
    "setting": "SELECT current_setting('temp_directory')",
    "set a variable": "SET VARIABLE x = 1",
    "variable": "SELECT getvariable('x')",
    "table by name": "SELECT * FROM query_table('Payment')",
    "query by text": "SELECT * FROM query('SELECT 1')",
    "json to SQL": "SELECT * FROM json_execute_serialized_sql('x')",
    "two statements": "SELECT 1; DROP TABLE Payment",
    "two questions": "SELECT 1 FROM Payment; SELECT 2 FROM Payment",
    "create": "CREATE TABLE x AS SELECT * FROM Payment",
    "create view": "CREATE VIEW Payment AS SELECT 1",
    "create macro": "CREATE MACRO f(a) AS a + 1",
    "create secret": "CREATE SECRET s (TYPE s3, KEY_ID 'a', SECRET 'b')",
    "drop": "DROP TABLE Payment",
    "alter": "ALTER TABLE Payment ADD COLUMN x INT",
    "insert": "INSERT INTO Payment SELECT * FROM Payment",
    "update": "UPDATE Payment SET amount = 0",
    "delete": "DELETE FROM Payment",
    "truncate": "TRUNCATE Payment",
    "merge": "MERGE INTO Payment USING Customer ON true WHEN MATCHED THEN DELETE",
    "explain": "EXPLAIN ANALYZE SELECT * FROM Payment",
    "describe": "DESCRIBE Payment",
    "summarize": "SUMMARIZE Payment",
    "show": "SHOW TABLES",
    "vacuum": "VACUUM",
    "checkpoint": "FORCE CHECKPOINT",
    "prepare": "PREPARE p AS SELECT 1",
    "execute": "EXECUTE p",
    "begin": "BEGIN TRANSACTION",
    "pivot": "PIVOT Payment ON customer USING sum(amount)",
    "unpivot": "UNPIVOT Payment ON amount INTO NAME n VALUE v",
    "values": "VALUES (1), (2)",
    "into": "SELECT * INTO x FROM Payment",
    "for update": "SELECT * FROM Payment FOR UPDATE",
    "sample": "SELECT * FROM Payment USING SAMPLE 10%",
    "parameter": "SELECT * FROM Payment WHERE id = $1",
    "placeholder": "SELECT * FROM Payment WHERE id = ?",
    "position": "SELECT #1 FROM Payment",
    "columns": "SELECT COLUMNS('.*') FROM Payment",
    "list": "SELECT [1, 2] FROM Payment",
    "lambda": "SELECT list_transform([1], x -> x) FROM Payment",
    "unnest": "SELECT unnest([1, 2])",
    "range": "SELECT * FROM range(100000000000)",
    "generate_series": "SELECT * FROM generate_series(1, 1000000000)",
    "repeat": "SELECT repeat('x', 2000000000) FROM Payment",
    "pad": "SELECT lpad(id, 2000000000, 'x') FROM Payment",
    "recursion": "WITH RECURSIVE t AS (SELECT 1 AS n UNION ALL SELECT n FROM t) SELECT * FROM t",
    "quoted function": "SELECT * FROM \"read_text\"('{secret}')",
    "mixed case": "SELECT * FROM ReAd_TeXt('{secret}')",
    "a comment between": "SELECT * FROM read_text/**/('{secret}')",
    "dotted function": "SELECT * FROM main.read_text('{secret}')",
    "as a method": "SELECT '{secret}'.read_text() FROM Payment",
    "type": "SELECT '{secret}'::STRUCT(a INT) FROM Payment",
    "sleep": "SELECT pg_sleep(100)",
    "version": "SELECT version()",
    "random": "SELECT random() FROM Payment",
    "nextval": "SELECT nextval('x')",
    "error": "SELECT error(name) FROM Customer",
    "nul": "SELECT 1 FROM Payment\0",
    "half a character": "SELECT '\ud800' FROM Payment",
    "open quote": "SELECT 'x FROM Payment",
    "open comment": "SELECT 1 /* FROM Payment",
    "nothing": "",
    "only a comment": "-- hello",
    "no SQL": "please show me all customers",
    "deep": "SELECT " + "(" * (DEEPEST + 1) + "1" + ")" * (DEEPEST + 1) + " FROM Payment",
    "very deep": "SELECT " + "(" * 9_000 + "1" + ")" * 9_000,
    "deep without brackets": "SELECT " + "NOT " * 2_500 + "true FROM Payment",
    "long": "SELECT '" + "x" * LONGEST + "' FROM Payment",
    "many": "SELECT " + ", ".join(["1"] * MOST_TOKENS) + " FROM Payment",
}  # fmt: skip


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A file that nobody may read, and a path that nobody may write."""
    folder: Path = tmp_path_factory.mktemp("outside")
    (folder / "secret.csv").write_text(f"a\n{CANARY}\n", encoding="utf-8")
    return {"secret": str(folder / "secret.csv"), "out": str(folder / "out.csv")}


def filled(sql: str, places: dict[str, str]) -> str:
    """Put the paths in."""
    for name, path in places.items():
        sql = sql.replace("{" + name + "}", path)
    return sql


@pytest.mark.parametrize("sql", HOSTILE.values(), ids=HOSTILE)
def test_what_is_no_question_is_refused(sql: str, places: dict[str, str]) -> None:
    began = time.process_time()
    with pytest.raises((Refused, InputError, UnknownName)) as found:
        check_question(filled(sql, places), TABLES)
    assert found.value.do
    assert time.process_time() - began < 2


def test_there_are_enough_of_them() -> None:
    assert len(HOSTILE) >= 60


QUESTIONS = {
    "SELECT count(*) FROM Payment": {"Payment": []},
    "select SUM(amount) s, customer from payment group by all having s > 3 order by s desc limit 5":
        {"Payment": ["customer", "amount"]},
    "SELECT * FROM Payment": {"Payment": TABLES["Payment"]},
    "SELECT p.*, c.city FROM Payment p LEFT JOIN Customer c ON p.customer = c.id":
        {"Payment": TABLES["Payment"], "Customer": TABLES["Customer"]},
    "WITH x AS (SELECT customer, amount FROM Payment), y AS (SELECT * FROM x) SELECT * FROM y":
        {"Payment": TABLES["Payment"]},
    "SELECT id FROM Payment EXCEPT SELECT id FROM Customer":
        {"Payment": ["id"], "Customer": ["id"]},
    "SELECT row_number() OVER (PARTITION BY customer ORDER BY event_time) n FROM Payment QUALIFY n = 1":
        {"Payment": ["event_time", "customer"]},
    "SELECT date_trunc('month', event_time) m, median(amount), quantile_cont(amount, 0.9), "
    "count(DISTINCT customer), arg_max(id, amount), string_agg(id, ',') FROM Payment GROUP BY 1":
        {"Payment": ["id", "event_time", "customer", "amount"]},
    "SELECT CASE WHEN amount > 5 THEN 'a' ELSE lower(note) END, amount::DOUBLE / 2, "
    "try_cast(note AS INT) FROM Payment WHERE note LIKE '%x' AND amount BETWEEN 1 AND 9 "
    "AND event_time > TIMESTAMP '2026-01-01' AND customer IN (SELECT id FROM Customer)":
        {"Payment": ["id", "event_time", "customer", "amount", "note"],
         "Customer": ["id", "event_time"]},
    "SELECT event_time - INTERVAL 1 DAY, extract(year FROM event_time), strftime(event_time, '%Y'), "
    "regexp_matches(note, '^a'), note || 'x', amount % 7, round(amount / 3, 2) FROM Payment":
        {"Payment": ["event_time", "amount", "note"]},
    "FROM Payment SELECT max(amount) FILTER (WHERE currency = 'EUR')":
        {"Payment": ["amount", "currency"]},
    "SELECT 'a; DROP TABLE Payment' AS t FROM Payment": {"Payment": []},
}  # fmt: skip


@pytest.mark.parametrize(("sql", "reads"), QUESTIONS.items())
def test_questions_are_let_in_with_the_columns_that_they_name(sql: str, reads) -> None:
    assert check_question(sql, TABLES).reads == reads


def some_rows(n: int = 3) -> dict[str, pa.Table]:
    """Return a table of payments."""
    return {
        "Payment": pa.table({
            "id": [f"p{i}" for i in range(n)],
            "event_time": pa.array(range(n), pa.int64()).cast(pa.timestamp("us")),
            "customer": [f"c{i % 7}" for i in range(n)],
            "amount": list(range(n)),
            "currency": ["EUR"] * n,
            "note": ["x" * 1000] * n,
        })
    }  # fmt: skip


def ask(
    sql: str, rows: dict[str, pa.Table] | None = None, limits: Limits | None = None
) -> pa.Table:
    """Check a question and let it be answered."""
    question = check_question(sql, TABLES)
    return answer_question(question.sql, rows or some_rows(), limits or Limits()).rows


def test_questions_are_answered() -> None:
    found = ask("SELECT customer, sum(amount) AS s FROM Payment GROUP BY customer ORDER BY s DESC")
    assert found.to_pylist() == [{"customer": f"c{n}", "s": n} for n in (2, 1, 0)]
    sql = '"Payment" AS p'
    answer = answer_question(f"SELECT * FROM {sql}", some_rows(10), Limits(rows=4))
    assert (answer.rows.num_rows, answer.more) == (4, True)
    with pytest.raises(InputError, match="cannot be answered"):
        ask("SELECT nothing FROM Payment")
    with pytest.raises(InputError) as told:
        answer_question("SELECT 'ana@example.com'::INT", {}, Limits())
    assert "ana@example.com" not in str(told.value)


SECOND_WALL = {
    "a file": "SELECT * FROM '{secret}'",
    "read_text": "SELECT content FROM read_text('{secret}')",
    "glob": "SELECT * FROM glob('/*')",
    "copy": "COPY (SELECT 1) TO '{out}'",
    "closing the bracket": "SELECT 1) TO '{out}'; SELECT * FROM (SELECT 2",
    "closing it with a comment": "SELECT content FROM read_text('{secret}')) -- ",
    "a setting": "SELECT set_config('enable_external_access', 'true')",
    "the environment": "SELECT getenv('PATH')",
    "the process": "SELECT * FROM read_text('/proc/self/environ')",
}


@pytest.mark.slow
@pytest.mark.parametrize("sql", SECOND_WALL.values(), ids=SECOND_WALL)
def test_behind_the_list_the_process_itself_reaches_nothing(sql: str, places) -> None:
    """As if the allow-list had a hole: the text goes to the process unchecked."""
    with pytest.raises(HeptadError) as found:
        answer_question(filled(sql, places), {}, Limits())
    assert CANARY not in str(found.value)
    assert not os.path.lexists(places["out"])


BOMBS = {
    "cross joins": "SELECT count(*) FROM Payment a, Payment b, Payment c, Payment d WHERE "
    "a.amount + b.amount + c.amount + d.amount = -1",
    "memory": "SELECT a.note || b.note || c.note, count(*) FROM Payment a, Payment b, Payment c "
    "GROUP BY ALL",
    "answer": "SELECT a.*, b.*, c.note || a.note FROM Payment a, Payment b, Payment c",
    "sort": "SELECT a.note, b.note, c.note FROM Payment a, Payment b, Payment c ORDER BY ALL",
    "windows": "SELECT string_agg(a.note, ',') OVER (ORDER BY a.id, b.id) FROM Payment a, Payment b",
    "pattern": "SELECT count(*) FROM Payment a, Payment b, Payment c WHERE "
    "regexp_matches(a.note || b.note || c.note, '(x+x+)+y')",
}


@pytest.mark.slow
@pytest.mark.parametrize("sql", BOMBS.values(), ids=BOMBS)
def test_a_bomb_ends_within_its_limits_and_harms_nobody(sql: str) -> None:
    began = time.monotonic()
    with pytest.raises(Busy, match="stopped") as found:
        ask(sql, some_rows(3_000), Limits(rows=1_000_000))
    assert found.value.do
    # The time until the process has started is the machine's.
    assert time.monotonic() - began < 5 + 20
    assert ask("SELECT 1 AS alive FROM Payment LIMIT 1").to_pylist() == [{"alive": 1}]
