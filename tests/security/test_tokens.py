# SPDX-License-Identifier: Apache-2.0
"""A card's token joins, shows BIN and last four, and gives the number to nobody."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heptad.security.tokens import TOKEN, is_pan, pan_token, pan_tokens
from heptad.standards.errors import InputError
from heptad.standards.showing import luhn

PEPPER, OTHER = bytes(range(32)), bytes(32)
# Numbers that card schemes publish for tests.
PUBLISHED = [
    "4111111111111111", "5555555555554444", "378282246310005", "6011111111111117",
    "30569309025904", "3530111333300000", "4222222222222", "6304000000000000",
]  # fmt: skip


def check_digit(stem: str) -> str:
    """The check digit by the standard's wording: double every second digit from the right."""
    total = 0
    for place, digit in enumerate(reversed(stem)):
        n = int(digit) * 2 if place % 2 == 0 else int(digit)
        total += n - 9 if n > 9 else n
    return str(-total % 10)


pans = st.text("0123456789", min_size=11, max_size=18).map(lambda s: s + check_digit(s))


@pytest.mark.parametrize("pan", PUBLISHED)
def test_published_numbers_are_card_numbers(pan):
    assert is_pan(pan)


@given(stem=st.text("0123456789", min_size=1, max_size=18))
@settings(max_examples=100, deadline=None)
def test_just_one_check_digit_is_right(stem):
    assert [d for d in "0123456789" if luhn(stem + d)] == [check_digit(stem)]


@given(pan=pans)
@settings(max_examples=100, deadline=None)
def test_a_token_has_the_form_and_the_hash_it_should(pan):
    token = pan_token(pan, PEPPER)
    assert re.fullmatch(r"[0-9]{6}-[A-Za-z0-9_-]{22}-[0-9]{4}", token)
    assert TOKEN.fullmatch(token).groups() == (pan[:6], pan[-4:])
    digest = hmac.new(PEPPER, pan.encode(), hashlib.sha256).digest()
    assert base64.urlsafe_b64decode(token[7:29] + "==") == digest[:16]
    assert pan not in token
    assert token == pan_token(pan, PEPPER) != pan_token(pan, OTHER)


def test_numbers_of_one_bin_and_ending_stay_apart():
    stems = (f"411111{i:05d}1111" for i in range(20_000))
    alike = [p for p in (s[:11] + d + s[11:] for s in stems for d in "0123456789") if luhn(p)]
    assert len({pan_token(p, PEPPER) for p in alike}) == len(alike) == 20_000


def test_a_stolen_token_does_not_yield_to_trying_every_number():
    """Without the pepper the unknown digits, some 10^5 candidates, cannot be told apart."""
    planted = "4111110004321111"
    planted = (
        planted[:11]
        + next(d for d in "0123456789" if luhn(planted[:11] + d + planted[12:]))
        + planted[12:]
    )
    token = pan_token(planted, PEPPER)
    candidates = [c for c in (f"411111{i:06d}1111" for i in range(10**5)) if luhn(c)]
    assert planted in candidates
    plain = {
        base64.urlsafe_b64encode(hashlib.sha256(c.encode()).digest()[:16]).decode()[:22]
        for c in candidates
    }
    assert token[7:29] not in plain
    assert not any(pan_token(c, OTHER)[7:29] == token[7:29] for c in candidates)


@pytest.mark.parametrize(
    "text",
    ["", "4111111111111112", "4111 1111 1111 1111", "4111-1111-1111-1111", "41111111111", "4" * 20,
     "４１１１１１１１１１１１１１１１", "4111111111111111\n", " 4111111111111111", "411111111111111l"],
)  # fmt: skip
def test_what_is_no_card_number_is_refused_without_showing_it(text):
    assert not is_pan(text)
    with pytest.raises(InputError) as error:
        pan_token(text, PEPPER)
    digits = re.sub(r"\D", "", text)
    assert len(digits) < 12 or digits[-4:] not in str(error.value).replace("12 to 19", "")
    assert str(error.value.to_dict()).count("4111") == 0


@given(values=st.lists(st.none() | pans | st.sampled_from(["", "x", "4111111111111112"])))
@settings(max_examples=40, deadline=None)
def test_a_column_is_tokenised_like_its_values(values):
    got = pan_tokens(pa.array(values, pa.string()), PEPPER)
    good = [v is not None and is_pan(v) for v in values]
    wanted = [pan_token(v, PEPPER) if ok else None for v, ok in zip(values, good, strict=True)]
    assert got.tokens.to_pylist() == wanted
    assert got.faulty.to_pylist() == [
        v is not None and not ok for v, ok in zip(values, good, strict=True)
    ]


def test_chunks_and_slices_are_columns_too():
    array = pa.array([*PUBLISHED, None])
    wanted = pan_tokens(array, PEPPER).tokens
    chunks = pa.chunked_array([array.slice(0, 3), array.slice(3)])
    assert pan_tokens(chunks, PEPPER).tokens.equals(wanted)
    assert pan_tokens(array.slice(2, 4), PEPPER).tokens.equals(wanted.slice(2, 4))
