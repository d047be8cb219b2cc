# SPDX-License-Identifier: Apache-2.0
"""What the owner's socket answers: commands by name, as lines of JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import FastAPI, Request
from fastapi.responses import StreamingResponse

from heptad.standards.errors import InputError
from heptad.terminal.commands import find, stream
from heptad.terminal.http import problems

if TYPE_CHECKING:
    from collections.abc import Iterator

    from heptad.runtime import Platform


def owner(platform: Platform) -> FastAPI:
    """Return what the owner's socket answers.

    Only the user who serves the project can open the socket, so whoever reaches it is that user.
    """
    import msgspec

    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    problems.install(app)

    @app.post("/owner/{name}")
    async def command(name: str, request: Request) -> StreamingResponse:
        find(name)
        try:
            arguments = msgspec.json.decode(await request.body() or b"{}", type=dict)
        except msgspec.DecodeError as error:
            raise InputError("A command's arguments are a JSON object.", got=str(error)) from error

        def lines() -> Iterator[bytes]:
            for message in stream(platform, name, arguments):
                yield msgspec.json.encode(message, enc_hook=str) + b"\n"

        return StreamingResponse(lines(), media_type="application/x-ndjson")

    return app
