# SPDX-License-Identifier: Apache-2.0
"""Erasure conformance: every store answers for persons, and an erasure survives a kill anywhere."""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from heptad.catalog.quality import ColumnProfile
from heptad.engine.local.rows import Rows
from heptad.engine.protocols import Family
from heptad.runtime import Platform
from heptad.security.erasure import Person, is_genuine, uncovered
from heptad.security.keys import Keys
from heptad.standards.errors import Busy, Conflict, ContractError, Refused, UnknownName
from heptad.standards.time import FixedClock, day, parse_instant
from tests.security import scanning
from tests.service.test_flows import TEXT, published

NOW = parse_instant("2026-06-01")
NAME, OTHER = "Ana Canary Gil", "Leo Other Paz"
WHO, GONE = "Customer:c1", "c1"


def rows():
    return [
        {"id": GONE, "event_time": "2026-01-01", "name": NAME, "email": "ana@canary.example"},
        {"id": "c2", "event_time": "2026-01-01", "name": OTHER, "email": "leo@other.example"},
        {"id": GONE, "event_time": "never", "name": NAME},
        {"id": "c2", "event_time": "never", "name": OTHER},
    ]


def pay(n):
    return {"id": f"p{n}", "event_time": f"2026-03-0{n + 1}", "customer": f"c{1 + n % 2}",
            "amount": "10.00", "currency": "EUR", "status": "authorised"}  # fmt: skip


def plant_rows(platform):
    with Rows(platform.path / "rows") as store:
        store.create("profile", {"f": Family()})
        for key in (GONE, "c2"):
            store.put("profile", key.encode(), {b"f:note": b"something of " + key.encode()})


def plant_catalog(platform):
    load = platform.catalog.loads.recent(limit=1)[0].id
    profile = ColumnProfile(
        "city", 2, 0, 2, f"caught {NAME.upper()}", OTHER, None, None, None, None
    )
    platform.catalog.quality.record(load, "Customer", [profile])


def plant_work(platform):
    """Payments within minutes are held: each person has a case and a message."""
    burst = [pay(n) | {"id": f"b{n}", "event_time": f"2026-05-31T23:{n:02}:00"} for n in range(16)]
    platform.store("Payment", burst)
    platform.decide("fraud", latest=16)
    platform.work.settle()


def plant_shadows(platform):
    published(platform, TEXT, shadow=0)
    platform.work.shadows.catch_up()


PLANTED = {
    "tables": None,
    "quarantine": None,
    "decision log": None,
    "keys": None,
    "access log": lambda platform: platform.read("Customer", purpose="service"),
    "rows": plant_rows,
    "catalog": plant_catalog,
    "cases": plant_work,
    "messages": None,
    "shadows": plant_shadows,
    "intake": "what waits is in the tables for whoever asks",
    "models": "nothing personal",
    "sources": "the institution's own",
    "working files": "nothing stays",
}
"""Store → how something of a person comes to lie there; None if loading and deciding does it.
A new holder has to be added here, so that it is tried."""


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """A project, closed, with something of two persons in every store."""
    folder = tmp_path_factory.mktemp("erasing") / "bank"
    folder.mkdir()
    (folder / "heptad.toml").write_text('[project]\nclock = "2026-06-01"\n')
    with Platform.open(folder) as platform:
        platform.store("Customer", rows())
        platform.store("Payment", [pay(n) for n in range(4)])
        platform.decide("fraud")
        for plant in PLANTED.values():
            if callable(plant):
                plant(platform)
    return folder


@pytest.fixture
def folder(base, tmp_path):
    return copied(base, tmp_path / "bank")


def copied(base, target):
    shutil.copytree(base, target, ignore=shutil.ignore_patterns("owner.lock", "seals.json"))
    return target


def opened(folder):
    return Platform.open(folder)


def erase(platform, *names):
    return platform.erasing.erase(names or [GONE], "request no. 17", who="clerk", role="admin")


# Conformance


def test_every_store_is_tried(folder):
    with opened(folder) as platform:
        assert {holder.name for holder in platform.erasing.holders} == set(PLANTED)


def test_every_file_of_a_project_is_answered_for_and_a_new_store_is_noticed(folder):
    with opened(folder) as platform:
        holders = platform.erasing.holders
        assert platform.erasing.uncovered() == []
        for new in ("cache/portraits.bin", "log/notes/1.seg", "portraits.sqlite"):
            (folder / new).parent.mkdir(exist_ok=True)
            (folder / new).write_bytes(b"")
            assert uncovered(folder, holders) == [new]
            (folder / new).unlink()


@pytest.mark.parametrize(
    "name", sorted(n for n, how in PLANTED.items() if not isinstance(how, str))
)
def test_a_holder_finds_what_is_there_lets_go_of_it_and_leaves_the_others(folder, name):
    with opened(folder) as platform:
        values = {k: platform.erasing._known(Person("Customer", k)) for k in (GONE, "c2")}
        (holder,) = (h for h in platform.erasing.holders if h.name == name)
        other = holder.held(values["c2"])
        assert holder.held(Person("Customer", "nobody")) == []
        before = holder.held(values[GONE])
        assert before
        assert all(h.n > 0 and h.store == name for h in before)
        removed = holder.erase([values[GONE]])
        left = holder.held(values[GONE])
        assert {h.fate for h in left} <= {"sealed", "kept"}
        assert removed == sum(h.n for h in before if h.fate == "removed")
        assert holder.erase([values[GONE]]) == 0  # it may be repeated
        assert holder.held(values["c2"]) == other


def test_the_key_store_comes_last(folder):
    with opened(folder) as platform:
        assert platform.erasing.holders[-1].name == "keys"


# What is answered


def test_an_erasure_answers_with_a_signed_receipt_once(folder):
    with opened(folder) as platform:
        (done,) = erase(platform)
        public = platform.keys.public_key()
        assert is_genuine(done.receipt, public)
        for name, value in (("who", "another"), ("epoch", 9), ("signature", "00"), ("more", 1)):
            assert not is_genuine({**done.receipt, name: value}, public)
        assert erase(platform) == [done]
        assert platform.keys.epoch == 2
        shown = platform.erasing.show(GONE)
        assert (shown["state"], shown["erasures"][0]["genuine"]) == ("erased", True)
        assert NAME not in str(shown)


def test_a_person_who_came_back_can_be_erased_again(folder):
    with opened(folder) as platform:
        (first,) = erase(platform)
        row = rows()[0] | {"event_time": "2026-05-01"}
        assert [r.reason for r in platform.store("Customer", [row]).rejected] == ["erased"]
        platform.erasing.revive(GONE, "opened an account", who="clerk", role="admin")
        report = platform.store("Customer", [row])
        assert (report.accepted, report.rejected) == ((GONE,), ())
        seen = platform.read("Customer", purpose="service", t=NOW).to_pylist()
        assert [r["name"] for r in seen if r["id"] == GONE] == [row["name"]]
        assert platform.erasing.show(GONE)["state"] == "held"
        with pytest.raises(Conflict):
            platform.erasing.revive(GONE, "again", who="clerk", role="admin")
        (second,) = erase(platform)
        assert second.id > first.id
        assert platform.keys.of([WHO], create=False) == [None]


def test_many_are_erased_with_one_epoch_and_a_hold_on_one_stops_all(folder):
    with opened(folder) as platform:
        platform.erasing.hold("c2", NOW + day, "a suit", who="legal", role="admin")
        with pytest.raises(Refused, match="until 2026-06-02"):
            erase(platform, GONE, "c2")
        assert platform.keys.of([WHO, "Customer:c2"], create=False).count(None) == 0
        assert isinstance(platform.clock, FixedClock)
        platform.clock.set(NOW + day)
        assert len(erase(platform, GONE, "Customer:c2", GONE)) == 2
        assert platform.keys.epoch == 2


def test_names_and_reasons_are_checked(folder):
    with opened(folder) as platform:
        for name, error in (
            ("nobody", UnknownName),
            ("Merchant:c1", UnknownName),
            (" ", ContractError),
        ):
            with pytest.raises(error):
                erase(platform, name)
        for reason in ("", f"{NAME.upper()} wrote to us"):
            with pytest.raises(ContractError):
                platform.erasing.erase([GONE], reason, who="clerk", role="admin")
            with pytest.raises(ContractError):
                platform.erasing.hold(GONE, NOW + day, reason, who="clerk", role="admin")
        assert platform.catalog.erasures.recent() == []
        assert platform.catalog.erasures.holds(WHO) == []


def test_rows_and_decisions_that_come_meanwhile_wait_and_are_refused(folder):
    """Threads that post and decide while a person is erased seal nothing under their key after."""
    with opened(folder) as platform:
        stop, met = threading.Event(), []

        def work():
            n = 0
            while not stop.is_set():
                n += 1
                row = {"id": GONE, "event_time": "2026-04-01", "name": f"{NAME} {n}"}
                report = platform.store("Customer", [row])
                met.extend(r.reason for r in report.rejected)

        thread = threading.Thread(target=work)
        thread.start()
        try:
            erase(platform)
            until = threading.Event()
            while not met and thread.is_alive():
                until.wait(0.05)
        finally:
            stop.set()
            thread.join()
        assert set(met) == {"erased"}
        assert platform.keys.of([WHO], create=False) == [None]
        assert platform.read("Customer", purpose="service").num_rows >= 1


# Kill at any point


POINTS = ("tables", "quarantine", "catalog", "rows", "keys", "new_epoch", "purge", "finish")


@pytest.fixture(scope="module")
def killed(base, tmp_path_factory):
    """Projects whose erasing process died at a point, and what opened the person before."""
    home = tmp_path_factory.mktemp("killed")
    folders = {point: copied(base, home / point) for point in POINTS}
    words = [word for point, folder in folders.items() for word in (str(folder), point)]
    command = [sys.executable, "-m", "tests.security.killed_erasure", *words]
    subprocess.run(command, check=True, timeout=110)
    return folders


@pytest.mark.slow
@pytest.mark.parametrize("point", POINTS)
def test_an_erasure_that_was_killed_is_ended_when_the_project_opens(killed, base, point):
    with Keys(base / "keys") as keys:
        (dek,) = keys.of([WHO], create=False)
        kek = keys._vault.kek.key
    folder = killed[point]
    with opened(folder) as platform:
        shown = platform.erasing.show(GONE)
        assert (shown["state"], [e["status"] for e in shown["erasures"]]) == ("erased", ["erased"])
        assert {h["fate"] for h in shown["held"]} <= {"sealed", "kept"}
        assert platform.keys.of(["Customer:c2"], create=False) != [None]
        assert {row["id"]: row["name"] for row in
                platform.read("Customer", purpose="service").to_pylist()} == {GONE: "(erased)", "c2": OTHER}  # fmt: skip
        assert [r.raw for r in platform.loading.quarantine.show("Customer", clear=True)
                if r.raw and NAME in r.raw] == []  # fmt: skip
        assert platform.erasing.uncovered() == []
    assert scanning.found(folder, [NAME, "ana@canary.example", dek, kek]) == {}


def test_what_cannot_be_ended_stays_begun_and_the_project_opens(folder, monkeypatch, caplog):
    def refuse(_):
        raise Busy("another process reads")

    with opened(folder) as platform, monkeypatch.context() as patch:
        patch.setattr(Keys, "purge", refuse)
        with pytest.raises(Busy):
            erase(platform)
    with monkeypatch.context() as patch:
        patch.setattr(Keys, "purge", refuse)
        with opened(folder) as platform:
            assert platform.erasing.show(GONE)["state"] == "erasing"
    assert "1 erasures were begun" in caplog.text
    with opened(folder) as platform:
        assert platform.erasing.show(GONE)["state"] == "erased"


# Holders by themselves


def test_a_damaged_quarantine_file_is_let_go_of_with_its_key(folder):
    path = next(Path(folder / "quarantine" / "Customer").glob("*.parquet"))
    path.write_bytes(path.read_bytes()[:80])
    with opened(folder) as platform:
        assert platform.keys.disposables("quarantine|")
        erase(platform)
        assert platform.keys.disposables("quarantine|") == []
    assert not path.exists()
