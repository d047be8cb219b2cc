# SPDX-License-Identifier: Apache-2.0
"""A sealed cell opens to its text in its place and under its key, and nowhere else."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import pyarrow as pa
import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given, settings
from hypothesis import strategies as st

from heptad.security import sealing, slices
from heptad.security.keys import Keys
from heptad.security.sealing import OVERHEAD, canonical, open_sealed, seal_rows
from heptad.standards.errors import ContractError, Corrupt, Refused

texts = st.lists(st.none() | st.text(st.characters(exclude_categories=["Cs"])), max_size=12)


def seal(values, subjects, keys, table, column):
    return seal_rows({column: values}, (), subjects, keys, table).cells[column]


def content_hash(columns, subjects, keys):
    return seal_rows({}, columns, subjects, keys, "").hashes


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    with Keys(tmp_path_factory.mktemp("shared") / "keys") as keys:
        yield keys


@pytest.fixture
def keys(tmp_path):
    with Keys(tmp_path / "keys") as keys:
        yield keys


def words(*values: str | None) -> pa.Array:
    return pa.array(values, pa.string())


def opened(cells, subjects, keys, table="Customer", column="name"):
    return open_sealed(cells, subjects, keys, table, column)


# Canonical text


@given(st.lists(st.none() | st.integers(-(2**63), 2**63 - 1), max_size=8))
@settings(max_examples=30, deadline=None)
def test_integers_are_decimal(values):
    wanted = [None if v is None else str(v) for v in values]
    assert canonical(pa.array(values, pa.int64())).to_pylist() == wanted


@given(
    st.lists(
        st.none() | st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30)),  # noqa: DTZ001
        max_size=8,
    ),
    st.sampled_from([None, "UTC", "Europe/Madrid", "+05:30"]),
)
@settings(max_examples=50, deadline=None)
def test_instants_are_utc_with_six_decimals(values, zone):
    def text(value):
        return f"{value.year:04d}" + value.strftime("-%m-%dT%H:%M:%S.%fZ")

    utc = [None if v is None else v.replace(tzinfo=UTC) for v in values]
    array = pa.array(utc, pa.timestamp("us", "UTC")).cast(pa.timestamp("us", zone or "UTC"))
    if zone is None:
        array = pa.array(values, pa.timestamp("us"))
    assert canonical(array).to_pylist() == [None if v is None else text(v) for v in utc]


def test_other_kinds_have_one_text():
    assert canonical(pa.array([True, False, None])).to_pylist() == ["true", "false", None]
    assert canonical(pa.array([date(2024, 2, 29)])).to_pylist() == ["2024-02-29"]
    moment = datetime(2024, 2, 29, 1, tzinfo=timezone(timedelta(hours=2)))
    assert canonical(pa.array([moment], pa.timestamp("s", "UTC"))).to_pylist() == [
        "2024-02-28T23:00:00.000000Z"
    ]
    assert canonical(pa.array(["x", None, "x"]).dictionary_encode()).to_pylist() == ["x", None, "x"]
    assert canonical(pa.array(["x"], pa.large_string())).to_pylist() == ["x"]
    assert canonical(pa.array([None])).to_pylist() == [None]


@pytest.mark.parametrize("array", [pa.array([0.1]), pa.array([b"x"]), pa.array([[1]])])
def test_a_value_without_exact_text_is_refused(array):
    with pytest.raises(ContractError, match="no canonical text"):
        canonical(array)


# Sealing and opening


@given(values=texts, people=st.lists(st.sampled_from("abc"), min_size=12, max_size=12))
@settings(max_examples=60, deadline=None)
def test_what_is_sealed_opens(shared, values, people):
    array, subjects = pa.array(values, pa.string()), pa.array(people[: len(values)], pa.string())
    cells = seal(array, subjects, shared, "Customer", "name")
    assert cells.type == pa.binary()
    assert [c.is_valid for c in cells] == [v is not None for v in values]
    for cell, value in zip(cells.to_pylist(), values, strict=True):
        assert value is None or len(cell) == len(value.encode()) + OVERHEAD
        assert not value or len(value) < 4 or value.encode() not in cell
    got = opened(cells, subjects, shared)
    assert got.values.equals(array)
    assert got.erased.to_pylist() == [False] * len(values)


def test_a_cell_is_what_the_format_says(keys):
    (cell,) = seal(words("Ana"), words("c|1"), keys, "Customer", "name").to_pylist()
    (key,) = keys.of(["c|1"])
    assert cell[0] == 1
    plain = AESGCM(key).decrypt(cell[1:13], cell[13:], b"Customer|name|c|1")
    assert plain == b"Ana"


def test_slices_chunks_and_dictionaries_are_the_same_to_it(keys, monkeypatch):
    monkeypatch.setattr(sealing, "_SLICE", 47)
    monkeypatch.setattr(slices, "_BLOCK", 3)
    values = pa.array([None if i % 5 == 0 else f"v{i}" for i in range(100)])
    people = pa.array([f"c{i * 7 % 9}" for i in range(100)])
    chunks = pa.chunked_array([values.slice(0, 33), values.slice(33)])
    cells = seal(chunks, people.dictionary_encode(), keys, "T", "c")
    assert opened(cells, people, keys, "T", "c").values.equals(values)
    part = opened(cells.slice(40, 20), people.slice(40, 20), keys, "T", "c")
    assert part.values.equals(values.slice(40, 20))
    assert open_sealed(pa.chunked_array([cells]), people, keys, "T", "c").values.equals(values)
    hashes = content_hash([values], people, keys)
    monkeypatch.undo()
    assert content_hash([chunks], people, keys).equals(hashes)
    assert len(seal(values[:0], people[:0], keys, "T", "c")) == 0
    assert len(opened(cells[:0], people[:0], keys, "T", "c").values) == 0


def test_columns_sealed_and_hashed_together_are_as_each_alone(keys, monkeypatch):
    monkeypatch.setattr(sealing, "_SLICE", 47)
    monkeypatch.setattr(slices, "_BLOCK", 5)
    one = pa.array([None if i % 7 == 0 else f"v{i}" for i in range(100)])
    two = pa.array([None if i % 3 == 0 else f"{i}" for i in range(100)])
    people = pa.array([None if i % 21 == 0 else f"c{i * 7 % 9}" for i in range(100)])
    found = seal_rows({"one": one, "two": two}, [one, two], people, keys, "T")
    assert opened(found.cells["one"], people, keys, "T", "one").values.equals(one)
    assert opened(found.cells["two"], people, keys, "T", "two").values.equals(two)
    assert found.hashes.equals(content_hash([one, two], people, keys))
    monkeypatch.undo()
    assert found.hashes.equals(content_hash([one, two], people, keys))


def test_equal_values_do_not_look_equal(keys):
    cells = seal(words(*["Ana"] * 200), words(*["a"] * 200), keys, "T", "c").to_pylist()
    assert len({cell[1:13] for cell in cells}) == 200
    assert len({cell[13:16] for cell in cells}) > 150


def test_nulls_ask_for_no_key_and_no_subject(keys):
    cells = seal(words(None, "x", None), words("a", "b", None), keys, "T", "c")
    assert cells.null_count == 2
    assert keys.of(["a", "b"], create=False)[0] is None
    assert opened(cells, words("a", "b", None), keys, "T", "c").values.to_pylist() == [
        None,
        "x",
        None,
    ]


def test_a_value_needs_a_subject(keys):
    with pytest.raises(ContractError, match="1 row"):
        seal(words("x", "y", None), words("a", None, None), keys, "T", "c")
    with pytest.raises(ContractError, match="needs its subject"):
        seal(words("x"), words("a", "b"), keys, "T", "c")
    with pytest.raises(ContractError, match="must be text"):
        seal(words("x"), pa.array([1]), keys, "T", "c")
    with pytest.raises(ContractError, match=r"'\|'"):
        seal(words("x"), words("a"), keys, "T", "c|d")


# Tampering


def test_every_flipped_bit_is_found(keys):
    subjects = words("a")
    (cell,) = seal(words("Ana María"), subjects, keys, "T", "c").to_pylist()
    for at in range(len(cell)):
        for bit in range(8):
            bad = cell[:at] + bytes([cell[at] ^ 1 << bit]) + cell[at + 1 :]
            with pytest.raises(Corrupt, match=r"T\.c at row 0 does not match its seal"):
                opened(pa.array([bad]), subjects, keys, "T", "c")


@pytest.mark.parametrize("length", [0, 1, 5, 13, 28, 31])
def test_a_cut_cell_is_found(keys, length):
    (cell,) = seal(words("Ana"), words("a"), keys, "T", "c").to_pylist()
    with pytest.raises(Corrupt, match="does not match"):
        opened(pa.array([cell[:length]]), words("a"), keys, "T", "c")


def test_a_moved_cell_is_found(keys):
    people = words("a", "b")
    cells = seal(words("Ana", "Bea"), people, keys, "T", "c")
    with pytest.raises(Corrupt, match="row 0"):
        opened(cells.take(pa.array([1, 0])), people, keys, "T", "c")
    with pytest.raises(Corrupt):
        opened(cells, people, keys, "T", "d")
    with pytest.raises(Corrupt):
        opened(cells, people, keys, "U", "c")
    with pytest.raises(Corrupt, match="row 1"):
        opened(pa.array([cells[0].as_py(), cells[0].as_py()]), people, keys, "T", "c")


def test_the_row_named_is_the_row_meant(keys, monkeypatch):
    monkeypatch.setattr(sealing, "_SLICE", 4)
    people = words(*"abcdefghij")
    cells = seal(people, people, keys, "T", "c").to_pylist()
    cells[6] = cells[5]
    with pytest.raises(Corrupt, match="at row 6 "):
        opened(pa.array(cells), people, keys, "T", "c")


# Erasure


def test_an_erased_subject_is_unreadable_and_the_others_unchanged(keys):
    people = words("a", "b", "a", "c", "a")
    values = words("Ana", "Bea", "García", "Cai", None)
    cells = seal(values, people, keys, "T", "c")
    keys.destroy("a")
    for _ in range(2):
        got = opened(cells, people, keys, "T", "c")
        assert got.values.to_pylist() == [None, "Bea", None, "Cai", None]
        assert got.erased.to_pylist() == [True, False, True, False, False]
        keys.new_epoch()
    with pytest.raises(Refused, match="erased"):
        seal(values, people, keys, "T", "c")


def test_who_comes_back_does_not_bring_back_the_past(keys):
    people = words("a", "a")
    (old,) = seal(words("Ana"), words("a"), keys, "T", "c").to_pylist()
    keys.destroy("a")
    keys.of(["a"], revive=True)
    (new,) = seal(words("Ana"), words("a"), keys, "T", "c").to_pylist()
    got = opened(pa.array([old, new]), people, keys, "T", "c")
    assert got.values.to_pylist() == [None, "Ana"]
    assert got.erased.to_pylist() == [True, False]


def test_a_lost_key_is_not_taken_for_an_erasure(keys, tmp_path):
    cells = seal(words("Ana"), words("a"), keys, "T", "c")
    with Keys(tmp_path / "other") as other, pytest.raises(Corrupt, match="never destroyed"):
        opened(cells, words("a"), other, "T", "c")


# Content hash

rows = st.lists(
    st.tuples(
        st.sampled_from(["a", "b", None]),
        st.sampled_from([None, "", "-", ":", "1:x", "x", "xx", ","]),
        st.sampled_from([None, "", "-", "x", "1:x,", "xx"]),
        st.sampled_from([None, 0, 1, 11]),
    ),
    min_size=1,
    max_size=30,
)


@given(rows=rows)
@settings(max_examples=60, deadline=None)
def test_hashes_are_equal_just_where_rows_are(shared, rows):
    people, one, two, three = (list(column) for column in zip(*rows, strict=True))
    columns = [words(*one), words(*two), pa.array(three, pa.int64())]
    hashes = content_hash(columns, words(*people), shared)
    assert hashes.type == pa.int64()
    by_row = dict(zip(rows, hashes.to_pylist(), strict=True))
    assert [by_row[row] for row in rows] == hashes.to_pylist()
    assert len(set(by_row.values())) == len(set(rows))


class OneKey:
    """A key store with one key, known in advance, for everybody."""

    def of(self, subjects, create=True, *, revive=False):
        return [bytes(range(32)) for _ in subjects]

    def erasures(self, subjects):
        return {}

    def pepper(self, name):
        return bytes(32)


def test_hashes_and_cells_of_earlier_releases_stay_good():
    columns = [words("Ana"), words(None), pa.array([42])]
    assert content_hash(columns, words("a"), OneKey()).to_pylist() == [6439953282028258777]
    cell = b"\x01" + bytes(12) + AESGCM(bytes(range(32))).encrypt(bytes(12), b"Ana", b"T|c|a")
    assert opened(pa.array([cell]), words("a"), OneKey(), "T", "c").values.to_pylist() == ["Ana"]


def test_a_hash_lasts_as_long_as_the_person(keys, tmp_path):
    one = content_hash([words("Ana")], words("a"), keys)
    keys.new_epoch()
    assert content_hash([words("Ana")], words("a"), keys).equals(one)
    with Keys(tmp_path / "other") as other:
        assert not content_hash([words("Ana")], words("a"), other).equals(one)
    keys.destroy("a")
    with pytest.raises(Refused):
        content_hash([words("Ana")], words("a"), keys)
    keys.of(["a"], revive=True)
    assert not content_hash([words("Ana")], words("a"), keys).equals(one)


def test_hashes_use_all_64_bits(keys):
    values = pa.array(range(4000))
    hashes = content_hash([values], pa.array(["a"] * 4000), keys).to_numpy()
    for bit in range(64):
        assert 1800 < ((hashes >> bit) & 1).sum() < 2200
