# SPDX-License-Identifier: Apache-2.0
"""The ASGI applications: the public API, and the owner's socket for the command line."""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI, Request
from fastapi.responses import PlainTextResponse, StreamingResponse

from heptad import __version__
from heptad.terminal.http import decisions, problems, reads, tables
from heptad.terminal.http.schemas import Health, Problem

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from starlette.responses import Response

    from heptad.runtime import Platform

DESCRIPTION = """Tables, decisions, features, lineage and the decision log of one project.

Amounts are decimal text on the way in and minor units of their currency on the way out; instants
are ISO 8601 in UTC; rates are fractions. Errors are problem documents (RFC 9457) that say what
happened, the value met and what to do.
"""


def public(platform: Platform) -> FastAPI:
    """Return the API of a project."""
    app = FastAPI(title="Heptad", version=__version__, description=DESCRIPTION)
    app.state.platform = platform
    app.state.requests = Counter[tuple[str, int]]()
    app.state.seconds = Counter[str]()
    problems.install(app)
    for router in (tables.router, decisions.router, reads.router):
        app.include_router(router)

    @app.get("/health", tags=["service"])
    def health() -> Health:
        """Say whether the service answers and its stores are open."""
        return Health(
            status="ok",
            version=__version__,
            project=platform.project.name,
            decisions=len(platform.log),
        )

    @app.get("/metrics", tags=["service"], response_class=PlainTextResponse)
    def metrics() -> PlainTextResponse:
        """Return counts and times for Prometheus, without anything personal."""
        return PlainTextResponse(exposition(app), media_type="text/plain; version=0.0.4")

    @app.middleware("http")
    async def count(
        request: Request, call_next: Callable[[Request], Awaitable[Response]]
    ) -> Response:
        start = time.perf_counter()
        response = await call_next(request)
        route = request.scope.get("route")
        path = getattr(route, "path", "unknown")
        app.state.requests[path, response.status_code] += 1
        app.state.seconds[path] += time.perf_counter() - start
        response.headers["Cache-Control"] = "no-store"
        response.headers["X-Content-Type-Options"] = "nosniff"
        return response

    schemas = app.openapi

    def with_problem() -> dict[str, Any]:
        document = schemas()
        document["components"]["schemas"].setdefault("Problem", Problem.model_json_schema())
        return document

    app.openapi = with_problem  # type: ignore[method-assign]
    return app


def exposition(app: FastAPI) -> str:
    """Write the metrics in Prometheus' text form."""
    lines = ["# TYPE heptad_requests_total counter"]
    for (path, status), n in sorted(app.state.requests.items()):
        lines.append(f'heptad_requests_total{{path="{path}",status="{status}"}} {n}')
    lines.append("# TYPE heptad_request_seconds_total counter")
    for path, seconds in sorted(app.state.seconds.items()):
        lines.append(f'heptad_request_seconds_total{{path="{path}"}} {seconds:.6f}')
    lines.append("# TYPE heptad_decisions gauge")
    platform = app.state.platform
    for name in sorted(platform.apps):
        for outcome, n in sorted(platform.catalog.decisions.counts(name).items()):
            lines.append(f'heptad_decisions{{app="{name}",outcome="{outcome}"}} {n}')
    return "\n".join(lines) + "\n"


def owner(platform: Platform) -> FastAPI:
    """Return what the owner's socket answers: commands by name, as lines of JSON.

    The socket lies in a folder that only its user may enter, so whoever reaches it is that user.
    """
    import msgspec

    from heptad.terminal.commands import find, stream

    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    problems.install(app)

    @app.post("/owner/{name}")
    async def command(name: str, request: Request) -> StreamingResponse:
        find(name)
        arguments = msgspec.json.decode(await request.body() or b"{}")

        def lines() -> Iterator[bytes]:
            for message in stream(platform, name, arguments):
                yield msgspec.json.encode(message, enc_hook=str) + b"\n"

        return StreamingResponse(lines(), media_type="application/x-ndjson")

    return app
