# SPDX-License-Identifier: Apache-2.0
"""The short way of the two requests that come by the thousand: a row posted, a row to be decided.

It reads what is plainly right and answers it as the routes would, without a thread for each caller.
Whatever is not plainly right, from the key of the caller to the last value, goes to the routes.
"""

from __future__ import annotations

import asyncio
import math
import re
from collections import deque
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
from fastapi import Request
from starlette.concurrency import run_in_threadpool

from heptad.service.decisions.quick import Ask
from heptad.standards.errors import HeptadError
from heptad.standards.time import second
from heptad.terminal.commands.decisions import row
from heptad.terminal.http import access
from heptad.terminal.http.problems import problem, unforeseen
from heptad.terminal.http.tables import parse

if TYPE_CHECKING:
    import threading
    from collections.abc import Mapping

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from heptad.runtime import Platform
    from heptad.security.apikeys import Principal
    from heptad.service.decisions.quick import Quick, Taken
    from heptad.service.decisions.records import Opened

LARGEST = 64 << 10
"""Bytes of a body that is read here."""
KEPT = 30 * second
"""How long a caller is known by the same header, at most; a key that changes is seen at once."""
PATH = re.compile(r"/v1/(?:apps/([A-Za-z0-9_-]+)/decide|tables/([A-Za-z0-9_]+)/rows)", re.ASCII)
"""Where rows are posted: an application's decisions, a table."""
_ID = re.compile(r"[\x21-\x7e]{1,200}", re.ASCII)
_JSON, _LINES = "application/json", "application/x-ndjson"
_MOST_CALLERS = 1024


class Route(NamedTuple):
    """What the metrics name a request by."""

    path: str


def route_of(found: re.Match[str]) -> Route:
    """Return the route that a path of `PATH` belongs to."""
    return _DECIDE if found[1] else _ROWS


_DECIDE, _ROWS = Route("/v1/apps/{app}/decide"), Route("/v1/tables/{name}/rows")


class _Known(NamedTuple):
    """A caller whose key was checked."""

    who: Principal
    changes: int
    until: int


class _Call(NamedTuple):
    """A request that is plainly right.

    Attributes:
        ask: what is asked.
        who: the caller.
        lock: held by whoever answers a request of the same id.
    """

    ask: Ask
    who: Principal
    lock: threading.Lock | None


class Express:
    """An ASGI layer that answers plain requests itself.

    Args:
        app: answers all others.
        platform: the project that is served.
    """

    def __init__(self, app: ASGIApp, platform: Platform) -> None:
        self.app, self._platform = app, platform
        self._callers: dict[tuple[str, str, str], _Known] = {}
        self._landed: deque[tuple[asyncio.Future[Any], Any]] = deque()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or pass it on as it came."""
        quick = self._platform.intake.quick
        found = PATH.fullmatch(scope["path"]) if _may_be(scope) and quick is not None else None
        if quick is None or found is None:
            await self.app(scope, receive, send)
            return
        headers = {k.decode("latin-1"): v.decode("latin-1") for k, v in scope["headers"]}
        length = headers.get("content-length", "")
        if not length.isdigit() or int(length) > LARGEST or "cookie" in headers:
            await self.app(scope, receive, send)
            return
        body, left = await _body(receive)
        answer = None if body is None else await self._answered(scope, headers, found, body, quick)
        if answer is None:
            await self.app(scope, left, send)
        else:
            scope["route"] = route_of(found)
            await answer(scope, left, send)

    async def _answered(
        self,
        scope: Scope,
        headers: Mapping[str, str],
        found: re.Match[str],
        body: bytes,
        quick: Quick,
    ) -> ASGIApp | None:
        """Answer a request; None if the routes have to."""
        try:
            call = self._call(scope, headers, found, body)
        except (HeptadError, msgspec.MsgspecError, ValueError, RecursionError):
            return None
        if call is None:
            return None
        try:
            taken = await self._taken(quick, call.ask)
            return None if taken is None else _Written(await self._told(call, taken))
        except HeptadError as error:
            return problem(error)
        except Exception as error:  # noqa: BLE001 - what no route foresees is told as they tell it
            return unforeseen(error)
        finally:
            if call.lock is not None:
                call.lock.release()

    def _call(
        self, scope: Scope, headers: Mapping[str, str], found: re.Match[str], body: bytes
    ) -> _Call | None:
        """Read a request; None, or an error, if it is not plainly right."""
        platform, kind = self._platform, headers.get("content-type", "").partition(";")[0].strip()
        who = self._caller(scope, headers)
        access.require_writer(who)
        platform.room.require()
        name = found[1]
        if not name:
            if kind not in (_JSON, _LINES):
                return None
            platform.table(found[2])
            return _Call(Ask(found[2], parse(body, kind)), who, None)
        access.require_decider(who, platform, name)
        given = msgspec.json.decode(body)
        if kind != _JSON or not isinstance(given, dict) or given.keys() != {"row"}:
            return None
        if not isinstance(given["row"], dict) or not all(map(_plain, given["row"].values())):
            return None
        ask = Ask(platform.app(name).on.__name__, [given["row"]], name)
        return self._named(ask, who, headers.get("idempotency-key"))

    def _named(self, ask: Ask, who: Principal, key: str | None) -> _Call | None:
        """Give a request its id; None if it is odd, or another of that id is being answered."""
        if key is None:
            return _Call(ask, who, None)
        lock = self._platform.intake.turn(key)
        if not _ID.fullmatch(key) or not lock.acquire(blocking=False):
            return None
        ask.asked = self._platform.desk.asked(str(ask.app), ask.rows[0], key)
        return _Call(ask, who, lock)

    def _caller(self, scope: Scope, headers: Mapping[str, str]) -> Principal:
        """Say who calls; a key that was checked is not checked again for each request.

        Raises:
            Unauthorised: if a key is needed and none that is valid was given.
        """
        platform, client = self._platform, scope.get("client") or ("",)
        header = headers.get("authorization", "")
        asked = (header, str(client[0]), headers.get("host", ""))
        now, changes = platform.clock.now(), platform.catalog.keys.changes
        known = self._callers.get(asked)
        if known is not None and known.changes == changes and now <= known.until:
            return known.who
        who = access.caller(Request(scope), header or None)
        record = platform.catalog.keys.get(who.id)
        ends = record.expires if record is not None and record.expires is not None else now + KEPT
        if len(self._callers) >= _MOST_CALLERS:
            self._callers.clear()
        self._callers[asked] = _Known(who, changes, min(ends - 1, now + KEPT))
        return who

    async def _taken(self, quick: Quick, ask: Ask) -> Taken | None:
        """Have rows taken; None if they go the slow way.

        Raises:
            HeptadError: why not.
        """
        if not quick.takes(ask.table):
            return None
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Taken | BaseException | None] = loop.create_future()

        def done(found: Taken | BaseException | None) -> None:
            # Those of one group land together: the loop is woken once for all of them.
            self._landed.append((answer, found))
            if len(self._landed) == 1:
                loop.call_soon_threadsafe(self._land)

        ask.done = done
        quick.submit(ask)
        found = await answer
        if isinstance(found, BaseException):
            raise found
        return found

    def _land(self) -> None:
        """Wake the requests whose rows were taken."""
        while self._landed:
            answer, found = self._landed.popleft()
            if not answer.done():
                answer.set_result(found)

    async def _told(self, call: _Call, taken: Taken) -> dict[str, Any]:
        """Say what became of the rows of a request."""
        platform, ask = self._platform, call.ask
        if ask.app is not None:
            app = platform.app(ask.app)
            if taken.undecided:
                entry = await run_in_threadpool(platform.intake.decided, taken, app, ask.asked)
            else:
                entry = platform.intake.decided(taken, app, ask.asked)
            return row(platform, entry)
        if taken.undecided:
            report, made = await run_in_threadpool(platform.intake.finished, taken)
        else:
            report, made = platform.intake.finished(taken)
        seen = {a.name for a in platform.apps.values() if a.purpose in call.who.purposes}
        return {
            "table": report.table,
            "accepted": len(report.accepted),
            "duplicates": 0,
            "quarantined": 0,
            "rejected": [],
            "version": report.version,
            "decisions": [row(platform, e) for e in made if _app(e) in seen],
        }


class _Written:
    """An answer that was found."""

    def __init__(self, found: Mapping[str, Any]) -> None:
        self._body = msgspec.json.encode(found)

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        length = str(len(self._body)).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", length)]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": self._body})


def _may_be(scope: Scope) -> bool:
    return bool(scope["type"] == "http" and scope["method"] == "POST")


def _app(entry: Opened) -> str:
    return str(entry.public["app"])


def _plain(value: object) -> bool:
    """Whether a value is one that the route would take as it is."""
    if isinstance(value, float):
        return math.isfinite(value)
    return value is None or isinstance(value, str | int)


async def _body(receive: Receive) -> tuple[bytes | None, Receive]:
    """Return a whole body, None if it broke off, and what receives all of it once more."""
    met: list[Message] = []
    parts: list[bytes] = []
    more = True
    while more:
        message = await receive()
        met.append(message)
        more = message["type"] == "http.request" and message.get("more_body", False)
        parts.append(message.get("body", b""))

    async def again() -> Message:
        return met.pop(0) if met else await receive()

    whole = all(message["type"] == "http.request" for message in met)
    return (b"".join(parts) if whole else None), again
