# SPDX-License-Identifier: Apache-2.0
"""The filter of keys: no repeated key passes, and few others are held back."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from heptad.ingest.seen import Seen


@settings(max_examples=80)
@given(st.lists(st.lists(st.integers(0, 20), max_size=8), max_size=5), st.integers(0, 2**62))
def test_a_repeated_key_is_always_held_back(parts, salt):
    seen, passed = Seen(10), set()
    for part in parts:
        hashes = np.array([(n * 7919 + salt) % 2**63 for n in part], np.int64)
        fresh = seen.fresh(hashes)
        for key, ok in zip(part, fresh, strict=True):
            assert not (ok and key in passed)
            passed.add(key)


def test_few_rows_are_held_back_for_nothing():
    hashes = np.random.default_rng(1).integers(0, 2**63 - 1, 200_000)
    seen = Seen(len(hashes))
    held = sum(int((~seen.fresh(part)).sum()) for part in np.array_split(hashes, 4))
    assert held < 0.1 * len(hashes)


def test_stored_keys_are_held_back():
    seen = Seen(10)
    seen.add(np.array([5, 6], np.int64))
    assert seen.fresh(np.array([4, 5], np.int64)).tolist() == [True, False]
