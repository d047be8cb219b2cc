# SPDX-License-Identifier: Apache-2.0
"""Histories swept part by part from disk give the bits of those swept in memory."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heptad.service.batch import spool, sweep
from heptad.standards import minute, second
from heptad.standards.model import Payment
from heptad.testing.definition import Version
from tests.service import test_kernel
from tests.service.test_windows import (
    PHASES,
    Registered,
    duck,
    expected,
    label,
    payment,
    point,
    run,
    versions,
)

__all__ = ["duck"]

pytestmark = pytest.mark.timeout(400)


def batches(self, sql, *, rows, **tables):
    return self.duck.batches(sql, rows=rows, **self.stored, **tables)


@pytest.fixture
def spooled(monkeypatch):
    """Every sweep goes by parts, of a few keys each, a few rows at a time."""
    laid = []
    honest = spool._laid

    def seen(*args):
        laid.append(honest(*args))
        return laid[-1]

    monkeypatch.setattr(spool, "_laid", seen)
    monkeypatch.setattr(Registered, "batches", batches, raising=False)
    monkeypatch.setattr(Registered, "spool", lambda self: self.duck.spool(), raising=False)
    monkeypatch.setattr(spool, "AT_ONCE", -1)
    monkeypatch.setattr(spool, "A_PART", 4)
    monkeypatch.setattr(spool, "_BATCH", 3)
    monkeypatch.setattr(sweep, "FEW", 0)
    return laid


def left(duck):
    return [p for p in duck._spill.parent.iterdir() if p != duck._spill]


def test_parts_equal_the_definition(duck, spooled):
    @settings(max_examples=15, deadline=None, phases=PHASES)
    @given(
        versions(payment), versions(label), st.lists(point, min_size=1, max_size=6), st.booleans()
    )
    def compare(payments, labels, points, own):
        features = test_kernel.FEATURES
        found = run(duck, payments, labels, points, Payment if own else None, features=features)
        for feature in features:
            want = [expected(feature, payments, labels, p, own) for p in points]
            assert found[feature.name].to_pylist() == want, feature.sentence()

    compare()
    assert True in spooled
    assert not left(duck)


def test_nothing_is_left_on_disk_when_a_part_fails(duck, spooled, monkeypatch):
    rows = [
        Version({"id": f"p{n}", "event_time": n * second, "customer": f"c{n}", "merchant": "m",
                 "country": "ES", "amount": 1, "currency": "EUR", "status": "authorised",
                 "place_lat": None, "place_lon": None}, n * second)
        for n in range(12)
    ]  # fmt: skip
    points = [(f"c{n}", "m", minute, 0, None) for n in range(12)]
    assert run(duck, rows, [], points, plans="kernel", features=test_kernel.KERNEL)

    def broken(_path):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(spool, "_read", broken)
    with pytest.raises(Exception, match="disk refused"):
        run(duck, rows, [], points, plans="kernel", features=test_kernel.KERNEL)
    assert not left(duck)
