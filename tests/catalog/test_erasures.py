# SPDX-License-Identifier: Apache-2.0
"""Legal holds bind until they end; an erasure is begun once and ended once."""

from __future__ import annotations

import pytest

from heptad.standards.errors import Conflict, ContractError, Refused
from heptad.standards.time import day
from tests.catalog.conftest import NOON, quick_catalog

WHO = "Customer:c1"


@pytest.fixture
def catalog():
    with quick_catalog() as opened:
        yield opened


def test_a_hold_refuses_an_erasure_until_it_ends(catalog):
    erasures = catalog.erasures
    erasures.hold(WHO, NOON + 2 * day, "a suit at the court of Cuenca", "legal")
    erasures.hold(WHO, NOON + day, "a question of the tax office", "legal")
    with pytest.raises(Refused, match="until 2024-10-06T12:00:00Z") as refusal:
        erasures.begin([WHO], "they asked", "clerk")
    assert refusal.value.got == "a suit at the court of Cuenca"
    catalog.store.clock.set(NOON + 2 * day - 1)
    with pytest.raises(Refused):
        erasures.begin(["Customer:c2", WHO], "they asked", "clerk")
    assert erasures.unfinished() == []
    catalog.store.clock.set(NOON + 2 * day)
    assert [e.subject for e in erasures.begin([WHO], "they asked", "clerk")] == [WHO]


def test_a_released_hold_no_longer_binds_and_is_kept(catalog):
    erasures = catalog.erasures
    erasures.hold(WHO, NOON + day, "a suit", "legal")
    (released,) = erasures.release(WHO, "the suit was withdrawn", "counsel")
    assert (released.released, released.released_by) == (NOON, "counsel")
    assert erasures.release(WHO, "again", "counsel") == []
    assert len(erasures.holds(WHO)) == 1
    erasures.begin([WHO], "they asked", "clerk")


def test_a_hold_needs_a_reason_and_an_end_to_come(catalog):
    for until, reason in ((NOON, "a suit"), (NOON - day, "a suit"), (NOON + day, " ")):
        with pytest.raises(ContractError):
            catalog.erasures.hold(WHO, until, reason, "legal")
    assert catalog.erasures.holds(WHO) == []


def test_an_erasure_is_begun_once_and_ended_once(catalog):
    erasures = catalog.erasures
    with pytest.raises(ContractError, match="why"):
        erasures.begin([WHO], "", "clerk")
    (first,) = erasures.begin([WHO, WHO], "they asked", "clerk")
    assert erasures.begin([WHO], "again", "another") == [first]
    with pytest.raises(Conflict, match="being erased"):
        erasures.hold(WHO, NOON + day, "a suit", "legal")
    assert erasures.unfinished() == [first]
    erasures.finish({first.id: {"stores": []}}, NOON + 5)
    (done,) = erasures.of(WHO)
    assert (done.status, done.ended, done.receipt) == ("erased", NOON + 5, {"stores": []})
    assert erasures.unfinished() == []
    (second,) = erasures.begin([WHO], "they had come back", "clerk")
    assert [e.id for e in erasures.recent()] == [second.id, first.id]
