# SPDX-License-Identifier: Apache-2.0
"""The access log under kill and a full disk: nothing is answered that it does not hold."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from heptad.runtime import Platform
from heptad.standards.errors import Busy

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CUSTOMER = {"id": "c1", "event_time": "2026-01-01T00:00:00Z", "name": "Ana Gil"}
KILLS = 3


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with one customer."""
    (tmp_path / "heptad.toml").write_text('[project]\nname = "faults"\n', encoding="utf-8")
    with Platform.open(tmp_path) as platform:
        platform.store("Customer", [CUSTOMER])
    return tmp_path


@pytest.mark.slow
def test_what_a_killed_process_answered_is_in_the_log(project: Path) -> None:
    answered = 0
    for number in range(KILLS):
        command = [sys.executable, "-m", "tests.faults.access_work", str(project)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            for line in process.stdout:
                if int(line) >= 3 + 2 * number:
                    process.kill()
                    break
            # Lines that were written before the kill arrived count as answered too.
            last = max([int(line), *map(int, process.stdout.read().split())])
        answered += last + 1
        with Platform.open(project) as platform:
            found = platform.access.verify().entries
            # The read that the kill met may be there: it was recorded, and not answered.
            assert answered <= found <= answered + number + 1
            whole = {e.record.who for e in platform.access.entries(limit=1000)}
            assert {f"reader-{n}" for n in range(last + 1)} <= whole


@pytest.fixture
def small_disk(project: Path) -> Iterator[Path]:
    """A disk of its own, of 256 KiB, under the access log."""
    if os.geteuid() != 0:
        pytest.skip("mounting a small disk needs root: run the tests as root to try it")
    folder = project / "log" / "access"
    for path in folder.iterdir():
        path.unlink()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k,mode=700", "tmpfs", str(folder)],
        check=False,
        capture_output=True,
    )
    if done.returncode:
        pytest.skip(f"no tmpfs can be mounted here: {done.stderr.decode().strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_refuses_reads_until_it_has_room(project: Path, small_disk: Path) -> None:
    with Platform.open(project) as platform:
        assert platform.read("Customer").num_rows == 1
        room = os.statvfs(small_disk)
        filler = small_disk / "filler"
        filler.write_bytes(b"x" * (room.f_bavail * room.f_frsize - 8192))
        answered = 1 + _answered_until_full(platform)
        with pytest.raises(Busy):
            platform.read("Customer", purpose="")
        filler.unlink()
        assert platform.read("Customer").num_rows == 1
        entries = platform.access.verify().entries
        assert entries >= answered + 1


def _answered_until_full(platform: Platform) -> int:
    """Read until the disk is full; return how many reads were answered."""
    for answered in range(1000):  # the log has some room of its own
        try:
            platform.read("Customer")
        except Busy:
            return answered
    raise AssertionError("the disk never filled up")
