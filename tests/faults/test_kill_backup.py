# SPDX-License-Identifier: Apache-2.0
"""Backups and restores killed at any moment: nothing half is left, and the next run goes on."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from heptad.catalog.backup import manifests
from heptad.runtime import Platform
from heptad.standards.errors import UnknownName
from heptad.standards.time import format_instant, minute

if TYPE_CHECKING:
    from pathlib import Path

KILLS = 12
START = 1_767_225_600_000_000
BACKUP = "from heptad.catalog.backup import back_up; back_up(*P[:2], now=7, incremental=True)"
RESTORE = "from heptad.catalog.restoring import restore; restore(P[1], P[2], kek=P[3])"


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("kill") / "project"
    folder.mkdir()
    (folder / "heptad.toml").write_text('[project]\nname = "kill"\n', encoding="utf-8")
    with Platform.open(folder) as platform:
        for part in range(8):
            rows = [
                {"id": f"p{n}", "event_time": format_instant(START + n * minute),
                 "customer": f"c{n % 9}", "amount": "1.00", "currency": "EUR",
                 "status": "authorised"} for n in range(part * 20, part * 20 + 20)
            ]  # fmt: skip
            platform.accept("Payment", rows)
    return folder


def run(what: str, *paths: Path) -> subprocess.Popen[bytes]:
    """Run one line in a process of its own; it says when it begins."""
    code = f"import sys; from pathlib import Path; P = [Path(a) for a in sys.argv[1:]]\n{what}"
    start = "print('begun', flush=True); "
    module, _, rest = code.rpartition("; ")
    return subprocess.Popen(
        [sys.executable, "-c", f"{module}\n{start}{rest}", *map(str, paths)],
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )


def killed_after(what: str, delay_s: float, *paths: Path) -> int:
    """Run it and kill it so long after it began; return how it ended."""
    with run(what, *paths) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"begun\n"
        time.sleep(delay_s)
        process.kill()
    return process.returncode


def done(what: str, *paths: Path) -> float:
    """Run it to its end; return how long it took."""
    with run(what, *paths) as process:
        assert process.stdout is not None
        process.stdout.readline()
        start = time.perf_counter()
    assert process.returncode == 0
    return time.perf_counter() - start


@pytest.mark.slow
def test_a_kill_at_any_moment_leaves_nothing_half(project, tmp_path):
    target, again, kek = tmp_path / "backups", tmp_path / "again", project / "keys" / "kek"
    paths = (project, target, again, kek)
    whole = done(BACKUP, *paths)
    shutil.rmtree(target)
    broken = 0
    for n in range(KILLS):
        broken += killed_after(BACKUP, whole * n / KILLS, *paths) != 0
        try:
            made = manifests(target)
        except UnknownName:
            continue
        assert len(made) == 1
    done(BACKUP, *paths)
    whole = done(RESTORE, *paths)
    shutil.rmtree(again)
    for n in range(KILLS):
        broken += killed_after(RESTORE, whole * n / KILLS, *paths) != 0
        if again.exists():
            break
    if not again.exists():
        done(RESTORE, *paths)
    assert broken > KILLS / 2
    assert sorted(p.name for p in tmp_path.iterdir()) == ["again", "backups"]
    assert [p.name for p in target.rglob(".*")] == []
    with Platform.open(again) as platform:
        assert platform.read("Payment").num_rows == 160
        report = platform.replay()
        assert report.identical
        assert report.decided["identical"] == len(platform.log) == 160
