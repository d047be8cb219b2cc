# SPDX-License-Identifier: Apache-2.0
"""What changed, told as it changes: one stream of server-sent events for every page that is open."""

from __future__ import annotations

import asyncio
import hashlib
import json
import threading
import time
from collections import Counter
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Header, Query, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import StreamingResponse

from heptad.terminal.http.access import Caller
from heptad.terminal.http.problems import RESPONSES

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from heptad.runtime import Platform

router = APIRouter(prefix="/v1", tags=["console"], responses=RESPONSES)
LEAVING = threading.Event()
"""Set when the process is told to stop, so that streams end and do not keep it."""
TICK_S = 0.5
"""How often is looked; what changes faster is told together."""
RESTS = 20
"""How many times as long as counting took is waited before things are counted again."""
QUIET_S = 15.0
"""After so long without a change a comment is sent, so that who listens knows that it goes on."""


class Pulse:
    """The numbers by which pages know that they are old, looked up once for all who listen.

    What stands in the catalog is counted again only where something was committed, or a while has
    passed in which a case may have come to be late, and never for more than a share of the time.

    Args:
        platform: the open project.
    """

    def __init__(self, platform: Platform) -> None:
        self._platform, self._lock = platform, threading.Lock()
        self._at = self._counted = -QUIET_S
        self._took, self._commits = 0.0, -1
        self._counts: dict[str, Any] = {}
        self._last: tuple[str, dict[str, Any]] = ("", {})

    def now(self) -> tuple[str, dict[str, Any]]:
        """Return what stands now, and a name for it that changes with it."""
        with self._lock:
            if time.monotonic() - self._at >= TICK_S:
                found = {"decisions": len(self._platform.log)} | self._catalog()
                name = hashlib.sha256(json.dumps(found, sort_keys=True).encode()).hexdigest()[:16]
                self._at, self._last = time.monotonic(), (name, found)
            return self._last

    def _catalog(self) -> dict[str, Any]:
        """Return what is counted in the catalog, counted anew where it may be another."""
        store, begun = self._platform.catalog.store, time.monotonic()
        commits, since = store.commits, begun - self._counted
        same = store.alone and commits == self._commits
        if since >= QUIET_S or (not same and since >= RESTS * self._took):
            self._counts = _numbers(self._platform)
            self._commits, self._counted = commits, begun
            self._took = time.monotonic() - begun
        return self._counts


def _numbers(platform: Platform) -> dict[str, Any]:
    """Count what pages show; nothing here is about anybody."""
    cases = [c for c in platform.work.cases.counts() if c["status"] != "closed"]
    messages: Counter[str] = Counter()
    for line in platform.work.outbox.counts():
        messages[line["status"]] += line["n"]
    loads = platform.catalog.loads.recent(limit=1)
    return {
        "loads": loads[0].id if loads else 0,
        "cases": sum(c["n"] for c in cases),
        "late": sum(int(c["late"]) for c in cases),
        "revisions": platform.work.cases.revision(),
        "messages": dict(sorted(messages.items())),
    }


@router.get("/events", include_in_schema=False)
async def events(
    request: Request,
    _: Caller,
    wait_s: Annotated[float, Query(ge=0, le=600, description="How long to tell.")] = 600.0,
    last_event_id: Annotated[str, Header(description="The last one that was seen.")] = "",
) -> StreamingResponse:
    """Tell as server-sent events when decisions, cases, loads or messages have changed."""
    return StreamingResponse(
        _stream(request.app.state.pulse, last_event_id, wait_s), media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )  # fmt: skip


async def _stream(pulse: Pulse, seen: str, wait_s: float) -> AsyncIterator[str]:
    """Yield what stands now, unless it was seen already, and each change until the server stops."""
    yield "retry: 2000\n\n"
    until, told = time.monotonic() + wait_s, time.monotonic()
    while True:
        name, found = await run_in_threadpool(pulse.now)
        if name != seen:
            seen, told = name, time.monotonic()
            yield f"id: {name}\nevent: change\ndata: {json.dumps(found)}\n\n"
        elif time.monotonic() - told >= QUIET_S:
            told = time.monotonic()
            yield ": nothing new\n\n"
        if time.monotonic() >= until or LEAVING.is_set():
            return
        await asyncio.sleep(TICK_S)
