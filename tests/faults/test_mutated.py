# SPDX-License-Identifier: Apache-2.0
"""Good files of seven formats with bytes changed: each is refused in words, or loaded without loss.

What is asked of a mutant is said in `malformed/mutants.py`; what went wrong names its number, so
that `mutant(kind, number, seed, folder)` makes it again.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest
from tests.faults.malformed.bench import LIMIT_MIB
from tests.faults.malformed.mutants import CHANGES, SHARES, Runner, good, key, main, mutant

ROOT = Path(__file__).parents[2]
SEED = 7


def _told(folder: Path, count: int, limit_s: float) -> dict:
    """Load so many mutants in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.faults.malformed.mutants", folder, str(count), str(SEED)],
        cwd=ROOT,
        env=os.environ | {"OPENBLAS_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=limit_s,
        check=False,
    )
    now = folder / "now"
    assert done.stdout, done.stderr[-4000:] + (now.read_text() if now.exists() else "")
    told = json.loads(done.stdout)
    assert done.returncode == int(bool(told["wrong"])), done.stderr[-4000:]
    return told


def _check(told: dict, count: int) -> None:
    assert told["mutants"] >= 0.99 * count
    assert not told["wrong"], "\n".join(told["wrong"][:10])
    assert told["mib"] <= LIMIT_MIB
    became = told["became"]
    assert became["rows stored"] > count
    assert became["rows set aside"] > count / 2
    assert all(became[f"{kind} refused"] for kind in SHARES)


@pytest.mark.slow
@pytest.mark.timeout(200)
def test_three_hundred_mutants(tmp_path):
    _check(_told(tmp_path / "home", 300, 180), 300)


@pytest.mark.soak
@pytest.mark.timeout(7200)
def test_a_hundred_thousand_mutants(tmp_path):
    _check(_told(tmp_path / "home", 100_000, 7000), 100_000)


@pytest.mark.parametrize("wrong", [[], ["a.csv 1: rows are lost"]])
def test_a_run_that_found_something_fails(tmp_path, monkeypatch, capsys, wrong):
    monkeypatch.setattr(Runner, "run", lambda runner, _: runner.wrong.extend(wrong))
    assert main(tmp_path, 0, SEED) == len(wrong)
    assert json.loads(capsys.readouterr().out)["wrong"] == wrong


@pytest.mark.parametrize("kind", SHARES)
def test_a_mutant_can_be_made_again(tmp_path, kind):
    first, second = (mutant(kind, 41, SEED, tmp_path) for _ in range(2))
    assert first == second
    assert first != mutant(kind, 41, SEED + 1, tmp_path)


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_each_change_changes(tmp_path, change):
    """A mutation that did nothing would make the test empty."""
    whole = good("a.csv", 1, tmp_path)
    chance = random.Random(SEED)
    changed = 0
    for _ in range(20):
        data = bytearray(whole)
        change(data, chance.randrange(len(data)), chance)
        changed += bytes(data) != whole
    assert changed >= 15


def test_rows_before_the_first_changed_byte_must_be_as_they_were(tmp_path):
    """The oracle of text files: all rows of a file that ends differently, none of one that begins so."""
    made = [mutant("a.csv", number, SEED, tmp_path) for number in range(300)]
    assert {0, 6} <= {len(one.intact) for one in made}
    assert all(
        one.intact == tuple(key(one.number, n) for n in range(len(one.intact))) for one in made
    )
