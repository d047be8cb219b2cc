# SPDX-License-Identifier: Apache-2.0
"""The set of keys: exactly the rows that repeat an earlier key are held back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heptad.ingest import seen as module
from heptad.ingest.seen import Seen


@pytest.mark.parametrize("few", [0, 6, 500_000])
@settings(max_examples=60)
@given(st.lists(st.lists(st.integers(0, 20), max_size=8), max_size=5), st.integers(0, 2**62))
def test_exactly_repeated_keys_are_held_back(few, parts, salt):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_FEW", few)
        seen, passed = Seen(), set()
        for part in parts:
            seen.expect(len(part))
            keys = [(n * 7919 + salt) % 2**63 or 1 for n in part]
            fresh = seen.fresh(np.array(keys, np.int64))
            for key, ok in zip(keys, fresh.tolist(), strict=True):
                assert ok == (key not in passed)
                passed.add(key)
        assert set(seen.keys().tolist()) == passed


def test_a_table_grows_and_then_is_full(monkeypatch):
    monkeypatch.setattr(module, "_FEW", 0)
    monkeypatch.setattr(module, "_MOST", 1 << 12)
    seen = Seen()
    seen.expect(10)
    hashes = np.random.default_rng(1).integers(1, 2**63 - 1, 4000)
    passed = [seen.fresh(part) for part in np.array_split(hashes, 40)]
    assert all(part.all() for part in passed)
    assert seen.full
    kept = set(seen.keys().tolist())
    assert 2000 < len(kept) < 2600
    assert kept <= set(hashes.tolist())


def test_hashes_that_may_not_be_written_to_are_taken(monkeypatch):
    monkeypatch.setattr(module, "_FEW", 0)
    hashes = np.arange(1, 9)
    hashes.flags.writeable = False
    seen = Seen()
    seen.expect(10)
    assert seen.fresh(hashes).all()


@pytest.mark.timeout(60)
@pytest.mark.parametrize("few", [1, 5, 1000, 4999])
def test_many_keys_are_taken_that_nobody_expected(few, monkeypatch):
    monkeypatch.setattr(module, "_FEW", few)
    hashes = np.random.default_rng(1).integers(1, 2**63 - 1, 6 * few + 20)
    seen = Seen()
    for part in np.array_split(hashes, 7):
        assert seen.fresh(part).all()
        assert not seen.fresh(part).any()
    assert set(seen.keys().tolist()) == set(hashes.tolist())
