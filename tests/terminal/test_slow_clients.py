# SPDX-License-Identifier: Apache-2.0
"""Hundreds of clients that send or read slowly, or nothing: everybody else is answered."""

from __future__ import annotations

import socket
import statistics
import threading
import time
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import httpx
import pytest

from heptad.standards.model import Customer
from heptad.terminal import serve
from heptad.terminal.http import patience
from heptad.terminal.http.api import public
from heptad.testing.scratch import project
from tests.terminal.rows import customer

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.slow
SLOW, IDLE = 500, 1000
HEAD = b"POST /v1/tables/Customer/rows HTTP/1.1\r\nHost: 127.0.0.1\r\n"
BODY = HEAD + b"Content-Type: application/json\r\nContent-Length: 5000\r\n\r\n["
GET = b"GET /openapi.json HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """A server as `heptad serve` runs it, on a free port."""
    patience.room_for_connections()
    with (
        project({Customer: [customer(n) for n in (1, 2, 3)]}) as platform,
        serve.listening("127.0.0.1", 0) as listener,
    ):
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 14)  # an answer fills it
        server = serve.Server(serve._config(public(platform)))
        thread = threading.Thread(target=server.run, args=[[listener]])
        thread.start()
        yield listener.getsockname()[1]
        server.should_exit = server.force_exit = True
        thread.join()


@contextmanager
def sockets(port: int, count: int, begin: bytes, buffer: int = 0) -> Iterator[list[socket.socket]]:
    """So many connections that have sent the same beginning."""
    with ExitStack() as opened:
        made = []
        for _ in range(count):
            one = opened.enter_context(socket.socket())
            if buffer:
                one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
            one.settimeout(30)
            one.connect(("127.0.0.1", port))
            one.sendall(begin)
            made.append(one)
        yield made


def honest(port: int, count: int = 30) -> float:
    """How long others wait, in the middle; each of them must be answered."""
    spent = []
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=20) as client:
        for _ in range(count):
            begun = time.perf_counter()
            answer = client.get("/v1/tables")
            spent.append(time.perf_counter() - begun)
            assert answer.status_code == 200, answer.text
    return statistics.median(spent)


def closed(one: socket.socket) -> bool:
    """Wait until the server hangs up, whatever it has said before."""
    try:
        while one.recv(1 << 20):
            pass
    except ConnectionError:
        pass
    return True


@pytest.mark.parametrize(
    ("begin", "buffer"),
    [(HEAD, 0), (BODY, 0), (GET * 3, 4096)],
    ids=["head", "body", "reading"],
)
def test_slow_clients_keep_nobody_out(port, begin, buffer) -> None:
    before = honest(port)
    with sockets(port, SLOW, begin, buffer) as slow, sockets(port, IDLE, b"") as idle:
        meanwhile = honest(port)
        assert len(slow) + len(idle) == SLOW + IDLE
    # In the middle, and with room: the machine that runs the tests runs other things too.
    assert meanwhile <= 5 * before + 0.05


@pytest.mark.parametrize(
    ("limit", "begin", "buffer"),
    [("HEAD_S", b"", 0), ("HEAD_S", HEAD, 0), ("BODY_S", BODY, 0), ("UNREAD_S", GET * 3, 4096)],
    ids=["nothing", "head", "body", "reading"],
)
def test_the_server_hangs_up(port, monkeypatch, limit, begin, buffer) -> None:
    """One that stays slow is let go of; one that comes in time is answered."""
    monkeypatch.setattr(patience, limit, 0.5)
    with sockets(port, 3, begin, buffer) as slow:
        if buffer:
            time.sleep(3)  # it must not read, so that the server has to wait
        assert all(closed(one) for one in slow)
    assert httpx.get(f"http://127.0.0.1:{port}/health", timeout=10).status_code == 200


def test_connections_are_bounded(port, monkeypatch) -> None:
    monkeypatch.setattr(patience, "MOST_CONNECTED", 20)
    with sockets(port, 60, b"") as many:
        assert all(closed(one) for one in many[40:])
    monkeypatch.undo()
    assert honest(port, 3) < 10


def test_a_client_that_comes_a_little_at_a_time_is_answered(port) -> None:
    with sockets(port, 1, b"GET /health HTTP/1.1\r\n") as (one,):
        for part in (b"Host: ", b"127.0.0.1\r\n", b"Connection: close\r\n\r\n"):
            time.sleep(0.3)
            one.sendall(part)
        assert one.recv(1 << 16).startswith(b"HTTP/1.1 200")
