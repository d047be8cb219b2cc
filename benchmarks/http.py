# SPDX-License-Identifier: Apache-2.0
"""Decisions over HTTP: open loops of posted payments, overload, and what a kill leaves of them."""

from __future__ import annotations

import asyncio
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter, deque
from datetime import UTC, datetime
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.harness import ROOT, Row, child

if TYPE_CHECKING:
    from collections.abc import Callable

RATES = (100, 300, 1000)
CUSTOMERS = 20_000
CALLERS, CONNECTIONS = 64, 2000
"""Callers of the closed loop, and the most connections of the open one."""
PATIENCE_S = 60.0
"""How long is waited for answers after the last request was sent."""
ANSWERED = 0.999
"""The least share of requests whose answers make a latency: with fewer the row does not hold."""
MOST_CLOSED = 4000
"""More a second than the closed loop is expected to be answered."""
_EMPTY = """
import uvicorn
async def app(scope, receive, send):
    await receive()
    head = [(b"content-type", b"application/json"), (b"content-length", b"2")]
    await send({"type": "http.response.start", "status": 200, "headers": head})
    await send({"type": "http.response.body", "body": b"{}"})
uvicorn.run(app, port=%d, log_level="error", lifespan="off", access_log=False)
"""


def payment(number: int, draw: random.Random, at: float) -> dict[str, str]:
    """Return a payment that happened at an instant, seconds since 1970."""
    return {
        "id": f"p{number}",
        "event_time": datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds"),
        "customer": f"c{draw.randrange(CUSTOMERS)}",
        "merchant": f"m{draw.randrange(2000)}",
        "country": draw.choice(("ES", "FR", "DE", "IT", "PT")),
        "amount": f"{draw.randrange(1, 900)}.{draw.randrange(100):02d}",
        "currency": "EUR",
        "device": f"d{draw.randrange(CUSTOMERS)}",
        "channel": "online",
        "status": "authorised",
        "card": "4111111111111111",
    }


def make_project(home: Path, rows: int, seed: int) -> None:
    """Write a project whose payments fill the last sixty days; its customers have names."""
    draw, now = random.Random(seed), time.time()
    first = payment(0, draw, now)
    with (home / "payments.csv").open("w", encoding="utf-8") as file:
        file.write(",".join(first) + "\n")
        for n in range(rows):
            at = now - 60 * 86_400 * (1 - n / rows) - 120
            file.write(",".join(payment(n, draw, at).values()) + "\n")
    with (home / "customers.csv").open("w", encoding="utf-8") as file:
        file.write("id,event_time,name\n")
        file.writelines(f"c{n},2020-01-01T00:00:00Z,Ana {n}\n" for n in range(CUSTOMERS))
    (home / "heptad.toml").write_text(
        '[project]\nname = "http"\n[engine]\nthreads = 1\n'
        '[[source]]\ntable = "Customer"\nfrom = "customers.csv"\n'
        '[[source]]\ntable = "Payment"\nfrom = "payments.csv"\n',
        encoding="utf-8",
    )


class Served:
    """A project served by a process of its own."""

    def __init__(self, home: Path) -> None:
        code = "import sys, pathlib; from heptad.terminal.serve import run; "
        code += "run(pathlib.Path(sys.argv[1]), host='127.0.0.1', port=int(sys.argv[2]))"
        self.port = _free_port()
        self.process = subprocess.Popen(
            [sys.executable, "-c", code, str(home), str(self.port)],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=ROOT,
        )  # fmt: skip
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if re.search(r"serving .* on http", line):
                return
        raise SystemExit("the server did not start")

    def kill(self) -> None:
        """End it as a power switch would."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    @property
    def mib(self) -> float:
        """Memory that it holds."""
        text = Path(f"/proc/{self.process.pid}/status").read_text(encoding="utf-8")
        return int(re.search(r"VmRSS:\s+(\d+)", text)[1]) / 1024  # type: ignore[index]

    @property
    def cpu(self) -> float:
        """Seconds of CPU that it has used."""
        parts = Path(f"/proc/{self.process.pid}/stat").read_text(encoding="utf-8").split()
        return (int(parts[13]) + int(parts[14])) / os.sysconf("SC_CLK_TCK")


class _Wire(asyncio.Protocol):
    """One connection, one request at a time."""

    def __init__(self, load: _Load) -> None:
        self._load, self._data, self._number = load, b"", 0
        self._waits = False

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def ask(self, number: int, request: bytes) -> None:
        self._number, self._waits = number, True
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
    """Requests that were made ready before the clock began, sent when they are due.

    Args:
        port: of the server.
        count: how many; what is due after them is not sent.
        at: when each is due, seconds from the beginning; None for a loop of `CALLERS` callers.
        first: number of the first row.
        seed: of the rows.
        app: what decides them.
        made: makes a row: number, draw, instant.
    """

    def __init__(  # noqa: PLR0917 - what is sent how
        self, port: int, count: int, at: list[float] | None, first: int, seed: int,
        app: str = "fraud", made: Callable[[int, random.Random, float], dict[str, Any]] = payment,
    ) -> None:  # fmt: skip
        draw, self._port, self._at = random.Random(seed), port, at
        self._begin = time.time() + 1 + count * 4e-5  # they are made in the meantime
        self._requests = [
            _request(port, made(first + n, draw, self._begin + (at[n] if at else 0) - 0.05), app)
            for n in range(count)
        ]
        self._free: list[_Wire] = []
        self._late: deque[int] = deque()
        self._open = 0
        self.due: list[float] = []
        self.answers: dict[int, tuple[float, bytes]] = {}

    async def run(self, seconds: float) -> None:
        """Send them, and wait for the answers."""
        self._loop = asyncio.get_running_loop()
        await self._more(CALLERS)
        await asyncio.sleep(max(0.0, self._begin - time.time()))
        self._start, self._end = self._loop.time(), self._loop.time() + seconds
        if self._at is None:
            for wire in [self._free.pop() for _ in range(len(self._free))]:
                self._next(wire)
        else:
            await self._open_loop(self._at)
        until = self._end + PATIENCE_S
        while len(self.answers) < len(self.due) and self._loop.time() < until:
            await asyncio.sleep(0.02)

    async def _open_loop(self, at: list[float]) -> None:
        for n, due in enumerate(at):
            wait = self._start + due - self._loop.time()
            if wait > 0 or n % 20 == 0:
                await asyncio.sleep(max(wait, 0))
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
        elif len(self.due) < len(self._requests) and self._loop.time() < self._end:
            self.due.append(self._loop.time() - self._start)
            wire.ask(len(self.due) - 1, self._requests[len(self.due) - 1])

    def _ask_late(self, wire: _Wire) -> None:
        number = self._late.popleft()
        wire.ask(number, self._requests[number])

    def answered(self, wire: _Wire, number: int, answer: bytes) -> None:
        self.answers[number] = (self._loop.time() - self._start - self.due[number], answer)
        self._next(wire)

    def lost(self, number: int) -> None:
        self.answers[number] = (PATIENCE_S, b"")

    def gone(self, wire: _Wire) -> None:
        self._open -= 1
        if wire in self._free:
            self._free.remove(wire)


def _request(port: int, row: dict[str, Any], app: str) -> bytes:
    body = json.dumps({"row": row}).encode()
    head = f"POST /v1/apps/{app}/decide HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\n"
    head += f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    return head.encode() + body


def drive(  # noqa: PLR0917 - what is sent how
    port: int, rate: float, seconds: float, first: int, seed: int,
    app: str = "fraud", made: Callable[[int, random.Random, float], dict[str, Any]] = payment,
) -> dict[str, Any]:  # fmt: skip
    """Send rows in an open loop, payments by default: at their times, whether those before were answered or not.

    Returns:
        Latencies from when each was due, by status, and the ids answered; `rate` 0 is a closed
        loop of `CALLERS` callers.
    """
    at, due, draw = None, 0.0, random.Random(seed)
    if rate:
        at = []
        while (due := due + draw.expovariate(rate)) < seconds:
            at.append(due)
    count = len(at) if at is not None else int(MOST_CLOSED * seconds)
    load = _Load(port, count, at, first, seed, app, made)
    asyncio.run(load.run(seconds))
    if not rate and len(load.due) == count:
        raise SystemExit(f"the closed loop ran out of its {count} requests: raise MOST_CLOSED")
    found = [(due, *load.answers.get(n, (PATIENCE_S, b""))) for n, due in enumerate(load.due)]
    done = [(due, spent, int(answer[9:12] or 0)) for due, spent, answer in found]
    bodies = [a.partition(b"\r\n\r\n")[2] for *_, a in found if a[9:12] == b"200"]
    ids = [json.loads(body)["id"] for body in bodies if body != b"{}"]
    return _summary(done, seconds) | {"ids": ids}


def _summary(done: list[tuple[float, float, int]], seconds: float) -> dict[str, Any]:
    """Say how long answers took, in milliseconds.

    Who was refused or never answered waited for `PATIENCE_S`: that is counted, not left out. How
    soon it was refused, and how long those waited who were not, is told besides.
    """
    good = [spent * 1e3 for _, spent, status in done if status == 200]
    bad = [spent * 1e3 for _, spent, status in done if status != 200]
    windows: dict[int, list[float]] = {}
    for due, spent, status in done:
        windows.setdefault(int(due), []).append((spent if status == 200 else PATIENCE_S) * 1e3)
    waits = [wait for window in windows.values() for wait in window]
    return {
        "sent": len(done),
        "answered": len(good) / len(done),
        "statuses": dict(Counter(str(status) for *_, status in done)),
        "p50": _quantile(waits, 0.5),
        "p95": _quantile(waits, 0.95),
        "p99": _quantile(waits, 0.99),
        "p99_windows": _quantile([_quantile(w, 0.99) for w in windows.values()], 0.5),
        "good_p50": _quantile(good, 0.5),
        "good_p95": _quantile(good, 0.95),
        "refused_p50": _quantile(bad, 0.5),
        "refused_p95": _quantile(bad, 0.95),
        "per_second": len(good) / seconds,
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


def _free_port() -> int:
    import socket

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def load(home: str) -> dict[str, Any]:
    """Load the project's history."""
    from heptad.runtime import Platform

    with Platform.open(home) as platform:
        start = time.perf_counter()
        reports = platform.load()
        rows = {r.table: r.accepted for r in reports}
        return {"seconds": time.perf_counter() - start, "rows": rows["Payment"]}


def audit(home: str, answered: str, sample: int) -> dict[str, Any]:
    """Open a killed project: which answered decisions are there, and are they those of the batch?"""
    from heptad.runtime import Platform

    names: list[str] = json.loads(Path(answered).read_text(encoding="utf-8"))
    with Platform.open(home) as platform:
        there = {str(e.public["id"]): str(e.public["row_key"]) for e in platform.log.entries()}
        keys = Counter(platform.read("Payment").column("id").to_pylist())
        lost = [n for n in names if n not in there or keys[there[n]] != 1]
        report = platform.replay(random.Random(0).sample(names, min(sample, len(names))))
        return {
            "lost": len(lost),
            "doubled": sum(n > 1 for n in keys.values()),
            "identical": report.identical,
            "derived": dict(report.derived),
        }


def in_process(home: str, rows: int, seed: int) -> dict[str, Any]:
    """Decide payments durably without HTTP, 64 at a time, and count the CPU that it takes."""
    import resource
    from threading import Semaphore

    from heptad.runtime import Platform
    from heptad.service.decisions.quick import Ask, Taken

    draw, room = random.Random(seed), Semaphore(64)
    answers: Counter[str] = Counter()

    def done(found: Any) -> None:
        answers["decided" if isinstance(found, Taken) and found.made else "else"] += 1
        room.release()

    with Platform.open(home) as platform:
        _ready(platform)
        quick = platform.intake.quick
        assert quick is not None
        asks = [
            Ask("Payment", [payment(5_000_000 + n, draw, time.time() - 1)], "fraud", done=done)
            for n in range(rows)
        ]
        used, start = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
        for ask in asks:
            room.acquire()
            quick.submit(ask)
        for _ in range(64):
            room.acquire()
        wall, now = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF)
        cpu = now.ru_utime + now.ru_stime - used.ru_utime - used.ru_stime
    return {"wall": wall, "cpu": cpu, "answers": dict(answers)}


def _ready(platform: Any) -> None:
    platform.quicken()
    while not platform.intake.quick.current.ready:
        time.sleep(0.05)


def memory(home: str) -> dict[str, Any]:
    """Measure what the reels of the fraud application take for the customers of a project."""
    from heptad.runtime import Platform

    def held() -> float:
        text = Path("/proc/self/status").read_text(encoding="utf-8")
        return int(re.search(r"VmRSS:\s+(\d+)", text)[1]) / 1024  # type: ignore[index]

    with Platform.open(home) as platform:
        platform.accept("Payment", [payment(9_000_000, random.Random(1), time.time() - 1)])
        before, start = held(), time.perf_counter()
        _ready(platform)
        return {"mib": held() - before, "seconds": time.perf_counter() - start}


def http_rows(*, quick: bool, seed: int) -> list[Row]:
    """Open loops of posted payments beside an empty handler, overload, and a kill."""
    n, long, overload = (20_000, 5, 10) if quick else (200_000, 20, 30)
    with tempfile.TemporaryDirectory(prefix="heptad-bench-") as scratch:
        home, answered = Path(scratch, "project"), Path(scratch, "answered.json")
        home.mkdir()
        make_project(home, n, seed)
        loaded = child("benchmarks.http:load", home)
        assert loaded.answer["rows"] == n, loaded.answer
        served = Served(home)
        try:
            rows = _open_loops(served, long, seed)
            rows += _overloaded(served, overload, seed)
        finally:
            served.kill()
        ids = [name for row in rows for name in row.detail.pop("ids", [])]
        answered.write_text(json.dumps(ids), encoding="utf-8")
        found = child("benchmarks.http:audit", home, answered, 300).answer
        assert found["identical"] and not found["doubled"], found
        rows.append(
            Row("http-lost", f"of {len(ids):,} answered decisions lost by kill -9", found["lost"],
                "decisions", 0, detail=found, missed="" if ids else "no decision was answered")
        )  # fmt: skip
        alone = child("benchmarks.http:in_process", home, 5_000 if quick else 30_000, seed).answer
        rows.append(
            Row("core-hour", "durable decisions per core-hour, in process",
                3600 * alone["answers"]["decided"] / alone["cpu"], "decisions", detail=alone)
        )  # fmt: skip
        kept = child("benchmarks.http:memory", home).answer
        rows.append(
            Row("reel-memory", f"reels, keys and ids per million customers, from {CUSTOMERS:,}",
                kept["mib"] * 1e6 / CUSTOMERS / 1024, "GiB", detail=kept)
        )  # fmt: skip
    return rows


def _open_loops(served: Served, long: float, seed: int) -> list[Row]:
    """Measure latency at each rate, and that of a handler that does nothing."""
    rows: list[Row] = []
    port = _free_port()
    code = _EMPTY % port
    empty = subprocess.Popen([sys.executable, "-c", code])
    try:
        child("benchmarks.http:drive", served.port, 100, 3, 1_000_000, seed)
        for place, rate in enumerate(RATES, 2):
            bare = child("benchmarks.http:drive", port, rate, long, 0, seed).answer
            cpu = served.cpu
            mine = child(
                "benchmarks.http:drive", served.port, rate, long, place * 1_000_000, seed
            ).answer
            cpu = served.cpu - cpu
            mine["empty"] = {k: v for k, v in bare.items() if k != "ids"}
            mine["core_hour"] = 3600 * len(mine["ids"]) / cpu
            missed = unanswered(empty=bare, ours=mine)
            target = 3.0 if rate == max(RATES) else None
            rows.append(
                Row(f"http-{rate}", f"p50 of durable decisions at {rate}/s", mine["p50"], "ms",
                    target, detail=mine, missed=missed)
            )  # fmt: skip
            rows.append(
                Row(f"http-{rate}-p99", f"p99 by seconds, median; twice the empty handler's + 3 ms"
                    f" is {2 * bare['p99_windows'] + 3:.1f}", mine["p99_windows"], "ms",
                    2 * bare["p99_windows"] + 3 if target else None, missed=missed)
            )  # fmt: skip
        rows.append(
            Row("http-core-hour", "durable decisions per core-hour, over HTTP", mine["core_hour"],
                "decisions")
        )  # fmt: skip
    finally:
        empty.kill()
        empty.wait()
    return rows


def _overloaded(served: Served, long: float, seed: int) -> list[Row]:
    """Ask for ten times as much as there is to be had, then see how soon all is well."""
    peak = child("benchmarks.http:drive", served.port, 0, 5, 10_000_000, seed).answer
    before = served.mib
    many = child(
        "benchmarks.http:drive", served.port, 10 * peak["per_second"], long, 20_000_000, seed
    ).answer
    after = served.mib
    calm = child("benchmarks.http:drive", served.port, 100, 2, 90_000_000, seed).answer
    odd = {s: n for s, n in many["statuses"].items() if s not in ("200", "429", "503")}
    detail = {
        "peak": {k: v for k, v in peak.items() if k != "ids"},
        "overload": {k: v for k, v in many.items() if k != "ids"},
        "after": {k: v for k, v in calm.items() if k != "ids"},
        "mib": [before, after],
        "other": odd,
        "ids": [*peak["ids"], *many["ids"], *calm["ids"]],
    }
    return [
        Row("overload", f"goodput under {many['sent'] / long:,.0f}/s for {long} s / the peak of "
            f"{peak['per_second']:,.0f}/s", many["per_second"] / peak["per_second"], "share", 0.8,
            least=True, detail=detail),
        Row("overload-mib", "memory grown meanwhile", after - before, "MiB"),
        Row("overload-after", "p50 in the two seconds after it, at 100/s", calm["p50"], "ms"),
    ]  # fmt: skip
