# SPDX-License-Identifier: Apache-2.0
"""How rows are called, as a purpose opens it; and what a customer agreed to, as the reads obey it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from heptad.standards import Instant, Integer, Table, Text
from heptad.standards.errors import ContractError
from heptad.standards.model import Company, Consent, Customer
from heptad.terminal.http.api import public
from heptad.testing.scratch import project
from tests.terminal.calling import Client
from tests.terminal.rows import consent, customer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from heptad.runtime import Platform

FIRM = {"id": "b1", "event_time": "2026-01-01T00:00:00Z", "name": "Harbour Mills"}
ASKED = "/v1/names?of=Customer:c1&of=Customer:c9&of=Company:b1&of=Account:a1&of=nothing"
LATER = {"event_time": "2026-02-01T00:00:00Z"}


@pytest.fixture(scope="module")
def platform() -> Iterator[Platform]:
    """c1 agreed to marketing, c2 took that back, c3 never did; c2 objects to analytics."""
    rows = {
        Customer: [customer(n) for n in (1, 2, 3)],
        Company: [FIRM],
        Consent: [
            consent(1),
            consent(2),
            consent(2, status="withdrawn", **LATER),
            consent(8, customer="c2", purpose="analytics", status="withdrawn"),
        ],
    }
    with project(rows) as opened:
        yield opened


@pytest.fixture(scope="module")
def api(platform: Platform) -> Client:
    return Client(public(platform))


def read(api: Client, path: str, purpose: str = "") -> dict:
    answer = api.get(path, headers={"Heptad-Purpose": purpose} if purpose else {})
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_a_person_is_called_by_name_only_under_a_purpose_that_opens_it(api: Client) -> None:
    firm = {"Company:b1": "Harbour Mills"}
    masked = read(api, ASKED)
    opens = {"Customer": ["collections", "service"]}
    assert masked == {"names": firm, "hidden": ["Customer:c1", "Customer:c9"], "opens": opens}
    opened = read(api, ASKED, "service")
    assert opened == {"names": firm | {"Customer:c1": "Ana 1"}, "hidden": [], "opens": {}}
    assert read(api, ASKED, "audit")["hidden"] == ["Customer:c1", "Customer:c9"]


def test_whoever_asked_for_a_name_stands_in_the_access_log(api: Client, platform: Platform) -> None:
    read(api, ASKED, "service")
    last = platform.access.entries(limit=1)[0].record
    assert (last.action, last.purpose) == ("names", "service")
    assert last.people == 1


def test_what_a_customer_agreed_to_is_told_as_the_reads_obey_it(api: Client) -> None:
    def told(key: str, at: str = "") -> dict[str, tuple[bool, bool, list[str]]]:
        found = read(api, f"/v1/customers/{key}/consents?t={at}", "service")
        return {
            p["purpose"]: (bool(p["stands"]), bool(p["ends"]), [g["status"] for g in p["given"]])
            for p in found["asked"]
        }

    assert told("c1")["marketing"] == (True, False, ["active"])
    assert told("c2")["marketing"] == (False, True, ["withdrawn"])
    assert told("c2", "2026-01-15T00:00:00Z")["marketing"][2] == []
    assert told("c3")["marketing"] == (False, True, [])
    assert told("c2")["analytics"] == (False, True, ["withdrawn"])
    assert told("c3")["analytics"] == (True, False, []), "nobody has to agree; one may object"


def test_a_purpose_that_does_not_cover_consents_is_told_so(api: Client) -> None:
    path = "/v1/customers/c1/consents"
    found = read(api, path, "legal") | {"at": ""}
    assert found["covered"] is True
    assert {u["purpose"] for u in found["unasked"]} >= {"service", "fraud"}


def test_a_table_is_called_by_a_text_of_its_own() -> None:
    with pytest.raises(ContractError):

        class Wrong(Table, called="size"):
            """One thing without a name."""

            id = Text("Key", key=True)
            event_time = Instant("When")
            size = Integer("How large")

    assert set(Customer.contract()) == {"table", "doc", "state", "fields"}, "no other contract"
