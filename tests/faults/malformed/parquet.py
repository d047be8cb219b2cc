# SPDX-License-Identifier: Apache-2.0
"""Parquet: wrong types, nesting, damage, and pages that grow on being read."""

from __future__ import annotations

import io
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
from tests.faults.malformed.case import GOOD, HEAD, Case, large, loaded, refused

ROW = dict(zip(HEAD.split(","), GOOD.split(","), strict=True))
MIB = 1 << 20


def table(rows=1, **columns):
    """Return rows of good payments with some columns replaced by Arrow arrays."""
    plain = {name: pa.array([value] * rows) for name, value in ROW.items()}
    plain["id"] = pa.array([f"p{n}" for n in range(rows)])
    return pa.table(plain | columns)


def written(data, **options):
    """Return the bytes of a Parquet file."""
    sink = io.BytesIO()
    pq.write_table(data, sink, **options)
    return sink.getvalue()


WHOLE = written(table(50))
FOOTER = len(WHOLE) - 8 - int.from_bytes(WHOLE[-8:-4], "little")
CRC = written(table(50), write_page_checksum=True, compression="none")


def typed(name, array, wants, column="amount", **more):
    """Return a case of one payment with a column of another type."""
    return Case(name, written(table(**{column: array})), wants, file="a.parquet", **more)


def file(name, content, wants, **more):
    """Return a case of a Parquet file."""
    return Case(name, content, wants, file="a.parquet", **more)


def _no_text():
    """A text column whose bytes are no UTF-8, which Parquet does not check."""
    offsets, data = pa.py_buffer(b"\0\0\0\0\2\0\0\0"), pa.py_buffer(b"\xff\xfe")
    return pa.StringArray.from_buffers(1, offsets, data)


def _dictionary_bomb(folder):
    """One value of 1 MiB that two million rows point to: 2 TiB as text."""
    words = pa.DictionaryArray.from_arrays(
        pa.array([0] * 2_000_000, pa.int32()), pa.array(["x" * MIB])
    )
    pq.write_table(table(2_000_000, customer=words), folder / "a.parquet", compression="zstd")


def _long_word(folder):
    words = pa.DictionaryArray.from_arrays(
        pa.array([0] * 1000, pa.int32()), pa.array(["x" * 2 * MIB])
    )
    pq.write_table(
        table(1000, customer=words), folder / "a.parquet", dictionary_pagesize_limit=8 * MIB
    )


def _page_bomb(folder):
    """Values of 64 MiB that pack to nothing."""
    long = pa.array(["x" * (64 * MIB)] * 4)
    pq.write_table(
        table(4, customer=long), folder / "a.parquet", compression="zstd", use_dictionary=False
    )


def _prefix_bomb(folder):
    """Values that share all of their 500 KB with the first."""
    long = pa.array(["x" * 500_000 + str(n) for n in range(200)])
    more = pa.chunked_array([long] * 5)
    pq.write_table(
        table(1000, customer=more), folder / "a.parquet", use_dictionary=False,
        column_encoding={"customer": "DELTA_BYTE_ARRAY"},
    )  # fmt: skip


def _rows_of_nothing(folder):
    pq.write_table(pa.table({"id": pa.nulls(300_000_000)}), folder / "a.parquet")


def _long_list(folder):
    """One row with a list of 50,000,000 zeros."""
    zeros = pa.nulls(50_000_000, pa.int8())
    offsets = pa.array([0, 50_000_000], pa.int32())
    lists = pa.ListArray.from_arrays(offsets, zeros)
    pq.write_table(table(1, customer=lists), folder / "a.parquet", compression="zstd")


def _many_columns(folder):
    columns = {f"c{n}": pa.array([1]) for n in range(20_000)}
    pq.write_table(pa.table(columns), folder / "a.parquet")


def _many_groups(folder):
    pq.write_table(table(1000), folder / "a.parquet", row_group_size=1)


def _nested(depth):
    value, kind = 1, pa.int64()
    for _ in range(depth):
        value, kind = [value], pa.list_(kind)
    return pa.array([value], kind)


CASES = [
    file("an empty file", b"", refused("input", "not whole Parquet")),
    file("text named .parquet", f"{HEAD}\n{GOOD}\n", refused("input", "not whole Parquet")),
    Case("Parquet named .csv", WHOLE, refused("input", "Parquet", "format")),
    file("cut by its last bytes", WHOLE[:-9], refused("input", "not whole Parquet")),
    file("cut in the middle", WHOLE[: len(WHOLE) // 2], refused("input", "not whole Parquet")),
    file("nothing but its marks", b"PAR1PAR1", refused("input", "not whole Parquet")),
    file("a footer longer than the file", WHOLE[:-8] + b"\xff\xff\xff\x7fPAR1",
         refused("input", "not whole Parquet")),
    file("a damaged footer", WHOLE[:FOOTER] + b"\xff" * 20 + WHOLE[FOOTER + 20 :], refused("input", "not whole Parquet")),
    file("a damaged page", CRC[:30] + bytes([CRC[30] ^ 1]) + CRC[31:],
         refused("input", "not whole Parquet")),
    file("an encrypted footer", b"PARE" + WHOLE[4:-4] + b"PARE", refused("input", "Parquet")),
    file("no rows", written(table(0)), loaded(0)),
    file("no columns", written(pa.table({})), refused("input", "no columns")),
    file("a needed column missing", written(table().drop_columns(["amount"])),
         refused("input", "Payment.amount")),
    file("a column name twice", written(table().append_column("id", pa.array(["x"]))),
         refused("input", "once")),
    large("20,000 columns", _many_columns, refused("input", "2000 columns")),
    large("1,000 row groups", _many_groups, loaded(1000)),
    large("one value of 1 MiB for 2,000,000 rows", _dictionary_bomb, refused("input", "unpacks")),
    large("one value of 2 MiB for all rows", _long_word, refused("input", "longer")),
    large("values that share 500 KB with the first", _prefix_bomb, refused("input", "unpacks")),
    large("300,000,000 rows of nothing", _rows_of_nothing, refused("input", "unpacks")),
    large("a list of 50,000,000 values", _long_list, refused("input", "too large")),
    large("values of 64 MiB", _page_bomb, refused("input", "unpacks")),
    typed("an amount as float", pa.array([0.1 + 0.2]), loaded(0, decimals=1)),
    typed("an amount as NaN", pa.array([float("nan")]), loaded(0, parse=1)),
    typed("an amount as infinity", pa.array([float("inf")]), loaded(0, parse=1)),
    typed("an amount as 1e300", pa.array([1e300]), loaded(0, parse=1)),
    typed("an amount as negative zero", pa.array([-0.0]), loaded(1)),
    typed("an amount as half float", pa.array([1.5], pa.float16()), loaded(1)),
    typed("an amount as a decimal of 76 digits",
          pa.array([Decimal("1e60")], pa.decimal256(76, 2)), loaded(0, overflow=1)),
    typed("an amount as truth", pa.array([True]), loaded(0, parse=1)),
    typed("an amount as bytes", pa.array([b"1.00"]), loaded(1)),
    typed("an amount as bytes that are no text", pa.array([b"\xff\xfe"]), loaded(0, encoding=1)),
    typed("text that is no UTF-8", _no_text(), loaded(0, encoding=1), "customer"),
    typed("text with a zero byte", pa.array(["a\0b"]), loaded(0, control=1), "customer"),
    typed("an amount as a list", pa.array([[1, 2]]), loaded(0, parse=1)),
    typed("an amount as a struct", pa.array([{"value": 1}]), loaded(0, parse=1)),
    typed("an amount as a map", pa.array([[("a", 1)]], pa.map_(pa.string(), pa.int64())),
          loaded(0, parse=1)),
    typed("an amount as unsigned 2^64 - 1", pa.array([2**64 - 1], pa.uint64()), loaded(0, overflow=1)),
    typed("an amount as nulls without type", pa.nulls(1), loaded(0, required=1)),
    typed("lists nested 60 deep", _nested(60), refused("input", "too deeply nested")),
    typed("an instant as a day", pa.array([date(2025, 6, 1)]), loaded(1), "event_time"),
    typed("an instant as a time of day", pa.array([time(10)]), loaded(0, parse=1), "event_time"),
    typed("an instant as a duration", pa.array([timedelta(1)]), loaded(0, parse=1), "event_time"),
    typed("an instant as seconds", pa.array([1_748_772_000]), loaded(0, parse=1), "event_time"),
    typed("an instant of the year 300,000", pa.array([2**63 - 1], pa.timestamp("us")),
          loaded(0, parse=1), "event_time"),
    typed("an instant in milliseconds beyond 64 bits of microseconds", pa.array([2**62], pa.timestamp("ms")),
          loaded(0, parse=1), "event_time"),
    typed("an instant in nanoseconds", pa.array([1_748_772_000_000_000_001], pa.timestamp("ns")),
          loaded(1), "event_time"),
    typed("an instant of a zone that does not exist",
          pa.array([datetime(2025, 6, 1, tzinfo=UTC)], pa.timestamp("us", "Mars/Olympus")),
          loaded(1), "event_time"),
    typed("an instant before the year 1", pa.array([-(2**62)], pa.timestamp("us")),
          loaded(0, parse=1), "event_time"),
]  # fmt: skip
