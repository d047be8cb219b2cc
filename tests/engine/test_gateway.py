# SPDX-License-Identifier: Apache-2.0
"""An unmodified happybase works against our gateway, and bad messages end only their connection."""

from __future__ import annotations

import random
import socket
import struct
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import happybase
import pytest
from Hbase_thrift import AlreadyExists, Hbase
from Hbase_thrift import IOError as HBaseError
from thriftpy2.protocol import TBinaryProtocol
from thriftpy2.thrift import TApplicationException, TClient
from thriftpy2.transport import TBufferedTransport, TSocket

from heptad.engine.hbase import wire
from heptad.engine.hbase.gateway import Gateway
from heptad.engine.local.rows import Rows

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Gateway]:
    """A gateway of an empty store, impatient with half messages."""
    with Rows(tmp_path / "rows") as rows, Gateway(rows, port=0, within_s=0.5) as served:
        yield served


@pytest.fixture
def connection(gateway: Gateway) -> Iterator[happybase.Connection]:
    """A client."""
    client = happybase.Connection("127.0.0.1", gateway.port)
    yield client
    client.close()


@pytest.fixture
def table(connection: happybase.Connection) -> happybase.Table:
    """A table with two families."""
    connection.create_table("t", {"f": {}, "log": {"max_versions": 5, "time_to_live": 86_400}})
    return connection.table("t")


def test_tables_are_made_shown_and_removed(connection, table) -> None:
    assert connection.tables() == [b"t"]
    families = table.families()
    assert families[b"log"]["max_versions"] == 5
    assert families[b"log"]["time_to_live"] == 86_400
    assert families[b"f"]["max_versions"] == 3
    assert [r["name"] for r in table.regions()] == [b"t"]
    with pytest.raises(AlreadyExists):
        connection.create_table("t", {"f": {}})
    with pytest.raises(HBaseError, match="not disabled"):
        connection.delete_table("t")
    connection.disable_table("t")
    assert not connection.is_table_enabled("t")
    with pytest.raises(HBaseError, match="disabled"):
        table.row(b"r")
    connection.enable_table("t")
    connection.compact_table("t", major=True)
    connection.delete_table("t", disable=True)
    assert connection.tables() == []
    with pytest.raises(HBaseError, match="no row table"):
        connection.table("t").row(b"r")


def test_versions_and_timestamps(table) -> None:
    base = 1_700_000_000_000 * 2
    for n in range(4):
        table.put(b"r", {b"log:a": str(n).encode()}, timestamp=base + n)
    assert table.cells(b"r", b"log:a", versions=2) == [b"3", b"2"]
    told = table.cells(b"r", b"log:a", include_timestamp=True)
    assert told == [(str(n).encode(), base + n) for n in (3, 2, 1, 0)]
    # As in HBase the bound of a read is outside of it, and that of a deletion inside.
    assert table.row(b"r", timestamp=base + 2) == {b"log:a": b"1"}
    assert table.cells(b"r", b"log", timestamp=base + 1) == [b"0"]
    assert table.row(b"r", include_timestamp=True) == {b"log:a": (b"3", base + 3)}
    with table.batch(timestamp=base + 1) as batch:
        batch.delete(b"r", [b"log:a"])
    assert table.cells(b"r", b"log:a") == [b"3", b"2"]
    table.put(b"r", {b"f:x": b"now"})
    ((_, at),) = table.cells(b"r", b"f:x", include_timestamp=True)
    assert 1_600_000_000_000 < at < 2**42


def test_rows_and_scans(table) -> None:
    with table.batch(batch_size=7) as batch:
        for n in range(30):
            batch.put(f"k{n:02d}".encode(), {b"f:n": str(n).encode(), b"log:m": b"x"})
    found = table.rows([b"k05", b"none", b"k02"], columns=[b"f:n"])
    assert found == [(b"k05", {b"f:n": b"5"}), (b"k02", {b"f:n": b"2"})]
    assert len(table.rows([b"k05", b"k06"], timestamp=2**42)) == 2

    def keys(**asked: Any) -> list[bytes]:
        return [row for row, _ in table.scan(batch_size=4, **asked)]

    every = [f"k{n:02d}".encode() for n in range(30)]
    assert keys() == every
    assert keys(row_prefix=b"k1") == every[10:20]
    assert keys(row_start=b"k05", row_stop=b"k08") == every[5:8]
    assert keys(row_start=b"k05", limit=3) == every[5:8]
    assert keys(reverse=True) == every[::-1]
    assert keys(row_start=b"k08", row_stop=b"k05", reverse=True) == [b"k08", b"k07", b"k06"]
    assert keys(row_prefix=b"k1", reverse=True) == every[19:9:-1]
    assert all(c == {b"f:n": row[1:].lstrip(b"0") or b"0"} for row, c in table.scan(columns=["f"]))
    (first,) = table.scan(limit=1, sorted_columns=True)
    assert first == (b"k00", {b"f:n": b"0", b"log:m": b"x"})
    parts = list(table.scan(row_stop=b"k01", scan_batching=1))
    assert parts == [(b"k00", {b"f:n": b"0"}), (b"k00", {b"log:m": b"x"})]
    with pytest.raises(HBaseError, match="no filters"):
        keys(filter="KeyOnlyFilter()")


def test_deletion_by_row_family_and_column(table) -> None:
    cells = {b"f:a": b"1", b"f:b": b"2", b"log:c": b"3"}
    for key in (b"row", b"family", b"column"):
        table.put(key, cells)
    table.delete(b"row")
    table.delete(b"family", columns=[b"f"])
    table.delete(b"column", columns=[b"f:a"])
    left = dict(table.scan())
    assert left == {b"family": {b"log:c": b"3"}, b"column": {b"f:b": b"2", b"log:c": b"3"}}


def test_a_batch_that_fails_is_not_sent(table) -> None:
    with suppress(KeyError), table.batch(transaction=True) as batch:
        batch.put(b"r", {b"f:a": b"1"})
        raise KeyError
    assert table.row(b"r") == {}
    batch = table.batch()
    batch.put(b"r", {b"f:a": b"1"})
    batch.put(b"s", {b"g:a": b"1"})
    with pytest.raises(HBaseError, match="column family 'g'"):
        batch.send()
    assert list(table.scan()) == []


def test_counters(gateway, table) -> None:
    assert table.counter_get(b"r", b"f:n") == 0
    assert table.counter_inc(b"r", b"f:n") == 1
    assert table.counter_dec(b"r", b"f:n", 5) == -4
    table.counter_set(b"r", b"f:n", 2**62)
    assert table.counter_get(b"r", b"f:n") == 2**62
    table.put(b"r", {b"f:text": b"no number"})
    with pytest.raises(HBaseError, match="eight bytes"):
        table.counter_inc(b"r", b"f:text")

    def add(_: int) -> None:
        client = happybase.Connection("127.0.0.1", gateway.port)
        for _ in range(5):
            client.table("t").counter_inc(b"r", b"f:all")
        client.close()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(add, range(4)))
    assert table.counter_get(b"r", b"f:all") == 20


def test_older_clients_scan_by_the_older_calls(gateway, table) -> None:
    for key in (b"a", b"b", b"c"):
        table.put(key, {b"f:a": key}, timestamp=5)
    old = happybase.Connection("127.0.0.1", gateway.port, compat="0.90")
    assert [k for k, _ in old.table("t").scan()] == [b"a", b"b", b"c"]
    assert [k for k, _ in old.table("t").scan(b"b", b"c")] == [b"b"]
    assert list(old.table("t").scan(timestamp=5)) == []
    assert [k for k, _ in old.table("t").scan(b"b", b"d", timestamp=6)] == [b"b", b"c"]
    old.close()


def test_scans_of_a_connection_are_bounded_and_its_own(connection, table) -> None:
    table.put(b"r", {b"f:a": b"1"})
    client = connection.client
    scans = [client.scannerOpen(b"t", b"", [], {}) for _ in range(64)]
    with pytest.raises(HBaseError, match="Too many scans"):
        client.scannerOpen(b"t", b"", [], {})
    assert client.scannerGet(scans[0])[0].row == b"r"
    assert client.scannerGet(scans[0]) == []
    client.scannerClose(scans[0])
    with pytest.raises(HBaseError, match="no such scan"):
        client.scannerGet(scans[0])


def test_an_unknown_call_is_answered_as_such(connection, table) -> None:
    with pytest.raises(TApplicationException):
        connection.client.getRowOrBefore(b"t", b"r", b"f")
    table.put(b"r", {b"f:a": b"1"})
    assert table.row(b"r") == {b"f:a": b"1"}


def test_it_listens_on_this_machine_only(gateway) -> None:
    assert gateway._listener.getsockname()[0] == "127.0.0.1"


def call(name: bytes, body: bytes, version: int = 0x80010001) -> bytes:
    """Return a message."""
    return struct.pack("!II", version, len(name)) + name + struct.pack("!i", 7) + body


BAD = {
    "no protocol": b"GET / HTTP/1.1\r\n\r\n",
    "old protocol": struct.pack("!i", 5) + b"hello",
    "a reply": call(b"getTableNames", b"\0", version=0x80010002),
    "a name of two gigabytes": struct.pack("!II", 0x80010001, 2**31 - 1),
    "a name of negative length": struct.pack("!II", 0x80010001, 2**32 - 1),
    "a name that is no text": call(b"\xff\xfe", b"\0"),
    "a row of two gigabytes": call(b"getRow", struct.pack("!bhi", 11, 1, 2**31 - 1)),
    "a list of two billions": call(b"getRows", struct.pack("!bhbi", 15, 2, 11, 2**31 - 1)),
    "a list of nothing": call(b"getRows", struct.pack("!bhbi", 15, 2, 1, 2**30)),
    "a map of nothing": call(b"getRow", struct.pack("!bhbbi", 13, 3, 1, 1, 2**30)),
    "a number for a text": call(b"getRow", struct.pack("!bhi", 8, 1, 1) + b"\0"),
    "an unknown kind": call(b"getRow", struct.pack("!bh", 77, 1)),
    "nests without end": call(b"getRow", struct.pack("!bh", 12, 9) * 500),
    "half a message": call(b"getRow", struct.pack("!bhi", 11, 1, 100) + b"abc"),
}


@pytest.mark.parametrize("what", BAD)
def test_a_bad_message_ends_its_connection_and_no_other(gateway, table, what) -> None:
    table.put(b"r", {b"f:a": b"1"})
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=5) as peer:
        peer.sendall(BAD[what])
        assert peer.recv(1) == b"", "the connection should have been ended"
    assert table.row(b"r") == {b"f:a": b"1"}


class Sent:
    """A connection that gives what was recorded, in pieces."""

    def __init__(self, data: bytes, piece: int) -> None:
        self.data, self.piece = data, piece

    def settimeout(self, _: float) -> None:
        """Do nothing."""

    def recv(self, _: int) -> bytes:
        """Give the next piece."""
        found, self.data = self.data[: self.piece], self.data[self.piece :]
        return found


def test_mutated_messages_are_answered_or_refused(tmp_path: Path, gateway) -> None:
    """Every byte that a client sends is flipped, cut and doubled; nothing but two errors comes of it."""
    from heptad.engine.hbase.calls import Calls
    from heptad.engine.hbase.gateway import answered

    recorded = _recorded(gateway)
    made, seen = random.Random(5), {"answered": 0, "refused": 0}
    with Rows(tmp_path / "fuzzed") as rows:
        calls = Calls(rows, set())
        for _ in range(1500):
            data = bytearray(made.choice(recorded))
            for _ in range(made.randrange(4)):
                at = made.randrange(len(data))
                data[at : at + made.randrange(3)] = made.randbytes(made.randrange(3))
            incoming = wire.Incoming(Sent(bytes(data), made.randrange(1, 60)), within_s=1, idle_s=1)  # type: ignore[arg-type]
            try:
                while True:
                    assert answered(calls, incoming)[:2] == b"\x80\x01"
                    seen["answered"] += 1
            except (wire.Malformed, wire.Closed):
                seen["refused"] += 1
    assert min(seen.values()) > 300, seen


def _recorded(gateway: Gateway) -> list[bytes]:
    """Record what an unmodified client sends."""
    sent: list[bytes] = []

    class Recording(TSocket):  # type: ignore[misc]
        def write(self, buff: bytes) -> None:
            sent.append(bytes(buff))
            super().write(buff)

    client = happybase.Connection("127.0.0.1", gateway.port)
    client.close()
    client.transport = TBufferedTransport(Recording("127.0.0.1", gateway.port))
    client.transport.open()
    client.client = TClient(Hbase, TBinaryProtocol(client.transport, decode_response=False))
    client.create_table("m", {"f": {"max_versions": 2}})
    table = client.table("m")
    table.put(b"r", {b"f:a": b"1", b"f:b": b"2"}, timestamp=9)
    table.counter_inc(b"r", b"f:n", 3)
    table.row(b"r", [b"f:a"], timestamp=11)
    table.rows([b"r", b"s"])
    table.cells(b"r", b"f:a", versions=2)
    list(table.scan(row_prefix=b"r", columns=[b"f"], sorted_columns=True))
    table.delete(b"r")
    client.close()
    return sent
