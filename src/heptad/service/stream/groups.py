# SPDX-License-Identifier: Apache-2.0
"""The windows of features that share a key, in memory, and keys that come back from the row store."""

from __future__ import annotations

import json
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from heptad.service.batch.encoding import Reader, finished
from heptad.service.batch.sweep import coded, texts_of, too_large
from heptad.service.stream.cold import packed, unpacked
from heptad.standards.errors import ContractError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import numpy.typing as npt

    from heptad.engine.local.kernel.pool import Pool
    from heptad.engine.local.kernel.rooms import Ring
    from heptad.service.batch.programs import Compiled
    from heptad.service.stream.streams import Stream
    from heptad.service.stream.texts import Texts

    Ints = npt.NDArray[np.int64]

SLACK = 1.5
"""Times the room of what there is that arrays get when they grow."""
_LOOK = 4096
"""So many entities the hand looks at together."""
_NOBODY = 2**63 - 1
"""When the number of an entity was looked at that is free."""


def partition_of(key: Sequence[str], partitions: int) -> int:
    """Return the partition of a key, given part by part; the same in every process."""
    return zlib.crc32("\x1f".join(key).encode()) % partitions


class Group:
    """The windows of features that share a key."""

    def __init__(self, made: Compiled, stream: Stream, codes: Texts, number: int) -> None:
        from heptad.engine.local.kernel import pool as pools
        from heptad.engine.local.kernel import rooms

        self.made, self.codes, self._stream, self.number = made, codes, stream, number
        self.ends = made.features[0].ends
        self.named = list(zip(made.features[0].entities, self.ends, strict=True))
        self.windows = made.window_array()
        self.program, self._longest = made.program(1 << 12), 1 << 12
        self.slices = np.zeros((3, len(self.windows)), np.int64)
        self.scratch = np.zeros((3, 1024), np.int64)
        self._logs = any(f.op == "entropy" for f in made.features)
        self._entity: dict[Any, int] = {}
        self._keys: list[Any] = []
        self._free: list[int] = []
        self._hand, self._since, self._before = 0, 0, 0
        self._held_at = rooms.HELD
        self._touched = np.zeros(1 << 8, np.int64)
        self.pool: Pool = pools.empty(*made.kept, 1 << 10)
        self.ring: Ring = rooms.ring(1 << 8, 1 << 10, 1 << 12, 1 << 14)

    @property
    def held(self) -> tuple[int, int]:
        """How many keys and places of events are in memory."""
        return len(self._entity), self.ring.meta.item(self._held_at)

    @property
    def memory(self) -> int:
        """Bytes of its arrays."""
        return sum(array.nbytes for array in (*self.pool, *self.ring))

    def entities(self, keys: Sequence[pa.Array], *, fresh: bool) -> Ints:
        """Return the entity of each key, -1 for a missing, unknown or foreign one."""
        (*columns, _), code = coded(keys)
        named = [column.to_pylist() for column in columns]
        self.recall(named[0] if len(named) == 1 else zip(*named, strict=True))
        if fresh and len(columns) == 1 and self._stream.partitions == 1:
            known = self._entity
            found = list(map(known.get, named[0]))
            if None in found:
                found = [known[key] if key in known else self._new(key) for key in named[0]]
            mine = np.array(found, np.int64)
        else:
            pairs = zip(*named, strict=True)
            mine = np.array(
                [-1 if None in p else self._one(p, fresh=fresh) for p in pairs], np.int64
            )
        self._seen(mine)
        return np.where(code >= 0, mine[code], -1) if len(mine) else np.full(len(code), -1)

    def one(self, pair: tuple[str, ...], *, fresh: bool) -> int:
        """Return the entity of one key, -1 for an unknown or foreign one; see `entities`."""
        self.recall([pair[0] if len(pair) == 1 else pair])
        found = self._one(pair, fresh=fresh)
        self._widen()
        if found >= 0 and self._stream.cold is not None:
            self._touched[found] = self._stream.turn
        return found

    def _seen(self, mine: Ints) -> None:
        """Have room for all keys, and note which of them were looked at now."""
        self._widen()
        if self._stream.cold is not None:
            self._touched[mine[mine >= 0]] = self._stream.turn

    def _widen(self) -> None:
        """Have room for all keys."""
        if len(self._keys) > len(self._touched):
            from heptad.engine.local.kernel import rooms

            self.ring = rooms.widened(self.ring, 2 * len(self._keys))
            more = len(self.ring.begin) - len(self._touched)
            self._touched = np.concatenate([self._touched, np.zeros(more, np.int64)])

    def _new(self, key: Any) -> int:
        """Return the entity of a key that is not known, from now on."""
        number = self._free.pop() if self._free else len(self._keys)
        if number == len(self._keys):
            self._keys.append(key)
        self._keys[number] = key
        self._entity[key] = number
        return number

    def _one(self, pair: tuple[str, ...], *, fresh: bool) -> int:
        key: Any = pair[0] if len(pair) == 1 else pair
        found = self._entity.get(key, -1)
        if found >= 0:
            return found
        partitions = self._stream.partitions
        if partitions > 1 and partition_of(pair, partitions) != self._stream.partition:
            if not fresh:
                raise ContractError(
                    f"A key of partition {partition_of(pair, partitions)} was asked of partition "
                    f"{self._stream.partition}.",
                    do="ask the partition that partition_of names",
                )
            return -1
        if not fresh:
            return -1
        return self._new(key)

    def measured(self, reader: Reader, n: int) -> tuple[Ints, Any]:
        """Return (values, n) values and whether they are held, (measures, n)."""
        measures, values, _ = self.made.kept
        v, h = np.zeros((values, n), np.int64), np.ones((measures, n), np.uint8)
        for j, measure in enumerate(self.made.measures):
            held = reader.held(measure)
            if held is not None:
                h[j] = held
            if j < values:
                v[j] = reader.values(measure)
                v[j] *= h[j]
        return v, h

    def take(self, rows: Any) -> None:
        """Take rows, growing as needed."""
        from heptad.engine.local.kernel import rings

        done, n, late, most = 0, len(rows.us), self._stream.late, self._stream.most
        while True:
            done = rings.take(self.pool, self.ring, rows, done, n, self.windows, late, most)
            if done == n:
                return
            self.grow(text=int(rows.id_at[done + 1] - rows.id_at[done]))

    def follow(self, rows: Any, short: Any) -> dict[str, pa.Array]:
        """Take rows and read each as itself."""
        from heptad.engine.local.kernel import asking

        done, n, late, most = 0, len(rows.us), self._stream.late, self._stream.most
        ask, (out, ok) = asking.Ask(rows.entity, rows.us, rows.ids, rows.id_at), self.room(n)
        while True:
            done, left = asking.follow(
                self.pool, self.ring, rows, done, self.windows, late, most,
                self.programmed(n), ask, out, ok, short,
            )  # fmt: skip
            if left >= 0:
                raise too_large([self.made.features[left].name])
            if done == n:
                return finished(self.made, out, ok, self.codes)
            # Any of the rows that are taken together may be the one that found no room.
            self.grow(text=int(np.diff(rows.id_at[done:]).max()))

    def room(self, n: int) -> tuple[Ints, Any]:
        """Return zeroed arrays for the state of n rows."""
        shape = (n, self.made.columns)
        return np.zeros(shape, np.int64), np.zeros(shape, np.uint8)

    def programmed(self, more: int = 0) -> Any:
        """Return the program, with tables for the longest run that there may be."""
        if self._logs:
            longest = int((self.ring.end - self.ring.begin).max(initial=0)) + more
            if longest > self._longest:
                self.program, self._longest = self.made.program(2 * longest), 2 * longest
        return self.program

    def compact(self) -> None:
        """Let go of what no window can reach, and of the room that it took."""
        self._move(1.0)
        self._spread()

    def grow(self, text: int = 0) -> None:
        """Have room for more: of slots, if they are what is taken, else of everything else.

        Args:
            text: bytes that the next key needs.
        """
        from heptad.engine.local.kernel import rooms

        if rooms.crowded(self.ring):
            self._spread()
        else:
            self._move(SLACK, text)

    def _move(self, slack: float, text: int = 0) -> None:
        """Move what a window can reach into room that is so many times what it takes."""
        from heptad.engine.local.kernel import pool as pools
        from heptad.engine.local.kernel import rings, rooms

        late, most = self._stream.late, self._stream.most
        takes, texts = rings.sweep(self.pool, self.ring, self.windows, late, most)
        positions, heap = int(slack * takes) + 1024, int(slack * texts) + (1 << 14) + 4 * text
        pool = pools.empty(*self.made.kept, positions)
        fill = not self.ring.meta[rooms.SLOTS]
        slots = _slots(self._live()) if fill else self.ring.slots
        ring = rooms.ring(len(self.ring.begin), positions, slots, heap)
        rings.move(self.pool, self.ring, pool, ring, fill)
        self.pool, self.ring = pool, ring

    def _live(self) -> int:
        """Count the events."""
        return int((self.ring.end - self.ring.begin).sum())

    def _spread(self) -> None:
        """Spread the slots over as many as there should be."""
        from heptad.engine.local.kernel import rooms

        made = rooms.ring(0, 0, _slots(self._live()), 0)
        rooms.spread(self.ring, made)
        self.ring.meta[rooms.SLOTS] = made.meta[rooms.SLOTS]
        self.ring = self.ring._replace(slots=made.slots)

    def _alive(self, which: Ints | None = None) -> Ints:
        """Return the positions of all events, or of those of some entities."""
        begin, end = self.ring.begin, self.ring.end
        if which is not None:
            begin, end = begin[which], end[which]
        n = end - begin
        start = np.repeat(begin - np.concatenate([[0], np.cumsum(n)[:-1]]), n)
        return start + np.arange(int(n.sum()))

    def _texts_at(self, alive: Ints) -> tuple[Any, Ints]:
        """Return the bytes of the keys of some events, and (n + 1,) where each begins."""
        size = self.ring.size[alive]
        starts = np.concatenate([[0], np.cumsum(size)])
        shift = np.repeat(self.ring.at[alive] - starts[:-1], size)
        return self.ring.heap[shift + np.arange(len(shift))], starts

    def recall(self, keys: Iterable[Any]) -> None:
        """Take back those of some keys that lie in the row store."""
        cold, whole = self._stream.cold, self._stream.partitions == 1
        if cold is None:
            return
        missing = [k for k in keys if k not in self._entity and (whole or self._mine(k))]
        if not missing:
            return
        states = cold.states(self.number, [_name(key) for key in missing])
        if states:
            self._thaw([k for k in missing if _name(k) in states], list(states.values()))

    def recall_owners(self, marks: Ints) -> None:
        """Take back the keys in the row store that hold events with one of some marks."""
        cold = self._stream.cold
        if cold is not None and (names := cold.owners(self.number, marks)):
            self.recall([_key(name, len(self.ends)) for name in sorted(names)])

    def _mine(self, key: Any) -> bool:
        pair = key if isinstance(key, tuple) else (key,)
        n = self._stream.partitions
        return None not in pair and partition_of(pair, n) == self._stream.partition

    def _thaw(self, keys: Sequence[Any], states: Sequence[bytes]) -> None:
        """Take states out of the row store into memory."""
        from heptad.engine.local.kernel.rings import Rows

        numbers = np.array([self._new(key) for key in keys], np.int64)
        self._seen(numbers)
        found = [unpacked(state, *self.made.kept[:2]) for state in states]
        us, size, v, h, ids = (
            np.concatenate([arrays[i] for _, arrays in found], axis=-1) for i in range(5)
        )
        n = len(us)
        ids.flags.writeable = False
        cuts = np.array([cut for cut, _ in found], np.int64)
        self.ring.cut[numbers] = cuts
        known = np.full(n, self.ring.meta[3])
        entity = np.repeat(numbers, [len(arrays[0]) for _, arrays in found])
        id_at = np.concatenate([[0], np.cumsum(size)])
        self.take(Rows(entity, us, known, np.zeros(n, np.uint8), ids, id_at, v, h))
        # What was let go of as they were taken is not as it was written any more.
        self.ring.fresh[numbers] = self.ring.cut[numbers] != cuts
        self.ring.noted[self._alive(numbers)] = 1

    def changed(self, only: Ints | None = None) -> tuple[list[str], list[bytes], list[str], Ints]:
        """Return what is to be laid into the row store.

        Args:
            only: entities that are looked at; all if None.

        Returns:
            The names of the keys that changed and the state of each; and of each event that is
            not written down yet the name of its key and its mark.
        """
        from heptad.engine.local.kernel.marks import marks

        which = self._fresh(only)
        alive = self._alive(which)
        names = [_name(self._keys[e]) for e in which.tolist()]
        count = (self.ring.end - self.ring.begin)[which]
        ids, id_at = self._texts_at(alive)
        us, size = self.pool.us[alive], self.ring.size[alive]
        v, h = self.pool.v[:, alive], self.pool.h[:, alive]
        ends = np.cumsum(count)
        states = [
            packed(cut, (us[a:b], size[a:b], v[:, a:b], h[:, a:b], ids[id_at[a] : id_at[b]]))
            for cut, a, b in zip(
                self.ring.cut[which].tolist(), (ends - count).tolist(), ends.tolist(), strict=True
            )
        ]
        ids.flags.writeable = False
        new = self.ring.noted[alive] == 0
        at = np.repeat(np.arange(len(which)), count)[new]
        return names, states, [names[e] for e in at.tolist()], marks(ids, id_at)[new]

    def _fresh(self, only: Ints | None) -> Ints:
        """Return the entities that changed."""
        if only is not None:
            changed: Ints = only[self.ring.fresh[only] != 0]
        else:
            changed = np.flatnonzero(self.ring.fresh[: len(self._keys)])
        return changed

    def written(self, only: Ints | None = None) -> None:
        """Know that all that `changed` gave is in the row store."""
        which = self._fresh(only)
        self.ring.noted[self._alive(which)] = 1
        self.ring.fresh[which] = 0

    def coldest(self, events: int, large: int) -> Ints:
        """Return entities that nobody looks at, with the room of about so many events.

        A hand goes round all entities and takes those that were not looked at in its last round,
        or in this one, if there are no others.

        Args:
            events: how many.
            large: room of an entity that stays if it was looked at in this turn.
        """
        n, turn = len(self._keys), self._stream.turn
        touched, room = self._touched[:n], self.ring.room[:n]
        cold: Ints = np.zeros(0, np.int64)
        for _ in range(3 * (n // _LOOK + 1)):
            which = np.arange(self._hand, min(n, self._hand + _LOOK))
            cold = which[touched[which] < self._before]
            cold = cold[(touched[cold] < turn) | (room[cold] < large)]
            takes = np.cumsum(room[cold] + 1)
            cold = cold[: 1 + int(np.searchsorted(takes, events))]
            full = len(takes) > 0 and int(takes[-1]) >= events
            self._hand = int(cold[-1]) + 1 if full else self._hand + _LOOK
            if self._hand >= n:
                self._hand, self._before, self._since = 0, self._since, turn + 1
            if len(cold):
                break
        return cold

    def let_go(self, which: Ints) -> None:
        """Let go of entities, which lie in the row store."""
        from heptad.engine.local.kernel import rings

        rings.release(self.pool, self.ring, which)
        self._touched[which] = _NOBODY
        for e in which.tolist():
            del self._entity[self._keys[e]]
            self._keys[e] = None
            self._free.append(e)

    def read(self, ask: Any, short: Any) -> dict[str, pa.Array]:
        """Read the features where they are asked; marks the rows that are out of reach."""
        from heptad.engine.local.kernel import asking

        out, ok = self.room(len(ask.t))
        left = asking.answer(
            self.pool, self.ring, self.programmed(), self.windows, ask, 0, len(ask.t), out, ok,
            short, self.slices, self.scratch,
        )  # fmt: skip
        if left >= 0:
            raise too_large([self.made.features[left].name])
        return finished(self.made, out, ok, self.codes)

    def kept(self) -> list[tuple[dict[str, Any], bytes]]:
        """Return the arrays of a snapshot, each with what it is."""
        return [
            ({"name": name, "type": str(a.dtype), "shape": list(a.shape)}, a.tobytes())
            for name, a in self._arrays(np.arange(len(self._keys))).items()
        ]

    def _arrays(self, which: Ints) -> dict[str, Any]:
        """Return all that there is of some entities."""
        keys = pa.array([_name(self._keys[e]) for e in which.tolist()], pa.string())
        ids, at = texts_of(keys)
        alive = self._alive(which)
        heap, _ = self._texts_at(alive)
        return {
            "names": ids, "names_at": at, "big": self.pool.big, "us": self.pool.us[alive],
            "v": self.pool.v[:, alive], "h": self.pool.h[:, alive], "size": self.ring.size[alive],
            "heap": heap, "count": (self.ring.end - self.ring.begin)[which],
            "cut": self.ring.cut[which], "newest": self.ring.meta[3:4],
        }  # fmt: skip

    def load(self, arrays: Mapping[str, Any]) -> None:
        """Take the arrays of a snapshot."""
        from heptad.engine.local.kernel import pool as pools
        from heptad.engine.local.kernel import rooms

        at, data = (pa.py_buffer(arrays[name].tobytes()) for name in ("names_at", "names"))
        kept = pa.LargeStringArray.from_buffers(len(arrays["names_at"]) - 1, at, data)
        names = kept.to_pylist()
        parts = len(self.ends)
        keys = [_key(name, parts) for name in names] if parts > 1 else names
        self._entity, self._keys = {key: n for n, key in enumerate(keys)}, list(keys)
        self._touched = np.zeros(max(1, len(keys)), np.int64)
        n, m = len(keys), len(arrays["us"])
        pool = pools.empty(*self.made.kept, max(1, m))
        size, spread = arrays["size"], _spread_out(arrays["size"])
        ring = rooms.ring(max(1, n), max(1, m), 2, int(spread[-1]) + 1)
        pool.us[:m], pool.v[:, :m], pool.h[:, :m] = arrays["us"], arrays["v"], arrays["h"]
        pool.big[:] = arrays["big"]
        ends = np.cumsum(arrays["count"])
        ring.end[:n], ring.begin[:n], ring.base[:n] = ends, ends - arrays["count"], 0
        ring.room[:n], ring.cut[:n] = arrays["count"], arrays["cut"]
        ring.size[:m], ring.at[:m] = size, spread[:-1]
        shift = np.repeat(spread[:-1] - (np.cumsum(size) - size), size)
        ring.heap[shift + np.arange(len(shift))] = arrays["heap"]
        ring.meta[3] = arrays["newest"][0]
        self.pool, self.ring = pool, ring
        self._move(SLACK)


def _slots(live: int) -> int:
    """Return how many slots there should be for so many events."""
    return 1 << max(12, (2 * live).bit_length())


def _spread_out(sizes: Ints) -> Ints:
    """Return where keys of some bytes lie that take whole words each, and where the last ends."""
    from heptad.engine.local.kernel import rooms

    ends: Ints = np.cumsum(np.concatenate([[0], -(-sizes // rooms.WORD) * rooms.WORD]))
    return ends


def _name(key: Any) -> str:
    """Return a key as one text."""
    return json.dumps(key) if isinstance(key, tuple) else str(key)


def _key(name: str, parts: int) -> Any:
    """Return the key that `_name` was given."""
    return tuple(json.loads(name)) if parts > 1 else name
