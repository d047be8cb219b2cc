# SPDX-License-Identifier: Apache-2.0
"""The verbs of operators: backup while served, restore, upgrade, impact, diff and search."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from heptad.terminal.commands.searching import Entry, matches, pages
from tests.terminal.conftest import heptad

if TYPE_CHECKING:
    from tests.terminal.conftest import Served


@pytest.mark.slow
def test_a_served_project_is_backed_up_restored_and_replayed(
    served: Served, tmp_path: Path
) -> None:
    target, again = str(tmp_path / "backups"), tmp_path / "again"
    assert heptad("backup", target, project=served.project).code == 0
    assert heptad("backup", target, project=served.project).code == 5
    more = heptad("backup", target, "--incremental", "--json", project=served.project)
    assert more.code == 0
    assert more.data["written_files"] < more.data["files"] / 3
    assert heptad("backup", target, "--check", project=served.project).code == 0
    kek = str(served.project / "keys" / "kek")
    said = heptad("restore", target, str(again), "--kek", kek)
    assert said.code == 0, said.err
    assert "replay --all" in said.out
    assert heptad("replay", "--all", project=again).code == 0
    assert heptad("restore", target, str(again)).code == 5
    assert heptad("doctor", "--scrub", project=again).code == 0


def test_impact_diff_and_search_answer_beside_the_server(served: Served) -> None:
    said = heptad("impact", "Payment.amount", "--json", project=served.project)
    assert "fraud.spend_1d" in said.data["features"]
    assert said.data["counts"]["fraud"] >= 100
    assert (
        "feature fraud.spend_1d" in heptad("impact", "Payment.amount", project=served.project).out
    )
    said = heptad("tables", "diff", "Payment", "1", "2", project=served.project)
    assert said.code == 0
    assert "0 removed rows" in said.out
    found = heptad("search", "fraud", "spend", "--json", project=served.project).data["found"]
    assert found[0]["kind"] == "feature"
    assert heptad("search", "zzzzqq", project=served.project).out == "nothing found\n"
    ids = heptad("decisions", "--json", project=served.project).data["decisions"]
    hit = heptad("search", ids[0]["id"][:8], "--json", project=served.project).data["found"][0]
    assert hit == {"kind": "decision", "name": ids[0]["id"], "says": "",
                   "see": f"heptad explain {ids[0]['id']}"}  # fmt: skip


def test_an_upgrade_is_told_first(served: Served, tmp_path: Path) -> None:
    said = heptad("upgrade", "--dry-run", project=served.project)
    assert (said.code, "nothing has to change" in said.out) == (0, True)
    from tests.fixtures.make_project import PROJECTS

    old = Path(shutil.copytree(PROJECTS / "0.1.0", tmp_path / "old"))
    for path in [old / "keys", *(old / "keys").iterdir()]:
        path.chmod(0o700 if path.is_dir() else 0o600)
    before = (old / "catalog.sqlite").read_bytes()
    said = heptad("upgrade", "--dry-run", project=old)
    assert "catalog 0002" in said.out
    assert heptad("backup", str(tmp_path / "saved"), project=old).code == 0
    assert (old / "catalog.sqlite").read_bytes() == before
    assert heptad("upgrade", project=old).code == 0
    assert "nothing has to change" in heptad("upgrade", "--dry-run", project=old).out
    # What was saved is of the earlier release, whose program can open it.
    back, kek = tmp_path / "back", str(old / "keys" / "kek")
    said = heptad("restore", str(tmp_path / "saved"), str(back), "--kek", kek)
    assert said.code == 0, said.err
    assert "catalog 0002" in heptad("upgrade", "--dry-run", project=back).out
    assert heptad("upgrade", project=back).code == 0
    assert heptad("doctor", "--scrub", project=back).code == 0


@pytest.mark.parametrize(
    ("words", "first"),
    [
        ("payment amount", "Payment.amount"),
        ("spend", "fraud.spend_1d"),
        ("loan applicat", "LoanApplication"),
        ("geld", "fraud.spend_1d"),
        ("MERCHANT paid", "Payment.merchant"),
        ('"; DROP', None),
        ("", None),
        ("zzz merchant", "Payment.merchant"),
        ("café", "Payment.merchant"),
    ],
)
def test_search_finds_by_name_word_beginning_and_meaning(words: str, first: str | None) -> None:
    entries = [
        Entry("column", "Payment.amount", "Amount paid", ""),
        Entry("column", "Payment.merchant", "Who was paid, a cafe", ""),
        Entry("table", "LoanApplication", "One application for a loan", ""),
        Entry("feature", "fraud.spend_1d", "total of amounts, Geld", ""),
    ]
    found = matches(entries, words, 3)
    assert (found[0]["name"] if found else None) == first


def test_the_manual_is_found_by_section(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.md").write_text("# A\none\n## Restore a backup\ntwo\n", "utf-8")
    (found,) = matches([*pages(tmp_path / "docs")], "restore", 5)
    assert (found["name"], found["says"], found["see"]) == ("Restore a backup", "two", "docs/a.md")
