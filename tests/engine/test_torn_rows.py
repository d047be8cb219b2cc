# SPDX-License-Identifier: Apache-2.0
"""A row store opens after a loss of power that left any sectors of its last write, and no others."""

from __future__ import annotations

import random
import shutil
from typing import TYPE_CHECKING

import pytest

from heptad.engine.local.rows import Rows
from heptad.engine.protocols import Family
from heptad.standards.errors import Corrupt

if TYPE_CHECKING:
    from pathlib import Path

SECTOR = 512
MANY = [(f"k{i}".encode(), {b"f:x": bytes([i + 1]) * 900}) for i in range(60)]


@pytest.fixture
def written(tmp_path: Path) -> tuple[Path, int, int]:
    """A store, not closed in good order; where its last write begins in the log, and ends."""
    home = tmp_path / "rows"
    rows = Rows(home)
    rows.create("T", {"f": Family()})
    rows.put("T", b"first", {b"f:x": b"kept"})
    begin = _log(home).stat().st_size
    rows.put_many("T", MANY)
    copy = tmp_path / "copy"
    shutil.copytree(home, copy)
    rows.close()
    return copy, begin, _log(copy).stat().st_size


def _log(home: Path) -> Path:
    return max((p for p in home.glob("*.log") if p.stem.isdigit()), key=lambda p: int(p.stem))


def test_any_sectors_of_the_last_write_may_be_lost(
    written: tuple[Path, int, int], caplog: pytest.LogCaptureFixture
) -> None:
    home, begin, end = written
    whole, chance = _log(home).read_bytes(), random.Random(3)
    sectors = range(begin // SECTOR, (end - 1) // SECTOR + 1)
    for n in range(60):
        lost = chance.sample(sectors, chance.randint(1, len(sectors)))
        lost = [sectors[0]] if n == 0 else [s for s in lost if s != sectors[-1]] or [sectors[1]]
        torn = bytearray(whole)
        for sector in lost:
            at, to = max(begin, sector * SECTOR), min(end, (sector + 1) * SECTOR)
            torn[at:to] = bytes(to - at)
        here = home.parent / f"torn{n}"
        shutil.copytree(home, here)
        _log(here).write_bytes(torn)
        with Rows(here) as rows:
            assert rows.get("T", b"first") == {b"f:x": b"kept"}
            found = dict(rows.scan("T", prefix=b"k"))
            assert not found
            rows.put_many("T", MANY)
        with Rows(here) as rows:
            assert dict(rows.scan("T", prefix=b"k")) == dict(MANY)
        shutil.rmtree(here)
    told = [r.getMessage() for r in caplog.records if "was torn" in r.getMessage()]
    assert 0 < len(told) <= 60


@pytest.mark.parametrize("where", ["first", "last"])
def test_a_flipped_bit_stays_an_error(written: tuple[Path, int, int], where: str) -> None:
    home, begin, end = written
    data = bytearray(_log(home).read_bytes())
    data[begin - 5 if where == "first" else (begin + end) // 2] ^= 4
    _log(home).write_bytes(data)
    for _ in range(2):
        with pytest.raises(Corrupt):
            Rows(home)
    assert _log(home).read_bytes() == data


def test_holes_before_the_last_write_stay_an_error(written: tuple[Path, int, int]) -> None:
    """What was acknowledged and is gone is told, also when the last write is torn too."""
    home, begin, _ = written
    data = bytearray(_log(home).read_bytes())
    data[begin - 30 : begin - 8] = bytes(22)
    data[2 * SECTOR + begin : 4 * SECTOR + begin] = bytes(2 * SECTOR)
    _log(home).write_bytes(data)
    with pytest.raises(Corrupt):
        Rows(home)
    assert _log(home).read_bytes() == data
