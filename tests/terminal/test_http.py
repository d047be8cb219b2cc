# SPDX-License-Identifier: Apache-2.0
"""Every route answers what it declares."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from heptad.security.merkle import verify_inclusion
from heptad.security.notes import read_note
from heptad.standards.model import Customer, Payment
from heptad.terminal.http.api import public
from heptad.testing.scratch import project
from tests.terminal.calling import Client
from tests.terminal.rows import CARD, customer, payment

if TYPE_CHECKING:
    from collections.abc import Iterator

    from heptad.runtime import Platform

NDJSON = {"Content-Type": "application/x-ndjson"}


@pytest.fixture(scope="module")
def platform() -> Iterator[Platform]:
    """Two customers and eight payments within minutes, all decided."""
    rows = {Customer: [customer(1), customer(2)], Payment: [payment(n) for n in range(8)]}
    with project(rows) as opened:
        opened.decide("fraud")
        yield opened


@pytest.fixture(scope="module")
def api(platform: Platform) -> Client:
    """The API, called from this machine."""
    return Client(public(platform))


@pytest.fixture
def fresh() -> Iterator[Client]:
    """The API of a project with three payments."""
    with project({Payment: [payment(n) for n in range(3)]}) as opened:
        yield Client(public(opened))


GETS = [
    "/health", "/metrics", "/docs", "/openapi.json", "/v1/tables", "/v1/tables/Payment",
    "/v1/tables/Customer/contract", "/v1/tables/Payment/rows", "/v1/apps", "/v1/apps/fraud",
    "/v1/apps/credit", "/v1/apps/fraud/pages/held", "/v1/apps/fraud/pages/reasons",
    "/v1/apps/credit/pages/referred", "/v1/apps/credit/pages/scorecard", "/v1/decisions",
    "/v1/features", "/v1/features?app=credit", "/v1/features/fraud/c1",
    "/v1/features/fraud/x?entity=Merchant", "/v1/lineage/Payment.amount", "/v1/lineage/fraud",
    "/v1/models", "/v1/loads", "/v1/log", "/v1/log/checkpoint", "/v1/session", "/v1/overview",
    "/v1/search?q=pay", "/v1/apps/fraud/parity?n=3", "/v1/features/fraud.count_1h", "/v1/runs",
    "/v1/tables/Payment/quality", "/v1/tables/Payment/quarantine", "/v1/access",
    "/v1/subjects/Customer:c1", "/v1/subjects/Customer:c1/report", "/v1/apps/fraud/flow",
    "/v1/apps/fraud/flows", "/v1/cases", "/v1/outbox", "/v1/inbox/c1", "/v1/schedule",
    "/v1/alarms", "/v1/calendars/ECB", "/v1/regime", "/v1/lists", "/v1/lists/blocked", "/v1/signin",
    "/v1/streams", "/v1/segments", "/v1/trials", "/v1/names?of=Customer:c1",
    "/v1/customers/c1/consents",
]  # fmt: skip


@pytest.mark.parametrize("path", GETS)
def test_a_read_succeeds(api: Client, path: str) -> None:
    answer = api.get(path)
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert CARD not in answer.text


def test_no_route_is_untested(platform: Platform) -> None:
    """A route that no test here calls is one that nobody has seen work."""
    document = public(platform).openapi()
    gets = {path for path, methods in document["paths"].items() if "get" in methods}
    one = "/v1/decisions/{decision}"
    others = {one, f"{one}/proof", f"{one}/background", f"{one}/letter", "/v1/models/{number}"}
    others |= {"/v1/cases/{case}", "/v1/outbox/{message}", f"{one}/changes"}
    others |= {"/v1/cases/{case}/surroundings"}
    # Of a flow in shadow, which this project has not: see test_shadow.
    others |= {"/v1/apps/{app}/flow/shadow", "/v1/apps/{app}/flow/shadow/replay"}
    # Of a scorecard, which this project has not: see test_cards.
    others |= {"/v1/apps/{app}/card/report"}
    called = {p for p in gets if any(_matches(p, path.partition("?")[0]) for path in GETS)}
    assert gets - others == called


def test_a_case_and_its_message_are_read_by_name_and_who_is_held_is_owed_no_letter(
    api: Client,
) -> None:
    case = api.get("/v1/cases").json()["cases"][0]
    whole = api.get(f"/v1/cases/{case['case']}").json()
    assert (whole["case"], whole["app"], whole["status"]) == (case["case"], "fraud", case["status"])
    around = api.get(f"/v1/cases/{case['case']}/surroundings")
    assert around.status_code == 200, around.text
    message = api.get("/v1/outbox").json()["messages"][0]
    assert api.get(f"/v1/outbox/{message['message']}").json()["letter"] == message["letter"]
    held = api.get("/v1/decisions?app=fraud&outcome=hold").json()["decisions"][0]["id"]
    changes = api.get(f"/v1/decisions/{held}/changes")
    assert changes.status_code == 200, changes.text
    letter = api.get(f"/v1/decisions/{held}/letter")
    assert letter.status_code == 404
    assert "Reasons are owed where something was refused" in letter.json()["title"]


def _matches(template: str, path: str) -> bool:
    parts, given = template.split("/"), path.split("/")
    return len(parts) == len(given) and all(
        p.startswith("{") or p == g for p, g in zip(parts, given, strict=True)
    )


def test_rows_are_masked_without_a_purpose_and_opened_with_one(api: Client) -> None:
    path = "/v1/tables/Customer/rows"
    masked = api.get(path).json()["rows"][0]
    assert (masked["id"], masked["name"], masked["email"]) == ("c1", "•••", "•••")
    opened = api.get(path, headers={"Heptad-Purpose": "service"}).json()["rows"][0]
    assert (opened["name"], opened["email"]) == ("Ana 1", "ana1@example.com")


def test_a_card_is_a_token_that_shows_six_and_four(api: Client) -> None:
    row = api.get("/v1/tables/Payment/rows").json()["rows"][0]
    assert row["card"] == "555555••••••4444"
    assert (row["amount"], row["currency"]) == (1000, "EUR")


def test_rows_come_page_by_page_in_key_order(api: Client) -> None:
    found, after, pages = [], "", 0
    while after is not None:
        page = api.get("/v1/tables/Payment/rows", params={"limit": 3, "after": after}).json()
        found += [row["id"] for row in page["rows"]]
        after, pages = page["after"], pages + 1
    assert found == [f"p{n}" for n in range(8)]
    assert pages == 3


def test_rows_are_read_as_of_an_instant(api: Client) -> None:
    at = {"t": "2026-03-01T10:03:00Z"}
    rows = api.get("/v1/tables/Payment/rows", params=at).json()["rows"]
    assert [row["id"] for row in rows] == ["p0", "p1", "p2", "p3"]
    assert api.get("/v1/tables/Payment/rows", params=at | {"k": "2026-01-01"}).json()["rows"] == []


def test_decisions_come_page_by_page_and_stay_while_others_are_made(fresh: Client) -> None:
    for number in range(3):
        fresh.post("/v1/apps/fraud/decide", json={"key": f"p{number}"})
    first = fresh.get("/v1/decisions", params={"limit": 2}).json()
    assert [d["on"] for d in first["decisions"]] == ["Payment p2", "Payment p1"]
    fresh.post("/v1/apps/fraud/decide", json={"row": payment(9)})
    rest = fresh.get("/v1/decisions", params={"limit": 2, "cursor": first["cursor"]}).json()
    assert [d["on"] for d in rest["decisions"]] == ["Payment p0"]
    assert rest["cursor"] is None
    assert sum(rest["counts"].values()) == 4


def test_decisions_are_filtered(api: Client) -> None:
    held = api.get("/v1/decisions", params={"app": "fraud", "outcome": "hold"}).json()
    assert {d["outcome"] for d in held["decisions"]} == {"hold"}
    assert len(held["decisions"]) == held["counts"]["hold"]
    assert api.get("/v1/decisions", params={"subject": "Customer:c2"}).json()["decisions"] == []
    assert len(api.get("/v1/decisions", params={"subject": "Customer:c1"}).json()["decisions"]) == 8


def test_a_decision_is_explained_replayed_and_proven(api: Client, platform: Platform) -> None:
    name = api.get("/v1/decisions").json()["decisions"][0]["id"]
    officer = api.get(f"/v1/decisions/{name}").json()
    assert officer["id"] == name
    assert officer["reasons"][0]["sentence"]
    assert "tables" not in officer
    engineer = api.get(f"/v1/decisions/{name[:8]}", params={"to": "engineer"}).json()
    assert engineer["tables"]["Payment"] >= 1
    customer_ = api.get(f"/v1/decisions/{name}", params={"to": "customer"}).json()
    assert isinstance(customer_["reasons"][0], str)
    assert "features" not in customer_
    replayed = api.post(f"/v1/decisions/{name}/replay").json()
    assert replayed["identical"]
    assert replayed["derive"] == {"identical": 1}
    _proven(api.get(f"/v1/decisions/{name}/proof").json(), platform)


def _proven(proof: dict[str, Any], platform: Platform) -> None:
    """Check a proof as somebody would who has only the public key."""
    path = [bytes.fromhex(h) for h in proof["path"]]
    root, leaf = bytes.fromhex(proof["root"]), bytes.fromhex(proof["leaf"])
    verify_inclusion(leaf, proof["index"], proof["size"], path, root)
    origin, key = platform.project.security.origin, platform.keys.public_key()
    note = read_note(proof["checkpoint"], origin, key)
    assert (note.size, note.root) == (proof["size"], root)


def test_posted_rows_are_stored_once_checked_and_decided(fresh: Client) -> None:
    bad = payment(5, amount="-1") | {"id": "bad"}
    lines = "\n".join(json.dumps(row) for row in (payment(3), payment(4), bad))
    path = "/v1/tables/Payment/rows"
    first = fresh.post(path, content=lines, headers=NDJSON).json()
    assert (first["accepted"], first["duplicates"], first["quarantined"]) == (2, 0, 1)
    assert [d["on"] for d in first["decisions"]] == ["Payment p3", "Payment p4"]
    (refused,) = first["rejected"]
    assert (refused["line"], refused["key"], refused["reason"]) == (3, "bad", "range")
    assert refused["field"] == "amount"
    again = fresh.post(path, content=lines, headers=NDJSON).json()
    assert (again["accepted"], again["duplicates"]) == (0, 2)
    assert again["decisions"] == first["decisions"]
    assert again["version"] == first["version"] or again["version"] is None
    array = fresh.post(path, json=[payment(6), payment(7)]).json()
    assert array["accepted"] == 2


def test_rows_of_a_table_that_nobody_decides_on_are_stored_only(fresh: Client) -> None:
    found = fresh.post("/v1/tables/Customer/rows", json=[customer(1)]).json()
    assert (found["accepted"], found["decisions"]) == (1, [])


def test_a_repeated_request_answers_the_first_decision(fresh: Client) -> None:
    ask = {"json": {"row": payment(4)}, "headers": {"Idempotency-Key": "order-1"}}
    first = fresh.post("/v1/apps/fraud/decide", **ask)
    assert first.status_code == 200
    assert first.json()["id"] == "order-1"
    fresh.post("/v1/apps/fraud/decide", json={"row": payment(5)})
    assert fresh.post("/v1/apps/fraud/decide", **ask).json() == first.json()
    assert fresh.get("/v1/log").json()["entries"] == 2


def test_the_same_key_with_another_body_conflicts_and_stores_nothing(fresh: Client) -> None:
    header = {"Idempotency-Key": "order-1"}
    fresh.post("/v1/apps/fraud/decide", json={"row": payment(4)}, headers=header)
    before = fresh.get("/v1/tables/Payment").json()["version"]
    others: list[dict[str, Any]] = [
        {"row": payment(4, amount="10.01")},
        {"row": payment(4, country="ES")},
        {"row": payment(5)},
        {"key": "p4"},
        {"key": "p1"},
    ]
    for other in others:
        answer = fresh.post("/v1/apps/fraud/decide", json=other, headers=header)
        assert answer.status_code == 409, other
        assert answer.json()["code"] == "conflict"
    assert fresh.get("/v1/tables/Payment").json()["version"] == before
    assert fresh.get("/v1/log").json()["entries"] == 1


def test_a_key_of_one_application_is_no_key_of_another(fresh: Client) -> None:
    header = {"Idempotency-Key": "order-1"}
    fresh.post("/v1/apps/fraud/decide", json={"key": "p1"}, headers=header)
    answer = fresh.post("/v1/apps/credit/decide", json={"key": "p1"}, headers=header)
    assert answer.status_code == 409


def test_without_a_key_the_row_names_the_decision(fresh: Client) -> None:
    first = fresh.post("/v1/apps/fraud/decide", json={"row": payment(4)}).json()
    assert fresh.post("/v1/apps/fraud/decide", json={"row": payment(4)}).json() == first
    assert fresh.post("/v1/apps/fraud/decide", json={"key": "p4"}).json() == first


def test_metrics_are_prometheus_text_without_personal_data(platform: Platform) -> None:
    api = Client(public(platform))
    api.get("/v1/features/fraud/c1")
    api.get("/v1/decisions?subject=Customer:c1")
    api.get("/no/c1/such")
    api("BREW", "/health")
    answer = api.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    seen = set()
    for line in answer.text.splitlines():
        if line.startswith("#"):
            assert line.split()[1] in ("HELP", "TYPE")
            continue
        name, _, value = line.rpartition(" ")
        float(value)
        seen.add(name)
    path = 'path="/v1/features/{app}/{key}",status="200"'
    assert f'heptad_requests_total{{method="GET",{path}}}' in seen
    assert 'heptad_requests_total{method="GET",path="unknown",status="404"}' in seen
    assert 'heptad_requests_total{method="other",path="/health",status="405"}' in seen
    assert 'heptad_decisions_total{app="fraud",outcome="hold"}' in seen
    assert not [word for word in ("c1", "p1", "Customer:", "Ana") if f'"{word}' in answer.text]
