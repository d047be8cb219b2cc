# SPDX-License-Identifier: Apache-2.0
"""Compaction changes files, never rows, and the catalog knows of it whatever happens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from heptad.catalog import compacting
from heptad.runtime import Platform
from heptad.standards.errors import Busy, UnknownName
from heptad.standards.time import FixedClock, parse_instant

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NOW = parse_instant("2026-03-05")


def row(number: int, **more: Any) -> dict[str, Any]:
    """Return a payment."""
    return {"id": f"p{number}", "event_time": f"2026-03-01T{number % 24:02d}:00:00Z",
            "customer": "c1", "amount": str(number), "currency": "EUR",
            "status": "authorised"} | more  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An empty project."""
    (tmp_path / "heptad.toml").write_text('[project]\nname = "small"\n', encoding="utf-8")
    return tmp_path


@pytest.fixture
def platform(folder: Path) -> Iterator[Platform]:
    """A project with five payments in five files."""
    with Platform.open(folder, clock=FixedClock(NOW)) as opened:
        for number in range(5):
            opened.store("Payment", [row(number)])
        yield opened


def files(platform: Platform) -> int:
    """Return how many files the payments lie in."""
    return len(platform.lake.files("Payment"))


def test_rows_stay_and_the_version_is_recorded(platform: Platform) -> None:
    before = platform.read("Payment")
    assert files(platform) == 5
    version = platform.compact("Payment")
    assert files(platform) == 1
    assert platform.read("Payment") == before
    latest = platform.catalog.versions.latest("Payment")
    assert (latest.version, latest.rows, latest.files, latest.load) == (version, 5, 1, None)


def test_old_versions_are_read_as_before(platform: Platform) -> None:
    before = platform.read("Payment", version=3, k=NOW)
    platform.compact("Payment")
    assert platform.read("Payment", version=3, k=NOW) == before
    assert len(before) == 3


def test_what_is_posted_afterwards_is_judged_by_the_rows_that_are_there(
    platform: Platform,
) -> None:
    platform.compact("Payment")
    report = platform.store("Payment", [row(1), row(2, amount="99"), row(7)])
    assert (report.accepted, report.duplicates) == (("p2", "p7"), ("p1",))
    assert report.corrections == 1


def test_compacting_twice_changes_nothing(platform: Platform) -> None:
    first = platform.compact("Payment")
    assert platform.compact("Payment") == first


def test_a_table_without_rows_cannot_be_compacted(platform: Platform) -> None:
    with pytest.raises(UnknownName):
        platform.compact("Paymnt")


def test_a_kill_before_the_catalog_knew_is_made_good(folder: Path) -> None:
    with Platform.open(folder, clock=FixedClock(NOW)) as platform:
        for number in range(3):
            platform.store("Payment", [row(number)])
        before = platform.read("Payment")
        landed = platform.lake.compact("Payment")  # and then the process dies
        assert platform.catalog.versions.durable("Payment") < landed
    with Platform.open(folder, clock=FixedClock(NOW)) as platform:
        assert platform.catalog.versions.durable("Payment") == landed
        assert platform.read("Payment") == before
        platform.store("Payment", [row(9)])
        assert platform.lake.damaged("Payment") == []


def test_decisions_made_before_replay_after(platform: Platform) -> None:
    made = platform.decide("fraud")
    platform.compact("Payment")
    platform.store("Payment", [row(8)])
    report = platform.replay()
    assert report.identical
    assert report.derived["identical"] == len(made) == 5


def test_many_posts_do_not_leave_many_files(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compacting, "MOST_SMALL", 6)
    for number in range(10, 18):
        platform.store("Payment", [row(number)])
        assert files(platform) < 6
    assert platform.catalog.versions.durable("Payment") == platform.lake.version("Payment")
    assert len(platform.read("Payment")) == 13


def test_files_of_several_months_are_counted_apart(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compacting, "MOST_SMALL", 8)
    for start in (10, 20):
        rows = [row(start + n, event_time=f"2026-0{n}-01") for n in (1, 2)]
        platform.store("Payment", rows)
    assert files(platform) == 5 + 2 * 2


def test_what_was_posted_counts_though_the_files_could_not_be_merged(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> int:
        raise Busy("the disk is full")

    monkeypatch.setattr(compacting, "MOST_SMALL", 3)
    monkeypatch.setattr(platform.lake, "compact", refuse)
    assert platform.store("Payment", [row(20)]).accepted == ("p20",)


def test_rows_wait_for_a_load_no_longer_than_they_may(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    import threading

    from heptad.catalog import loading

    monkeypatch.setattr(loading, "PATIENCE_S", 0.05)
    held, free = threading.Event(), threading.Event()

    def hold() -> None:
        with platform.loading._lock:
            held.set()
            free.wait(10)

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait(10)
    try:
        with pytest.raises(Busy, match="Another load is running"):
            platform.store("Payment", [row(21)])
    finally:
        free.set()
        thread.join()
    assert platform.store("Payment", [row(21)]).accepted == ("p21",)
