# SPDX-License-Identifier: Apache-2.0
"""Backups: what is restored is what was there, to the bit, now or at any instant; a drill."""

from __future__ import annotations

import os
import shutil
import threading
from pathlib import Path

import pytest

from heptad.catalog import backup
from heptad.catalog.backup import back_up, check, manifests
from heptad.catalog.restoring import restore
from heptad.catalog.scrub import scrub
from heptad.engine.local.objects import Objects
from heptad.runtime import Platform
from heptad.security.access import KEPT_EVERY, Read
from heptad.standards.errors import Conflict, Corrupt, InputError, UnknownName
from heptad.standards.time import FixedClock, day, format_instant, hour, minute
from heptad.terminal.commands.backups import backup as command
from heptad.terminal.commands.upkeep import retention
from tests.fixtures import frozen

START = 1_767_225_600_000_000
DAYS = 4


def payment(n: int) -> dict:
    return {"id": f"p{n}", "event_time": format_instant(START + n * 11 * minute),
            "customer": f"c{n % 9}", "amount": f"{n % 97}.50", "currency": "EUR",
            "status": "declined" if n % 7 == 0 else "authorised", "merchant": f"m{n % 5}",
            "country": "ES" if n % 5 else "PT"}  # fmt: skip


def opened(folder: Path, now: int) -> Platform:
    return Platform.open(folder, clock=FixedClock(now), apps=[frozen.app])


def live(platform: Platform, number: int) -> None:
    """A day of a small bank: rows, a refused one, decisions, a correction, a model, upkeep."""
    platform.clock.set(START + (number + 10) * day)
    rows = [payment(n) for n in range(number * 60, number * 60 + 60)]
    platform.store("Payment", rows)
    platform.store("Payment", [payment(9000 + number) | {"currency": "???"}])
    if number % 2 == 0:
        models = platform.catalog.models
        made = models.register("card", "frozen", frozen.card(number), trainer="one")
        models.approve(made.id, "another", "read")
        models.promote(made.id, "champion", "another")
    platform.clock.set(platform.clock.now() + hour)
    platform.decide("frozen", keys=[r["id"] for r in rows[:20]])
    platform.store("Payment", [payment(number * 60) | {"amount": "1234.00"}])
    if number == 2:
        platform.compact("Payment")


def held(platform: Platform) -> dict:
    """All that a user can see of a project."""
    catalog = platform.catalog
    return {
        "rows": platform.read("Payment", version=None).to_pylist(),
        "versions": [(v.version, v.rows, v.instant) for v in catalog.versions.history("Payment")],
        "decisions": [(e.public, e.decision.to_bytes()) for e in platform.log.entries()],
        "counts": catalog.decisions.counts("frozen"),
        "by day": catalog.decisions.by_day("frozen"),
        "models": [(m.title, m.stage, m.approver) for m in catalog.models.recent()],
        "quarantined": len(platform.loading.quarantine.show("Payment")),
        "loads": [(x.id, x.status) for x in catalog.loads.recent()],
    }


@pytest.fixture(scope="module")
def story(tmp_path_factory) -> tuple[Path, Path, list[tuple[int, dict]]]:
    """A project, its backups made day by day while it was open, and what it held each evening."""
    home = tmp_path_factory.mktemp("story")
    folder, target, seen = home / "project", home / "backups", []
    folder.mkdir()
    (folder / "heptad.toml").write_text('[project]\nname = "story"\n', encoding="utf-8")
    with opened(folder, START) as platform:
        for number in range(DAYS):
            live(platform, number)
            platform.clock.set(platform.clock.now() + hour)
            seen.append((platform.clock.now(), held(platform)))
            command(platform, str(target), incremental=number > 0)
    return folder, target, seen


def test_every_read_that_was_recorded_is_in_the_backup(tmp_path):
    folder, target = tmp_path / "project", tmp_path / "backups"
    folder.mkdir()
    (folder / "heptad.toml").write_text('[project]\nname = "story"\n', encoding="utf-8")
    with opened(folder, START) as platform:
        for nth, n in enumerate((1, 2, KEPT_EVERY + 3)):
            for _ in range(n):
                platform.access.record(Read("read", "anna", "officer", "credit", rows=n))
            recorded = platform.access.entries(limit=1000)
            platform.clock.set(START + (nth + 1) * hour)
            command(platform, str(target), incremental=nth > 0)
            restore(target, tmp_path / f"again{nth}", kek=folder / "keys" / "kek")
            with opened(tmp_path / f"again{nth}", START + day) as again:
                assert again.access.entries(limit=1000) == recorded
                assert again.access.verify().entries == len(recorded)


@pytest.fixture
def kek(story) -> Path:
    return story[0] / "keys" / "kek"


def test_the_drill(story, kek, tmp_path):
    """Restored elsewhere, everything is there, replays bit for bit, and goes on."""
    _, target, seen = story
    told = restore(target, tmp_path / "again", kek=kek)
    assert told["entries"] == 20 * DAYS
    with opened(tmp_path / "again", seen[-1][0] + day) as platform:
        assert held(platform) == seen[-1][1]
        assert platform.replay().identical
        assert platform.log.ledger.verify().entries == 20 * DAYS
        live(platform, DAYS)
        assert platform.replay().identical
    assert scrub(tmp_path / "again").findings == []


@pytest.mark.parametrize(
    "evening", [0, *(pytest.param(n, marks=pytest.mark.slow) for n in range(1, DAYS))]
)
def test_to_an_instant(story, kek, tmp_path, evening):
    """As the project was that evening, from the last backup; then it lives on another way."""
    _, target, seen = story
    instant, then = seen[evening]
    restore(target, tmp_path / "then", to=instant, kek=kek)
    with opened(tmp_path / "then", instant) as platform:
        assert held(platform) == then
        report = platform.replay()
        assert report.identical
        assert report.decided["identical"] == 20 * (evening + 1)
        live(platform, evening + 1)
        assert platform.replay().identical
        assert platform.log.ledger.verify().entries == 20 * (evening + 2)
    assert scrub(tmp_path / "then").findings == []


@pytest.mark.slow
def test_between_two_steps(story, kek, tmp_path):
    _, target, _ = story
    # Half an hour after the rows of the second day, before its decisions.
    restore(target, tmp_path / "between", to=START + 11 * day + hour // 2, kek=kek)
    with opened(tmp_path / "between", START + 12 * day) as platform:
        assert (len(platform.log), platform.read("Payment").num_rows) == (20, 120)
        assert platform.replay().identical


def test_before_everything_the_earliest_instant_is_named_instead(story, kek, tmp_path):
    _, target, _ = story
    first = START + 10 * day
    for to in (0, START, first - 1):
        with pytest.raises(UnknownName, match="Nothing was stored by that instant") as refused:
            restore(target, tmp_path / "before", to=to, kek=kek)
        assert format_instant(first) in refused.value.do
    assert list(tmp_path.iterdir()) == []
    restore(target, tmp_path / "first", to=first, kek=kek)
    with opened(tmp_path / "first", first) as platform:
        assert (len(platform.log), platform.read("Payment").num_rows) == (0, 60)


def test_only_what_is_new_is_written(story):
    """The last backup shares with those before all files but the databases and the logs' ends."""
    _, target, _ = story
    before, last = manifests(target)[-2:]
    old = {part for f in before.files for part in f.parts}
    fresh = {f.path for f in last.files if any(part not in old for part in f.parts)}
    known = {f.path for f in before.files}
    grown = {p for p in fresh & known if not p.startswith("log/")}
    assert grown == {"catalog.sqlite"} or grown == {"catalog.sqlite", "keys/subjects.sqlite"}
    assert any(len(f.parts) == DAYS for f in last.files if f.path.startswith("log/decisions"))


@pytest.fixture
def open_to_all():
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.mark.usefixtures("open_to_all")
def test_no_other_account_reads_a_backup(story, tmp_path):
    """Also where the folder was made for it beforehand."""
    folder, _, _ = story
    for name in ("new", "made"):
        target = tmp_path / name
        if name == "made":
            target.mkdir(mode=0o755)
        back_up(folder, target, now=START)
        back_up(folder, target, now=START + 1, incremental=True)
        modes = {p.is_dir(): set() for p in (target, target / backup.ABOUT)}
        for path in (target, *target.rglob("*")):
            modes[path.is_dir()].add(path.stat().st_mode & 0o777)
        assert modes == {True: {0o700}, False: {0o600}}


def test_nothing_is_ever_overwritten(story, kek, tmp_path):
    folder, target, seen = story
    now = seen[-1][0]
    with pytest.raises(Conflict, match="--incremental"):
        back_up(folder, target, now=now)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "theirs").write_text("mine", encoding="utf-8")
    with pytest.raises(Conflict, match="not empty"):
        back_up(folder, tmp_path / "full", now=now)
    with pytest.raises(Conflict, match="nothing is ever overwritten"):
        restore(target, tmp_path / "full", kek=kek)
    with pytest.raises(InputError, match="within its project"):
        back_up(folder, folder / "backups", now=now)
    with pytest.raises(UnknownName, match="No backup reaches"):
        restore(target, tmp_path / "new", to=now + day)
    with pytest.raises(UnknownName, match="no backup here"):
        restore(tmp_path, tmp_path / "new")
    assert [p.name for p in tmp_path.iterdir()] == ["full"]
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "heptad.toml").write_text('[project]\nname = "o"\n', encoding="utf-8")
    with opened(tmp_path / "other", now), pytest.raises(Conflict, match="another project"):
        back_up(tmp_path / "other", target, now=now, incremental=True)


@pytest.mark.slow
def test_a_damaged_file_is_not_backed_up_and_a_damaged_piece_not_restored(story, kek, tmp_path):
    folder, target, seen = story
    copy = Path(shutil.copytree(folder, tmp_path / "copy"))
    flip(next(copy.glob("tables/Payment/_month=*/*.parquet")))
    with pytest.raises(Corrupt, match="no backup was made"):
        back_up(copy, tmp_path / "backups", now=seen[-1][0])
    assert not list((tmp_path / "backups").glob("backups/*"))
    pieces = Path(shutil.copytree(target, tmp_path / "pieces"))
    assert check(pieces)["damaged"] == {}
    listed = next(f for f in manifests(pieces)[-1].files if f.path.endswith(".parquet"))
    flip(Objects(pieces / backup.FILES).path(listed.parts[0][0]))
    assert [listed.path] in check(pieces)["damaged"].values()
    with pytest.raises(Corrupt, match="damaged"):
        restore(pieces, tmp_path / "again", kek=kek)
    assert not (tmp_path / "again").exists()


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 8
    path.chmod(0o600)
    path.write_bytes(data)


@pytest.mark.slow
@pytest.mark.parametrize("after", [0, 1, 5, 12])
def test_broken_off_it_leaves_nothing_half_and_goes_on(story, kek, tmp_path, monkeypatch, after):
    """Backup and restore, each stopped after so many files, then run again."""
    folder, _, seen = story
    target, again = tmp_path / "backups", tmp_path / "again"
    stop_after(monkeypatch, "_copy", after)
    with pytest.raises(KeyboardInterrupt):
        back_up(folder, target, now=seen[-1][0])
    with pytest.raises(UnknownName):
        restore(target, again)
    monkeypatch.undo()
    back_up(folder, target, now=seen[-1][0])
    stop_after(monkeypatch, "get", after)
    with pytest.raises(KeyboardInterrupt):
        restore(target, again, kek=kek, to=seen[1][0])
    assert not again.exists()
    monkeypatch.undo()
    restore(target, again, kek=kek, to=seen[1][0])
    with opened(again, seen[1][0]) as platform:
        assert held(platform) == seen[1][1]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["again", "backups"]


def stop_after(monkeypatch, name: str, n: int) -> None:
    """Stop as Ctrl-C does, at the n-th call."""
    real, left = getattr(Objects, name), iter(range(n))

    def counted(*given, **more):
        if next(left, None) is None:
            raise KeyboardInterrupt
        return real(*given, **more)

    monkeypatch.setattr(Objects, name, counted)


def test_without_the_key_that_is_kept_apart_it_says_what_to_do(story, kek, tmp_path):
    _, target, _ = story
    assert not [f.path for f in manifests(target)[-1].files if "kek" in f.path]
    secret = kek.read_bytes()
    assert not [p for p in target.rglob("*") if p.is_file() and secret in p.read_bytes()]
    told = restore(target, tmp_path / "again")
    assert "kek" in told["keys"]
    with pytest.raises(Corrupt, match="kek back from where it is kept apart; it is in no backup"):
        opened(tmp_path / "again", START)
    shutil.copy(kek, tmp_path / "again" / "keys")
    with opened(tmp_path / "again", START) as platform:
        assert platform.replay().identical
    other = tmp_path / "other.kek"
    other.write_bytes(kek.read_bytes().replace(b'"epoch": 1', b'"epoch": 2'))
    with pytest.raises(InputError, match="not that of the backup"):
        restore(target, tmp_path / "third", kek=other)
    with pytest.raises(InputError, match="no key-encryption key here") as refused:
        restore(target, tmp_path / "fourth", kek=tmp_path / "nosuch")
    assert refused.value.got == str(tmp_path / "nosuch")
    assert not list(tmp_path.glob("*fourth*"))


@pytest.mark.slow
def test_what_retention_gave_up_is_not_missed(story, kek, tmp_path):
    folder, _, seen = story
    copy = Path(shutil.copytree(folder, tmp_path / "copy"))
    with opened(copy, seen[-1][0] + 400 * day) as platform:
        for holder in ("app:frozen", "model:card 1", "model:card 2"):
            platform.catalog.versions.unpin(holder)
        assert retention(platform, keep="1 days", apply=True)["tables"]
        command(platform, str(tmp_path / "backups"))
        rows = platform.read("Payment").to_pylist()
    restore(tmp_path / "backups", tmp_path / "again", kek=kek)
    with opened(tmp_path / "again", seen[-1][0] + 400 * day) as platform:
        assert platform.read("Payment").to_pylist() == rows


@pytest.mark.slow
def test_while_others_load_and_decide(tmp_path):
    """Each of many backups is one state: every decision in it replays from what is in it."""
    folder, target = tmp_path / "project", tmp_path / "backups"
    folder.mkdir()
    (folder / "heptad.toml").write_text('[project]\nname = "busy"\n', encoding="utf-8")
    done, made = threading.Event(), 0
    with Platform.open(folder, apps=[frozen.app]) as platform:
        platform.accept("Payment", [payment(0)])

        def work() -> None:
            n = 1
            while not done.is_set():
                platform.accept("Payment", [payment(n)])
                n += 1
                if n % 25 == 0:
                    platform.compact("Payment")

        worker = threading.Thread(target=work)
        worker.start()
        try:
            for made in range(8):
                decided = len(platform.log)
                command(platform, str(target), incremental=made > 0)
                while len(platform.log) == decided and worker.is_alive():
                    done.wait(0.01)
        finally:
            done.set()
            worker.join()
    lists = manifests(target)
    for number, one in enumerate(lists):
        only = Path(shutil.copytree(target, tmp_path / f"only{number}"))
        for other in lists:
            if other.name != one.name:
                (only / backup.LISTS / other.name).unlink()
        restore(only, tmp_path / f"r{number}", kek=folder / "keys" / "kek")
        with Platform.open(tmp_path / f"r{number}", apps=[frozen.app]) as platform:
            report = platform.replay()
            assert report.findings == []
            assert platform.log.ledger.verify().entries >= one.logs.get("decisions", 0)
            loads = {x.status for x in platform.catalog.loads.recent(limit=500)}
            assert loads <= {"committed", "failed", "refused"}
    assert made == 7
    assert lists[-1].logs["decisions"] > lists[0].logs["decisions"]
