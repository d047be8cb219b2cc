# SPDX-License-Identifier: Apache-2.0
"""Processes that seal slices beside the one that loads.

The library that encrypts holds the interpreter, so that threads of one process take turns. Keys go
to these processes through a pair of sockets that nobody else can reach, and are written nowhere. A
process ends with the one that started it, however that ends.
"""

from __future__ import annotations

import socket
import subprocess
import sys
from contextlib import suppress
from multiprocessing.connection import Connection
from queue import Empty, SimpleQueue

from heptad.security.slices import Done, Slice, seal_slice

LEAST = 65_536
"""Rows of a slice for which a process is started; fewer are sealed sooner than it starts."""


class Sealers:
    """Seals slices in other processes, one for each thread that asks at the same time.

    A process starts when it is first needed. Who finds that one has died seals the slice itself.
    """

    def __init__(self) -> None:
        self._idle: SimpleQueue[_Process] = SimpleQueue()

    def seal(self, given: Slice) -> Done:
        """Seal a slice; may be called by several threads at once.

        Args:
            given: the rows, with the keys that it takes.
        """
        if len(given.codes) < LEAST:
            return seal_slice(given)
        process = self._take()
        try:
            done = process.ask(given)
        except (EOFError, OSError):
            process.end()
            return seal_slice(given)
        self._idle.put(process)
        return done

    def close(self) -> None:
        """End the processes; no thread may be asking any more."""
        with suppress(Empty):
            while True:
                self._idle.get_nowait().end()

    def _take(self) -> _Process:
        try:
            return self._idle.get_nowait()
        except Empty:
            return _Process()


class _Process:
    """One process that seals what it is sent, until the socket closes."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603 - this very interpreter and a module of ours
                [sys.executable, "-I", "-m", __name__, str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env={},
                cwd="/",
                pass_fds=(theirs.fileno(),),
                start_new_session=True,
            )
        self._line = Connection(ours.detach())

    def ask(self, given: Slice) -> Done:
        self._line.send(given)
        done: Done = self._line.recv()
        return done

    def end(self) -> None:
        self._line.close()
        self._process.kill()
        self._process.wait()


def serve(line: Connection) -> None:
    """Seal what comes until the other side closes."""
    with suppress(EOFError, OSError):
        while True:
            line.send(seal_slice(line.recv()))


if __name__ == "__main__":
    serve(Connection(int(sys.argv[1])))
