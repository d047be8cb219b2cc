# SPDX-License-Identifier: Apache-2.0
"""A full disk: what writes is refused at once, reads go on, and all goes on when there is space."""

from __future__ import annotations

import os
import subprocess
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from path_work import PathWork, payment

from heptad.runtime import Platform
from heptad.standards.errors import Busy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

MEGABYTES = 160
AT_ONCE_S = 1.0
pytestmark = pytest.mark.slow


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A folder on a disk of its own, which can be filled."""
    if os.geteuid():
        pytest.skip("FULL DISK NOT TESTED: run the tests as root, who may mount a small disk")
    mount = tmp_path / "small"
    mount.mkdir()
    size = f"size={MEGABYTES}m"
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", size, "tmpfs", mount], capture_output=True, check=False
    )
    if done.returncode:
        pytest.skip(f"FULL DISK NOT TESTED: no mounts here ({done.stderr.decode().strip()})")
    try:
        yield mount
    finally:
        subprocess.run(["umount", "-l", mount], check=True, capture_output=True)


def fill(folder: Path, *, left: int = 0) -> Path:
    """Fill the disk but for `left` bytes; return the file that does."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(1 << 16))
    with filler.open("ab", buffering=0) as file, suppress(OSError):
        while True:
            file.write(b"x" * 512)
    if left:
        os.truncate(filler, filler.stat().st_size - left)
    return filler


def refused_at_once(do: Callable[[], object]) -> Busy:
    """See that something is refused with a known error within a second."""
    began = time.monotonic()
    with pytest.raises(Busy) as caught:
        do()
    took = time.monotonic() - began
    assert took < AT_ONCE_S, f"refused after {took:.1f} s"
    return caught.value


def made(home: Path, low: str) -> PathWork:
    """Make a project that writes nothing while less than `low` is free."""
    work = PathWork()
    work.prepare(home)
    file = home / "heptad.toml"
    file.write_text(file.read_text().replace('low_water = "1MB"', f'low_water = "{low}"'))
    return work


@pytest.mark.parametrize(
    ("left", "low"), [(0, "1KB"), (20_000, "1KB"), (300_000, "1KB"), (10 << 20, "20MB")]
)
def test_refuses_reads_and_goes_on(small: Path, left: int, low: str) -> None:
    home = small / "project"
    work = made(home, low)
    with Platform.open(home) as platform:
        platform.load()
        first = platform.decide_one("fraud", row=payment(3), name="first")
        filler = fill(small, left=left)
        answered = []
        for n in range(4, 8):
            try:
                platform.decide_one("fraud", row=payment(n), name=f"ask-{n}")
                answered.append(n)
            except Busy:
                refused_at_once(
                    lambda n=n: platform.decide_one("fraud", row=payment(n), name=f"ask-{n}")
                )
        assert not answered or (low == "1KB" and left)
        if low == "1KB":  # nothing is left to record who reads, and without that nobody does
            with suppress(Busy):
                platform.read("Payment", purpose="service")
        else:
            assert platform.read("Payment", purpose="service").num_rows == 3
        assert platform.log.get("first").public == first.public
        assert platform.log.ledger.verify().entries == len(platform.log)
        filler.unlink()
        for n in range(4, 8):  # resumes, by the ids that were refused
            again = platform.decide_one("fraud", row=payment(n), name=f"ask-{n}")
            assert again.public["id"] == f"ask-{n}"
        ids = platform.read("Payment", purpose="service").column("id").to_pylist()
        assert sorted(ids) == [f"p{n}" for n in (0, 1, 3, 4, 5, 6, 7)]
    with Platform.open(home) as platform:
        work.check(platform, {f"ask {n}": [f"ask-{n}"] for n in range(4, 8)})
        assert platform.replay().decided == {"identical": len(platform.log)}


def test_opens_at_a_hundred_per_cent_full(small: Path) -> None:
    home = small / "project"
    work = made(home, "1MB")
    with Platform.open(home) as platform:
        platform.load()
        platform.decide_one("fraud", row=payment(3), name="first")
    filler = fill(small)
    with Platform.open(home) as platform:
        assert platform.log.get("first").public["id"] == "first"
        assert platform.read("Payment", purpose="service").num_rows == 3
        more = fill(home)  # what the ballast held until it was given to the opening
        refused_at_once(lambda: platform.decide_one("fraud", row=payment(4), name="next"))
        more.unlink()
        filler.unlink()
        assert platform.decide_one("fraud", row=payment(4), name="next").public["id"] == "next"
        work.check(platform, {"ask 3": ["first"], "ask 4": ["next"]})
