# SPDX-License-Identifier: Apache-2.0
"""Around every request: limits before it, counts and headers after it, metrics of all of them."""

from __future__ import annotations

import logging
import time
from collections import Counter, defaultdict
from typing import TYPE_CHECKING

from starlette.exceptions import HTTPException

from heptad.standards.errors import Busy
from heptad.terminal.http.problems import TooLarge, problem
from heptad.terminal.logs import FIELDS, begin_request

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from heptad.runtime import Platform

_LOG = logging.getLogger("heptad.request")
LARGEST_BODY = 8 << 20
MOST_AT_ONCE = 256
"""Requests that may be under way at once; more are told to come back."""
CROWDED = Busy("Too many requests at once.", do="send it again in a second")
"""What those are told who are more than `MOST_AT_ONCE`."""
_METHODS = frozenset({"GET", "POST", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH"})
_FRESH = (b"cache-control", b"no-store")
HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
)


class Meter:
    """An ASGI layer that limits, counts and times requests.

    Attributes:
        requests: (method, path of the route, status) → how many.
        seconds: path of the route → seconds spent.
        running: requests under way, but for those that wait for their clients.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.requests: Counter[tuple[str, str, int]] = Counter()
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self.running = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it before anything is read."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        start, status, request = time.perf_counter(), 500, begin_request(scope["headers"])
        scope.setdefault("state", {})["meter"] = self

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                named = (b"x-request-id", request.encode())
                message["headers"] = headed([*message.get("headers", ()), named])
            self.running -= 1  # a client that does not read keeps nobody else out
            try:
                await send(message)
            finally:
                self.running += 1

        self.running += 1
        try:
            await (self._refusal(scope) or self.app)(scope, self._bounded(receive), answer)
        finally:
            self.running -= 1
            path = getattr(scope.get("route"), "path", "unknown")
            method = scope["method"] if scope["method"] in _METHODS else "other"
            self.count(method, path, status, time.perf_counter() - start, request)

    def count(self, method: str, route: str, status: int, spent: float, request: str) -> None:
        """Count one request that was answered.

        Args:
            method: of HTTP.
            route: its path, never that of the request, which may name a person.
            status: of the answer.
            spent: seconds.
            request: its name in the log.
        """
        self.requests[method, route, status] += 1
        self.seconds[route] += spent
        if _LOG.isEnabledFor(logging.INFO):
            told = {"request": request, "method": method, "route": route, "status": status,
                    "ms": round(spent * 1e3, 2)}  # fmt: skip
            _LOG.info("request", extra={FIELDS: told})

    @property
    def crowded(self) -> bool:
        """Whether one more request would be told to come back."""
        return self.running >= MOST_AT_ONCE

    def _bounded(self, receive: Receive) -> Receive:
        """Return what receives a body, no more than is allowed; who sends slowly is not counted."""
        size = 0

        async def bounded() -> Message:
            nonlocal size
            self.running -= 1
            try:
                message = await receive()
            finally:
                self.running += 1
            size += len(message.get("body", b""))
            if size > LARGEST_BODY:
                raise HTTPException(TooLarge.status)
            return message

        return bounded

    def _refusal(self, scope: Scope) -> ASGIApp | None:
        """Return the answer to a request that is not even begun, or None."""
        if self.running > MOST_AT_ONCE:  # this one is counted already
            return problem(CROWDED)
        length = dict(scope["headers"]).get(b"content-length", b"0")
        if length.isdigit() and int(length) > LARGEST_BODY:
            return problem(too_large())
        return None


def headed(given: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Return headers with ours; what says nothing of it is not to be kept."""
    headers = [*given, *HEADERS]
    kept = any(name.lower() == _FRESH[0] for name, _ in headers)
    return headers if kept else [*headers, _FRESH]


def too_large() -> TooLarge:
    """Return the error of a body that is too large."""
    return TooLarge(
        f"A body has at most {LARGEST_BODY >> 20} MiB.", do="send the rows in several requests"
    )


def exposition(meter: Meter, platform: Platform) -> str:
    """Write the metrics in Prometheus' text form; no label holds anything personal."""
    lines = [
        *_family("heptad_requests_total", "counter", "Requests answered.", (
            ({"method": method, "path": path, "status": str(status)}, n)
            for (method, path, status), n in sorted(dict(meter.requests).items())
        )),
        *_family("heptad_request_seconds_total", "counter", "Seconds spent answering.", (
            ({"path": path}, round(n, 6)) for path, n in sorted(dict(meter.seconds).items())
        )),
        *_family("heptad_requests_running", "gauge", "Requests under way.", [({}, meter.running)]),
        *_family("heptad_decisions_total", "counter", "Decisions recorded, by outcome.", (
            ({"app": name, "outcome": outcome}, n)
            for name in sorted(platform.apps)
            for outcome, n in sorted(platform.catalog.decisions.counts(name).items())
        )),
        *_family("heptad_log_entries", "gauge", "Entries of the log.", [({}, len(platform.log))]),
        *_family("heptad_disk_free_bytes", "gauge", "Free bytes of the project's disk.", [
            ({}, platform.room.free)
        ]),
        *_family("heptad_table_rows", "gauge", "Stored row versions.", (
            ({"table": name}, v.rows)
            for name, v in sorted(platform.catalog.versions.current().items())
        )),
        *_family("heptad_stream_bytes", "gauge", "Memory of the windows of streams.", (
            ({"app": app, "table": table}, n) for (app, table), n in sorted(_streams(platform).items())
        )),
    ]  # fmt: skip
    return "\n".join(lines) + "\n"


def _streams(platform: Platform) -> Counter[tuple[str, str]]:
    """Return the bytes of the windows of each application, by event table."""
    found: Counter[tuple[str, str]] = Counter()
    quick = platform.intake.quick
    for app, slots in quick.current.slots.items() if quick is not None else ():
        for slot in slots:
            reel = slot.reel
            found[app, slot.shape.table.__name__] += 0 if reel is None else reel.memory
    return found


def _family(
    name: str, kind: str, says: str, samples: Iterable[tuple[Mapping[str, str], float]]
) -> list[str]:
    """Write one metric."""
    lines = [f"# HELP {name} {says}", f"# TYPE {name} {kind}"]
    for labels, value in samples:
        pairs = ",".join(f'{n}="{_escaped(v)}"' for n, v in labels.items())
        lines.append(f"{name}{{{pairs}}} {value}" if pairs else f"{name} {value}")
    return lines


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
