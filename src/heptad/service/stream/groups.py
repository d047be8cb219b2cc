# SPDX-License-Identifier: Apache-2.0
"""The windows of features that share a key, in memory, and keys that come back from the row store."""

from __future__ import annotations

import json
import zlib
from collections import defaultdict
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
    from heptad.engine.local.kernel.rings import Ring
    from heptad.service.batch.programs import Compiled
    from heptad.service.stream.streams import Stream

    Ints = npt.NDArray[np.int64]


def partition_of(key: Sequence[str], partitions: int) -> int:
    """Return the partition of a key, given part by part; the same in every process."""
    return zlib.crc32("\x1f".join(key).encode()) % partitions


class Texts:
    """Numbers for texts that stay the same as long as the stream lives."""

    def __init__(self) -> None:
        self._numbers: dict[str, dict[str, int]] = defaultdict(dict)
        self._texts: dict[str, list[str]] = defaultdict(list)

    def code(self, column: str, texts: pa.Array) -> Ints:
        """Return a number for each text, 0 for null."""
        parts = texts.dictionary_encode()
        numbers, known = self._numbers[column], self._texts[column]
        codes = np.zeros(len(parts.dictionary) + 1, np.int64)
        for i, text in enumerate(parts.dictionary.to_pylist()):
            if text not in numbers:
                numbers[text] = len(known)
                known.append(text)
            codes[i] = numbers[text]
        index = parts.indices.fill_null(len(parts.dictionary)).to_numpy(zero_copy_only=False)
        coded: Ints = codes[index]
        return coded

    def number(self, column: str, text: str) -> int:
        """Return the number of one text."""
        numbers, known = self._numbers[column], self._texts[column]
        found = numbers.setdefault(text, len(known))
        if found == len(known):
            known.append(text)
        return found

    def text(self, column: str, code: int) -> str:
        """Return the text of one number."""
        return self._texts[column][code]

    def texts(self, column: str, codes: Ints) -> pa.Array:
        """Return the texts of numbers."""
        known = self._texts[column]
        if not known:
            return pa.nulls(len(codes), pa.string())
        return pa.array([known[c] for c in codes.tolist()], pa.string())

    def since(self, done: Mapping[str, int]) -> dict[str, list[str]]:
        """Return the texts that were numbered since there were so many of each column."""
        found = {name: texts[done.get(name, 0) :] for name, texts in self._texts.items()}
        return {name: texts for name, texts in found.items() if texts}

    def counts(self) -> dict[str, int]:
        """Return how many texts of each column there are."""
        return {name: len(texts) for name, texts in self._texts.items()}

    def kept(self) -> dict[str, list[str]]:
        """Return all texts in the order of their numbers."""
        return dict(self._texts)

    def load(self, texts: Mapping[str, list[str]]) -> None:
        """Take the texts of a snapshot."""
        self._texts = defaultdict(list, {name: list(found) for name, found in texts.items()})
        self._numbers = defaultdict(dict)
        for name, found in self._texts.items():
            self._numbers[name] = {text: n for n, text in enumerate(found)}


class Group:
    """The windows of features that share a key."""

    def __init__(self, made: Compiled, stream: Stream, codes: Texts, number: int) -> None:
        from heptad.engine.local.kernel import rings

        self.made, self.codes, self._stream, self.number = made, codes, stream, number
        self.ends = made.features[0].ends
        self.named = list(zip(made.features[0].entities, self.ends, strict=True))
        self.windows = made.window_array()
        self.program, self._longest = made.program(1 << 12), 1 << 12
        self.slices = np.zeros((3, len(self.windows)), np.int64)
        self.scratch = np.zeros((3, 1024), np.int64)
        self._logs = any(f.op == "entropy" for f in made.features)
        self._entity: dict[Any, int] = {}
        self._touched = np.zeros(1 << 8, np.int64)
        self.pool: Pool = rings.empty(*made.kept, 1 << 10)
        self.ring: Ring = rings.ring(1 << 8, 1 << 10, 1 << 12, 1 << 14)

    @property
    def held(self) -> tuple[int, int]:
        """How many keys and places of events are in memory."""
        return len(self._entity), int(self.ring.meta[0])

    def entities(self, keys: Sequence[pa.Array], *, fresh: bool) -> Ints:
        """Return the entity of each key, -1 for a missing, unknown or foreign one."""
        (*columns, _), code = coded(keys)
        named = [column.to_pylist() for column in columns]
        self.recall(named[0] if len(named) == 1 else zip(*named, strict=True))
        if fresh and len(columns) == 1 and self._stream.partitions == 1:
            known = self._entity
            found = list(map(known.get, named[0]))
            if None in found:
                found = [known.setdefault(key, len(known)) for key in named[0]]
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
        self._seen(np.array([found]) if self._stream.cold is not None else None)
        return found

    def _seen(self, mine: Ints | None) -> None:
        """Have room for all keys, and note which of them were looked at now."""
        if len(self._entity) > len(self.ring.begin):
            self.grow(entities=2 * len(self._entity))
        if self._stream.cold is not None and mine is not None:
            more = len(self.ring.begin) - len(self._touched)
            if more > 0:
                self._touched = np.concatenate([self._touched, np.zeros(more, np.int64)])
            self._touched[mine[mine >= 0]] = self._stream.turn

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
        self._entity[key] = len(self._entity)
        return len(self._entity) - 1

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
            together = int((rows.known == rows.known[done]).sum())
            self.grow(text=int(rows.id_at[min(n, done + together)] - rows.id_at[done]))

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
        self.grow(entities=max(1, len(self._entity)), slack=1.0)
        self._spread()

    def grow(self, *, entities: int = 0, text: int = 0, slack: float = 2.0) -> None:
        """Have room for more: of slots, if they are what is taken, else of everything else.

        Args:
            entities: how many there must be room for.
            text: bytes that the next key needs.
            slack: times the room of what is alive.
        """
        from heptad.engine.local.kernel import rings

        if not entities and rings.crowded(self.ring):
            self._spread()
            return
        live = int((self.ring.end - self.ring.begin).sum())
        sizes = self.ring.size[self._alive()] if live else np.zeros(0, np.int64)
        positions = int(slack * (live + live // 2 + 3 * len(self.ring.begin))) + 1024
        heap = int((1 + 2 * slack) * sizes.sum()) + (1 << 14) + 4 * text
        pool = rings.empty(*self.made.kept, positions)
        fill = not self.ring.meta[rings.SLOTS]
        slots = _slots(live) if fill else self.ring.slots
        ring = rings.ring(max(entities, len(self.ring.begin)), positions, slots, heap)
        late, most = self._stream.late, self._stream.most
        rings.move(self.pool, self.ring, pool, ring, self.windows, late, most, fill)
        self.pool, self.ring = pool, ring

    def _spread(self) -> None:
        """Spread the slots over as many as there should be."""
        from heptad.engine.local.kernel import rings

        live = int((self.ring.end - self.ring.begin).sum())
        made = rings.ring(0, 0, _slots(live), 0)
        rings.spread(self.ring, made)
        self.ring.meta[rings.SLOTS] = made.meta[rings.SLOTS]
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

        first = len(self._entity)
        for key in keys:
            self._entity[key] = len(self._entity)
        numbers = np.arange(first, len(self._entity))
        self._seen(numbers)
        found = [unpacked(state, *self.made.kept[:2]) for state in states]
        us, size, v, h, ids = (
            np.concatenate([arrays[i] for _, arrays in found], axis=-1) for i in range(5)
        )
        n = len(us)
        ids.flags.writeable = False
        self.ring.cut[numbers] = [cut for cut, _ in found]
        known = np.full(n, self.ring.meta[3])
        entity = np.repeat(numbers, [len(arrays[0]) for _, arrays in found])
        id_at = np.concatenate([[0], np.cumsum(size)])
        self.take(Rows(entity, us, known, np.zeros(n, np.uint8), ids, id_at, v, h))
        self.ring.fresh[numbers] = 0
        self.ring.noted[self._alive(numbers)] = 1

    def changed(self, but: Ints | None = None) -> tuple[list[str], list[bytes], list[str], Ints]:
        """Return what is to be laid into the row store.

        Args:
            but: entities that are left out.

        Returns:
            The names of the keys that changed and the state of each; and of each event that is
            not written down yet the name of its key and its mark.
        """
        from heptad.engine.local.kernel.marks import marks

        which = self._fresh(but)
        alive, keys = self._alive(which), list(self._entity)
        names = [_name(keys[e]) for e in which.tolist()]
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

    def _fresh(self, but: Ints | None) -> Ints:
        """Return the entities that changed."""
        which = np.flatnonzero(self.ring.fresh[: len(self._entity)])
        return which if but is None else np.setdiff1d(which, but, assume_unique=True)

    def written(self, but: Ints | None = None) -> None:
        """Know that all that `changed` gave is in the row store."""
        which = self._fresh(but)
        self.ring.noted[self._alive(which)] = 1
        self.ring.fresh[which] = 0

    def staying(self, events: int, keys: int) -> Ints:
        """Return the entities that stay when so much is kept: those looked at last."""
        n = len(self._entity)
        touched, held = self._touched[:n], (self.ring.end - self.ring.begin)[:n]
        order = np.argsort(-touched, kind="stable")[:keys]
        takes = (held + held // 2 + 2)[order]
        stay: Ints = np.sort(order[np.cumsum(takes) - takes < events])
        return stay

    def shrink(self, stay: Ints) -> None:
        """Let go of all other entities, which lie in the row store."""
        told = {"fresh": self.ring.fresh[stay], "noted": self.ring.noted[self._alive(stay)]}
        touched = self._touched[stay]
        self.load(self._arrays(stay) | told)
        self._touched = np.zeros(len(self.ring.begin), np.int64)
        self._touched[: len(stay)] = touched

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
            for name, a in self._arrays(np.arange(len(self._entity))).items()
        ]

    def _arrays(self, which: Ints) -> dict[str, Any]:
        """Return all that there is of some entities."""
        keys = list(self._entity)
        ids, at = texts_of(pa.array([_name(keys[e]) for e in which.tolist()], pa.string()))
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
        from heptad.engine.local.kernel import rings

        at, data = (pa.py_buffer(arrays[name].tobytes()) for name in ("names_at", "names"))
        kept = pa.LargeStringArray.from_buffers(len(arrays["names_at"]) - 1, at, data)
        names = kept.to_pylist()
        parts = len(self.ends)
        keys = [_key(name, parts) for name in names] if parts > 1 else names
        self._entity = {key: n for n, key in enumerate(keys)}
        n, m = len(keys), len(arrays["us"])
        pool = rings.empty(*self.made.kept, max(1, m))
        ring = rings.ring(max(1, n), max(1, m), 2, max(1, len(arrays["heap"])))
        pool.us[:m], pool.v[:, :m], pool.h[:, :m] = arrays["us"], arrays["v"], arrays["h"]
        pool.big[:] = arrays["big"]
        ends = np.cumsum(arrays["count"])
        ring.end[:n], ring.begin[:n], ring.base[:n] = ends, ends - arrays["count"], 0
        ring.room[:n], ring.cut[:n] = arrays["count"], arrays["cut"]
        ring.size[:m], ring.at[:m] = arrays["size"], np.cumsum(arrays["size"]) - arrays["size"]
        ring.heap[: len(arrays["heap"])] = arrays["heap"]
        if "fresh" in arrays:
            ring.fresh[:n], ring.noted[:m] = arrays["fresh"], arrays["noted"]
        ring.meta[3] = arrays["newest"][0]
        self.pool, self.ring = pool, ring
        self.grow(entities=n)


def _slots(live: int) -> int:
    """Return how many slots there should be for so many events."""
    return 1 << max(12, (2 * live).bit_length())


def _name(key: Any) -> str:
    """Return a key as one text."""
    return json.dumps(key) if isinstance(key, tuple) else str(key)


def _key(name: str, parts: int) -> Any:
    """Return the key that `_name` was given."""
    return tuple(json.loads(name)) if parts > 1 else name
