# SPDX-License-Identifier: Apache-2.0
"""A gateway that answers HBase's Thrift 1 protocol from a row store, on this machine only."""

from __future__ import annotations

import logging
import socket
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from heptad.engine.hbase.calls import Calls
from heptad.engine.hbase.protocol import CALLS, protocol
from heptad.engine.hbase.wire import Closed, Incoming, Malformed, arguments, failure, reply
from heptad.standards.errors import Busy, Conflict, HeptadError

if TYPE_CHECKING:
    from types import TracebackType

    from heptad.engine.protocols import Store
    from heptad.standards.time import Clock

_LOG = logging.getLogger("heptad.gateway")
HOST = "127.0.0.1"
"""The protocol knows no passwords, so nobody outside may speak it."""
MOST_CONNECTIONS = 64
WITHIN_S, IDLE_S = 10.0, 600.0
_UNKNOWN, _INTERNAL = 1, 6


class Gateway:
    """Serves a row store until it is closed.

    Calls that cannot be carried out are answered with `IOError`; what is no message ends its
    connection, and no other.

    Args:
        rows: the store.
        port: where to listen on this machine; 0 takes a free one.
        clock: tells the timestamp of cells written without one.
        idle_s: how long a silent connection is kept.
        within_s: how long the rest of a message that has begun is waited for.

    Raises:
        Busy: if the port is taken.
        InputError: if the package is not installed.
    """

    def __init__(
        self,
        rows: Store,
        *,
        port: int = 9090,
        clock: Clock | None = None,
        idle_s: float = IDLE_S,
        within_s: float = WITHIN_S,
    ) -> None:
        protocol()
        self._rows, self._clock = rows, clock
        self._idle, self._within = idle_s, within_s
        self._disabled: set[str] = set()
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        try:
            self._listener = socket.create_server((HOST, port), backlog=MOST_CONNECTIONS)
        except OSError as error:
            raise Busy(
                f"Port {port} is taken or not allowed.", got=str(error), do="say another"
            ) from error
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._accept, name="hbase gateway", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop listening and end every connection."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()
        with self._lock:
            for connection in self._open:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def __enter__(self) -> Gateway:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                full = len(self._open) >= MOST_CONNECTIONS
                if not full:
                    self._open.add(connection)
            if full:
                connection.close()
                continue
            threading.Thread(target=self._serve, args=[connection], daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        """Answer the calls of one connection until it ends."""
        calls = Calls(self._rows, self._disabled, self._clock)
        incoming = Incoming(connection, within_s=self._within, idle_s=self._idle)
        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while True:
                connection.sendall(answered(calls, incoming))
        except Closed:
            pass
        except Malformed as error:
            _LOG.warning("a connection sent no message of HBase's: %s", error.what)
        except OSError as error:
            _LOG.info("a connection broke off: %s", error)
        finally:
            calls.close()
            with self._lock:
                self._open.discard(connection)
            connection.close()


def answered(calls: Calls, incoming: Incoming) -> bytes:
    """Read one call and return the message that answers it."""
    name, number = incoming.begin()
    types = protocol()
    if name not in CALLS:
        arguments(incoming, None)
        return _failed(name, number, _UNKNOWN, f"This gateway does not answer {name[:60]}.")
    told = arguments(incoming, getattr(types.Hbase, f"{name}_args")())
    result = getattr(types.Hbase, f"{name}_result")()
    given = [getattr(told, spec[1]) for spec in told.thrift_spec.values()]
    wanted = [spec[1] for spec in told.thrift_spec.values()]
    values = {n: v for n, v in zip(wanted, given, strict=True) if n != "attributes"}
    try:
        found = getattr(calls, name)(**values)
        if CALLS[name][0] != "void":
            result.success = found
    except HeptadError as error:
        _refused(result, types, error)
    except (TypeError, AttributeError) as error:
        # A field that must be there was left out.
        return _failed(name, number, _INTERNAL, f"The arguments of {name} are not whole: {error}")
    except Exception:  # noqa: BLE001 - the caller waits for an answer, whatever happens
        _LOG.exception("the call %s failed", name)
        return _failed(name, number, _INTERNAL, f"The call {name} failed; see the gateway's log.")
    return reply(name, number, result)


def _refused(result: Any, types: Any, error: HeptadError) -> None:
    if isinstance(error, Conflict):
        result.exists = types.AlreadyExists(message=str(error))
    else:
        result.io = types.IOError(message=str(error))


def _failed(name: str, number: int, kind: int, says: str) -> bytes:
    from thriftpy2.thrift import TApplicationException

    return failure(name, number, TApplicationException(kind, says))
