# SPDX-License-Identifier: Apache-2.0
"""Rows reach the file of their month, whatever their order and however many months there are."""

from __future__ import annotations

from random import Random

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from heptad.ingest import writer as module
from heptad.ingest.writer import StageWriter, rewrite
from heptad.standards.time import day


def rows(numbers):
    """Return rows some days after 2020-01-01."""
    start = 18_262 * day
    return pa.RecordBatch.from_pydict(
        {
            "id": pa.array([f"k{n}" for n in numbers]),
            "event_time": pa.array([start + n * day for n in numbers], pa.int64()),
            "known_time": pa.array([0] * len(numbers), pa.int64()),
            "_line": pa.array(numbers, pa.int64()),
        }
    )


def read(folder):
    """Return month → the ids in its files."""
    found = {}
    for path in sorted(folder.rglob("*.parquet")):
        month = path.parent.name.removeprefix("_month=")
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            found.setdefault(month, []).extend(file.read()["id"].to_pylist())
    return found


@pytest.mark.parametrize(("group", "most", "open_"), [(8, 20, 3), (122_880, 983_040, 48)])
def test_months(tmp_path, monkeypatch, group, most, open_):
    monkeypatch.setattr(module, "ROW_GROUP", group)
    monkeypatch.setattr(module, "_MOST_WAITING", most)
    monkeypatch.setattr(module, "_MOST_OPEN", open_)
    numbers = list(range(800))
    Random(1).shuffle(numbers)
    writer = StageWriter(tmp_path, monthly=True)
    for start in range(0, 800, 50):
        writer.add(rows(numbers[start : start + 50]))
    writer.add(rows([]))
    writer.close()
    assert writer.rows == 800
    found = read(tmp_path)
    assert len(found) == 27
    assert found["2020-02"]
    assert all(31 <= int(k[1:]) < 60 for k in found["2020-02"])
    assert sorted(k for ids in found.values() for k in ids) == sorted(f"k{n}" for n in numbers)


def test_long_rows_are_written_by_their_bytes(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_GROUP_BYTES", 64 << 10)
    monkeypatch.setattr(module, "_MOST_BYTES", 200 << 10)
    writer, held = StageWriter(tmp_path, monthly=True), []
    before = pa.total_allocated_bytes()
    for start in range(0, 1600, 100):
        # Of a hundred days, most rows are of the first month: the others wait, without them.
        days = [n % 100 if n % 10 == 0 else n % 25 for n in range(start, start + 100)]
        batch = rows(days)
        writer.add(batch.append_column("text", pa.array([f"{n:01000}" for n in days])))
        held.append(pa.total_allocated_bytes() - before - batch.nbytes)
    writer.close()
    assert max(held) < 500 << 10
    assert sum(len(ids) for ids in read(tmp_path).values()) == 1600
    (many, *_), groups = zip(
        *sorted((pq.read_metadata(p).num_row_groups, p) for p in tmp_path.rglob("*.parquet"))[::-1],
        strict=True,
    )
    assert many > 10
    assert len(groups) == 3


def test_state_tables_lie_flat(tmp_path):
    writer = StageWriter(tmp_path, monthly=False)
    writer.add(rows([1, 500]))
    writer.close()
    assert [p.parent for p in tmp_path.rglob("*.parquet")] == [tmp_path]


def test_lines_are_taken_out_and_known_at_another_time(tmp_path):
    writer = StageWriter(tmp_path, monthly=False)
    writer.add(rows([1, 2, 3]))
    writer.close()
    (path,) = tmp_path.glob("*.parquet")
    assert rewrite(path, pa.array([2], pa.int64()), {3: 77}, ["id"]) == 2
    assert pq.read_table(path).select(["_line", "known_time"]).to_pydict() == {
        "_line": [1, 3], "known_time": [0, 77],
    }  # fmt: skip
    assert rewrite(path, pa.array([1, 3], pa.int64()), {}, []) == 0
    assert not list(tmp_path.iterdir())


def test_only_times_get_statistics(tmp_path):
    writer = StageWriter(tmp_path, monthly=False)
    writer.add(rows(range(10)))
    writer.close()
    (path,) = tmp_path.glob("*.parquet")
    group = pq.read_metadata(path).row_group(0)
    kept = {
        group.column(n).path_in_schema
        for n in range(group.num_columns)
        if group.column(n).is_stats_set and group.column(n).statistics.has_min_max
    }
    assert kept == {"event_time", "known_time"}
