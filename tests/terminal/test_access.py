# SPDX-License-Identifier: Apache-2.0
"""Who read what, and questions in SQL, on the command line and through the process that serves."""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING

import pytest

from heptad.terminal.commands.exploring import plain, unique
from heptad.terminal.verbs.exploring import as_csv
from tests.terminal.conftest import Said, heptad

if TYPE_CHECKING:
    from pathlib import Path

    from tests.terminal.conftest import Served

COUNT = "SELECT currency, count(*) AS n FROM Payment GROUP BY ALL ORDER BY n DESC"


def good(said: Said) -> Said:
    """Return what was said by a command that did not fail."""
    assert said.code == 0, said.err
    return said


def test_reads_are_listed_with_who_why_and_about_whom(served: Served) -> None:
    at = served.project
    (row,) = good(heptad("tables", "rows", "Customer", "--limit", "1", "--purpose", "service",
                         "--json", project=at)).data["rows"]  # fmt: skip
    assert heptad("tables", "rows", "Customer", "--purpose", "marketing", project=at).code == 6
    found = good(heptad("access", "--limit", "2", "--json", project=at)).data
    refused, opened = found["accesses"]
    assert (refused["result"], refused["purpose"]) == ("refused", "marketing")
    assert "may not act" in refused["asked"]["refused"]
    assert (opened["result"], opened["who"], opened["role"]) == ("opened", "local", "admin")
    assert (opened["basis"], opened["tables"], opened["people"]) == ("contract", ["Customer"], 1)
    assert opened["about"] == [f"Customer:{row['id']}"]
    one = good(heptad("access", "--subject", row["id"], "--json", project=at)).data["accesses"]
    assert [x for x in one if x["number"] == opened["number"]]
    assert not [x for x in one if x["number"] == refused["number"]]
    later = good(heptad("access", "--since", refused["when"], "--json", project=at)).data
    assert all(x["when"] >= refused["when"] for x in later["accesses"])
    soon = good(heptad("access", "--since", "2100-01-01", "--json", project=at)).data
    assert soon["accesses"] == []
    assert heptad("access", "--purpose", "service", project=at).code == 6
    printed = good(heptad("access", project=at)).out
    assert "refused" in printed
    assert "\x1b" not in printed


def test_decisions_are_explained_and_replayed_for_a_purpose(served: Served) -> None:
    at = served.project
    name = good(heptad("decisions", "--app", "fraud", "--json", project=at)).data["decisions"][0][
        "id"
    ]
    for verb in ("explain", "replay"):
        assert heptad(verb, name, "--purpose", "service", project=at).code == 6
        assert heptad(verb, name, "--purpose", "fraud", project=at).code == 6
        good(heptad(verb, name, "--purpose", "legal", project=at))
    last = good(heptad("access", "--limit", "1", "--json", project=at)).data["accesses"][0]
    assert (last["action"], last["purpose"], last["basis"]) == (
        "replay",
        "legal",
        "legal obligation",
    )


def test_the_access_log_is_verified(served: Served) -> None:
    found = good(heptad("access", "--verify", "--json", project=served.project)).data
    assert found["verified"]
    assert found["entries"] == found["heads"] or found["entries"] > found["heads"]
    assert found["note"].splitlines()[0].endswith("/access")


def test_a_question_is_answered_here_and_through_the_server(bank: Path, served: Served) -> None:
    here = good(heptad("explore", COUNT, "--json", project=bank)).data
    there = good(heptad("explore", COUNT, "--json", project=served.project)).data
    assert here == there
    assert here["columns"] == ["currency", "n"]
    assert here["rows"][0]["n"] > 100
    few = good(heptad("explore", "SELECT id FROM Payment", "--limit", "2", project=served.project))
    assert "there is more" in few.err
    assert len(few.out.splitlines()) == 3


@pytest.mark.parametrize(
    ("sql", "code"),
    [
        ("SELECT * FROM '/etc/passwd'", 4),
        ("COPY Payment TO '/tmp/x'", 6),
        ("SELECT * FROM Paymnt", 4),
        ("SELECT nothing FROM Payment", 3),
        ("SELECT", 3),
    ],
)
def test_what_is_no_question_is_told_with_its_exit_code(served: Served, sql, code) -> None:
    said = heptad("explore", sql, project=served.project)
    assert said.code == code, said.err
    assert "do:" in said.err


def test_personal_values_of_an_answer_are_masked_without_a_purpose(served: Served) -> None:
    sql = "SELECT min(email) AS e, count(DISTINCT email) AS n FROM Customer"
    (masked,) = good(heptad("explore", sql, "--json", project=served.project)).data["rows"]
    assert masked == {"e": "•••", "n": 1}
    ask = ("explore", sql, "--purpose", "service", "--json")
    (opened,) = good(heptad(*ask, project=served.project)).data["rows"]
    assert "@" in opened["e"]
    assert opened["n"] > 1
    assert heptad("explore", sql, "--purpose", "marketing", project=served.project).code == 6


def test_an_answer_is_exported_as_csv_or_lines(served: Served, tmp_path: Path) -> None:
    for name in ("answer.csv", "answer.jsonl"):
        good(
            heptad("export", "--sql", COUNT, "--out", str(tmp_path / name), project=served.project)
        )
    text = (tmp_path / "answer.csv").read_text(encoding="utf-8")
    rows = list(csv.DictReader(text.splitlines()))
    lines = (tmp_path / "answer.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["n"] for line in lines] == [int(row["n"]) for row in rows]
    assert heptad("export", "--sql", COUNT, "--out", "x.xlsx", project=served.project).code == 3
    assert heptad("export", project=served.project).code == 2
    assert "contract" in good(heptad("export", "--help")).out


def test_a_cell_that_would_be_a_formula_is_made_harmless() -> None:
    data = {"columns": ["a", "=b"], "rows": [{"a": "=1+1", "=b": -5}, {"a": "@x", "=b": None}]}
    assert as_csv(data) == "a,'=b\n'=1+1,-5\n'@x,\n"


def test_values_of_an_answer_are_plain() -> None:
    from datetime import UTC, date, datetime
    from decimal import Decimal

    at = datetime(2026, 1, 1, tzinfo=UTC)
    assert plain(at) == plain(at.replace(tzinfo=None)) == "2026-01-01T00:00:00Z"
    assert [plain(v) for v in (True, 2**53 + 1, Decimal("1.50"), date(2026, 1, 1), None, b"x")] == [
        True, str(2**53 + 1), "1.50", "2026-01-01", None, "b'x'",
    ]  # fmt: skip
    assert plain({"a": [1, {"b": 2.5}]}) == {"a": [1, {"b": 2.5}]}
    assert unique(["a", "a", "b", "a"]) == ["a", "a_2", "b", "a_3"]
