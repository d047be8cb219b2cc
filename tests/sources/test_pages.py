# SPDX-License-Identifier: Apache-2.0
"""Page headers of Parquet: those of whole files pass, those that promise too much do not."""

from __future__ import annotations

import io

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from heptad.sources.pages import check_footer, check_pages

TABLE = pa.table(
    {
        "text": [f"value {n}" for n in range(5000)],
        "word": ["same"] * 5000,
        "list": [[n, n + 1] for n in range(5000)],
        "pair": [{"a": n, "b": None} for n in range(5000)],
        "none": pa.nulls(5000),
    }
)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"data_page_version": "2.0"},
        {"compression": "none", "data_page_size": 500},
        {"compression": "zstd", "write_page_checksum": True, "write_page_index": True},
        {"row_group_size": 700, "use_dictionary": False},
        {"use_dictionary": False, "column_encoding": {"text": "DELTA_BYTE_ARRAY"}},
    ],
    ids=str,
)
def test_whole_files_pass(tmp_path, options):
    path = tmp_path / "a.parquet"
    pq.write_table(TABLE, path, **options)
    metadata = pq.read_metadata(path)
    check_footer(path, metadata.schema)
    check_pages(path, metadata)


def _header(unpacked: int, packed: int, values: int) -> bytes:
    """A header of a data page: type, two sizes, and the values of a struct in field 5."""
    return (
        b"\x15\x00\x15"
        + _zigzag(unpacked)
        + b"\x15"
        + _zigzag(packed)
        + b"\x2c\x15"
        + _zigzag(values)
        + b"\x00\x00"
    )


def _zigzag(value: int) -> bytes:
    value <<= 1
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


@pytest.mark.parametrize(
    ("header", "says"),
    [
        (_header(2**31 - 1, 10, 3), "larger than all"),
        (_header(10, 10, 2**31 - 1), "more than all"),
        (_header(10, 2**31 - 1, 3), "ends behind all"),
        (b"\x15\x00\x15\x09\x15\x00\x00", "lacks a size"),
        (b"\x1b" * 40, "what none has"),
        (b"\x19" * 40, "nested too deeply"),
        (b"\x1c" * 40, "nested too deeply"),
        (b"\x15" + b"\xff" * 40, "has no end"),
        (b"\x15\x00", "has no end"),
    ],
)
def test_a_header_that_promises_too_much_is_refused(tmp_path, header, says):
    """Arrow would allocate what it says: up to 2 GiB for a file of a kilobyte."""
    sink = io.BytesIO()
    pq.write_table(pa.table({"a": ["x", "y", "z"]}), sink, use_dictionary=False)
    metadata = pq.read_metadata(io.BytesIO(sink.getvalue()))
    path = tmp_path / "a.parquet"
    path.write_bytes(sink.getvalue()[: metadata.row_group(0).column(0).data_page_offset] + header)
    with pytest.raises(ValueError, match=says):
        check_pages(path, metadata)


@pytest.mark.parametrize("name", ["text", "list"])
def test_counts_of_levels_that_a_column_does_not_have_are_refused(tmp_path, name):
    """pyarrow ends the process when it meets them: one such file would stop the server."""
    path, other = tmp_path / "a.parquet", tmp_path / "b.parquet"
    pq.write_table(TABLE.select([name]), path)
    nested = pa.table({name: [[[1]], None]})
    pq.write_table(nested, other)
    with pytest.raises(ValueError, match="counts of other levels"):
        check_footer(path, pq.read_metadata(other).schema)


def test_a_row_group_with_other_columns_is_refused(tmp_path):
    path, other = tmp_path / "a.parquet", tmp_path / "b.parquet"
    pq.write_table(TABLE.select(["text"]), path)
    pq.write_table(TABLE.select(["text", "word"]), other)
    with pytest.raises(ValueError, match="other columns"):
        check_footer(path, pq.read_metadata(other).schema)


@pytest.mark.parametrize("group", [5, {1: 5}, {1: [5] * 6}, {1: [{3: {16: {2: 5}}}] * 6}], ids=str)
def test_a_footer_with_values_of_other_kinds_is_refused(tmp_path, monkeypatch, group):
    path = tmp_path / "a.parquet"
    pq.write_table(TABLE, path)
    schema = pq.read_metadata(path).schema
    monkeypatch.setattr("heptad.sources.pages._Compact.struct", lambda _: {4: [group]})
    with pytest.raises(ValueError, match="other"):
        check_footer(path, schema)
