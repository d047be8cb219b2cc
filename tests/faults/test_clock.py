# SPDX-License-Identifier: Apache-2.0
"""The clock steps back an hour or three days ahead: windows, order and due times stay right."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from clock_work import WINDOWS, Stepped, decided

from heptad.standards.time import minute, parse_instant, second

START = parse_instant("2026-03-01T12:00:00Z")
HOUR, DAYS = 3600, 3 * 86_400
STEPS = {
    "right": [0] * 6,
    "back": [0, 0, -HOUR, -HOUR, -HOUR, -HOUR],
    "back and right again": [0, 0, -HOUR, -HOUR, 0, 0],
    "ahead and right again": [0, 0, DAYS, 0, 0, 0],
    "ahead, then back": [0, 0, DAYS, -HOUR, DAYS, 0],
}
LIBRARY = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None)


def stepped(folder: Path, offsets: list[int]) -> dict[str, Any]:
    """Decide under a clock of our own."""
    clock = Stepped(START)

    def step(n: int, offset: int) -> None:
        clock.true, clock.offset = START + n * minute + second, offset * second

    return decided(folder, offsets, step, START, clock)


def faked(folder: Path, offsets: list[int]) -> dict[str, Any]:
    """Decide while the machine's clock steps, as every library in the process sees it."""
    file = folder.with_suffix(".clock")
    file.write_text("+0\n")
    env = os.environ | {
        "LD_PRELOAD": str(LIBRARY),
        "FAKETIME_TIMESTAMP_FILE": str(file),
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "FAKETIME_NO_CACHE": "1",
    }
    script = Path(__file__).with_name("clock_work.py")
    done = subprocess.run(
        [sys.executable, script, folder, ",".join(map(str, offsets))],
        env=env, capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def right(told: dict[str, Any]) -> None:
    """What must hold whatever the clock did."""
    rows = [f"p{n}" for n in range(6)]
    assert [one["row"] for one in told["made"]] == rows, "a payment was not decided, or twice"
    assert told["log"] == rows, "the log is not in the order in which payments came"
    assert told["verified"] == len(rows)
    assert told["replay"] == [{"identical": 6}, {"identical": 6}]
    assert told["arrivals"] == sorted(told["arrivals"]), "rows came to be known before earlier ones"
    for n, one in enumerate(told["made"]):
        oracle = [str(n + 1), str(n + 1)]
        assert [one["count_10m"], one["count_1h"]] == oracle, (n, one)


def expired_once(admitted: list[bool]) -> None:
    """A key that was refused as expired is not let in again."""
    assert admitted[0]
    assert admitted == sorted(admitted, reverse=True), admitted


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What is decided under a clock that is right."""
    return stepped(tmp_path_factory.mktemp("calm") / "project", STEPS["right"])


@pytest.mark.parametrize("name", ["back", "ahead and right again"])
def test_windows_and_order(tmp_path: Path, name: str, calm: dict[str, Any]) -> None:
    told = stepped(tmp_path / "project", STEPS[name])
    right(told)
    assert told["made"] == calm["made"], WINDOWS


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        "back and right again",
        "ahead, then back",
        *(pytest.param(name, marks=pytest.mark.soak) for name in ("right", "back")),
        pytest.param("ahead and right again", marks=pytest.mark.soak),
    ],
)
def test_the_machines_clock(tmp_path: Path, name: str, calm: dict[str, Any]) -> None:
    if LIBRARY is None:
        pytest.skip(
            "CLOCK STEPS NOT TESTED: install the package libfaketime, or run scripts/system"
        )
    told = faked(tmp_path / "project", STEPS[name])
    right(told)
    assert told["made"] == calm["made"], WINDOWS
    expired_once(told["admitted"])
    if STEPS[name][-1] == 0:
        assert not told["admitted"][-1], "a key that expired is let in"
