# SPDX-License-Identifier: Apache-2.0
"""The lake keeps every version of every table, and takes each load once."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from visits import Branch, Project, Visit

from heptad.engine.local.arrow import arrow_schema
from heptad.engine.local.lake import Lake
from heptad.standards import Instant, Integer, Place, Table, Text
from heptad.standards.errors import (
    Busy,
    ContractError,
    Corrupt,
    HeptadError,
    InputError,
    UnknownName,
)

if TYPE_CHECKING:
    from pathlib import Path


def test_new_table_is_empty_and_typed(project: Project) -> None:
    table = project.duck.arrow(f"SELECT * FROM {project.lake.relation('Visit', table=Visit)}")
    assert table.num_rows == 0
    assert table.schema == arrow_schema(Visit.columns())


def test_rows_come_back_as_they_were_staged(project: Project) -> None:
    rows = project.visits(range(9))
    project.lake.commit("Visit", project.stage(rows), load=1, table=Visit)
    source = project.lake.relation("Visit", table=Visit)
    stored = project.duck.arrow(f"SELECT * FROM {source} ORDER BY _line")
    assert stored.drop_columns(["_month"]).equals(rows)
    assert stored.schema == arrow_schema(Visit.columns())
    assert stored["_month"].to_pylist()[:5] == ["1970-01"] * 4 + ["1970-02"]


def test_old_versions_stay(project: Project) -> None:
    versions = [project.load([i], load=i) for i in range(5)]
    assert versions == [1, 2, 3, 4, 5]
    for fresh in (project, project.reopened()):
        assert [len(fresh.ids(v)) for v in range(6)] == [0, 1, 2, 3, 4, 5]
        with pytest.raises(UnknownName, match="no version 6"):
            fresh.ids(6)
        with pytest.raises(UnknownName):
            fresh.ids(-1)


def test_a_load_lands_once_whatever_lands_in_between(project: Project) -> None:
    assert project.load([1], load=7) == 1
    assert project.load([2], load=5) == 2
    assert project.load([3], load=9) == 3
    again = project.reopened()
    assert [again.load([8, 9], load=n) for n in (5, 7, 9)] == [2, 1, 3]
    assert again.ids() == ["v1", "v2", "v3"]
    assert again.lake.version("Visit") == 3
    assert [again.lake.landed("Visit", n) for n in (5, 7, 8)] == [2, 1, None]


def test_a_load_without_rows_lands_too(project: Project) -> None:
    assert project.lake.commit("Visit", project.lake.stage("Visit"), load=3, table=Visit) == 1
    assert project.load([1], load=3) == 1
    assert project.ids() == []


def test_a_stage_that_is_gone_is_no_empty_load(project: Project) -> None:
    staged = project.stage(project.visits([1]))
    shutil.rmtree(staged)
    with pytest.raises(Busy, match="not written"):
        project.lake.commit("Visit", staged, load=1, table=Visit)
    assert project.load([1], load=1) == 1


def test_state_table_lies_flat(project: Project) -> None:
    project.lake.create(Branch)
    staged = project.lake.stage("Branch")
    columns = Branch.columns()
    rows = pa.table(
        [["b1"], [0], [True], [None], [0], [False], [1], [1], [1]],
        schema=arrow_schema(columns),
    )
    pq.write_table(rows, staged / "any.parquet")
    project.lake.commit("Branch", staged, load=1, table=Branch)
    source = project.lake.relation("Branch", table=Branch)
    assert project.duck.arrow(f"SELECT * FROM {source}").equals(rows)
    assert project.lake.files("Branch")[0].partition is None
    assert project.lake.names() == ["Branch", "Visit"]


def test_staged_files_are_checked_and_nothing_is_added(project: Project) -> None:
    rows = project.visits([1])
    wrong = [
        (rows.drop_columns(["known_time"]), "known_time is missing"),
        (rows.append_column("extra", [[1]]), "extra is not a column"),
        (rows.set_column(1, "event_time", [["1970"]]), "event_time is string, not instant"),
    ]
    for table, reason in wrong:
        staged = project.lake.stage("Visit")
        (staged / "_month=1970-01").mkdir()
        pq.write_table(table, staged / "_month=1970-01" / "a.parquet")
        with pytest.raises(ContractError, match=reason):
            project.lake.commit("Visit", staged, load=1, table=Visit)
        assert not staged.exists()
    for place in ("a.parquet", "_month=1970-1/a.parquet", "month=1970-01/a.parquet"):
        staged = project.lake.stage("Visit")
        (staged / place).parent.mkdir(exist_ok=True)
        pq.write_table(rows, staged / place)
        with pytest.raises(ContractError, match="_month=YYYY-MM"):
            project.lake.commit("Visit", staged, load=1, table=Visit)
    staged = project.lake.stage("Visit")
    (staged / "broken.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(ContractError, match="not Parquet"):
        project.lake.commit("Visit", staged, load=1, table=Visit)
    assert project.lake.version("Visit") == 0
    assert list(project.folder.glob("tables/Visit/**/*.parquet")) == []


def test_an_optional_column_may_be_absent_from_a_file(project: Project) -> None:
    rows = project.visits([1, 2]).drop_columns(["branch"])
    project.lake.commit("Visit", project.stage(rows), load=1, table=Visit)
    assert [r["branch"] for r in project.read()] == [None, None]


def grown() -> type[Table]:
    """Visit as declared a year later."""

    class Visit(Table):
        """One visit to a branch."""

        id = Text("Id of the visit", key=True)
        minutes = Integer("How long it took", optional=True)
        event_time = Instant("When the door opened")
        branch = Text("Name of the branch", optional=True)
        door = Place("Which door", optional=True)

    return Visit


def test_added_columns_are_missing_in_older_rows(project: Project) -> None:
    later = grown()
    project.load([1], load=1)
    assert project.lake.evolve(later) == 2
    assert project.lake.evolve(later) == 2
    rows = project.visits([2], load=2)
    rows = rows.append_column("minutes", pa.array([5])).append_column("door_lat", pa.array([7]))
    assert project.lake.commit("Visit", project.stage(rows), load=2, table=later) == 3
    for fresh in (project, project.reopened()):
        assert {c.name for c in fresh.lake.schema("Visit")} == {c.name for c in later.columns()}
        assert fresh.lake.schema("Visit", 1) == Visit.columns()
        source = fresh.lake.relation("Visit", table=later)
        found = fresh.duck.arrow(f"SELECT id, minutes, door_lat, door_lon FROM {source} ORDER BY 1")
        assert found.to_pylist() == [
            {"id": "v1", "minutes": None, "door_lat": None, "door_lon": None},
            {"id": "v2", "minutes": 5, "door_lat": 7, "door_lon": None},
        ]
        assert fresh.ids(1) == ["v1"]
        old = fresh.duck.arrow(
            f"SELECT count(minutes) AS n FROM {fresh.lake.relation('Visit', 1, table=later)}"
        )
        assert old["n"].to_pylist() == [0]


def test_columns_that_stored_rows_cannot_have_are_refused(project: Project) -> None:
    def declared(**others: object) -> type[Table]:
        when = Instant("When the door opened")
        body = {"__doc__": "One visit.", "id": Text("Id of it", key=True), "event_time": when}
        return type("Visit", (Table,), body | others)

    branch = Text("Name of the branch", optional=True)
    refused = [
        ({"branch": branch, "minutes": Integer("How long")}, r"Visit\.minutes is new"),
        ({}, r"Visit\.branch is stored but no longer declared"),
        ({"branch": Integer("Number")}, "stored as text and cannot become integer"),
    ]
    for fields, reason in refused:
        with pytest.raises(ContractError, match=reason):
            project.lake.evolve(declared(**fields))
    assert project.lake.version("Visit") == 0
    with pytest.raises(ContractError, match="other columns"):
        project.lake.create(grown())
    assert project.lake.create(Visit) == 0


def test_months_prune_whole_files(project: Project) -> None:
    project.load(range(30), load=1)
    rows = project.read()
    for months in [("1970-03", "1970-05"), (None, "1970-02"), ("1970-08", None), ("1980-01", None)]:
        first, last = months[0] or "0", months[1] or "9"
        wanted = [r["id"] for r in rows if first <= r["_month"] <= last]
        assert project.ids(months=months) == wanted
    (gone,) = project.folder.glob("tables/Visit/_month=1970-02/*")
    gone.unlink()
    assert len(project.ids(months=("1970-03", None))) == len(
        [r for r in rows if r["_month"] > "1970-02"]
    )


@pytest.mark.parametrize("name", ["id=7", "it's", "a[b]*?", "branch=X", "#1?x=2", 'q"q', "ü 空"])
def test_a_project_may_lie_anywhere(tmp_path: Path, name: str) -> None:
    project = Project(tmp_path / name / "event_time=3")
    project.lake.create(Visit)
    project.load(range(5), load=1)
    project.lake.compact("Visit")
    assert project.ids() == [f"v{i}" for i in range(5)]
    assert {r["branch"] for r in project.read()} == {"A"}
    assert project.lake.recover("Visit", 1) == 1
    again = project.reopened()
    assert again.ids(1) == project.reopened().ids()
    project.duck.close()


def test_a_folder_that_the_delta_library_would_misread_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="% in its path"):
        Lake(tmp_path / "per%20cent").create(Visit)


def test_names_cannot_leave_the_lake(project: Project) -> None:
    for name in ("../Visit", "", "a/b", ".stage-1", "_x", "é"):
        with pytest.raises(UnknownName):
            project.lake.version(name)
    with pytest.raises(UnknownName, match="did you mean 'Visit'"):
        project.lake.version("Visits")


def test_compaction_keeps_rows_and_older_versions(project: Project) -> None:
    for n in range(6):
        project.load(range(n, 40, 2), load=n, branch="ABC"[n % 3])
    before, old = project.read(), [project.ids(v) for v in range(7)]
    assert project.lake.compact("Visit") == 7
    after = project.reopened()
    assert after.read() == before
    assert [after.ids(v) for v in range(7)] == old
    files = after.lake.files("Visit")
    assert len(files) == len({f.partition for f in files})
    assert len(after.lake.files("Visit", 6)) > len(files)
    first = pq.read_table(after.folder / "tables/Visit" / files[0].path)
    order = list(zip(first["_load"].to_pylist(), first["_line"].to_pylist(), strict=True))
    assert order == sorted(order)
    assert after.lake.compact("Visit") == 7
    assert after.load([1], load=0) == 1


def test_compaction_leaves_large_files_alone(project: Project) -> None:
    for n in range(4):
        project.load([1], load=n)
    size = project.lake.files("Visit")[0].size
    assert project.lake.compact("Visit", small_bytes=size) == 4
    assert project.lake.compact("Visit", most_bytes=2 * size) == 5
    assert len(project.lake.files("Visit")) == 2


def flip(path: Path, at: int = -20) -> None:
    """Change one bit of a file."""
    content = bytearray(path.read_bytes())
    content[at] ^= 4
    path.write_bytes(content)


def test_compaction_does_not_bake_damage_in(project: Project) -> None:
    for n in range(2):
        project.load([1], load=n)
    path = project.folder / "tables/Visit" / project.lake.files("Visit")[1].path
    flip(path, at=6)
    with pytest.raises(Corrupt, match="missing or damaged"):
        project.lake.compact("Visit")
    assert project.lake.version("Visit") == 2
    assert [f.path for f in project.lake.damaged("Visit")] == [
        str(path.relative_to(project.folder / "tables/Visit"))
    ]
    assert project.lake.damaged("Visit", 1) == []


def test_every_bit_flip_in_a_data_file_is_found(project: Project) -> None:
    project.load([1], load=1)
    path = project.folder / "tables/Visit" / project.lake.files("Visit")[0].path
    whole = path.read_bytes()
    for at in range(0, len(whole), 41):
        flip(path, at)
        assert len(project.lake.damaged("Visit")) == 1
        path.write_bytes(whole)
    path.unlink()
    assert len(project.lake.damaged("Visit")) == 1


def test_checkpoints_come_by_themselves_and_lose_nothing(project: Project) -> None:
    for n in range(45):
        project.load([n], load=n)
    log = project.folder / "tables/Visit/_delta_log"
    assert len(list(log.glob("*.checkpoint.parquet"))) == 2
    assert len(list(log.glob("*.json"))) == 46
    after = project.reopened()
    assert [len(after.ids(v)) for v in (0, 1, 19, 20, 21, 40, 45)] == [0, 1, 19, 20, 21, 40, 45]
    assert after.lake.landed("Visit", 3) == 4


def test_damaged_checkpoint_is_dropped_and_nothing_else(project: Project) -> None:
    for n in range(3):
        project.load([n], load=n)
    assert project.lake.checkpoint("Visit") == 3
    assert project.lake.checkpoint("Visit") == 3
    project.load([3], load=3)
    (checkpoint,) = project.folder.glob("tables/Visit/_delta_log/*.checkpoint.parquet")
    flip(checkpoint, at=100)
    after = project.reopened()
    assert after.lake.recover("Visit", 4) == 4
    assert not checkpoint.exists()
    assert [len(after.ids(v)) for v in range(5)] == [0, 1, 2, 3, 4]


def test_retention_keeps_the_newest_and_the_pinned(project: Project) -> None:
    for n in range(4):
        project.load([n], load=n)
    project.lake.compact("Visit")
    project.load([4], load=4)
    orphan = project.folder / "tables/Visit/_month=1970-01" / f"load-9-0-{'a' * 64}.parquet"
    orphan.write_bytes(b"left by a crash")
    given_up = project.lake.retain("Visit", 2, pinned=[1])
    assert given_up.versions == 4
    assert given_up.files == 4
    assert not orphan.exists()
    for fresh in (project, project.reopened()):
        assert [len(fresh.ids(v)) for v in (1, 5, 6)] == [1, 4, 5]
        for version in (0, 2, 3, 4):
            with pytest.raises(UnknownName, match="given up"):
                fresh.ids(version)
        assert fresh.lake.recover("Visit", 6) == 6
    # A later pin cannot bring back what is gone.
    assert fresh.lake.retain("Visit", 1, pinned=[1, 2]).versions == 5
    assert len(fresh.ids(1)) == 1
    with pytest.raises(UnknownName):
        fresh.ids(2)
    with pytest.raises(ContractError):
        fresh.lake.retain("Visit", 0)


def test_other_delta_readers_see_the_same_rows(project: Project) -> None:
    project.load(range(5), load=1)
    project.load(range(5, 8), load=2)
    project.lake.compact("Visit")
    table = DeltaTable(project.folder / "tables/Visit")
    assert sorted(table.to_pyarrow_table()["id"].to_pylist()) == project.ids()
    assert sorted(
        pa.table(DeltaTable(table.table_uri, version=1).to_pyarrow_table())["_month"].to_pylist()
    ) == sorted(r["_month"] for r in project.read(1))
    kept = table.metadata().configuration
    assert kept["delta.logRetentionDuration"] == "interval 3650 days"
    assert kept["delta.deletedFileRetentionDuration"] == "interval 3650 days"
    assert kept["delta.enableDeletionVectors"] == "false"


def test_the_log_counts_rows_but_tells_no_values(project: Project) -> None:
    project.load([41], load=1, branch="Secret Street")
    text = "\n".join(p.read_text() for p in project.folder.glob("tables/Visit/_delta_log/*.json"))
    assert "Secret" not in text
    assert "v41" not in text
    stats = [
        json.loads(json.loads(line)["add"]["stats"])
        for line in text.splitlines()
        if "add" in json.loads(line)
    ]
    assert stats == [{"numRecords": 1}]


def test_threads_may_load_and_read_at_once(project: Project) -> None:
    staged = {n: project.stage(project.visits([n], load=n)) for n in range(12)}

    def load(n: int) -> int:
        project.lake.files("Visit")
        return project.lake.commit("Visit", staged[n], load=n, table=Visit)

    with ThreadPoolExecutor(4) as pool:
        versions = list(pool.map(load, staged))
    assert sorted(versions) == list(range(1, 13))
    assert Counter(project.ids()) == Counter(f"v{n}" for n in range(12))


def test_entry_digest_tells_when_a_log_entry_was_changed(project: Project) -> None:
    project.load([1], load=1)
    before = [project.lake.entry_digest("Visit", v) for v in (0, 1)]
    assert len(set(before)) == 2
    flip(project.folder / "tables/Visit/_delta_log" / f"{1:020d}.json")
    assert [project.lake.entry_digest("Visit", v) == before[v] for v in (0, 1)] == [True, False]
    with pytest.raises(UnknownName):
        project.lake.entry_digest("Visit", 2)


STEP = st.one_of(
    st.tuples(st.just("load"), st.integers(1, 6), st.sets(st.integers(0, 40), max_size=6)),
    st.tuples(st.sampled_from(["compact", "checkpoint", "reopen"])),
)


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(steps=st.lists(STEP, max_size=10))
def test_any_history_reads_like_a_list_of_versions(tmp_path: Path, steps: list[tuple]) -> None:
    shutil.rmtree(tmp_path / "p", ignore_errors=True)
    project = Project(tmp_path / "p")
    project.lake.create(Visit)
    versions: list[Counter] = [Counter()]
    landed: dict[int, int] = {}
    for kind, *arguments in steps:
        if kind == "load":
            load, numbers = arguments
            version = project.load(sorted(numbers), load=load)
            if load not in landed:
                landed[load] = len(versions)
                versions.append(versions[-1] + Counter(f"v{n}" for n in numbers))
            assert version == landed[load]
        elif kind == "reopen":
            project = project.reopened()
            assert project.lake.recover("Visit", len(versions) - 1) == len(versions) - 1
        elif getattr(project.lake, kind)("Visit") == len(versions):
            versions.append(versions[-1])
        assert project.lake.version("Visit") == len(versions) - 1
    for version, rows in enumerate(versions):
        assert Counter(project.ids(version)) == rows
    project.duck.close()


def test_errors_are_our_own(project: Project) -> None:
    (project.folder / "tables/Visit/_delta_log" / f"{0:020d}.json").write_text("{not json")
    with pytest.raises(HeptadError):
        Lake(project.folder / "tables").version("Visit")


@pytest.mark.slow
def test_thousands_of_files(project: Project) -> None:
    staged = project.lake.stage("Visit")
    (staged / "_month=1970-01").mkdir()
    for n in range(2000):
        pq.write_table(project.visits([n]), staged / "_month=1970-01" / f"{n}.parquet")
    project.lake.commit("Visit", staged, load=1, table=Visit)
    assert len(project.ids()) == len(project.lake.files("Visit")) == 2000
    project.lake.compact("Visit")
    assert len(project.lake.files("Visit")) == 1
    assert sorted(project.ids()) == sorted(f"v{n}" for n in range(2000))
