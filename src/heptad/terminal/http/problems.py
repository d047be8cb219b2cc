# SPDX-License-Identifier: Apache-2.0
"""Errors over HTTP: the same object as everywhere, as a problem document of RFC 9457."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from heptad.standards.errors import Busy, HeptadError, InputError, UnknownName

if TYPE_CHECKING:
    from fastapi import FastAPI, Request

MEDIA = "application/problem+json"
_LOG = logging.getLogger("heptad.http")

PROBLEM = {
    "description": "What happened, the value met and what to do (RFC 9457).",
    "content": {MEDIA: {"schema": {"$ref": "#/components/schemas/Problem"}}},
}
RESPONSES: dict[int | str, dict[str, Any]] = dict.fromkeys(
    (400, 401, 403, 404, 409, 413, 415, 422, 503), PROBLEM
)
"""Every answer but success that any route may give."""


class _Unreadable(HeptadError):
    code, status = "request", 400


def problem(error: HeptadError) -> JSONResponse:
    """Return an error as a response."""
    headers = {"Retry-After": "1"} if isinstance(error, Busy) else {}
    if error.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return JSONResponse(error.to_dict(), error.status, headers, MEDIA)


def install(app: FastAPI) -> None:
    """Make every error of an application a problem document."""

    @app.exception_handler(HeptadError)
    async def _ours(_: Request, error: HeptadError) -> JSONResponse:
        return problem(error)

    @app.exception_handler(RequestValidationError)
    async def _invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        shown = first.get("input")
        got = shown if isinstance(shown, str | int | float) else type(shown).__name__
        return problem(InputError(f"{where}: {first['msg']}.", got=str(got), do="see /docs"))

    @app.exception_handler(HTTPException)
    async def _http(request: Request, error: HTTPException) -> JSONResponse:
        if error.status_code == 404:
            return problem(
                UnknownName("There is no such path.", got=request.url.path, do="see /docs")
            )
        other = _Unreadable(f"{error.detail}.", got=request.method, do="see /docs")
        other.status = error.status_code  # type: ignore[misc]
        return problem(other)

    @app.exception_handler(Exception)
    async def _unforeseen(_: Request, error: Exception) -> JSONResponse:
        # The cause goes to the log, never to the caller: it may name what they may not see.
        _LOG.error("unforeseen error", exc_info=error)
        return problem(HeptadError("The server failed to answer.", do="see the server's log"))
