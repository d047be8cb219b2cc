# SPDX-License-Identifier: Apache-2.0
"""Decay: one flipped bit anywhere in any store is found by the scrub, and never read as a value."""

from __future__ import annotations

import os
import random
import shutil
from collections import Counter
from pathlib import Path

import pytest
from tests.fixtures import frozen

from heptad.catalog.scrub import scrub
from heptad.engine.local.rows import Family, Rows
from heptad.runtime import Platform
from heptad.standards.errors import Corrupt, HeptadError
from heptad.standards.time import FixedClock, format_instant, minute

START = 1_767_225_600_000_000
NOW = START + 90 * 24 * 60 * minute
STORES = {
    "tables": ["tables/*/*.parquet", "tables/*/_month=*/*.parquet"],
    "their logs": ["tables/*/_delta_log/*"],
    "log": ["log/*/*.seg", "log/*/mark"],
    "rows": ["rows/*"],
    "keys": ["keys/kek", "keys/*.sqlite"],
    "models": ["models/*"],
    "catalog": ["catalog.sqlite", "seals.json"],
    "quarantine": ["quarantine/*/*"],
}
UNUSED = ("LOCK", "LOG")


def payment(n: int, customer: int) -> dict:
    at = format_instant(START + n * 11 * minute)
    return {"id": f"p{n}", "event_time": at, "customer": f"c{customer}", "amount": f"{n % 97}.50",
            "currency": "EUR", "status": "declined" if n % 7 == 0 else "authorised",
            "merchant": f"m{n % 9}", "country": "ES" if n % 5 else "PT"}  # fmt: skip


def opened(folder: Path) -> Platform:
    return Platform.open(folder, clock=FixedClock(NOW), apps=[frozen.app])


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    """A closed project with something in every store."""
    folder = tmp_path_factory.mktemp("decay") / "project"
    folder.mkdir()
    (folder / "heptad.toml").write_text('[project]\nname = "decay"\n', encoding="utf-8")
    with opened(folder) as platform:
        people = [{"id": f"c{n}", "event_time": format_instant(START), "name": f"Ana {n}"}
                  for n in range(12)]  # fmt: skip
        platform.store("Customer", people)
        for part in range(3):
            span = range(part * 80, part * 80 + 80)
            platform.store("Payment", [payment(n, n % 12) for n in span])
        platform.store("Payment", [payment(999, 1) | {"currency": "???"}])
        models = platform.catalog.models
        made = models.register("frozen-card", "frozen", frozen.card(1), trainer="one")
        models.approve(made.id, "another", "made for tests")
        models.promote(made.id, "champion", "another")
        platform.decide("frozen", latest=40)
        platform.compact("Payment")
        platform.lake.checkpoint("Payment")
        platform.keys.destroy("Customer:c3")
        with Rows(folder / "rows", clock=platform.clock) as rows:
            rows.create("state", {"f": Family()})
            for n in range(300):
                rows.put("state", f"c{n}".encode(), {b"f:n": bytes([n % 251]) * 40})
    with opened(folder), Rows(folder / "rows") as rows:
        rows.put("state", b"last", {b"f:n": b"kept in the log of the row store"})
    assert scrub(folder).findings == []
    return folder


def files(folder: Path, store: str) -> list[Path]:
    found = {p for pattern in STORES[store] for p in folder.glob(pattern)}
    return sorted(
        p for p in found if p.is_file() and p.stat().st_size and not p.name.startswith(UNUSED)
    )


class Flip:
    """One bit of one file, turned over without a trace in its times."""

    def __init__(self, path: Path, rng: random.Random) -> None:
        self.path = path
        self.times = (path.stat().st_atime_ns, path.stat().st_mtime_ns)
        self.at, self.bit = rng.randrange(path.stat().st_size), 1 << rng.randrange(8)

    def turn(self) -> None:
        with self.path.open("r+b") as file:
            file.seek(self.at)
            byte = file.read(1)[0]
            file.seek(self.at)
            file.write(bytes([byte ^ self.bit]))
        os.utime(self.path, ns=self.times)


def seen(folder: Path) -> dict[str, object]:
    """All that is read and replayed; what replay tells of damage is told as an error."""
    with opened(folder) as platform:
        report = platform.replay()
        if report.findings:
            raise Corrupt(report.findings[0][2])
        return {
            "rows": {n: platform.read(n).to_pylist() for n in ("Payment", "Customer")},
            "decisions": [(e.public, e.decision and e.decision.to_bytes())
                          for e in platform.log.entries()],
            "replay": (report.decided, report.derived),
            "models": [m.title for m in platform.catalog.models.recent(limit=9)],
        }  # fmt: skip


def flips(project: Path, n: int, seed: int) -> Counter[str]:
    """Turn n bits, one at a time and evenly among the stores; count what the scrub missed."""
    rng, missed = random.Random(seed), Counter[str]()
    for number in range(n):
        store = list(STORES)[number % len(STORES)]
        flip = Flip(rng.choice(files(project, store)), rng)
        flip.turn()
        found = scrub(project).findings
        flip.turn()
        if not found:
            missed[f"{store}: {flip.path.relative_to(project)} byte {flip.at}"] += 1
    assert scrub(project).findings == []
    return missed


def silent(project: Path, scratch: Path, n: int, seed: int) -> list[str]:
    """Turn n bits, each in a fresh copy; return those that changed an answer without an error."""
    wanted, rng, wrong = (
        seen(Path(shutil.copytree(project, scratch / "good"))),
        random.Random(seed),
        [],
    )
    for number in range(n):
        folder = scratch / str(number)
        shutil.copytree(project, folder)
        store = list(STORES)[number % len(STORES)]
        flip = Flip(rng.choice(files(folder, store)), rng)
        flip.turn()
        try:
            if seen(folder) != wanted:
                wrong.append(f"{store}: {flip.path.relative_to(folder)} byte {flip.at}")
        except HeptadError:
            pass
        shutil.rmtree(folder)
    return wrong


def test_the_test_can_fail(project, tmp_path):
    """Every store is there to be damaged, and what is read is not empty."""
    assert all(files(project, store) for store in STORES)
    shutil.copytree(project, tmp_path / "good")
    found = seen(tmp_path / "good")
    assert len(found["rows"]["Payment"]) == 240
    assert len(found["decisions"]) == 40
    assert found["replay"][0]["identical"] > 30


@pytest.mark.slow
def test_every_flipped_bit_is_found(project):
    assert flips(project, 200, 9) == {}


@pytest.mark.slow
def test_no_flipped_bit_is_read_as_a_value(project, tmp_path):
    assert silent(project, tmp_path, 24, 10) == []


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_two_thousand_flipped_bits_are_found(project):
    assert flips(project, 2000, 11) == {}


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_four_hundred_flipped_bits_are_never_read_as_values(project, tmp_path):
    assert silent(project, tmp_path, 400, 12) == []
