# SPDX-License-Identifier: Apache-2.0
"""The short way over HTTP answers as the routes do, to whom they do, and only what is plain."""

from __future__ import annotations

import json
import re
import socket
import threading
from contextlib import contextmanager
from itertools import chain, count, pairwise, repeat

import httpx
import pytest

from heptad.runtime import Platform
from heptad.standards.errors import Busy
from heptad.terminal import serve
from heptad.terminal.commands import run
from heptad.terminal.http import direct, express
from heptad.terminal.http.access import api_keys
from heptad.terminal.http.api import public
from heptad.terminal.http.direct import Direct
from heptad.terminal.http.express import Express
from heptad.terminal.logs import Lines
from tests.service.quickly import Ticking, settled
from tests.terminal.rows import payment
from tests.terminal.test_crowded import answered
from tests.terminal.test_http_concurrent import listening
from tests.waiting import until

PASSWORD = "four words nobody puts together"
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
    """Note of each request that is asked of the short way whether it is answered there."""
    take, found = Express.take, []

    def noted(one, posted, tell):
        if one._platform.intake.quick is None:
            return take(one, posted, tell)

        def told(answer):
            found[mine] = answer is not None
            tell(answer)

        mine = len(found)
        found.append(False)
        return take(one, posted, told)

    monkeypatch.setattr(Express, "take", noted)
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


def test_the_short_way_knows_nobody_by_anothers_session(tmp_path):
    with served(tmp_path / "s", quick=True) as (platform, client):
        run(platform, "users.add", {"name": "eva", "role": "engineer", "password": PASSWORD})
        entered = client.post("/v1/signin", json={"name": "eva", "password": PASSWORD})
        assert entered.status_code == 200
        told = {"Heptad-CSRF": client.get("/v1/session").json()["csrf"]}
        session = {"Cookie": "; ".join(f"{n}={v}" for n, v in client.cookies.items())}

        def ask(n, **headers):
            with httpx.Client(base_url=client.base_url, timeout=60) as other:
                path = "/v1/tables/Payment/rows"
                return other.post(path, json=[payment(n)], headers=headers).status_code

        assert [ask(7), ask(7, **session), ask(7, **session, **told)] == [401, 403, 200]
        assert [ask(8), ask(8, **told), ask(8, **session)] == [401, 401, 403]
        assert platform.read("Payment").num_rows == 2


def test_the_short_way_closes_with_the_first_user(tmp_path):
    with served(tmp_path / "s", quick=True) as (platform, client):

        def ask(n):
            return client.post("/v1/tables/Payment/rows", json=[payment(n)]).status_code

        assert ask(7) == 200
        platform.users.add("eva", "engineer", PASSWORD, 0)
        assert ask(8) == 401
        platform.users.remove("eva")
        assert ask(9) == 401


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


@pytest.fixture(scope="module")
def quick_server(tmp_path_factory):
    with served(tmp_path_factory.mktemp("quick") / "a", quick=True) as (platform, client):
        yield platform, client.base_url.port, count(100)


def received(monkeypatch):
    """Note each piece that a connection is given."""
    take, found = Direct.data_received, []

    def noted(connection, data):
        found.append(data)
        take(connection, data)

    monkeypatch.setattr(Direct, "data_received", noted)
    return found


def wire(n: int, extra: bytes = b"") -> bytes:
    body = json.dumps({"row": payment(n)}).encode()
    head = b"POST /v1/apps/fraud/decide HTTP/1.1\r\nHost: localhost\r\n" + extra
    return head + b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body


@pytest.mark.parametrize(
    ("extra", "cuts", "short"),
    [
        (b"", [], [True]),
        (b"", [-150, -9], [True]),
        (b"", [40], []),
        (b"Connection: keep-alive\r\nAccept: */*\r\n", [], [True]),
        (b"Connection: close\r\n", [], []),
        (b"X-Forwarded-Proto: http\r\n", [], []),
        (b"Accept: a/b\r\nAccept: a/b\r\n", [], []),
        (b"Cookie: a=b\r\n", [], []),
    ],
    ids=["whole", "body in parts", "head in parts", "kept", "closing", "forwarded", "twice",
         "cookie"],
)  # fmt: skip
def test_a_row_is_answered_once_however_it_comes(quick_server, monkeypatch, extra, cuts, short):
    platform, port, numbers = quick_server
    taken, data, before = short_ways(monkeypatch), wire(next(numbers), extra), len(platform.log)
    came = received(monkeypatch)
    ends = [n % len(data) for n in cuts]
    with socket.create_connection(("127.0.0.1", port), 60) as one:
        for n, (start, end) in enumerate(pairwise([0, *ends, len(data)]), 1):
            one.sendall(data[start:end])
            until(lambda n=n: len(came) == n)
        status, headers, body, rest = answered(one)
    assert (status, json.loads(body)["app"], rest) == (200, "fraud", b"")
    assert len(headers["x-request-id"]) == 32
    assert taken == short
    assert len(platform.log) == before + 1


@pytest.fixture(scope="module")
def routes_server(tmp_path_factory):
    with served(tmp_path_factory.mktemp("routes") / "a", quick=False) as (platform, client):
        yield platform, client.base_url.port


LENGTH = re.compile(rb"Content-Length: (\d+)\r\n")
ODD = {
    "two lengths": lambda data: LENGTH.sub(rb"\g<0>\g<0>", data),
    "two lengths that differ": lambda data: LENGTH.sub(rb"Content-Length: 5\r\n\g<0>", data),
    "two lengths in one": lambda data: LENGTH.sub(rb"Content-Length: \1, \1\r\n", data),
    "a length and chunks": lambda data: LENGTH.sub(rb"\g<0>Transfer-Encoding: chunked\r\n", data),
    "chunks in small letters": lambda data: LENGTH.sub(
        rb"transfer-encoding: chunked\r\n\g<0>", data
    ),
    "a space before the colon": lambda data: LENGTH.sub(rb"Content-Length : \1\r\n", data),
    "a space before the name": lambda data: LENGTH.sub(rb" Content-Length: \1\r\n", data),
    "a folded line": lambda data: LENGTH.sub(rb"\g<0>Accept: a/b,\r\n c/d\r\n", data),
    "a length with a sign": lambda data: LENGTH.sub(rb"Content-Length: +\1\r\n", data),
    "a length in base sixteen": lambda data: LENGTH.sub(rb"Content-Length: 0x5\r\n", data),
    "lines without a return": lambda data: data.replace(b"\r\n", b"\n"),
    "a line without a return": lambda data: LENGTH.sub(rb"Content-Length: \1\n", data),
    "a zero byte": lambda data: LENGTH.sub(rb"\g<0>Accept: a\0b\r\n", data),
    "a method in small letters": lambda data: data.replace(b"POST ", b"post "),
    "a protocol in small letters": lambda data: data.replace(b" HTTP/1.1", b" http/1.1"),
    "an older protocol": lambda data: data.replace(b" HTTP/1.1", b" HTTP/1.0"),
}


@pytest.mark.parametrize("odd", ODD)
def test_an_odd_head_is_read_as_the_routes_read_it(quick_server, routes_server, monkeypatch, odd):
    (short, port, numbers), (long, other) = quick_server, routes_server
    data, told = ODD[odd](wire(next(numbers))), []
    taken = short_ways(monkeypatch)
    for platform, to in ((short, port), (long, other)):
        before = len(platform.log)
        with socket.create_connection(("127.0.0.1", to), 60) as one:
            one.sendall(data)
            whole = b"".join(iter(lambda one=one: one.recv(1 << 16), b""))
        told.append(
            (whole.partition(b"\r\n")[0], whole.count(b"HTTP/1.1 "), len(platform.log) - before)
        )
    assert told[0] == told[1]
    assert told[0][1:] == (1, odd == "an older protocol")
    assert taken == []


def test_rows_sent_ahead_are_answered_in_turn(quick_server, monkeypatch):
    platform, port, numbers = quick_server
    taken = short_ways(monkeypatch)
    rows = [next(numbers) for _ in range(5)]
    with (
        socket.create_connection(("127.0.0.1", port), 60) as one,
        platform.intake.quick.pending.gate,
    ):
        one.sendall(wire(rows[0]))
        until(lambda: taken)
        one.sendall(wire(rows[1]) + b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
        one.sendall(b"".join(wire(n) for n in rows[2:]))
        one.settimeout(0.3)
        with pytest.raises(TimeoutError):
            one.recv(1)
        platform.intake.quick.pending.gate.release()
        one.settimeout(60)
        told, rest = [], b""
        for _ in range(6):
            _, _, body, rest = answered(one, rest)
            told.append(json.loads(body).get("on", "health"))
        platform.intake.quick.pending.gate.acquire()
    names = [f"Payment p{n}" for n in rows]
    assert told == [*names[:2], "health", *names[2:]]


def together(quick_server, monkeypatch, n):
    """Send rows on connections of their own, to be answered in one group; return the connections."""
    platform, port, numbers = quick_server
    taken, found = short_ways(monkeypatch), []
    with platform.intake.quick.pending.gate:
        for k in range(n):
            found.append(socket.create_connection(("127.0.0.1", port), 10))
            name = b"Traceparent: 00-%032x-00000000000000aa-01\r\n" % (k + 1)
            found[-1].sendall(wire(next(numbers), name))
            until(lambda: len(taken) == len(found))
    return found


def once(monkeypatch, where, name, instead):
    """Have something done otherwise, the first time."""
    ways = chain([instead], repeat(getattr(where, name)))

    def done(*given):
        return next(ways)(*given)

    monkeypatch.setattr(where, name, done)


def test_an_answer_that_fails_is_one_callers_and_named_in_the_log(
    quick_server, monkeypatch, caplog
):
    once(monkeypatch, express, "row", lambda *_: {"odd": object()})
    asked = together(quick_server, monkeypatch, 3)
    told = [answered(one)[:2] for one in asked]
    assert sorted(status for status, _ in told) == [200, 200, 500]
    (failed,) = (headers["x-request-id"] for status, headers in told if status == 500)
    (record,) = (r for r in caplog.records if r.name == "heptad.http")
    assert json.loads(Lines().format(record))["request"] == failed
    for one in asked:
        one.sendall(wire(next(quick_server[2])))
        assert answered(one)[0] == 200
        one.close()


def test_an_answer_that_cannot_be_written_ends_one_connection(quick_server, monkeypatch, caplog):
    def broken(*_):
        raise RuntimeError("no header")

    once(monkeypatch, direct, "_written", broken)
    asked = together(quick_server, monkeypatch, 3)
    assert sorted(one.recv(12) for one in asked) == [b"", b"HTTP/1.1 200", b"HTTP/1.1 200"]
    (record,) = (r for r in caplog.records if r.name == "heptad.http")
    assert len(json.loads(Lines().format(record))["request"]) == 32
    for one in asked:
        one.close()


def test_an_empty_key_is_not_no_key(quick_server, routes_server, monkeypatch):
    taken = short_ways(monkeypatch)
    data = wire(next(quick_server[2]), b"Authorization: \r\n")
    for _, port, *_ in (quick_server, routes_server):
        with socket.create_connection(("127.0.0.1", port), 60) as one:
            one.sendall(data)
            assert answered(one)[0] == 401
    assert taken == [False]


def test_an_id_that_cannot_be_hashed_now_holds_nobody_up(quick_server, monkeypatch):
    def busy(*_):
        raise Busy("The key service is away.")

    platform, port, numbers = quick_server
    taken = short_ways(monkeypatch)
    once(monkeypatch, platform.desk, "asked", busy)
    with socket.create_connection(("127.0.0.1", port), 5) as one:
        one.sendall(wire(next(numbers), b"Idempotency-Key: order-now\r\n"))
        assert answered(one)[0] == 200
    assert taken == [False]


@pytest.mark.parametrize("falls", [False, True], ids=["taken", "left to the routes"])
def test_what_was_asked_is_answered_before_the_server_stops(quick_server, monkeypatch, falls):
    platform, _, numbers = quick_server
    taken = short_ways(monkeypatch)
    gate, n = platform.intake.quick.pending.gate, next(numbers)

    def left(_):
        with gate:
            return {}, []

    if falls:
        once(monkeypatch, platform.intake.quick, "_served", left)
    shutdown, told_to_leave = Direct.shutdown, []
    monkeypatch.setattr(
        Direct, "shutdown", lambda one: (shutdown(one), told_to_leave.append(one._own is not None))
    )
    with serve.listening("127.0.0.1", 0) as listener:
        server = serve.Server(serve._config(public(platform)))
        thread = threading.Thread(target=server.run, args=[[listener]])
        thread.start()
        with socket.create_connection(listener.getsockname(), 10) as one:
            with gate:
                one.sendall(wire(n))
                until(lambda: taken)
                server.should_exit = True
                until(lambda: told_to_leave)
            status, _, body, _ = answered(one)
            assert (status, json.loads(body)["on"]) == (200, f"Payment p{n}")
            assert one.recv(1) == b""
        thread.join()
    assert told_to_leave[0], "nothing was being answered when the server stopped"
    assert taken == [not falls]


def test_a_row_that_has_to_wait_holds_up_nobody_else(tmp_path, monkeypatch):
    """While another thread records decisions, the loop goes on; the row is answered afterwards."""
    with served(tmp_path / "a", quick=True) as (platform, client):
        found = short_ways(monkeypatch)
        answers = []

        def post(n):
            with httpx.Client(base_url=client.base_url, timeout=60) as other:
                answers.append(other.post("/v1/apps/fraud/decide", json={"row": payment(n)}))

        with platform.log._lock:
            callers = [threading.Thread(target=post, args=[n]) for n in (501, 502)]
            for caller in callers:
                caller.start()
            until(lambda: len(found) == len(callers))
            for _ in range(5):
                assert client.get("/health").status_code == 200
            assert not answers
        for caller in callers:
            caller.join(30)
        assert [a.status_code for a in answers] == [200, 200]
        assert found == [True, True]
        assert client.post("/v1/apps/fraud/decide", json={"row": payment(503)}).status_code == 200
