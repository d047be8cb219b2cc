# SPDX-License-Identifier: Apache-2.0
"""A network between a client and a server that cuts, loses, doubles and delays, as it is drawn."""

from __future__ import annotations

import random
import socket
import threading
import time
from collections import Counter
from contextlib import suppress
from typing import Self

HOW = ("well", "answer lost", "answer torn", "request torn", "twice", "late", "refused")
LATE_S = 0.3


class Lossy:
    """A port that passes HTTP/1.1 requests on to another; one request a connection.

    Args:
        port: of the server.
        seed: of what becomes of each request.

    Attributes:
        port: for the client.
        became: how many requests went how.
    """

    def __init__(self, port: int, seed: int) -> None:
        self._server, self._drawn = port, random.Random(seed)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.became = Counter[str]()
        self._late: list[threading.Thread] = []
        self._thread = threading.Thread(target=self._listen)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()
        for thread in self._late:
            thread.join()

    def _listen(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            with client, suppress(OSError):
                self._pass(client, self._drawn.choice(HOW))

    def _pass(self, client: socket.socket, how: str) -> None:
        self.became[how] += 1
        if how == "refused":
            return
        request = _whole(client)
        if how == "request torn":
            with socket.create_connection(("127.0.0.1", self._server)) as server:
                server.sendall(request[: len(request) * 2 // 3])
        elif how == "late":
            late = threading.Thread(target=self._ask, args=(request, LATE_S))
            late.start()
            self._late.append(late)
        else:
            answer = self._ask(request)
            if how == "twice":
                answer = self._ask(request)
            if how == "answer torn":
                answer = answer[: len(answer) // 2]
            if how != "answer lost":
                client.sendall(answer)

    def _ask(self, request: bytes, after_s: float = 0) -> bytes:
        """Send the server what came; return what it answers until it closes."""
        time.sleep(after_s)
        with suppress(OSError), socket.create_connection(("127.0.0.1", self._server)) as server:
            server.sendall(request)
            return b"".join(iter(lambda: server.recv(1 << 16), b""))
        return b""


def _whole(client: socket.socket) -> bytes:
    """Read one request with its body."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += (more := client.recv(1 << 16))
        if not more:
            raise ConnectionError
    head, _, body = data.partition(b"\r\n\r\n")
    length = next(
        (
            int(line[15:])
            for line in head.split(b"\r\n")
            if line.lower().startswith(b"content-length:")
        ),
        0,
    )
    while len(body) < length:
        body += (more := client.recv(1 << 16))
        if not more:
            raise ConnectionError
    return head + b"\r\n\r\n" + body
