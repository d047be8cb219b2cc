# SPDX-License-Identifier: Apache-2.0
"""Files: every dialect, encoding and packing gives the same rows; bad records are set aside."""

from __future__ import annotations

import csv
import gzip
import io
import json
import time
from random import Random

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import heptad.sources.files as files_module
from heptad.sources.binding import Format, Source
from heptad.sources.config import Project
from heptad.sources.csvs import Csv
from heptad.sources.files import input_file, listed
from heptad.sources.readers import files_of, reader
from heptad.sources.reading import LONGEST_RECORD
from heptad.standards.errors import Busy, HeptadError, InputError, Refused


def read(folder, name, content, **form):
    """Write a file and return what is read: rows by line, and faults by line."""
    path = folder / name
    path.write_bytes(content)
    return rows_of(folder, name, **form)


def rows_of(folder, name, **form):
    """Return good rows as line → values, and bad ones as line → (fault, text)."""
    source = Source("s", "t", name, format=Format(**form))
    project = Project(folder.resolve(), "p")
    reading = reader(source, project, files_of(source, project))
    good, bad = {}, {}
    for batch in reading.batches():
        for row in batch.to_pylist():
            line, fault, text = (row.pop(n) for n in ("__line", "__fault", "__text"))
            if fault:
                bad[line] = (fault, text)
            else:
                good[line] = row
    return good, bad


def test_lines_are_record_numbers(tmp_path):
    good, bad = read(tmp_path, "a.csv", b'a,b\n1,2\n3\n"x\ny",4\n\n5,6,7\n8,9\n')
    assert good == {
        2: {"a": "1", "b": "2"}, 4: {"a": "x\ny", "b": "4"}, 6: {"a": "8", "b": "9"},
    }  # fmt: skip
    assert bad == {3: ("columns", "3"), 5: ("columns", "5,6,7")}


@pytest.mark.parametrize(
    ("content", "good", "bad"),
    [
        (b'a,b\n1,5" pipe\n', {2: ("1", '5" pipe')}, {}),
        (b'a,b\n1,"bad"q\n2,x\n', {3: ("2", "x")}, {2: "quote"}),
        (b'a,b\n1,""x\n2,x\n', {3: ("2", "x")}, {2: "quote"}),
        (b'a,b\n1,"open\n2,x\n', {3: ("2", "x")}, {2: "quote"}),
        (b'a,b\n1,"a""b"\n2,""\n', {2: ("1", 'a"b'), 3: ("2", None)}, {}),
        (b"a,b\n1,2\n\xff,3\n5,6\n", {2: ("1", "2"), 4: ("5", "6")}, {3: "encoding"}),
        (b"a,b\r1,2\r3,4", {2: ("1", "2"), 3: ("3", "4")}, {}),
        (b"a,b\r\n1,2\r\n", {2: ("1", "2")}, {}),
        (b"\xef\xbb\xbfa,b\n1,2", {2: ("1", "2")}, {}),
        (b"\n\na,b\n1,2\n", {2: ("1", "2")}, {}),
        (b"a,b\n", {}, {}),
        (b"a,b", {}, {}),
    ],
)
def test_quotes_ends_and_marks(tmp_path, content, good, bad):
    found, faults = read(tmp_path, "a.csv", content)
    assert {n: (r["a"], r["b"]) for n, r in found.items()} == good
    assert {n: fault for n, (fault, _) in faults.items()} == bad


def test_a_record_too_long_is_set_aside_and_reading_goes_on(tmp_path):
    long = b"x" * (3 * LONGEST_RECORD)
    for record in (long, b'1,"' + long, b"1," + long):
        good, bad = read(tmp_path, "a.csv", b"a,b\n" + record + b"\n1,2\n")
        assert good == {3: {"a": "1", "b": "2"}}
        assert list(bad) == [2]


cells = st.text("ab,;\"' \n\r\té中", max_size=5)


@settings(max_examples=60)
@given(st.lists(st.tuples(cells, cells, cells), max_size=12), st.sampled_from([7, 64, 8 << 20]))
def test_what_python_writes_is_read_back(tmp_path_factory, rows, block):
    folder = tmp_path_factory.getbasetemp()
    text = io.StringIO()
    writer = csv.writer(text, quoting=csv.QUOTE_ALL)
    writer.writerows([("a", "b", "c"), *rows])
    (folder / "r.csv").write_text(text.getvalue(), newline="")
    reading = Csv(listed("r.csv", folder), Format())
    small = lambda file, *_: iter(lambda: file_of.read(block), b"")  # noqa: E731
    with (folder / "r.csv").open("rb") as file_of, pytest.MonkeyPatch.context() as patch:
        patch.setattr("heptad.sources.csvs.blocks", small)
        found = [row for batch in reading.batches() for row in batch.to_pylist()]
    # Arrow takes every line end for the same one, inside quotes too it keeps them.
    assert [(r["a"], r["b"], r["c"]) for r in found] == [
        tuple(cell or None for cell in row) for row in rows
    ]


@settings(max_examples=80)
@given(st.binary(max_size=60), st.sampled_from(["utf-8", "utf-16", "cp1252", "gb18030"]))
def test_any_bytes_are_rows_faults_or_a_clear_error(tmp_path_factory, content, encoding):
    folder = tmp_path_factory.getbasetemp()
    try:
        good, bad = read(folder, "b.csv", b"a,b\n" + content, encoding=encoding)
    except HeptadError:
        return
    lines = sorted([*good, *bad])
    assert lines == list(range(2, len(lines) + 2))


def test_one_file_in_many_encodings(tmp_path):
    text = "a,b\n1,é\n2,ñ\n" + "".join(f"{n},ü{n}\n" for n in range(3, 2000))
    wanted = read(tmp_path, "u.csv", text.encode())
    assert len(wanted[0]) == 1999
    for encoding in ("utf-8-sig", "latin-1", "cp1252", "utf-16", "utf-16-le", "utf-16-be"):
        assert read(tmp_path, "e.csv", text.encode(encoding), encoding=encoding) == wanted
    chinese = "a,b\n1,中文\n"
    for encoding in ("gb18030", "gbk", "big5"):
        assert read(tmp_path, "e.csv", chinese.encode(encoding), encoding=encoding)[0] == {
            2: {"a": "1", "b": "中文"}
        }


def test_a_byte_that_means_nothing_spoils_its_record_only(tmp_path):
    good, bad = read(tmp_path, "a.csv", b"a,b\n1,\x81\n2,\xe9\n", encoding="cp1252")
    assert good == {3: {"a": "2", "b": "é"}}
    assert bad[2][0] == "encoding"


def test_utf_16_that_is_not_declared_is_named(tmp_path):
    with pytest.raises(InputError, match="UTF-16"):
        read(tmp_path, "a.csv", "a,b\n1,2\n".encode("utf-16"))


def test_packed_files_and_separators(tmp_path):
    plain = b"a\tb\n1\tx,y\n"
    packed = pa.Codec("zstd").compress(plain, asbytes=True)
    wanted = ({2: {"a": "1", "b": "x,y"}}, {})
    assert read(tmp_path, "a.tsv", plain) == wanted
    assert read(tmp_path, "a.tsv.gz", gzip.compress(plain)) == wanted
    assert read(tmp_path, "a.tsv.zst", packed) == wanted
    assert read(tmp_path, "b.tsv.gz", gzip.compress(plain) * 1 + gzip.compress(b"2\tz\n")) == (
        {2: {"a": "1", "b": "x,y"}, 3: {"a": "2", "b": "z"}}, {},
    )  # fmt: skip
    assert read(tmp_path, "c.csv", b"1|2\n", separator="|", header=False, columns=("a", "b")) == (
        {1: {"a": "1", "b": "2"}}, {},
    )  # fmt: skip
    aligned = b"  id   name\r\n   1   x  \r\n  22   y"
    assert read(tmp_path, "d.txt", aligned, separator=" ") == (
        {2: {"id": "1", "name": "x"}, 3: {"id": "22", "name": "y"}}, {},
    )  # fmt: skip


def test_null_markers(tmp_path):
    good, _ = read(tmp_path, "a.csv", b"a,b\nNA,\n-,x\n", null=("NA", "-"))
    assert good == {2: {"a": None, "b": None}, 3: {"a": None, "b": "x"}}


def test_a_cut_file_is_refused(tmp_path):
    whole = gzip.compress(b"a,b\n" + b"1,2\n" * 100_000)
    with pytest.raises(InputError, match="to its end"):
        read(tmp_path, "a.csv.gz", whole[: len(whole) // 2])


def test_a_bomb_is_refused_early(tmp_path, monkeypatch):
    monkeypatch.setattr(files_module, "FREE_BYTES", 1 << 20)
    bomb = gzip.compress(b"a,b\n" + b"0" * (64 << 20), 9)
    begun = time.process_time()
    with pytest.raises(InputError, match="unpacks"):
        read(tmp_path, "a.csv.gz", bomb)
    assert time.process_time() - begun < 2


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "empty"),
        (b"\n\n", "empty"),
        (b"a,A\n1,2\n", "each must be there once"),
        (b"__line,b\n", "not begin with __"),
        (b",".join(b"c%d" % n for n in range(3000)) + b"\n", "at most 2000 columns"),
        (b",".join(b"c%d" % n for n in range(1_000_000)) + b"\n1\n", "cannot be read"),
        (b"a;b\n" + b"1;2,3\n" * 100, "Most records"),
        (b'"a,b\n1,2\n', "cannot be read"),
    ],
)
def test_a_file_that_makes_no_sense_is_refused_whole(tmp_path, content, says):
    begun = time.process_time()
    with pytest.raises(InputError, match=says) as met:
        read(tmp_path, "a.csv", content)
    assert met.value.place
    assert time.process_time() - begun < 2


def test_files_of_one_source_may_have_other_columns(tmp_path):
    (tmp_path / "1.csv").write_text("a,b\n1,2\n")
    (tmp_path / "2.csv").write_text("b,c\n3,4\n")
    good, _ = rows_of(tmp_path, "*.csv")
    assert list(good.values()) == [
        {"a": "1", "b": "2", "c": None}, {"a": None, "b": "3", "c": "4"},
    ]  # fmt: skip
    assert list(good) == [2, (1 << 40) + 2]


def test_json_lines_keep_every_digit(tmp_path):
    lines = [
        '{"a": 12345678901234567890.10, "b": {"c": true, "d": [1, 2.50]}, "e": null, "f": ""}',
        "not json", "[1]", '{"a": 1, "late": "x"}', "", '{"a": NaN}', '{"a": "\\u00e9"}',
    ]  # fmt: skip
    good, bad = read(tmp_path, "a.jsonl", "\n".join(lines).encode())
    assert good[1] == {
        "a": "12345678901234567890.10", "b.c": "true", "b.d": '["1", "2.50"]', "e": None,
        "f": None, "late": None,
    }  # fmt: skip
    assert good[4]["late"] == "x"
    assert good[6]["a"] == "é"
    assert {n: fault for n, (fault, _) in bad.items()} == {2: "json", 3: "json", 5: "json"}
    assert read(tmp_path, "b.jsonl.gz", gzip.compress("\n".join(lines).encode())) == (good, bad)


def test_json_lines_that_are_none(tmp_path):
    with pytest.raises(InputError, match="not JSON objects"):
        read(tmp_path, "a.jsonl", b"a,b\n1,2\n")
    deep = b'{"a":' * 5000 + b"1" + b"}" * 5000 + b'\n{"a": 1}\n'
    assert read(tmp_path, "b.jsonl", deep)[1][1][0] == "json"


def test_parquet_is_read_as_text(tmp_path):
    from datetime import UTC, date, datetime
    from decimal import Decimal

    table = pa.table(
        {
            "n": [1, None],
            "amount": pa.array([Decimal("1.10"), Decimal("2.00")]),
            "at": pa.array([datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC), None]),
            "local": pa.array([datetime(2026, 1, 2, 3, 4, 5), None], pa.timestamp("ns")),  # noqa: DTZ001
            "day": pa.array([date(2026, 1, 2), None]),
            "flag": [True, None],
            "x": [0.1, 1e20],
            "code": pa.array(["a", "b"]).dictionary_encode(),
            "list": [[1, 2], None],
        }
    )
    pq.write_table(table, tmp_path / "a.parquet")
    good, bad = rows_of(tmp_path, "a.parquet")
    assert not bad
    assert good[1] == {
        "n": "1", "amount": "1.10", "at": "2026-01-02 03:04:05.000006Z",
        "local": "2026-01-02 03:04:05.000000", "day": "2026-01-02", "flag": "true", "x": "0.1",
        "code": "a", "list": "[1, 2]",
    }  # fmt: skip
    assert [v for v in good[2].values() if v is not None] == ["2.00", "1e+20", "b"]
    (tmp_path / "b.parquet").write_bytes((tmp_path / "a.parquet").read_bytes()[:-9])
    with pytest.raises(InputError, match="not whole Parquet"):
        rows_of(tmp_path, "b.parquet")


def test_a_source_stays_in_its_folders(tmp_path):
    home, other = tmp_path / "home", tmp_path / "other"
    home.mkdir()
    other.mkdir()
    (other / "a.csv").write_text("a\n1\n")
    (home / "link.csv").symlink_to(other / "a.csv")
    (home / "folder.csv").mkdir()
    with pytest.raises(Refused, match="outside") as met:
        listed("link.csv", home)
    assert "allow" in met.value.do
    with pytest.raises(Refused):
        listed("../other/*.csv", home)
    with pytest.raises(Refused):
        listed(str(other / "a.csv"), home)
    assert listed("link.csv", home, [other])[0].name == "link.csv"
    with pytest.raises(InputError, match="regular"):
        listed("folder.csv", home)
    (home / "tx_1.csv").write_text("a\n1\n")
    with pytest.raises(InputError, match="No file") as met:
        listed("tx_2.csv", home)
    assert "tx_1.csv" in met.value.do


def test_a_file_that_changes_while_it_is_read_is_refused(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("a\n1\n")
    reading = Csv([input_file(path, "a.csv")], Format())
    path.write_text("a\n1\n2\n")
    with pytest.raises(Busy, match="changed"):
        list(reading.batches())


def test_a_kind_of_source_that_is_not_read_yet(tmp_path):
    project = Project(tmp_path, "p")
    with pytest.raises(InputError, match="changed on its way"):
        files_of(Source("s", "t", "http://bank.example/a.csv"), project)


def test_blocks_may_end_anywhere(tmp_path, monkeypatch):
    random = Random(3)
    rows = [
        (f"{n}", 'a"b\nc,d' * random.randint(0, 2), "x" * random.randint(0, 9)) for n in range(300)
    ]
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([("a", "b", "c"), *rows])
    wanted = read(tmp_path, "a.csv", text.getvalue().encode())
    assert len(wanted[0]) == 300
    for size in (1, 2, 3, 50, 1000):
        real = files_module.blocks
        monkeypatch.setattr(
            "heptad.sources.csvs.blocks",
            lambda file, kind, _, meter=None, size=size, real=real: real(file, kind, size, meter),
        )
        assert rows_of(tmp_path, "a.csv") == wanted
        monkeypatch.setattr("heptad.sources.csvs.blocks", real)
    assert json.dumps(wanted[0][2])
