# SPDX-License-Identifier: Apache-2.0
"""Keys of a stream that nobody asks about, laid into the row store until somebody does."""

from __future__ import annotations

import json
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np

from heptad.catalog.keyset import KeySet
from heptad.engine.protocols import Family

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    import numpy.typing as npt

    from heptad.engine.protocols import Store

    Ints = npt.NDArray[np.int64]

PREFIX = "Stream_"
"""What the tables of a project's streams are called by; they are made anew when it is served."""
FORM = 2
"""Version of how states are kept; what was kept otherwise is begun anew."""
_HEAD, _STATE, _OWNER, _MARKS, _TEXTS = b"h", b"k", b"i", b"m", b"t"
_AT_ONCE = 100_000
"""Owners of events that are written together."""


class Cold:
    """What a stream has laid into the row store: one state of it, and how far that had got.

    `keep` writes all that changed together with the mark of the last rows taken, all or none; so
    whoever opens it after a kill or a loss of power takes the rows after the mark and is where the
    stream was. A sieve in memory tells of most keys and events that they are not here, so that
    new ones are not looked for on disk.

    Args:
        rows: the row store, or what opens it when something is laid there first.
        name: of the stream: a table of the row store that is its own.
        events: events kept in memory, beside those of one batch; when more came some are laid
            here, half of them if it is lasting.
        keys: keys kept in memory.
        sieve_bytes: memory of the sieve, a power of two. At 13 bits an event one in 250 is looked
            for in vain, at 6 bits one in 18.
        lasting: go on from what is there, and let a later process do so. If not, it begins with
            nothing, and of what changed only keys that leave memory are written.

    Attributes:
        used: whether anything lies there.
    """

    def __init__(
        self,
        rows: Store | Callable[[], Store],
        name: str,
        *,
        events: int = 10_000_000,
        keys: int = 2_000_000,
        sieve_bytes: int = 1 << 24,
        lasting: bool = True,
    ) -> None:
        self._given, self._name = rows, name
        self.events, self.keys, self.lasting = events, keys, lasting
        self._bytes, self._sieve = sieve_bytes, np.zeros(0, np.uint8)
        self._turn, self.used = 0, False

    @property
    def _rows(self) -> Store:
        return self._given() if callable(self._given) else self._given

    def open(self, definitions: Sequence[Any]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """Open it for features; what was kept of others is let go.

        Returns:
            The head that was kept last, {} if there is none; and the texts that were, in order.
        """
        from heptad.engine.local.kernel import sieve

        if not self.lasting:
            return {}, []
        if self._name in self._rows.tables():
            found = self._rows.get(self._name, _HEAD).get(b"h:", b"{}")
            head: dict[str, Any] = json.loads(found)
            same = (head.get("form"), head.get("definitions")) == (FORM, list(definitions))
            if same:
                self.used, self._sieve = True, np.zeros(self._bytes, np.uint8)
                for key, cells in self._rows.scan(self._name, prefix=_MARKS):
                    sieve.add(self._sieve, np.frombuffer(cells[b"h:"], np.int64).copy())
                    self._turn = int.from_bytes(key[1:]) + 1
                texts = list(self._rows.scan(self._name, prefix=_TEXTS))
                self._turn = max([self._turn, *(int.from_bytes(key[1:]) + 1 for key, _ in texts)])
                return head, [json.loads(cells[b"h:"]) for _, cells in texts]
        self._begin()
        return {}, []

    def _begin(self) -> None:
        """Begin with nothing there."""
        self.close()
        self._rows.create(self._name, {"h": Family(), "s": Family()})
        self.used, self._sieve = True, np.zeros(self._bytes, np.uint8)

    def count(self, most: int) -> int:
        """Count the keys that were laid here, up to `most`; also those that memory holds again."""
        there = self.used and self._name in self._rows.tables()
        found = self._rows.scan(self._name, prefix=_STATE, limit=most) if there else ()
        return sum(1 for _ in found)

    def close(self) -> None:
        """Let go of everything; the stream is not to be gone on with."""
        if self._name in self._rows.tables():
            self._rows.drop(self._name)

    def keep(
        self,
        head: Mapping[str, Any],
        texts: Mapping[str, Any],
        states: Sequence[tuple[int, Sequence[str], Sequence[bytes]]],
        owners: Sequence[tuple[int, Sequence[str], Ints]],
    ) -> None:
        """Write what changed, durable at return.

        Args:
            head: what `open` gives back; it holds only once all else does.
            texts: those numbered since, by column, each with the number of its first.
            states: per group the names of keys and the state of each.
            owners: per group the names of keys and the marks of events that lie there.
        """
        if not self.used:
            self._begin()
        # An owner too many costs a look; one too few would lose a correction. So they come first.
        noted = _owners(owners)
        while part := list(islice(noted, _AT_ONCE)):
            marks = np.array([mark for _, mark in part], np.int64)
            self._write([(key, {b"h:": b""}) for key, _ in part], marks)
        names = [_named(group, name) for group, of, _ in states for name in of]
        cells: list[tuple[bytes, dict[bytes, bytes]]] = [
            (_STATE + name.encode(), {b"s:": state})
            for name, state in zip(names, (s for _, _, of in states for s in of), strict=True)
        ]
        if texts:
            cells.append((_TEXTS + self._turn.to_bytes(8), {b"h:": json.dumps(texts).encode()}))
        cells.append((_HEAD, {b"h:": json.dumps({"form": FORM, **head}).encode()}))
        self._write(cells, KeySet.marks(names))

    def states(self, group: int, names: Sequence[str]) -> dict[str, bytes]:
        """Return the states of those keys that are here."""
        if not self.used:
            return {}
        full = [_named(group, name) for name in names]
        may = self._maybe(KeySet.marks(full))
        found = {}
        for n in np.flatnonzero(may).tolist():
            state = self._rows.get(self._name, _STATE + full[n].encode()).get(b"s:")
            if state is not None:
                found[names[n]] = state
        return found

    def owners(self, group: int, marks: Ints) -> set[str]:
        """Return the names of keys that hold, or held, events with one of some marks."""
        found: set[str] = set()
        if not self.used:
            return found
        for mark in marks[np.flatnonzero(self._maybe(marks))].tolist():
            begin = _OWNER + bytes([group]) + mark.to_bytes(8, signed=True)
            for key, _ in self._rows.scan(self._name, prefix=begin):
                found.add(key[len(begin) :].decode())
        return found

    def _maybe(self, marks: Ints) -> Any:
        from heptad.engine.local.kernel import sieve

        return sieve.held(self._sieve, marks)

    def _write(self, cells: list[tuple[bytes, dict[bytes, bytes]]], marks: Ints) -> None:
        """Write rows, and the marks by which they are known to be here."""
        from heptad.engine.local.kernel import sieve

        # Bits that others have set are set again by them when this is opened again.
        new = marks[self._maybe(marks) == 0]
        if len(new):
            cells.append((_MARKS + self._turn.to_bytes(8), {b"h:": new.tobytes()}))
        self._rows.put_many(self._name, cells, timestamp=1)
        self._turn += 1
        sieve.add(self._sieve, new)


def _named(group: int, name: str) -> str:
    return f"{group}\x1f{name}"


def _owners(owners: Sequence[tuple[int, Sequence[str], Ints]]) -> Iterator[tuple[bytes, int]]:
    """Yield the row of each event, and its mark."""
    for group, names, marks in owners:
        begin = _OWNER + bytes([group])
        for name, mark in zip(names, marks.tolist(), strict=True):
            yield begin + mark.to_bytes(8, signed=True) + name.encode(), mark


def packed(cut: int, arrays: Iterable[Any]) -> bytes:
    """Return the state of one key: when its last event was let go, and its events.

    Args:
        cut: microseconds, as `Ring.cut`.
        arrays: us (n), size (n), v (values, n), h (measures, n), and the bytes of all keys.
    """
    us, *rest = arrays
    head = np.array([len(us), cut], np.int64)
    return b"".join(a.tobytes() for a in (head, us, *rest))


def unpacked(
    state: bytes, measures: int, values: int
) -> tuple[int, tuple[Any, Any, Any, Any, Any]]:
    """Return what `packed` was given."""
    n, cut = (int(x) for x in np.frombuffer(state, np.int64, 2))
    at = 16
    found = []
    for kind, shape in (
        (np.int64, (n,)),
        (np.int32, (n,)),
        (np.int64, (values, n)),
        (np.uint8, (measures, n)),
    ):
        count = int(np.prod(shape))
        found.append(np.frombuffer(state, kind, count, at).reshape(shape))
        at += count * np.dtype(kind).itemsize
    us, size, v, h = found
    return cut, (us, size, v, h, np.frombuffer(state, np.uint8, offset=at))
