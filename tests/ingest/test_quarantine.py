# SPDX-License-Identifier: Apache-2.0
"""Quarantine: nothing without its reason, nothing readable without its key, nothing half written."""

from __future__ import annotations

import pyarrow as pa
import pytest

from heptad.ingest.masking import _harmless
from heptad.ingest.quarantine import Origin, Quarantine, Refusals, about
from heptad.ingest.reasons import REASONS, UNREADABLE, explain
from heptad.security.keys import Keys
from heptad.security.masks import HIDDEN
from heptad.standards.errors import Corrupt


@pytest.fixture
def keys(tmp_path):
    with Keys(tmp_path / "keys") as opened:
        yield opened


def written(folder, keys, *, sealed=True, load=1):
    """Write a file with two rows and one record that could not be read."""
    origin = Origin("Payment", "core", load, "arrival", ("a", "card"), ("card",), sealed)
    quarantine = Quarantine(folder / "quarantine", keys)
    refusals = Refusals(quarantine.path("Payment", load), origin, keys)
    refusals.add(
        pa.array(["parse|amount", "columns|"]), pa.array(["b.csv", "a.csv"]), pa.array([9, 4]),
        pa.array(['{"a":"x","card":"4111"}', "half;a;row"]),
    )  # fmt: skip
    refusals.add(
        pa.array(["erased|"]), pa.array(["a.csv"]), pa.array([7]), pa.array([None], pa.string())
    )
    refusals.close()
    return quarantine


def test_rows_are_shown_masked_or_clear(tmp_path, keys):
    quarantine = written(tmp_path, keys)
    shown = quarantine.show("Payment")
    assert [(r.file, r.line, r.reason, r.field, r.raw) for r in shown] == [
        ("a.csv", 4, "columns", "", HIDDEN), ("a.csv", 7, "erased", "", None),
        ("b.csv", 9, "parse", "amount", f'{{"a": "x", "card": "{HIDDEN}"}}'),
    ]  # fmt: skip
    assert shown[2].sentence == "Payment.amount cannot be read as what it should be."
    clear = quarantine.show("Payment", clear=True)
    assert [r.raw for r in clear] == ["half;a;row", None, '{"a":"x","card":"4111"}']
    assert [r.line for r in quarantine.show("Payment", reason="parse")] == [9]
    assert len(quarantine.show("Payment", limit=1)) == 1
    assert b"4111" not in quarantine.path("Payment", 1).read_bytes()


def test_a_table_without_personal_fields_is_shown_as_it_is(tmp_path, keys):
    quarantine = written(tmp_path, keys, sealed=False)
    assert quarantine.show("Payment")[0].raw == "half;a;row"


def test_nothing_is_written_for_nothing(tmp_path, keys):
    quarantine = Quarantine(tmp_path / "quarantine", keys)
    origin = Origin("Payment", "core", 1, "arrival", ("a",))
    refusals = Refusals(quarantine.path("Payment", 1), origin, keys)
    refusals.close()
    assert quarantine.tables() == []
    assert quarantine.show("Payment") == []
    assert not (tmp_path / "quarantine").exists()


def test_another_key_does_not_open_it(tmp_path, keys):
    written(tmp_path, keys)
    with Keys(tmp_path / "others") as others, pytest.raises(Corrupt, match="key"):
        Quarantine(tmp_path / "quarantine", others).show("Payment")


def test_damage_is_found(tmp_path, keys):
    quarantine = written(tmp_path, keys)
    path = quarantine.path("Payment", 1)
    path.write_bytes(path.read_bytes()[:50])
    whole = path.read_bytes()
    path.write_bytes(whole[:50])
    with pytest.raises(Corrupt, match="damaged"):
        about(path)
    pages = len(whole) - 8 - int.from_bytes(whole[-8:-4], "little")
    for place in range(4, pages, 61):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(Corrupt):
            quarantine.show("Payment")


def test_an_abandoned_file_leaves_nothing(tmp_path, keys):
    origin = Origin("Payment", "core", 1, "arrival", ("a",))
    path = tmp_path / "quarantine" / "Payment" / "00000001.parquet"
    refusals = Refusals(path, origin, keys)
    refusals.add(pa.array(["json|"]), pa.array([""]), pa.array([1]), pa.array(["x"]))
    refusals.close()
    refusals.abandon()
    assert not list(path.parent.iterdir())


def test_every_reason_has_a_sentence_and_a_cure():
    for code, reason in REASONS.items():
        assert reason.id == f"ingest.{code}"
        assert explain(code, "Payment.amount").endswith(".")
        assert reason.do
    assert set(REASONS) > UNREADABLE


# Keys of loads


def test_every_file_has_a_key_of_its_own_that_goes_with_it(tmp_path, keys):
    quarantine = written(tmp_path, keys, sealed=False)
    written(tmp_path, keys, load=2)
    first, second = (about(path).key for path in quarantine.paths("Payment"))
    assert keys.disposables() == [first, second]
    assert b"half;a;row" not in quarantine.path("Payment", 1).read_bytes()
    old = quarantine.path("Payment", 1).read_bytes()
    assert quarantine.drop("Payment", load=1) == 3
    assert keys.disposables() == [second]
    quarantine.path("Payment", 1).write_bytes(old)
    with pytest.raises(Corrupt, match="key of a load"):
        quarantine.show("Payment", load=1)


def test_rows_taken_out_leave_the_others_as_they_were_and_the_old_file_closed(tmp_path, keys):
    quarantine = written(tmp_path, keys)
    path = quarantine.path("Payment", 1)
    before, old = quarantine.show("Payment", clear=True), path.read_bytes()
    assert quarantine.without(path, lambda row: row.line == 99) == 0
    assert path.read_bytes() == old
    assert quarantine.without(path, lambda row: row.line == 4) == 1
    assert quarantine.show("Payment", clear=True) == before[1:]
    assert quarantine.without(path, lambda row: row.line == 7) == 1
    assert quarantine.show("Payment", clear=True) == before[2:]
    assert len(keys.disposables()) == 1
    path.write_bytes(old)
    with pytest.raises(Corrupt, match="key of a load"):
        quarantine.show("Payment", clear=True)


def test_keys_that_no_file_names_are_swept(tmp_path, keys):
    quarantine = written(tmp_path, keys)
    keys.disposable("quarantine|Payment|7|1")
    keys.disposable("quarantine|Gone|7|1")
    keys.disposable("another")
    assert quarantine.sweep() == 2
    assert len(quarantine.show("Payment", clear=True)) == 3
    quarantine.path("Payment", 1).write_bytes(b"damaged")
    assert quarantine.sweep() == 0
    assert len(keys.disposables()) == 2


def test_a_plan_leaves_no_key(tmp_path, keys):
    origin = Origin("Payment", "core", 0, "arrival", ("a",), ("a",), True)
    refusals = Refusals(tmp_path / "refused", origin, keys)
    refusals.add(
        pa.array(["columns|"]), pa.array(["a.csv"]), pa.array([1]), pa.array(["a secret row"])
    )
    refusals.close()
    assert b"a secret row" not in (tmp_path / "refused").read_bytes()
    refusals.abandon()
    assert keys.disposables() == []


def test_files_of_the_first_release_open(tmp_path, keys, monkeypatch):
    from heptad.ingest import quarantine as module

    pepper = module.AESGCM(keys.pepper("quarantine|Payment|1"))
    monkeypatch.setattr(Refusals, "_made", lambda self: pepper)
    quarantine = written(tmp_path, keys)
    assert about(quarantine.path("Payment", 1)).key == ""
    assert quarantine.show("Payment", clear=True)[0].raw == "half;a;row"
    assert quarantine.drop("Payment", reason="columns") == 1
    assert about(quarantine.path("Payment", 1)).key == "quarantine|Payment|1|1"
    assert quarantine.show("Payment", clear=True)[1].raw == '{"a":"x","card":"4111"}'


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("31.02.2026", "31.02.2026"), ("2026-03-01T09:00:00Z", "2026-03-01T09:00:00Z"),
        ("autorised", "autorised"), ("EUR", "EUR"), ("p17", "p17"), ("-1,250.50", "-1,250.50"),
        (12.5, 12.5), (None, None), (True, True),
        ("Ana Gil", "Aaa Aaa"), ("X0041223B", "A9999999A"), ("+34699123000", "+99999999999"),
        ("ana@example.org", "aaa@aaaaaaa.aaa"), (34699123000, "99999999999"), (["Ana"], HIDDEN),
        ("Örnsköld", "Aaaaaaaa"), ("x" * 900, "a" * 80),
    ],
)  # fmt: skip
def test_what_may_have_slipped_in_from_the_next_column_is_shown_by_its_shape(text, shown):
    assert _harmless(text) == shown
