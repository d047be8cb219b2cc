# SPDX-License-Identifier: Apache-2.0
"""Upgrades: a catalog of any age opens with its rows, or is left as it was."""

from __future__ import annotations

import shutil
import threading
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import inspect, text

from heptad.catalog import Catalog, shadowtables, upgrade  # noqa: F401 - a table of the models
from heptad.catalog.decisions import Entry
from heptad.catalog.files import SourceFile
from heptad.catalog.loads import Counts
from heptad.catalog.schema import HEAD, Row
from heptad.catalog.store import Store, pending
from heptad.standards.errors import Conflict

if TYPE_CHECKING:
    from pathlib import Path


def fill(catalog: Catalog) -> None:
    """Write into most tables."""
    load = catalog.loads.begin("cards", "Payment").id
    catalog.loads.staged(load, Counts(read=3, accepted=3), files=[SourceFile("a.csv", 9, "f" * 64)])
    catalog.loads.committed(load, 0)
    catalog.models.register("scorecard", "credit", b"weights", trainer="Ann", versions={"Loan": 2})
    run = catalog.runs.start("score", "2026-03-01")
    catalog.runs.done(run.id, "read", {"rows": 3})
    catalog.decisions.insert([Entry(0, "d", "fraud", "c", 1, "hold", bytes(32))])


def rows(catalog: Catalog) -> dict[str, list[tuple[object, ...]]]:
    """Read every table."""
    with catalog.store.read() as connection:
        return {
            table.name: sorted(map(tuple, connection.execute(table.select())), key=str)
            for table in Row.metadata.sorted_tables
        }


def tables(store: Store) -> set[str]:
    with store.read() as connection:
        return set(inspect(connection).get_table_names())


@pytest.fixture
def later(tmp_path: Path) -> Path:
    """The migrations with two more, the second of which fails halfway."""
    scripts = tmp_path / "migrations"
    shutil.copytree(upgrade.MIGRATIONS, scripts, ignore=shutil.ignore_patterns("__pycache__"))
    for before, name, body in (
        (HEAD, "9001", "op.add_column('loads', sa.Column('place', sa.Text()))"),
        ("9001", "9002", "op.drop_table('settings'); op.drop_table('no_such_table')"),
    ):
        (scripts / "versions" / f"{name}.py").write_text(
            f'"""Change number {name}."""\nimport sqlalchemy as sa\nfrom alembic import op\n'
            f"revision, down_revision = {name!r}, {before!r}\n"
            f"def upgrade(): {body}\n"
            "def downgrade(): op.drop_column('loads', 'place')\n"
        )
    return scripts


def test_the_migrations_make_what_the_models_say(catalog: Catalog) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    with catalog.store.write() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Row.metadata) == []
        assert upgrade.revision(connection) == HEAD


def test_numbers_are_never_reused(tmp_path: Path) -> None:
    """SQLite gives the number of a deleted last row out again unless told not to."""
    with Catalog(tmp_path / "c.sqlite") as catalog, catalog.store.read() as connection:
        made = connection.execute(text("SELECT name, sql FROM sqlite_master WHERE type = 'table'"))
        never = {name for name, sql in made if sql and "AUTOINCREMENT" in sql}
    assert {"loads", "models", "runs"} <= never


def test_the_list_of_what_would_run(target: str) -> None:
    everything = pending(target)
    assert [step.revision for step in everything][-1] == HEAD
    assert all(step.says for step in everything)
    Store(target).close()
    assert pending(target) == []


def test_listing_makes_nothing(tmp_path: Path) -> None:
    assert pending(tmp_path / "c.sqlite")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("filled", [False, True])
def test_down_and_up(target: str, tmp_path: Path, filled: bool) -> None:
    with Catalog(target, models=tmp_path) as catalog:
        if filled:
            fill(catalog)
        with catalog.store.write() as connection:
            upgrade.revert(connection, "base")
        assert tables(catalog.store) == {"alembic_version"}
    assert [step.revision for step in pending(target)][-1] == HEAD
    with Catalog(target, models=tmp_path) as catalog:
        fill(catalog)
        assert catalog.loads.recent()[0].counts.read == 3


def test_a_step_keeps_the_rows(catalog: Catalog, later: Path) -> None:
    fill(catalog)
    before = rows(catalog)
    assert all(before[name] for name in ("loads", "load_files", "models", "runs", "decisions"))
    with catalog.store.write() as connection:
        assert [s.revision for s in upgrade.pending(connection, later)] == ["9001", "9002"]
        upgrade.apply(connection, "9001", later)
        assert "place" in {c["name"] for c in inspect(connection).get_columns("loads")}
    assert rows(catalog) == before
    with catalog.store.write() as connection:
        upgrade.revert(connection, HEAD, later)
    assert rows(catalog) == before
    with catalog.store.write() as connection:
        assert "place" not in {c["name"] for c in inspect(connection).get_columns("loads")}


def test_a_failed_upgrade_changes_nothing(catalog: Catalog, later: Path) -> None:
    fill(catalog)
    before = rows(catalog)
    with pytest.raises(Exception, match="no_such_table"), catalog.store.write() as connection:
        upgrade.apply(connection, "head", later)
    assert rows(catalog) == before
    with catalog.store.read() as connection:
        assert upgrade.revision(connection) == HEAD


def test_a_newer_catalog_is_left_alone(target: str, tmp_path: Path) -> None:
    with Catalog(target, models=tmp_path) as catalog, catalog.store.write() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    for try_ in (Store, pending):
        with pytest.raises(Conflict, match="newer") as caught:
            try_(target)
        assert "9999" in str(caught.value)


def test_a_reader_does_not_upgrade(tmp_path: Path) -> None:
    path = tmp_path / "c.sqlite"
    store = Store(path)
    with store.write() as connection:
        upgrade.revert(connection, "base")
    store.close()
    with pytest.raises(Conflict, match="upgrade"):
        Store(path, read_only=True)
    Store(path).close()
    Store(path, read_only=True).close()


def test_some_that_make_it_at_once(target: str) -> None:
    errors: list[Exception] = []
    ready = threading.Barrier(3)

    def open_() -> None:
        ready.wait()
        try:
            Store(target).close()
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=open_) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=20)
    assert errors == []
    assert pending(target) == []


def test_what_a_note_said_of_a_challenger_becomes_its_terms(catalog: Catalog) -> None:
    said = ("shadow=12 share=1.0 look at it", "share=0.25", "share=0.1 too  strict", "as asked")
    models = catalog.models
    flow, other = (
        models.register(name, app, name.encode(), trainer="Ann").id
        for name, app in (("flow", "fraud/flow"), ("scorecard", "credit"))
    )
    with catalog.store.write() as connection:
        upgrade.revert(connection, "0007")
        for model, note in [*((flow, n) for n in said), (other, "share=0.5 of it")]:
            connection.execute(
                text("INSERT INTO model_events (model, event, who, note, instant) "
                     "VALUES (:model, 'challenger', 'Bob', :note, 1)"),
                {"model": model, "note": note},
            )  # fmt: skip
        upgrade.apply(connection)
    found = [(e.terms, e.note) for e in models.history(flow) if e.event == "challenger"]
    assert found == [
        ({"share": 1.0, "shadow": 12}, "look at it"),
        ({"share": 0.25}, ""),
        ({"share": 0.1}, "too  strict"),
        (None, "as asked"),
    ]
    assert [(e.terms, e.note) for e in models.history(other)][1:] == [(None, "share=0.5 of it")]
    with catalog.store.write() as connection:
        upgrade.revert(connection, "0007")
        notes = text("SELECT note FROM model_events WHERE event = 'challenger' ORDER BY id")
        assert tuple(connection.execute(notes).scalars()) == (*said, "share=0.5 of it")
        upgrade.apply(connection)
