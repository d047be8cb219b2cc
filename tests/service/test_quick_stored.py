# SPDX-License-Identifier: Apache-2.0
"""What the quick way answered is stored once, also after a kill or when the disk refuses."""

from __future__ import annotations

import errno
import os
import threading
from pathlib import Path

import pytest

from heptad.catalog import pending as pending_module
from heptad.catalog.compacting import crowded
from heptad.catalog.pending import Pending
from heptad.service.decisions import log as log_module
from heptad.service.decisions import quick as quick_module
from heptad.service.decisions.taking import Ask
from heptad.standards.errors import Busy
from heptad.standards.time import hour
from tests.service.quickly import (
    NOW,
    Ticking,
    bypassed,
    opened,
    payment,
    quickened,
    served,
)
from tests.waiting import until

WAIT = 30


@pytest.fixture
def platform(tmp_path):
    with served(tmp_path) as found:
        yield found


def test_what_a_kill_left_in_the_journal_is_stored_once(tmp_path, monkeypatch):
    with opened(tmp_path) as platform:
        platform.accept("Payment", [payment(n) for n in range(5)])
        quickened(platform)
        made = [platform.accept("Payment", [payment(10 + n)])[1][0] for n in range(6)]
        # As after a kill: nothing is poured, nothing is indexed, nothing is tidied up.
        monkeypatch.setattr(Pending, "pour", lambda self, name: None)
        monkeypatch.setattr(platform.log, "settle", lambda: None)
        made += [platform.accept("Payment", [payment(20 + n)])[1][0] for n in range(6)]
        monkeypatch.setattr(Pending, "close", lambda self: self._journal.close())
    monkeypatch.undo()
    for _ in range(2):
        with opened(tmp_path, Ticking(NOW + hour)) as platform:
            assert len(platform.read("Payment")) == 17
            assert {d.public["id"] for d in made} <= {
                e.public["id"] for e in platform.log.entries()
            }
            report = platform.replay()
            assert report.identical, report.findings[:3]
            assert platform.log.check_index() == len(platform.log) == 17


def test_a_row_that_was_asked_again_after_the_disk_refused_is_stored_once(tmp_path, monkeypatch):
    """The append that was refused lies in the journal all the same, whole."""
    synced, refused = os.fdatasync, []

    def failing(handle):
        synced(handle)
        if not refused:
            refused.append(handle)
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    with opened(tmp_path) as platform:
        platform.accept("Payment", [payment(n) for n in range(5)])
        quickened(platform)
        platform.accept("Payment", [payment(10)])
        monkeypatch.setattr(Pending, "pour", lambda self, name: None)
        monkeypatch.setattr(platform.log, "settle", lambda: None)
        monkeypatch.setattr(os, "fdatasync", failing)
        with pytest.raises(Busy):
            platform.accept("Payment", [payment(11)])
        made = platform.accept("Payment", [payment(11, amount="7.77", currency="EUR")])[1]
        monkeypatch.setattr(Pending, "close", lambda self: self._journal.close())
    monkeypatch.undo()
    with opened(tmp_path, Ticking(NOW + hour)) as platform:
        rows = {row["id"]: row for row in platform.read("Payment").to_pylist()}
        assert platform.catalog.versions.history("Payment")[0].rows == 7
        assert rows["p11"]["amount"] == 777
        assert platform.replay([entry.public["id"] for entry in made]).identical


def test_a_refused_row_takes_no_version_that_was_promised_to_another(tmp_path, monkeypatch):
    """It lies in the journal behind all that was stored of its version."""
    synced = os.fdatasync

    def failing(handle):
        synced(handle)
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with opened(tmp_path) as platform:
        platform.accept("Payment", [payment(n) for n in range(5)])
        quickened(platform)
        platform.accept("Payment", [payment(10)])
        with monkeypatch.context() as patched:
            patched.setattr(os, "fdatasync", failing)
            with pytest.raises(Busy):
                platform.accept("Payment", [payment(11)])
        assert "p10" in platform.read("Payment").column("id").to_pylist()
        monkeypatch.setattr(Pending, "pour", lambda self, name: None)
        monkeypatch.setattr(platform.log, "settle", lambda: None)
        made = platform.accept("Payment", [payment(12)])[1]
        monkeypatch.setattr(Pending, "close", lambda self: self._journal.close())
    monkeypatch.undo()
    with opened(tmp_path, Ticking(NOW + hour)) as platform:
        version = made[0].decision.tables["Payment"]
        there = platform.read("Payment", version=version).column("id").to_pylist()
        assert sorted(there) == sorted([*(f"p{n}" for n in range(5)), "p10", "p12"])
        assert platform.catalog.versions.history("Payment")[0].version == version
        assert platform.replay().identical


def test_a_journal_that_could_not_be_removed_is_let_go_of_and_removed_later(tmp_path, monkeypatch):
    def refused(*_):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with opened(tmp_path) as platform:
        pending = platform._stores.pending
        quickened(platform)
        platform.accept("Payment", [payment(1)])
        platform.intake.quick.stop()
        for name in ("rename", "fsync"):
            with monkeypatch.context() as patched:
                patched.setattr(Path if name == "rename" else os, name, refused)
                with pytest.raises(Busy):
                    pending.trim(whole=True)
            assert any(pending.folder.glob("*/*.seg"))
        with monkeypatch.context() as patched:
            patched.setattr(Path, "rename", refused)
            pending.close()
        pending.trim(whole=True)
        assert not [p for p in pending.folder.rglob("*") if p.is_file() and p.suffix == ".seg"]
        platform.intake.quick = None


def test_a_pour_that_fails_is_tried_again_and_reads_wait_for_it(platform, monkeypatch):
    commit, failures = platform.lake.commit, [1, 1]

    def failing(*parts, **more):
        if failures:
            failures.pop()
            raise Busy("The disk refused.")
        return commit(*parts, **more)

    monkeypatch.setattr(platform.lake, "commit", failing)
    made = platform.accept("Payment", [payment(700)])[1]
    for _ in range(3):
        try:
            rows = platform.read("Payment")
        except Busy:
            continue
    assert "p700" in rows.column("id").to_pylist()
    made += platform.accept("Payment", [payment(701)])[1]
    assert platform.read("Payment").column("id").to_pylist().count("p700") == 1
    assert platform.replay().identical
    assert len(made) == 2


def test_a_pour_that_fails_is_not_tried_with_every_group(platform, monkeypatch):
    """Else a full disk is asked, and warned of, a thousand times a second."""
    tried, pending = [], platform._stores.pending

    def refused():
        tried.append(1)
        raise Busy("The disk refused.")

    monkeypatch.setattr(quick_module, "POUR_ROWS", 1)
    monkeypatch.setattr(quick_module, "AGAIN_S", 2.0)
    monkeypatch.setattr(pending, "pour_all", refused)
    platform.accept("Payment", [payment(720)])
    until(lambda: tried)
    for n in range(721, 741):
        platform.accept("Payment", [payment(n)])
    assert bypassed(platform) == 21
    assert len(tried) <= 2
    monkeypatch.undo()
    until(lambda: not bypassed(platform))


def test_a_look_for_small_files_stores_nothing(platform):
    platform.accept("Payment", [payment(300)])
    assert bypassed(platform) == 1
    assert not crowded(platform._stores.lake, "Payment")
    assert bypassed(platform) == 1


def test_rows_that_come_while_others_are_stored_wait_for_the_next_time(platform, monkeypatch):
    stored, more = [], iter(range(500, 520))

    def pour(loading, table, rows, until):
        stored.append(len(rows))
        # As from callers who never stop: without an end this would go on until none is left.
        for n in (next(more, None), next(more, None)):
            if n is not None:
                platform.accept("Payment", [payment(n)])
        return original(loading, table, rows, until)

    original = pending_module.pour
    monkeypatch.setattr(pending_module, "pour", pour)
    pending = platform.intake.quick.pending
    for n in range(100, 103):
        platform.accept("Payment", [payment(n)])
    pending.pour("Payment")
    assert stored == [3]
    assert bypassed(platform) == 2
    pending.pour("Payment")
    assert stored == [3, 2]


def test_few_rows_that_come_while_many_are_stored_call_for_no_second_time(platform, monkeypatch):
    monkeypatch.setattr(quick_module, "POUR_ROWS", 4)
    asked, stored, original = platform.intake.quick._many, [], pending_module.pour
    done = threading.Event()

    def pour(loading, table, rows, until):
        if not stored:
            platform.accept("Payment", [payment(600)])
            stored.append((len(rows), asked.is_set()))
            done.set()
        return original(loading, table, rows, until)

    monkeypatch.setattr(pending_module, "pour", pour)
    platform.accept("Payment", [payment(n) for n in range(590, 594)])
    assert done.wait(WAIT)
    assert stored == [(4, False)]


def test_the_index_follows_the_log_by_whole_appends(platform, monkeypatch):
    """Else what is backed up beside a server that decides would end within one."""
    floors = []

    def between(*given):
        platform.log.settle()
        floors.append(platform.catalog.settings.log_floor)
        return entry(*given)

    entry = log_module.entry
    monkeypatch.setattr(log_module, "entry", between)
    asks = [Ask("Payment", [payment(n)], "fraud") for n in range(800, 804)]
    assert None not in platform.intake.quick.at_once(asks).values()
    monkeypatch.undo()
    platform.log.settle()
    assert floors == [40] * len(asks)
    assert platform.catalog.settings.log_floor == 40 + len(asks)
