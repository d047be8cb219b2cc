# SPDX-License-Identifier: Apache-2.0
"""What somebody sees who binds a file for the first time: which word, which list, which line."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from heptad.runtime import discover
from tests.terminal.conftest import heptad

if TYPE_CHECKING:
    from pathlib import Path

ROWS = """id,event_time,customer,amount,currency,state
p1,2026-03-01T09:00:00Z,c1,10.00,EUR,authorised
p2,2026-03-01T10:00:00Z,c2,20.00,EUR,paid
p3,2026-03-02T10:00:00Z,c1,30.00,EUR,
"""
PROJECT = """[[source]]
table = "Payment"
from = "payments.csv"

[source.map]
id = "id"
status = "state"
"""


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("first")
    (folder / "payments.csv").write_text(ROWS)
    (folder / "heptad.toml").write_text(PROJECT)
    assert heptad("load", project=folder).code == 0
    return folder


def test_the_field_the_word_and_the_words_allowed_are_told(first: Path) -> None:
    (code,) = (
        row
        for row in heptad("quarantine", "list", "--json", project=first).data["reasons"]
        if row["reason"] == "code"
    )
    assert (code["field"], code["words"]) == ("status", ["paid"])
    assert code["allowed"] == "authorised, declined, reversed"
    assert "{ status = {" in code["do"]
    said = heptad("quarantine", "list", project=first).out
    assert "Payment.status: 'paid' came; allowed are authorised, declined, reversed" in said
    said = heptad("quarantine", "show", "Payment", project=first).out
    assert "Payment.status is not in its list of codes." in said
    assert "Payment.status takes authorised, declined, reversed" in said


def test_a_table_shows_its_lists_of_codes(first: Path) -> None:
    said = heptad("tables", "show", "Payment", project=first).out
    assert "status is one of: authorised, declined, reversed" in said


def test_features_that_count_nothing_are_named(first: Path) -> None:
    silent = heptad("apps", "fraud", "--json", project=first).data["silent"]
    assert "Payment.channel" in silent["previous_country"]
    assert "count_1h" not in silent
    assert "previous_country counts nothing" in heptad("apps", "fraud", project=first).out
    checks = heptad("doctor", "--json", project=first).data["checks"]
    (told,) = (check for check in checks if check["what"] == "features of fraud")
    assert "Payment.channel" in told["found"]
    assert told["ok"]


def test_applications_are_listed_without_a_project(tmp_path: Path) -> None:
    listed = heptad("apps", "--json", project=tmp_path)
    assert listed.code == 0
    assert {app["name"] for app in listed.data["apps"]} == discover().keys()


def test_an_application_that_the_server_does_not_know_is_named(
    first: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    apps = discover()
    monkeypatch.setattr("heptad.runtime.discover", lambda: apps)
    assert "start it again" not in heptad("apps", project=first).out
    later = {**apps, "leasing": apps["fraud"]}
    asked = iter([apps])  # the project was opened before it came
    monkeypatch.setattr("heptad.runtime.discover", lambda: next(asked, later))
    assert "leasing: installed after the server was started" in heptad("apps", project=first).out


def test_a_map_that_cannot_be_read_is_told_by_its_own_line(tmp_path: Path) -> None:
    (tmp_path / "payments.csv").write_text(ROWS)
    (tmp_path / "heptad.toml").write_text(PROJECT.replace('"state"', '"upper(state"'))
    failed = heptad("load", project=tmp_path)
    assert failed.code == 3
    assert "heptad.toml line 7, map of status" in failed.err
