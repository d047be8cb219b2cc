# SPDX-License-Identifier: Apache-2.0
"""Signed checkpoint notes: the exchanged text, and that nothing but our own signature passes."""

from __future__ import annotations

import random
from base64 import b64decode, b64encode
from hashlib import sha256

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from heptad.security.notes import (
    Checkpoint,
    check_name,
    key_hash,
    note,
    read_note,
    read_verifier_key,
    verifier_key,
)
from heptad.standards.errors import Corrupt, InputError

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
OTHER = Ed25519PrivateKey.from_private_bytes(bytes(32))
POINT = Checkpoint("bank.example/decisions", 426030, sha256(b"").digest())


def signed(checkpoint: Checkpoint, key: Ed25519PrivateKey = KEY) -> str:
    return note(checkpoint, key.sign(checkpoint.text().encode()), key.public_key())


def test_a_note_has_the_published_form() -> None:
    lines = signed(POINT).split("\n")
    assert lines[:4] == [
        "bank.example/decisions",
        "426030",
        "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
        "",
    ]
    assert lines[5:] == [""]
    dash, name, body = lines[4].split(" ")
    assert (dash, name) == ("\u2014", "bank.example/decisions")
    raw = KEY.public_key().public_bytes_raw()
    digest = sha256(b"bank.example/decisions\n\x01" + raw).digest()
    assert b64decode(body)[:4] == digest[:4]
    KEY.public_key().verify(b64decode(body)[4:], "\n".join([*lines[:3], ""]).encode())


@given(size=st.integers(0, 2**63), root=st.binary(min_size=32, max_size=32))
@settings(max_examples=30, deadline=None)
def test_a_note_reads_back(size: int, root: bytes) -> None:
    point = Checkpoint("log", size, root)
    assert read_note(signed(point), "log", KEY.public_key()) == point


def test_extension_lines_and_witnesses_are_allowed() -> None:
    text = POINT.text() + "anything more\n"
    ours = KEY.sign(text.encode())
    lines = [
        f"\u2014 witness {b64encode(b'abcd' + bytes(72)).decode()}",
        f"\u2014 {POINT.origin} {b64encode(b'wxyz' + bytes(64)).decode()}",
        f"\u2014 {POINT.origin} "
        + b64encode(key_hash(POINT.origin, KEY.public_key()) + ours).decode(),
    ]
    whole = text + "\n" + "\n".join(lines) + "\n"
    assert read_note(whole, POINT.origin, KEY.public_key()) == POINT
    with pytest.raises(Corrupt, match="was not signed"):
        read_note(text + "\n" + "\n".join(lines[:2]) + "\n", POINT.origin, KEY.public_key())


def test_a_note_by_another_key_or_of_another_log_is_refused() -> None:
    with pytest.raises(Corrupt, match="was not signed"):
        read_note(signed(POINT, OTHER), POINT.origin, KEY.public_key())
    with pytest.raises(InputError, match="another log"):
        read_note(signed(Checkpoint("other", 1, POINT.root)), POINT.origin, KEY.public_key())
    forged = signed(POINT, OTHER).split(" ")
    body = key_hash(POINT.origin, KEY.public_key()) + b64decode(forged[-1])[4:]
    with pytest.raises(Corrupt, match="was not signed"):
        read_note(
            " ".join([*forged[:-1], b64encode(body).decode() + "\n"]),
            POINT.origin,
            KEY.public_key(),
        )


def test_every_changed_character_is_found() -> None:
    text, seed = signed(POINT), random.Random(4)
    for at in range(len(text)):
        for other in {seed.choice("0aA+/ \n=\u2014"), chr(ord(text[at]) ^ 1)} - {text[at]}:
            with pytest.raises((Corrupt, InputError)):
                read_note(text[:at] + other + text[at + 1 :], POINT.origin, KEY.public_key())
        with pytest.raises((Corrupt, InputError)):
            read_note(text[:at] + text[at + 1 :], POINT.origin, KEY.public_key())


@pytest.mark.parametrize(
    ("size", "root"),
    [
        ("01", "A" * 43 + "="),
        ("+1", "A" * 43 + "="),
        ("1", "A" * 42 + "B="),
        ("1", "A" * 42 + "=="),
    ],
)
def test_a_second_spelling_of_a_checkpoint_is_refused_though_signed(size: str, root: str) -> None:
    text = f"log\n{size}\n{root}\n"
    body = key_hash("log", KEY.public_key()) + KEY.sign(text.encode())
    with pytest.raises(InputError, match="not a signed checkpoint"):
        read_note(f"{text}\n\u2014 log {b64encode(body).decode()}\n", "log", KEY.public_key())


def test_a_second_spelling_of_a_signature_is_refused() -> None:
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    text = signed(POINT)
    assert text.endswith("=\n")
    same = alphabet[alphabet.index(text[-3]) ^ 1]
    again = text[:-3] + same + text[-2:]
    assert b64decode(again.split(" ")[-1]) == b64decode(text.split(" ")[-1])
    with pytest.raises(InputError, match="not a signed checkpoint"):
        read_note(again, POINT.origin, KEY.public_key())


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n\n",
        "log\n",
        "log\n1\n\n",
        "log\n01\nAAAA\n\n\u2014 log AAAA\n",
        "log\n-1\nAAAA\n\n\u2014 log AAAA\n",
        "log\n\u0661\nAAAA\n\n\u2014 log AAAA\n",
        "log\n" + "9" * 90_000 + "\nAAAA\n\n\u2014 log AAAA\n",
        "x" * 200_000,
    ],
)
def test_what_is_no_note_is_refused_in_words(text: str) -> None:
    with pytest.raises(InputError, match="not a signed checkpoint"):
        read_note(text, "log", KEY.public_key())


@given(text=st.text(alphabet="log1=\n \u2014A+/", max_size=80))
@settings(max_examples=200, deadline=None)
def test_no_text_breaks_the_reader(text: str) -> None:
    with pytest.raises((InputError, Corrupt)):
        read_note(text, "log", KEY.public_key())


def test_a_verifier_key_reads_back_and_a_changed_one_does_not() -> None:
    line = verifier_key("log", KEY.public_key())
    name, public = read_verifier_key(line + "\n")
    assert (name, public.public_bytes_raw()) == ("log", KEY.public_key().public_bytes_raw())
    for at in range(len(line)):
        with pytest.raises(InputError):
            read_verifier_key(line[:at] + chr(ord(line[at]) ^ 1) + line[at + 1 :])


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\nb", "a\u2028b", "\x1b[0m"])
def test_a_name_that_could_be_read_in_two_ways_is_refused(name: str) -> None:
    with pytest.raises(InputError, match="log's name"):
        check_name(name)
