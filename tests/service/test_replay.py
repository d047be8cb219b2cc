# SPDX-License-Identifier: Apache-2.0
"""Replay: whatever happens to a project, every decision is made and derived again bit for bit."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections import Counter
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from heptad.apps.credit import app as credit
from heptad.apps.fraud import app as fraud
from heptad.engine.local.intact import Intact
from heptad.runtime import Platform
from heptad.service.app import App, Outcome, Reason
from heptad.service.features import count
from heptad.sources.bank import Bank
from heptad.sources.bank.files import write_exports
from heptad.standards import hour
from heptad.standards.errors import Conflict, HeptadError, UnknownName
from heptad.standards.model import Payment
from heptad.standards.time import FixedClock, day, format_instant, minute
from heptad.terminal.commands.upkeep import retention
from tests.terminal.conftest import heptad

PARTS = 4
BANK = Bank(80, 7, date(2026, 1, 1), 150)
END = int(BANK.world.end)


def champion(platform: Platform, seed: int) -> str:
    """Train a card on drawn rows, approve it and let it decide; return the hash of its bytes."""
    rng = np.random.default_rng(seed)
    columns = {n: rng.integers(0, 10**5, 400).astype(float) for n in credit.model.inputs}
    columns["salaries_180d"][rng.random(400) < 0.2] = np.nan
    risk = (columns["bureau_overdue"] - columns["inflow_90d"]) / 10**5 + rng.normal(0, 0.4, 400)
    card = credit.model.estimator.train(columns, (risk > 0.1).astype(np.int64), seed=seed)
    model = platform.catalog.models.register(f"card-{seed}", "credit", card.to_bytes(), trainer="a")
    platform.catalog.models.approve(model.id, "b", "read")
    platform.catalog.models.promote(model.id, "champion", "b")
    return model.sha256


def live() -> list[list[dict]]:
    """The payments of the live day in order of arrival, in parts."""
    rows = [json.loads(a.line) for a in BANK.live() if a.table == "Payment"]
    size = -(-len(rows) // PARTS)
    return [rows[n : n + size] for n in range(0, len(rows), size)]


def open_at(folder: Path, now: int, **more) -> Platform:
    return Platform.open(folder, clock=FixedClock(now), **more)


@pytest.fixture(scope="module")
def exported(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("bank")
    write_exports(BANK, folder)
    return folder


def decided(folder: Path) -> None:
    """Load the history, decide some of it, and a part of the live day as it arrives."""
    with open_at(folder, END) as platform:
        platform.load()
        champion(platform, 1)
        platform.decide("fraud", latest=150)
        platform.decide("credit")
        platform.clock.set(END + 6 * hour)
        platform.accept("Payment", live()[0])


@pytest.fixture(scope="module")
def made(exported, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("made") / "project"
    shutil.copytree(exported, folder)
    decided(folder)
    return folder


@pytest.fixture
def folder(made, tmp_path) -> Path:
    """A copy of the project with its decisions."""
    return Path(shutil.copytree(made, tmp_path / "project"))


@pytest.fixture
def platform(folder):
    with open_at(folder, END + 8 * hour) as opened:
        yield opened


def records(platform: Platform) -> list[bytes]:
    return [entry.decision.to_bytes() for entry in platform.log.entries()]


def identical(platform: Platform) -> int:
    """Replay everything; all must be identical, and nothing be strange. Return how many."""
    report = platform.replay()
    n = len(platform.log)
    assert report.findings == []
    assert report.decided == report.derived == {"identical": n}
    assert report.elsewhere == {}
    return n


def test_there_is_something_to_replay(platform):
    """Both applications decided, with scores and more than one outcome."""
    decisions = [entry.decision for entry in platform.log.entries()]
    outcomes = Counter((d.app, d.outcome) for d in decisions)
    assert len([a for a, _ in outcomes if a == "fraud"]) > 1
    assert len([a for a, _ in outcomes if a == "credit"]) > 1
    assert all(d.score for d in decisions if d.app == "credit")
    assert identical(platform) == len(decisions) > 150


def corrected(platform: Platform, keys) -> list[dict]:
    """Rows of payments with another amount."""
    rows = {r["id"]: r for r in platform.read("Payment", purpose="").to_pylist()}
    names = ("id", "customer", "merchant", "country", "currency", "status", "channel", "device")
    return [
        {n: rows[k][n] for n in names if rows[k][n] is not None}
        | {"event_time": format_instant(rows[k]["event_time"]), "amount": "4321"}
        for k in keys
    ]


@pytest.mark.slow
def test_decisions_replay_after_whatever_comes_later(folder):
    """Loads, late rows, corrections, history, another model, another policy, upkeep."""
    with open_at(folder, END + 8 * hour) as platform:
        before, kept = records(platform), platform.log.ledger.checkpoint()
        keys = [e.public["row_key"] for e in platform.log.entries() if e.public["app"] == "fraud"]
        platform.accept("Payment", live()[1])
        report, again = platform.accept("Payment", corrected(platform, keys[-60:]))
        assert report.corrections == 60
        assert {o.decision.to_bytes() for o in again} <= set(before)
        gone = [{"id": k, "event_time": format_instant(END - day), "_deleted": True}
                for k in keys[:20]]  # fmt: skip
        assert len(platform.store("Payment", gone).accepted) == 20
        late = [row | {"id": f"late-{n}", "event_time": format_instant(END - n * hour)}
                for n, row in enumerate(live()[0])]  # fmt: skip
        platform.accept("Payment", late)
        assert identical(platform) > len(before)

        # Rows that were known in the past all along, which as-of reads now hold.
        (folder / "online_1999-01.csv").write_text(backfilled(live()[0]), encoding="utf-8")
        reports = {r.source: r for r in platform.load()}
        assert reports["online"].accepted > 10
        moved = now_known(platform, before)
        assert moved > 0, "the past would read the same without versions"
        identical(platform)

        first, second = champion_of(platform), champion(platform, 2)
        assert first != second
        rows = applications(platform)
        platform.accept("LoanApplication", rows)
        models = Counter(e.public["model"] for e in platform.log.entries())
        assert models[second] == len(rows)
        identical(platform)
    text = (folder / "heptad.toml").read_text(encoding="utf-8")
    policy = "\n[apps.fraud]\nspend_floor = 1\nspend_factor = 0.1\namount_factor = 0.1\n"
    (folder / "heptad.toml").write_text(text + policy, encoding="utf-8")
    with open_at(folder, END + 2 * day) as platform:
        _, strict = platform.accept("Payment", live()[2])
        assert sum(o.public["outcome"] == "hold" for o in strict) > len(strict) // 2
        identical(platform)
        for name in platform.lake.names():
            platform.compact(name)
            platform.lake.checkpoint(name)
        identical(platform)
        platform.accept("Payment", live()[3])
        platform.clock.set(END + 9 * day)
        found = {t["table"]: t for t in retention(platform, "1 day", apply=True)["tables"]}
        assert found["Payment"]["old"] > 0
        assert records(platform)[: len(before)] == before
    with open_at(folder, END + 10 * day) as platform:
        unread = [v for v in range(platform.lake.version("Payment")) if not readable(platform, v)]
        assert unread, "retention gave up no version"
        n = identical(platform)
        assert n > len(before) + 60
        assert platform.log.ledger.verify(kept).entries == n
    said = heptad("replay", "--all", "--json", project=folder)
    assert said.code == 0, said.err
    assert (said.data["identical"], said.data["of"], said.data["environment"]) == (True, n, {})
    (folder / "kept.note").write_text(kept, encoding="utf-8")
    verified = heptad("log", "verify", "--against", str(folder / "kept.note"), project=folder)
    assert verified.code == 0, verified.err


def champion_of(platform: Platform) -> str:
    return platform.catalog.models.champion("credit").sha256


def readable(platform: Platform, version: int) -> bool:
    try:
        platform.read("Payment", version=version, purpose="")
    except UnknownName:
        return False
    return True


def backfilled(rows: list[dict]) -> str:
    """Payments of the days before, booked then: an export that was forgotten."""
    names = ["id", "event_time", "customer", "merchant", "country", "amount", "currency", "channel",
             "status", "booked", "op"]  # fmt: skip
    lines = [",".join(names)]
    for n, row in enumerate(rows):
        at = format_instant(END - 2 * day - n * minute)
        more = {"id": f"forgotten-{n}", "event_time": at, "booked": at, "op": "N",
                "channel": "online"}  # fmt: skip
        lines.append(",".join(str((row | more).get(name, "")) for name in names))
    return "\n".join(lines) + "\n"


def now_known(platform: Platform, before: list[bytes]) -> int:
    """How many fraud decisions would read other features at their own instants today."""
    made = {json.loads(b)["row_key"]: json.loads(b) for b in before}
    made = {k: d for k, d in made.items() if d["app"] == "fraud"}
    spine = platform.reads.spine(fraud, list(made))
    found = platform.reads.compute(list(fraud.features.values()))(spine)
    columns = {n: c.to_pylist() for n, c in found.items()}
    keys = spine.own.to_pylist()
    return sum(
        made[key]["features"] != {n: c[i] for n, c in columns.items()} for i, key in enumerate(keys)
    )


def applications(platform: Platform) -> list[dict]:
    """Applications for loans by customers who have applied before."""
    (known,) = (platform.read("LoanApplication", purpose="").select(["customer"]).to_pydict(),)
    return [
        {"id": f"new-{n}", "event_time": format_instant(END + 7 * hour), "customer": who,
         "amount": "5000", "currency": "EUR", "term": 24}
        for n, who in enumerate(sorted(set(known["customer"])))
    ]  # fmt: skip


def test_a_row_corrected_before_it_happened_is_decided_and_replayed_by_its_first_version(platform):
    """A source whose clock is ahead: both versions count as known when the payment happens."""
    row = live()[1][0] | {"id": "ahead", "event_time": format_instant(END + 9 * hour)}
    other = next(r["customer"] for r in live()[1] if r["customer"] != row["customer"])
    platform.store("Payment", [row])
    platform.store("Payment", [row | {"customer": other, "amount": "77"}])
    (entry,) = platform.decide("fraud", keys=["ahead"])
    assert entry.decision.row["customer"] == row["customer"]
    identical(platform)


def test_a_model_that_was_tampered_with_is_reported(folder):
    files = list((folder / "models").rglob("*"))
    (model,) = [p for p in files if p.is_file()]
    data = json.loads(model.read_bytes())
    model.chmod(0o600)
    model.write_bytes(json.dumps(data, indent=1).encode())
    with open_at(folder, END + day) as platform:
        report = platform.replay()
        scored = sum(bool(e.public["model"]) for e in platform.log.entries())
        assert report.decided == {"identical": len(platform.log) - scored, "different": scored}
        assert not report.identical
        with pytest.raises(HeptadError):
            platform.decide("credit", latest=1)


def stored_files(folder: Path, table: str) -> list[Path]:
    return sorted((folder / "tables" / table).rglob("*.parquet"))


def test_a_table_that_was_tampered_with_is_reported(folder):
    """Amounts are raised by a cent where they are stored, in files that are whole otherwise."""
    for path in stored_files(folder, "Payment"):
        table = pq.read_table(path, partitioning=None)
        at = table.column_names.index("amount")
        more = [None if v is None else v + 1 for v in table.column("amount").to_pylist()]
        table = table.set_column(at, table.schema.field(at), [more])
        pq.write_table(table, path)
    with pytest.raises(HeptadError, match="damaged"), open_at(folder, END + day):
        pass


@pytest.mark.parametrize("part", [0.2, 0.4, 0.6, 0.8])
def test_a_flipped_byte_in_a_table_is_never_silent(folder, part):
    """Either a replay differs, or reading is refused; the digests find every one."""
    path = max(stored_files(folder, "Payment"), key=lambda p: p.stat().st_size)
    data = bytearray(path.read_bytes())
    data[int(len(data) * part)] ^= 0x10
    path.write_bytes(data)
    with open_at(folder, END + day) as platform:
        platform.replay()
        assert [f.path for f in platform.lake.damaged("Payment")] == [
            str(path.relative_to(folder / "tables" / "Payment"))
        ]


@pytest.mark.parametrize("compared", [True, False])
def test_values_changed_behind_the_platforms_back_are_reported(folder, compared, monkeypatch):
    """Files that are whole, under the names that the versions list, with other contents.

    Their digests tell; without them, the values that are derived again would.
    """
    if not compared:
        monkeypatch.setattr(Intact, "damaged", lambda *_: [])
    with open_at(folder, END + day) as platform:
        for path in stored_files(folder, "Payment"):
            table = pq.read_table(path, partitioning=None)
            at = table.column_names.index("status")
            other = [s and "declined" for s in table.column(at).to_pylist()]
            pq.write_table(table.set_column(at, table.schema.field(at), [other]), path)
        report = platform.replay()
        made = sum(e.public["app"] == "fraud" for e in platform.log.entries())
        assert report.derived["different"] >= made
        assert report.decided == {"identical": len(platform.log)}
        assert ("damaged" if compared else "Payment.status") in report.findings[0][2]


def test_a_changed_definition_is_reported(folder):
    """A window that is longer gives other values; one that is declared anew is named."""
    features = dict(fraud.features)
    features["count_1h"] = count(Payment.id, by=Payment.customer, over=48 * hour)
    with open_at(folder, END + day, apps=[dataclasses.replace(fraud, features=features)]) as other:
        report = other.replay()
        assert report.derived["different"] > 0
        assert report.decided["different"] == 0
        found = [what for _, step, what in report.findings if step == "derive"]
        assert all("count_1h" in what and "definitions have changed" in what for what in found)
    features["count_1h"] = count(Payment.id, by=Payment.customer, over=hour, delay=0)
    features["spare"] = features["count_1h"]
    with open_at(folder, END + day, apps=[dataclasses.replace(fraud, features=features)]) as other:
        report = other.replay()
        assert "fraud feature definitions" in report.elsewhere


def test_changed_code_is_reported(folder, monkeypatch):
    def lenient(x):
        return Outcome("approve", [Reason("ORDINARY", {"count_30d": x["count_30d"]})])

    with open_at(folder, END + day, apps=[dataclasses.replace(fraud, decide=lenient)]) as other:
        report = other.replay()
        held = sum(o.public["outcome"] != "approve" for o in other.log.entries()
                   if o.public["app"] == "fraud")  # fmt: skip
        assert report.decided["different"] == held > 0
        assert all("code has changed" in what for *_, what in report.findings)
    monkeypatch.setattr(App, "code_version", lambda self: "edited")
    with open_at(folder, END + day) as platform:
        report = platform.replay()
        assert report.identical
        assert {"fraud code", "credit code"} <= report.elsewhere.keys()


def test_an_application_that_is_gone_is_reported(platform):
    del platform.apps["fraud"]
    report = platform.replay()
    n = sum(o.public["app"] == "fraud" for o in platform.log.entries())
    assert report.decided["different"] == report.derived["different"] == n


def test_an_erased_person_replays_as_erased(folder):
    with open_at(folder, END + day) as platform:
        who = next(e.subject for e in platform.log.entries() if e.public["app"] == "credit")
        about = [e.public["id"] for e in platform.log.entries() if e.subject == who]
        before = platform.log.ledger.checkpoint()
        platform.keys.destroy(who)
        platform.keys.new_epoch()
    with open_at(folder, END + day) as platform:
        report = platform.replay()
        rest = len(platform.log) - len(about)
        assert report.identical
        assert report.decided == report.derived == {"erased": len(about), "identical": rest}
        assert platform.log.ledger.verify(before).entries == len(platform.log)
        assert platform.replay(about).decided == {"erased": len(about)}
        row = {"id": "again", "event_time": format_instant(END + hour), "amount": "1.00",
               "customer": who.partition(":")[2], "currency": "EUR", "status": "authorised"}  # fmt: skip
        _, opened = platform.accept("Payment", [row])
        assert opened == []


class Killed(BaseException):
    """Stands for the end of the process."""


@pytest.mark.parametrize("ends", [True, False])
def test_a_kill_between_log_and_index_loses_and_doubles_nothing(folder, monkeypatch, ends):
    """The log has the decisions, the index not yet: they are found, in this process or the next."""
    rows = live()[1]
    with open_at(folder, END + 8 * hour) as platform:
        n = len(platform.log)
        with monkeypatch.context() as patch:

            def killed(*_):
                raise Killed

            patch.setattr(platform.log.index, "insert", killed)
            with pytest.raises(Killed):
                platform.accept("Payment", rows)
        assert len(platform.log) > n
        if not ends:
            report, made = platform.accept("Payment", rows)
            assert len(made) == len(rows) - len(report.rejected)
            assert len({o.public["id"] for o in platform.log.entries()}) == len(platform.log)
            identical(platform)
    with open_at(folder, END + 8 * hour) as platform:
        size = len(platform.log)
        report, made = platform.accept("Payment", rows)
        assert not report.accepted
        assert len(platform.log) == size
        for entry in made:
            assert platform.log.get(entry.public["id"]).decision == entry.decision
        assert sum(platform.catalog.decisions.counts().values()) == size
        versions = {e.public["tables"]["Payment"] for e in made}
        assert versions <= platform.catalog.versions.pinned("Payment")
        identical(platform)


def test_the_same_request_answers_the_first_decision_and_another_is_refused(platform):
    first, other = live()[1][:2]
    entry = platform.decide_one("fraud", row=first, name="order-1")
    n = len(platform.log)
    assert entry.public["id"] == "order-1"
    platform.clock.set(platform.clock.now() + hour)
    assert platform.decide_one("fraud", row=first, name="order-1").decision == entry.decision
    with pytest.raises(Conflict, match="another request"):
        platform.decide_one("fraud", row=other, name="order-1")
    with pytest.raises(Conflict, match="another request"):
        platform.decide_one("fraud", row=first | {"amount": "1"}, name="order-1")
    assert len(platform.log) == n
    versions = platform.lake.version("Payment")
    assert not {first["id"], other["id"]} <= set(
        platform.read("Payment", version=versions, purpose="").column("id").to_pylist()
    ), "a refused request was stored"
    identical(platform)


@pytest.mark.slow
def test_two_fresh_folders_give_the_same_bytes(exported, made, tmp_path):
    shutil.copytree(exported, tmp_path / "other")
    decided(tmp_path / "other")
    with open_at(tmp_path / "other", END + day) as other, open_at(made, END + day) as platform:
        assert records(other) == records(platform)
        assert len({e.public["id"] for e in other.log.entries()}) == len(other.log)


def without_versions(entry) -> dict:
    decision = entry.decision.to_dict()
    del decision["tables"]
    return decision


@pytest.mark.slow
def test_the_size_of_micro_batches_changes_only_the_versions_named(folder, tmp_path):
    """Rows that arrive at one instant are decided alike, one by one or together."""
    shutil.copytree(folder, tmp_path / "one")
    rows = sorted(live()[1], key=lambda row: row["event_time"])
    found = []
    for name, size in ((folder, len(rows)), (tmp_path / "one", 5)):
        with open_at(name, END + 12 * hour) as platform:
            made = []
            for n in range(0, len(rows), size):
                made += platform.accept("Payment", rows[n : n + size])[1]
            identical(platform)
            found.append({e.public["id"]: without_versions(e) for e in made})
    assert found[0] == found[1]
    assert len(found[0]) > 5
