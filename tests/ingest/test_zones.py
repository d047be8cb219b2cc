# SPDX-License-Identifier: Apache-2.0
"""Local time: each local instant becomes the one UTC instant it is, or none."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heptad.ingest.zones import changes, local_to_utc

ZONES = [
    "Europe/Madrid", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "Africa/Casablanca",
    "Pacific/Apia", "America/Sao_Paulo", "UTC",
]  # fmt: skip
EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - local time


def utc_of(local, zone):
    """Return the only UTC instant shown as `local`, or None: Python's own rules, both folds."""
    rules = ZoneInfo(zone)
    found = set()
    for fold in (0, 1):
        instant = local.replace(tzinfo=rules, fold=fold).astimezone(UTC)
        if instant.astimezone(rules).replace(tzinfo=None) == local:
            found.add(instant)
    return found.pop() if len(found) == 1 else None


def converted(locals_, zone):
    """Return what the SQL makes of local times, as UTC datetimes."""
    micros = [(local - EPOCH) // timedelta(microseconds=1) for local in locals_]
    sql = f"SELECT {local_to_utc('x', zone)} FROM (SELECT unnest(?::BIGINT[]) AS x)"
    with duckdb.connect() as connection:
        rows = connection.execute(sql, [micros]).fetchall()
    start = EPOCH.replace(tzinfo=UTC)
    return [None if r[0] is None else start + timedelta(microseconds=r[0]) for r in rows]


@settings(max_examples=8)
@given(
    st.lists(st.datetimes(datetime(1902, 1, 1), datetime(2098, 1, 1)), min_size=20),  # noqa: DTZ001
    st.sampled_from(ZONES),
)
def test_any_local_time(locals_, zone):
    assert converted(locals_, zone) == [utc_of(local, zone) for local in locals_]


@pytest.mark.parametrize("zone", ZONES)
def test_the_hours_around_every_change(zone):
    # Apia skipped a whole day; half an hour either side of each edge is where errors hide.
    near = []
    for change in changes(zone):
        for offset in (change.before, change.after):
            edge = EPOCH + timedelta(seconds=change.at + offset)
            near += [edge + timedelta(minutes=m) for m in (-61, -31, -1, 0, 1, 29, 31, 61)]
    if near:
        assert converted(near, zone) == [utc_of(local, zone) for local in near]


def test_a_zone_without_changes_is_a_plain_offset():
    assert local_to_utc("x", "Etc/GMT-3") == "(x - 10800000000)"
    assert local_to_utc("x", "") == "x"
