# SPDX-License-Identifier: Apache-2.0
"""The commands of rules, flows and lists, as people type them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from heptad.runtime import discover
from tests.terminal.conftest import heptad

if TYPE_CHECKING:
    from pathlib import Path

FLOW = discover()["fraud"].flow.own.text
RULES = """
rules: night
version: 1
on: Payment
policy: {most: 2}
do:
- {code: BURST, when: {ge: [{feature: count_10m}, {policy: most}]}, outcome: hold}
- {code: LARGE, when: {gt: [{column: amount}, {money: ["100.00", EUR]}]}, outcome: challenge}
"""


def test_rules_are_checked_and_tried(own: Path, tmp_path: Path) -> None:
    file, rows = tmp_path / "night.yaml", tmp_path / "rows.jsonl"
    file.write_text(RULES)
    rows.write_text('{"count_10m": 2, "amount": 10000}\n{"amount": 10001}\n')
    checked = heptad("rules", "check", str(file), "--app", "fraud", "--json", project=own)
    assert [r["code"] for r in checked.data["rules"]] == ["BURST", "LARGE"]
    tried = heptad("rules", "test", str(file), str(rows), "--app", "fraud", "--json", project=own)
    assert [a["fired"] for a in tried.data["answers"]] == [["BURST"], ["LARGE"]]
    file.write_text(RULES.replace("amount", "amuont"))
    wrong = heptad("rules", "check", str(file), "--app", "fraud", project=own)
    assert wrong.code == 4
    assert "night.yaml line 8" in wrong.err
    assert "did you mean 'amount'?" in wrong.err


@pytest.mark.slow
def test_a_flow_is_tried_and_published_by_two_people(own: Path, tmp_path: Path) -> None:
    file = tmp_path / "flow.yaml"
    file.write_text(FLOW.replace("burst_payments: 4", "burst_payments: 1"))
    tried = heptad("flow", "backtest", "fraud", str(file), "--json", project=own).data
    assert tried["changed"] > 0
    assert tried["rows"] == sum(s["rows"] for s in tried["swaps"])
    proposed = heptad(
        "flow", "propose", "fraud", str(file), "--who", "ann", "--json", project=own
    ).data
    number, sha256 = str(proposed["number"]), proposed["sha256"]
    early = heptad("flow", "publish", "fraud", str(file), "--who", "bob", project=own)
    assert early.code == 5
    approval = ("--sha256", sha256[:12], "--note", "swaps reviewed")
    alone = heptad("flow", "approve", "fraud", number, "--who", "ann", *approval, project=own)
    assert alone.code == 6
    assert (
        heptad("flow", "approve", "fraud", number, "--who", "bob", *approval, project=own).code == 0
    )
    approved = file.read_text()
    file.write_text(approved + "\n")
    swapped = heptad("flow", "publish", "fraud", str(file), "--who", "bob", project=own)
    assert swapped.code == 5
    file.write_text(approved)
    assert heptad("flow", "publish", "fraud", str(file), "--who", "bob", project=own).code == 0
    shown = heptad("flow", "show", "fraud", "--form", "svg", project=own).out
    assert shown.startswith("<svg")
    assert (
        json.loads(heptad("flow", "show", "fraud", "--json", project=own).out)["sha256"] == sha256
    )
    drawn = heptad("flow", "show", "fraud", "--form", "mermaid", project=own).out
    assert "checks: 6 rules" in drawn
    again = heptad("flow", "list", "fraud", "--json", project=own).data["flows"]
    assert [f["stage"] for f in again] == ["champion"]


@pytest.mark.parametrize("times", [1, 2])
def test_a_list_is_uploaded_once(own: Path, tmp_path: Path, times: int) -> None:
    file = tmp_path / "watched.csv"
    file.write_text("merchant,until\nm1,2030-12-01\nm2,\n")
    for _ in range(times):
        said = heptad("lists", "upload", "watched", str(file), "--column", "merchant",
                      "--since", "2026-01-05", "--json", project=own)  # fmt: skip
        assert said.code == 0, said.err
    assert said.data["stored"] == (2 if times == 1 else 0)
    assert heptad("lists", "--json", project=own).data["lists"][0]["entries"] == 2
    shown = heptad("lists", "show", "watched", "--json", project=own).data["entries"]
    assert {e["key"]: e["until"][:10] for e in shown} == {"m1": "2030-12-01", "m2": "9999-12-31"}
