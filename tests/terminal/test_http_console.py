# SPDX-License-Identifier: Apache-2.0
"""What the console draws from: the layers, what is found by name, and a decision among others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from heptad.runtime import discover
from heptad.security.apikeys import Principal
from heptad.standards.errors import Refused
from heptad.standards.model import Payment
from heptad.terminal.http import site
from heptad.terminal.http.access import require_approver
from heptad.terminal.http.api import public
from heptad.testing.scratch import project
from tests.terminal.calling import ELSEWHERE, Client
from tests.terminal.rows import CARD, payment

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from heptad.runtime import Platform


@pytest.fixture(scope="module")
def platform() -> Iterator[Platform]:
    """Twelve payments, the last four within minutes, decided; one row set aside."""
    apart = [payment(n) | {"event_time": f"2026-02-{n + 1:02}T09:00:00Z"} for n in range(8)]
    with project({Payment: [*apart, *(payment(n) for n in range(8, 12))]}) as opened:
        opened.store("Payment", [payment(99) | {"amount": "-1.00"}])
        opened.decide("fraud")
        yield opened


@pytest.fixture(scope="module")
def api(platform: Platform) -> Client:
    """The API, called from this machine."""
    return Client(public(platform))


def found(api: Client, path: str) -> Any:
    """Read a path as JSON."""
    answer = api.get(path)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_the_overview_has_seven_layers_and_names_what_waits(api: Client) -> None:
    seen = found(api, "/v1/overview")
    assert [layer["number"] for layer in seen["layers"]] == [7, 6, 5, 4, 3, 2, 1]
    nodes = {node["id"] for layer in seen["layers"] for node in layer["nodes"]}
    assert {end for edge in seen["edges"] for end in edge} <= nodes
    assert {f["name"]: f["value"] for f in seen["figures"]}["decisions"] == 12
    waits = {notice["where"]: notice["to"] for notice in seen["attention"]}
    assert waits["Payment"] == "/tables/Payment?tab=quarantine"
    held = found(api, "/v1/decisions?outcome=refer,hold,challenge")["decisions"]
    assert held, "the payments within minutes are held"
    assert "Payment fraud" in waits


@pytest.mark.parametrize(
    ("q", "kind", "name"),
    [
        ("paym", "table", "Payment"),
        ("PAYMENT.AM", "column", "Payment.amount"),
        ("fraud.count", "feature", "fraud.count_1h"),
        ("consumer", "application", "Consumer credit"),
    ],
)
def test_a_few_letters_find_things(api: Client, q: str, kind: str, name: str) -> None:
    hits = found(api, f"/v1/search?q={q}")["hits"]
    assert (kind, name) in {(hit["kind"], hit["name"]) for hit in hits}


def test_a_decision_is_found_by_the_start_of_its_id(api: Client) -> None:
    name = found(api, "/v1/decisions")["decisions"][0]["id"]
    assert found(api, f"/v1/search?q={name[:6]}")["hits"][0]["to"] == f"/decisions/{name}"
    assert found(api, "/v1/search?q=")["hits"] == []


def test_a_decision_is_compared_with_others_and_what_would_change_it_does(
    api: Client, platform: Platform
) -> None:
    held = found(api, "/v1/decisions?app=fraud&outcome=hold")["decisions"][0]
    seen = found(api, f"/v1/decisions/{held['id']}/background")
    assert seen["of"] == 12
    assert seen["values"]["count_10m"]["percentile"] > 50
    change = next(c for c in seen["changes"] if c["name"] == "count_10m")
    # The application itself says so: with that one value it answers otherwise.
    from heptad.service.app import Inputs

    then = platform.log.get(held["id"]).decision
    assert then is not None
    features = {**then.features, "count_10m": int(change["to"].split()[0])}
    answered = discover()["fraud"].decide(Inputs(features, then.row, then.policy, None))
    assert answered.outcome == change["outcome"] != held["outcome"]


def test_decisions_are_read_as_of_an_instant(api: Client) -> None:
    early = found(api, "/v1/decisions?until=2026-02-03T10:00:00Z")["decisions"]
    assert [d["on"] for d in early] == ["Payment p2", "Payment p1", "Payment p0"]
    answer = api.get("/v1/decisions?until=yesterday")
    assert answer.status_code == 422


def test_a_feature_shows_its_values_month_by_month(api: Client) -> None:
    card = found(api, "/v1/features/fraud.count_1h")
    assert [(m["month"], m["n"]) for m in card["months"]] == [("2026-02", 8), ("2026-03", 4)]
    assert card["apps"] == ["fraud"]
    assert found(api, "/v1/apps/fraud/parity?n=5")["identical"] is True
    assert api.get("/v1/features/fraud.nothing").status_code == 404


def test_rows_set_aside_are_shown_and_tried_again(api: Client) -> None:
    seen = found(api, "/v1/tables/Payment/quarantine")
    assert (seen["total"], seen["reasons"][0]["reason"]) == (1, "range")
    assert CARD not in str(seen)
    again = api.post("/v1/tables/Payment/quarantine/retry").json()
    assert again == {"table": "Payment", "read": 1, "accepted": 0, "quarantined": 1}


def test_the_log_is_verified_on_request(api: Client) -> None:
    seen = api.post("/v1/log/verify").json()
    assert (seen["entries"], seen["verified"]) == (12, True)


def test_an_application_has_a_page_without_declaring_one(api: Client) -> None:
    page = found(api, "/v1/apps/credit/pages/overview")
    assert {block["form"] for block in page["blocks"]} >= {"stat", "chart", "table", "form"}
    assert all(block["problem"] is None for block in page["blocks"])
    form = next(block for block in page["blocks"] if block["form"] == "form")
    assert form["data"]["schema"]["title"] == "LoanApplication"


def test_who_calls_is_told_what_may_be_stated(api: Client, platform: Platform) -> None:
    assert found(api, "/v1/session")["role"] == "admin"
    for path in ("/v1/overview", "/v1/session", "/v1/search?q=a"):
        assert Client(public(platform), ELSEWHERE).get(path).status_code == 401


@pytest.fixture
def pages(platform: Platform, tmp_path: Path) -> Client:
    """The API with a console of two files beside a secret."""
    folder = tmp_path / "console"
    (folder / "assets").mkdir(parents=True)
    (tmp_path / "secret.txt").write_text("secret")
    (folder / ".source").write_text("hash")
    (folder / "index.html").write_text("<!doctype html><title>Console</title>" + " " * 2000)
    (folder / "assets" / "a-1.js").write_text("export {}")
    app = public(platform)
    app.router.routes.pop()
    site.install(app, folder)
    return Client(app)


HTML = {"Accept": "text/html"}


@pytest.mark.parametrize("path", ["/", "/decisions/abc", "/tables/Payment", "/apps/credit"])
def test_a_page_of_the_console_is_its_document(pages: Client, path: str) -> None:
    answer = pages.get(path, headers=HTML)
    assert "<title>Console</title>" in answer.text
    policy = answer.headers["content-security-policy"]
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy
    assert answer.headers["cache-control"] == "no-cache"
    assert answer.headers["x-frame-options"] == "DENY"


def test_files_with_a_hash_are_kept_and_the_api_stays_itself(pages: Client) -> None:
    assert "immutable" in pages.get("/assets/a-1.js").headers["cache-control"]
    assert pages.get("/assets/b-2.js", headers=HTML).status_code == 404
    assert pages.get("/v1/nothing", headers=HTML).json()["code"] == "unknown"
    assert pages.get("/v1/tables", headers=HTML).json()["tables"]


@pytest.mark.parametrize("path", ["/.source", "/../secret.txt", "/..%2fsecret.txt"])
def test_no_path_leads_out_of_the_console(pages: Client, path: str) -> None:
    answer = pages.get(path)
    assert answer.status_code == 404
    assert "secret" not in answer.text.replace("secret.txt", "")


def test_without_a_console_a_page_says_how_to_get_it(platform: Platform, tmp_path: Path) -> None:
    app = public(platform)
    app.router.routes.pop()
    site.install(app, tmp_path / "absent")
    answer = Client(app).get("/", headers=HTML)
    assert "make built" in answer.text


def test_a_model_is_approved_by_somebody_else_in_a_role_that_may(platform: Platform) -> None:
    models = platform.catalog.models
    own = models.register("card", "unknown", b"{}", trainer="local")
    other = models.register("card", "unknown", b"{} ", trainer="ana")
    api = Client(public(platform))
    path = f"/v1/models/{other.id}/approve"
    refused = api.post(f"/v1/models/{own.id}/approve", json={"note": "looked at"})
    assert (refused.status_code, refused.json()["code"]) == (403, "refused")
    assert api.post(path, json={"note": ""}).status_code == 422
    assert api.post(path, content=b"{}", headers={"Content-Type": "text/plain"}).status_code == 415
    seen = api.post(path, json={"note": "looked at"}).json()
    assert (seen["approver"], seen["stage"]) == ("local", "champion")
    with pytest.raises(Refused, match="may not approve"):
        require_approver(Principal(id="k", role="officer", purposes=frozenset()))
