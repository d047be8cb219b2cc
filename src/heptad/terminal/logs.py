# SPDX-License-Identifier: Apache-2.0
"""What a server says of itself: one JSON object a line, without anything personal."""

from __future__ import annotations

import json
import logging
import random
import re
import secrets
import sys
import traceback
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from heptad.security.masks import redact
from heptad.standards.time import format_instant

if TYPE_CHECKING:
    from collections.abc import Iterable

LEVELS = ("debug", "info", "warning", "error")
FIELDS = "heptad"
"""The attribute of a log record that holds plain values of its own."""
_FRAMES = 12
_TRACE = re.compile(rb"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")
"""W3C Trace Context: what a caller, or OpenTelemetry before us, names a trace by."""
_CHANCE = random.Random(secrets.randbits(128))  # noqa: S311 - names of requests
_request: ContextVar[str] = ContextVar("heptad_request", default="")


class Lines(logging.Formatter):
    """Writes a record as one line of JSON.

    Messages are redacted. Of an exception only its type and where it arose are told: its own
    message may quote what it met.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        told: dict[str, Any] = {
            "time": format_instant(int(record.created * 1_000_000)),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": redact(record.getMessage()),
        }
        if name := _request.get():
            told["request"] = name
        told |= getattr(record, FIELDS, {})
        if record.exc_info and record.exc_info[0] is not None:
            frames = traceback.extract_tb(record.exc_info[2])[-_FRAMES:]
            told["error"] = record.exc_info[0].__name__
            told["at"] = [f"{f.filename}:{f.lineno} {f.name}" for f in frames]
        return json.dumps(told, ensure_ascii=True, default=lambda value: type(value).__name__)


def start(level: str) -> logging.Handler:
    """Send what is logged from a level on to standard error, as lines.

    Args:
        level: debug, info (each request too), warning or error.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Lines())
    root = logging.getLogger()
    root.addHandler(handler)
    root.setLevel(logging.WARNING)
    logging.getLogger("heptad").setLevel(level.upper())
    return handler


def stop(handler: logging.Handler) -> None:
    """Send no more."""
    logging.getLogger().removeHandler(handler)
    logging.getLogger("heptad").setLevel(logging.NOTSET)


def by_chance() -> str:
    """Return a name for a request: no secret, so it is drawn without asking the system.

    A call of the system lets other threads go on, and has to wait until it may go on itself.
    """
    return f"{_CHANCE.getrandbits(128):032x}"


def begin_request(headers: Iterable[tuple[bytes, bytes]]) -> str:
    """Name a request: by its trace, if its caller gave one, else by chance.

    What is logged while it is answered carries the name.
    """
    name = name_request(next((value for name, value in headers if name == b"traceparent"), b""))
    _request.set(name)
    return name


def name_request(traceparent: bytes) -> str:
    """Return a request's name, given the header that names its trace, or b""."""
    trace = _TRACE.fullmatch(traceparent)
    return trace[1].decode() if trace else by_chance()
