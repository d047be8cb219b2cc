# SPDX-License-Identifier: Apache-2.0
"""The row store behaves as a dictionary sorted by bytes, and says so when it cannot."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from heptad.engine.local.rows import Rows
from heptad.engine.protocols import Cell, Family
from heptad.standards.errors import Busy, ContractError, Corrupt, UnknownName
from heptad.standards.time import FixedClock

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FAMILIES = {"f": Family(), "log": Family(versions=3), "hot": Family(versions=2, ttl=50)}


@pytest.fixture
def clock() -> FixedClock:
    """A clock that the test moves."""
    return FixedClock(1000)


@pytest.fixture
def rows(tmp_path: Path, clock: FixedClock) -> Iterator[Rows]:
    """A store with one table, `t`."""
    with Rows(tmp_path / "rows", clock=clock) as rows:
        rows.create("t", FAMILIES)
        yield rows


def test_newest_value_wins_and_versions_are_kept(rows: Rows, clock: FixedClock) -> None:
    for value in (b"1", b"2", b"3", b"4"):
        rows.put("t", b"r", {b"f:a": value, b"log:a": value})
        clock.set(clock.now() + 10)
    assert rows.get("t", b"r") == {b"f:a": b"4", b"log:a": b"4"}
    assert rows.cells("t", b"r", b"f:a") == [Cell(b"4", 1030)]
    assert rows.cells("t", b"r", b"log:a") == [Cell(b"4", 1030), Cell(b"3", 1020), Cell(b"2", 1010)]
    assert rows.get("t", b"r", until=1025) == {b"log:a": b"3"}
    assert rows.get("t", b"r", until=1005) == {}
    rows.put("t", b"r", {b"log:a": b"late"}, timestamp=1015)
    assert [c.value for c in rows.cells("t", b"r", b"log:a")] == [b"4", b"3", b"late"]
    rows.put("t", b"r", {b"log:a": b"again"}, timestamp=1030)
    assert rows.get("t", b"r", [b"log:a"]) == {b"log:a": b"again"}


def test_columns_and_families_may_be_chosen(rows: Rows) -> None:
    rows.put("t", b"r", {b"f:a": b"1", b"f:": b"2", b"f:a:b": b"3", b"log:a": b"4"})
    assert rows.get("t", b"r", [b"f:a"]) == {b"f:a": b"1"}
    assert rows.get("t", b"r", [b"f:"]) == {b"f:": b"2", b"f:a": b"1", b"f:a:b": b"3"}
    assert rows.get("t", b"r", [b"f"]) == rows.get("t", b"r", [b"f:"])
    assert rows.get("t", b"r", [b"f:a:b", b"log"]) == {b"f:a:b": b"3", b"log:a": b"4"}
    assert rows.get("t", b"r", []) == {}
    assert list(rows.scan("t", columns=[b"hot"])) == []


def test_cells_expire(rows: Rows, clock: FixedClock) -> None:
    rows.put("t", b"r", {b"hot:a": b"1"})
    clock.set(1049)
    assert rows.get("t", b"r") == {b"hot:a": b"1"}
    clock.set(1050)
    assert rows.get("t", b"r") == {}
    assert list(rows.scan("t")) == []
    assert rows.sweep("t") == 1
    assert rows.sweep("t") == 0


def test_keys_sort_by_their_bytes(rows: Rows) -> None:
    keys = [b"\x00", b"\x00\x00", b"\x00\x01", b"\x00\xff", b"\x01", b"a", b"a\x00", b"a\x00b"]
    keys += [b"a\x01", b"a\xff", b"a\xff\xff", b"ab", b"b", b"\xff", b"\xff\x00", b"\xff\xff"]
    random.Random(3).shuffle(keys)
    rows.put_many("t", [(key, {b"f:k": key}) for key in keys])
    assert [key for key, _ in rows.scan("t")] == sorted(keys)
    assert [cells[b"f:k"] for _, cells in rows.scan("t", reverse=True)] == sorted(keys)[::-1]
    for prefix in (b"a", b"\x00", b"\xff", b"a\xff", b"zz"):
        wanted = sorted(k for k in keys if k.startswith(prefix))
        assert [key for key, _ in rows.scan("t", prefix=prefix)] == wanted


def test_tables_do_not_see_each_other(rows: Rows) -> None:
    for name in ("t2", "T", "ta"):
        rows.create(name, {"f": Family()})
        rows.put(name, b"r", {b"f:a": name.encode()})
    assert list(rows.scan("t")) == []
    rows.drop("ta")
    assert rows.tables() == ["T", "t", "t2"]
    rows.create("ta", {"f": Family()})
    assert list(rows.scan("ta")) == []
    assert rows.get("t2", b"r") == {b"f:a": b"t2"}


def test_rows_survive_reopening(rows: Rows, tmp_path: Path, clock: FixedClock) -> None:
    rows.put("t", b"r", {b"log:a": b"1"})
    rows.create("t", {"new": Family(versions=7, ttl=9)})
    rows.close()
    with Rows(tmp_path / "rows", clock=clock) as again:
        assert again.families("t") == FAMILIES | {"new": Family(versions=7, ttl=9)}
        assert again.get("t", b"r") == {b"log:a": b"1"}


def test_check_and_put(rows: Rows) -> None:
    assert not rows.check_and_put("t", b"r", b"f:a", b"0", {b"f:a": b"1"})
    assert rows.check_and_put("t", b"r", b"f:a", None, {b"f:a": b"1"})
    assert not rows.check_and_put("t", b"r", b"f:a", None, {b"f:a": b"2"})
    assert rows.check_and_put("t", b"r", b"f:a", b"1", {b"f:b": b"2"})
    assert rows.get("t", b"r") == {b"f:a": b"1", b"f:b": b"2"}


def test_check_and_put_is_atomic_between_threads(rows: Rows) -> None:
    rows.put("t", b"r", {b"f:n": b"0"})

    def add(_: int) -> None:
        while True:
            now = rows.get("t", b"r")[b"f:n"]
            if rows.check_and_put("t", b"r", b"f:n", now, {b"f:n": b"%d" % (int(now) + 1)}):
                return

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(add, range(80)))
    assert rows.get("t", b"r") == {b"f:n": b"80"}


def test_deletion_brings_nothing_old_to_light(rows: Rows) -> None:
    for stamp in range(5):
        rows.put("t", b"r", {b"f:a": b"%d" % stamp, b"log:a": b"%d" % stamp}, timestamp=stamp)
    rows.delete("t", b"r", [b"f"], until=9)
    assert rows.get("t", b"r") == {b"log:a": b"4"}
    rows.delete("t", b"r", [b"log:a"], until=2)
    assert [c.timestamp for c in rows.cells("t", b"r", b"log:a")] == [4, 3]
    rows.delete("t", b"r")
    assert rows.get("t", b"r") == {}
    rows.put("t", b"r", {b"f:a": b"back"}, timestamp=1)
    assert rows.get("t", b"r") == {b"f:a": b"back"}


def test_what_cannot_be_kept_is_refused(rows: Rows) -> None:
    with pytest.raises(ContractError, match="cannot be empty"):
        rows.put("t", b"", {b"f:a": b""})
    with pytest.raises(ContractError, match="family:qualifier"):
        rows.put("t", b"r", {b"fa": b""})
    with pytest.raises(UnknownName, match="column family 'g'"):
        rows.put("t", b"r", {b"f:ok": b"", b"g:a": b""})
    with pytest.raises(UnknownName, match="did you mean"):
        rows.put("tt", b"r", {b"f:a": b""})
    with pytest.raises(UnknownName):
        rows.get("t", b"r", [b"ff"])
    with pytest.raises(ContractError, match="microseconds"):
        rows.put("t", b"r", {b"f:a": b""}, timestamp=-1)
    for families in ({"a b": Family()}, {"f": Family(versions=0)}, {"f": Family(ttl=0)}):
        with pytest.raises(ContractError):
            rows.create("u", families)
    with pytest.raises(ContractError):
        rows.create("no/table", {})
    assert list(rows.scan("t")) == []
    assert rows.tables() == ["t"]


class Oracle:
    """HBase's model in dictionaries, trimmed at once."""

    def __init__(self) -> None:
        self.cells: dict[tuple[bytes, bytes], dict[int, bytes]] = {}

    def put(self, row: bytes, column: bytes, stamp: int, value: bytes, now: int) -> None:
        """Write a cell, then keep only what the family keeps."""
        self.trim(now)
        self.cells.setdefault((row, column), {})[stamp] = value
        self.trim(now)

    def trim(self, now: int) -> None:
        """Forget what is not visible."""
        for (_, column), cells in self.cells.items():
            family = FAMILIES[column.split(b":")[0].decode()]
            alive = sorted(s for s in cells if family.ttl is None or s > now - family.ttl)
            for stamp in set(cells) - set(alive[-family.versions :]):
                del cells[stamp]

    def rows(self, until: int | None = None) -> dict[bytes, dict[bytes, bytes]]:
        """The newest values of all rows."""
        found: dict[bytes, dict[bytes, bytes]] = {}
        for (row, column), cells in sorted(self.cells.items()):
            stamps = [s for s in cells if until is None or s <= until]
            if stamps:
                found.setdefault(row, {})[column] = cells[max(stamps)]
        return found


KEY = st.one_of(
    st.binary(min_size=1, max_size=3),
    st.lists(st.sampled_from([b"\x00", b"\x01", b"\xff", b"a"]), min_size=1, max_size=4).map(
        b"".join
    ),
)
COLUMN = st.tuples(st.sampled_from(["f", "log", "hot"]), st.sampled_from([b"", b"\x00", b"q"])).map(
    lambda c: c[0].encode() + b":" + c[1]
)
WHEN = st.integers(0, 120)
STEP = st.one_of(
    st.tuples(st.just("put"), KEY, COLUMN, WHEN, st.binary(max_size=2)),
    st.tuples(st.just("put"), KEY, COLUMN, WHEN, st.binary(max_size=2)),
    st.tuples(st.just("delete"), KEY, COLUMN, st.none() | WHEN),
    st.tuples(st.just("delete row"), KEY, st.none() | WHEN),
    st.tuples(st.just("later"), st.integers(1, 30)),
    st.tuples(st.sampled_from(["sweep", "reopen"])),
)


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(steps=st.lists(STEP, max_size=25), start=KEY, stop=KEY, prefix=KEY, until=WHEN)
def test_any_history_reads_like_a_dictionary(
    tmp_path: Path, steps: list[tuple], start: bytes, stop: bytes, prefix: bytes, until: int
) -> None:
    clock, oracle = FixedClock(20), Oracle()
    shutil.rmtree(tmp_path / "rows", ignore_errors=True)
    rows = Rows(tmp_path / "rows", clock=clock)
    rows.create("t", FAMILIES)
    for kind, *values in steps:
        if kind == "put":
            row, column, stamp, value = values
            rows.put("t", row, {column: value}, timestamp=stamp)
            oracle.put(row, column, stamp, value, clock.now())
        elif kind.startswith("delete"):
            row, *columns, last = values
            rows.delete("t", row, columns or None, until=last)
            oracle.trim(clock.now())
            for (r, c), cells in oracle.cells.items():
                if r == row and c in (columns or [c]):
                    for stamp in [s for s in cells if last is None or s <= last]:
                        del cells[stamp]
        elif kind == "later":
            clock.set(clock.now() + values[0])
        elif kind == "sweep":
            rows.sweep("t")
        else:
            rows.close()
            rows = Rows(tmp_path / "rows", clock=clock)
    oracle.trim(clock.now())
    for limit_t in (None, until):
        wanted = oracle.rows(limit_t)
        assert list(rows.scan("t", until=limit_t)) == list(wanted.items())
        assert list(rows.scan("t", until=limit_t, reverse=True)) == list(wanted.items())[::-1]
        some = [r for r in wanted if r >= start and r < stop and r.startswith(prefix[:1])]
        found = rows.scan("t", start, stop, prefix=prefix[:1], until=limit_t)
        assert [r for r, _ in found] == some
        found = rows.scan("t", start, stop, prefix=prefix[:1], until=limit_t, reverse=True, limit=2)
        assert [r for r, _ in found] == some[::-1][:2]
        for row in {*wanted, start}:
            assert rows.get("t", row, until=limit_t) == wanted.get(row, {})
    for (row, column), cells in oracle.cells.items():
        kept = [Cell(cells[s], s) for s in sorted(cells, reverse=True)]
        assert rows.cells("t", row, column) == kept
    rows.close()


WRITER = """
import os, sys
from pathlib import Path
from heptad.engine.local.rows import Rows
from heptad.engine.protocols import Family
rows = Rows(Path(sys.argv[1]))
rows.create("t", {"f": Family()})
for n in range(int(sys.argv[2]), 10**9):
    rows.put("t", b"%08d" % n, {b"f:n": b"x" * 100})
    os.write(1, b"%d\\n" % n)
"""


def killed_writer(folder: Path, first: int, count: int) -> int:
    """Let another process write until it has told of `count` rows, kill it; the last told."""
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(folder), str(first)], stdout=subprocess.PIPE
    ) as writer:
        for _ in range(count):
            writer.stdout.readline()
        writer.send_signal(signal.SIGKILL)
        told = writer.stdout.read().split()
        return int(told[-1]) if told else first + count - 1


def test_killed_writer_loses_nothing_it_told_of(tmp_path: Path) -> None:
    first = 0
    for count in (1, 50, 200, 7):
        last = killed_writer(tmp_path / "rows", first, count)
        with Rows(tmp_path / "rows") as rows:
            assert [int(key) for key, _ in rows.scan("t")][: last + 1] == list(range(last + 1))
        first = last + 1


def test_another_process_cannot_write_but_can_read(rows: Rows, tmp_path: Path) -> None:
    rows.put("t", b"r", {b"f:a": b"1"})
    script = (
        "import sys\nfrom pathlib import Path\nfrom heptad.engine.local.rows import Rows\n"
        "from heptad.standards.errors import Busy\n"
        "try: Rows(Path(sys.argv[1]))\n"
        "except Busy as error: print(error.what)\n"
        "print(Rows(Path(sys.argv[1]), read_only=True).get('t', b'r'))\n"
    )
    told = subprocess.run(
        [sys.executable, "-c", script, tmp_path / "rows"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    assert told == ["Another process owns the row store.", "{b'f:a': b'1'}"]


def flip(path: Path, at: int) -> None:
    """Change one bit of a file."""
    content = bytearray(path.read_bytes())
    content[at] ^= 1 << (at % 8)
    path.write_bytes(content)


def test_a_flipped_bit_in_the_unsorted_part_is_found_at_opening(tmp_path: Path) -> None:
    killed_writer(tmp_path / "whole", 0, 300)
    (log,) = (tmp_path / "whole").glob("*.log")
    chance = random.Random(1)
    for _ in range(10):
        shutil.rmtree(tmp_path / "rows", ignore_errors=True)
        shutil.copytree(tmp_path / "whole", tmp_path / "rows")
        flip(tmp_path / "rows" / log.name, chance.randrange(log.stat().st_size // 2))
        with pytest.raises(Corrupt, match="row store is damaged"):
            Rows(tmp_path / "rows")


def test_a_flipped_bit_in_a_sorted_file_is_found_by_the_scan(tmp_path: Path) -> None:
    with Rows(tmp_path / "rows") as rows:
        rows.create("t", {"f": Family()})
        rows.put_many("t", [(b"%06d" % n, {b"f:n": os.urandom(100)}) for n in range(3000)])
        rows._store.flush()
    (file,) = (tmp_path / "rows").glob("*.sst")
    flip(file, file.stat().st_size // 2)
    with Rows(tmp_path / "rows") as rows:
        given = rows.scan("t")
        assert next(given)[0] == b"000000"
        with pytest.raises(Corrupt):
            list(given)


def test_refused_by_the_disk(rows: Rows, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Busy):
        Rows(tmp_path / "file")
