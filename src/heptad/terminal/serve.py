# SPDX-License-Identifier: Apache-2.0
"""Serve a project: the public API on a port, and the owner's socket for every other command."""

from __future__ import annotations

import asyncio
import signal
import socket
from typing import TYPE_CHECKING

import uvicorn

from heptad.engine.local.owner import socket_path
from heptad.runtime import Platform
from heptad.standards.errors import Busy, Refused
from heptad.terminal import show
from heptad.terminal.http import api
from heptad.terminal.http.access import LOOPBACK, api_keys

if TYPE_CHECKING:
    from pathlib import Path

    from heptad.standards.time import Clock


class Server(uvicorn.Server):
    """A uvicorn server that leaves signals to us, since two run in one process."""

    def install_signal_handlers(self) -> None:
        """Do nothing."""


def run(project: Path, *, host: str, port: int, clock: Clock | None = None) -> None:
    """Open a project and serve it until it is told to stop.

    Args:
        project: its folder.
        host: address; that of the project file if "".
        port: that of the project file if 0.
        clock: tells the present.
    """
    with Platform.open(project, clock=clock) as platform:
        host, port = host or platform.project.serve.host, port or platform.project.serve.port
        if host not in LOOPBACK and not api_keys(platform).all():
            raise Refused(
                "Without keys the API answers this machine only.",
                got=host,
                do="issue one with `heptad keys issue`, or serve on 127.0.0.1",
            )
        asyncio.run(_serve(platform, host, port))


async def _serve(platform: Platform, host: str, port: int) -> None:
    """Run both servers; either stops the other."""
    path = socket_path(platform.path)
    path.unlink(missing_ok=True)
    listening = _listen(host, port)
    local = uvicorn.Config(api.owner(platform), uds=str(path), log_level="warning", lifespan="off")
    public = uvicorn.Config(api.public(platform), log_level="warning", lifespan="off")
    servers = [Server(local), Server(public)]
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, _stop, servers)
    show.say(
        f"serving {platform.project.name} on http://{host}:{listening.getsockname()[1]} (docs: /docs)"
    )
    try:
        await asyncio.gather(servers[0].serve(), servers[1].serve(sockets=[listening]))
    finally:
        path.unlink(missing_ok=True)


def _stop(servers: list[Server]) -> None:
    for server in servers:
        server.should_exit = True


def _listen(host: str, port: int) -> socket.socket:
    """Take the port before anything is promised.

    Raises:
        Busy: if somebody else has it.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except OSError as error:
        listening.close()
        raise Busy(
            f"Port {port} is taken or not allowed.", got=str(error), do="say another with --port"
        ) from error
    return listening
