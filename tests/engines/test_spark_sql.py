# SPDX-License-Identifier: Apache-2.0
"""The SQL of plans for Spark, and what is said where Spark cannot be had."""

from __future__ import annotations

import importlib.util

import pytest
import sqlglot
from sqlglot import exp

from heptad.engine.spark import session
from heptad.engine.spark.dialect import KNOWN, tables_in, to_spark
from heptad.engine.spark.pictures import mermaid, svg, text
from heptad.engine.spark.plans import Stage, shuffles
from heptad.service.batch.windows import Stored, plan
from heptad.service.features import latest, named
from heptad.standards.errors import Busy, ContractError
from heptad.standards.model import Label, Payment, Rate
from tests.service import test_windows

TABLES = {
    Payment: Stored("payments", corrected=True),
    Label: Stored("labels", corrected=False),
    Rate: Stored("rates", corrected=True),
}
ASKED = [*test_windows.FEATURES,
         *named({"into": latest(Payment.amount, by=test_windows.BY, into="EUR")}).values()]  # fmt: skip


def test_plans_use_only_functions_that_were_compared():
    for query in plan(ASKED, TABLES.__getitem__, Payment, (0, 10**9)):
        text = to_spark(query.sql, {"spine": "spine_7"})
        tree = sqlglot.parse_one(text, read="spark")
        assert {t.name for t in tree.find_all(exp.Table)} & {"spine", "spine_7"} == {"spine_7"}
        assert "INTERVAL" not in text
        assert not {"FIRST_VALUE", "LAST_VALUE", "NOW"} & set(text.split("("))


@pytest.mark.parametrize("sql", ["SELECT epoch_us(a) FROM t", "SELECT entropy(a) FROM t",
                                 "SELECT median(a) FROM t", "SELECT now() FROM t"])  # fmt: skip
def test_other_functions_are_refused_by_name(sql):
    with pytest.raises(ContractError, match="was not compared"):
        to_spark(sql)
    assert "MEDIAN" not in KNOWN


GOLDEN = {
    "SELECT sum(x)::BIGINT FROM t": (
        "SELECT CAST((CAST(SUM(SHIFTRIGHT(`x`, 32)) AS DECIMAL(38, 0)) * CAST(4294967296 AS "
        "DECIMAL(38, 0)) + CAST(SUM(`x` & 4294967295) AS DECIMAL(38, 0))) AS BIGINT) FROM `t`"
    ),
    "SELECT arg_max(v, (a, b)) FILTER (WHERE c) FROM t": (
        "SELECT MAX_BY(`v`, STRUCT(`a`, `b`)) FILTER(WHERE (`c`) AND NOT `v` IS NULL) FROM `t`"
    ),
    "SELECT greatest(a), least(a, b), a // 2 FROM t": (
        "SELECT `a`, LEAST(`a`, `b`), `a` DIV 2 FROM `t`"
    ),
    "SELECT 'it''s a\\b' FROM t": "SELECT 'it\\'s a\\\\b' FROM `t`",
}


@pytest.mark.parametrize("sql", GOLDEN)
def test_what_spark_is_told(sql):
    assert to_spark(sql) == GOLDEN[sql]


def test_tables_are_found_and_names_that_a_query_makes_are_not():
    assert tables_in("WITH a AS (SELECT * FROM b) SELECT * FROM a JOIN c ON true") == {"b", "c"}


def test_a_missing_spark_says_how_to_get_it(monkeypatch):
    monkeypatch.setenv("JAVA_HOME", "/nowhere")
    with pytest.raises(Busy, match="Java 17") as said:
        session.ready()
    assert "JAVA_HOME=/nowhere" in str(said.value)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(Busy, match=r"heptad\[spark\]"):
        session.ready()


def test_a_plan_is_drawn_with_its_shuffles():
    first = Stage(1, [("Scan parquet", "2 files [a, b]")])
    small = Stage(2, [("LocalTableScan", "[<c>]")])
    last = Stage(3, [("SortMergeJoin", "[a]")], [(first, "hash", "a, 2"), (small, "broadcast", "")])
    stages = [first, small, last]
    assert shuffles(stages) == 1
    assert "stage 3\n  <- stage 1 shuffle by hash a, 2\n  <- stage 2 broadcast" in text(stages)
    assert 's1 -->|"shuffle by hash a, 2"| s3' in mermaid(stages)
    assert 's2 -.->|"broadcast to all"| s3' in mermaid(stages)
    drawn = svg(stages, "a & b")
    assert drawn.count("<rect") == 3
    assert drawn.count("<path") == 3
    assert "&lt;c&gt;" in drawn
    assert "a &amp; b" in drawn
