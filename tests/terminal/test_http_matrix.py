# SPDX-License-Identifier: Apache-2.0
"""Every route, for every role and purpose: who is answered, who is refused, and what they see."""

from __future__ import annotations

import itertools
import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from heptad.runtime import discover
from heptad.security.purposes import PURPOSES, ROLES
from heptad.service.flows.publishing import approve, propose, publish
from heptad.service.letters import Text as Letter
from heptad.service.outbox.messages import Wanted
from heptad.standards.model import Consent, Customer, Payment
from heptad.terminal.commands import run
from heptad.terminal.http.api import public
from heptad.testing.scratch import project
from tests.terminal.calling import ELSEWHERE, Client
from tests.terminal.rows import consent, customer, payment

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx

    from heptad.runtime import Platform

RULES = {
    # Nobody is asked who they are; nothing of the project is told.
    "open": {
        ("GET", "/health"), ("GET", "/docs"), ("GET", "/openapi.json"), ("GET", "/{path:path}"),
        # What proves who asks is in the link, or in the signature.
        ("GET", "/v1/unsubscribe/{token}"), ("POST", "/v1/unsubscribe/{token}"),
        ("POST", "/v1/receipts/{provider}"),
        # Who signs in has no session yet; see test_http_signin.
        ("GET", "/v1/signin"), ("GET", "/v1/signin/go"), ("GET", "/v1/signin/back"),
        ("POST", "/v1/signin"),
    },
    # Any key: what tables, features, models and loads are, and how many; no row of anybody.
    "key": {
        ("GET", "/metrics"), ("GET", "/v1/tables"), ("GET", "/v1/tables/{name}"),
        ("GET", "/v1/tables/{name}/contract"), ("GET", "/v1/tables/{name}/quality"),
        ("GET", "/v1/apps"), ("GET", "/v1/apps/{app}"), ("GET", "/v1/overview"),
        ("GET", "/v1/apps/{app}/flow"), ("GET", "/v1/apps/{app}/flows"),
        ("POST", "/v1/signout"), ("GET", "/v1/session"), ("GET", "/v1/search"), ("GET", "/v1/features"),
        ("GET", "/v1/lineage/{node:path}"), ("GET", "/v1/models"), ("GET", "/v1/models/{number}"),
        ("GET", "/v1/loads"), ("GET", "/v1/runs"), ("GET", "/v1/log"),
        ("GET", "/v1/log/checkpoint"), ("POST", "/v1/log/verify"), ("GET", "/v1/schedule"),
        ("GET", "/v1/alarms"), ("GET", "/v1/calendars/{name}"), ("GET", "/v1/regime"),
        ("POST", "/v1/apps/{app}/flow/check"),
        ("GET", "/v1/events"), ("GET", "/v1/streams"), ("GET", "/v1/segments"),
        ("GET", "/v1/trials"),
    },
    # Masked without a purpose; with one, as role, purpose and basis allow.
    "rows": {("GET", "/v1/tables/{name}/rows")},
    # Rows about nobody: read by everybody, and recorded.
    "listed": {("GET", "/v1/lists"), ("GET", "/v1/lists/{name}")},
    # As rows are: what purpose and basis do not open is not known, and excludes.
    "judged": {("POST", "/v1/eligible")},
    # For a stated purpose that covers who the customers are.
    "segments": {("POST", "/v1/segments"), ("POST", "/v1/segments/{name}")},
    "listing": {("POST", "/v1/segments/{name}/list")},
    # As rows are: a name that the purpose does not open is hidden, consents that it does not cover too.
    "called": {("GET", "/v1/names"), ("GET", "/v1/customers/{customer}/consents")},
    # The application's own purpose, or that of a review; stated, or the key's.
    "decisions": {
        ("GET", "/v1/apps/{app}/pages/{path}"), ("GET", "/v1/apps/{app}/parity"),
        ("GET", "/v1/decisions"), ("GET", "/v1/decisions/{decision}"),
        ("POST", "/v1/decisions/{decision}/replay"), ("GET", "/v1/decisions/{decision}/proof"),
        ("GET", "/v1/decisions/{decision}/background"), ("GET", "/v1/features/{name}"),
        ("POST", "/v1/apps/{app}/flow/backtest"),
        ("POST", "/v1/apps/{app}/card/bins"), ("GET", "/v1/apps/{app}/card/report"),
        ("GET", "/v1/apps/{app}/flow/shadow"), ("GET", "/v1/apps/{app}/flow/shadow/replay"),
        ("GET", "/v1/features/{app}/{key}"), ("POST", "/v1/online"),
        ("GET", "/v1/decisions/{decision}/letter"), ("GET", "/v1/cases"),
        ("GET", "/v1/cases/{case}"), ("GET", "/v1/outbox"), ("GET", "/v1/outbox/{message}"),
        ("GET", "/v1/cases/{case}/surroundings"), ("GET", "/v1/decisions/{decision}/changes"),
    },
    # A review only.
    "review": {("GET", "/v1/access")},
    # Roles that bring data.
    "write": {
        ("POST", "/v1/tables/{name}/rows"), ("GET", "/v1/tables/{name}/quarantine"),
        ("POST", "/v1/tables/{name}/quarantine/retry"), ("POST", "/v1/schedule/run"),
        ("POST", "/v1/tables/{name}/quarantine/repair"),
    },
    # The application's own purpose.
    "decide": {("POST", "/v1/apps/{app}/decide")},
    # Roles that let models decide.
    "approve": {
        ("POST", "/v1/models/{number}/approve"), ("POST", "/v1/outbox/stop"),
        ("POST", "/v1/apps/{app}/flows"), ("POST", "/v1/apps/{app}/flow"),
        ("POST", "/v1/apps/{app}/flows/{number}/approve"), ("POST", "/v1/lists/{name}"),
        ("POST", "/v1/outbox/go-on"), ("POST", "/v1/outbox/{message}/resolve"),
    },
    # The application's own purpose: work on a case; what is closed or not proposed answers 409.
    "work": {
        ("POST", "/v1/cases/{case}/assign"), ("POST", "/v1/cases/{case}/notes"),
        ("POST", "/v1/decisions/{decision}/refer"), ("POST", "/v1/cases/{case}/propose"), ("POST", "/v1/cases/{case}/agree"),
        ("POST", "/v1/cases/{case}/reject"), ("POST", "/v1/cases/{case}/documents"),
        ("GET", "/v1/cases/{case}/documents/{document}"),
    },
    # Who serves a person shows them their inbox.
    "serve": {
        ("GET", "/v1/inbox/{subject}"), ("GET", "/v1/inbox/{subject}/events"),
        ("POST", "/v1/inbox/{subject}/{number}/seen"), ("POST", "/v1/devices/{subject}"),
    },
    # Keys with the purpose legal.
    "legal": {
        ("GET", "/v1/subjects/{subject}"), ("POST", "/v1/subjects/{subject}/erase"),
        ("POST", "/v1/subjects/{subject}/holds"), ("POST", "/v1/subjects/{subject}/release"),
        ("POST", "/v1/subjects/{subject}/revive"),
        ("GET", "/v1/subjects/{subject}/report"), ("GET", "/v1/subjects/{subject}/report.html"),
    },
}  # fmt: skip
FLOW = discover()["fraud"].flow.own.text
KIND = {route: kind for kind, routes in RULES.items() for route in routes}
WRITERS = {"admin", "engineer", "app"}
APPROVERS = {"admin", "risk"}
REVIEWS = {"audit", "legal"}
FILLED = {"name": "Customer", "app": "fraud", "path": "held", "key": "c1", "node:path": "fraud",
          "number": "1", "subject": "Customer:nobody", "path:path": "", "token": "m0.0",
          "provider": "nobody", "document": "d0", "customer": "c1"}  # fmt: skip
CANARIES = {
    "name": ("Ana 1", "Ana 2", "Ana 3"),
    "email": ("ana1@example.com", "ana2@example.com", "ana3@example.com"),
}
"""Personal values of c1, c2 and c3; c1 has agreed to marketing, c2 took that back, c3 never did."""


@pytest.fixture(scope="module")
def platform() -> Iterator[Platform]:
    """Three customers with personal values, some payments, decided."""
    rows = {
        Customer: [customer(n) for n in (1, 2, 3)],
        Payment: [payment(n, customer=f"c{n % 3 + 1}") for n in range(6)],
        Consent: [
            consent(1),
            consent(2),
            consent(2, event_time="2026-02-01T00:00:00Z", status="withdrawn"),
        ],
    }
    with project(rows) as opened:
        fraud, models = opened.app("fraud"), opened.catalog.models
        tried = propose(models, fraud, f"{FLOW}\n# in shadow\n", "ann")
        approve(models, fraud, tried.id, tried.sha256, "bob", "to be compared")
        publish(models, fraud, f"{FLOW}\n# in shadow\n", "bob", shadow=0)
        made = opened.decide("fraud")
        opened.work.cases.alert(fraud, fraud.inboxes[0], made[0].decision)
        opened.work.outbox.plan(
            [Wanted("one", "fraud", "Customer:c1", ("inbox",), "service", Letter("Hello", "You."))]
        )
        yield opened


@pytest.fixture(scope="module")
def routes(platform: Platform) -> set[tuple[str, str]]:
    """Every route that is served, found by walking the application itself."""

    def walked(found: Any) -> Iterator[tuple[str, str]]:
        for route in found:
            if (inner := getattr(route, "original_router", None)) is not None:
                yield from walked(inner.routes)
            else:
                yield from ((m, route.path) for m in route.methods - {"HEAD"})

    return set(walked(public(platform).routes))


def test_every_route_has_a_rule(routes) -> None:
    """Who adds a route says here who may call it, and it is tried below."""
    assert routes == set(KIND)


def allowed(kind: str, role: str, purpose: str) -> bool:
    """Say whether somebody whose key has all purposes of the role is answered."""
    own = ROLES[role].purposes
    stated = not purpose or purpose in own
    if kind in ("segments", "listing"):
        covered = purpose in own and bool(PURPOSES[purpose].on("identity"))
        return covered and (kind == "segments" or role in APPROVERS)
    if kind == "decisions":
        fitting = {"fraud", *REVIEWS}
        return stated and bool(fitting & own) and (not purpose or purpose in fitting)
    return {
        "open": True,
        "key": True,
        "rows": stated,
        "called": stated,
        "listed": stated,
        "judged": stated and (not purpose or bool(PURPOSES[purpose].on("accounts"))),
        "review": stated and bool(REVIEWS & own) and (not purpose or purpose in REVIEWS),
        "write": role in WRITERS,
        "decide": "fraud" in own,
        "work": "fraud" in own,
        "serve": "service" in own,
        "approve": role in APPROVERS,
        "legal": "legal" in own,
    }[kind]


def seen(role: str, purpose: str) -> set[str]:
    """Return the personal values of Customer that a reader may see."""
    if purpose not in ROLES[role].purposes:
        return set()
    opened = {"service": ("name", "email"), "collections": ("name",), "marketing": ("email",)}
    people = (0,) if purpose == "marketing" else (0, 1, 2)
    return {CANARIES[field][n] for field in opened.get(purpose, ()) for n in people}


class Caller:
    """Somebody with a key of a role and all that the role may act for."""

    def __init__(self, platform: Platform, role: str) -> None:
        own = sorted(ROLES[role].purposes)
        self.text = run(platform, "keys.issue", {"role": role, "purposes": own})["key"]
        self.client = Client(public(platform), ELSEWHERE)
        self.decision = platform.log.entries().__next__().public["id"]
        (case,) = platform.work.cases.page()
        (message,) = platform.work.outbox.recent()
        self.names = {"decision": self.decision, "case": case.id, "message": message.id}

    def __call__(self, method: str, path: str, purpose: str) -> httpx.Response:
        """Call a route with something that it takes."""
        filled = FILLED | self.names
        if "/devices/" in path:
            filled["subject"] = "Customer:c3"
        if "/calendars/" in path:
            filled["name"] = "ECB"
        if "/features/{name}" in path:
            filled["name"] = "fraud.count_1h"
        if "quarantine" in path:
            filled["name"] = "Payment"
        where = re.sub(r"\{([^}]+)\}", lambda hole: filled[hole[1]], path)
        bodies: dict[str, Any] = {
            "/v1/tables/{name}/rows": [customer(1)],
            "/v1/tables/{name}/quarantine/repair": {"load": 1, "line": 1, "cells": {}},
            "/v1/apps/{app}/decide": {"key": "p1"},
            "/v1/online": {"keys": {"Customer": "c1"}, "features": ["fraud.count_1h"]},
            "/v1/segments": {"when": {"eq": [{"column": "country"}, "ES"]}},
            "/v1/segments/{name}": {"when": {"eq": [{"column": "country"}, "ES"]}},
            "/v1/eligible": {"text": "card: {purpose: marketing, once: true}", "customer": "c1"},
            "/v1/models/{number}/approve": {"note": "a test"},
            "/v1/apps/{app}/flows": {"text": FLOW},
            "/v1/apps/{app}/flow": {"text": FLOW},
            "/v1/apps/{app}/flow/backtest": {"text": FLOW},
            "/v1/apps/{app}/flow/check": {"text": FLOW},
            "/v1/apps/{app}/card/bins": {"input": "amount"},
            "/v1/lists/{name}": {"content": "aWQKbTEK", "file": "a.csv"},
            "/v1/decisions/{decision}/refer": {"reason": "a test"},
            "/v1/apps/{app}/flows/{number}/approve": {"note": "a test", "sha256": "0" * 12},
            "/v1/subjects/{subject}/erase": {"reason": "a test"},
            "/v1/subjects/{subject}/holds": {"reason": "a test", "until": "2036-01-01T00:00:00Z"},
            "/v1/subjects/{subject}/release": {"reason": "a test"},
            "/v1/subjects/{subject}/revive": {"reason": "a test"},
            "/v1/cases/{case}/assign": {"to": "ann"},
            "/v1/cases/{case}/notes": {"text": "a test"},
            "/v1/cases/{case}/propose": {"outcome": "genuine", "reason": "a test"},
            "/v1/cases/{case}/agree": {"revision": 0},
            "/v1/cases/{case}/reject": {"reason": "a test"},
            "/v1/outbox/stop": {"scope": "app:nobody", "reason": "a test"},
            "/v1/outbox/go-on": {"scope": "app:nobody"},
            "/v1/outbox/{message}/resolve": {"arrived": True},
            "/v1/devices/{subject}": {"channel": "push", "address": "a token"},
        }
        more: dict[str, Any] = {"json": bodies.get(path, {})} if method == "POST" else {}
        if path in ("/v1/decisions", "/v1/cases", "/v1/outbox"):
            more["params"] = {"app": "fraud"}
        if path == "/v1/names":
            more["params"] = {"of": ["Customer:c1", "Customer:c2"]}
        if path.endswith("/events"):
            more["params"] = {"wait_s": 0}
        if path.endswith("/documents"):
            more = {"content": b"%PDF-1.7"}
        headers = {"Authorization": f"Bearer {self.text}", "Heptad-Purpose": purpose}
        return self.client(method, where, headers=headers, **more)


def fine(kind: str, path: str) -> set[int]:
    """What a caller may be answered who is allowed to ask."""
    if path.startswith("/v1/signin/"):  # nobody signs in to a project without a provider
        return {422}
    if path == "/v1/signin":  # what ways there are is told; without a name nobody signs in
        return {200, 422}
    if "/card/" in path:  # the application has no scorecard
        return {422}
    if path.endswith("/revive"):  # nobody of the matrix was erased
        return {409}
    return {200, 404, 409} if kind in ("work", "approve") else {200, 404}


@pytest.mark.slow
@pytest.mark.parametrize("role", sorted(ROLES))
def test_each_role_is_answered_as_the_rules_say(platform, routes, role) -> None:
    who = Caller(platform, role)
    answered = refused = 0
    for method, path in sorted(routes):
        kind = KIND[method, path]
        states = kind in ("rows", "listed", "judged", "decisions", "review", "called")
        for purpose in ["", *PURPOSES] if states else ["", "audit", "marketing"]:
            before = len(platform.access)
            answer = who(method, path, purpose)
            place = f"{role} for {purpose or 'no purpose'}: {method} {path}: {answer.text[:300]}"
            if allowed(kind, role, purpose):
                assert answer.status_code in fine(kind, path), place
                answered += 1
            else:
                assert answer.status_code == 403, place
                refused += 1
            if states:
                assert len(platform.access) > before, f"not recorded: {place}"
                last = platform.access.entries(limit=1)[0].record
                assert (last.role, last.result == "refused") == (role, answer.status_code == 403)
            shown = {v for v in itertools.chain(*CANARIES.values()) if v in answer.text}
            assert shown <= (seen(role, purpose) if kind in ("rows", "called") else set()), place
            if kind == "rows" and answer.status_code == 200:
                assert shown == seen(role, purpose), place
    assert answered
    assert refused


def test_a_decision_that_is_shown_names_no_personal_value(platform) -> None:
    """What the canaries above cannot show: a whole explanation, in words and as data."""
    told = json.dumps(platform.explain(Caller(platform, "risk").decision, to="engineer"))
    assert not [v for v in itertools.chain(*CANARIES.values()) if v in told]
