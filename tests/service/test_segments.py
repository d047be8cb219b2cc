# SPDX-License-Identifier: Apache-2.0
"""Segments: a condition over fields and features picks the same people as a look at each would."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from heptad.service.rules.segments import count, read
from heptad.standards.errors import ContractError, Refused, UnknownName
from heptad.standards.model import Consent, Customer, Payment
from heptad.terminal.commands import run
from heptad.testing.scratch import project
from tests.terminal.rows import consent, customer, payment

if TYPE_CHECKING:
    from collections.abc import Iterator

    from heptad.runtime import Platform

BUSY = {"gt": [{"column": "fraud.count_30d"}, 2]}
WEST = {"in": [{"column": "country"}, "ES", "PT"]}


@pytest.fixture(scope="module")
def platform() -> Iterator[Platform]:
    """Nine customers in three countries; every third pays, the first one often."""
    people = [customer(n) | {"country": ["ES", "PT", "FR"][n % 3]} for n in range(1, 10)]
    paid = [payment(n, customer="c1") for n in range(4)]
    paid += [payment(10 + n, customer=f"c{n}") for n in (4, 7)]
    agreed = [consent(n) for n in (1, 4, 5)]
    with project({Customer: people, Payment: paid, Consent: agreed}) as opened:
        yield opened


def tried(platform: Platform, when: Any, purpose: str = "service", **more: Any) -> dict[str, Any]:
    return run(platform, "segments.try", {"when": when, "purpose": purpose} | more)


def test_counts_are_those_of_a_look_at_each(platform: Platform) -> None:
    found = tried(platform, {"or": [BUSY, WEST]})
    keys = {"Customer": ""}
    wanted = platform.features(["fraud.count_30d"])
    busy = {
        n for n in range(1, 10)
        if (platform.online(keys | {"Customer": f"c{n}"}, wanted)["count_30d"] or 0) > 2
    }  # fmt: skip
    west = {n for n in range(1, 10) if n % 3 in (0, 1)}
    assert (found["of"], found["looked"], found["members"]) == (9, 9, len(busy | west))
    assert found["alone"] == [len(busy), len(west)]
    assert found["says"] == "(fraud.count_30d > 2) or in(country, 'ES', 'PT')"
    assert {row["id"] for row in found["sample"]} == {f"c{n}" for n in busy | west}


def test_it_is_read_as_of_an_instant(platform: Platform) -> None:
    assert tried(platform, BUSY, at="2026-02-01T00:00:00Z")["members"] == 0
    assert tried(platform, BUSY)["members"] == 1


def test_only_who_agreed_is_in_a_segment_that_rests_on_consent(platform: Platform) -> None:
    found = tried(platform, WEST, purpose="marketing", role="marketer")
    assert (found["of"], found["members"]) == (3, 2)
    with pytest.raises(Refused):
        tried(platform, WEST, purpose="marketing", role="officer")
    with pytest.raises(Refused):
        run(platform, "segments.declare", {"name": "x", "when": WEST, "purpose": "marketing",
                                           "role": "officer"})  # fmt: skip


def test_what_says_who_a_person_is_cannot_be_asked_for(platform: Platform) -> None:
    with pytest.raises(UnknownName):
        tried(platform, {"eq": [{"column": "name"}, "Ana 1"]})
    with pytest.raises(ContractError):
        tried(platform, {"gt": [{"column": "country"}, 3]})


def test_many_are_looked_at_in_part(platform: Platform) -> None:
    segment = read(WEST, platform.apps)
    reader = {"who": "ana", "role": "admin", "purpose": "service"}
    with platform.guard.computing("segment", [], **reader) as access:
        reads = platform.reads.under(access)
        found = count(segment, access, reads, platform.keys, t=platform.clock.now(), most=3)
    assert found.of == 9
    assert found.members <= found.looked < 9


def test_a_segment_is_declared_in_versions_and_put_on_a_list(platform: Platform) -> None:
    asked = {"name": "west", "purpose": "service", "who": "ana"}
    first = run(platform, "segments.declare", asked | {"when": WEST, "note": "neighbours"})
    again = run(platform, "segments.declare", asked | {"when": WEST})
    later = run(platform, "segments.declare", asked | {"when": {"and": [BUSY, WEST]}})
    assert (first["version"], again["version"], later["version"]) == (1, 1, 2)
    put = run(platform, "segments.put", {"name": "west", "days": 7})
    assert put == {"list": "west", "members": 1, "stored": 1}
    (entry,) = run(platform, "lists.show", {"name": "west"})["entries"]
    assert entry["key"] == "c1"
    (line,) = run(platform, "segments.list", {})["segments"]
    assert (line["version"], line["broken"]) == (2, "")
