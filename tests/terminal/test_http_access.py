# SPDX-License-Identifier: Apache-2.0
"""Who may call: this machine alone without keys, and with them only as role and purposes allow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from heptad.standards.model import Consent, Customer, Payment
from heptad.standards.time import FixedClock, day
from heptad.terminal.commands import run
from heptad.terminal.http.access import is_loopback
from heptad.terminal.http.api import public
from heptad.testing.scratch import project
from tests.terminal.calling import ELSEWHERE, Client
from tests.terminal.rows import consent, customer, payment

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx

    from heptad.runtime import Platform

NAME = "/v1/tables/Customer/rows"


@pytest.fixture
def platform() -> Iterator[Platform]:
    """A customer; no key has been issued."""
    with project({Customer: [customer(1)]}) as opened:
        yield opened


@pytest.fixture(scope="module")
def keyed() -> Iterator[Platform]:
    """A customer and two payments, decided, for tests that only issue keys."""
    rows = {Customer: [customer(1)], Payment: [payment(1), payment(2)], Consent: [consent(1)]}
    with project(rows) as opened:
        opened.decide("fraud")
        yield opened


def key(platform: Platform, role: str, *purposes: str, days: int = 1) -> str:
    """Issue a key."""
    arguments = {"role": role, "purposes": list(purposes), "days": days}
    return str(run(platform, "keys.issue", arguments)["key"])


class Holder:
    """Somebody who calls with a key, from wherever."""

    def __init__(self, platform: Platform, role: str, *purposes: str) -> None:
        self.text = key(platform, role, *purposes)
        self.client = Client(public(platform), ELSEWHERE)

    def __call__(self, method: str, path: str, why: str = "", **request: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.text}", "Heptad-Purpose": why}
        return self.client(method, path, headers=headers, **request)


def problem(answer: httpx.Response, status: int) -> dict[str, Any]:
    """Return the problem that a call was refused with."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    found: dict[str, Any] = answer.json()
    assert found["status"] == status
    assert found["detail"]
    assert found["do"]
    return found


def test_without_keys_this_machine_may_call_and_no_other(platform: Platform) -> None:
    assert Client(public(platform)).get("/v1/log").status_code == 200
    answer = Client(public(platform), ELSEWHERE).get("/v1/log")
    assert "heptad keys issue" in problem(answer, 401)["do"]
    assert answer.headers["www-authenticate"] == "Bearer"


def test_a_web_page_whose_name_points_here_may_not_call(platform: Platform) -> None:
    problem(Client(public(platform), name="evil.example").get("/v1/log"), 401)
    assert Client(public(platform), name="localhost").get("/v1/log").status_code == 200


def test_from_the_first_key_on_every_call_needs_one(platform: Platform) -> None:
    api = Client(public(platform))
    key(platform, "admin", "audit")
    for method, path in [
        ("GET", "/v1/tables"), ("GET", NAME), ("POST", "/v1/tables/Payment/rows"),
        ("GET", "/v1/apps"), ("POST", "/v1/apps/fraud/decide"), ("GET", "/v1/decisions"),
        ("GET", "/v1/log/checkpoint"), ("GET", "/v1/features/fraud/c1"), ("GET", "/metrics"),
        ("GET", "/v1/lineage/fraud"), ("GET", "/v1/models"), ("GET", "/v1/loads"),
    ]:  # fmt: skip
        problem(api(method, path, json={} if method == "POST" else None), 401)
    assert api.get("/health").json().keys() == {"status", "version"}


def test_a_revoked_key_does_not_open_the_door_again(platform: Platform) -> None:
    issued = run(platform, "keys.issue", {"role": "admin", "purposes": ["audit"]})
    header = {"Authorization": f"Bearer {issued['key']}"}
    api = Client(public(platform))
    assert api.get("/v1/log", headers=header).status_code == 200
    run(platform, "keys.revoke", {"key": issued["id"]})
    problem(api.get("/v1/log", headers=header), 401)
    problem(api.get("/v1/log"), 401)


def test_a_key_expires(platform: Platform) -> None:
    header = {"Authorization": f"Bearer {key(platform, 'admin', 'audit', days=2)}"}
    api, clock = Client(public(platform)), platform.clock
    assert isinstance(clock, FixedClock)
    clock.set(clock.now() + 2 * day - 1)
    assert api.get("/v1/log", headers=header).status_code == 200
    clock.set(clock.now() + 1)
    problem(api.get("/v1/log", headers=header), 401)


@pytest.mark.parametrize(
    "given", ["", "Bearer", "Bearer ", "Basic {}", "{}", "Bearer {}x", "Bearer hep_x", "bearer\t"]
)
def test_what_is_no_key_is_refused_alike(keyed: Platform, given: str) -> None:
    header = {"Authorization": given.format(key(keyed, "admin", "audit"))}
    answer = Client(public(keyed)).get("/v1/log", headers=header)
    assert problem(answer, 401)["detail"] == "The API key is not valid."


def test_purpose_and_role_decide_what_is_opened(keyed: Platform) -> None:
    def seen(who: Holder, why: str) -> tuple[str, str]:
        row = who("GET", NAME, why).json()["rows"][0]
        return row["name"], row["email"]

    officer = Holder(keyed, "officer", "service", "credit")
    assert seen(officer, "") == ("•••", "•••")
    assert seen(officer, "service") == ("Ana 1", "ana1@example.com")
    marketer = Holder(keyed, "marketer", "marketing")
    assert seen(marketer, "marketing") == ("•••", "ana1@example.com")


def test_a_purpose_that_the_key_or_the_role_lacks_is_refused(keyed: Platform) -> None:
    officer = Holder(keyed, "officer", "credit")
    assert "may not act for service" in problem(officer("GET", NAME, "service"), 403)["detail"]
    problem(officer("GET", NAME, "marketing"), 403)
    found = problem(officer("GET", NAME, "servce"), 404)
    assert found["do"] == "did you mean 'service'?"
    local = Client(public(keyed)).get("/v1/log")
    assert local.status_code == 401


def test_deciding_needs_the_purpose_of_the_application(keyed: Platform) -> None:
    ask = ("POST", "/v1/apps/fraud/decide")
    assert Holder(keyed, "app", "fraud")(*ask, json={"key": "p1"}).status_code == 200
    assert Holder(keyed, "risk", "fraud")(*ask, json={"key": "p1"}).status_code == 200
    for role, purpose in (("app", "credit"), ("auditor", "audit"), ("marketer", "marketing")):
        answer = Holder(keyed, role, purpose)(*ask, json={"key": "p1"})
        assert "purpose fraud" in problem(answer, 403)["do"]


def test_reading_decisions_needs_the_purpose_or_that_of_a_review(keyed: Platform) -> None:
    fraud, auditor = Holder(keyed, "app", "fraud"), Holder(keyed, "auditor", "audit")
    name = fraud("GET", "/v1/decisions?app=fraud").json()["decisions"][0]["id"]
    paths = [
        ("GET", "/v1/decisions?app=fraud"), ("GET", f"/v1/decisions/{name}"),
        ("POST", f"/v1/decisions/{name}/replay"), ("GET", f"/v1/decisions/{name}/proof"),
        ("GET", "/v1/apps/fraud/pages/held"), ("GET", "/v1/features/fraud/c1"),
    ]  # fmt: skip
    other = Holder(keyed, "officer", "credit")
    for path in paths:
        assert fraud(*path).status_code == auditor(*path).status_code == 200, path
        problem(other(*path), 403)
    assert auditor("GET", "/v1/decisions").status_code == 200
    problem(fraud("GET", "/v1/decisions"), 403)


def test_posting_rows_needs_a_role_that_brings_data(keyed: Platform) -> None:
    ask = ("POST", "/v1/tables/Customer/rows")
    for role, purpose in (("engineer", "analytics"), ("app", "fraud"), ("admin", "service")):
        assert Holder(keyed, role, purpose)(*ask, json=[customer(1)]).status_code == 200
    for role, purpose in (("officer", "credit"), ("auditor", "audit"), ("analyst", "analytics")):
        problem(Holder(keyed, role, purpose)(*ask, json=[customer(9)]), 403)


@pytest.mark.parametrize(
    ("host", "local"),
    [("127.0.0.1", True), ("127.8.8.8", True), ("::1", True), ("[::1]", True),
     ("localhost", True), ("0.0.0.0", False), ("::", False), ("10.0.0.1", False),
     ("localhost.evil.example", False), ("", False), ("testclient", False)],
)  # fmt: skip
def test_what_this_machine_is(host: str, local: bool) -> None:
    assert is_loopback(host) is local
