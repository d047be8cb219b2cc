# SPDX-License-Identifier: Apache-2.0
"""Every page that an application declares can be read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from heptad.runtime import discover
from heptad.standards.errors import UnknownName
from heptad.standards.model import Payment
from heptad.terminal.commands import run
from heptad.testing.scratch import project

if TYPE_CHECKING:
    from collections.abc import Iterator

    from heptad.runtime import Platform


@pytest.fixture(scope="module")
def platform() -> Iterator[Platform]:
    """Five payments within minutes, decided."""
    rows = [
        {"id": f"p{n}", "event_time": f"2026-03-01T10:0{n}:00Z", "customer": "c1",
         "amount": "10.00", "currency": "EUR", "status": "authorised"}
        for n in range(5)
    ]  # fmt: skip
    with project({Payment: rows}) as platform:
        platform.decide("fraud")
        yield platform


@pytest.mark.parametrize(
    ("app", "page"), [(a.name, p) for a in discover().values() for p in a.pages], ids=str
)
def test_declared_pages_can_be_read(platform: Platform, app: str, page: object) -> None:
    found = run(platform, "apps.page", {"name": app, "path": page.path})
    assert found["question"] == page.question
    assert found["data"].keys() == page.reads.keys()


def test_a_page_shows_what_it_asks_for(platform: Platform) -> None:
    held = run(platform, "apps.page", {"name": "fraud", "path": "held"})["data"]["decisions"]
    assert [(d["on"], d["outcome"]) for d in held] == [
        ("Payment p4", "hold"),
        ("Payment p3", "hold"),
    ]


def test_an_unknown_page_is_named(platform: Platform) -> None:
    with pytest.raises(UnknownName, match="no page 'hold'"):
        run(platform, "apps.page", {"name": "fraud", "path": "hold"})
