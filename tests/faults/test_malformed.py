# SPDX-License-Identifier: Apache-2.0
"""Malformed inputs: each is refused in words that help, or sets bad rows aside; nothing is lost.

Each case runs in `malformed/worker.py`, which compares what became of it with what the case wants,
every stored file and row with what was there before, and looks for tracebacks, control characters
and secrets in whatever people see.
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.faults.malformed.bench import LIMIT_MIB
from tests.faults.malformed.worker import CHAPTERS

from heptad.standards.errors import InputError

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1000)]
ROOT = Path(__file__).parents[2]
FEWEST = 500
"""The corpus may grow, and shrink by no accident."""
CASES = [
    (chapter, case.name)
    for chapter in CHAPTERS
    for case in importlib.import_module(f"tests.faults.malformed.{chapter}").CASES
]


@pytest.fixture(scope="module")
def told(tmp_path_factory) -> dict[tuple[str, str], dict]:
    """What became of each case."""
    return _run(tmp_path_factory.mktemp("malformed"))


def _run(folder: Path, *more: str) -> dict[tuple[str, str], dict]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.faults.malformed.worker", folder, *more],
        cwd=ROOT,
        env=os.environ | {"OPENBLAS_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    assert not done.stderr, done.stderr[-4000:]
    found = {}
    for chapter in CHAPTERS:
        for line in (folder / f"{chapter}.jsonl").read_text().splitlines():
            said = json.loads(line)
            if "name" in said:
                found[chapter, said["name"]] = said
    return found


def test_there_are_as_many_as_there_were():
    assert len(CASES) == len(set(CASES)), "two cases of a chapter have one name"
    assert len(CASES) >= FEWEST


@pytest.mark.parametrize(("chapter", "name"), CASES, ids=lambda part: part)
def test_case(told, chapter, name):
    assert (chapter, name) in told, "it never ended"
    said = told[chapter, name]
    assert not said["wrong"], "\n".join(said["wrong"])
    assert said["mib"] <= LIMIT_MIB


def test_a_refusal_reaches_the_terminal_as_an_error_and_not_as_a_traceback(tmp_path):
    """The whole way: `heptad load` in a process of its own."""
    (tmp_path / "heptad.toml").write_text('[[source]]\ntable = "Payment"\nfrom = "a.csv"\n')
    (tmp_path / "a.csv").write_bytes(b"PK\x03\x04\x14\x00\x06\x00" + bytes(range(256)) * 9)
    done = subprocess.run(
        [sys.executable, "-c", "from heptad.terminal.cli import main; main()", "load"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == InputError.exit
    assert "Traceback" not in done.stdout + done.stderr
    assert "save a spreadsheet as CSV" in done.stdout + done.stderr


@pytest.mark.soak
def test_a_good_file_goes_in_after_each(tmp_path):
    """The longer run: after every single case, not only after some refusals in a row."""
    wrong = {
        case: said["wrong"] for case, said in _run(tmp_path, "--each").items() if said["wrong"]
    }
    assert not wrong
