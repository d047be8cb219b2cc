# SPDX-License-Identifier: Apache-2.0
"""Requests drawn from the OpenAPI document: each is answered as the document promises."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SEED = 7


def told(count: int, limit_s: float) -> dict:
    """Send so many requests in a process of its own, whose libraries warn as they like."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.terminal.fuzzing", str(count), str(SEED)],
        cwd=ROOT,
        env=os.environ | {"OPENBLAS_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=limit_s,
        check=False,
    )
    assert done.stdout, done.stderr[-4000:]
    found: dict = json.loads(done.stdout)
    assert done.returncode == int(bool(found["wrong"])), done.stderr[-4000:]
    return found


def check(found: dict, count: int) -> None:
    assert not found["wrong"], json.dumps(found["wrong"], indent=1)
    assert found["sent"] >= count
    assert not {status for status in found["became"] if status >= "500"} - {"503"}
    assert found["became"]["200"] >= count // 8, "hardly anything was answered"
    assert {"404", "422"} & set(found["became"]), "nothing wrong was asked"


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_few_requests() -> None:
    check(told(16, 280), 16)


@pytest.mark.soak
@pytest.mark.timeout(7200)
def test_six_thousand_requests() -> None:
    check(told(6_000, 7_000), 6_000)
