# SPDX-License-Identifier: Apache-2.0
"""A mask shows what it may and nothing else."""

from __future__ import annotations

import re

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heptad.security.masks import HIDDEN, mask, mask_array, mask_message, mask_pan, redact
from heptad.security.tokens import pan_token
from heptad.standards.fields import Instant, Integer, Place, Text
from heptad.standards.tables import Table

PAN = "4111111111111111"
TOKEN = pan_token(PAN, bytes(32))


class Holder(Table):
    """One holder of a card."""

    id = Text("Surrogate id", key=True, subject=True)
    event_time = Instant("When it was seen")
    name = Text("Full name", personal=True)
    points = Integer("Points collected")
    card = Text("Card number", personal=True, pan=True)
    home = Place("Where the holder lives", personal=True)
    shop = Place("Where the shop stands")


@given(value=st.text(min_size=1))
@settings(max_examples=100, deadline=None)
def test_a_name_leaves_nothing_and_hides_its_length(value):
    assert mask(value, Holder.name) == HIDDEN or "@" in value


def test_values_by_kind():
    assert mask(None, Holder.name) is None
    assert mask("ana.garcia@example.org", Holder.name) == "a•••@•••"
    assert mask("ana garcia@example.org", Holder.name) == HIDDEN
    assert mask(1234, Holder.points) == HIDDEN
    assert mask(b"sealed", Holder.name) == HIDDEN
    assert mask(TOKEN, Holder.card) == "411111••••••1111"
    assert mask(PAN, Holder.card) == "411111••••••1111"
    assert mask("4111111111111112", Holder.card) == HIDDEN
    assert mask(TOKEN, Holder.name) == HIDDEN
    assert mask("404167754,-37037902", Holder.home) == "404000000,-38000000"
    assert mask("Calle Mayor 1", Holder.home) == HIDDEN
    assert mask(-37_037_902, Holder.shop) == -38_000_000


@given(stem=st.text("0123456789", min_size=11, max_size=18), check=st.integers(0, 9))
@settings(max_examples=200, deadline=None)
def test_no_more_of_a_card_than_bin_and_four(stem, check):
    pan = f"{stem}{check}"
    shown = mask_pan(pan)
    assert shown in (HIDDEN, f"{pan[:6]}••••••{pan[-4:]}")
    assert len(re.sub(r"\D", "", redact(f"pan={pan};"))) in (0, 10)


@given(
    lat=st.integers(-900_000_000, 900_000_000),
    near=st.integers(0, 999_999),
)
@settings(max_examples=50, deadline=None)
def test_all_places_of_a_cell_look_alike(lat, near):
    corner = lat // 1_000_000 * 1_000_000
    assert mask(corner + near, Holder.shop) == mask(lat, Holder.shop) == corner
    assert abs(lat - corner) < 1_000_000


def test_columns_are_masked_like_values():
    cells = pa.array([b"\x01secret", None])
    assert mask_array(cells, Holder.name).to_pylist() == [HIDDEN, None]
    tokens = pa.array([TOKEN, None, TOKEN])
    card = "411111••••••1111"
    assert mask_array(tokens, Holder.card).to_pylist() == [card, None, card]
    chunks = pa.chunked_array([tokens.slice(0, 1), tokens.slice(1)])
    assert mask_array(chunks, Holder.card).to_pylist() == [card, None, card]
    assert mask_array(pa.chunked_array([cells]), Holder.name).to_pylist() == [HIDDEN, None]
    assert mask_array(pa.chunked_array([], pa.string()), Holder.name).to_pylist() == []
    assert mask_array(pa.array([404_167_754, None]), Holder.shop).to_pylist() == [404_000_000, None]
    assert mask_array(pa.array([5, None]), Holder.points).to_pylist() == [HIDDEN, None]
    assert mask_array(pa.array([cells[0].as_py()]), Holder.home).to_pylist() == [HIDDEN]
    assert mask_array(pa.array([], pa.string()), Holder.name).to_pylist() == []


def test_messages():
    assert mask_message("Ana García", Holder.name) == HIDDEN
    assert mask_message(PAN, Holder.card) == "411111••••••1111"
    assert mask_message(None, Holder.name) == "nothing"
    assert mask_message(-5, Holder.points) == "-5"
    assert mask_message(1_700_000_000_000_000, Holder.event_time) == "1700000000000000"
    assert mask_message(f"slipped {PAN}", Holder.id) == "slipped 411111••••••1111"


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("nothing here, 2026-03-01 12:30, 1,234.56 EUR", "nothing here, 2026-03-01 12:30, 1,234.56 EUR"),
        (f"id,{PAN},EUR", "id,411111••••••1111,EUR"),
        ("4111 1111 1111 1111", "411111••••••1111"),
        (f"x{PAN}y", "x411111••••••1111y"),
        ("4111111111111111 123", HIDDEN),
        ("00" + PAN * 2, HIDDEN),
        ("to ana.garcia+x@example.org.", "to a•••@•••"),
        ("<ana@example.org>,<bea@example.org>", "<a•••@•••>,<b•••@•••>"),
        ("IBAN ES91 2100 0418 4502 0005 1332 PAID", "IBAN ES••• PAID"),
        ("DE89370400440532013000;1", "DE•••;1"),
        ("TX20230101AB00CD01EF", "TX20230101AB00CD01EF"),
        ("Bearer hep_abcdefgh_0123456789_xyz", "Bearer hep_•••"),
    ],
)  # fmt: skip
def test_free_text(text, wanted):
    assert redact(text) == wanted


@given(st.text(max_size=300))
@settings(max_examples=100, deadline=None)
def test_redacting_twice_changes_nothing_more(text):
    assert redact(redact(text)) == redact(text)


@pytest.mark.parametrize("text", ["1" * 100_000, "1 " * 50_000, "a@" * 50_000, "AA11" * 25_000, "hep_" * 25_000])  # fmt: skip
def test_long_text_takes_no_long_time(text):
    import time

    start = time.process_time()
    redact(text)
    assert time.process_time() - start < 2
