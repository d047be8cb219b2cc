# SPDX-License-Identifier: Apache-2.0
"""The stream reading of features: exact windows kept in memory, row by row, per partition."""

from __future__ import annotations

import json
import zlib
from collections import defaultdict
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from heptad.service.batch.encoding import Reader, filled, finished, numbers, whole
from heptad.service.batch.masks import mask
from heptad.service.batch.programs import Compiled, compiled
from heptad.service.batch.sweep import coded, texts_of, too_large
from heptad.service.features import parts_of
from heptad.standards import Path
from heptad.standards.errors import ContractError, HeptadError, Refused
from heptad.standards.time import day

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    import numpy.typing as npt

    from heptad.engine.local.kernel.pool import Pool
    from heptad.engine.local.kernel.rings import Ring
    from heptad.service.features import Feature

    Ints = npt.NDArray[np.int64]

FORM = 1
"""Version of the snapshot's form; another is refused."""
_MAGIC = b"HEPTADST"


class OutOfReach(HeptadError):
    """The stream has let go of events that a window needs; compute these rows in batch.

    Attributes:
        rows: which of the rows asked about.
    """

    code = "out-of-reach"
    status = 409

    def __init__(self, rows: Sequence[int]) -> None:
        super().__init__(
            "A window reaches back to events that the stream has let go of.",
            got=f"{len(rows)} of the rows asked about",
            do="compute these rows in batch, or give the stream a greater `late` or `most`",
        )
        self.rows = list(rows)


class Stream:
    """Exact windows of features of one event table, for the keys of one partition.

    Rows are applied in the order in which they became known. A read answers as known by then:
    `values(keys, t)` equals the batch reading at (t, k), k being the newest known_time applied,
    bit for bit, for any partition count and after any `restore(snapshot())`. Every partition
    takes every row of the table and keeps those of its own keys, so that a correction that moves
    a row to another key is seen on both sides. One thread uses a stream at a time.

    Args:
        features: of one event table; their keys may differ.
        partition: which partition this is.
        partitions: how many there are.
        late: microseconds behind the newest known_time that a read may ask about; reads further
            back are answered while nothing they need was let go of, else `OutOfReach`.
        most: events of one key that are kept; a window that holds more is `OutOfReach`.

    Raises:
        ContractError: if a feature cannot be read from a stream.
    """

    def __init__(
        self,
        features: Sequence[Feature],
        *,
        partition: int = 0,
        partitions: int = 1,
        late: int = day,
        most: int = 1_000_000,
    ) -> None:
        self.features = list(features)
        self.partition, self.partitions, self.late, self.most = partition, partitions, late, most
        flat = parts_of(self.features)
        tables = {f.table.__name__ for f in flat}
        if len(tables) != 1:
            raise ContractError("A stream reads one event table.", got=", ".join(sorted(tables)))
        self.table = flat[0].table
        groups: dict[str, list[Feature]] = defaultdict(list)
        for feature in flat:
            if any(isinstance(by, Path) for by in feature.keys):
                raise ContractError(
                    f"{feature.op}({feature.of.title}) walks to its key, which is read in batch.",
                    got=repr(feature.keys),
                    do="key the feature by a field of its own table",
                )
            groups[repr(feature.keys)].append(feature)
        self._codes = _Texts()
        self.groups = [Group(compiled(group), self, self._codes) for group in groups.values()]

    @property
    def known(self) -> int | None:
        """The newest known_time applied, in microseconds; None before any row."""
        newest = max(int(group.ring.meta[3]) for group in self.groups)
        return None if newest == -(2**63) else newest

    @property
    def columns(self) -> list[str]:
        """The stored columns that rows must have."""
        names = {self.table.key.name, "event_time", "known_time", "_deleted"}
        for group in self.groups:
            names |= {name for m in group.made.measures for name in m.columns}
            names |= {end.name for f in group.made.features for end in f.ends}
            names |= {name for test in group.made.masks.values() for name in test.columns()}
        return sorted(names)

    def apply(self, rows: pa.RecordBatch | pa.Table) -> None:
        """Take stored rows, in the order in which they became known.

        Args:
            rows: the columns of `columns`, as stored.
        """
        for group, taken in self._rows(rows):
            group.take(taken)

    def follow(self, rows: pa.RecordBatch | pa.Table) -> dict[str, pa.Array]:
        """Take stored rows and read all features of each, as itself, at its own known_time.

        Equal to applying all rows of one known_time and then reading each with its own key, for
        one known_time after the other, in one pass.

        Args:
            rows: as `apply` takes them, all of keys of this partition, none deleted.

        Returns:
            Feature name → (n,) Arrow array.

        Raises:
            OutOfReach: if a window needs events that were let go of.
            ContractError: if a total leaves 64 bits.
        """
        found: dict[str, pa.Array] = {}
        short = np.zeros(len(rows), np.uint8)
        for group, taken in self._rows(rows):
            found |= group.follow(taken, short)
        return self._told(self.features, found, short)

    def _rows(self, rows: pa.RecordBatch | pa.Table) -> Iterator[tuple[Group, Any]]:
        """Yield each group with the rows as its kernel takes them."""
        from heptad.engine.local.kernel.rings import Rows

        columns = {name: whole(rows.column(name)) for name in self.columns}
        n = len(rows)
        us, known = (_instants(columns[c]) for c in ("event_time", "known_time"))
        gone = numbers(columns["_deleted"]).astype(np.uint8)
        ids, id_at = texts_of(columns[self.table.key.name])
        tests = {name: test for g in self.groups for name, test in g.made.masks.items()}
        masks = {name: mask(test, columns, n) for name, test in tests.items()}
        reader = Reader(columns, masks, self._codes)
        for group in self.groups:
            entity = group.entities([columns[end.name] for end in group.ends], fresh=True)
            v, h = group.measured(reader, n)
            yield group, Rows(entity, us, known, gone, ids, id_at, v, h)

    def values(
        self,
        keys: Mapping[str, pa.Array | Sequence[str | None]],
        t: Sequence[int] | Ints,
        own: Sequence[str | None] | pa.Array | None = None,
        only: Collection[str] | None = None,
    ) -> dict[str, pa.Array]:
        """Read features, as known now.

        Args:
            keys: entity or field → (m,) its keys, all of this partition.
            t: (m,) the instants asked about, microseconds.
            own: (m,) the key of the row that each is, or None; such a row's window ends at its
                own (event_time, key). Apply the row first.
            only: names of the features wanted, those whose keys this partition owns; all if None.

        Returns:
            Feature name → (m,) Arrow array, as the batch reading gives it.

        Raises:
            OutOfReach: if a window needs events that were let go of.
            ContractError: if a total leaves 64 bits.
        """
        from heptad.engine.local.kernel.rings import Ask

        instants = np.array(t, np.int64)
        nobody = pa.nulls(len(instants), pa.string())
        mine = nobody if own is None else _strings(own)
        ids, id_at = texts_of(mine)
        found: dict[str, pa.Array] = {}
        short = np.zeros(len(instants), np.uint8)
        wanted = [f for f in self.features if only is None or f.name in only]
        steps = {f.name for f in parts_of(wanted)}
        for group in self.groups:
            if steps.isdisjoint(f.name for f in group.made.features):
                continue
            columns = [_strings(_keys(keys, e, f.name)) for e, f in group.named]
            entity = group.entities(columns, fresh=False)
            found |= group.read(Ask(entity, instants, ids, id_at), short)
        return self._told(wanted, found, short)

    def _told(
        self, features: Sequence[Feature], found: Mapping[str, pa.Array], short: Any
    ) -> dict[str, pa.Array]:
        """Return the values, if all could be read."""
        if short.any():
            raise OutOfReach(np.flatnonzero(short).tolist())
        return filled(features, found)

    def snapshot(self) -> bytes:
        """Return all that is kept, so that `restore` goes on from here."""
        arrays: list[tuple[dict[str, Any], bytes]] = []
        for number, group in enumerate(self.groups):
            group.compact()
            arrays += [({"group": number} | about, data) for about, data in group.kept()]
        head = {
            "form": FORM,
            "definitions": self._definitions(),
            "texts": self._codes.kept(),
            "arrays": [about | {"bytes": len(data)} for about, data in arrays],
        }
        text = json.dumps(head).encode()
        body = b"".join(
            [_MAGIC, len(text).to_bytes(8, "little"), text, *(data for _, data in arrays)]
        )
        return body + zlib.crc32(body).to_bytes(4, "little")

    def restore(self, snapshot: bytes) -> None:
        """Go on from a snapshot of the same features and partition.

        Raises:
            Refused: if it is damaged, or of other features.
        """
        view = memoryview(snapshot)
        sound = len(view) > 20 and bytes(view[:8]) == _MAGIC
        if not sound or zlib.crc32(view[:-4]) != int.from_bytes(view[-4:], "little"):
            raise Refused("The snapshot of the stream is damaged.", do="replay the table instead")
        size = int.from_bytes(view[8:16], "little")
        head = json.loads(bytes(view[16 : 16 + size]))
        if (head["form"], head["definitions"]) != (FORM, self._definitions()):
            raise Refused("The snapshot is of other features.", do="replay the table instead")
        self._codes.load(head["texts"])
        at = 16 + size
        arrays: dict[int, dict[str, Ints]] = defaultdict(dict)
        for about in head["arrays"]:
            data = np.frombuffer(view[at : at + about["bytes"]], about["type"])
            arrays[about["group"]][about["name"]] = data.reshape(about["shape"])
            at += about["bytes"]
        for number, group in enumerate(self.groups):
            group.load(arrays[number])

    def _definitions(self) -> list[Any]:
        versions = [[f.name, f.version()] for f in self.features]
        return [versions, self.partition, self.partitions, self.late, self.most]


def partition_of(key: Sequence[str], partitions: int) -> int:
    """Return the partition of a key, given part by part; the same in every process."""
    return zlib.crc32("\x1f".join(key).encode()) % partitions


def _keys(keys: Mapping[str, Any], entity: str, name: str) -> Any:
    for wanted in (entity, name, entity.lower()):
        if wanted in keys:
            return keys[wanted]
    raise ContractError(f"A read needs the keys of {entity}.", got=", ".join(keys))


def _strings(values: Any) -> pa.Array:
    if isinstance(values, pa.Array | pa.ChunkedArray):
        return whole(values).cast(pa.string())
    return pa.array(list(values), pa.string())


def _instants(column: pa.Array) -> Ints:
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.timestamp("us", "UTC")).cast(pa.int64())
    return np.array(column.to_numpy(zero_copy_only=False), np.int64)


class _Texts:
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

    def __init__(self, made: Compiled, stream: Stream, codes: _Texts) -> None:
        from heptad.engine.local.kernel import rings

        self.made, self.codes, self._stream = made, codes, stream
        self.ends = made.features[0].ends
        self.named = list(zip(made.features[0].entities, self.ends, strict=True))
        self.windows = made.window_array()
        self.program, self._longest = made.program(1 << 12), 1 << 12
        self.slices = np.zeros((3, len(self.windows)), np.int64)
        self.scratch = np.zeros((3, 1024), np.int64)
        self._logs = any(f.op == "entropy" for f in made.features)
        self._entity: dict[Any, int] = {}
        self.pool: Pool = rings.empty(len(made.measures), 1 << 10)
        self.ring: Ring = rings.ring(1 << 8, 1 << 10, 1 << 12, 1 << 14)

    def entities(self, keys: Sequence[pa.Array], *, fresh: bool) -> Ints:
        """Return the entity of each key, -1 for a missing, unknown or foreign one."""
        (*columns, _), code = coded(keys)
        if fresh and len(columns) == 1 and self._stream.partitions == 1:
            known = self._entity
            found = [known.setdefault(key, len(known)) for key in columns[0].to_pylist()]
            if len(known) > len(self.ring.begin):
                self.grow(entities=2 * len(known))
            return np.where(code >= 0, np.array(found, np.int64)[code], -1) if found else code
        pairs = list(zip(*(c.to_pylist() for c in columns), strict=True))
        mine = np.array([-1 if None in p else self._one(p, fresh=fresh) for p in pairs], np.int64)
        if fresh and len(self._entity) > len(self.ring.begin):
            self.grow(entities=2 * len(self._entity))
        return np.where(code >= 0, mine[code], -1) if len(mine) else np.full(len(code), -1)

    def one(self, pair: tuple[str, ...]) -> int:
        """Return the entity of a key that a row brings, -1 for a foreign one."""
        found = self._one(pair, fresh=True)
        if len(self._entity) > len(self.ring.begin):
            self.grow(entities=2 * len(self._entity))
        return found

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
        """Return values and whether they are held, (measures, n)."""
        v = np.zeros((len(self.made.measures), n), np.int64)
        h = np.ones((len(self.made.measures), n), np.uint8)
        for j, measure in enumerate(self.made.measures):
            held = reader.held(measure)
            v[j] = reader.values(measure)
            if held is not None:
                h[j] = held
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
        from heptad.engine.local.kernel import rings

        done, n, late, most = 0, len(rows.us), self._stream.late, self._stream.most
        ask, (out, ok) = rings.Ask(rows.entity, rows.us, rows.ids, rows.id_at), self.room(n)
        while True:
            done, left = rings.follow(
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

    def grow(self, *, entities: int = 0, text: int = 0, slack: float = 2.0) -> None:
        """Move to a larger pool and ring."""
        from heptad.engine.local.kernel import rings

        live = int((self.ring.end - self.ring.begin).sum())
        sizes = self.ring.size[self._alive()] if live else np.zeros(0, np.int64)
        positions = int(slack * (live + live // 2 + 3 * len(self.ring.begin))) + 1024
        slots = 1 << max(12, int(4 * live).bit_length())
        heap = int((1 + slack) * sizes.sum()) + (1 << 14) + 4 * text
        pool = rings.empty(len(self.made.measures), positions)
        ring = rings.ring(max(entities, len(self.ring.begin)), positions, slots, heap)
        late, most = self._stream.late, self._stream.most
        rings.move(self.pool, self.ring, pool, ring, self.windows, late, most)
        self.pool, self.ring = pool, ring

    def _alive(self) -> Ints:
        """Return the positions of all events."""
        n = self.ring.end - self.ring.begin
        start = np.repeat(self.ring.begin - np.concatenate([[0], np.cumsum(n)[:-1]]), n)
        return start + np.arange(int(n.sum()))

    def read(self, ask: Any, short: Any) -> dict[str, pa.Array]:
        """Read the features where they are asked; marks the rows that are out of reach."""
        from heptad.engine.local.kernel import rings

        out, ok = self.room(len(ask.t))
        left = rings.answer(
            self.pool, self.ring, self.programmed(), self.windows, ask, 0, len(ask.t), out, ok,
            short, self.slices, self.scratch,
        )  # fmt: skip
        if left >= 0:
            raise too_large([self.made.features[left].name])
        return finished(self.made, out, ok, self.codes)

    def kept(self) -> list[tuple[dict[str, Any], bytes]]:
        """Return the arrays of a snapshot, each with what it is."""
        names = [json.dumps(k) if isinstance(k, tuple) else k for k in self._entity]
        ids, at = texts_of(pa.array(names, pa.string()))
        arrays = {"names": ids, "names_at": at, "big": self.pool.big}
        alive = self._alive()
        arrays |= {"us": self.pool.us[alive], "v": self.pool.v[:, alive],
                   "h": self.pool.h[:, alive], "size": self.ring.size[alive]}  # fmt: skip
        starts = np.cumsum(arrays["size"]) - arrays["size"]
        shift = np.repeat(self.ring.at[alive] - starts, arrays["size"])
        arrays["heap"] = self.ring.heap[shift + np.arange(len(shift))]
        n = len(self._entity)
        arrays |= {"count": (self.ring.end - self.ring.begin)[:n], "cut": self.ring.cut[:n],
                   "newest": self.ring.meta[3:4]}  # fmt: skip
        return [
            ({"name": name, "type": str(a.dtype), "shape": list(a.shape)}, a.tobytes())
            for name, a in arrays.items()
        ]

    def load(self, arrays: Mapping[str, Any]) -> None:
        """Take the arrays of a snapshot."""
        from heptad.engine.local.kernel import rings

        at, data = arrays["names_at"].tolist(), arrays["names"].tobytes()
        names = [data[a:b].decode() for a, b in pairwise(at)]
        keys = [tuple(json.loads(n)) for n in names] if len(self.ends) > 1 else names
        self._entity = {key: n for n, key in enumerate(keys)}
        n, m = len(keys), len(arrays["us"])
        pool = rings.empty(len(self.made.measures), max(1, m))
        ring = rings.ring(max(1, n), max(1, m), 2, max(1, len(arrays["heap"])))
        pool.us[:m], pool.v[:, :m], pool.h[:, :m] = arrays["us"], arrays["v"], arrays["h"]
        pool.big[:] = arrays["big"]
        ends = np.cumsum(arrays["count"])
        ring.end[:n], ring.begin[:n], ring.base[:n] = ends, ends - arrays["count"], 0
        ring.room[:n], ring.cut[:n] = arrays["count"], arrays["cut"]
        ring.size[:m], ring.at[:m] = arrays["size"], np.cumsum(arrays["size"]) - arrays["size"]
        ring.heap[: len(arrays["heap"])] = arrays["heap"]
        ring.meta[3] = arrays["newest"][0]
        self.pool, self.ring = pool, ring
        self.grow(entities=n)
