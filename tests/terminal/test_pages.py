# SPDX-License-Identifier: Apache-2.0
"""Every page that an application declares can be read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from heptad.runtime import discover
from heptad.standards.errors import ContractError, UnknownName
from heptad.standards.model import Payment
from heptad.terminal.commands import run
from heptad.terminal.commands.pages import read
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
def test_declared_pages_can_beread(platform: Platform, app: str, page: object) -> None:
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


DAY = "2026-03-01T00:00:00Z"


@pytest.mark.parametrize(
    ("form", "reads", "data"),
    [
        ("stat", "app=fraud outcome=hold", {"value": 2, "unit": "decisions"}),
        ("stat", "app=fraud", {"value": 5, "unit": "decisions"}),
        (
            "chart",
            "app=fraud by=reason outcome=hold",
            {
                "x": "day",
                "y": "decisions",
                "series": [{"name": "BURST", "points": [[DAY, 2]]}],
            },
        ),
        (
            "chart",
            "app=fraud",
            {
                "x": "day",
                "y": "decisions",
                "series": [
                    {"name": "approve", "points": [[DAY, 3]]},
                    {"name": "hold", "points": [[DAY, 2]]},
                ],
            },
        ),
    ],
)
def test_each_form_gets_its_data(
    platform: Platform, form: str, reads: str, data: dict[str, object]
) -> None:
    assert read(platform, form, "decisions", reads) == data


def test_timelines_decisions_and_texts_areread(platform: Platform) -> None:
    events = read(platform, "timeline", "decisions", "app=fraud outcome=hold")
    assert [(e["at"], e["kind"]) for e in events] == [
        ("2026-03-01T10:04:00Z", "hold"),
        ("2026-03-01T10:03:00Z", "hold"),
    ]
    shown = read(platform, "decision", "decisions", "app=fraud")
    assert shown["on"] == "Payment p4"
    assert read(platform, "decision", "decisions", "app=credit") is None
    assert read(platform, "text", "text", "Who reads this?") == "Who reads this?"


def test_a_model_that_is_not_there_shows_nothing(platform: Platform) -> None:
    assert read(platform, "table", "model", "app=credit") == []
    assert read(platform, "stat", "model", "app=credit") == {"value": None, "unit": "auc"}


@pytest.mark.parametrize(
    ("form", "what", "reads"),
    [
        ("chart", "model", "app=credit"),
        ("table", "decisions", "fraud"),
        ("stat", "weather", "a=b"),
        ("stat", "decisions", "ap=fraud"),
    ],
)
def test_what_cannot_beread_is_named(platform: Platform, form: str, what: str, reads: str) -> None:
    with pytest.raises(ContractError):
        read(platform, form, what, reads)
