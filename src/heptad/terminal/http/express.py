# SPDX-License-Identifier: Apache-2.0
"""The short way of the two requests that come by the thousand: a row posted, a row to be decided.

It reads what is plainly right and answers it as the routes would, without a task or a thread for
each caller. Whatever is not plainly right, from the key of the caller to the last value, goes to
the routes.
"""

from __future__ import annotations

import asyncio
import math
import re
import sys
import time
from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
from fastapi import Request
from starlette.concurrency import run_in_threadpool

from heptad.catalog.courtesy import CALM_S, crowded, make_way
from heptad.service.decisions.taking import Ask
from heptad.standards.errors import HeptadError
from heptad.standards.time import second
from heptad.terminal.commands.decisions import row
from heptad.terminal.http import access
from heptad.terminal.http.problems import hidden, problem
from heptad.terminal.http.tables import parse
from heptad.terminal.logs import name_request

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Mapping, Sequence

    from fastapi import FastAPI

    from heptad.runtime import Platform
    from heptad.security.apikeys import Principal
    from heptad.service.decisions.quick import Quick
    from heptad.service.decisions.records import Opened
    from heptad.service.decisions.taking import Taken
    from heptad.terminal.http.meter import Meter

KEPT = 30 * second
"""How long a caller is known by the same header, at most; a key that changes is seen at once."""
FEW = 128
"""Rows that are served without a thread of their own: more would keep the loop from others for long."""
HURRY_S, WAY_S = 0.005, 0.025
"""For so long others are turned away before some of those who were let in are served; and so long at
most the loop waits for the thread that serves them, lest each one who is turned away hold it up."""
TURN_S, CROWDED_TURN_S = 0.001, 0.005
"""How long one thread may hold the interpreter while others wait: a caller waits for several turns.
Each turn of the loop, on the other hand, tells one of a crowd to come back, and the thread that
decides meanwhile waits: so there are fewer of them then."""
PATH = re.compile(r"/v1/(?:apps/([A-Za-z0-9_-]+)/decide|tables/([A-Za-z0-9_]+)/rows)", re.ASCII)
"""Where rows are posted: an application's decisions, a table."""
_ID = re.compile(r"[\x21-\x7e]{1,200}", re.ASCII)
_JSON, _LINES = "application/json", "application/x-ndjson"
_MOST_CALLERS = 1024
_PLAIN_HEAD = ((b"content-type", b"application/json"),)


def route_of(found: re.Match[str]) -> str:
    """Return the path by which the metrics name a request whose path is one of `PATH`."""
    return "/v1/apps/{app}/decide" if found[1] else "/v1/tables/{name}/rows"


class Posted(NamedTuple):
    """A whole request as it came on a connection.

    Attributes:
        path: as found by `PATH`.
        headers: by their names in small letters; none came twice.
        body: all of it.
        client: address of the other end.
    """

    path: re.Match[str]
    headers: Mapping[str, str]
    body: bytes
    client: str


class Answer(NamedTuple):
    """What a caller is told; `headers` come without the length and those that all answers have."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes
    name: str


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
        route: names the request in the metrics.
        name: names it in the log.
        begun: seconds, when it began.
        tell: takes the answer, or None if the routes have to give it.
    """

    ask: Ask
    who: Principal
    lock: threading.Lock | None
    route: str
    name: str
    begun: float
    tell: Callable[[Answer | None], None]


class Express:
    """Answers plain requests of connections; all but `_came` is called by the loop's thread.

    Args:
        api: holds what the callers are checked with.
        platform: the project that is served.
        meter: counts the requests.

    Attributes:
        refusal: what the crowd is told, in the two parts around the request's name, as made for
            these headers.
    """

    def __init__(self, api: FastAPI, platform: Platform, meter: Meter) -> None:
        self._api, self._platform, self.meter = api, platform, meter
        self._callers: dict[tuple[str | None, str, str], _Known] = {}
        self._taken: list[_Call] = []
        self._planned = self._serving = False
        self._free_since = 0.0
        self._landed: deque[tuple[_Call, Taken | BaseException | None]] = deque()
        self._tasks: set[asyncio.Task[None]] = set()
        self.refusal: tuple[object, list[bytes]] = (None, [])
        self._woken = False
        self._crowd: float | None = None

    def take(self, posted: Posted, tell: Callable[[Answer | None], None]) -> bool:
        """Begin to answer a request.

        Args:
            posted: the request.
            tell: is called once with the answer, or with None if the routes have to give it.

        Returns:
            Whether it will be called; if not, the routes have to answer.
        """
        quick = self._platform.intake.quick
        self._calm()
        if quick is None:
            return False
        try:
            call = self._call(posted, tell)
        except (HeptadError, msgspec.MsgspecError, ValueError, RecursionError):
            return False
        if call is None:
            return False
        if not quick.takes(call.ask.table):
            _let_go(call)
            return False
        self.meter.running += 1
        self._taken.append(call)
        self._plan()
        return True

    def hurry(self) -> None:
        """Serve what was taken, or let it be served, if the crowd that is turned away keeps others from it.

        From the first of a crowd on, threads take long turns. The loop reads all that has come, from however many, before it does what is planned.
        """
        if self._crowd is None:
            sys.setswitchinterval(CROWDED_TURN_S)
        crowded()
        self._crowd = time.perf_counter()
        if self._crowd - self._free_since > HURRY_S:
            if self._taken:
                self._serve()
            make_way(WAY_S)
            self._free_since = time.perf_counter()

    def _calm(self) -> None:
        """Go back to short turns if there is no crowd any more."""
        if self._crowd is not None and time.perf_counter() - self._crowd > CALM_S:
            self._crowd = None
            sys.setswitchinterval(TURN_S)

    def _plan(self) -> None:
        """Have served what was taken, once the loop has read what came by now."""
        if not self._planned:
            self._planned = True
            asyncio.get_running_loop().call_soon(self._planned_turn)

    def _planned_turn(self) -> None:
        self._planned = False
        self._serve()

    def _serve(self) -> None:
        """Serve some of what came on all connections; if that would mean to wait, a thread does."""
        if self._serving or not self._taken:
            return
        calls, self._taken = self._taken[:FEW], self._taken[FEW:]
        if self._taken:  # whoever else came gets a turn in between
            self._plan()
        self._serving = True
        try:
            self._served(calls)
        finally:
            self._serving, self._free_since = False, time.perf_counter()

    def _served(self, calls: Sequence[_Call]) -> None:
        """Serve some requests, here or by a thread."""
        loop, quick = asyncio.get_running_loop(), self._platform.intake.quick
        if quick is None:  # the project is being closed
            for call in calls:
                self._told(call, None)
            return
        for call in calls:
            call.ask.done = partial(self._came, loop, call)
        few = sum(len(call.ask.rows) for call in calls) <= FEW
        found = quick.at_once([call.ask for call in calls]) if few else None
        for call in calls:
            if found is None:
                self._submit(quick, call)
            elif call.ask in found:
                self._ended(call, found[call.ask])

    def _submit(self, quick: Quick, call: _Call) -> None:
        """Let a thread serve a request."""
        try:
            quick.submit(call.ask)
        except HeptadError as error:
            self._told(call, error)

    def _call(self, posted: Posted, tell: Callable[[Answer | None], None]) -> _Call | None:
        """Read a request; None, or an error, if it is not plainly right."""
        platform, headers, begun = self._platform, posted.headers, time.perf_counter()
        kind = headers.get("content-type", "").partition(";")[0].strip()
        who = self._caller(posted)
        access.require_writer(who)
        platform.room.require()
        ask, lock = self._asked(posted, kind, who)
        if ask is None:
            return None
        request = name_request(headers.get("traceparent", "").encode("latin-1"))
        return _Call(ask, who, lock, route_of(posted.path), request, begun, tell)

    def _asked(
        self, posted: Posted, kind: str, who: Principal
    ) -> tuple[Ask | None, threading.Lock | None]:
        """Return what is asked, None if it is not plain, and the lock of the request's id."""
        platform, name = self._platform, posted.path[1]
        if not name:
            if kind not in (_JSON, _LINES):
                return None, None
            platform.table(posted.path[2])
            return Ask(posted.path[2], parse(posted.body, kind)), None
        access.require_decider(who, platform, name)
        given = msgspec.json.decode(posted.body)
        if kind != _JSON or not isinstance(given, dict) or given.keys() != {"row"}:
            return None, None
        if not isinstance(given["row"], dict) or not all(map(_plain, given["row"].values())):
            return None, None
        ask = Ask(platform.app(name).on.__name__, [given["row"]], name)
        return self._named(ask, posted.headers.get("idempotency-key"))

    def _named(self, ask: Ask, key: str | None) -> tuple[Ask | None, threading.Lock | None]:
        """Give a request its id; None if it is odd, or another of that id is being answered."""
        if key is None:
            return ask, None
        if not _ID.fullmatch(key):
            return None, None
        ask.asked = self._platform.desk.asked(str(ask.app), ask.rows[0], key)
        lock = self._platform.intake.turn(key)
        return (ask, lock) if lock.acquire(blocking=False) else (None, None)

    def _caller(self, posted: Posted) -> Principal:
        """Say who calls; a key that was checked is not checked again for each request.

        Raises:
            Unauthorised: if a key is needed and none that is valid was given.
        """
        platform, headers = self._platform, posted.headers
        header = headers.get("authorization")
        asked = (header, posted.client, headers.get("host", ""))
        now, changes = platform.clock.now(), platform.catalog.keys.changes + platform.users.changes
        known = self._callers.get(asked)
        if known is not None and known.changes == changes and now <= known.until:
            return known.who
        who = access.caller(self._request(posted), header)
        record = platform.catalog.keys.get(who.id)
        ends = record.expires if record is not None and record.expires is not None else now + KEPT
        if len(self._callers) >= _MOST_CALLERS:
            self._callers.clear()
        self._callers[asked] = _Known(who, changes, min(ends - 1, now + KEPT))
        return who

    def _request(self, posted: Posted) -> Request:
        """Return a request as the routes see it, as far as it says who calls."""
        raw = [(k.encode("latin-1"), v.encode("latin-1")) for k, v in posted.headers.items()]
        return Request({
            "type": "http", "app": self._api, "method": "POST", "scheme": "http", "headers": raw,
            "client": (posted.client, 0), "path": posted.path[0], "query_string": b"",
        })  # fmt: skip

    def _came(
        self, loop: asyncio.AbstractEventLoop, call: _Call, found: Taken | BaseException | None
    ) -> None:
        """Note what became of a request; those of one group wake the loop once."""
        self._landed.append((call, found))
        if not self._woken:
            self._woken = True
            try:
                loop.call_soon_threadsafe(self._land)
            except RuntimeError:  # nobody is served any more
                self._woken = False

    def _land(self) -> None:
        """Answer the requests whose rows were taken, or were not."""
        self._woken = False  # before the last is looked for, so that none comes unseen
        while self._landed:
            self._ended(*self._landed.popleft())

    def _ended(self, call: _Call, found: Taken | BaseException | None) -> None:
        """Answer a request, or have the rest of it done first."""
        if found is None or isinstance(found, BaseException):
            self._told(call, found)
        elif found.undecided:
            task = asyncio.get_running_loop().create_task(self._finished(call, found))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        else:
            self._told(call, self._tried(call, found))

    async def _finished(self, call: _Call, taken: Taken) -> None:
        """Have decided what the reels could not serve, and answer."""
        self._told(call, await run_in_threadpool(self._tried, call, taken))

    def _tried(self, call: _Call, taken: Taken) -> bytes | Exception:
        """Write what became of the rows of a request, or return why that cannot be said."""
        try:
            return msgspec.json.encode(self._decided(call, taken))
        except Exception as error:  # noqa: BLE001 - each caller is told
            return error

    def _decided(self, call: _Call, taken: Taken) -> dict[str, Any]:
        """Say what became of the rows of a request."""
        platform, ask = self._platform, call.ask
        if ask.app is not None:
            entry = platform.intake.decided(taken, platform.app(ask.app), ask.asked)
            return row(platform, entry)
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

    def _told(self, call: _Call, found: bytes | BaseException | None) -> None:
        """Tell the caller what was found, or leave it to the routes."""
        _let_go(call)
        self.meter.running -= 1
        if found is None:
            call.tell(None)
            return
        if isinstance(found, BaseException):
            answer = _answer(found, call.name)
        else:
            answer = Answer(200, _PLAIN_HEAD, found, call.name)
        spent = time.perf_counter() - call.begun
        self.meter.count("POST", call.route, answer.status, spent, call.name)
        call.tell(answer)


def _answer(error: BaseException, name: str) -> Answer:
    """Tell an error as the routes tell it."""
    told = problem(hidden(error, name))
    headers = tuple((k, v) for k, v in told.raw_headers if k != b"content-length")
    return Answer(told.status_code, headers, bytes(told.body), name)


def _let_go(call: _Call) -> None:
    if call.lock is not None:
        call.lock.release()


def _app(entry: Opened) -> str:
    return str(entry.public["app"])


def _plain(value: object) -> bool:
    """Whether a value is one that the route would take as it is."""
    if isinstance(value, float):
        return math.isfinite(value)
    return value is None or isinstance(value, str | int)
