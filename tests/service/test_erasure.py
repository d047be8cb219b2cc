# SPDX-License-Identifier: Apache-2.0
"""What an erased person leaves behind, and that everybody else's decisions go on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from heptad.apps.fraud import app as fraud
from heptad.standards.errors import Conflict, UnknownName
from heptad.terminal.commands.decisions import decide
from heptad.testing.scratch import project

if TYPE_CHECKING:
    from collections.abc import Iterator

    from heptad.runtime import Platform

WHO = "Customer:c1"


@pytest.fixture
def platform() -> Iterator[Platform]:
    """Four payments of two customers."""
    rows = [
        {"id": f"p{n}", "event_time": f"2026-03-0{n + 1}", "customer": f"c{n % 2}",
         "amount": "10.00", "currency": "EUR", "status": "authorised"}
        for n in range(4)
    ]  # fmt: skip
    with project({fraud.on: rows}) as platform:
        yield platform


def test_decisions_about_an_erased_person_are_closed_and_the_log_still_verifies(
    platform: Platform,
) -> None:
    made = platform.decide("fraud")
    platform.keys.destroy(WHO)
    report = platform.replay()
    assert (report.decided, report.derived) == (
        {"identical": 2, "erased": 2},
        {"identical": 2, "erased": 2},
    )
    assert platform.log.ledger.verify().entries == 4
    closed = platform.log.get(made[1].public["id"])
    assert closed.erased
    assert platform.explain(str(closed.public["id"]))["erased"]
    assert [o.erased for o in platform.decide("fraud")] == [False, True, False, True]


def test_rows_about_an_erased_person_stop_nobody_elses_decision(platform: Platform) -> None:
    platform.keys.of([WHO])
    platform.keys.destroy(WHO)
    made = platform.decide("fraud")
    assert [o.public["row_key"] for o in made] == ["p0", "p2"]
    assert len(platform.log) == 2


def test_deciding_says_how_many_rows_it_left_out(platform: Platform) -> None:
    platform.keys.of([WHO])
    platform.keys.destroy(WHO)
    said = decide(platform, "fraud")
    assert (said["decided"], said["erased"]) == (2, 2)
    assert (decide(platform, "fraud", keys=["p1"])["erased"], len(platform.log)) == (1, 2)
    with pytest.raises(UnknownName, match="'p9'"):
        decide(platform, "fraud", keys=["p1", "p9"])
    platform.keys.of([WHO], revive=True)
    assert decide(platform, "fraud")["erased"] == 0


def test_one_row_about_an_erased_person_is_refused_by_name(platform: Platform) -> None:
    platform.keys.of([WHO])
    platform.keys.destroy(WHO)
    with pytest.raises(Conflict, match="Payment p1 is about is erased"):
        platform.decide_one("fraud", key="p1")
    with pytest.raises(UnknownName, match="no row"):
        platform.decide_one("fraud", key="p9")
    assert platform.decide_one("fraud", key="p0").public["row_key"] == "p0"


def test_a_person_who_came_back_is_decided_on_again(platform: Platform) -> None:
    platform.keys.of([WHO])
    platform.keys.destroy(WHO)
    platform.keys.of([WHO], revive=True)
    assert len(platform.decide("fraud")) == 4
