# SPDX-License-Identifier: Apache-2.0
"""Pages are told when what they show is old, once for each change, and from the last one on."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest

from heptad.service.cases.case import Worker
from heptad.standards.model import Customer, Payment
from heptad.standards.time import parse_instant
from heptad.terminal.http import live
from heptad.terminal.http.api import public
from heptad.testing.scratch import project
from tests.terminal.calling import Client
from tests.terminal.rows import customer, payment

if TYPE_CHECKING:
    from collections.abc import Iterator

    from heptad.runtime import Platform


@pytest.fixture
def platform(monkeypatch: pytest.MonkeyPatch) -> Iterator[Platform]:
    """A project with one customer, looked at without delay."""
    monkeypatch.setattr(live, "TICK_S", 0.0)
    monkeypatch.setattr(live, "RESTS", 0)
    with project({Customer: [customer(1)], Payment: []}) as opened:
        opened.clock.set(parse_instant("2026-03-02T00:00:00Z"))
        yield opened


def read(client: Client, seen: str = "") -> list[dict[str, Any]]:
    """Return what is told at once."""
    answer = client.get("/v1/events", params={"wait_s": 0}, headers={"Last-Event-ID": seen})
    assert answer.headers["content-type"].startswith("text/event-stream")
    parts = [part for part in answer.text.split("\n\n") if "data: " in part]
    fields = [dict(line.split(": ", 1) for line in part.splitlines()) for part in parts]
    return [{"id": f["id"], **json.loads(f["data"])} for f in fields]


def test_a_page_is_told_what_stands_and_not_again_what_it_has_seen(platform: Platform) -> None:
    client = Client(public(platform))
    (first,) = read(client)
    assert (first["decisions"], first["cases"]) == (0, 0)
    assert read(client, first["id"]) == []
    platform.accept("Payment", [payment(k) for k in range(5)])
    platform.work.settle()
    (then,) = read(client, first["id"])
    assert then["decisions"] == 5
    assert then["cases"] == 1, "the fourth and fifth were held"
    assert then["loads"] > first["loads"]


def test_a_step_on_a_case_is_told_though_their_number_stays(platform: Platform) -> None:
    client = Client(public(platform))
    _, (entry,) = platform.accept("Payment", [payment(1)])
    fraud = platform.app("fraud")
    assert entry.decision is not None
    case = platform.work.cases.alert(fraud, fraud.inboxes[0], entry.decision)
    (before,) = read(client)
    platform.work.cases.note(case, "called", Worker("ann", "risk"))
    (after,) = read(client, before["id"])
    assert after["cases"] == before["cases"] == 1
    assert after["revisions"] == before["revisions"] + 1


def test_a_stream_ends_when_the_server_is_told_to_stop(platform: Platform) -> None:
    async def listen() -> list[str]:
        return [part async for part in live._stream(live.Pulse(platform), "", 600)]

    live.LEAVING.set()
    try:
        told = asyncio.run(asyncio.wait_for(listen(), 10))
    finally:
        live.LEAVING.clear()
    assert len(told) == 2


def test_nothing_is_counted_again_where_nothing_was_stored(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted, numbers = [], live._numbers

    def counting(platform: Platform) -> dict[str, Any]:
        counted.append(1)
        return numbers(platform)

    monkeypatch.setattr(live, "_numbers", counting)
    pulse = live.Pulse(platform)
    first = pulse.now()
    assert [pulse.now() for _ in range(20)] == [first] * 20
    assert len(counted) == 1
    platform.catalog.settings.set("something", 1)
    assert pulse.now() == first
    assert len(counted) == 2
    monkeypatch.setattr(live, "RESTS", 10**9)
    platform.catalog.settings.set("something", 2)
    pulse.now()
    assert len(counted) == 2, "counting that takes long waits for long"
    monkeypatch.setattr(live, "QUIET_S", 0.0)
    pulse.now()
    assert len(counted) == 3, "what time alone changes is seen in the end"
