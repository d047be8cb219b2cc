# SPDX-License-Identifier: Apache-2.0
"""Errors over HTTP: the same object as everywhere, as a problem document of RFC 9457."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from heptad.security.masks import redact
from heptad.standards.errors import Busy, HeptadError, InputError, UnknownName
from heptad.terminal.logs import FIELDS

if TYPE_CHECKING:
    from fastapi import FastAPI, Request

MEDIA = "application/problem+json"
_LOG = logging.getLogger("heptad.http")
_DECIDE = 'send {"row": {…}} with the fields of a row, or {"key": "…"} of a stored one; see /docs'
_MEANINGS = {
    400: "The request cannot be read.",
    401: "A key is needed, and none that is valid was given.",
    403: "Role or purpose do not allow it.",
    404: "There is no such thing.",
    405: "The path does not take this method.",
    409: "The same id was used before for another request, or the state has moved on.",
    413: "The body is too large.",
    415: "The body is of a kind that is not read.",
    422: "The request breaks a contract; nothing of it was applied.",
    500: "The server failed, or a store is damaged.",
    503: "Busy; the same request may succeed after `Retry-After` seconds.",
}


def _response(status: int) -> dict[str, Any]:
    schema = {"$ref": "#/components/schemas/Problem"}
    return {"description": _MEANINGS[status], "content": {MEDIA: {"schema": schema}}}


RESPONSES: dict[int | str, dict[str, Any]] = {status: _response(status) for status in _MEANINGS}
"""Every answer but success that any route may give."""


class TooLarge(HeptadError):
    """A body is larger than is taken at once."""

    code, status, exit = "too-large", 413, 3


class WrongMedia(HeptadError):
    """A body is of a kind that is not read."""

    code, status, exit = "media", 415, 3


class Unreadable(HeptadError):
    """A request that HTTP itself does not allow."""

    code, status, exit = "request", 400, 3


def problem(error: HeptadError) -> JSONResponse:
    """Return an error as a response."""
    headers = {"Retry-After": str(error.retry_s)} if isinstance(error, Busy) else {}
    if error.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return JSONResponse(error.to_dict(), error.status, headers, MEDIA)


def hidden(error: BaseException, request: str = "") -> HeptadError:
    """Return what is told of an error: if nobody expected it, its cause goes to the log only.

    Args:
        error: what was raised.
        request: its name in the log, where that is not the one being answered by this task.
    """
    if isinstance(error, HeptadError):
        return error
    told = {FIELDS: {"request": request}} if request else None
    _LOG.error("unforeseen error", exc_info=error, extra=told)
    return HeptadError("The server failed to answer.", do="see the server's log")


def install(app: FastAPI) -> None:
    """Make every error of an application a problem document."""

    @app.exception_handler(HeptadError)
    async def _ours(_: Request, error: HeptadError) -> JSONResponse:
        return problem(error)

    @app.exception_handler(RequestValidationError)
    async def _invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        return problem(_refused(error.errors()[0], request.url.path))

    @app.exception_handler(HTTPException)
    async def _http(request: Request, error: HTTPException) -> JSONResponse:
        return problem(_understood(error, request.method, request.url.path))

    @app.exception_handler(Exception)
    async def _unforeseen(_: Request, error: Exception) -> JSONResponse:
        return problem(hidden(error))


def _refused(found: dict[str, Any], path: str) -> InputError:
    """Return what a request that does not fit its schema is told."""
    where = ".".join(str(part) for part in found["loc"])
    given = found.get("input")
    plain = isinstance(given, str | int | float)
    got = redact(str(given)) if plain else type(given).__name__
    return InputError(
        f"{where}: {found['msg']}.",
        got=got,
        do=_DECIDE if path.endswith("/decide") else "see /docs",
    )


def _understood(error: HTTPException, method: str, path: str) -> HeptadError:
    """Return what an error of the framework is told as."""
    if error.status_code == 404:
        return UnknownName("There is no such path.", got=path, do="see /docs")
    if error.status_code == 413:
        from heptad.terminal.http.meter import too_large

        return too_large()
    found = Unreadable(f"{error.detail}.", got=method, do="see /docs")
    found.status = error.status_code  # type: ignore[misc]
    return found
