# SPDX-License-Identifier: Apache-2.0
"""A port in front of a database server that cuts one connection at the n-th message of the client."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Callable

MODES = ("before", "after")


class Cutting:
    """A server that goes away once, and is back for whoever connects again.

    Args:
        connect: to the server.
        nth: the message at which it goes away; 0 is never.
        mode: "before" it gets the message, or "after": it does what it is told, and the answer
            is lost.

    Attributes:
        port: for the client.
        messages: how many have come.
    """

    def __init__(self, connect: Callable[[], socket.socket], nth: int, mode: str) -> None:
        self._connect, self._nth, self._mode = connect, nth, mode
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.messages = 0
        self._count = threading.Lock()
        self._thread = threading.Thread(target=self._listen)
        self._passing: list[threading.Thread] = []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in (self._thread, *self._passing):
            thread.join()

    def _listen(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = self._connect()
            lost = threading.Event()
            for act in (self._ask, self._answer):
                thread = threading.Thread(target=act, args=(client, server, lost))
                thread.start()
                self._passing.append(thread)

    def _ask(self, client: socket.socket, server: socket.socket, lost: threading.Event) -> None:
        """Pass on what the client says."""
        with suppress(OSError):
            while data := client.recv(1 << 16):
                with self._count:
                    self.messages += 1
                    now = self.messages == self._nth
                if now and self._mode == "before":
                    break
                if now:
                    lost.set()
                server.sendall(data)
        if not lost.is_set():
            _end(client, server)

    def _answer(self, client: socket.socket, server: socket.socket, lost: threading.Event) -> None:
        """Pass on what the server answers, unless that is to be lost."""
        with suppress(OSError):
            while data := server.recv(1 << 16):
                if lost.is_set():
                    break
                client.sendall(data)
        _end(client, server)


def _end(*sockets: socket.socket) -> None:
    for one in sockets:
        with suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)
        one.close()
