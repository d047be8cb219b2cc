# SPDX-License-Identifier: Apache-2.0
"""API keys: the catalog keeps their records as the protocol of `heptad.security` wants."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from heptad.catalog import Catalog
from heptad.security.apikeys import ApiKeys, KeyRecord, KeyRecords, MemoryRecords
from heptad.standards.errors import Conflict, Unauthorised, UnknownName
from heptad.standards.time import FixedClock, hour
from tests.catalog.conftest import NOON

if TYPE_CHECKING:
    from pathlib import Path

RECORD = KeyRecord("abcdefgh", bytes(range(32)), "till", "analyst", frozenset({"b", "a"}), 5, 9)


def test_as_the_records_in_memory(catalog: Catalog) -> None:
    """Every answer is the one that the reference gives."""
    both: list[KeyRecords] = [catalog.keys, MemoryRecords()]
    older = replace(RECORD, id="older", created=1, expires=None)
    for records in both:
        assert records.get("abcdefgh") is None
        records.add(RECORD)
        records.add(older)
        records.used("older", 7)
        records.revoke("abcdefgh", 8)
    assert both[0].all() == both[1].all()
    assert both[0].get("older") == replace(older, last_used=7)
    assert both[0].get("abcdefgh") == replace(RECORD, revoked=8)


def test_an_id_is_given_once(catalog: Catalog) -> None:
    catalog.keys.add(RECORD)
    with pytest.raises(Conflict):
        catalog.keys.add(replace(RECORD, name="other"))
    assert catalog.keys.all() == [RECORD]
    for act in (catalog.keys.used, catalog.keys.revoke):
        with pytest.raises(UnknownName):
            act("unknown", 1)


def test_keys_outlive_the_process(tmp_path: Path, clock: FixedClock) -> None:
    path = tmp_path / "c.sqlite"
    with Catalog(path, clock=clock) as catalog:
        keys = ApiKeys(catalog.keys, bytes(32), clock)
        issued = keys.issue("till", "admin", expires=NOON + 2 * hour)
        secret = issued.text.split("_")[2]
    assert secret.encode() not in path.read_bytes()
    with Catalog(path, clock=clock) as catalog, Catalog(path, read_only=True) as reader:
        for opened in (catalog, reader):
            keys = ApiKeys(opened.keys, bytes(32), clock)
            assert keys.authenticate(issued.text).id == issued.record.id
        clock.set(NOON + hour)
        ApiKeys(reader.keys, bytes(32), clock).authenticate(issued.text)
        assert catalog.keys.all()[0].last_used == NOON
        ApiKeys(catalog.keys, bytes(32), clock).revoke(issued.record.id)
        with pytest.raises(Unauthorised):
            ApiKeys(reader.keys, bytes(32), clock).authenticate(issued.text)
