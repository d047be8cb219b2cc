# SPDX-License-Identifier: Apache-2.0
"""Loading: all or nothing, once, and what became of every row is told."""

from __future__ import annotations

import gzip
import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heptad.catalog.catalog import Catalog
from heptad.catalog.loading import Loading
from heptad.engine.local.duck import Duck
from heptad.engine.local.lake import Lake
from heptad.security.keys import Keys
from heptad.security.masks import HIDDEN
from heptad.security.sealing import open_sealed, subject_names
from heptad.sources.config import parse_project
from heptad.standards import Code, Flag, Instant, Money, Ref, Table, Text
from heptad.standards.errors import Busy, HeptadError, InputError, UnknownName
from heptad.standards.model import MODEL
from heptad.standards.time import FixedClock, day, hour, parse_instant

NOW = parse_instant("2026-01-01T00:00:00Z")
HEAD = "id,event_time,customer,amount,currency,status\n"
SOURCE = '[[source]]\ntable = "Payment"\nfrom = "in/*.csv"\n'


class Thing(Table, state=True):
    """One thing as it stands from an instant on, for tests."""

    id = Text("Key", key=True)
    event_time = Instant("Since when")
    owner = Ref("Customer", "Whose it is", subject=True)
    secret = Text("What only its owner knows", personal=True, optional=True)
    value = Money("Worth", currency="currency", optional=True)
    currency = Code("Currency", standard="ISO 4217", optional=True)
    gone = Flag("Whether it is gone", optional=True)


TABLES = MODEL | {"Thing": Thing}


class World:
    """A project in a folder, opened."""

    def __init__(self, folder, text=SOURCE, now=NOW):
        self.folder = folder
        (folder / "in").mkdir(exist_ok=True)
        self.clock = FixedClock(now)
        self.catalog = Catalog(folder / "catalog.sqlite", clock=self.clock)
        self.lake = Lake(folder / "tables", clock=self.clock)
        self.keys = Keys(folder / "keys", clock=self.clock)
        for name in self.lake.names():
            self.lake.recover(name, -1 if (v := self.catalog.versions.durable(name)) is None else v)
        self.bind(text)

    def bind(self, text):
        """Open the project anew under another heptad.toml."""
        project = parse_project(text, self.folder, TABLES)
        self.loading = Loading(project, TABLES, self.catalog, self.lake, self.keys, self.clock)
        self.quarantine = self.loading.quarantine

    def write(self, name, text):
        """Write a source file."""
        path = self.folder / "in" / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    def load(self, **more):
        """Load all; return the only report."""
        (report,) = self.loading.load(**more)
        return report

    def rows(self, table="Payment", columns="*"):
        """Return the stored row versions."""
        relation = self.loading.stored(TABLES[table])
        if relation is None:
            return []
        with Duck(self.folder) as duck:
            found = duck.arrow(f"SELECT {columns} FROM {relation} ORDER BY ALL")
        return found.to_pylist()

    def content(self, table="Payment"):
        """Return the stored rows without what depends on the load."""
        rows = self.rows(table)
        return [{n: v for n, v in row.items() if n not in ("_load", "_line")} for row in rows]

    def close(self):
        self.loading.close()
        self.keys.close()
        self.catalog.close()


@pytest.fixture
def world(tmp_path):
    opened = World(tmp_path)
    yield opened
    opened.close()


def payment(number, *, at="2025-06-01", amount="1.00", customer="c1", status="authorised"):
    return f"p{number},{at},{customer},{amount},EUR,{status}\n"


def listing(folder):
    """Return every file below a folder with its bytes."""
    return {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_a_file_is_loaded_and_every_row_accounted_for(world):
    world.write(
        "a.csv",
        HEAD
        + payment(1)
        + payment(2, amount="1.005")
        + payment(1)
        + payment(3, at="2025-07-01", status="Declined")
        + payment(3, at="2025-07-01", amount="9")
        + payment(4, at="2027-01-01")
        + "p5,2025-06-01\n",
    )
    report = world.load()
    assert (report.read, report.accepted, report.duplicates) == (7, 2, 1)
    assert report.quarantined == {"decimals": 1, "conflict": 1, "future": 1, "columns": 1}
    assert report.read == report.accepted + report.duplicates + sum(report.quarantined.values())
    assert (report.known, report.version, report.load) == ("assumed", 1, 1)
    first, third = world.rows()
    assert (first["id"], first["amount"], first["status"]) == ("p1", 100, "authorised")
    assert first["event_time"] == first["known_time"] == parse_instant("2025-06-01")
    assert (third["id"], third["amount"], third["_line"], third["_load"]) == ("p3", 100, 5, 1)
    assert (first["_month"], third["_month"]) == ("2025-06", "2025-07")
    shown = world.quarantine.show("Payment")
    assert [(r.file, r.line, r.reason, r.field) for r in shown] == [
        ("in/a.csv", 3, "decimals", "amount"), ("in/a.csv", 6, "conflict", ""),
        ("in/a.csv", 7, "future", "event_time"), ("in/a.csv", 8, "columns", ""),
    ]  # fmt: skip
    assert world.catalog.loads.get(1).counts.accepted == 2


def test_a_content_is_loaded_once_whatever_it_is_called(world):
    path = world.write("a.csv", HEAD + payment(1))
    assert world.load().accepted == 1
    assert world.load().skipped == ("in/a.csv",)
    path.rename(path.with_name("b.csv"))
    assert world.load().skipped == ("in/b.csv",)
    world.write("b.csv", HEAD + payment(1) + payment(2))
    report = world.load()
    assert (report.read, report.accepted, report.duplicates) == (2, 1, 1)
    assert [r["id"] for r in world.rows()] == ["p1", "p2"]
    report = world.load(again=True)
    assert (report.accepted, report.duplicates, report.version) == (0, 2, 2)


lines = st.lists(
    st.tuples(st.integers(1, 6), st.sampled_from(["1.00", "2.00", "bad"]), st.integers(1, 3)),
    min_size=1, max_size=10,
)  # fmt: skip


@settings(max_examples=5)
@given(lines, st.randoms())
def test_the_order_of_rows_changes_nothing(tmp_path_factory, rows, random):
    text = [f"p{n},2025-0{k}-01,c{n},{a},EUR,authorised,2025-0{k}-0{n}\n" for n, a, k in rows]
    # Rows of one key known at the same time must be the same, or which is first decides.
    text = list({tuple(t.split(",")[i] for i in (0, 6)): t for t in text}.values())
    shuffled = random.sample(text, len(text))
    bound = SOURCE + 'map = { known_time = "known" }\n'
    contents = []
    for order in (text, shuffled):
        folder = tmp_path_factory.mktemp("w")
        world = World(folder, bound)
        world.write("a.csv", HEAD.strip() + ",known\n" + "".join(order))
        world.load()
        contents.append(world.content())
        world.close()
        shutil.rmtree(folder)
    assert contents[0] == contents[1]


def test_history_is_known_when_it_happened_and_later_rows_at_arrival(world):
    world.bind(SOURCE + 'known_after = "2 hours"\n')
    world.write("a.csv", HEAD + payment(1))
    assert world.load().known == "assumed"
    world.clock.set(NOW + day)
    world.write("b.csv", HEAD + payment(2))
    assert world.load().known == "arrival"
    world.write("c.csv", HEAD + payment(3))
    assert world.load(history=True).known == "assumed"
    happened = parse_instant("2025-06-01")
    known = {r["id"]: r["known_time"] for r in world.rows()}
    assert known == {"p1": happened + 2 * hour, "p2": NOW + day, "p3": happened + 2 * hour}


def test_a_correction_is_a_version_known_later(world):
    world.write("a.csv", HEAD + payment(1))
    world.load()
    world.clock.set(NOW + day)
    world.write("b.csv", HEAD + payment(1, amount="2.00") + payment(2))
    report = world.load()
    assert (report.accepted, report.corrections) == (2, 1)
    versions = [(r["amount"], r["known_time"]) for r in world.rows() if r["id"] == "p1"]
    assert versions == [(100, parse_instant("2025-06-01")), (200, NOW + day)]
    world.write("c.csv", HEAD + payment(1, amount="3.00"))
    # History that contradicts what is stored was not known before it came.
    assert world.load(history=True).corrections == 1
    assert world.rows(columns="max(known_time) AS k")[0]["k"] == NOW + day


def test_mapped_known_times_and_deletions(world):
    world.bind(SOURCE + 'map = { known_time = "known", deleted = "op = \'D\'" }\n')
    head = HEAD.strip() + ",known,op\n"
    row = payment(1).strip()
    world.write(
        "a.csv",
        head + f"{row},2025-06-02,I\n" + f"{row},2025-06-03,U\n"
        + payment(1, amount="2").strip() + ",2025-06-04,U\n"
        + "p1,2025-06-01,,,,,2025-06-05,D\n"
        + payment(1, amount="7").strip() + ",2025-06-04,U\n",
    )  # fmt: skip
    report = world.load()
    assert (report.known, report.accepted, report.duplicates) == ("mapped", 3, 1)
    assert (report.corrections, report.deletions) == (2, 1)
    assert report.quarantined == {"conflict": 1}
    found = world.rows(columns="known_time, amount, _deleted")
    assert [(r["amount"], r["_deleted"]) for r in found] == [
        (100, False),
        (200, False),
        (None, True),
    ]


def test_random_loads_leave_what_a_plain_dictionary_leaves(tmp_path):
    random = Random(5)
    world = World(tmp_path)
    held, known = {}, {}
    for number in range(6):
        world.clock.set(NOW + number * day)
        chosen = random.sample(range(30), 12)
        values = {n: random.choice(["1.00", "2.00"]) for n in chosen}
        world.write(
            f"{number}.csv", HEAD + "".join(payment(n, amount=a) for n, a in values.items())
        )
        report = world.load()
        new = {n: a for n, a in values.items() if held.get(n) != a}
        assert report.accepted == len(new)
        assert report.duplicates == len(values) - len(new)
        assert report.corrections == sum(n in held for n in new)
        for n, a in new.items():
            held[n] = a
            known[n, number] = a
    latest = {}
    for row in world.rows(columns="id, amount, known_time"):
        latest[row["id"]] = max(latest.get(row["id"], (0, 0)), (row["known_time"], row["amount"]))
    assert {f"p{n}": int(float(a) * 100) for n, a in held.items()} == {
        k: amount for k, (_, amount) in latest.items()
    }
    assert len(world.rows()) == len(known)
    world.close()


def test_a_plan_says_the_same_and_writes_nothing(world):
    world.write("a.csv", HEAD + payment(1) + payment(1) + payment(2, amount="x"))
    before = listing(world.folder / "in")
    plan = world.load(plan=True)
    assert plan.plan
    assert (plan.load, plan.version) == (None, None)
    assert listing(world.folder / "in") == before
    assert not [p for p in (world.folder / "tables").rglob("*") if p.is_file()]
    assert not world.quarantine.tables()
    assert world.catalog.loads.recent() == []
    done = world.load()
    for name in ("read", "accepted", "duplicates", "quarantined", "known", "files"):
        assert getattr(done, name) == getattr(plan, name)
    world.write("b.csv", HEAD + payment(1) + payment(3))
    assert world.load(plan=True).duplicates == 1


def test_a_file_that_breaks_off_changes_nothing(world):
    world.bind(SOURCE.replace("*.csv", "*.csv.gz"))
    whole = gzip.compress((HEAD + "".join(payment(n) for n in range(50_000))).encode())
    world.write("a.csv.gz", whole[:-20])
    with pytest.raises(InputError, match="to its end"):
        world.load()
    assert world.rows() == []
    assert [x.status for x in world.catalog.loads.recent()] == ["failed"]
    assert not list((world.folder / "tables").rglob("*.parquet"))
    world.write("a.csv.gz", whole)
    assert world.load().accepted == 50_000


def test_a_source_that_lost_a_column_is_refused_with_the_cure(world):
    world.bind(SOURCE + 'map = { status = "state" }\n')
    world.write("a.csv", HEAD.replace("status", "state") + payment(1))
    world.load()
    world.write("b.csv", HEAD.replace("status", "staet") + payment(2))
    with pytest.raises(InputError, match="no column 'state'") as met:
        world.load()
    assert "staet" in met.value.do
    assert [x.status for x in world.catalog.loads.recent()] == ["refused", "committed"]
    world.write("b.csv", HEAD.replace("currency,", "") + "p3,2025-06-01,c1,5,ok\n")
    with pytest.raises(HeptadError):
        world.load()
    assert len(world.rows()) == 1


def test_a_required_field_without_a_column_says_what_to_add(world):
    world.write("a.csv", "id,event_time\n1,2025-06-01\n")
    with pytest.raises(InputError, match=r"Payment\.customer has no value") as met:
        world.load()
    assert 'customer = "…"' in met.value.do


def test_drift_is_found(world):
    random = Random(1)
    rows = [payment(n, amount=f"{random.randint(1, 100)}") for n in range(600)]
    world.write("a.csv", HEAD + "".join(rows))
    assert world.load().findings == ()
    same = [payment(1000 + n, amount=f"{random.randint(1, 100)}") for n in range(600)]
    world.write("b.csv", HEAD + "".join(same))
    assert world.load().findings == ()
    head = HEAD.strip() + ",extra\n"
    moved = [
        payment(2000 + n, amount="5000", status="declined").strip() + ",x\n" for n in range(600)
    ]
    world.write("c.csv", head + "".join(moved))
    found = {f.column: f for f in world.load().findings}
    assert "new column" in found["extra"].says
    assert found["amount"].psi > 1
    assert found["status"].psi > 1
    assert {d.column for d in world.catalog.quality.drifts("Payment")} == {
        "extra",
        "amount",
        "status",
    }
    profile = {p.column: p for p in world.catalog.quality.profile(1)}
    assert (profile["amount"].count, profile["amount"].missing) == (600, 0)
    assert (profile["amount"].smallest, profile["amount"].largest) == (100, 10_000)


def test_refused_rows_come_back_when_the_map_is_mended(world):
    world.write("a.csv", HEAD + payment(1) + payment(2, status="OK") + payment(3, status="??"))
    assert world.load().quarantined == {"code": 2}
    world.bind(SOURCE + 'codes = { status = { OK = "authorised" } }\n')
    world.clock.set(NOW + day)
    (report,) = world.loading.retry("Payment")
    assert (report.accepted, report.quarantined, report.known) == (1, {"code": 1}, "assumed")
    row = next(r for r in world.rows() if r["id"] == "p2")
    assert (row["_line"], row["known_time"]) == (3, parse_instant("2025-06-01"))
    (left,) = world.quarantine.show("Payment")
    assert (left.file, left.line, left.load) == ("in/a.csv", 4, 2)
    (report,) = world.loading.retry("Payment")
    assert report.accepted == 0
    assert world.quarantine.drop("Payment") == 1
    assert world.loading.retry("Payment") == []
    assert len(world.rows()) == 2


def test_a_retry_that_is_cut_off_loads_nothing_twice(world, monkeypatch):
    world.write("a.csv", HEAD + payment(2, status="OK") + payment(3, status="??"))
    world.load()
    world.bind(SOURCE + 'codes = { status = { OK = "authorised" } }\n')

    def stop(path):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("heptad.catalog.retrying.remove_durably", stop)
        with pytest.raises(KeyboardInterrupt):
            world.loading.retry("Payment")
    assert len(world.quarantine.paths("Payment")) == 2
    world.loading.recover()
    assert [p.stem for p in world.quarantine.paths("Payment")] == ["00000002"]
    assert [r["id"] for r in world.rows()] == ["p2"]


def test_conflicts_stay_refused_until_known_time_is_mapped(world):
    world.write("a.csv", HEAD + payment(1) + payment(1, amount="2"))
    world.load()
    assert world.loading.retry("Payment")[0].quarantined == {"conflict": 1}
    assert len(world.rows()) == 1


def test_dropping_by_reason(world):
    world.write("a.csv", HEAD + payment(1, status="x") + payment(2, amount="x"))
    world.load()
    assert world.quarantine.counts("Payment") == {
        (1, "code", "status"): 1,
        (1, "parse", "amount"): 1,
    }
    assert world.quarantine.drop("Payment", reason="code") == 1
    assert [r.reason for r in world.quarantine.show("Payment")] == ["parse"]


THINGS = '[[source]]\ntable = "Thing"\nfrom = "in/*.csv"\nmap = { secret = "hidden", event_time = "since" }\n'
THING = "id,since,owner,hidden,value,currency\n"


def test_personal_values_are_sealed_everywhere(world):
    world.bind(THINGS)
    world.write(
        "a.csv",
        THING
        + "t1,2025-06-01,ann,Rosebud,5,EUR\nt2,2025-06-01,bob,Plan B,x,EUR\nt1,2025-06-01,ann,Rosebud,5,EUR\n",
    )
    report = world.load()
    assert (report.accepted, report.duplicates, report.quarantined) == (1, 1, {"parse": 1})
    stored = listing(world.folder / "tables") | listing(world.folder / "quarantine")
    assert not any(b"Rosebud" in data or b"Plan B" in data for data in stored.values())
    with Duck(world.folder) as duck:
        rows = duck.arrow(f"SELECT * FROM {world.loading.stored(Thing)}")
    people = subject_names(Thing, rows["owner"])
    opened = open_sealed(rows["secret"], people, world.keys, "Thing", "secret")
    assert opened.values.to_pylist() == ["Rosebud"]
    (shown,) = world.quarantine.show("Thing")
    assert "Plan B" not in shown.raw
    assert HIDDEN in shown.raw
    (clear,) = world.quarantine.show("Thing", clear=True)
    assert "Plan B" in clear.raw
    world.write(
        "b.csv", THING + "t1,2025-06-01,ann,Rosebuds,5,EUR\nt1,2025-06-01,ann,Rosebuds,5,EUR\n"
    )
    report = world.load()
    assert (report.corrections, report.duplicates) == (1, 1)


def test_rows_about_an_erased_person_are_not_taken_in(world):
    world.bind(THINGS)
    world.write("a.csv", THING + "t1,2025-06-01,ann,Rosebud,5,EUR\n")
    world.load()
    assert world.keys.destroy("Customer:ann")
    world.write("b.csv", THING + "t2,2025-06-01,ann,New,5,EUR\nt3,2025-06-01,bob,Hi,5,EUR\n")
    report = world.load()
    assert (report.accepted, report.quarantined) == (1, {"erased": 1})
    assert [r.raw for r in world.quarantine.show("Thing", clear=True)] == [None]


def test_card_numbers_become_tokens(world):
    world.bind(SOURCE.replace("*.csv", "*.jsonl"))
    row = '"event_time":"2025-06-01","customer":"c","amount":1.10,"currency":"EUR","status":"authorised"'
    world.write(
        "a.jsonl",
        f'{{"id":"a","card":"4111 1111 1111 1111",{row}}}\n{{"id":"b","card":"4111111111111111",{row}}}\n'
        f'{{"id":"c","card":"4111111111111112",{row}}}\n{{"id":"d",{row}}}\n',
    )
    report = world.load()
    assert (report.accepted, report.quarantined) == (3, {"luhn": 1})
    a, b, d = world.rows()
    assert a["card"] == b["card"]
    assert a["card"].startswith("411111-")
    assert d["card"] is None
    assert a["amount"] == 110
    stored = listing(world.folder / "tables") | listing(world.folder / "quarantine")
    assert not any(b"41111111111111" in data for data in stored.values())


def test_posted_rows_pass_the_same_checks(world):
    row = {
        "event_time": "2025-12-31",
        "customer": "c",
        "amount": "1.10",
        "currency": "EUR",
        "status": "authorised",
    }
    report = world.loading.load_rows(
        "Payment",
        [
            row | {"id": "a", "place_lat": 40.5, "place_lon": "-3"}, row | {"id": "b", "amount": 2.5},
            row | {"id": "c", "amount": "1.005"}, {"id": "d"}, row | {"id": "a", "place_lat": 40.5, "place_lon": "-3"},
            row,
        ],
    )  # fmt: skip
    assert (report.accepted, report.duplicates, report.load) == (("a", "b"), ("a",), 1)
    assert [(r.line, r.key, r.reason, r.field) for r in report.rejected] == [
        (3, "c", "decimals", "amount"), (4, "d", "required", "event_time"), (6, None, "required", "id"),
    ]  # fmt: skip
    a, b = world.rows()
    assert (a["amount"], a["place_lat"], a["place_lon"], a["known_time"]) == (
        110,
        405000000,
        -30000000,
        NOW,
    )
    assert b["amount"] == 250
    again = world.loading.load_rows("Payment", [row | {"id": "b", "amount": "2.50"}])
    assert (again.accepted, again.duplicates, again.version) == ((), ("b",), 1)
    world.clock.set(NOW + hour)
    later = world.loading.load_rows("Payment", [row | {"id": "b", "amount": "3"}])
    assert (later.accepted, later.corrections, later.version) == (("b",), 1, 2)
    gone = world.loading.load_rows(
        "Payment", [{"id": "b", "event_time": "2025-12-31", "_deleted": True}]
    )
    assert gone.accepted == ("b",)
    assert [r["_deleted"] for r in world.rows() if r["id"] == "b"] == [False, False, True]
    with pytest.raises(UnknownName):
        world.loading.load_rows("Paymnt", [row])
    assert world.loading.load_rows("Payment", []).load is None


def test_posted_rows_find_stored_rows_without_reading_the_table(world):
    random = Random(2)
    held = {}
    row = {"event_time": "2025-12-31", "customer": "c", "currency": "EUR", "status": "authorised"}
    for _ in range(12):
        posted = {f"k{random.randint(0, 40)}": str(random.randint(1, 2)) for _ in range(15)}
        report = world.loading.load_rows(
            "Payment", [row | {"id": k, "amount": a} for k, a in posted.items()]
        )
        assert set(report.duplicates) == {k for k, a in posted.items() if held.get(k) == a}
        assert set(report.accepted) == {k for k, a in posted.items() if held.get(k) != a}
        held |= posted
        world.lake.compact("Payment")


def test_a_database_is_read_on_from_its_watermark(world):
    with sqlite3.connect(world.folder / "core.db") as connection:
        connection.execute("CREATE TABLE t (id, event_time, owner, secret, changed INTEGER)")
        connection.execute("INSERT INTO t VALUES (1, '2025-01-01', 'ann', 'x', 1)")
        connection.execute("INSERT INTO t VALUES (2, '2025-01-01', 'bob', NULL, 2)")
    connection.close()
    world.bind(
        '[[source]]\ntable = "Thing"\nfrom = "sqlite:///core.db"\nquery = "t"\nwatermark = "changed"\n'
    )
    assert world.load().accepted == 2
    report = world.load()
    assert (report.read, report.accepted, report.duplicates) == (1, 0, 1)
    with sqlite3.connect(world.folder / "core.db") as connection:
        connection.execute("INSERT INTO t VALUES (1, '2025-01-01', 'ann', 'y', 3)")
    connection.close()
    world.clock.set(NOW + day)
    report = world.load()
    assert (report.read, report.accepted, report.corrections) == (2, 1, 1)


def test_progress_is_told(world):
    world.write("a.csv", HEAD + "".join(payment(n) for n in range(100)))
    told = []
    world.load(progress=lambda what, share: told.append((what, share)))
    assert told[0][0].startswith("Payment")
    assert told[-1][1] == 1.0
    assert [share for _, share in told] == sorted(share for _, share in told)


def test_an_error_after_the_commit_undoes_nothing(world, monkeypatch):
    world.write("a.csv", HEAD + payment(1) + payment(2, amount="x"))
    real, calls = world.catalog.loads.committed, []

    def fails_once(*args):
        calls.append(args)
        if len(calls) == 1:
            raise Busy("The catalog is busy.")
        return real(*args)

    monkeypatch.setattr(world.catalog.loads, "committed", fails_once)
    with pytest.raises(Busy):
        world.load()
    assert [x.status for x in world.catalog.loads.recent()] == ["committed"]
    assert [r["id"] for r in world.rows()] == ["p1"]
    assert [r.line for r in world.quarantine.show("Payment")] == [3]
    assert world.load().skipped == ("in/a.csv",)


def test_a_quarantine_file_that_the_catalog_does_not_know_is_left_alone(world):
    world.write("a.csv", HEAD + payment(2, amount="x"))
    world.load()
    path = world.quarantine.path("Payment", 1)
    path.rename(path.with_name("00000077.parquet"))
    world.loading.recover()
    assert len(world.quarantine.paths("Payment")) == 1


POINTS = [
    pytest.param(point, marks=[] if point in ("staged", "landed") else pytest.mark.slow)
    for point in ("begun", "written", "refused", "staged", "landed", "committed")
]


@pytest.mark.parametrize("point", POINTS)
def test_a_kill_between_any_two_steps_is_finished_or_undone(tmp_path, point):
    script = Path(__file__).with_name("killed_load.py")
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, sys.path))}
    found = subprocess.run(
        [sys.executable, str(script), str(tmp_path), point], env=environment, capture_output=True,
        check=False, timeout=60,
    )  # fmt: skip
    assert found.returncode == 9, found.stderr.decode()
    world = World(tmp_path)
    ended = world.loading.recover()
    status = {"begun": "failed", "written": "failed", "refused": "failed", "staged": "failed"}
    assert [x.status for x in ended] == (
        [] if point == "committed" else [status.get(point, "committed")]
    )
    report = world.load()
    assert bool(report.skipped) == (point in ("landed", "committed"))
    assert [r["id"] for r in world.rows()] == ["p1", "p2"]
    assert [r.line for r in world.quarantine.show("Payment")] == [4]
    assert len(world.quarantine.paths("Payment")) == 1
    assert not list(tmp_path.rglob("*.draft"))
    assert not list(tmp_path.rglob(".stage-*"))
    world.close()
