# SPDX-License-Identifier: Apache-2.0
"""The doctor: what is wrong is named with its cure, also of a project that no longer opens."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from heptad.engine.local.probe import Trial
from heptad.runtime import Platform
from heptad.security.envelope import PUT_BACK, RESTORE
from heptad.standards.time import FixedClock, SystemClock, day
from heptad.terminal.commands.doctor import doctor
from tests.terminal.conftest import heptad

if TYPE_CHECKING:
    from pathlib import Path


def wrong(answer: dict) -> dict[str, str]:
    """Return what does not hold, each with its cure."""
    return {c["what"]: c["do"] for c in answer["checks"] if not c["ok"]}


def test_a_project_that_no_longer_opens_is_looked_at_all_the_same(own: Path) -> None:
    path = own / "keys" / "subjects.sqlite"
    data = bytearray(path.read_bytes())
    data[-40] ^= 1
    path.write_bytes(data)
    assert heptad("tables", project=own).code == 8
    said = heptad("doctor", "--json", project=own)
    assert said.code == 9
    assert wrong(said.data) == {
        "project": "run `heptad doctor --scrub`, and restore them from a backup; if you put them "
        "there yourself, remove seals.json",
        "sealed files": RESTORE,
    }
    assert "MISS sealed files" in heptad("doctor", project=own).out


def test_what_no_backup_has_is_not_looked_for_in_one(own: Path) -> None:
    (own / "keys" / "kek").rename(own / "kek")
    assert PUT_BACK in heptad("tables", project=own).err
    found = heptad("doctor", "--json", project=own).data["checks"]
    wanted = {c["found"]: c["do"] for c in found if c["what"] == "sealed files"}
    assert wanted == {"keys/kek: is gone, or not what it was": PUT_BACK}
    shutil.rmtree(own / "keys")
    found = heptad("doctor", "--json", project=own).data["checks"]
    wanted = {c["found"].partition(":")[0]: c["do"] for c in found if c["what"] == "sealed files"}
    assert wanted == {"keys/kek": PUT_BACK, "keys/subjects.sqlite": RESTORE}
    said = next(c["do"] for c in found if c["what"] == "project")
    assert said.startswith(f"for keys/kek: {PUT_BACK}; for the others: ")


def test_the_cure_of_a_lost_mark_brings_it_back(own: Path, tmp_path: Path) -> None:
    vault, again = str(tmp_path / "vault"), tmp_path / "again"
    assert heptad("backup", vault, project=own).code == 0
    (own / "log" / "decisions" / "mark").unlink()
    said = heptad("log", project=own)
    assert said.code == 8
    assert "do:   restore the project from a backup (`heptad restore BACKUPS FOLDER" in said.err
    kek = str(own / "keys" / "kek")
    assert heptad("restore", vault, str(again), "--kek", kek).code == 0
    assert heptad("log", project=again).code == 0


def below(folder: Path) -> list[str]:
    """Return all that lies in a folder."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_a_disk_is_tried_before_there_is_a_project_and_nothing_is_made(tmp_path: Path) -> None:
    said = heptad("doctor", "--json", project=tmp_path)
    assert (said.code, wrong(said.data)) == (0, {})
    found = {c["what"]: c["found"] for c in said.data["checks"]}
    assert {"python", "file system", "disk: sync", "free disk", "clock"} <= found.keys()
    assert found["project"].startswith("none here yet")
    assert below(tmp_path) == []
    assert heptad("doctor", project=tmp_path / "absent").code == 3
    assert below(tmp_path) == []
    for name in ("keys", "log", "tables"):
        (tmp_path / name).mkdir()
    assert heptad("doctor", project=tmp_path).code == 0


def test_a_project_without_its_file_is_none_that_is_to_come(own: Path) -> None:
    (own / "heptad.toml").unlink()
    said = heptad("doctor", "--json", project=own)
    assert (said.code, wrong(said.data)) == (9, {"project": "restore heptad.toml from a backup"})


def test_a_project_that_was_never_opened_is_looked_at_and_not_made(tmp_path: Path) -> None:
    (tmp_path / "heptad.toml").write_text("", encoding="utf-8")
    said = heptad("doctor", project=tmp_path)
    assert said.code == 0
    assert "nothing is stored yet" in said.out
    assert below(tmp_path) == ["heptad.toml"]
    (tmp_path / "heptad.toml").write_text("[projekt]", encoding="utf-8")
    assert "projekt" in heptad("doctor", project=tmp_path).err
    assert below(tmp_path) == ["heptad.toml"]


def test_the_doctor_finds_a_disk_that_breaks_a_promise_before_there_is_a_project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = Trial("disk: lock", False, "not granted", "put the project on a local disk")
    monkeypatch.setattr("heptad.engine.local.probe.trials", lambda _: [kept])
    said = heptad("doctor", "--json", project=tmp_path)
    assert (said.code, wrong(said.data)) == (9, {"disk: lock": kept.do})


@pytest.mark.parametrize(
    ("database", "change", "what"),
    [
        ("catalog.sqlite", "UPDATE decisions SET outcome = 'approved' WHERE place = 7",
         "index of decisions"),
        ("catalog.sqlite", "DELETE FROM decisions WHERE place = 3", "index of decisions"),
        ("catalog.sqlite", "UPDATE data_files SET sha256 = 'x' WHERE \"table\" = 'Rate'",
         "table Rate"),
        ("keys/subjects.sqlite", "UPDATE subject SET wrapped = zeroblob(60) WHERE name = "
         "(SELECT max(name) FROM subject)", "sealed keys"),
    ],
)  # fmt: skip
def test_a_row_changed_while_the_project_is_open_is_found(
    own: Path, database: str, change: str, what: str
) -> None:
    """Where no digest lies: what one store says is compared with another."""
    with Platform.open(own) as platform:
        assert wrong(doctor(platform, scrub=True)) == {}
        with closing(sqlite3.connect(own / database)) as other, other:
            other.execute(change)
        found = wrong(doctor(platform, scrub=True))
        assert what in found
        assert all(found.values())


def test_a_clock_that_stands_before_what_was_stored_is_named(
    own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = SystemClock().now()
    with Platform.open(own, clock=FixedClock(now)) as platform:
        platform.compact("Payment")
        platform.clock = SystemClock()
        assert "clock" not in wrong(doctor(platform))
        monkeypatch.setattr(SystemClock, "now", lambda _: now - 3 * day)
        found = {c["what"]: c["found"] for c in doctor(platform)["checks"]}
        assert found["clock"].startswith("3 days behind")
        monkeypatch.setattr(SystemClock, "now", lambda _: 0)
        assert "clock" in wrong(doctor(platform))
