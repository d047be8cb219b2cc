# SPDX-License-Identifier: Apache-2.0
"""A client that calls an ASGI application in this process, from any address."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import httpx

if TYPE_CHECKING:
    from fastapi import FastAPI

LOCAL, ELSEWHERE = "127.0.0.1", "203.0.113.9"


class Client:
    """Calls an application; errors nobody foresaw are answered as the server would."""

    def __init__(self, app: FastAPI, host: str = LOCAL, name: str = LOCAL) -> None:
        self.app, self.host, self.name = app, host, name

    def __call__(self, method: str, path: str, **request: Any) -> httpx.Response:
        """Send one request."""
        return asyncio.run(self._send(method, path, request))

    def get(self, path: str, **request: Any) -> httpx.Response:
        """Send a GET."""
        return self("GET", path, **request)

    def post(self, path: str, **request: Any) -> httpx.Response:
        """Send a POST."""
        return self("POST", path, **request)

    async def _send(self, method: str, path: str, request: dict[str, Any]) -> httpx.Response:
        transport = httpx.ASGITransport(
            self.app, raise_app_exceptions=False, client=(self.host, 40_000)
        )
        async with httpx.AsyncClient(
            transport=transport, base_url=f"http://{self.name}", timeout=60
        ) as client:
            return await client.request(method, path, **request)
