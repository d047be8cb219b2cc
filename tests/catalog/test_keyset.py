# SPDX-License-Identifier: Apache-2.0
"""Texts met before are never called new, however they were given."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from heptad.catalog.keyset import KeySet

TEXTS = st.lists(st.text(max_size=40), max_size=40)


@given(TEXTS, TEXTS, TEXTS, TEXTS, st.sampled_from([2, 1 << 10]))
def test_exactly_what_was_given_is_known(loaded, one_by_one, at_once, asked, places):
    held = KeySet()
    held._table = held._table[:places].copy()
    held.fill(pa.array([*loaded, None], pa.string()))
    for text in one_by_one:
        held.add([text])
    held.add(at_once)
    assert len(held) == len({*loaded, *one_by_one, *at_once})
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


def test_many_texts_are_known_and_as_many_others_are_not():
    held, texts = KeySet(), [f"p{n}" for n in range(60_000)]
    held.fill(pa.array(texts[:20_000]))
    for start in range(20_000, 30_000, 100):
        held.add(texts[start : start + 100])
    assert len(held) == 30_000
    assert held.known(texts) == [True] * 30_000 + [False] * 30_000


def test_a_mark_of_nothing_is_kept_as_any_other():
    held = KeySet()
    held._take(np.array([0, 0], np.int64))
    assert len(held) == 1
    assert not held.known(["p1"])[0]
