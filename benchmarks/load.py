# SPDX-License-Identifier: Apache-2.0
"""Servers in processes of their own, and requests that are sent to them when they are due."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import random
import re
import socket
import subprocess
import sys
import time
from collections import Counter, deque
from contextlib import contextmanager
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import uvloop

from benchmarks.harness import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Request = Callable[[int, float], bytes]
    """Makes a request: its number, and the instant at which it is due, seconds since 1970."""

CALLERS, CONNECTIONS = 64, 2000
"""Callers of the closed loop, and the most connections of the open one."""
PATIENCE_S = 60.0
"""How long is waited for answers after the last request was sent."""
ANSWERED = 0.999
"""The least share of requests whose answers make a latency: with fewer the row does not hold."""
MOST_CLOSED = 12_000
"""More a second than the closed loop is expected to be answered."""
START_S = 600.0
"""How long a server may take to begin."""


@dataclass(frozen=True)
class Server:
    """A server and its port."""

    pid: int
    port: int

    @property
    def mib(self) -> float:
        """Memory that it holds."""
        return self._status("VmRSS")

    @property
    def own_mib(self) -> float:
        """Memory of its own, without what it reads of files, which the kernel takes back."""
        return self._status("RssAnon")

    @property
    def peak_mib(self) -> float:
        """The most memory that it has held."""
        return self._status("VmHWM")

    @property
    def cpu(self) -> float:
        """Seconds of CPU that it has used."""
        text = Path(f"/proc/{self.pid}/stat").read_text(encoding="utf-8")
        parts = text.rpartition(")")[2].split()
        return (int(parts[11]) + int(parts[12])) / os.sysconf("SC_CLK_TCK")

    def _status(self, name: str) -> float:
        text = Path(f"/proc/{self.pid}/status").read_text(encoding="utf-8")
        return int(re.search(rf"{name}:\s+(\d+)", text)[1]) / 1024  # type: ignore[index]


@contextmanager
def server(work: str, *given: object) -> Iterator[Server]:
    """Run `module:function` with arguments and a port, and kill it in the end as a power switch would.

    Its linear algebra has one thread, as that of `heptad serve` has.
    """
    module, _, function = work.partition(":")
    code = "import sys, json, importlib\n"
    code += f"getattr(importlib.import_module({module!r}), {function!r})(*json.loads(sys.argv[1]))"
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = int(listener.getsockname()[1])
    process = subprocess.Popen(
        [sys.executable, "-c", code, json.dumps([*given, port], default=str)],
        stdout=subprocess.DEVNULL, cwd=ROOT, env=os.environ | {"OPENBLAS_NUM_THREADS": "1"},
    )  # fmt: skip
    try:
        _wait(port, process)
        yield Server(process.pid, port)
    finally:
        process.kill()
        process.wait()


def _wait(port: int, process: Any) -> None:
    """Wait until something is answered: a port is open before that."""
    until = time.monotonic() + START_S
    while time.monotonic() < until:
        if process.poll() is not None:
            raise SystemExit("the server did not start")
        with socket.socket() as probe:
            probe.settimeout(10)
            try:
                probe.connect(("127.0.0.1", port))
                probe.sendall(get(port, "/empty"))
                if probe.recv(1):
                    return
            except OSError:
                pass
        time.sleep(0.1)
    raise SystemExit("the server did not answer")


def empty(port: int) -> None:
    """Serve what does nothing: what HTTP itself costs."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        del scope
        await receive()
        await answer(send, b"{}")

    listen(app, port)


async def answer(send: Any, body: bytes) -> None:
    """Answer JSON to a request of an ASGI application."""
    head = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": head})
    await send({"type": "http.response.body", "body": body})


def listen(app: Any, port: int) -> None:
    """Serve an ASGI application until killed."""
    import uvicorn

    uvicorn.run(app, port=port, log_level="error", lifespan="off", access_log=False)


def get(port: int, path: str) -> bytes:
    """Return a request for a path."""
    return f"GET {path} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\n\r\n".encode()


def post(port: int, path: str, document: object) -> bytes:
    """Return a request that posts a document."""
    body = json.dumps(document).encode()
    head = f"POST {path} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\n"
    head += f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    return head.encode() + body


def at_random(rate: float, seconds: float, seed: int) -> list[float]:
    """Return when requests of independent callers are due, seconds from the beginning."""
    draw, due, at = random.Random(seed), 0.0, []
    while (due := due + draw.expovariate(rate)) < seconds:
        at.append(due)
    return at


def steadily(rate: int, seconds: int) -> list[float]:
    """Return when requests are due that are as far apart as each other."""
    return [n / rate for n in range(rate * seconds)]


@dataclass(frozen=True)
class Answer:
    """What came of one request.

    Attributes:
        due: when it was due, seconds from the beginning.
        spent: seconds from then to the answer; `PATIENCE_S` if there was none.
        held: seconds from when it was sent, once a connection was free.
        status: of HTTP; 0 if there was no answer.
        body: of the answer.
    """

    due: float
    spent: float
    held: float
    status: int
    body: bytes

    @property
    def waited(self) -> float:
        """How long who asked waited, in milliseconds: `PATIENCE_S` if no good answer came."""
        return (self.spent if self.status == 200 else PATIENCE_S) * 1e3


def open_loop(port: int, request: Request, at: list[float], seconds: float) -> list[Answer]:
    """Send requests at their times, whether those before were answered or not."""
    load = _Load(port, request, len(at), at)
    uvloop.run(load.run(seconds))
    return load.told()


def closed_loop(port: int, request: Request, seconds: float) -> list[Answer]:
    """Let `CALLERS` send requests, each as soon as its last one was answered."""
    count = int(MOST_CLOSED * seconds)
    load = _Load(port, request, count, None)
    uvloop.run(load.run(seconds))
    if len(load.due) == count:
        raise SystemExit(f"the closed loop ran out of its {count} requests: raise MOST_CLOSED")
    return load.told()


class _Wire(asyncio.Protocol):
    """One connection, one request at a time."""

    def __init__(self, load: _Load) -> None:
        self._load, self._data, self._number, self.since = load, b"", 0, 0.0
        self._waits = False

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def ask(self, number: int, request: bytes) -> None:
        self._number, self._waits, self.since = number, True, self._load.now
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._data += data
        head = self._data.find(b"\r\n\r\n")
        at = self._data.lower().find(b"content-length: ", 0, head)
        if head < 0 or len(self._data) < head + 4 + int(self._data[at + 16 : at + 24].split()[0]):
            return
        answer, self._data, self._waits = self._data, b"", False
        self._load.answered(self, self._number, answer)

    def connection_lost(self, _: Exception | None) -> None:
        if self._waits:
            self._load.lost(self._number)
        self._load.gone(self)


class _Load:
    """Requests that are made ready before the clock begins, and sent when they are due.

    Args:
        port: of the server.
        request: makes one.
        count: how many; what is due after them is not sent.
        at: when each is due, seconds from the beginning; None for a loop of `CALLERS` callers.
    """

    def __init__(self, port: int, request: Request, count: int, at: list[float] | None) -> None:
        self._port, self._at = port, at
        self._begin = time.time() + 1 + count * 4e-5  # they are made in the meantime
        due = at or [0.0] * count
        self._requests = [request(n, self._begin + due[n]) for n in range(count)]
        self._free: list[_Wire] = []
        self._late: deque[int] = deque()
        self._open = 0
        self.due: list[float] = []
        self._answers: dict[int, tuple[float, float, bytes]] = {}

    @property
    def now(self) -> float:
        """The present, seconds; the loop's own clock tells milliseconds."""
        return time.perf_counter()

    async def run(self, seconds: float) -> None:
        """Send them, and wait for the answers; looking for garbage would count as the server's."""
        gc.disable()
        try:
            await self._run(seconds)
        finally:
            gc.enable()

    async def _run(self, seconds: float) -> None:
        self._loop = asyncio.get_running_loop()
        await asyncio.sleep(max(0.0, self._begin - time.time()))
        await self._more(CALLERS)  # not before: a server hangs up on who asks nothing
        self._start, self._end = self.now, self.now + seconds
        if self._at is None:
            for wire in [self._free.pop() for _ in range(len(self._free))]:
                self._next(wire)
        else:
            await self._open_loop(self._at)
        until = self._end + PATIENCE_S
        while len(self._answers) < len(self.due) and self.now < until:
            await asyncio.sleep(0.02)

    def told(self) -> list[Answer]:
        """Return what came of each request, in the order of sending."""
        never = (PATIENCE_S, PATIENCE_S, b"")
        found = [self._answers.get(n, never) for n in range(len(self.due))]
        return [
            Answer(due, spent, held, int(text[9:12] or 0), text.partition(b"\r\n\r\n")[2])
            for due, (spent, held, text) in zip(self.due, found, strict=True)
        ]

    async def _open_loop(self, at: list[float]) -> None:
        for n, due in enumerate(at):
            if n % 20 == 0:
                await asyncio.sleep(0)
            while (wait := self._start + due - self.now) > 0:  # the loop counts milliseconds
                await asyncio.sleep(max(wait, 0.001))
            self.due.append(due)
            if self._free:
                self._free.pop().ask(n, self._requests[n])
                continue
            self._late.append(n)
            if self._open < CONNECTIONS:
                await self._more(min(64, CONNECTIONS - self._open))
                while self._free and self._late:
                    self._ask_late(self._free.pop())

    async def _more(self, count: int) -> None:
        self._open += count
        opening = [
            self._loop.create_connection(lambda: _Wire(self), "127.0.0.1", self._port)
            for _ in range(count)
        ]
        self._free += [wire for _, wire in await asyncio.gather(*opening)]

    def _next(self, wire: _Wire) -> None:
        if self._at is not None:
            if self._late:
                self._ask_late(wire)
            else:
                self._free.append(wire)
        elif len(self.due) < len(self._requests) and self.now < self._end:
            self.due.append(self.now - self._start)
            wire.ask(len(self.due) - 1, self._requests[len(self.due) - 1])

    def _ask_late(self, wire: _Wire) -> None:
        number = self._late.popleft()
        wire.ask(number, self._requests[number])

    def answered(self, wire: _Wire, number: int, answer: bytes) -> None:
        now = self.now
        self._answers[number] = (now - self._start - self.due[number], now - wire.since, answer)
        self._next(wire)

    def lost(self, number: int) -> None:
        self._answers[number] = (PATIENCE_S, PATIENCE_S, b"")

    def gone(self, wire: _Wire) -> None:
        self._open -= 1
        if wire in self._free:
            self._free.remove(wire)


def summary(answers: list[Answer], seconds: float) -> dict[str, Any]:
    """Say how long answers took, in milliseconds.

    Who was refused or never answered waited for `PATIENCE_S`: that is counted, not left out. How
    soon after sending it was refused, and how long those waited who were not, is told besides.
    What was answered after the clock had stopped counts for nothing a second.
    """
    good = [a.spent * 1e3 for a in answers if a.status == 200]
    bad = [a.held * 1e3 for a in answers if a.status in {429, 503}]
    windows: dict[int, list[float]] = {}
    for one in answers:
        windows.setdefault(int(one.due), []).append(one.waited)
    waits = [one.waited for one in answers]
    return {
        "sent": len(answers),
        "answered": len(good) / len(answers),
        "statuses": dict(Counter(str(a.status) for a in answers)),
        "p50": _quantile(waits, 0.5),
        "p95": _quantile(waits, 0.95),
        "p99": _quantile(waits, 0.99),
        "p99_windows": _quantile([_quantile(w, 0.99) for w in windows.values()], 0.5),
        "good_p50": _quantile(good, 0.5),
        "good_p95": _quantile(good, 0.95),
        "refused_p50": _quantile(bad, 0.5),
        "refused_p95": _quantile(bad, 0.95),
        "per_second": sum(a.status == 200 and a.due + a.spent <= seconds for a in answers)
        / seconds,
    }


def unanswered(**told: dict[str, Any]) -> str:
    """Say which of the servers left requests without a good answer; nothing if they answered."""
    return ", ".join(
        f"{name} answered {of['answered']:.2%} of {of['sent']:,}"
        for name, of in told.items()
        if of["answered"] < ANSWERED
    )


def _quantile(values: list[float], q: float) -> float | None:
    """Return the least value that so large a share does not exceed; None of no values."""
    return sorted(values)[max(0, ceil(q * len(values)) - 1)] if values else None
