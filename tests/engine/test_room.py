# SPDX-License-Identifier: Apache-2.0
"""Room: below the mark nothing is written, reads go on, and writes do again without a restart."""

from __future__ import annotations

import os
import subprocess
from contextlib import suppress

import pytest

from heptad.engine.local import room
from heptad.engine.local.room import DiskFull, Room
from heptad.runtime import Platform
from heptad.standards.errors import Busy

ROW = {"id": "p1", "event_time": "2026-03-01T09:00:00Z", "customer": "c1", "amount": "10.00",
       "currency": "EUR", "status": "authorised"}  # fmt: skip
FAR = 1 << 60


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "heptad.toml").write_text('[project]\nname = "room"\n', encoding="utf-8")
    return tmp_path


def test_the_mark_refuses_with_code_cure_and_when_to_come_back(tmp_path):
    Room(tmp_path, 0).require()
    with pytest.raises(DiskFull, match="MiB are needed") as refused:
        Room(tmp_path, FAR).require()
    told = refused.value
    assert (told.code, told.status, told.exit, told.retry_s) == ("disk-full", 503, 7, 30)
    assert isinstance(told, Busy)


def test_the_ballast_is_kept_given_up_and_made_again(tmp_path, monkeypatch):
    kept = Room(tmp_path, 0)
    kept.keep(1 << 20)
    assert kept.ballast == 1 << 20
    assert (tmp_path / room.FILE).stat().st_blocks * 512 >= 1 << 20
    assert not kept.rescue()
    monkeypatch.setattr(room, "NEEDED", FAR)
    assert kept.rescue()
    assert kept.ballast == 0
    kept.require()
    assert kept.ballast == 1 << 20


def test_no_ballast_is_made_where_it_would_fill_the_disk(tmp_path):
    kept = Room(tmp_path, FAR)
    kept.keep(1 << 20)
    assert list(tmp_path.iterdir()) == []


def test_writes_are_refused_reads_go_on_and_writes_resume(folder):
    with Platform.open(folder) as platform:
        platform.store("Payment", [ROW])
        platform.room.low = FAR
        writes = (
            lambda: platform.store("Payment", [ROW | {"id": "p2"}]),
            lambda: platform.decide("fraud"),
            lambda: platform.compact("Payment"),
            platform.load,
        )
        for write in writes:
            with pytest.raises(DiskFull):
                write()
        assert platform.read("Payment").num_rows == 1
        assert platform.load(plan=True) == []
        platform.room.low = 0
        assert platform.store("Payment", [ROW | {"id": "p2"}]).accepted == ("p2",)
        assert len(platform.decide("fraud")) == 2


@pytest.fixture
def small(tmp_path):
    """A disk of 48 MiB."""
    if os.geteuid() != 0:
        pytest.skip("mounting a small disk needs root: run the tests as root in a container")
    at = tmp_path / "disk"
    at.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=48m", "none", str(at)]
    made = subprocess.run(command, check=False, capture_output=True, text=True)
    if made.returncode:
        pytest.skip(f"mounting needs CAP_SYS_ADMIN: {made.stderr.strip()}")
    yield at
    subprocess.run(["umount", str(at)], check=True)


def fill(disk):
    """Write until not a byte is left; return what took it."""
    path = disk / "stuffing"
    with path.open("wb", buffering=0) as file, suppress(OSError):
        while file.write(bytes(4096)):
            continue
    assert os.statvfs(disk).f_bavail == 0
    return path


@pytest.mark.slow
def test_a_disk_that_fills_up_under_the_stores_is_survived_without_a_restart(small):
    """Where the mark is set to nothing, the stores themselves meet the full disk."""
    document = '[project]\nname = "full"\n[engine]\nlow_water = "1KB"\n'
    (small / "heptad.toml").write_text(document, encoding="utf-8")
    rows = [ROW | {"id": f"p{n}"} for n in range(40)]
    with Platform.open(small) as platform:
        platform.store("Payment", rows)
        platform.decide("fraud", keys=["p0"])
        stuffing = fill(small)
        with pytest.raises(Busy):
            platform.decide("fraud")
        stuffing.unlink()
        assert len(platform.decide("fraud")) == 40
        assert platform.store("Payment", [ROW | {"id": "later"}]).accepted == ("later",)
        assert platform.log.ledger.verify().entries == len(platform.log) == 40
    with Platform.open(small) as platform:
        assert platform.replay().identical


@pytest.mark.slow
def test_a_project_opens_on_a_disk_that_is_full(small):
    document = '[project]\nname = "full"\n[engine]\nlow_water = "4MB"\n'
    (small / "heptad.toml").write_text(document, encoding="utf-8")
    with Platform.open(small) as platform:
        platform.store("Payment", [ROW])
        platform.decide("fraud")
    stuffing = fill(small)
    with Platform.open(small) as platform:
        assert platform.read("Payment").num_rows == 1
        assert platform.replay().identical
        with pytest.raises(DiskFull):
            platform.store("Payment", [ROW | {"id": "p2"}])
        stuffing.unlink()
        assert platform.store("Payment", [ROW | {"id": "p2"}]).accepted == ("p2",)
