# SPDX-License-Identifier: Apache-2.0
"""Connections: how long each may keep the server waiting, and what it is told when all are busy."""

from __future__ import annotations

import asyncio
import re
import resource
from contextlib import suppress
from typing import TYPE_CHECKING

import msgspec
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from heptad.terminal.http.express import PATH, route_of
from heptad.terminal.http.meter import CROWDED, HEADERS
from heptad.terminal.http.problems import MEDIA
from heptad.terminal.logs import by_chance

if TYPE_CHECKING:
    from collections.abc import Iterable

    from heptad.terminal.http.meter import Meter

HEAD_S = 10
"""From the opening of a connection, or the first byte of a request, to the end of its head."""
BODY_S = 60
"""From the end of the head to the end of the body: 8 MiB at 140 kB/s."""
UNREAD_S = 30
"""How long an answer may lie ready without 48 kB of it being read."""
MOST_CONNECTED = 4096
"""Connections at once; who comes beyond is hung up on."""
_OTHERS = 256
"""Descriptors that the stores need beside connections."""


_BODY = msgspec.json.encode(CROWDED.to_dict())
_TOLD = b"\r\n".join(
    [
        b"HTTP/1.1 503 Service Unavailable",
        b"content-type: " + MEDIA.encode(),
        b"content-length: %d" % len(_BODY),
        b"retry-after: %d" % CROWDED.retry_s,
        *[name + b": " + value for name, value in HEADERS],
        b"cache-control: no-store",
        b"x-request-id: %s",
        b"",
        _BODY.replace(b"%", b"%%"),
    ]
)
"""The answer to who is turned away, but for the name of the request."""
_ROW = re.compile(
    rb"POST ([!-~]+) HTTP/1\.1\r\n"
    rb"(?:(?!transfer-encoding|connection|expect|upgrade|content-length)[\w-]+:[^\r\n]*\r\n)*"
    rb"content-length: *(\d{1,7})\r\n"
    rb"(?:(?!transfer-encoding|connection|expect|upgrade|content-length)[\w-]+:[^\r\n]*\r\n)*"
    rb"\r\n",
    re.IGNORECASE,
)
"""The head of what is posted on a connection that stays open."""


class Patient(HttpToolsProtocol):
    """A connection that knows since when it waits for its client.

    Attributes:
        due: when what is awaited from the client must have come; None if nothing is.
        unread: since when the client has not read; None if it does.
        meter: knows how many requests are under way; None if nobody is turned away here.
    """

    due: float | None = None
    unread: float | None = None
    meter: Meter | None = None
    _amid = False
    """Whether a request has begun to come and has not ended."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin, unless there are too many."""
        super().connection_made(transport)
        self.due = self.loop.time() + HEAD_S
        if len(self.connections) > MOST_CONNECTED:
            transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """End; what was asked for ahead is not begun."""
        self.pipeline.clear()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read what came; a whole posted row is turned away at once while too many wait."""
        if self.meter is None or not self.meter.crowded or not self._turned_away(data):
            super().data_received(data)

    def _turned_away(self, data: bytes) -> bool:
        """Answer a posted row that came in one piece with 503, before anything is done for it."""
        busy = self.cycle is not None and not self.cycle.response_complete
        if self._amid or busy or self.pipeline or (head := _ROW.match(data)) is None:
            return False
        path = PATH.fullmatch(head[1].decode("ascii"))
        if path is None or len(data) != head.end() + int(head[2]):
            return False
        assert self.meter is not None  # noqa: S101 - who calls has asked it
        self.meter.turned_away(route_of(path).path)
        self.due = None
        self._unset_keepalive_if_required()
        self.transport.write(_TOLD % by_chance().encode())
        self.timeout_keep_alive_task = self.loop.call_later(
            self.timeout_keep_alive, self.timeout_keep_alive_handler
        )
        return True

    def on_message_begin(self) -> None:
        """Wait for the head of another request."""
        self._amid = True
        super().on_message_begin()
        self.due = self.loop.time() + HEAD_S

    def on_headers_complete(self) -> None:
        """Wait for the body."""
        super().on_headers_complete()
        self.due = self.loop.time() + BODY_S

    def on_message_complete(self) -> None:
        """Wait for nothing; between requests uvicorn keeps its own time."""
        super().on_message_complete()
        self.due, self._amid = None, False

    def pause_writing(self) -> None:
        """Note that the client does not read."""
        super().pause_writing()
        self.unread = self.loop.time()

    def resume_writing(self) -> None:
        """Note that the client reads again."""
        super().resume_writing()
        self.unread = None

    def overdue(self, now: float) -> bool:
        """Tell whether the client has kept the server waiting for too long."""
        late = self.due is not None and now > self.due
        return late or (self.unread is not None and now > self.unread + UNREAD_S)


def turning_away(meter: Meter) -> type[Patient]:
    """Return connections that know how many requests of an API are under way."""
    return type("Patient", (Patient,), {"meter": meter})


def hang_up(connections: Iterable[asyncio.Protocol], now: float) -> int:
    """Close every connection whose client is overdue; return how many.

    What was being written is thrown away: to wait for it would be to wait for the client.
    """
    late = [c for c in connections if isinstance(c, Patient) and c.overdue(now)]
    for connection in late:
        connection.transport.abort()
    return len(late)


def room_for_connections() -> int:
    """Let this process have as many open files as connections may need; return how many it has."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_CONNECTED + _OTHERS
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]
