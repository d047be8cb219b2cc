# SPDX-License-Identifier: Apache-2.0
"""Texts met before are never called new, however they were given."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from heptad.catalog import keyset
from heptad.catalog.keyset import KeySet

TEXTS = st.lists(st.text(max_size=40), max_size=40)


@given(TEXTS, TEXTS, TEXTS, TEXTS, st.integers(1, 50))
def test_exactly_what_was_given_is_known(loaded, one_by_one, at_once, asked, merge):
    held = KeySet()
    before = keyset._MERGE
    keyset._MERGE = merge
    try:
        held.fill(pa.array([*loaded, None], pa.string()))
        for text in one_by_one:
            held.add([text])
        held.add(at_once)
    finally:
        keyset._MERGE = before
    there = {*loaded, *one_by_one, *at_once}
    wanted = [*asked, *there]
    told = [text in there for text in wanted]
    assert held.known(wanted) == told
    assert [held.known([text])[0] for text in wanted] == told


def test_an_empty_set_knows_nothing():
    assert KeySet().known([]) == []
    assert KeySet().known([""]) == [False]
    assert KeySet().known([str(n) for n in range(50)]) == [False] * 50


def test_surrogates_are_refused_alike():
    for texts in (["\ud800"], ["\ud800"] * 50):
        with pytest.raises(UnicodeEncodeError):
            KeySet().known(texts)


@given(TEXTS, TEXTS, TEXTS)
def test_what_was_asked_about_is_known_once_it_is_taken(asked, others, never):
    held = KeySet()
    held.known(asked)
    held.add([*asked, *others])
    held.known(others)
    held.add(others)
    wanted = [*asked, *others, *never]
    assert held.known(wanted) == [text in {*asked, *others} for text in wanted]
