# SPDX-License-Identifier: Apache-2.0
"""What a crash left behind is mended or refused; nothing acknowledged is given up."""

from __future__ import annotations

import json
import os
import shutil
from typing import TYPE_CHECKING

import pytest
from visits import Project, Visit

from heptad.engine.local import commits, disk
from heptad.engine.local.lake import Lake
from heptad.standards.errors import Busy, Conflict, Corrupt, UnknownName

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def entry(project: Project, version: int) -> Path:
    """The log entry of a version."""
    return project.folder / "tables/Visit/_delta_log" / f"{version:020d}.json"


def data(project: Project, version: int) -> Path:
    """The first data file that a version added."""
    adds = [
        json.loads(line).get("add") for line in entry(project, version).read_text().splitlines()
    ]
    return project.folder / "tables/Visit" / next(a["path"] for a in adds if a)


def shorten(path: Path) -> None:
    """Leave half of a file, as a torn write does."""
    os.truncate(path, path.stat().st_size // 2)


def garble(path: Path) -> None:
    """Keep a file's size and change its bytes."""
    path.write_bytes(bytes(path.stat().st_size))


TORN = {
    "empty entry": lambda p: entry(p, 3).write_text(""),
    "half an entry": lambda p: shorten(entry(p, 3)),
    "zeros for an entry": lambda p: garble(entry(p, 3)),
    "no object in the entry": lambda p: entry(p, 3).write_text("[1]\n"),
    "missing file": lambda p: data(p, 3).unlink(),
    "short file": lambda p: shorten(data(p, 3)),
    "empty file": lambda p: data(p, 3).write_bytes(b""),
    "zeros in the file": lambda p: garble(data(p, 3)),
}


@pytest.mark.parametrize("tear", TORN.values(), ids=TORN)
def test_a_torn_tail_that_nobody_was_told_of_is_dropped(
    project: Project, tear: Callable[[Project], None]
) -> None:
    for n in range(1, 5):
        project.load([n], load=n)
    tear(project)
    after = project.reopened()
    assert after.lake.recover("Visit", 2) == 2
    assert after.ids() == ["v1", "v2"]
    assert not entry(after, 3).exists()
    assert not entry(after, 4).exists()
    assert after.load([4], load=4) == 3
    assert after.load([3], load=3) == 4
    assert after.ids() == ["v1", "v2", "v3", "v4"]


@pytest.mark.parametrize("tear", TORN.values(), ids=TORN)
def test_damage_to_what_was_acknowledged_is_refused_and_kept(
    project: Project, tear: Callable[[Project], None]
) -> None:
    for n in range(1, 4):
        project.load([n], load=n)
    tear(project)
    before = {p: p.read_bytes() for p in project.folder.glob("tables/Visit/**/*") if p.is_file()}
    lake = project.reopened().lake
    if tear is TORN["zeros in the file"]:  # found by reading all, not at every opening
        assert lake.recover("Visit", 3) == 3
        assert len(lake.damaged("Visit")) == 1
        return
    with pytest.raises(Corrupt) as refusal:
        lake.recover("Visit", 3)
    assert "backup" in refusal.value.do
    after = {p: p.read_bytes() for p in project.folder.glob("tables/Visit/**/*") if p.is_file()}
    assert after == before


def test_an_empty_or_missing_entry_in_the_middle_is_refused(project: Project) -> None:
    for n in range(1, 4):
        project.load([n], load=n)
    whole = entry(project, 2).read_bytes()
    entry(project, 2).write_bytes(b"")
    with pytest.raises(Corrupt, match="lost version 2"):
        project.reopened().lake.recover("Visit", 3)
    entry(project, 2).unlink()
    with pytest.raises(Corrupt, match="lost version 2"):
        project.reopened().lake.recover("Visit", 3)
    # Nobody was told of 2: then 3, though whole, has nothing to stand on.
    assert project.reopened().lake.recover("Visit", 1) == 1
    assert not entry(project, 3).exists()
    entry(project, 2).write_bytes(whole)
    assert project.reopened().lake.recover("Visit", 1) == 2


def test_a_rolled_back_table_is_refused(project: Project) -> None:
    project.load([1], load=1)
    with pytest.raises(Corrupt, match="lost version 2"):
        project.reopened().lake.recover("Visit", 2)
    shutil.rmtree(project.folder / "tables/Visit")
    with pytest.raises(Corrupt, match="lost version 0"):
        project.reopened().lake.recover("Visit", 1)
    assert project.reopened().lake.recover("Visit", -1) == -1


def test_whole_commits_that_nobody_was_told_of_are_kept_once(project: Project) -> None:
    project.load([1], load=1)
    project.load([2], load=2)
    after = project.reopened()
    assert after.lake.recover("Visit", 0) == 2
    assert after.load([2], load=2) == 2
    assert after.ids() == ["v1", "v2"]
    # What recovery has put on disk counts as acknowledged from then on.
    written = data(after, 2).stat().st_ino
    assert after.reopened().lake.recover("Visit", 0) == 2
    assert data(after, 2).stat().st_ino == written
    shorten(entry(after, 2))
    with pytest.raises(Corrupt, match="lost version 2"):
        after.reopened().lake.recover("Visit", 0)


@pytest.mark.parametrize("content", [b"", b'{"commitInfo":{"time'])
def test_a_table_that_died_at_birth_can_be_created(tmp_path: Path, content: bytes) -> None:
    project = Project(tmp_path)
    log = tmp_path / "tables/Visit/_delta_log"
    log.mkdir(parents=True)
    (log / f"{0:020d}.json").write_bytes(content)
    (log / "_commit_1.json.tmp").write_bytes(b"{")
    assert project.lake.create(Visit) == 0
    assert project.load([1], load=1) == 1
    assert project.ids() == ["v1"]


def test_recovery_of_nothing_is_nothing(tmp_path: Path) -> None:
    lake = Lake(tmp_path / "tables")
    assert lake.recover("Visit", -1) == -1
    assert lake.names() == []
    assert not lake.exists("Visit")
    with pytest.raises(UnknownName, match="no stored rows"):
        lake.version("Visit")


def test_leftovers_go(project: Project) -> None:
    project.load([1], load=1)
    staged = project.stage(project.visits([2]))
    log = project.folder / "tables/Visit/_delta_log"
    left = [log / "_commit_9.json.tmp", log / f"{2:020d}.json#1", log / f".{1:020d}.json.fresh"]
    for path in left:
        path.write_text("x")
    assert project.reopened().lake.recover("Visit", 1) == 1
    assert not staged.exists()
    assert [path for path in left if path.exists()] == []


def failing(times: int, monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    """Let syncing of files whose path has `what` in it fail so often."""
    left = [times]

    def sync(path: Path) -> None:
        if what in str(path) and left[0]:
            left[0] -= 1
            raise OSError(5, "Input/output error", str(path))
        disk.sync(path)

    monkeypatch.setattr(commits, "sync", sync)


@pytest.mark.parametrize("what", [f"{1:020d}.json", "_delta_log"])
def test_a_commit_that_was_not_synced_is_not_acknowledged(
    project: Project, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    failing(1, monkeypatch, what)
    with pytest.raises(Busy, match="Visit was not written"):
        project.load([1], load=1)
    assert project.lake.version("Visit") == 0
    assert project.ids() == []
    # The entry was whole; after it was written again it counts, and the load is not doubled,
    # though it was staged before anyone knew.
    assert project.load([1], load=1) == 1
    assert project.ids() == ["v1"]


def test_another_load_after_a_failed_one_is_not_emptied(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing(1, monkeypatch, f"{1:020d}.json")
    first, second = project.stage(project.visits([1])), project.stage(project.visits([2]))
    with pytest.raises(Busy):
        project.lake.commit("Visit", first, load=1, table=Visit)
    entry(project, 1).write_bytes(b"")
    assert project.lake.commit("Visit", second, load=2, table=Visit) == 1
    assert project.ids() == ["v2"]
    assert project.load([1], load=1) == 2


def test_another_writer_is_noticed(project: Project) -> None:
    other = project.reopened()
    assert other.lake.version("Visit") == 0
    project.load([1], load=1)
    with pytest.raises(Conflict, match="Another process has written Visit"):
        other.load([2], load=2)
    assert other.load([2], load=2) == 2
    assert other.ids() == ["v1", "v2"]


def test_rewriting_keeps_the_bytes(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(os.urandom(3 << 20))
    before = path.read_bytes()
    disk.rewrite_durably(path)
    assert path.read_bytes() == before
    disk.write_durably(path, b"new")
    assert path.read_bytes() == b"new"
    disk.remove_durably(path)
    disk.remove_durably(path)
    assert list(tmp_path.iterdir()) == []
