# SPDX-License-Identifier: Apache-2.0
"""Models: bytes that cannot change unseen, and no champion that only its trainer saw."""

from __future__ import annotations

import itertools
import os
import stat
import threading
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from sqlalchemy import text

from heptad.catalog import Catalog
from heptad.catalog.models import MOVES, Model, Stage
from heptad.standards.errors import (
    Busy,
    Conflict,
    ContractError,
    Corrupt,
    Refused,
    UnknownName,
)
from heptad.standards.time import FixedClock, day, hour
from tests.catalog.conftest import NOON, quick_catalog

if TYPE_CHECKING:
    from pathlib import Path

STAGES: tuple[Stage, ...] = get_args(Stage)
WHOLE: dict[str, Any] = {
    "metrics": {"AUC": {"value": 0.81, "low": 0.79, "high": 0.83}},
    "window": (NOON - day, NOON),
    "features": {"spend_7d": "aa11"},
    "versions": {"Payment": 7},
    "settings": {"seed": 7, "python": "3.11"},
}


def register(catalog: Catalog, content: bytes = b"weights", app: str = "fraud") -> Model:
    return catalog.models.register("risk", app, content, trainer="Ann")


def champion(catalog: Catalog, content: bytes, app: str = "fraud") -> Model:
    """Register, approve and promote."""
    model = register(catalog, content, app)
    catalog.models.approve(model.id, "Bob", "Holds out of time.")
    return catalog.models.promote(model.id, "champion", "Bob")


class TestRegistering:
    def test_what_is_kept(self, catalog: Catalog, tmp_path: Path) -> None:
        model = catalog.models.register("risk", "fraud", b"weights", trainer="Ann", **WHOLE)
        assert (model.title, model.stage, model.trained) == ("risk 1", "candidate", NOON)
        assert (model.window_start, model.window_end) == WHOLE["window"]
        for name in ("metrics", "features", "versions", "settings"):
            assert getattr(model, name) == WHOLE[name]
        assert catalog.models.get(model.id) == model == catalog.models.find("risk")
        assert catalog.models.read(model) == catalog.models.read(model.id) == b"weights"
        assert catalog.models.bytes_of(model.sha256) == b"weights"
        assert catalog.versions.pinned("Payment") == {7}
        assert [f.name for f in (tmp_path / "models").iterdir()] == [f"{model.sha256}.model"]

    def test_the_same_again_is_the_same(self, catalog: Catalog) -> None:
        first = catalog.models.register("risk", "fraud", b"weights", trainer="Ann", **WHOLE)
        assert catalog.models.register("risk", "fraud", b"weights", trainer="Cy", **WHOLE) == first
        other = catalog.models.register("risk", "fraud", b"weights", trainer="Ann")
        assert (other.number, other.sha256) == (2, first.sha256)
        third = register(catalog, b"other")
        assert catalog.models.find("risk") == third
        assert catalog.models.find("risk", 2) == other
        assert catalog.models.find("risk", 9) is None
        assert [m.number for m in catalog.models.recent(name="risk", limit=2)] == [3, 2]
        assert catalog.models.recent(app="credit") == []

    @pytest.mark.parametrize("empty", ["name", "app", "trainer"])
    def test_names_are_needed(self, catalog: Catalog, empty: str) -> None:
        names = {"name": "risk", "app": "fraud", "trainer": "Ann"} | {empty: " "}
        with pytest.raises(ContractError, match=empty):
            catalog.models.register(content=b"", **names)

    def test_metrics_are_plain_data(self, catalog: Catalog) -> None:
        with pytest.raises(ContractError):
            catalog.models.register("r", "a", b"", trainer="Ann", metrics={"AUC": float("nan")})
        assert catalog.models.recent() == []

    def test_unknown(self, catalog: Catalog) -> None:
        for act in (
            lambda: catalog.models.get(1),
            lambda: catalog.models.approve(1, "Bob", "fine"),
            lambda: catalog.models.promote(1, "champion", "Bob"),
        ):
            with pytest.raises(UnknownName):
                act()


class TestBytes:
    @settings(max_examples=15, deadline=None)
    @given(st.binary(min_size=1, max_size=50), st.data())
    def test_any_changed_bit_is_found(self, content: bytes, data: st.DataObject) -> None:
        with quick_catalog() as catalog:
            model = register(catalog, content)
            path = catalog.store.path.parent / "models" / f"{model.sha256}.model"
            at = data.draw(st.integers(0, len(content) * 8 - 1))
            changed = bytearray(content)
            changed[at // 8] ^= 1 << at % 8
            path.write_bytes(changed)
            with pytest.raises(Corrupt, match="not those"):
                catalog.models.read(model)
            path.write_bytes(content[:-1])
            with pytest.raises(Corrupt):
                catalog.models.read(model)
            path.unlink()
            with pytest.raises(Corrupt):
                catalog.models.read(model)
            register(catalog, content)
            assert catalog.models.read(model) == content

    @pytest.mark.parametrize("broken", ["fsync", "replace"])
    def test_a_disk_that_fails(
        self, catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: str
    ) -> None:
        """Nothing is registered unless its bytes are durable, and no half file stays."""

        def fail(*_: object) -> None:
            raise OSError(28, "No space left on device")

        with monkeypatch.context() as patch:
            patch.setattr(os, broken, fail)
            with pytest.raises(Busy, match="written"):
                register(catalog)
        assert catalog.models.recent() == []
        assert not list(tmp_path.glob("models/.*"))
        assert catalog.models.read(register(catalog)) == b"weights"

    def test_the_order_of_durability(
        self, catalog: Catalog, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Content first, then its name, then the folder; the row comes after all of them."""
        seen: list[str] = []
        fsync, replace = os.fsync, os.replace

        def note_fsync(number: int) -> None:
            seen.append("folder" if stat.S_ISDIR(os.fstat(number).st_mode) else "content")
            fsync(number)

        def note_replace(*paths: Any, **more: Any) -> None:
            seen.append("name")
            replace(*paths, **more)

        register(catalog, b"first")
        monkeypatch.setattr(os, "fsync", note_fsync)
        monkeypatch.setattr(os, "replace", note_replace)
        with catalog.transaction():
            register(catalog, b"second")
            assert seen[-3:] == ["content", "name", "folder"]


class TestApproval:
    @pytest.mark.parametrize("who", ["Ann", "ann", " ANN "])
    def test_not_by_the_trainer(self, catalog: Catalog, who: str) -> None:
        model = register(catalog)
        with pytest.raises(Refused, match="did not train"):
            catalog.models.approve(model.id, who, "Looks good.")
        assert catalog.models.get(model.id).approver is None

    def test_who_when_and_why(self, catalog: Catalog, clock: FixedClock) -> None:
        model = register(catalog)
        clock.set(NOON + hour)
        approved = catalog.models.approve(model.id, "Bob", "Holds.")
        assert (approved.approver, approved.approved, approved.note) == (
            "Bob",
            NOON + hour,
            "Holds.",
        )
        assert catalog.models.get(model.id) == approved
        with pytest.raises(Conflict, match="already"):
            catalog.models.approve(model.id, "Cy", "Me too.")
        with pytest.raises(ContractError):
            catalog.models.approve(model.id, "", "x")
        with pytest.raises(ContractError):
            catalog.models.approve(model.id, "Cy", " ")

    def test_no_champion_without(self, catalog: Catalog) -> None:
        model = register(catalog)
        with pytest.raises(Refused, match="not approved"):
            catalog.models.promote(model.id, "champion", "Bob")
        assert catalog.models.champion("fraud") is None
        catalog.models.promote(model.id, "challenger", "Ann")
        with pytest.raises(Refused):
            catalog.models.promote(model.id, "champion", "Bob")
        with pytest.raises(ContractError):
            catalog.models.promote(model.id, "retired", "")


class TestChampions:
    def test_a_new_one_retires_the_one_before(self, catalog: Catalog) -> None:
        first, other = champion(catalog, b"one"), champion(catalog, b"x", app="credit")
        assert catalog.models.champion("fraud") == first
        second = champion(catalog, b"two")
        assert catalog.models.champion("fraud") == second
        assert catalog.models.champion("credit") == other
        assert catalog.models.get(first.id).stage == "retired"
        back = catalog.models.promote(first.id, "champion", "Bob", "The new one drifts.")
        assert catalog.models.champion("fraud") == back
        assert catalog.models.get(second.id).stage == "retired"
        history = [(e.event, e.who, e.note) for e in catalog.models.history(first.id)]
        assert history == [
            ("registered", "Ann", ""),
            ("approved", "Bob", "Holds out of time."),
            ("champion", "Bob", ""),
            ("retired", "Bob", "succeeded by risk 3"),
            ("champion", "Bob", "The new one drifts."),
        ]

    def test_at_an_instant_however_many_came_after(
        self, catalog: Catalog, clock: FixedClock
    ) -> None:
        first = champion(catalog, b"one")
        champion(catalog, b"other", app="credit")
        then = clock.now()
        clock.set(then + 1)
        for n in range(52):
            register(catalog, f"tried {n}".encode())
        second = champion(catalog, b"two")
        assert catalog.models.champion("fraud", then) == replace(first, stage="retired")
        assert catalog.models.champion("fraud", then + 1) == second
        assert catalog.models.champion("fraud", then - 1) is None

    def test_remembered_only_once_durable(self, catalog: Catalog) -> None:
        first = champion(catalog, b"one")
        assert catalog.models.champion("fraud") == first

        def undone() -> None:
            with catalog.transaction():
                second = champion(catalog, b"two")
                assert catalog.models.champion("fraud") == second
                raise RuntimeError

        with pytest.raises(RuntimeError):
            undone()
        assert catalog.models.champion("fraud") == first
        catalog.models.promote(first.id, "retired", "Bob")
        assert catalog.models.champion("fraud") is None

    def test_remembered_without_a_query(self, tmp_path: Path) -> None:
        with Catalog(tmp_path / "c.sqlite") as catalog:
            first = champion(catalog, b"one")
            with Catalog(tmp_path / "c.sqlite", read_only=True) as reader:
                assert catalog.models.champion("fraud") == first
                assert reader.models.champion("fraud") == first
                with catalog.store.write() as connection:
                    connection.execute(text("UPDATE models SET stage = 'retired'"))
                assert catalog.models.champion("fraud") == first
                assert reader.models.champion("fraud") is None

    def test_no_stale_answer_is_kept(self, tmp_path: Path) -> None:
        """A thread that reads while the champion changes does not remember the old one."""
        with Catalog(tmp_path / "c.sqlite") as catalog:
            champion(catalog, b"one")
            stop = threading.Event()

            def ask() -> None:
                while not stop.is_set():
                    catalog.models.champion("fraud")

            asker = threading.Thread(target=ask)
            asker.start()
            try:
                for content in (b"two", b"three", b"four", b"five"):
                    last = champion(catalog, content)
                    assert catalog.models.champion("fraud") == last
            finally:
                stop.set()
                asker.join(timeout=10)
            assert catalog.models.champion("fraud") == last

    def test_the_database_allows_one(self, catalog: Catalog) -> None:
        champion(catalog, b"one")
        register(catalog, b"two")
        with pytest.raises(Conflict), catalog.store.write() as connection:
            connection.execute(text("UPDATE models SET stage = 'champion'"))


@settings(max_examples=10, stateful_step_count=20, deadline=None)
class Promoting(RuleBasedStateMachine):
    """Every move of every model, against a dictionary."""

    @initialize()
    def begin(self) -> None:
        self.open = ExitStack()
        self.catalog = self.open.enter_context(quick_catalog())
        self.stages: dict[int, Stage] = {}
        self.approved: set[int] = set()
        self.contents = itertools.count()

    @rule()
    def train(self) -> None:
        model = register(self.catalog, str(next(self.contents)).encode())
        self.stages[model.id] = "candidate"

    @rule(which=st.integers(0, 3), who=st.sampled_from(["Ann", "Bob"]))
    def approve(self, which: int, who: str) -> None:
        if which >= len(self.stages):
            return
        number = sorted(self.stages)[which]
        try:
            self.catalog.models.approve(number, who, "fine")
        except Refused:
            assert who == "Ann"
        except Conflict:
            assert number in self.approved
        else:
            assert who == "Bob"
            assert number not in self.approved
            self.approved.add(number)

    @rule(which=st.integers(0, 3), to=st.sampled_from(STAGES))
    def promote(self, which: int, to: Stage) -> None:
        if which >= len(self.stages):
            return
        number = sorted(self.stages)[which]
        was = self.stages[number]
        try:
            self.catalog.models.promote(number, to, "Bob")
        except Refused:
            assert to == "champion"
            assert number not in self.approved
        except Conflict:
            assert to not in MOVES[was]
        else:
            assert to == was or to in MOVES[was]
            if to == "champion":
                assert number in self.approved
                self.stages = {
                    n: "retired" if s == "champion" else s for n, s in self.stages.items()
                }
            self.stages[number] = to

    @invariant()
    def the_catalog_says_the_same(self) -> None:
        if hasattr(self, "catalog"):
            kept = {model.id: model.stage for model in self.catalog.models.recent()}
            assert kept == self.stages
            deciding = [n for n, stage in self.stages.items() if stage == "champion"]
            found = self.catalog.models.champion("fraud")
            assert [found.id] * (found is not None) == deciding if found else not deciding

    def teardown(self) -> None:
        self.open.close()


TestPromoting = Promoting.TestCase
