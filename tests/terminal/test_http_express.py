# SPDX-License-Identifier: Apache-2.0
"""The short way over HTTP answers as the routes do, to whom they do, and only what is plain."""

from __future__ import annotations

from contextlib import contextmanager

import httpx
import pytest

from heptad.runtime import Platform
from heptad.terminal.http.access import api_keys
from heptad.terminal.http.express import Express
from tests.service.test_quick import Ticking, settled
from tests.terminal.rows import payment
from tests.terminal.test_http_concurrent import listening

NOW = 1_772_452_800_000_000


@contextmanager
def served(folder, *, quick):
    folder.mkdir()
    (folder / "heptad.toml").write_text('[project]\nname = "short"\n', encoding="utf-8")
    with Platform.open(folder, clock=Ticking(NOW)) as platform:
        platform.accept("Payment", [payment(0)])
        if quick:
            platform.quicken()
            settled(platform)
        with listening(platform) as url, httpx.Client(base_url=url, timeout=60) as client:
            yield platform, client


@pytest.fixture
def both(tmp_path):
    with served(tmp_path / "a", quick=True) as short, served(tmp_path / "b", quick=False) as long:
        yield short, long


def short_ways(monkeypatch):
    """Count the requests that are answered the short way."""
    answered, found = Express._answered, []

    async def counted(*parts):
        response = await answered(*parts)
        found.append(response is not None)
        return response

    monkeypatch.setattr(Express, "_answered", counted)
    return found


REQUESTS = [
    ("decide", {"row": payment(1)}, {}),
    ("decide", {"row": payment(2)}, {"Idempotency-Key": "order-2"}),
    ("decide", {"row": payment(2)}, {"Idempotency-Key": "order-2"}),
    ("decide", {"row": payment(3)}, {"Idempotency-Key": "order-2"}),
    ("decide", {"row": payment(4) | {"amount": 12.5}}, {}),
    ("decide", {"row": payment(5) | {"amount": "no"}}, {}),
    ("decide", {"row": payment(6), "key": "p1"}, {}),
    ("decide", {"key": "p1"}, {}),
    ("decide", {"row": payment(7)}, {"Idempotency-Key": "two words"}),
    ("decide", {"row": [1]}, {}),
    ("rows", [payment(10), payment(11)], {}),
    ("rows", payment(12), {}),
    ("rows", [payment(10)], {}),
    ("rows", [payment(13), payment(14) | {"status": "lost"}], {}),
    ("rows", [], {}),
    ("rows", "nothing", {}),
]
SHORT = [0, 1, 4, 10, 11]


def sent(client, request):
    kind, body, headers = request
    path = "/v1/apps/fraud/decide" if kind == "decide" else "/v1/tables/Payment/rows"
    answer = client.post(path, json=body, headers=headers)
    found = answer.json()
    for decided in (found, *found.get("decisions", ())):
        # Without an id of the caller's it follows from when the row came to be known.
        if len(decided.get("id", "")) == 20:
            decided.pop("id")
    found.pop("version", None)
    return answer.status_code, found, answer.headers["content-type"]


def test_the_short_way_answers_as_the_routes_do(both, monkeypatch):
    (_, short), (_, long) = both
    taken = short_ways(monkeypatch)
    for number, request in enumerate(REQUESTS):
        before = len(taken)
        assert sent(short, request) == sent(long, request), request
        assert taken[before:] == [number in SHORT] or number in (2, 3), request
    for path in ("/v1/tables/Payment/rows", "/v1/decisions"):
        rows = [client.get(path).json() for client in (short, long)]
        name = "rows" if "rows" in rows[0] else "decisions"
        assert len(rows[0][name]) == len(rows[1][name])
    assert both[0][0].replay().identical


def test_the_short_way_is_open_to_those_whom_the_routes_let_in(tmp_path, monkeypatch):
    with served(tmp_path / "a", quick=True) as (platform, client):
        taken = short_ways(monkeypatch)
        keys = api_keys(platform)
        issued = {role: keys.issue(role, role) for role in ("app", "auditor")}

        def ask(n, role=None, text=None):
            text = text or (issued[role].text if role else "")
            headers = {"Authorization": f"Bearer {text}"} if text else {}
            body = {"row": payment(n)}
            return client.post("/v1/apps/fraud/decide", json=body, headers=headers).status_code

        assert [ask(20, "app"), ask(21, "app"), ask(22, "auditor"), ask(23)] == [200, 200, 403, 401]
        assert ask(24, text=issued["app"].text[:-1] + "x") == 401
        assert taken == [True, True, False, False, False]
        keys.revoke(issued["app"].record.id)
        assert ask(25, "app") == 401
        assert platform.read("Payment").num_rows == 3


def test_metrics_name_the_route_and_large_bodies_go_to_it(tmp_path, monkeypatch):
    with served(tmp_path / "a", quick=True) as (_, client):
        taken = short_ways(monkeypatch)
        assert client.post("/v1/tables/Payment/rows", json=[payment(30)]).status_code == 200
        many = [payment(n % 60) | {"id": f"q{n}"} for n in range(480)]
        found = client.post("/v1/tables/Payment/rows", json=many)
        assert (found.status_code, found.json()["accepted"]) == (200, 480)
        assert taken == [True]
        text = client.get("/metrics").text
        line = 'heptad_requests_total{method="POST",path="/v1/tables/{name}/rows",status="200"} 2'
        assert line in text
