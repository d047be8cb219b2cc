# SPDX-License-Identifier: Apache-2.0
"""Connections on which a posted row is answered by itself, or turned away while all are busy.

Between a connection and a route lie a parser, a task and several layers: more work than that of
deciding a row. A row that came whole, under a plain head, needs none of them. Anything else, and
what was begun otherwise, goes through all of them as it came.
"""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING

import msgspec
from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from heptad.terminal.http import patience
from heptad.terminal.http.express import PATH, Answer, Posted, route_of
from heptad.terminal.http.meter import CROWDED, headed
from heptad.terminal.http.problems import MEDIA
from heptad.terminal.logs import FIELDS, by_chance

if TYPE_CHECKING:
    from collections.abc import Mapping

    from heptad.terminal.http.express import Express

_LOG = logging.getLogger("heptad.http")
LARGEST = 64 << 10
"""Bytes of a body that is read here, and of what may come ahead of an answer."""
_OTHERS = (
    rb"(?:(?!(?i:transfer-encoding|expect|upgrade|content-length))[\w-]+:[\t -~\x80-\xff]*\r\n)*"
)
_HEAD = re.compile(
    rb"POST ([!-~]+) HTTP/1\.1\r\n("
    + _OTHERS + rb"(?i:content-length): *(\d{1,7})\r\n" + _OTHERS + rb")\r\n"
)  # fmt: skip
"""The head of what is posted."""
_PLAIN = frozenset({
    "host", "content-length", "content-type", "authorization", "idempotency-key", "user-agent",
    "accept", "accept-encoding", "accept-language", "connection", "traceparent",
})  # fmt: skip
"""Headers that mean nothing here, or are understood; a request with another goes the common way."""
_CROWDED = Answer(
    503,
    ((b"content-type", MEDIA.encode()), (b"retry-after", b"%d" % CROWDED.retry_s)),
    msgspec.json.encode(CROWDED.to_dict()),
    "",
)


_NAME = "{name of the request}"


class Direct(patience.Patient):
    """A connection that answers plainly posted rows itself.

    Attributes:
        express: knows the answers.
    """

    express: Express
    _part = b""
    """A row whose end has not come yet; `_end` tells how long it will be."""
    _end = 0
    _own: bytes | None = None
    """The row that is being answered here."""
    _later = b""
    """What came since."""
    _leaving = False
    _known: tuple[bytes, Mapping[str, str] | None] = (b"", None)
    """The lines of the last head, and the plain headers that they are: most callers repeat them."""

    def data_received(self, data: bytes) -> None:
        """Read what came."""
        if self._own is not None:
            self._later += data
            if len(self._later) > LARGEST:
                self.flow.pause_reading()
            return
        if self._part:
            data = self._part = self._part + data
            if len(data) < self._end:
                return
            self._part = b""
        busy = self.cycle is not None and not self.cycle.response_complete
        head = None if self._amid or busy or self.pipeline else _HEAD.match(data)
        path = None if head is None else PATH.fullmatch(head[1].decode("ascii"))
        if head is None or path is None or int(head[3]) > LARGEST or self.unread is not None:
            super().data_received(data)
            return
        end = head.end() + int(head[3])
        headers = self._headers(head[2])
        if headers is None or len(data) > end:
            super().data_received(data)
        elif len(data) < end:
            self._wait_for(data, end)
        else:
            self._answered(data, Posted(path, headers, data[head.end() :], self._client()))

    def _headers(self, lines: bytes) -> Mapping[str, str] | None:
        """Return plain headers by name, which are read anew where they are not those of the last."""
        if self._known[0] != lines:
            self._known = lines, _headers(lines)
        return self._known[1]

    def _client(self) -> str:
        return str(self.client[0]) if self.client else ""

    def _wait_for(self, data: bytes, end: int) -> None:
        """Keep a part of a row until the rest has come."""
        self._unset_keepalive_if_required()
        self._part, self._end = data, end
        self.due = self.loop.time() + patience.BODY_S

    def _answered(self, data: bytes, posted: Posted) -> None:
        """Answer a row, or leave it to the routes."""
        self._unset_keepalive_if_required()
        self.due = None
        if self.express.meter.crowded:
            name = by_chance()
            self.express.meter.count("POST", route_of(posted.path), CROWDED.status, 0.0, name)
            self.transport.write(self._refusal(name))
            self._answers_on()
            self.express.hurry()
            return
        self._own = data
        if not self.express.take(posted, self._tell):
            self._own = None
            super().data_received(data)

    def _tell(self, answer: Answer | None) -> None:
        """Write an answer; None has the routes give it."""
        data, later, self._own, self._later = self._own, self._later, None, b""
        if self.transport.is_closing():
            return
        try:
            if answer is None:
                assert data is not None  # noqa: S101 - something was asked
                self._leave(data)
            else:
                self.transport.write(_written(answer, self.server_state.default_headers))
                if not self._answers_on():
                    return
            if later:
                self.data_received(later)
        except Exception:  # noqa: BLE001 - whoever told this has others to tell
            name = "" if answer is None else answer.name
            _LOG.exception("answer not given", extra={FIELDS: {"request": name}})
            self.transport.close()

    def _answers_on(self) -> bool:
        """Wait for the next request, having answered one; whether there may be one."""
        self.server_state.total_requests += 1
        if self._leaving:
            self.transport.close()
            return False
        self.flow.resume_reading()
        # To be looked at each second costs less than a timer for each answer.
        self.due = self.loop.time() + self.timeout_keep_alive
        return True

    def _refusal(self, name: str) -> bytes:
        """Write what those are told who are too many: the same for all of a second, but its name."""
        defaults, (known, parts) = self.server_state.default_headers, self.express.refusal
        if known is not defaults:
            whole = _written(_CROWDED._replace(name=_NAME), defaults)
            parts = whole.split(_NAME.encode())
            self.express.refusal = defaults, parts
        return name.encode().join(parts)

    def _leave(self, data: bytes) -> None:
        """Have the routes answer a row, as the last if the server is about to stop."""
        super().data_received(data)
        if self._leaving:
            super().shutdown()

    def shutdown(self) -> None:
        """Close once what was asked is answered."""
        if self._own is None:
            super().shutdown()
        self._leaving = True


def _headers(lines: bytes) -> Mapping[str, str] | None:
    """Return plain headers by name; None if one is not, or came twice."""
    found: dict[str, str] = {}
    all_of = lines.split(b"\r\n")[:-1]
    for line in all_of:
        name, _, value = line.partition(b":")
        found[name.lower().decode("ascii")] = value.strip(b" \t").decode("latin-1")
    kept = found.get("connection", "keep-alive").lower() == "keep-alive"
    plain = kept and len(found) == len(all_of) and found.keys() <= _PLAIN
    return found if plain and "host" in found else None


def _written(answer: Answer, defaults: list[tuple[bytes, bytes]]) -> bytes:
    """Write an answer as it goes over the wire."""
    headers = headed(
        [
            *defaults,
            *answer.headers,
            (b"content-length", b"%d" % len(answer.body)),
            (b"x-request-id", answer.name.encode()),
        ]
    )
    lines = b"".join([b"%b: %b\r\n" % header for header in headers])
    return STATUS_LINE[answer.status] + lines + b"\r\n" + answer.body


def direct(express: Express) -> type[Direct]:
    """Return connections of an API."""
    return type("Direct", (Direct,), {"express": express})
