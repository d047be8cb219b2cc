# SPDX-License-Identifier: Apache-2.0
"""Versions: which files made up each, which may not go, and how declarations changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heptad.catalog.contracts import changes
from heptad.catalog.versions import DataFile
from heptad.standards import Code, Instant, Integer, Money, Table, Text
from heptad.standards.errors import Conflict, Corrupt, UnknownName
from heptad.standards.time import FixedClock, hour
from tests.catalog.conftest import NOON, quick_catalog

if TYPE_CHECKING:
    from heptad.catalog import Catalog


def part(number: int) -> DataFile:
    """A file whose content follows from its name, as data files' does."""
    partition = None if number % 2 else {"_month": f"2026-{number % 12 + 1:02}"}
    return DataFile(f"part-{number}.parquet", 100 + number, f"{number:064x}", number, partition)


class TestVersions:
    def test_what_is_recorded(self, catalog: Catalog, clock: FixedClock) -> None:
        assert catalog.versions.latest("T") is None
        assert catalog.versions.durable("T") is None
        assert catalog.versions.files("T") == []
        catalog.versions.add("T", 0, [part(1)], contract="c1")
        clock.set(NOON + hour)
        last = catalog.versions.add("T", 4, [part(1), part(2)])
        assert (last.rows, last.size, last.files, last.contract) == (3, 203, 2, "c1")
        assert catalog.versions.latest("T") == last == catalog.versions.get("T", 4)
        assert catalog.versions.durable("T") == 4
        assert [found.version for found in catalog.versions.history("T")] == [4, 0]
        assert catalog.versions.current() == {"T": last}
        with pytest.raises(UnknownName):
            catalog.versions.get("T", 2)

    def test_as_of_an_instant(self, catalog: Catalog, clock: FixedClock) -> None:
        for number in range(3):
            clock.set(NOON + number * hour)
            catalog.versions.add("T", number, [])
        found = [
            catalog.versions.at("T", NOON + minutes) for minutes in (-1, 0, hour + 1, 9 * hour)
        ]
        assert [version.version if version else None for version in found] == [None, 0, 1, 2]

    def test_again_changes_nothing(self, catalog: Catalog) -> None:
        first = catalog.versions.add("T", 1, [part(1)])
        assert catalog.versions.add("T", 1, [part(1)]) == first
        catalog.versions.add("T", 2, [part(1)])
        with pytest.raises(Conflict, match="past"):
            catalog.versions.add("T", 0, [])
        with pytest.raises(Conflict):
            catalog.versions.add("T", 1, [], load=3)

    @pytest.mark.parametrize(
        "other",
        [DataFile("part-1.parquet", 101, "0" * 64, 1), DataFile("part-1.parquet", 9, "", 1)],
    )
    def test_a_file_that_changed(self, catalog: Catalog, other: DataFile) -> None:
        catalog.versions.add("T", 0, [part(1)])
        with pytest.raises(Corrupt) as caught:
            catalog.versions.add("T", 1, [other, part(2)])
        assert caught.value.place == "part-1.parquet"
        assert catalog.versions.durable("T") == 0

    @settings(max_examples=15, deadline=None)
    @given(st.lists(st.tuples(st.integers(1, 3), st.frozensets(st.integers(1, 9))), max_size=8))
    def test_the_files_of_every_version(self, steps: list[tuple[int, frozenset[int]]]) -> None:
        with quick_catalog() as catalog:
            oracle: dict[int, list[DataFile]] = {}
            version = -1
            for gap, numbers in steps:
                version += gap
                oracle[version] = sorted(map(part, numbers), key=lambda file: file.path)
                made = catalog.versions.add("T", version, oracle[version])
                catalog.versions.add("Other", version, [part(99)])
                assert made.rows == sum(numbers)
            for number, files in oracle.items():
                assert catalog.versions.files("T", number) == files
            assert catalog.versions.files("T") == (oracle[version] if oracle else [])

    def test_many_files_go_at_once(self, catalog: Catalog) -> None:
        catalog.versions.add("T", 0, map(part, range(1200)))
        catalog.versions.add("T", 1, [part(2000)])
        assert catalog.versions.files("T") == [part(2000)]
        assert len(catalog.versions.files("T", 0)) == 1200


class TestPins:
    def test_what_decisions_and_models_need(self, catalog: Catalog, clock: FixedClock) -> None:
        catalog.versions.pin({"T": 1, "U": 5}, "app:fraud")
        catalog.versions.pin({"T": 1}, "model:risk 1")
        clock.set(NOON + hour)
        catalog.versions.pin({"T": 2}, "app:fraud")
        assert catalog.versions.pinned("T") == {1, 2}
        assert catalog.versions.pinned("U") == {5}
        assert catalog.versions.unpin("app:fraud", before=NOON + 1) == 2
        assert catalog.versions.pinned("T") == {1, 2}
        assert catalog.versions.pinned("U") == set()
        catalog.versions.unpin("model:risk 1")
        assert catalog.versions.pinned("T") == {2}

    def test_naming_it_again_keeps_it_longer(self, catalog: Catalog, clock: FixedClock) -> None:
        catalog.versions.pin({"T": 1}, "app:fraud")
        clock.set(NOON + hour)
        catalog.versions.pin({"T": 1}, "app:fraud")
        assert catalog.versions.unpin("app:fraud", before=NOON + hour) == 0
        assert catalog.versions.pinned("T") == {1}


def declared(**fields: dict[str, Any]) -> dict[str, Any]:
    """A contract with some fields."""
    plain = {name: {"type": "Text", "doc": "A text"} | more for name, more in fields.items()}
    return {"table": "T", "doc": "A row", "state": False, "fields": plain}


CHANGES = [
    # before, after, what is said, breaking
    ({"optional": True}, None, "T.a was removed.", True),
    (None, {}, "T.a was added and must be present.", True),
    (None, {"optional": True}, "T.a was added, optional.", False),
    ({}, {"type": "Integer"}, "T.a: type was Text, is Integer.", True),
    ({}, {"doc": "Another text"}, "T.a: doc was A text, is Another text.", False),
    ({"optional": True}, {}, "T.a: optional was True, is not said.", True),
    ({}, {"optional": True}, "T.a: optional was not said, is True.", False),
    ({"ge": 0}, {"ge": 1}, "T.a: ge was 0, is 1.", True),
    ({"ge": 0}, {"ge": -1}, "T.a: ge was 0, is -1.", False),
    ({"ge": 0}, {}, "T.a: ge was 0, is not said.", False),
    ({}, {"le": 9}, "T.a: le was not said, is 9.", True),
    ({"le": 9}, {"le": 10}, "T.a: le was 9, is 10.", False),
    ({"max_length": 9}, {"max_length": 8}, "T.a: max_length was 9, is 8.", True),
    ({"max_length": 9}, {"max_length": 10}, "T.a: max_length was 9, is 10.", False),
    ({}, {"personal": True}, "T.a: personal was not said, is True.", True),
    ({"unit": "m"}, {"unit": "km"}, "T.a: unit was m, is km.", True),
    ({"scale": 2}, {"scale": 3}, "T.a: scale was 2, is 3.", True),
    ({"purposes": ["a", "b"]}, {"purposes": ["a"]}, "T.a: purposes was a, b, is a.", True),
    ({"purposes": ["a"]}, {"purposes": ["a", "b"]}, "T.a: purposes was a, is a, b.", False),
    ({"standard": ["x"]}, {"standard": ["x", "y"]}, "T.a: standard was x, is x, y.", False),
    ({"standard": ["x", "y"]}, {"standard": ["y"]}, "T.a: standard was x, y, is y.", True),
    (
        {"standard": ["EUR"]},
        {"standard": "ISO 4217"},
        "T.a: standard was EUR, is ISO 4217.",
        True,
    ),
]


class TestContracts:
    @pytest.mark.parametrize(("before", "after", "says", "breaking"), CHANGES)
    def test_each_change(
        self,
        before: dict[str, Any] | None,
        after: dict[str, Any] | None,
        says: str,
        breaking: bool,
    ) -> None:
        old = declared(key={}, **({} if before is None else {"a": before}))
        new = declared(key={}, **({} if after is None else {"a": after}))
        (change,) = changes(old, new)
        assert (change.field, change.says, change.breaking) == ("a", says, breaking)

    def test_of_the_table(self) -> None:
        assert changes(declared(a={}), declared(a={})) == []
        assert changes({}, declared(a={})) == []
        (change,) = changes(declared(a={}), declared(a={}) | {"state": True})
        assert (change.field, change.breaking) == ("", True)
        assert change.says == "T: state was False, is True."

    def test_real_declarations(self, catalog: Catalog, clock: FixedClock) -> None:
        def make(**more: Any) -> type[Table]:
            fields = {
                "id": Text("Its id", key=True),
                "event_time": Instant("When it was"),
                "amount": Money("How much", currency="currency"),
                "currency": Code("Of the amount", standard="ISO 4217"),
            }
            return type("Drawn", (Table,), {"__doc__": "One row.", **fields, **more})

        first = make()
        assert catalog.versions.declare(first) == []
        assert catalog.versions.declare(make()) == []
        clock.set(NOON + hour)
        second = make(count=Integer("How many", optional=True))
        (change,) = catalog.versions.declare(second)
        assert (change.kind, change.field, change.breaking) == ("added", "count", False)
        third = make(currency=Code("Of the amount", standard={"EUR"}))
        assert {(c.field, c.breaking) for c in catalog.versions.declare(third)} == {
            ("count", True),
            ("currency", True),
        }
        kept = catalog.versions.contracts("Drawn")
        assert [c.since for c in kept] == [NOON, NOON + hour, NOON + hour]
        last = catalog.versions.contract("Drawn")
        assert last is not None
        assert last.contract == third.contract()
        old = catalog.versions.contract("Drawn", first.version_hash())
        assert old is not None
        assert old.contract == first.contract()
        assert catalog.versions.contract("Drawn", "none") is None
        assert catalog.versions.declare(first)[0].kind == "changed"
        assert len(catalog.versions.contracts("Drawn")) == 4
