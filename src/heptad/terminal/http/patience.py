# SPDX-License-Identifier: Apache-2.0
"""Connections: how long each may keep the server waiting."""

from __future__ import annotations

import asyncio
import resource
from contextlib import suppress
from typing import TYPE_CHECKING

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

if TYPE_CHECKING:
    from collections.abc import Iterable

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


class Patient(HttpToolsProtocol):
    """A connection that knows since when it waits for its client.

    Attributes:
        due: when what is awaited from the client must have come; None if nothing is.
        unread: since when the client has not read; None if it does.
    """

    due: float | None = None
    unread: float | None = None
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
