# SPDX-License-Identifier: Apache-2.0
"""The access log: durable before the answer, finds whom it is about, shows nobody anything."""

from __future__ import annotations

import random
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from heptad.catalog import Catalog
from heptad.engine.local.segments import Segments
from heptad.security import access
from heptad.security.access import MOST_TAGS, Read
from heptad.security.keys import Keys
from heptad.service.reads.recording import open_access_log
from heptad.standards.errors import Busy, Corrupt
from heptad.standards.time import FixedClock

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from heptad.security.access import AccessLog


class Desk:
    """A folder with keys, a catalog and an access log that can be opened again."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.clock = folder, FixedClock(1_000_000)
        self.keys = Keys(folder / "keys", clock=self.clock)
        self.catalog = Catalog(folder / "catalog.sqlite", clock=self.clock)
        self.log = self.opened()

    def opened(self) -> AccessLog:
        """Open the log."""
        settings_ = self.catalog.settings
        return open_access_log(self.folder / "log", self.keys, "bank", settings_, self.clock)

    def again(self) -> AccessLog:
        """Open the log again."""
        self.log.close()
        self.log = self.opened()
        return self.log

    def bytes(self) -> bytes:
        """All that lies in the log's folder."""
        return b"".join(p.read_bytes() for p in sorted((self.folder / "log").iterdir()))


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """A fresh log."""
    made = Desk(tmp_path)
    yield made
    made.log.close()
    made.catalog.close()
    made.keys.close()


def read(*people: str, **more: object) -> Read:
    """Return a read about some persons."""
    found = Read("read", "key-1", "officer", "service", people=set(people))
    for name, value in more.items():
        setattr(found, name, value)
    return found


def test_a_read_comes_back_as_it_was_recorded(desk: Desk) -> None:
    made = read("Customer:c1", rows=2, grounds={"Customer": "contract"},
                columns={"Customer": ["id", "name"]}, detail={"after": "c0"})  # fmt: skip
    desk.log.record(made)
    (entry,) = desk.again().entries()
    record = entry.record
    assert (record.who, record.role, record.purpose) == ("key-1", "officer", "service")
    assert (record.action, record.result, record.rows, record.people) == ("read", "opened", 2, 1)
    assert record.grounds == {"Customer": "contract"}
    assert record.columns == {"Customer": ["id", "name"]}
    assert entry.detail == {"after": "c0", "about": ["Customer:c1"]}


def test_nothing_that_names_a_person_can_be_read_in_it(desk: Desk) -> None:
    desk.log.record(read("Customer:Ana-Gil", detail={"after": "Ana-Gil", "sql": "Ana-Gil"}))
    desk.log.record(read("Customer:Ana-Gil", refused="Ana-Gil asked"))
    assert b"Ana-Gil" not in desk.bytes()
    (one, other) = desk.log.entries()
    # The same person has another mark in each record.
    assert one.record.tags != other.record.tags
    assert one.record.query != other.record.query


def test_equal_questions_have_equal_hashes_under_this_key_only(desk: Desk, tmp_path: Path) -> None:
    other = Desk(tmp_path / "other")
    for log in (desk.log, desk.log, other.log):
        log.record(read(detail={"t": 5}))
    one, two = (e.record.query for e in desk.log.entries())
    assert one == two
    assert other.log.entries()[0].record.query != one
    other.log.close()
    other.catalog.close()
    other.keys.close()


def test_whom_a_read_is_about_is_found_and_nobody_else(desk: Desk) -> None:
    draw = random.Random(5)
    reads = [set(draw.sample("abcdef", draw.randrange(5))) for _ in range(60)]
    for people in reads:
        desk.log.record(read(*people))
    for wanted in "abcdefg":
        found = [e.place for e in desk.log.entries(subject=wanted, limit=100)]
        assert found == [n for n, people in reversed([*enumerate(reads)]) if wanted in people]
        assert [e.place for e in desk.log.entries(subject=wanted, limit=3)] == found[:3]


def test_a_read_about_very_many_is_listed_for_everybody(desk: Desk) -> None:
    desk.log.record(read("x"))
    desk.log.record(read(many=MOST_TAGS + 1))
    (entry,) = desk.log.entries(subject="y")
    assert (entry.record.people, entry.record.tags) == (MOST_TAGS + 1, b"")


def test_entries_are_found_by_time_and_time_never_steps_back(desk: Desk) -> None:
    for at in (5, 9, 3, 9, 12):
        desk.clock.set(at * 1_000_000)
        desk.log.record(read(detail={"at": at}))
    assert [e.record.at // 1_000_000 for e in desk.log.entries()] == [12, 9, 9, 9, 5]
    assert [e.detail["at"] for e in desk.log.entries(since=9_000_000)] == [12, 9, 3, 9]
    assert [e.detail["at"] for e in desk.log.entries(limit=2)] == [12, 9]
    assert desk.log.entries(since=13_000_000) == []
    desk.clock.set(0)
    assert desk.again().now() == 12_000_000


def test_reads_at_once_share_syncs_and_none_is_lost(desk: Desk, monkeypatch) -> None:
    groups: list[int] = []
    started, plain = threading.Event(), Segments.append

    def slow(self, records, seal=b""):
        groups.append(len(records))
        if len(groups) == 1:
            started.wait(5)
        return plain(self, records, seal)

    monkeypatch.setattr(Segments, "append", slow)
    with ThreadPoolExecutor(16) as pool:
        waiting = [pool.submit(desk.log.record, read(detail={"n": n})) for n in range(16)]
        while len(desk.log._queue) < 15:
            threading.Event().wait(0.005)
        started.set()
        for one in waiting:
            one.result()
    assert sum(groups) == 16
    assert len(groups) == 2
    assert sorted(e.detail["n"] for e in desk.again().entries()) == list(range(16))
    assert desk.log.verify().entries == 16


def test_who_records_within_a_transaction_waits_for_nobody_who_waits_for_it(desk: Desk) -> None:
    """A step on a case is recorded while the catalog is held; the other way round all would stop."""
    for _ in range(access.KEPT_EVERY - 1):
        desk.log.record(read("Customer:c1"))
    other = threading.Thread(target=desk.log.record, args=[read("Customer:c2")], daemon=True)
    with desk.catalog.store.write():
        other.start()
        other.join(0.3)
        assert other.is_alive(), "it waits to tell the catalog how many there are"
        desk.log.record(read("Customer:c1"))
    other.join(10)
    assert not other.is_alive()
    assert len(desk.log) == access.KEPT_EVERY + 1


def test_a_failed_write_refuses_the_read_and_later_ones_go_on(desk: Desk, monkeypatch) -> None:
    desk.log.record(read(detail={"n": 0}))
    with monkeypatch.context() as broken:
        broken.setattr("os.fdatasync", _full)
        for _ in range(2):
            with pytest.raises(Busy, match="nothing is answered"):
                desk.log.record(read(detail={"n": 1}))
    desk.log.record(read(detail={"n": 2}))
    assert desk.log.verify().entries == len(desk.log)
    found = [e.detail["n"] for e in desk.again().entries()]
    # What was refused may stand in the log; what was answered must.
    assert found[0] == 2
    assert found[-1] == 0


def _full(_: int) -> None:
    raise OSError(28, "No space left on device")


def test_a_failure_nobody_foresaw_refuses_the_read_too(desk: Desk, monkeypatch) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError

    with monkeypatch.context() as broken:
        broken.setattr(Segments, "append", fail)
        with pytest.raises(ZeroDivisionError):
            desk.log.record(read())
    desk.log.record(read())
    assert len(desk.log.entries()) == 1


def test_a_flipped_byte_a_cut_tail_and_an_older_copy_are_found(desk: Desk) -> None:
    for n in range(access.KEPT_EVERY + 3):
        desk.log.record(read(detail={"n": n}))
    assert desk.log.verify().entries == access.KEPT_EVERY + 3
    desk.log.close()
    (segment,) = (desk.folder / "log").glob("*.seg")
    whole = segment.read_bytes()
    segment.write_bytes(whole[:2000] + bytes([whole[2000] ^ 1]) + whole[2001:])
    with pytest.raises(Corrupt):
        desk.opened().verify()
    for path in (desk.folder / "log").iterdir():
        path.unlink()
    with pytest.raises(Corrupt, match="entries"):
        desk.opened()
    for path in (desk.folder / "log").iterdir():
        path.unlink()
    desk.catalog.settings.set(access.FLOOR, 0)
    desk.log = desk.opened()


def test_a_record_moved_under_another_key_does_not_open(desk: Desk, tmp_path: Path) -> None:
    desk.log.record(read("Customer:c1"))
    other = Desk(tmp_path / "other")
    other.log._ledger = desk.log._ledger
    with pytest.raises(Corrupt, match="does not open"):
        other.log.entries()
    other.catalog.close()
    other.keys.close()
