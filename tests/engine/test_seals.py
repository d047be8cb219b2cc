# SPDX-License-Identifier: Apache-2.0
"""Seals: what has no checksum of its own is compared when a project is opened again."""

from __future__ import annotations

import os

import pytest

from heptad.engine.local.seals import FILE, Seals
from heptad.standards.errors import Corrupt

ENTRY = "tables/Payment/_delta_log/00000000000000000000.json"


@pytest.fixture
def folder(tmp_path):
    for name in ("catalog.sqlite", "keys/kek", ENTRY, "rows/7.sst", "rows/LOCK", "keys/lock"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode() * 9)
    Seals(tmp_path).end()
    return tmp_path


def damaged(folder) -> list[str]:
    return Seals(folder).damaged(lambda _: None)


def flip(path):
    """Change a byte and leave no trace in the file's times."""
    times, data = path.stat(), bytearray(path.read_bytes())
    data[3] ^= 4
    path.write_bytes(data)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def test_an_untouched_project_opens_and_closes_any_number_of_times(folder):
    for _ in range(3):
        seals = Seals(folder)
        seals.begin()
        seals.end()
    assert damaged(folder) == []


@pytest.mark.parametrize("name", ["catalog.sqlite", "keys/kek", ENTRY])
def test_a_changed_or_missing_file_closes_the_project(folder, name):
    flip(folder / name)
    with pytest.raises(Corrupt, match=name):
        Seals(folder).begin()
    assert damaged(folder) == [name]
    (folder / name).unlink()
    with pytest.raises(Corrupt, match=name):
        Seals(folder).begin()


def test_locks_and_what_only_the_scrub_reads(folder):
    flip(folder / "rows/LOCK")
    flip(folder / "keys/lock")
    assert damaged(folder) == []
    flip(folder / "rows/7.sst")
    Seals(folder).begin()
    assert damaged(folder) == ["rows/7.sst"]


def test_while_it_is_open_stores_may_change_and_what_lasts_may_not(folder):
    """Also after a kill, which leaves the project open."""
    Seals(folder).begin()
    flip(folder / "catalog.sqlite")
    (folder / "keys/kek").unlink()
    assert damaged(folder) == []
    flip(folder / ENTRY)
    assert damaged(folder) == [ENTRY]
    Seals(folder).begin()


def test_damage_that_came_while_it_was_open_is_not_sealed_as_good(folder):
    seals = Seals(folder)
    seals.begin()
    flip(folder / ENTRY)
    seals.end()
    assert damaged(folder) == [ENTRY]


def test_a_damaged_list_says_so(folder):
    flip(folder / FILE)
    with pytest.raises(Corrupt, match="list of the project's digests"):
        Seals(folder).begin()
    with pytest.raises(Corrupt, match="list of the project's digests"):
        damaged(folder)


def test_a_database_with_an_unfinished_log_is_left_out(folder):
    (folder / "catalog.sqlite-wal").write_bytes(b"pages")
    Seals(folder).end()
    flip(folder / "catalog.sqlite")
    Seals(folder).begin()


def test_a_new_project_has_no_seals(tmp_path):
    Seals(tmp_path).begin()
    Seals(tmp_path).end()
    assert not (tmp_path / FILE).exists()
