# SPDX-License-Identifier: Apache-2.0
"""Loads: a kill between any two steps leaves nothing half-loaded, and no content twice."""

from __future__ import annotations

import hashlib
import itertools
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    precondition,
    rule,
)

from heptad.catalog import Catalog
from heptad.catalog.files import SourceFile
from heptad.catalog.loads import Counts
from heptad.catalog.versions import DataFile
from heptad.standards.errors import Conflict, Refused, UnknownName
from heptad.standards.time import FixedClock, day, hour
from tests.catalog.conftest import NOON, half_done, quick_catalog

if TYPE_CHECKING:
    from pathlib import Path


def file(path: str, content: str) -> SourceFile:
    return SourceFile(path, len(content), hashlib.sha256(content.encode()).hexdigest())


JAN, FEB = file("jan.csv", "january"), file("feb.csv", "february")


def load(catalog: Catalog, *files: SourceFile, table: str = "Payment", **more: object) -> int:
    """Load files the short way."""
    number = catalog.loads.begin("cards", table).id
    catalog.loads.staged(number, Counts(read=1), files=files, **more)
    catalog.loads.committed(number, None)
    return number


class TestOneLoad:
    def test_from_begin_to_commit(self, catalog: Catalog, clock: FixedClock) -> None:
        begun = catalog.loads.begin("cards", "Payment", known="assumed", contract="c1")
        assert (begun.status, begun.started, begun.arrival) == ("started", NOON, NOON)
        assert (begun.known, begun.contract, begun.ended) == ("assumed", "c1", None)
        counts = Counts(10, 6, {"Payment.amount must be at least 0": 2, "no key": 1}, 1, 2, 1)
        clock.set(NOON + hour)
        staged = catalog.loads.staged(
            begun.id, counts, staged=".stage-1", files=[FEB, JAN], watermark="2026-02-28"
        )
        assert (staged.status, staged.counts, staged.staged) == ("staged", counts, ".stage-1")
        parts = [DataFile("a.parquet", 100, "aa", 6, {"_month": "2026-02"})]
        done = catalog.loads.committed(begun.id, 0, parts)
        assert (done.status, done.version, done.ended) == ("committed", 0, NOON + hour)
        assert done.arrival == NOON
        made = catalog.versions.of_load(begun.id)
        assert made is not None
        assert (made.table, made.version, made.rows, made.contract) == ("Payment", 0, 6, "c1")
        assert catalog.versions.files("Payment") == parts
        assert catalog.loads.files(begun.id) == [FEB, JAN]
        assert catalog.loads.get(begun.id) == done

    def test_each_step_once(self, catalog: Catalog) -> None:
        number = catalog.loads.begin("cards", "Payment").id
        with pytest.raises(Conflict, match="started"):
            catalog.loads.committed(number, 1)
        catalog.loads.staged(number, Counts())
        with pytest.raises(Conflict, match="staged"):
            catalog.loads.staged(number, Counts())
        first = catalog.loads.committed(number, 3)
        assert catalog.loads.committed(number, 3) == first
        with pytest.raises(Conflict, match="committed"):
            catalog.loads.committed(number, 4)
        with pytest.raises(Conflict, match="committed"):
            catalog.loads.failed(number, "late")
        assert catalog.loads.get(number) == first

    def test_why_it_was_refused(self, catalog: Catalog) -> None:
        number = catalog.loads.begin("cards", "Payment").id
        why = Refused("Payment.amount is gone.", got="amt", do="map it again")
        ended = catalog.loads.refused(number, why)
        assert ended.status == "refused"
        assert ended.error == why.to_dict()
        other = catalog.loads.failed(catalog.loads.begin("cards", "Payment").id, OSError("EIO"))
        assert other.error == {"detail": "EIO"}

    def test_unknown(self, catalog: Catalog) -> None:
        with pytest.raises(UnknownName):
            catalog.loads.get(1)
        with pytest.raises(UnknownName):
            catalog.loads.failed(1, "no")

    def test_not_inside_a_transaction(self, catalog: Catalog) -> None:
        """The lake would take a number given out twice for a repetition, and drop the rows."""
        with pytest.raises(Conflict, match="transaction"), catalog.transaction():
            catalog.loads.begin("cards", "Payment")

    def test_a_version_is_recorded_with_its_load_or_not_at_all(self, catalog: Catalog) -> None:
        number = catalog.loads.begin("cards", "Payment").id
        catalog.loads.staged(number, Counts())
        catalog.versions.add("Payment", 5, [])
        with pytest.raises(Conflict):
            catalog.loads.committed(number, 4)
        assert catalog.loads.get(number).status == "staged"


class TestArrival:
    def test_what_comes_later_is_known_later(self, catalog: Catalog, clock: FixedClock) -> None:
        catalog.loads.begin("cards", "Payment")
        clock.set(NOON - 3 * day)
        assert catalog.loads.begin("cards", "Payment").arrival == NOON
        assert catalog.loads.begin("cards", "Loan").arrival == NOON
        clock.set(NOON + day)
        assert catalog.loads.begin("cards", "Payment").arrival == NOON + day

    def test_a_stated_arrival_is_taken(self, catalog: Catalog) -> None:
        assert catalog.loads.begin("cards", "Payment", arrival=7).arrival == 7

    def test_the_last_one_is_followed_and_never_falls(
        self, catalog: Catalog, clock: FixedClock
    ) -> None:
        assert catalog.loads.arrival() == 0
        catalog.loads.begin("cards", "Payment")
        assert catalog.loads.arrival() == NOON
        catalog.loads.begin("cards", "Payment", arrival=7)
        assert catalog.loads.arrival() == NOON
        clock.set(NOON + day)
        catalog.loads.begin("cards", "Loan")
        assert catalog.loads.arrival() == NOON + day

    def test_it_is_found_again_after_a_restart(
        self, catalog: Catalog, clock: FixedClock, target: str, tmp_path: Path
    ) -> None:
        catalog.loads.begin("cards", "Payment")
        catalog.close()
        clock.set(NOON - 3 * day)
        with Catalog(target, models=tmp_path / "models", clock=clock) as again:
            again.loads.begin("cards", "Payment", arrival=7)
            assert again.loads.arrival() == NOON
            assert again.loads.begin("cards", "Loan").arrival == NOON

    def test_one_that_is_undone_does_not_count(
        self, catalog: Catalog, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        catalog.loads.begin("cards", "Payment")
        clock.set(NOON + day)
        with monkeypatch.context() as broken:
            broken.setattr(catalog.loads, "_read", lambda *_: 1 // 0)
            with pytest.raises(ZeroDivisionError):
                catalog.loads.begin("cards", "Payment")
        assert catalog.loads.arrival() == NOON

    def test_where_nobody_else_writes_it_costs_no_query(
        self, catalog: Catalog, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        store = catalog.store
        catalog.loads.begin("cards", "Payment")
        with monkeypatch.context() as shut:
            if store.alone:
                shut.setattr(store, "read", lambda: 1 // 0)
            assert catalog.loads.arrival() == NOON

    def test_first_load_of_a_source(self, catalog: Catalog) -> None:
        assert catalog.loads.first("cards", "Payment") is None
        failed = catalog.loads.begin("cards", "Payment").id
        catalog.loads.failed(failed, "no")
        first = load(catalog, JAN)
        load(catalog, FEB)
        found = catalog.loads.first("cards", "Payment")
        assert found is not None
        assert found.id == first
        assert catalog.loads.first("other", "Payment") is None

    def test_watermark_of_committed_loads_only(self, catalog: Catalog) -> None:
        assert catalog.loads.watermark("cards", "Payment") is None
        load(catalog, watermark="10")
        load(catalog)
        lost = catalog.loads.begin("cards", "Payment").id
        catalog.loads.staged(lost, Counts(), watermark="20")
        assert catalog.loads.watermark("cards", "Payment") == "10"
        catalog.loads.committed(lost, None)
        assert catalog.loads.watermark("cards", "Payment") == "20"
        assert catalog.loads.watermark("cards", "Loan") is None


class TestFiles:
    def test_seen_by_content_and_table(self, catalog: Catalog) -> None:
        number = load(catalog, JAN)
        found = catalog.loads.seen(JAN.sha256, "Payment")
        assert found is not None
        assert found.id == number
        assert catalog.loads.seen(JAN.sha256, "Loan") is None
        assert catalog.loads.seen(FEB.sha256, "Payment") is None

    def test_told_apart(self, catalog: Catalog) -> None:
        number = load(catalog, JAN, FEB)
        moved = file("january.csv", "january")
        edited = file("feb.csv", "february, corrected")
        march = file("mar.csv", "march")
        twin = file("mar (1).csv", "march")
        sifted = catalog.loads.sift("Payment", [JAN, moved, edited, march, twin])
        assert sifted.loaded == ((JAN, number),)
        assert sifted.renamed == ((moved, "jan.csv", number), (twin, "mar.csv", None))
        assert sifted.new == (edited, march)
        assert sifted.changed == ((edited, number),)
        assert catalog.loads.sift("Loan", [JAN]).new == (JAN,)
        assert catalog.loads.sift("Payment", []).new == ()

    def test_more_files_than_one_query_holds(self, catalog: Catalog) -> None:
        many = [file(f"{n}.csv", str(n)) for n in range(1200)]
        load(catalog, *many)
        assert len(catalog.loads.sift("Payment", many).loaded) == 1200

    def test_content_is_loaded_once(self, catalog: Catalog) -> None:
        first, second = (catalog.loads.begin("cards", "Payment").id for _ in range(2))
        catalog.loads.staged(first, Counts(), files=[JAN])
        with pytest.raises(Conflict, match="content"):
            catalog.loads.staged(second, Counts(), files=[file("other.csv", "january")])
        assert catalog.loads.get(second).status == "started"
        assert catalog.loads.seen(JAN.sha256, "Payment") is None
        with pytest.raises(Conflict, match="content"):
            catalog.loads.staged(second, Counts(), files=[FEB, file("f.csv", "february")])
        catalog.loads.committed(first, None)
        with pytest.raises(Conflict, match="load 1"):
            catalog.loads.staged(second, Counts(), files=[JAN])
        load(catalog, JAN, table="Loan")

    def test_a_failed_load_frees_its_files(self, catalog: Catalog) -> None:
        number = catalog.loads.begin("cards", "Payment").id
        catalog.loads.staged(number, Counts(), files=[JAN])
        catalog.loads.failed(number, "disk")
        assert catalog.loads.sift("Payment", [JAN]).new == (JAN,)
        assert catalog.loads.files(number) == [JAN]
        load(catalog, JAN)

    def test_once_more_on_purpose(self, catalog: Catalog) -> None:
        first = load(catalog, JAN)
        again = catalog.loads.begin("cards", "Payment").id
        catalog.loads.staged(again, Counts(), files=[JAN], again=True)
        holder = catalog.loads.seen(JAN.sha256, "Payment")
        assert holder is not None
        assert holder.id == first
        catalog.loads.failed(again, "disk")
        assert catalog.loads.sift("Payment", [JAN]).loaded == ((JAN, first),)
        last = load(catalog, JAN, again=True)
        assert catalog.loads.sift("Payment", [JAN]).loaded == ((JAN, last),)
        with pytest.raises(Conflict):
            load(catalog, JAN)


class TestLists:
    def test_by_page_and_filter(self, catalog: Catalog) -> None:
        for number, table in enumerate(["Payment", "Loan"] * 3, 1):
            catalog.loads.begin(f"source {number}", table)
        assert [found.id for found in catalog.loads.recent(limit=2)] == [6, 5]
        assert [found.id for found in catalog.loads.recent(limit=2, before=5)] == [4, 3]
        assert [found.id for found in catalog.loads.recent("Loan")] == [6, 4, 2]
        assert [found.id for found in catalog.loads.recent(source="source 3")] == [3]
        catalog.loads.failed(2, "x")
        assert [found.id for found in catalog.loads.recent(status="failed")] == [2]

    def test_tables_with_several_versions_of_a_row(self, catalog: Catalog) -> None:
        load(catalog)
        assert not catalog.loads.corrected("Payment")
        number = catalog.loads.begin("cards", "Payment").id
        catalog.loads.staged(number, Counts(read=1, accepted=1, deletions=1))
        assert catalog.loads.corrected("Payment")
        assert not catalog.loads.corrected("Loan")

    def test_unfinished_of_others(self, target: str, catalog: Catalog, tmp_path: Path) -> None:
        load(catalog, JAN)
        catalog.loads.begin("cards", "Payment")
        assert catalog.loads.unfinished() == []
        assert [found.id for found in catalog.loads.unfinished(mine=True)] == [2]
        with Catalog(target, models=tmp_path) as reopened:
            assert [found.id for found in reopened.loads.unfinished()] == [2]


class Lake:
    """What the lake promises: a version per load, the same one if it is asked again."""

    def __init__(self) -> None:
        self.versions: dict[int, int] = {}
        self.contents: dict[int, list[str]] = {}

    def commit(self, number: int, contents: list[str]) -> int:
        version = self.versions.setdefault(number, len(self.versions))
        self.contents.setdefault(version, contents)
        return version

    def files(self, version: int) -> list[DataFile]:
        return [DataFile(f"{v}.parquet", 10, f"{v:064x}", 1) for v in range(version + 1)]


@settings(
    max_examples=12,
    stateful_step_count=20,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
class Loading(RuleBasedStateMachine):
    """Loads step by step, with a kill (nothing is closed) between any two of them."""

    loads = Bundle("loads")

    @initialize()
    def begin_project(self) -> None:
        self.open = ExitStack()
        self.catalog = self.open.enter_context(quick_catalog())
        self.path = self.catalog.store.path
        self.abandoned: list[Catalog] = []
        self.lake = Lake()
        self.status: dict[int, str] = {}
        self.contents: dict[int, list[str]] = {}
        self.names = itertools.count()

    @rule(target=loads)
    def begin(self) -> int:
        number = self.catalog.loads.begin("s", "T").id
        assert number not in self.status
        assert number == len(self.status) + 1
        self.status[number] = "started"
        return number

    @rule(number=loads, contents=st.lists(st.sampled_from("abcdef"), max_size=2, unique=True))
    def stage(self, number: int, contents: list[str]) -> None:
        files = [file(f"{next(self.names)}.csv", content) for content in contents]
        taken = {
            content
            for other, held in self.contents.items()
            if self.status[other] in ("staged", "committed")
            for content in held
        }
        allowed = self.status[number] == "started" and not taken & set(contents)
        try:
            self.catalog.loads.staged(number, Counts(read=len(files)), files=files)
        except Conflict:
            assert not allowed
        else:
            assert allowed
            self.status[number], self.contents[number] = "staged", contents

    @rule(number=loads)
    def commit_the_lake(self, number: int) -> None:
        if self.status[number] == "staged":
            self.lake.commit(number, self.contents[number])

    # One load at a time is between the lake's commit and the catalog's: versions come in order.
    @rule(number=loads)
    def commit(self, number: int) -> None:
        version = self.lake.versions.get(number)
        if version is None or any(
            self.status[other] == "staged" and self.lake.versions.get(other, version) < version
            for other in self.status
        ):
            return
        if self.status[number] in ("staged", "committed"):
            files = self.lake.files(version)
            self.catalog.loads.committed(number, version, files)
            self.status[number] = "committed"
        else:
            with pytest.raises(Conflict):
                self.catalog.loads.committed(number, version)

    @rule(number=consumes(loads))
    def fail(self, number: int) -> None:
        if number in self.lake.versions:
            return
        assert self.status[number] in ("started", "staged", "failed")
        if self.status[number] == "failed":
            with pytest.raises(Conflict):
                self.catalog.loads.failed(number, "x")
        else:
            self.catalog.loads.failed(number, "x")
            self.status[number] = "failed"

    @rule(in_the_middle=st.booleans())
    def kill(self, in_the_middle: bool) -> None:
        if in_the_middle:
            with pytest.raises(KeyboardInterrupt):
                half_done(self.catalog, KeyboardInterrupt())
        self.abandoned.append(self.catalog)
        self.catalog = Catalog(self.path)
        assert self.catalog.settings.get("half") is None

    @precondition(lambda self: self.abandoned)
    @rule()
    def recover(self) -> None:
        for found in self.catalog.loads.unfinished():
            assert self.status[found.id] == found.status
            if found.status == "started":
                self.catalog.loads.failed(found.id, "interrupted")
                self.status[found.id] = "failed"
        staged = [f.id for f in self.catalog.loads.unfinished()]
        # As in the lake: what it has committed comes first, in its order.
        staged.sort(key=lambda n: (self.lake.versions.get(n, len(self.status)), n))
        for number in staged:
            older = [n for n in self.status if self.status[n] == "staged" and n not in staged]
            if any(n in self.lake.versions for n in older):
                return
            version = self.lake.commit(number, self.contents[number])
            self.catalog.loads.committed(number, version, self.lake.files(version))
            self.status[number] = "committed"
        assert self.catalog.loads.unfinished() == []

    @invariant()
    def the_catalog_says_the_same(self) -> None:
        if not hasattr(self, "catalog"):
            return
        kept = {found.id: found.status for found in self.catalog.loads.recent(limit=1000)}
        assert kept == self.status
        committed = {
            content: number
            for number, held in self.contents.items()
            if self.status[number] == "committed"
            for content in held
        }
        asked = {file("", content).sha256: content for content in "abcdef"}
        sifted = self.catalog.loads.sift("T", [SourceFile("", 1, digest) for digest in asked])
        assert {asked[f.sha256]: by for f, _, by in sifted.renamed} == committed
        versions = [self.lake.versions[n] for n, s in self.status.items() if s == "committed"]
        assert self.catalog.versions.durable("T") == max(versions, default=None)

    def teardown(self) -> None:
        if hasattr(self, "open"):
            for catalog in [*self.abandoned, self.catalog]:
                catalog.close()
            self.open.close()


TestLoading = Loading.TestCase
