# SPDX-License-Identifier: Apache-2.0
"""The console's files, as they were built into the package; no page of it may run foreign code."""

from __future__ import annotations

import gzip
import mimetypes
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from fastapi.responses import HTMLResponse, Response
from starlette.routing import Match, Route

if TYPE_CHECKING:
    from fastapi import FastAPI, Request
    from starlette.types import Scope

FOLDER = Path(__file__).parent.parent / "console"
POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "font-src 'self'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "manifest-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
"""What a page of the console may load: its own files, and nothing written into the page."""
FOREVER = "public, max-age=31536000, immutable"
_API = ("v1", "owner", "health", "metrics", "docs", "openapi.json")
_SMALL = 1024
_ABSENT = """<!doctype html><html lang=en><meta charset=utf-8><title>Heptad</title>
<h1>This server has no console.</h1>
<p>The API answers, see <a href=/docs>its manual</a>. To get the console, run
<code>make built</code> in a clone of the sources, or install a wheel that was built with it.</p>
"""


def install(app: FastAPI, folder: Path = FOLDER) -> None:
    """Answer every path that is not the API's with the console; the last route of an application.

    Args:
        app: the public API.
        folder: what was built; a page that says how to get it stands in where it is missing.
    """
    app.router.routes.append(Site(folder))


class Site(Route):
    """The route of the console: its files by name, and its document for every page of it."""

    def __init__(self, folder: Path) -> None:
        # Only names met here are ever read, so that no path leads out of the folder.
        self.known = {
            path.relative_to(folder).as_posix(): path
            for path in sorted(folder.rglob("*"))
            if path.is_file() and not path.name.startswith(".")
        }
        super().__init__("/{path:path}", self._answer, methods=["GET"], include_in_schema=False)

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Take what names a file, and what asks for a page that the API does not have."""
        name = scope.get("path", "").lstrip("/")
        if scope["type"] != "http" or name.partition("/")[0] in _API:
            return Match.NONE, {}
        wants = dict(scope["headers"]).get(b"accept", b"")
        page = (b"text/html" in wants and not name.startswith("assets/")) or not name
        return super().matches(scope) if page or name in self.known else (Match.NONE, {})

    def _answer(self, request: Request) -> Response:
        packed = "gzip" in request.headers.get("accept-encoding", "")
        name = request.path_params["path"]
        if name not in self.known:
            name = "index.html"
        if name not in self.known:
            return HTMLResponse(_ABSENT, headers={"Content-Security-Policy": "default-src 'none'"})
        return _file(self.known[name], name, packed=packed)


def _file(path: Path, name: str, *, packed: bool) -> Response:
    """Return a file; those whose names hold a hash may be kept for ever."""
    body = _packed(path) if packed else None
    headers = {
        "Cache-Control": FOREVER if name.startswith("assets/") else "no-cache",
        "Content-Security-Policy": POLICY,
        "Vary": "Accept-Encoding",
    }
    if body is not None:
        headers["Content-Encoding"] = "gzip"
    kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
    return Response(path.read_bytes() if body is None else body, headers=headers, media_type=kind)


@lru_cache(maxsize=256)
def _packed(path: Path) -> bytes | None:
    """Return a file compressed, or None if that gains nothing."""
    plain = path.read_bytes()
    small = len(plain) < _SMALL or path.suffix in {".woff2", ".png"}
    return None if small else gzip.compress(plain, 9, mtime=0)
