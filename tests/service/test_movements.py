# SPDX-License-Identifier: Apache-2.0
"""What moves on the map: payments where they were made, and arcs to where money went; no names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from heptad.security.access import Read
from heptad.service.reads.guard import Access
from heptad.service.reads.movements import movements
from heptad.standards.errors import Refused
from heptad.standards.model import Account, Customer, Merchant, Payment, Transfer
from heptad.standards.time import parse_instant
from heptad.terminal.commands import run
from heptad.testing.scratch import project
from tests.terminal.rows import customer, payment

if TYPE_CHECKING:
    from collections.abc import Iterator

    from heptad.runtime import Platform

SINCE = "2026-01-01T00:00:00Z"
PLACES = {"c1": "48.85,2.35", "c2": "52.5,13.4"}


def at(number: int, who: str, **more: Any) -> dict[str, Any]:
    """Return a payment at the place where somebody usually pays."""
    return payment(number, customer=who, place=PLACES[who], **more)


@pytest.fixture(scope="module")
def bank() -> Iterator[Platform]:
    """Two people who pay in two towns, buy on the net and send each other money."""
    online = {"channel": "online", "amount": "70.00"}
    account = {"id": "a2", "event_time": SINCE, "customer": "c2", "kind": "current",
               "currency": "EUR", "status": "open"}  # fmt: skip
    sent = {"id": "t1", "event_time": "2026-03-01T11:00:00Z", "customer": "c1", "amount": "30.00",
            "counterparty": "a2", "direction": "out", "currency": "EUR", "kind": "person"}  # fmt: skip
    rows: dict[Any, list[dict[str, Any]]] = {
        Customer: [customer(1), customer(2)],
        Account: [account],
        Merchant: [{"id": "m1", "event_time": SINCE, "name": "Far", "place": "40.71,-74.0"}],
        Payment: [*(at(k, "c1") for k in range(3)), *(at(60 + k, "c2") for k in range(2)),
                  payment(130, customer="c2", merchant="m1", **online)],
        Transfer: [sent],
    }  # fmt: skip
    with project(rows) as platform:
        platform.clock.set(parse_instant("2026-03-02T00:00:00Z"))
        yield platform


def read(bank: Platform, purpose: str = "fraud", role: str = "risk") -> Any:
    access = Access(bank.guard, Read("test", "ann", role, purpose))
    return movements(bank.reads.under(access), access, {"p2"}), access


def test_points_are_where_payments_were_made_and_persons_are_numbers(bank: Platform) -> None:
    (points, _, of), access = read(bank)
    assert of == 5
    assert sorted(zip(points["lat"], points["lon"], strict=True)) == [
        (48.85, 2.35), (48.85, 2.35), (48.85, 2.35), (52.5, 13.4), (52.5, 13.4)]  # fmt: skip
    assert set(points["who"]) == {0, 1}
    assert sum(points["mark"]) == 1
    assert points["at"][0] > points["at"][-1], "the last one first"
    assert access.read.people == {"Customer:c1", "Customer:c2"}


def test_an_arc_goes_from_where_somebody_pays_to_where_the_money_went(bank: Platform) -> None:
    (_, arcs, _), _ = read(bank)
    drawn = {(tuple(a), tuple(b), n) for a, b, n in
             zip(arcs["from"], arcs["to"], arcs["amount"], strict=True)}  # fmt: skip
    assert drawn == {
        ((13.4, 52.5), (-74.0, 40.71), 7000),
        ((2.35, 48.85), (13.4, 52.5), 3000),
    }


def test_who_may_not_read_payments_gets_no_map(bank: Platform) -> None:
    with pytest.raises(Refused, match="may not be read"):
        read(bank, "reporting", "risk")


def test_the_page_of_the_application_draws_it(bank: Platform) -> None:
    bank.decide("fraud")
    page = run(bank, "apps.page", {"name": "fraud", "path": "movement"})
    blocks = {b["form"]: b for b in page["blocks"]}
    assert [b["problem"] for b in page["blocks"]] == [None, None, None]
    assert len(blocks["map"]["data"]["points"]["at"]) == 5
    assert blocks["distribution"]["data"]["n"] == 6
    assert blocks["distribution"]["data"]["unit"].endswith("minor units")
    assert blocks["graph"]["data"]["links"] == []
