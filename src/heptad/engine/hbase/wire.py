# SPDX-License-Identifier: Apache-2.0
"""Thrift's binary protocol as a server must read it: every length checked before it is believed."""

from __future__ import annotations

import struct
from io import BytesIO
from typing import TYPE_CHECKING, Any

from heptad.standards.errors import InputError

if TYPE_CHECKING:
    import socket

MOST_BYTES = 16 << 20
"""Bytes of one message."""
DEEPEST = 8
_VERSION, _CALL = 0x8001, 1
_REPLY, _EXCEPTION = 2, 3
_STOP, _BOOL, _BYTE, _DOUBLE, _I16, _I32, _I64 = 0, 2, 3, 4, 6, 8, 10
_STRING, _STRUCT, _MAP, _SET, _LIST = 11, 12, 13, 14, 15
_FIXED = {
    _BOOL: ("!b", 1), _BYTE: ("!b", 1), _DOUBLE: ("!d", 8), _I16: ("!h", 2), _I32: ("!i", 4),
    _I64: ("!q", 8),
}  # fmt: skip
_ALIASES = {18: _STRING}
"""How thriftpy2 numbers bytes, which are strings on the wire."""


class Closed(Exception):
    """The other side has gone between two messages."""


class Malformed(InputError):
    """What came is no message of this protocol; the connection cannot go on."""

    code = "malformed"


class Incoming:
    """The messages of one connection.

    Args:
        connection: a socket.
        within_s: how long the rest of a message that has begun is waited for.
        idle_s: how long the next message is waited for.
    """

    def __init__(self, connection: socket.socket, *, within_s: float, idle_s: float) -> None:
        self._connection, self._within, self._idle = connection, within_s, idle_s
        self._buffer, self._left = bytearray(), MOST_BYTES

    def begin(self) -> tuple[str, int]:
        """Read the head of a call; return its name and number.

        Raises:
            Closed: if the other side has gone.
            Malformed: if it is no call.
        """
        self._left = MOST_BYTES
        if not self._buffer:
            self._connection.settimeout(self._idle)
            self._fill(first=True)
        self._connection.settimeout(self._within)
        version, kind = struct.unpack("!HxB", self.read(4))
        if version != _VERSION or kind != _CALL:
            raise Malformed("This is no call in Thrift's binary protocol.")
        name = self.read(self.size())
        (number,) = struct.unpack("!i", self.read(4))
        try:
            return name.decode("ascii"), number
        except UnicodeDecodeError as error:
            raise Malformed("A call's name is plain text.") from error

    def read(self, n: int) -> bytes:
        """Read so many bytes."""
        if n > self._left:
            raise Malformed(f"A message has at most {MOST_BYTES:,} bytes.", got=n)
        self._left -= n
        while len(self._buffer) < n:
            self._fill()
        found = bytes(self._buffer[:n])
        del self._buffer[:n]
        return found

    def size(self, each: int = 1) -> int:
        """Read a length; what it counts takes at least `each` bytes of the message."""
        (n,) = struct.unpack("!i", self.read(4))
        if not 0 <= n * each <= self._left:
            raise Malformed("A length is negative, or more than a message may hold.", got=n)
        return int(n)

    def _fill(self, *, first: bool = False) -> None:
        try:
            more = self._connection.recv(65_536)
        except TimeoutError as error:
            raise Closed if first else Malformed("A message was not finished in time.") from error
        if not more:
            raise Closed if first else Malformed("A message breaks off.")
        self._buffer += more


def arguments(incoming: Incoming, made: Any) -> Any:
    """Read a struct into an object as thriftpy2 describes it; unknown fields are left out."""
    return _struct(incoming, made, DEEPEST)


def _struct(incoming: Incoming, made: Any, depth: int) -> Any:
    while True:
        (kind,) = incoming.read(1)
        if kind == _STOP:
            return made
        (number,) = struct.unpack("!h", incoming.read(2))
        spec = made.thrift_spec.get(number) if made is not None else None
        if spec is None:
            _value(incoming, kind, None, depth)
            continue
        wanted, inner = spec[0], spec[2] if len(spec) == 4 else None
        if _ALIASES.get(wanted, wanted) != kind:
            raise Malformed(f"The field {spec[1]} is of another kind.", got=kind)
        setattr(made, spec[1], _value(incoming, kind, inner, depth))


def _value(incoming: Incoming, kind: int, inner: Any, depth: int) -> Any:
    """Read a value; `inner` says what it is made of, None that it is not wanted."""
    if kind in _FIXED:
        form, n = _FIXED[kind]
        (value,) = struct.unpack(form, incoming.read(n))
        return bool(value) if kind == _BOOL else value
    if kind == _STRING:
        return incoming.read(incoming.size())
    if depth == 0:
        raise Malformed(f"A message nests at most {DEEPEST} deep.")
    if kind == _STRUCT:
        return _struct(incoming, inner() if inner is not None else None, depth - 1)
    if kind in (_LIST, _SET):
        return _list(incoming, inner, depth - 1)
    if kind == _MAP:
        return _map(incoming, depth - 1)
    raise Malformed("There is no such kind of value.", got=kind)


def _list(incoming: Incoming, inner: Any, depth: int) -> list[Any]:
    (kind,) = incoming.read(1)
    wanted, of = inner if isinstance(inner, tuple) else (inner, None)
    if wanted is not None and _ALIASES.get(wanted, wanted) != kind:
        raise Malformed("The values of a list are of another kind.", got=kind)
    return [_value(incoming, kind, of, depth) for _ in range(incoming.size())]


def _map(incoming: Incoming, depth: int) -> dict[Any, Any]:
    """Read a map; none that we know is wanted, so that only its bytes are taken."""
    key, value = incoming.read(2)
    for _ in range(incoming.size(2)):
        _value(incoming, key, None, depth)
        _value(incoming, value, None, depth)
    return {}


def reply(name: str, number: int, result: Any) -> bytes:
    """Return the message that answers a call."""
    return _message(name, number, result, _REPLY)


def failure(name: str, number: int, error: Any) -> bytes:
    """Return the message that says that a call was not understood."""
    return _message(name, number, error, _EXCEPTION)


def _message(name: str, number: int, body: Any, kind: int) -> bytes:
    from thriftpy2.protocol.binary import write_val
    from thriftpy2.thrift import TType

    out = BytesIO()
    head = name.encode("ascii", "replace")
    out.write(struct.pack("!HBBi", _VERSION, 0, kind, len(head)) + head + struct.pack("!i", number))
    write_val(out, TType.STRUCT, body)
    return out.getvalue()
