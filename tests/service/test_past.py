# SPDX-License-Identifier: Apache-2.0
"""What an application's jobs read of its decisions: all of a time, as it may read, recorded."""

import pytest

from heptad.apps.business import app
from heptad.apps.business.tables import BusinessApplication
from heptad.service.decisions import past
from heptad.standards.time import format_instant, parse_instant
from heptad.testing.scratch import project

START = parse_instant("2026-03-01T00:00:00Z")
DAYS = [9, 2, 8, 1, 7]
"""Days of the month on which requests were handed in, in the order in which they were decided."""


def row(day_):
    at = format_instant(parse_instant(f"2026-03-{day_:02d}T10:00:00Z"))
    return {"id": f"r{day_}", "event_time": at, "customer": f"s{day_}", "company": "f",
            "industry": "47", "kind": "loan", "term": 12, "amount": "500.00", "currency": "EUR"}  # fmt: skip


@pytest.fixture(scope="module")
def platform():
    given = {BusinessApplication: [row(day_) for day_ in DAYS]}
    with project(given) as opened:
        for day_ in DAYS:
            opened.decide("business", keys=[f"r{day_}"])
        yield opened


def read(platform, first, last=31, **more):
    since = parse_instant(f"2026-03-{first:02d}T00:00:00Z")
    until = parse_instant(f"2026-03-{last:02d}T23:00:00Z")
    return past.decided(
        platform, "business", lambda d: d.row_key, since=since, until=until, who="tests", **more
    )


@pytest.mark.parametrize("most", [1, 2, 500])
def test_one_that_is_dated_back_does_not_end_the_walk(platform, monkeypatch, most):
    monkeypatch.setattr(past, "PAGE", most)
    assert read(platform, 2) == ["r7", "r8", "r2", "r9"]
    assert read(platform, 2, 8) == ["r7", "r8", "r2"]
    assert read(platform, 2, outcome="approve,offer") == []
    assert read(platform, 20) == []


def test_what_is_known_is_not_opened_and_what_is_not_wanted_left_out(platform, monkeypatch):
    ids = {e.subject: e.id for e in platform.catalog.decisions.page(app="business").entries}
    opened = []
    stored = platform.log.stored
    monkeypatch.setattr(
        platform.log, "stored", lambda ids: stored(opened.extend(found := list(ids)) or found)
    )
    assert read(platform, 7, known={ids["Customer:s8"]}) == ["r7", "r9"]
    assert sorted(opened) == sorted([ids["Customer:s7"], ids["Customer:s9"]])
    found = past.decided(platform, "business", lambda d: d.row_key if d.row_key < "r5" else None,
                         since=START, who="tests")  # fmt: skip
    assert found == ["r1", "r2"]


def test_it_is_read_for_the_purpose_of_the_application_and_recorded(platform):
    read(platform, 1)
    (entry,) = platform.accesses(purpose="audit", limit=1)
    assert (entry.record.who, entry.record.role, entry.record.purpose, entry.record.rows) == (
        "tests", "app", app.purpose, 5,
    )  # fmt: skip
