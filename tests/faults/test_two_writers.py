# SPDX-License-Identifier: Apache-2.0
"""A server and a command line are killed at random: nothing told is lost, doubled or other."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("kills", [4, pytest.param(60, marks=pytest.mark.soak)])
def test_two_writers(tmp_path: Path, kills: int) -> None:
    script = Path(__file__).with_name("two_writers.py")
    done = subprocess.run(
        [sys.executable, script, tmp_path / "project", str(kills), "3"],
        env=os.environ | {"OPENBLAS_NUM_THREADS": "1"},
        capture_output=True, text=True, timeout=880, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["server"] + told["command"] == kills
    assert told["asked"] >= 1
    assert kills < 20 or min(told["asked"], told["loaded"]) >= kills // 4, (
        "hardly anything was done"
    )
