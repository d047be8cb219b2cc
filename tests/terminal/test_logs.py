# SPDX-License-Identifier: Apache-2.0
"""The server's log: one JSON object a line, each request by its route, nothing personal."""

from __future__ import annotations

import json
import logging
from io import StringIO
from typing import TYPE_CHECKING

import httpx
import pytest

from heptad.runtime import Platform
from heptad.standards.errors import InputError
from heptad.terminal import logs
from heptad.terminal.http.api import public
from heptad.terminal.serve import logging_from
from tests.terminal.calling import Client
from tests.terminal.conftest import free_port, run_server, wait_for_server
from tests.terminal.rows import CARD, customer, payment

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TRACE = "0af7651916cd43dd8448eb211c80319c"


@pytest.fixture
def said() -> Iterator[StringIO]:
    """What is logged, as it would be on standard error."""
    handler, text = logs.start("info"), StringIO()
    handler.setStream(text)
    yield text
    logs.stop(handler)


def lines(text: str) -> list[dict]:
    return [json.loads(line) for line in text.splitlines()]


def test_a_request_is_one_line_with_route_status_and_name(own: Path, said: StringIO) -> None:
    with Platform.open(own) as platform:
        client = Client(public(platform))
        trace = {"traceparent": f"00-{TRACE}-b7ad6b7169203331-01"}
        named = client.get("/v1/tables/Payment/rows?limit=1", headers=trace)
        other = client.get("/v1/tables/ana@example.com", headers={"traceparent": "00-zz"})
    first, second = lines(said.getvalue())
    assert named.headers["x-request-id"] == first["request"] == TRACE
    assert (first["method"], first["route"], first["status"]) == (
        "GET", "/v1/tables/{name}/rows", 200,
    )  # fmt: skip
    assert first["ms"] > 0
    assert (second["status"], second["request"]) == (404, other.headers["x-request-id"])
    assert len(second["request"]) == 32
    assert "ana" not in said.getvalue()


def test_nothing_personal_is_logged_whatever_fails(
    own: Path, said: StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ValueError(f"Ana 7 <ana7@example.com> {CARD}")

    with Platform.open(own) as platform:
        client = Client(public(platform))
        client.post("/v1/tables/Customer/rows", json=[customer(7)])
        client.post("/v1/tables/Payment/rows", json=[payment(1), {"id": CARD}])
        monkeypatch.setattr(platform, "accept", fail)
        monkeypatch.setattr(platform, "store", fail)
        answer = client.post("/v1/tables/Payment/rows", json=[payment(2)])
    assert answer.status_code == 500
    failed = [line for line in lines(said.getvalue()) if line["level"] == "error"]
    assert failed[0]["error"] == "ValueError"
    assert any("fail" in frame for frame in failed[0]["at"])
    assert failed[0]["request"]
    for secret in ("Ana", "ana7", "example.com", CARD):
        assert secret not in said.getvalue()


def test_messages_are_redacted_and_stay_on_one_line(said: StringIO) -> None:
    logging.getLogger("heptad.test").warning('a\nb %s {"x": 1}\u2028 %s', CARD, "leo@example.com")
    (line,) = lines(said.getvalue())
    assert line["level"] == "warning"
    assert CARD not in line["event"]
    assert "leo@" not in line["event"]
    assert said.getvalue().count("\n") == 1


def test_levels() -> None:
    with pytest.raises(InputError, match="no such level"), logging_from("loud"):
        pass
    with logging_from("error"):
        assert not logging.getLogger("heptad.x").isEnabledFor(logging.WARNING)
    assert logging.getLogger("heptad").level == logging.NOTSET


@pytest.mark.slow
def test_a_server_tells_each_request_on_standard_error(own: Path) -> None:
    port = free_port()
    process = run_server(own, "--port", str(port), "--log-level", "info")
    wait_for_server(process)
    httpx.get(f"http://127.0.0.1:{port}/health")
    httpx.get(f"http://127.0.0.1:{port}/nowhere")
    process.terminate()
    _, err = process.communicate(timeout=30)
    told = [(line["route"], line["status"]) for line in lines(err) if line["event"] == "request"]
    assert told == [("/health", 200), ("unknown", 404)]
