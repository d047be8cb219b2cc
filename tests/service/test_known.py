# SPDX-License-Identifier: Apache-2.0
"""What was known when: histories loaded in any way read back as a plain oracle says, in both times."""

from __future__ import annotations

import shutil
import tempfile
from copy import deepcopy
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from heptad.runtime import Platform
from heptad.service.features import count, largest, latest, mean, named, smallest, spread, total
from heptad.standards import hour, minute, second
from heptad.standards.model import Customer, Label, Merchant, Payment, Rate
from heptad.standards.time import FixedClock, day, parse_instant
from heptad.testing.definition import Ask, value
from tests.service.oracle import Given, Kept, csv_text, posted
from tests.service.test_windows import FEATURES as PLAIN

START = parse_instant("2025-06-01T00:00:00Z")
AFTER = 3 * second
BY = Payment.customer
TABLES = {
    Payment: ["id", "event_time", "customer", "merchant", "country", "amount", "currency", "status"],
    Label: ["id", "event_time", "customer", "payment", "fraud"],
    Rate: ["id", "event_time", "base", "quote", "rate"],
    Merchant: ["id", "event_time", "name", "country"],
    Customer: ["id", "event_time", "name", "city"],
}  # fmt: skip
FEATURES = [
    *PLAIN,
    *named({
        "total_usd": total(Payment.amount, by=BY, over=20 * second, into="USD"),
        "mean_eur": mean(Payment.amount, by=BY, over=minute, into="EUR"),
        "spread_eur": spread(Payment.amount, by=BY, into="EUR"),
        "smallest_eur": smallest(Payment.amount, by=BY, over=minute, into="EUR"),
        "largest_eur": largest(
            Payment.amount, by=BY, over=minute, into="EUR", where=Payment.status == "declined"
        ),
        "latest_eur": latest(Payment.amount, by=BY, over=minute, into="EUR"),
        "merchants": count(Payment.merchant, by=BY, over=hour),
    }).values(),
]  # fmt: skip
PROJECT = '[project]\nname = "known"\n' + "".join(
    f'[[source]]\nname = "{mode}-{t.__name__}"\ntable = "{t.__name__}"\n'
    f'from = "{mode}_{t.__name__}_*.csv"\nknown_after = "3 seconds"\n'
    f"map = {{ deleted = \"op = 'D'\"{known} }}\n"
    for t in TABLES
    for mode, known in (("mapped", ', known_time = "known"'), ("feed", ""), ("other", ""))
)

grid = st.integers(0, 40).map(lambda n: START + n * second // 2)
gone = st.sampled_from([False, False, False, True])
flags = st.sampled_from([True, False, None])


def rows_of(ids: int, **fields) -> st.SearchStrategy:
    """Rows of one table: few keys, so that they meet."""
    names = st.sampled_from([f"p{n}" for n in range(ids)])
    values = st.fixed_dictionaries({"id": names, "event_time": grid, **fields})
    return st.builds(
        lambda values, wait, gone: Given(
            {n: values[n] for n in ("id", "event_time")} if gone else values,
            values["event_time"] + wait,
            gone,
        ),
        values,
        st.sampled_from([0, 0, second, 15 * second, -second]),
        gone,
    )


STRATEGIES = {
    Payment: rows_of(
        6,
        customer=st.sampled_from(["a", "b"]),
        merchant=st.sampled_from(["m", "n", None]),
        country=st.sampled_from(["ES", "FR", None]),
        amount=st.sampled_from([0, 7, 10_050, 3 * 10**11]),
        currency=st.sampled_from(["EUR", "USD", "GBP"]),
        status=st.sampled_from(["authorised", "declined"]),
    ),
    Label: rows_of(
        4,
        customer=st.just("a"),
        payment=st.sampled_from(["p0", "p1", "p2", "p9"]),
        fraud=flags,
    ),
    Rate: rows_of(
        4,
        base=st.sampled_from(["EUR", "USD", "GBP"]),
        quote=st.sampled_from(["EUR", "USD"]),
        rate=st.sampled_from([10**9, 1_234_567_891, 8 * 10**8]),
    ),
    Merchant: rows_of(3, name=st.sampled_from(["x", "y", None]), country=st.just("ES")),
    Customer: rows_of(3, name=st.sampled_from(["Ann", "Bob", None]), city=st.just("Jaén")),
}


@pytest.fixture(scope="module")
def empty(tmp_path_factory) -> Path:
    """An empty project with the sources bound."""
    folder = tmp_path_factory.mktemp("empty")
    (folder / "heptad.toml").write_text(PROJECT, encoding="utf-8")
    Platform.open(folder, clock=FixedClock(START)).close()
    return folder


class World:
    """A project and what it must hold."""

    def __init__(self, empty: Path, folder: Path, now: int = START + minute) -> None:
        shutil.copytree(empty, folder, dirs_exist_ok=True)
        self.folder, self.clock = folder, FixedClock(now)
        self.kept = {table: Kept(table) for table in TABLES}
        self.platform = Platform.open(folder, clock=self.clock)
        self.files: set[tuple] = set()
        self.first: set[str] = set()

    def file(self, mode: str, table, rows: list[Given], *, history: bool = False) -> None:
        """Write a file, load it, and tell the oracle."""
        name, source = table.__name__, f"{mode}-{table.__name__}"
        text = csv_text(TABLES[table], rows, known=mode == "mapped")
        path = self.folder / f"{mode}_{name}_{len(self.files):03d}.csv"
        path.write_text(text, encoding="utf-8")
        (report,) = self.platform.load(source, history=history)
        if (text, table) in self.files:
            assert report.load is None
            return
        self.files.add((text, table))
        assert report.quarantined.keys() <= {"conflict"}
        first = source not in self.first
        known = "mapped" if mode == "mapped" else "assumed" if first or history else "arrival"
        self.first.add(source)
        self.tell(table, rows, known, AFTER)

    def post(self, table, rows: list[Given]) -> None:
        """Post rows, and tell the oracle."""
        self.platform.store(table.__name__, [posted(row) for row in rows])
        self.tell(table, rows, "arrival")

    def tell(self, table, rows: list[Given], known: str, known_after: int = 0) -> None:
        """Tell the oracle of a load."""
        self.kept[table].arrival = max(k.arrival for k in self.kept.values())
        self.kept[table].load(rows, self.clock.now(), known=known, known_after=known_after)

    def reads(self, table, t: int | None, k: int | None, version: int | None = None) -> list:
        """Rows as the platform reads them, in stored units."""
        found = self.platform.read(table.__name__, t, k, version=version)
        names = TABLES[table]
        return [{n: row[n] for n in names} for row in found.select(names).to_pylist()]

    def expected(self, table, t: int | None, k: int | None, kept=None) -> list:
        """Rows as the oracle reads them."""
        rows = (kept or self.kept)[table].read(t, k)
        return [{n: row.get(n) for n in TABLES[table]} for row in rows]

    def versions(self, table) -> list:
        """All row versions that are stored, each with its known_time and whether it is gone."""
        found = self.platform.read(
            table.__name__, version=self.platform.lake.version(table.__name__)
        )
        names = [*TABLES[table], "known_time", "_deleted"]
        return sorted(map(repr, ([row[n] for n in names] for row in found.to_pylist())))

    def check_reads(self, points) -> None:
        """Compare what is stored, and reads of all tables at instants in both times."""
        for table, names in TABLES.items():
            kept = [
                [*(v.values.get(n) for n in names), v.known, v.deleted]
                for v in self.kept[table].versions
            ]
            if kept:
                assert self.versions(table) == sorted(map(repr, kept)), table
            for t, k in points:
                assert self.reads(table, t, k) == self.expected(table, t, k), (table, t, k)

    def check_features(self, points) -> None:
        """Compare features at (customer, merchant, t, k)."""
        columns = zip(*points, strict=True)
        names = ("customer", "merchant", "event_time", "known_time")
        spine = pa.table(dict(zip(names, map(list, columns), strict=True)))
        found = self.platform.history(spine, FEATURES)
        tables = {t: kept.versions for t, kept in self.kept.items()}
        for feature in FEATURES:
            want = []
            for customer, merchant, t, k in points:
                parts = {"Merchant": merchant, "Customer": customer}
                key = tuple(parts[entity] for entity in feature.entities)
                want.append(value(feature, tables, Ask(key, t, k)))
            assert found.column(feature.name).to_pylist() == want, feature.name


class Fresh:
    """Context: a new project in memory."""

    def __init__(self, empty: Path, now: int = START + minute) -> None:
        self.empty, self.now = empty, now

    def __enter__(self) -> World:
        memory = Path("/dev/shm")
        self.folder = Path(tempfile.mkdtemp(dir=memory if memory.is_dir() else None))
        self.world = World(self.empty, self.folder, self.now)
        return self.world

    def __exit__(self, *error) -> None:
        self.world.platform.close()
        shutil.rmtree(self.folder)


# Each example makes a project, so a failing one is shown as it was met.
PHASES = (Phase.explicit, Phase.generate)
moments = st.integers(-2, 70).map(lambda n: START + n * second // 2)
points = st.lists(st.tuples(moments | st.none(), moments | st.none()), min_size=3, max_size=3)
asked = st.lists(
    st.tuples(st.sampled_from(["a", "b"]), st.sampled_from(["m", "n"]), moments, moments),
    min_size=8, max_size=8,
)  # fmt: skip


def told_apart(rows: list[tuple]) -> list[tuple]:
    """Rows of which each says something that no other row says, one per identity and known_time.

    A mapped known_time orders the versions of a row, so that loads may come in any order.
    """
    found: dict[tuple, tuple] = {}
    deleted: set[tuple] = set()
    for n, (table, row, *more) in enumerate(rows):
        identity = (table, row.identity(table))
        if row.gone and identity in deleted:
            continue
        deleted |= {identity} if row.gone else set()
        values = dict(row.values)
        if not row.gone:
            mark = {Payment: "amount", Rate: "rate", Label: "customer"}.get(table, "name")
            values[mark] = 100 + n if mark in ("amount", "rate") else f"mark {n}"
        found.setdefault((*identity, row.known), (table, Given(values, row.known, row.gone), *more))
    return list(found.values())


history = st.lists(
    st.sampled_from(list(TABLES)).flatmap(
        lambda t: st.tuples(
            st.just(t), STRATEGIES[t], st.sets(st.integers(0, 2), min_size=1, max_size=2)
        )
    ),
    min_size=4,
    max_size=40,
).map(told_apart)


@settings(max_examples=6, phases=PHASES)
@given(history, points, asked, st.randoms())
def test_versions_with_mapped_times_read_as_the_oracle_says(empty, rows, points, asked, random):
    """In any split into loads, any order and with repeats, reads and features are the same."""
    with Fresh(empty) as world:
        versions, then = {}, {}
        for part in range(3):
            for table in TABLES:
                mine = [row for t, row, parts in rows if t is table and part in parts]
                if mine:
                    world.file("mapped", table, random.sample(mine, len(mine)))
            if part == 1 and world.platform.lake.exists("Payment"):
                then = deepcopy(world.kept)
                versions = {Payment: world.platform.lake.version("Payment")}
        world.check_reads(points)
        world.check_features(asked)
        for table, version in versions.items():
            for t, k in points:
                if (t, k) != (None, None):
                    seen = world.reads(table, t, k, version)
                    assert seen == world.expected(table, t, k, then), (table, t, k)


step = st.tuples(
    st.sampled_from(list(TABLES)).flatmap(
        lambda t: st.tuples(st.just(t), st.lists(STRATEGIES[t], min_size=1, max_size=6))
    ),
    st.sampled_from(["feed", "other", "post", "post", "history"]),
    st.sampled_from([0, second, 7 * second, -5 * second]),
)


@settings(max_examples=9, phases=PHASES)
@given(st.lists(step, min_size=3, max_size=9), points, asked)
def test_loads_known_at_arrival_read_as_the_oracle_says(empty, steps, points, asked):
    """History first, then late rows, corrections, deletions and repeats, files and posts."""
    with Fresh(empty, START) as world:
        for (table, rows), how, wait in steps:
            world.clock.set(world.clock.now() + wait)
            if how == "post":
                world.post(table, rows)
            else:
                world.file(how.replace("history", "feed"), table, rows, history=how == "history")
        world.check_reads(points)
        world.check_features(asked)


def payment(key: str, at: int, amount: int, known: int = 0, **more) -> Given:
    """One payment, in seconds after the start."""
    values = {"id": key, "event_time": START + at * second, "customer": "a", "merchant": "m",
              "country": "ES", "amount": amount, "currency": "EUR", "status": "authorised"}  # fmt: skip
    return Given(values | more, START + known * second)


def deletion(key: str, at: int, known: int = 0) -> Given:
    return Given({"id": key, "event_time": START + at * second}, START + known * second, gone=True)


def test_the_first_load_is_known_in_the_past_and_what_follows_at_arrival(empty):
    """The life of a few payments, step by step."""
    with Fresh(empty, START + day) as world:
        world.file("feed", Payment, [payment(f"p{n}", n, 100 * n) for n in range(6)])
        past = [(START + n * second, START + n * second) for n in range(10)]
        before = [world.reads(Payment, t, k) for t, k in past]
        assert [len(rows) for rows in before] == [0, 0, 0, 1, 2, 3, 4, 5, 6, 6]
        world.clock.set(START + 2 * day)
        world.file("feed", Payment, [payment("p1", 1, 999), payment("p9", 2, 1)])
        world.clock.set(START + 3 * day)
        world.post(Payment, [deletion("p2", 2)])
        assert [world.reads(Payment, t, k) for t, k in past] == before
        t = START + hour
        amounts = {
            n: {r["id"]: r["amount"] for r in world.reads(Payment, t, START + n * day)}
            for n in (1, 2, 3)
        }
        assert amounts[1] == {f"p{n}": 100 * n for n in range(6)}
        assert amounts[2] == amounts[1] | {"p1": 999, "p9": 1}
        assert amounts[3] == {k: v for k, v in amounts[2].items() if k != "p2"}
        world.check_reads([(t, k) for _, k in past])


def test_a_file_again_under_any_name_changes_nothing(empty):
    with Fresh(empty, START + day) as world:
        rows = [payment(f"p{n}", n, n) for n in range(5)]
        world.file("feed", Payment, rows)
        version = world.platform.lake.version("Payment")
        stored = world.versions(Payment)
        (one,) = world.folder.glob("feed_Payment_*.csv")
        text = one.read_text(encoding="utf-8")
        world.clock.set(START + 2 * day)
        one.rename(world.folder / "feed_Payment_renamed.csv")
        assert [r.load for r in world.platform.load("feed-Payment")] == [None]
        (world.folder / "other_Payment_copy.csv").write_text(text, encoding="utf-8")
        assert [r.load for r in world.platform.load("other-Payment")] == [None]
        lines = text.splitlines()
        (world.folder / "feed_Payment_turned.csv").write_text(
            "\n".join([lines[0], *reversed(lines[1:])]) + "\n", encoding="utf-8"
        )
        (report,) = world.platform.load("feed-Payment")
        assert (report.read, report.duplicates, report.accepted) == (5, 5, 0)
        world.platform.store("Payment", [posted(row) for row in rows])
        assert world.platform.lake.version("Payment") == version
        assert world.versions(Payment) == stored


def test_a_row_as_it_stood_before_its_correction(empty):
    """Delivered again, it corrects back where the source tells no known_time; else it is known."""
    old, new = payment("p1", 1, 100), payment("p1", 1, 999)
    more = [payment(f"p{n}", 2, n) for n in range(2, 6)]
    with Fresh(empty, START + day) as world:
        for n, row in enumerate((old, new, new, old)):
            world.clock.set(START + (n + 1) * day)
            world.file("feed", Payment, [row, *more[:n]])
        seen = [world.reads(Payment, None, START + n * day + hour)[0]["amount"] for n in range(5)]
        assert seen == [100, 100, 999, 999, 100]
        assert len(world.versions(Payment)) == 3 + 3
        world.clock.set(START + 8 * day)
        world.post(Payment, [new])
        world.post(Payment, [old])
        assert world.reads(Payment, None, None)[0]["amount"] == 100
        world.check_reads([(None, START + n * day + hour) for n in range(9)])
    with Fresh(empty, START + day) as world:
        later = payment("p1", 1, 999, known=3600)
        for n, row in enumerate((old, later, later, old)):
            world.clock.set(START + (n + 1) * day)
            world.file("mapped", Payment, [row, *more[:n]])
        assert world.reads(Payment, None, None)[0]["amount"] == 999
        assert len(world.versions(Payment)) == 2 + 3


def test_an_earlier_version_that_comes_later_takes_its_place(empty):
    """A source may hand over today's version first and yesterday's afterwards."""
    points = [("a", "m", START + hour, START + n * second) for n in range(9)]
    with Fresh(empty) as world:
        world.file("mapped", Payment, [payment("p1", 1, 300, known=6)])
        world.file("mapped", Payment, [payment("p1", 1, 100, known=2)])
        world.check_features(points)
        world.file("mapped", Payment, [payment("p1", 1, 200, known=4)])
        world.check_reads([(None, k) for *_, k in points])
        world.check_features(points)


def test_a_clock_set_back_does_not_make_rows_known_earlier(empty):
    """What was read as known at an instant stays, whatever the clock does."""
    with Fresh(empty, START + day) as world:
        world.post(Payment, [payment("p1", 1, 100)])
        seen = START + day
        world.clock.set(START + hour)
        world.post(Label, [Given({"id": "l1", "event_time": START, "customer": "a",
                                  "payment": "p1", "fraud": True})])  # fmt: skip
        (row,) = world.platform.read("Label", version=1).to_pylist()
        assert row["known_time"] >= seen


@pytest.mark.parametrize("turned", [False, True])
def test_the_order_of_rows_in_files_changes_nothing(empty, turned):
    rows = [payment(f"p{n % 7}", n % 5, n, known=n) for n in range(30)]
    rows += [deletion(f"p{n}", n, known=40 + n) for n in range(3)]
    with Fresh(empty) as world:
        for start in (0, 11, 22):
            part = rows[start : start + 11]
            world.file("mapped", Payment, part[::-1] if turned else part)
        world.check_reads([(None, START + n * second) for n in range(-1, 50, 4)])
        got = world.versions(Payment)
        assert len(got) == len(set(got)) == 33
