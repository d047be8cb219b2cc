# SPDX-License-Identifier: Apache-2.0
"""The index of decisions: found by id, person and application; pages hold still; never doubled."""

from __future__ import annotations

import hashlib
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from heptad.catalog.decisions import Entry, Page, of_day
from heptad.standards.errors import Conflict, ContractError, InputError, UnknownName
from heptad.standards.time import day
from tests.catalog.conftest import NOON, quick_catalog

if TYPE_CHECKING:
    from heptad.catalog import Catalog

OUTCOMES = ("approve", "decline", "hold")


def body(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def entry(place: int, *, app: str = "fraud", subject: str | None = None) -> Entry:
    """The decision at a place of the log."""
    outcome = OUTCOMES[place % 3]
    event_time = NOON + (place % 5) * day
    return Entry(place, f"d{place}", app, subject, event_time, outcome, body(f"request {place}"))


def walk(catalog: Catalog, limit: int, **asked: str | None) -> list[Entry]:
    """Read a list page by page."""
    page = catalog.decisions.page(limit=limit, **asked)
    found = list(page.entries)
    while page.cursor is not None:
        assert len(page.entries) == limit
        page = catalog.decisions.page(limit=limit, cursor=page.cursor, **asked)
        found += page.entries
    return found


class TestIndex:
    def test_by_id(self, catalog: Catalog) -> None:
        assert catalog.decisions.size() == 0
        assert catalog.decisions.insert([entry(0), entry(1)]) == 2
        assert catalog.decisions.get("d1") == entry(1)
        assert catalog.decisions.find("d2") is None
        assert catalog.decisions.size() == 2
        with pytest.raises(UnknownName):
            catalog.decisions.get("d2")

    def test_by_the_start_of_an_id(self, catalog: Catalog) -> None:
        ids = ["ab", "abc", "abd", "ABC", "a%c", "a_c", "汇丰"]
        catalog.decisions.insert([entry(n)._replace(id=name) for n, name in enumerate(ids)])
        assert catalog.decisions.starting("ab") == ["ab", "abc"]
        assert catalog.decisions.starting("ab", limit=9) == ["ab", "abc", "abd"]
        assert catalog.decisions.starting("a%") == ["a%c"]
        assert catalog.decisions.starting("a_") == ["a_c"]
        assert catalog.decisions.starting("汇") == ["汇丰"]
        assert catalog.decisions.starting("x") == []

    def test_same_id_other_body(self, catalog: Catalog) -> None:
        catalog.decisions.insert([entry(0)])
        same, other = {"d0": body("request 0"), "new": body("x")}, {"d0": body("request 1")}
        assert catalog.decisions.asked(same) == {"d0": entry(0)}
        with pytest.raises(Conflict, match="another request") as caught:
            catalog.decisions.asked(other)
        assert caught.value.got == "d0"
        assert caught.value.status == 409

    def test_repeated_after_a_kill(self, catalog: Catalog) -> None:
        """The log is ahead of the index, never behind: its tail is indexed again."""
        catalog.decisions.insert([entry(n) for n in range(3)])
        assert catalog.decisions.insert([entry(n) for n in range(1, 6)]) == 3
        assert catalog.decisions.insert([entry(n) for n in range(6)]) == 0
        assert [found.place for found in walk(catalog, 10)] == [5, 4, 3, 2, 1, 0]
        assert catalog.decisions.counts() == {"approve": 2, "decline": 2, "hold": 2}

    @pytest.mark.parametrize(
        "wrong",
        [
            [entry(7), entry(0)._replace(outcome="hold")],
            [entry(7), entry(0)._replace(id="other")],
            [entry(7), entry(8)._replace(id="d0")],
            [entry(7), entry(7)],
            [entry(7), entry(8)._replace(id="d7")],
            [entry(7), entry(7)._replace(id="other")],
        ],
    )
    def test_another_decision_in_its_place(self, catalog: Catalog, wrong: list[Entry]) -> None:
        catalog.decisions.insert([entry(0), entry(1)])
        with pytest.raises(Conflict):
            catalog.decisions.insert(wrong, {"fraud": {"Payment": 3}})
        assert walk(catalog, 10) == [entry(1), entry(0)]
        assert sum(catalog.decisions.counts().values()) == 2
        assert catalog.versions.pinned("Payment") == set()

    def test_many(self, catalog: Catalog) -> None:
        many = [entry(n, subject=f"c{n % 7}") for n in range(5000)]
        assert catalog.decisions.insert(many) == 5000
        assert len(catalog.decisions.known(f"d{n}" for n in range(4000, 6000))) == 1000
        assert sum(catalog.decisions.counts().values()) == 5000
        assert catalog.decisions.insert([]) == 0

    def test_versions_that_they_name_are_pinned(self, catalog: Catalog) -> None:
        catalog.decisions.insert([entry(0)], {"fraud": {"Payment": 3, "Card": 1}})
        catalog.decisions.insert([entry(1)], {"fraud": {"Payment": 4}})
        assert catalog.versions.pinned("Payment") == {3, 4}
        assert catalog.versions.pinned("Card") == {1}

    def test_rebuilt(self, catalog: Catalog) -> None:
        catalog.decisions.insert([entry(n) for n in range(9)])
        counts = catalog.decisions.counts()
        catalog.decisions.clear()
        assert catalog.decisions.size() == 0
        assert catalog.decisions.counts() == {}
        catalog.decisions.insert([entry(n) for n in range(9)])
        assert catalog.decisions.counts() == counts

    @pytest.mark.parametrize("bad", [{"place": 2**63}, {"event_time": -(2**64)}, {"id": "\ud800"}])
    def test_values_that_do_not_fit(self, catalog: Catalog, bad: dict[str, object]) -> None:
        with pytest.raises(ContractError):
            catalog.decisions.insert([entry(0), entry(1)._replace(**bad)])  # type: ignore[arg-type]
        assert catalog.decisions.size() == 0


class TestPages:
    def test_filters(self, catalog: Catalog) -> None:
        entries = [
            entry(n, app=("fraud", "credit")[n % 2], subject=(None, "a", "b")[n % 3])
            for n in range(30)
        ]
        catalog.decisions.insert(entries)
        newest = entries[::-1]
        assert walk(catalog, 7) == newest
        assert walk(catalog, 30) == newest
        assert walk(catalog, 4, app="credit") == [e for e in newest if e.app == "credit"]
        assert walk(catalog, 3, subject="a") == [e for e in newest if e.subject == "a"]
        both = walk(catalog, 2, subject="b", app="fraud", outcome="hold")
        assert both == [
            e for e in newest if (e.subject, e.app, e.outcome) == ("b", "fraud", "hold")
        ]
        assert catalog.decisions.page(subject="nobody") == Page([], None)
        assert len(catalog.decisions.page(limit=0).entries) == 1

    def test_what_is_dated_back_hides_nothing_of_a_time(self, catalog: Catalog) -> None:
        """Pages lie in the order of the log; decisions on older events stand among younger ones."""
        times = [5, 9, 1, 7, 3, 8, 2]
        entries = [entry(n)._replace(event_time=NOON + t) for n, t in enumerate(times)]
        catalog.decisions.insert(entries)
        for since, until in ((5, None), (2, 7), (10, None), (None, 3)):
            low, high = (None if t is None else NOON + t for t in (since, until))
            kept = [e for e in entries[::-1]
                    if (low or 0) <= e.event_time <= (NOON + 99 if high is None else high)]  # fmt: skip
            assert walk(catalog, 2, since=low, until=high) == kept
        cursor = catalog.decisions.page(since=NOON, limit=1).cursor
        with pytest.raises(InputError):
            catalog.decisions.page(since=NOON + 1, cursor=cursor)

    def test_pages_hold_still_while_more_is_decided(self, catalog: Catalog) -> None:
        catalog.decisions.insert([entry(n) for n in range(10)])
        first = catalog.decisions.page(limit=4)
        rest = catalog.decisions.page(limit=4, cursor=first.cursor)
        catalog.decisions.insert([entry(n) for n in range(10, 20)])
        assert catalog.decisions.page(limit=4, cursor=first.cursor) == rest
        assert [e.place for e in rest.entries] == [5, 4, 3, 2]

    @pytest.mark.parametrize("cursor", ["", "x", "AAAA", "汇", "A" * 20, "=" * 20, "A" * 10_000])
    def test_cursors_of_nobody(self, catalog: Catalog, cursor: str) -> None:
        with pytest.raises(InputError, match="cursor"):
            catalog.decisions.page(cursor=cursor)

    def test_cursors_of_another_list(self, catalog: Catalog) -> None:
        catalog.decisions.insert([entry(n) for n in range(9)])
        cursor = catalog.decisions.page(app="fraud", limit=2).cursor
        with pytest.raises(InputError):
            catalog.decisions.page(app="credit", cursor=cursor)
        with pytest.raises(InputError):
            catalog.decisions.page(subject="fraud", cursor=cursor)


class TestCounts:
    def test_by_application_and_day(self, catalog: Catalog) -> None:
        entries = [entry(n, app=("fraud", "credit")[n % 2]) for n in range(20)]
        catalog.decisions.insert(entries[:7])
        catalog.decisions.insert(entries[7:])

        def brute(app: str | None, days: range) -> dict[str, int]:
            found = [
                e.outcome
                for e in entries
                if app in (None, e.app) and (e.event_time - NOON) // day in days
            ]
            return {outcome: found.count(outcome) for outcome in OUTCOMES if outcome in found}

        assert catalog.decisions.counts() == brute(None, range(5))
        assert catalog.decisions.counts("fraud") == brute("fraud", range(5))
        by_day = catalog.decisions.by_day("fraud")
        assert by_day == {
            NOON - day // 2 + n * day: brute("fraud", range(n, n + 1)) for n in range(5)
        }
        assert catalog.decisions.by_day("none") == {}

    def test_to_the_microsecond_and_only_of_that_day(self, catalog: Catalog) -> None:
        entries = [
            entry(n, app=("fraud", "credit")[n % 2])._replace(event_time=NOON + n * day // 7)
            for n in range(40)
        ]
        catalog.decisions.insert(entries)
        for at in (NOON - 1, NOON, NOON + day // 2 - 1, NOON + day // 2, NOON + 3 * day // 7 * 5):
            for app in (None, "fraud", "credit", "none"):
                found = [e.outcome for e in entries if app in (None, e.app) and e.event_time <= at]
                assert catalog.decisions.counts(app, at=at) == {
                    o: found.count(o) for o in OUTCOMES if o in found
                }
        if catalog.store.path is None:
            return
        for app in (None, "fraud"):
            asked = of_day(app, NOON).compile(compile_kwargs={"literal_binds": True})
            with catalog.store.read() as connection:
                plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {asked}").all()
            assert any("ix_decisions_app_event_time (app=? AND event_time>" in r[3] for r in plan)


@settings(max_examples=12, stateful_step_count=15, deadline=None)
class Indexing(RuleBasedStateMachine):
    """A log that grows, and an index that lags, repeats and is rebuilt, against a list."""

    @initialize()
    def begin(self) -> None:
        self.open = ExitStack()
        self.catalog = self.open.enter_context(quick_catalog())
        self.log: list[Entry] = []
        self.indexed = 0

    @rule(apps=st.lists(st.sampled_from(["fraud", "credit"]), max_size=6))
    def decide(self, apps: list[str]) -> None:
        for app in apps:
            place = len(self.log)
            self.log.append(entry(place, app=app, subject=f"c{place % 2}"))

    @rule(overlap=st.integers(0, 4))
    def catch_up(self, overlap: int) -> None:
        since = max(0, self.catalog.decisions.size() - overlap)
        added = self.catalog.decisions.insert(self.log[since:])
        assert added == len(self.log) - self.indexed
        self.indexed = len(self.log)

    @rule()
    def lose(self) -> None:
        self.catalog.decisions.clear()
        self.indexed = 0

    @rule(limit=st.integers(1, 5), app=st.sampled_from([None, "fraud", "credit"]))
    def read(self, limit: int, app: str | None) -> None:
        wanted = [e for e in self.log[: self.indexed][::-1] if app in (None, e.app)]
        assert walk(self.catalog, limit, app=app) == wanted

    @invariant()
    def counts_agree(self) -> None:
        if hasattr(self, "catalog"):
            kept = self.log[: self.indexed]
            assert sum(self.catalog.decisions.counts().values()) == len(kept)
            assert self.catalog.decisions.size() == len(kept)

    def teardown(self) -> None:
        self.open.close()


TestIndexing = Indexing.TestCase
