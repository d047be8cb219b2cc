# SPDX-License-Identifier: Apache-2.0
"""A process that loads and decides is killed again and again: nothing is lost, doubled or other."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]
KILLS, SEED = 12, 3


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("kill")


@pytest.fixture(scope="module")
def told(home) -> dict:
    """What became of the workers."""
    script = Path(__file__).with_name("load_work.py")
    done = subprocess.run(
        [sys.executable, script, str(home), str(KILLS), str(SEED)],
        env=os.environ | {"OPENBLAS_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=380,
        check=False,
    )
    failed = home / "killed.failed"
    assert done.returncode == 0, done.stdout + done.stderr
    assert not failed.exists(), failed.read_text()
    return json.loads(done.stdout)


def test_workers_were_killed_on_their_way(told):
    """The test would be empty if they had all ended, or died before they did anything."""
    killed = [end for end in told["ends"] if end == -signal.SIGKILL]
    assert len(killed) >= KILLS // 2
    assert len(set(told["far"])) >= 3
    assert told["ends"][-1] == 0


def test_the_end_is_that_of_a_run_without_kills(told, home):
    """The same rows known at the same instants, the same decisions in the same order."""
    calm, killed = (json.loads((home / f"{n}.end").read_text()) for n in ("calm", "killed"))
    assert killed["rows"] == calm["rows"]
    assert killed["decisions"] == calm["decisions"]
    assert killed["bytes"] == calm["bytes"]
    assert len(calm["decisions"]) > 20
    assert killed["tried"] > calm["tried"], "no load was interrupted"
