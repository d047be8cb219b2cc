# SPDX-License-Identifier: Apache-2.0
"""Each line of the fault model names tests, and they exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/faults.md").read_text(encoding="utf-8")
TEST = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")


def lines() -> list[str]:
    """The lines of the tables of what is survived and what is detected."""
    tables = PAGE.split("## Not survived")[0]
    return [line for line in tables.splitlines() if line.startswith("| ") and "`" in line]


def test_there_is_a_line_for_each_kind_of_fault() -> None:
    said = "\n".join(lines()).lower()
    faults = ("killed", "power", "eio", "sync fails", "full", "half of its bytes", "clock", "bit",
              "lost, torn, doubled", "rolled back", "command line")  # fmt: skip
    assert [fault for fault in faults if fault not in said] == []
    assert len(lines()) >= 20


@pytest.mark.parametrize("line", lines(), ids=lambda line: line[2:40])
def test_its_tests_exist(line: str) -> None:
    named = TEST.findall(line)
    assert named, "a line without a test is no promise"
    for file, name in named:
        text = (ROOT / file).read_text(encoding="utf-8")
        assert re.search(rf"^\s*def {name}\(", text, re.MULTILINE), f"{file}::{name}"


def test_every_other_test_named_exists() -> None:
    for file, name in TEST.findall(PAGE):
        assert f"def {name}(" in (ROOT / file).read_text(encoding="utf-8"), f"{file}::{name}"
