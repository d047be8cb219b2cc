# SPDX-License-Identifier: Apache-2.0
"""The shell completes the names of tables, features, applications, sources and fields."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from heptad.terminal import complete

if TYPE_CHECKING:
    from pathlib import Path

CODE = "import sys; sys.argv[0] = 'heptad'\nfrom heptad.terminal.cli import main\nmain()"


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (["tables", "show", "Pay"], {"Payment", "PaymentPromise"}),
        (["quarantine", "show", "Invo"], {"Invoice"}),
        (["decide", "f"], {"fraud"}),
        (["decisions", "--app", "cr"], {"credit"}),
        (["features", "show", "fraud.count_1"], {"fraud.count_10m", "fraud.count_1h"}),
        (["lineage", "Payment.cu"], {"Payment.currency", "Payment.customer"}),
        (["ta"], {"tables"}),
    ],
)
def test_names_are_completed(words: list[str], wanted: set[str]) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", CODE],
        env=os.environ
        | {
            "_HEPTAD_COMPLETE": "complete_bash",
            "COMP_WORDS": " ".join(["heptad", *words]),
            "COMP_CWORD": str(len(words)),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert set(ran.stdout.split()) == wanted
    assert ran.stderr == ""


def test_sources_are_those_of_the_project_here_or_above(
    bank: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(bank / "tables")
    assert complete.complete_source("re") == ["repayments"]


def test_nothing_is_completed_where_nothing_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert complete.complete_source("") == []
    (tmp_path / "heptad.toml").write_text("[[source", encoding="utf-8")
    assert complete.complete_source("") == []


def test_a_broken_application_does_not_break_the_shell(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> dict[str, object]:
        raise ImportError("no module named that")

    monkeypatch.setattr("heptad.runtime.discover", broken)
    assert complete.complete_app("") == []
    assert complete.complete_table("Payment") == ["Payment"]
