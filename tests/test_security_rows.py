# SPDX-License-Identifier: Apache-2.0
"""Each row of ASVS that we answer says how it stands, and by which tests, which exist."""

from __future__ import annotations

import ast
import csv
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
STATES = {"holds", "partly", "proxy", "absent", "n/a"}
ANSWERED = """
1.2.4 1.2.5 1.2.10 1.3.2 1.3.6 1.5.2 5.1.1 5.2.1 5.2.3 5.3.2 5.3.3 2.2.1 2.2.3 2.3.3 2.3.4 2.3.5 2.4.1
3.3.1 3.4.1 3.4.3 3.5.1 4.1.4 4.2.1 15.3.1 15.3.3 6.2.4 6.3.1 6.3.3 7.3.1 7.4.1 7.4.2 7.5.3
9.1.1 9.1.2 9.1.3 9.2.1 9.2.2 9.2.3 10.3.1 10.3.5 8.1.1 8.1.2 8.2.1 8.2.2 8.2.3 8.3.1 8.3.2 8.3.3 8.4.1
11.1.1 11.2.2 11.3.2 11.3.4 11.5.1 12.1.1 12.3.1 13.3.1 13.3.2 13.3.4 14.1.1 14.2.2 14.2.4 14.2.6 14.2.7
15.1.1 15.1.2 15.2.1 15.2.4 13.1.2 13.1.3 15.1.3 15.2.2 15.4.1 15.4.2 16.1.1 16.2.1 16.2.5
16.3.1 16.3.2 16.3.3 16.4.1 16.4.2 16.4.3 16.5.1 16.5.2 16.5.3 16.5.4
"""


def rows():
    with (ROOT / "docs/security/asvs.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@cache
def names_in(path):
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def test_all_rows_are_answered_once():
    assert sorted(row["id"] for row in rows()) == sorted(ANSWERED.split())


@pytest.mark.parametrize("row", rows(), ids=lambda row: row["id"])
def test_a_row_says_how_it_stands_and_names_tests_that_exist(row):
    assert row["state"] in STATES
    assert row["level"] in {"1", "2", "3"}
    assert row["control"]
    named = [test.split("::") for test in row["tests"].split()]
    assert all(name in names_in(path) for path, name in named)
    assert named or row["state"] != "holds"
