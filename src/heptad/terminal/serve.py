# SPDX-License-Identifier: Apache-2.0
"""Serve a project: the public API on a port, and the owner's socket for every other command."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import socket
import sys
import threading
from contextlib import ExitStack, contextmanager, nullcontext
from typing import TYPE_CHECKING, NamedTuple

import anyio
import anyio.to_thread
import uvicorn
from uvloop import new_event_loop

from heptad.engine.local.owner import socket_path
from heptad.engine.local.room import LARGE
from heptad.runtime import Platform
from heptad.standards.errors import Busy, InputError, Refused
from heptad.terminal import logs, show
from heptad.terminal.connect import held
from heptad.terminal.http.access import api_keys, is_loopback
from heptad.terminal.http.api import Api, public
from heptad.terminal.http.direct import direct
from heptad.terminal.http.express import TURN_S
from heptad.terminal.http.live import LEAVING
from heptad.terminal.http.meter import MOST_AT_ONCE
from heptad.terminal.http.owner import owner
from heptad.terminal.http.patience import Patient, hang_up, room_for_connections

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from fastapi import FastAPI

    from heptad.standards.time import Clock

GRACE_S = 30
"""How long requests that run may go on once the server was told to stop."""
SLOW_S = 5.0
"""What takes longer is announced."""
OLD = 100
"""Looks for garbage among young objects to one among all, instead of Python's own 10."""
_BACKLOG = 1024
_TICKS_A_SECOND = 10


class Server(uvicorn.Server):
    """A uvicorn server that leaves signals to us, since two run in one process."""

    def capture_signals(self) -> AbstractContextManager[None]:  # type: ignore[override]
        """Do nothing."""
        return nullcontext()

    async def on_tick(self, counter: int) -> bool:
        """Hang up, each second, on who keeps the server waiting."""
        if counter % _TICKS_A_SECOND == 0:
            hang_up(list(self.server_state.connections), asyncio.get_running_loop().time())
        return await super().on_tick(counter)


def run(
    project: Path,
    *,
    host: str,
    port: int,
    clock: Clock | None = None,
    log_level: str = "warning",
    hbase: Hbase | None = None,
) -> None:
    """Open a project and serve it until it is told to stop.

    Args:
        project: its folder.
        host: address; that of the project file if "".
        port: that of the project file if 0.
        clock: tells the present.
        log_level: from which level on things are told on standard error.
        hbase: how to answer HBase's protocol beside; not at all by default.

    Raises:
        Busy: if the project is served already, or the port is taken.
        Refused: if others than this machine could call, and no key has been issued.
    """
    holder = held(project)
    if holder is not None:
        raise Busy(
            "This project is held by another process already.",
            got=f"process {holder}",
            do=f"stop it with `kill {holder}`; if it is `heptad serve`, commands go through it",
        )
    with logging_from(log_level), Platform.open(project, clock=clock) as platform:
        platform.room.keep(LARGE)
        sys.setswitchinterval(TURN_S)
        with told_if_slow(
            "preparing features; the first time, what computes them is compiled for this processor"
        ):
            platform.quicken()
        room_for_connections()
        host, port = host or platform.project.serve.host, port or platform.project.serve.port
        if not is_loopback(host) and not api_keys(platform).all():
            raise Refused(
                "Without keys the API answers this machine only.",
                got=host,
                do="issue one with `heptad keys issue`, or serve on 127.0.0.1",
            )
        with (
            listening(host, port) as listener,
            local(socket_path(platform.path)) as own,
            beside(platform, hbase),
        ):
            apps = [(owner(platform), own), (public(platform), listener)]
            shown = f"[{host}]" if ":" in host else host
            where = f"http://{shown}:{listener.getsockname()[1]}"
            ready = f"serving {platform.project.name} on {where} (docs: /docs)"
            with _at_rest(platform), asyncio.Runner(loop_factory=new_event_loop) as runner:
                runner.run(_serve(apps, ready))


@contextmanager
def _at_rest(platform: Platform) -> Iterator[None]:
    """Seldom look for garbage, and not in what serving begins with: that would hold up callers.

    What waits in memory to be stored lives for seconds, so that Python would soon look at all of it
    again and again.
    """
    before, ended = gc.get_threshold(), threading.Event()
    gc.set_threshold(*before[:2], OLD)
    settled = threading.Thread(target=_settle, args=[platform, ended], name="at rest")
    settled.start()
    try:
        yield
    finally:
        ended.set()
        settled.join()
        gc.set_threshold(*before)
        gc.unfreeze()


def _settle(platform: Platform, ended: threading.Event) -> None:
    """Set what serving begins with apart, once all of it is there."""
    quick = platform.intake.quick
    while quick is not None and not quick.current.ready:
        if ended.wait(0.1):
            return
    gc.collect()
    gc.freeze()


@contextmanager
def told_if_slow(what: str) -> Iterator[None]:
    """Say what is being done if it takes longer than a look at the screen."""
    timer = threading.Timer(SLOW_S, show.say, [f"{what} …"])
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


class Hbase(NamedTuple):
    """Where HBase's Thrift protocol is answered on this machine, in which role and why."""

    port: int
    role: str
    purpose: str


@contextmanager
def beside(platform: Platform, hbase: Hbase | None) -> Iterator[None]:
    """Keep online features up, take from brokers, do what is due, and answer HBase if asked to."""
    from heptad.service.schedule.draining import drain
    from heptad.service.schedule.driving import (
        keep_publishing,
        keep_shadowing,
        keep_talking,
        keep_time,
    )

    stopped = threading.Event()
    keeping = [
        threading.Thread(target=platform.served.keep, args=[stopped], name="online"),
        threading.Thread(target=drain, args=[platform, stopped], name="sources"),
        threading.Thread(target=keep_talking, args=[platform.work, stopped], name="messages"),
        threading.Thread(target=keep_publishing, args=[platform.work, stopped], name="sinks"),
        threading.Thread(target=keep_shadowing, args=[platform.work, stopped], name="shadows"),
        *[
            threading.Thread(target=keep_time, args=[platform.work, stopped], name=f"schedule {n}")
            for n in range(2)
        ],
    ]
    with ExitStack() as left:
        if hbase is not None:
            from heptad.engine.hbase.gateway import Gateway

            rows = platform.gate(role=hbase.role, purpose=hbase.purpose, who="hbase gateway")
            served = left.enter_context(Gateway(rows, port=hbase.port, clock=platform.clock))
            show.say(f"answering HBase's Thrift protocol on 127.0.0.1:{served.port}")
        for thread in keeping:
            thread.start()
            left.callback(thread.join)
        left.callback(stopped.set)
        yield


@contextmanager
def logging_from(level: str) -> Iterator[None]:
    """Tell on standard error, as lines of JSON, what happens meanwhile.

    Raises:
        InputError: if there is no such level.
    """
    if level not in logs.LEVELS:
        raise InputError(
            "There is no such level.", got=level, do=f"use one of: {', '.join(logs.LEVELS)}"
        )
    handler = logs.start(level)
    try:
        yield
    finally:
        logs.stop(handler)


async def _serve(apps: list[tuple[FastAPI, socket.socket]], ready: str) -> None:
    """Run the servers until a signal stops them; if one ends, the others do."""
    LEAVING.clear()
    servers = [Server(_config(app)) for app, _ in apps]
    # Whoever is let in finds a thread: callers that wait for one cannot be served together.
    anyio.to_thread.current_default_thread_limiter().total_tokens = MOST_AT_ONCE
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, _told, servers)
    running = [
        asyncio.create_task(server.serve(sockets=[at]))
        for server, (_, at) in zip(servers, apps, strict=True)
    ]
    while not all(server.started for server in servers) and not any(t.done() for t in running):
        await asyncio.sleep(0.01)
    show.say(ready)
    await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
    for server in servers:
        server.should_exit = True
    await asyncio.gather(*running)


def _config(app: FastAPI) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        log_config=None,
        log_level="warning",
        access_log=False,
        lifespan="off",
        server_header=False,
        http=direct(app.express) if isinstance(app, Api) else Patient,
        timeout_graceful_shutdown=GRACE_S,
    )


def _told(servers: list[Server]) -> None:
    """Let what runs come to its end; told twice, end it."""
    LEAVING.set()
    for server in servers:
        server.force_exit = server.should_exit
        server.should_exit = True


def listening(host: str, port: int) -> socket.socket:
    """Take the port before anything is promised.

    Raises:
        Busy: if somebody else has it.
        InputError: if there is no such address.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise InputError(
            "There is no such address.", got=host, do="say another with --host"
        ) from error
    family, kind, number, _, address = found[0]
    listener = socket.socket(family, kind, number)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(address)
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise Busy(
            f"Port {port} is taken or not allowed.", got=str(error), do="say another with --port"
        ) from error
    return listener


@contextmanager
def local(path: Path) -> Iterator[socket.socket]:
    """Listen at a path that only this user can reach; a socket that a dead process left is removed.

    Whoever holds the project's lock may remove it: nobody else can be listening there.
    """
    path.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        # With a mask from before the bind on, nobody else gets in between.
        before = os.umask(0o177)
        try:
            listener.bind(str(path))
        finally:
            os.umask(before)
        listener.listen(_BACKLOG)
        try:
            yield listener
        finally:
            path.unlink(missing_ok=True)
