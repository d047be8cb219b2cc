# SPDX-License-Identifier: Apache-2.0
"""More requests than can be answered: the rest is told so at once, and nothing else changes."""

from __future__ import annotations

import json
import socket
import sys
import threading
import time
from contextlib import nullcontext
from typing import TYPE_CHECKING

import httpx
import pytest

from heptad.catalog import courtesy
from heptad.standards.model import Payment
from heptad.terminal import serve
from heptad.terminal.http import express
from heptad.terminal.http.api import Api, public
from heptad.terminal.http.meter import HEADERS, MOST_AT_ONCE
from heptad.testing.scratch import project
from tests.terminal.rows import payment

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def served() -> Iterator[tuple[Api, int]]:
    with project({Payment: [payment(0)]}) as platform, serve.listening("127.0.0.1", 0) as listener:
        api = public(platform)
        server = serve.Server(serve._config(api))
        thread = threading.Thread(target=server.run, args=[[listener]])
        thread.start()
        yield api, listener.getsockname()[1]
        server.should_exit = True
        thread.join()


def posted(n: int, extra: bytes = b"") -> bytes:
    body = json.dumps([payment(n)]).encode()
    head = b"POST /v1/tables/Payment/rows HTTP/1.1\r\nHost: 127.0.0.1\r\n" + extra
    return head + b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body


def answered(one: socket.socket, data: bytes = b"") -> tuple[int, dict[str, str], bytes, bytes]:
    """Read one answer: its status, its headers, its body, and what came after it."""
    while b"\r\n\r\n" not in data:
        data += one.recv(1 << 16)
    head, _, body = data.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in lines[1:])
    while len(body) < int(headers["content-length"]):
        body += one.recv(1 << 16)
    size = int(headers["content-length"])
    return int(lines[0].split()[1]), headers, body[:size], body[size:]


def test_who_is_turned_away_is_told_as_by_the_routes_and_may_come_again(served) -> None:
    api, port = served
    with socket.create_connection(("127.0.0.1", port), 20) as one:
        api.front.running += MOST_AT_ONCE
        with httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
            told = client.get("/v1/tables")
        assert told.status_code == 503
        for n in (1, 2):
            one.sendall(posted(n))
            status, headers, body, _ = answered(one)
            assert (status, json.loads(body)) == (503, told.json())
            assert headers["retry-after"] == told.headers["retry-after"] == "1"
            assert headers["content-type"] == told.headers["content-type"]
            assert len(headers["x-request-id"]) == 32
            assert all(headers[k.decode()] == v.decode().lower() for k, v in HEADERS)
        assert api.front.requests["POST", "/v1/tables/{name}/rows", 503] == 2
        api.front.running -= MOST_AT_ONCE
        one.sendall(posted(1))
        status, _, body, _ = answered(one)
        assert (status, json.loads(body)["accepted"]) == (200, 1), body
    platform = api.state.platform
    assert platform.read("Payment").num_rows == 2


@pytest.mark.slow
def test_who_asks_nothing_more_is_hung_up_on(served) -> None:
    api, port = served
    api.front.running += MOST_AT_ONCE
    with socket.create_connection(("127.0.0.1", port), 20) as one:
        one.sendall(posted(1))
        assert answered(one)[0] == 503
        assert one.recv(1) == b""
    api.front.running -= MOST_AT_ONCE


def test_threads_take_longer_turns_while_there_is_a_crowd(served) -> None:
    api, port = served
    before = sys.getswitchinterval()
    sys.setswitchinterval(express.TURN_S)  # Python's own is that of a crowd
    try:
        with socket.create_connection(("127.0.0.1", port), 20) as one:
            api.front.running += MOST_AT_ONCE
            one.sendall(posted(1))
            assert answered(one)[0] == 503
            assert sys.getswitchinterval() == pytest.approx(express.CROWDED_TURN_S)
            api.front.running -= MOST_AT_ONCE
            time.sleep(2 * express.CALM_S)
            one.sendall(posted(1))
            assert answered(one)[0] == 200
            assert sys.getswitchinterval() == pytest.approx(express.TURN_S)
    finally:
        sys.setswitchinterval(before)


def test_the_loop_waits_for_the_thread_that_serves_while_it_turns_others_away(
    served, monkeypatch
) -> None:
    api, port = served
    monkeypatch.setattr(express, "WAY_S", 0.4)
    spent = []
    with socket.create_connection(("127.0.0.1", port), 20) as one:
        api.front.running += MOST_AT_ONCE
        for crowd in (courtesy.serving(), nullcontext()):
            with crowd:
                begun = time.perf_counter()
                for _ in range(3):
                    time.sleep(2 * express.HURRY_S)
                    one.sendall(posted(1))
                    assert answered(one)[0] == 503
                one.sendall(posted(1))
                assert answered(one)[0] == 503
                spent.append(time.perf_counter() - begun)
        api.front.running -= MOST_AT_ONCE
    assert spent[0] > 2 * 0.4 * 0.9  # each second one finds that the loop has just waited
    assert spent[1] < spent[0] - 0.4


@pytest.mark.parametrize(
    ("pieces", "wanted"),
    [
        (lambda data: [data[:60], data[60:]], [503]),
        (lambda data: [data[:-3], data[-3:]], [503]),
        (lambda data: [data + data], [503, 503]),
        (lambda _: [posted(1, b"Connection: close\r\n")], [503]),
        (
            lambda _: [
                posted(1, b"Transfer-Encoding: chunked\r\n").replace(b"Content-Length", b"X-L")
            ],
            [400],
        ),
    ],
    ids=["head in two", "body in two", "two at once", "closing", "chunked badly"],
)
def test_what_is_not_one_whole_row_goes_the_common_way(served, pieces, wanted) -> None:
    api, port = served
    api.front.running += MOST_AT_ONCE
    with socket.create_connection(("127.0.0.1", port), 20) as one:
        for piece in pieces(posted(1)):
            one.sendall(piece)
        rest = b""
        for status in wanted:
            found, _, _, rest = answered(one, rest)
            assert found == status
    api.front.running -= MOST_AT_ONCE
    with httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
        assert client.get("/v1/tables").status_code == 200
    assert api.state.platform.read("Payment").num_rows == 1


def test_a_row_that_begins_to_come_while_all_are_busy_ends_as_it_began(served) -> None:
    """The parser never sees half a request: what it began it ends."""
    api, port = served
    data = posted(1)
    with socket.create_connection(("127.0.0.1", port), 20) as one:
        one.sendall(data[:80])
        with httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
            assert client.get("/health").status_code == 200
        api.front.running += MOST_AT_ONCE
        one.sendall(data[80:])
        assert answered(one)[0] == 503
        api.front.running -= MOST_AT_ONCE
        one.sendall(posted(1))
        assert answered(one)[0] == 200
