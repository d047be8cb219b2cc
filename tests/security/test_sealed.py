# SPDX-License-Identifier: Apache-2.0
"""What is sealed one by one opens in its place only, and says so as damage whatever was changed."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heptad.security.sealed import open_bytes, seal_bytes
from heptad.service.cases import case, evidence
from heptad.service.letters import Text, open_text, seal_text
from heptad.standards.errors import Corrupt

KEY, OTHER = os.urandom(32), os.urandom(32)


@given(st.binary(max_size=200), st.data())
def test_any_changed_byte_is_found(plain, data):
    sealed = seal_bytes(plain, KEY, b"here")
    assert open_bytes(sealed, KEY, b"here", "It") == plain
    at = data.draw(st.integers(0, len(sealed) - 1))
    changed = bytearray(sealed)
    changed[at] ^= data.draw(st.integers(1, 255))
    cut = sealed[: data.draw(st.integers(0, len(sealed) - 1))]
    for wrong, key, bound in (
        (bytes(changed), KEY, b"here"),
        (cut, KEY, b"here"),
        (sealed, OTHER, b"here"),
        (sealed, KEY, b"there"),
    ):
        with pytest.raises(Corrupt, match="It cannot be opened"):
            open_bytes(wrong, key, bound, "It")


def test_two_seals_of_one_text_are_different():
    assert seal_bytes(b"x", KEY, b"") != seal_bytes(b"x", KEY, b"")


@pytest.mark.parametrize(
    ("sealed", "opens"),
    [
        (case.sealed_text("a note", KEY, "c1"), lambda s, c: case.opened(s, KEY, c)),
        (evidence._sealed(b"%PDF", KEY, "c1"), lambda s, c: evidence._opened(s, KEY, c)),
        (seal_text(Text("t", "x"), KEY, "c1", "A:1"), lambda s, c: open_text(s, KEY, c, "A:1")),
    ],
    ids=["note", "document", "message"],
)
def test_notes_documents_and_messages_that_were_moved_are_told_as_damage(sealed, opens):
    assert opens(sealed, "c1")
    with pytest.raises(Corrupt, match="c2"):
        opens(sealed, "c2")
