# SPDX-License-Identifier: Apache-2.0
"""Every row store answers alike: RocksDB, Redis, HBase's client over our gateway, and HBase."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from stores import STORES, later, now

from heptad.engine.protocols import Cell, Family
from heptad.standards.errors import ContractError, UnknownName
from heptad.standards.time import second

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FAMILIES = {"f": Family(), "log": Family(versions=3), "hot": Family(versions=2, ttl=60 * second)}
MS = 1000


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Any]:
    """A store with one table, `t`."""
    with request.param(tmp_path) as opened:
        opened.create("t", FAMILIES)
        yield opened


def test_the_newest_value_wins_and_versions_are_kept(store: Any) -> None:
    at = now()
    for n, value in enumerate((b"1", b"2", b"3", b"4")):
        store.put("t", b"r", {b"f:a": value, b"log:a": value}, timestamp=at + n * MS)
    assert store.get("t", b"r") == {b"f:a": b"4", b"log:a": b"4"}
    assert store.cells("t", b"r", b"f:a") == [Cell(b"4", at + 3 * MS)]
    kept = [Cell(str(n + 1).encode(), at + n * MS) for n in (3, 2, 1)]
    assert store.cells("t", b"r", b"log:a") == kept
    assert store.cells("t", b"r", b"log:a", until=at + 2 * MS) == kept[1:]
    assert store.get("t", b"r", [b"log"], until=at + 2 * MS) == {b"log:a": b"3"}
    store.put("t", b"r", {b"log:a": b"again"}, timestamp=at + 3 * MS)
    assert store.get("t", b"r", [b"log:a"]) == {b"log:a": b"again"}


def test_a_cell_without_timestamp_is_of_now(store: Any) -> None:
    before = now() - MS
    store.put("t", b"r", {b"f:a": b"1"})
    (cell,) = store.cells("t", b"r", b"f:a")
    assert before <= cell.timestamp <= now() + second
    later()
    store.put("t", b"r", {b"f:a": b"2"})
    assert store.get("t", b"r") == {b"f:a": b"2"}


def test_columns_and_families_may_be_chosen(store: Any) -> None:
    store.put("t", b"r", {b"f:a": b"1", b"f:a:b": b"3", b"log:a": b"4"})
    assert store.get("t", b"r", [b"f:a"]) == {b"f:a": b"1"}
    assert store.get("t", b"r", [b"f:"]) == {b"f:a": b"1", b"f:a:b": b"3"}
    assert store.get("t", b"r", [b"f"]) == store.get("t", b"r", [b"f:"])
    assert store.get("t", b"r", [b"f:a:b", b"log"]) == {b"f:a:b": b"3", b"log:a": b"4"}
    assert store.get("t", b"r", []) == {}
    assert store.get("t", b"other") == {}
    assert list(store.scan("t", columns=[b"hot"])) == []


def test_old_cells_are_gone(store: Any) -> None:
    store.put("t", b"r", {b"hot:a": b"old"}, timestamp=now() - 61 * second)
    store.put("t", b"r", {b"hot:b": b"young"}, timestamp=now() - 30 * second)
    assert store.get("t", b"r") == {b"hot:b": b"young"}
    assert store.cells("t", b"r", b"hot:a") == []


def test_rows_come_in_the_order_of_their_bytes(store: Any) -> None:
    keys = [b"\x00", b"\x00\x00", b"\x00\x01", b"\x01", b"a", b"a\x00", b"a\x00b", b"a\x01",
            b"a\xff", b"a\xff\xff", b"ab", b"b", b"\xff", b"\xff\xff"]  # fmt: skip
    shuffled = random.Random(3).sample(keys, len(keys))
    store.put_many("t", [(key, {b"f:k": key}) for key in shuffled])
    assert [key for key, _ in store.scan("t")] == sorted(keys)
    assert [cells[b"f:k"] for _, cells in store.scan("t", reverse=True)] == sorted(keys)[::-1]
    for prefix in (b"a", b"\x00", b"\xff", b"a\xff", b"zz"):
        wanted = sorted(k for k in keys if k.startswith(prefix))
        assert [key for key, _ in store.scan("t", prefix=prefix)] == wanted
        assert [key for key, _ in store.scan("t", prefix=prefix, reverse=True)] == wanted[::-1]
    for start, stop in ((b"a", b"b"), (b"a\x00", b"a\xff\xff"), (b"", b"a"), (b"b", b"a")):
        wanted = sorted(k for k in keys if start <= k < stop)
        assert [key for key, _ in store.scan("t", start, stop)] == wanted
        assert [key for key, _ in store.scan("t", start, stop, reverse=True)] == wanted[::-1]
    assert [key for key, _ in store.scan("t", b"a", limit=2)] == [b"a", b"a\x00"]
    assert [key for key, _ in store.scan("t", b"a", limit=2, reverse=True)] == [
        b"\xff\xff",
        b"\xff",
    ]


def test_a_scan_goes_on_over_many_rows(store: Any) -> None:
    keys = [f"k{n:05d}".encode() for n in range(501)]
    store.put_many("t", [(key, {b"f:a": key, b"log:b": b"x"}) for key in keys])
    assert [key for key, _ in store.scan("t", columns=[b"f:a"])] == keys
    assert [key for key, _ in store.scan("t", reverse=True)] == keys[::-1]
    half = [(k, c) for k, c in store.scan("t", b"k00250", columns=[b"log"])]
    assert half == [(key, {b"log:b": b"x"}) for key in keys[250:]]


def test_deletion_takes_a_row_a_family_a_column_or_what_is_old(store: Any) -> None:
    at = now() - 10 * second
    cells = {b"f:a": b"1", b"f:b": b"2", b"log:a": b"3"}
    for key in (b"row", b"family", b"column"):
        store.put("t", key, cells, timestamp=at)
    store.delete("t", b"row")
    store.delete("t", b"family", [b"f"])
    store.delete("t", b"column", [b"f:a"])
    assert store.get("t", b"row") == {}
    assert store.get("t", b"family") == {b"log:a": b"3"}
    assert store.get("t", b"column") == {b"f:b": b"2", b"log:a": b"3"}
    for n in range(3):
        store.put("t", b"old", {b"log:a": bytes([n])}, timestamp=at + n * MS)
    store.delete("t", b"old", [b"log:a"], until=at + MS)
    assert [c.value for c in store.cells("t", b"old", b"log:a")] == [b"\x02"]
    assert [key for key, _ in store.scan("t")] == [b"column", b"family", b"old"]


def test_check_and_put(store: Any) -> None:
    assert not store.check_and_put("t", b"r", b"f:a", b"0", {b"f:a": b"1"})
    assert store.check_and_put("t", b"r", b"f:a", None, {b"f:a": b"1"})
    assert not store.check_and_put("t", b"r", b"f:a", None, {b"f:a": b"2"})
    assert store.check_and_put("t", b"r", b"f:a", b"1", {b"f:b": b"2"})
    assert store.get("t", b"r") == {b"f:a": b"1", b"f:b": b"2"}


def test_check_and_put_lets_one_of_many_win(store: Any) -> None:
    def attempt(n: int) -> bool:
        return bool(store.check_and_put("t", b"r", b"f:a", None, {b"f:a": bytes([n])}))

    with ThreadPoolExecutor(4) as pool:
        won = list(pool.map(attempt, range(12)))
    assert won.count(True) == 1
    assert store.get("t", b"r") == {b"f:a": bytes([won.index(True)])}


def test_any_bytes_are_values_and_keys(store: Any) -> None:
    everything = bytes(range(256))
    store.put("t", everything, {b"f:" + everything: everything, b"f:empty": b""})
    assert store.get("t", everything) == {b"f:" + everything: everything, b"f:empty": b""}
    assert [key for key, _ in store.scan("t")] == [everything]


def test_tables_are_apart_and_may_be_dropped(store: Any) -> None:
    store.create("other", {"f": Family()})
    store.put("other", b"r", {b"f:a": b"1"})
    assert list(store.scan("t")) == []
    assert store.tables() == ["other", "t"]
    assert store.families("t") == FAMILIES
    store.drop("other")
    assert store.tables() == ["t"]
    with pytest.raises(UnknownName):
        store.get("other", b"r")


def test_what_cannot_be_kept_is_refused(store: Any) -> None:
    with pytest.raises(ContractError, match="key cannot be empty"):
        store.put("t", b"", {b"f:a": b"1"})
    with pytest.raises(ContractError, match="family:qualifier"):
        store.put("t", b"r", {b"a": b"1"})
    with pytest.raises(UnknownName, match="column family 'g'"):
        store.put("t", b"r", {b"g:a": b"1"})
    with pytest.raises(UnknownName, match="row table 'x'"):
        store.put("x", b"r", {b"f:a": b"1"})
    with pytest.raises(ContractError, match="timestamp"):
        store.put("t", b"r", {b"f:a": b"1"}, timestamp=-1)
    with pytest.raises(ContractError, match="keep nothing"):
        store.create("u", {"f": Family(versions=0)})
    assert list(store.scan("t")) == []
