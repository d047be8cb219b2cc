# SPDX-License-Identifier: Apache-2.0
"""Whatever is sent, the answer is a problem document, never a fault, and nothing is half-applied."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heptad.engine.local.duck import Duck
from heptad.standards.errors import Busy
from heptad.standards.model import Payment
from heptad.terminal.http import meter
from heptad.terminal.http.api import public
from heptad.testing.scratch import project
from tests.terminal.calling import Client
from tests.terminal.rows import payment

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    import httpx

JSON, LINES = "application/json", "application/x-ndjson"
DECIDE, ROWS = "/v1/apps/fraud/decide", "/v1/tables/Payment/rows"


@pytest.fixture(scope="module")
def api() -> Iterator[Client]:
    """The API of a project with three payments."""
    with project({Payment: [payment(n) for n in range(3)]}) as opened:
        yield Client(public(opened))


def refused(answer: httpx.Response, *statuses: int) -> dict[str, Any]:
    """Return the problem that a request was refused with."""
    assert answer.status_code in statuses, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    found: dict[str, Any] = answer.json()
    assert found.keys() >= {"type", "title", "status", "code", "detail", "do"}
    assert found["status"] == answer.status_code
    return found


BODIES = {
    "nothing": b"",
    "half an object": b"{",
    "null": b"null",
    "a number": b"1",
    "a text": b'"x"',
    "bytes": b"\xff\xfe\x00",
    "not a number": b'{"row": {"id": NaN}}',
    "infinity": b'{"row": {"id": Infinity}}',
    "too large a number": b'{"row": {"id": 1e999}}',
    "five thousand digits": b'{"row": {"id": 1' + b"0" * 5000 + b"}}",
    "half a character": b'{"key": "\\ud800"}',
    "half a character in a row": b'{"row": {"id": "\\ud800"}}',
    "half a character in a name": b'{"row": {"\\ud800": "1"}}',
    "deep arrays": b"[" * 100_000,
    "deep objects": b'{"row":' * 50_000,
    "no object": b'{"row": 5}',
    "an object within": b'{"row": {"id": {"a": 1}}}',
    "neither": b"{}",
    "both": b'{"row": {}, "key": "p1"}',
    "another field": b'{"key": "p1", "force": true}',
    "an empty row": b'{"row": {}}',
    "another type": b'{"key": 5}',
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_what_is_no_request_to_decide_is_refused(api: Client, body: bytes) -> None:
    refused(api.post(DECIDE, content=body, headers={"Content-Type": JSON}), 400, 422)


def test_a_row_sent_bare_is_told_its_envelope(api: Client) -> None:
    answer = api.post(DECIDE, json={"id": "p1", "amount": "1.00"})
    assert answer.status_code == 422
    assert '{"row": {…}}' in answer.json()["do"]


@pytest.mark.parametrize("kind", [JSON, LINES])
def test_what_is_no_row_is_refused_or_set_aside(api: Client, kind: str) -> None:
    for body in BODIES.values():
        answer = api.post(ROWS, content=body, headers={"Content-Type": kind})
        if answer.status_code == 200:
            assert answer.json()["accepted"] == 0
        else:
            refused(answer, 422)


def test_a_row_that_a_check_refuses_is_named_with_its_cure(api: Client) -> None:
    found = refused(api.post(DECIDE, json={"row": payment(7, amount="-5")}), 422)
    assert (found["code"], found["title"][:14]) == ("contract", "Payment.amount")


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/nope", 404),
        ("/v1/tables/Paymnt", 404),
        ("/v1/tables/Paymnt/rows", 404),
        ("/v1/tables/Paymnt/contract", 404),
        ("/v1/tables/%00", 404),
        ("/v1/tables/..%2f..%2fetc%2fpasswd", 404),
        ("/v1/tables/Payment/rows?t=soon", 422),
        ("/v1/tables/Payment/rows?t=2026-99-99", 422),
        ("/v1/tables/Payment/rows?k=%00", 422),
        ("/v1/tables/Payment/rows?limit=0", 422),
        ("/v1/tables/Payment/rows?limit=10001", 422),
        ("/v1/tables/Payment/rows?limit=many", 422),
        ("/v1/decisions?cursor=zz", 422),
        ("/v1/decisions?cursor=%FF%FE", 422),
        ("/v1/decisions?limit=-1", 422),
        ("/v1/decisions?app=frad", 404),
        ("/v1/decisions/none", 404),
        ("/v1/decisions/none/proof", 404),
        ("/v1/decisions/none?to=king", 422),
        ("/v1/decisions/none?language=xx", 422),
        ("/v1/features?app=frad", 404),
        ("/v1/features/frad/c1", 404),
        ("/v1/features/fraud/c1?t=1", 422),
        ("/v1/features/fraud/c1?entity=Customr", 404),
        ("/v1/lineage/Payment.amnt", 404),
        ("/v1/lineage/", 404),
        ("/v1/apps/frad", 404),
        ("/v1/apps/fraud/pages/hold", 404),
    ],
)
def test_what_is_not_there_or_not_understood_is_told(api: Client, path: str, status: int) -> None:
    refused(api.get(path), status)


@pytest.mark.parametrize(
    "after", ["'; DROP TABLE x; --", "\x00", "\U0010ffff", "p' OR '1'='1", "%", "\\"]
)
def test_a_cursor_of_rows_is_a_key_and_nothing_else(api: Client, after: str) -> None:
    answer = api.get(ROWS, params={"after": after})
    assert answer.status_code == 200
    assert all(row["id"] > after for row in answer.json()["rows"])


def test_a_cursor_belongs_to_its_list(api: Client) -> None:
    for number in range(3):
        api.post(DECIDE, json={"key": f"p{number}"})
    cursor = api.get("/v1/decisions", params={"limit": 1}).json()["cursor"]
    refused(api.get("/v1/decisions", params={"cursor": cursor, "outcome": "hold"}), 422)


@pytest.mark.parametrize("key", ["", "a b", "x" * 201, "é".encode(), "a\tb"])
def test_an_idempotency_key_is_short_and_printable(api: Client, key: str | bytes) -> None:
    refused(api.post(DECIDE, json={"key": "p1"}, headers={"Idempotency-Key": key}), 422)


def test_unknown_rows_and_applications_are_told(api: Client) -> None:
    assert "p9" in refused(api.post(DECIDE, json={"key": "p9"}), 404)["detail"]
    refused(api.post("/v1/apps/frad/decide", json={"key": "p1"}), 404)
    refused(api.post("/v1/tables/Paymnt/rows", json=[{}]), 404)
    refused(api.post("/v1/decisions/none/replay"), 404)


@pytest.mark.parametrize("kind", ["", "text/plain", "application/xml", "multipart/form-data"])
def test_other_kinds_of_bodies_are_refused(api: Client, kind: str) -> None:
    for path in (DECIDE, ROWS):
        answer = api.post(path, content=b'{"key": "p1"}', headers={"Content-Type": kind})
        refused(answer, 415)


def test_methods_that_a_path_does_not_take_are_refused(api: Client) -> None:
    for method, path in (("DELETE", "/v1/tables"), ("GET", DECIDE), ("PUT", ROWS)):
        refused(api(method, path), 405)


async def _chunks() -> AsyncIterator[bytes]:
    for _ in range(9):
        yield b" " * (1 << 20)


@pytest.mark.parametrize("path", [DECIDE, ROWS])
def test_a_body_that_is_too_large_is_refused_told_beforehand_or_not(api: Client, path: str) -> None:
    for body in (b" " * (9 << 20), _chunks()):
        found = refused(api.post(path, content=body, headers={"Content-Type": JSON}), 413)
        assert "8 MiB" in found["detail"]


def test_too_many_rows_are_refused(api: Client) -> None:
    body = b'{"id": "1"}\n' * 10_001
    refused(api.post(ROWS, content=body, headers={"Content-Type": LINES}), 422)


def test_more_requests_than_can_be_answered_are_told_to_come_back(
    api: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(meter, "MOST_AT_ONCE", 0)
    answer = api.get("/v1/tables")
    refused(answer, 503)
    assert answer.headers["retry-after"] == "1"


def test_a_busy_store_is_told_with_when_to_come_back(
    api: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def busy(*_: object, **__: object) -> None:
        raise Busy("The disk is full.", do="free some space")

    monkeypatch.setattr(Duck, "arrow", busy)
    answer = api.get(ROWS)
    refused(answer, 503)
    assert answer.headers["retry-after"] == "1"


def test_a_fault_tells_its_cause_to_the_log_and_to_nobody_else(
    api: Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("secret of Ana")

    monkeypatch.setattr(Duck, "arrow", fail)
    answer = api.get(ROWS)
    refused(answer, 500)
    assert "secret" not in answer.text
    assert "secret of Ana" in caplog.text


def test_a_card_number_is_not_echoed(api: Client) -> None:
    card = "4111111111111111"
    answers = [
        api.post(DECIDE, json={"key": "p1", "card": card}),
        api.post(DECIDE, json={"row": payment(8, amount=card + "x")}),
        api.get(f"/v1/decisions?limit={card}"),
    ]
    assert not [answer.text for answer in answers if card in answer.text]


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
names = st.sampled_from([*Payment.fields, "known_time", "_deleted", "place_lat", ""]) | st.text()


@settings(max_examples=25)
@given(row=st.dictionaries(names, values, max_size=8), body=st.binary(max_size=60))
def test_no_body_whatever_makes_the_server_fail(
    api: Client, row: dict[str, Any], body: bytes
) -> None:
    written = json.dumps({"row": row}).encode()
    for content in (written, body, written[: len(written) // 2] + body):
        for path in (DECIDE, ROWS):
            answer = api.post(path, content=content, headers={"Content-Type": JSON})
            assert answer.status_code < 500, (path, content, answer.text)
    answer = api.post(ROWS, content=json.dumps([row]).encode(), headers={"Content-Type": JSON})
    assert answer.status_code < 500, (row, answer.text)
