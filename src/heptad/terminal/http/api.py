# SPDX-License-Identifier: Apache-2.0
"""The public API of a project, as an ASGI application."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import HTMLResponse, PlainTextResponse

from heptad import __version__
from heptad.security.sessions import Sessions
from heptad.terminal.http import (
    cards,
    cases,
    console,
    decisions,
    document,
    eligible,
    flows,
    lists,
    live,
    manual,
    messages,
    online,
    pages,
    people,
    problems,
    reads,
    schedule,
    segments,
    signin,
    site,
    streams,
    subjects,
    tables,
)
from heptad.terminal.http.access import Caller, Opened
from heptad.terminal.http.express import Express
from heptad.terminal.http.meter import Meter, exposition
from heptad.terminal.http.schemas import Health

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from heptad.runtime import Platform

router = APIRouter(tags=["service"], responses=problems.RESPONSES)


class Api(FastAPI):
    """The routes, behind what answers for them without a framework's layers in between.

    Attributes:
        front: takes every request first.
        express: answers plainly posted rows before that, where connections ask it.
    """

    front: Meter
    express: Express

    async def routed(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer by the routes."""
        await super().__call__(scope, receive, send)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        scope["app"] = self
        await self.front(scope, receive, send)


def public(platform: Platform) -> Api:
    """Return the API of a project."""
    app = Api(
        title="Heptad",
        version=__version__,
        description=document.DESCRIPTION,
        openapi_tags=document.TAGS,
        docs_url=None,
        redoc_url=None,
    )
    app.state.platform, app.state.pulse = platform, live.Pulse(platform)
    app.state.provider, app.state.sessions = signin.provider_of(platform), Sessions()
    app.front = Meter(app.routed)
    app.express = Express(app, platform, app.front)
    problems.install(app)
    for part in (
        tables.router,
        decisions.router,
        pages.router,
        flows.router,
        flows.trying,
        cards.router,
        lists.router,
        segments.router,
        live.router,
        signin.router,
        console.router,
        reads.router,
        online.router,
        eligible.router,
        people.router,
        subjects.router,
        cases.router,
        messages.router,
        schedule.router,
        streams.router,
        router,
    ):
        app.include_router(part)
    document.install(app, platform)
    app.add_api_route("/docs", _manual, include_in_schema=False, response_class=HTMLResponse)
    site.install(app)
    return app


def _manual(request: Request) -> HTMLResponse:
    """Return the manual of the API."""
    return HTMLResponse(manual.page(request.app.openapi()), headers=manual.HEADERS)


@router.get("/health")
def health() -> Health:
    """Say that the service answers and its stores are open; needs no key and tells no more."""
    return Health(status="ok", version=__version__)


@router.get(
    "/metrics",
    response_class=PlainTextResponse,
    responses={200: {"content": {"text/plain": {"example": "heptad_log_entries 4640\n"}}}},
)
def metrics(request: Request, platform: Opened, _: Caller) -> PlainTextResponse:
    """Return counts and times in Prometheus' text form, without anything personal."""
    text = exposition(request.state.meter, platform)
    return PlainTextResponse(text, media_type="text/plain; version=0.0.4")
