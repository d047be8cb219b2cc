# SPDX-License-Identifier: Apache-2.0
"""The stream reading of features: exact windows, row by row, per partition; cold keys on disk."""

from __future__ import annotations

import json
import zlib
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from heptad.service.batch.encoding import Reader, filled, numbers, whole
from heptad.service.batch.masks import mask
from heptad.service.batch.programs import compiled
from heptad.service.batch.sweep import texts_of
from heptad.service.features import parts_of
from heptad.service.stream.groups import Group, partition_of
from heptad.service.stream.texts import Texts
from heptad.standards import Path
from heptad.standards.errors import ContractError, HeptadError, Refused
from heptad.standards.time import day

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    import numpy.typing as npt

    from heptad.service.features import Feature
    from heptad.service.stream.cold import Cold

    Ints = npt.NDArray[np.int64]

FORM = 2
"""Version of the snapshot's form; another is refused."""
_MAGIC = b"HEPTADST"
PIECES = 64
"""Of so many pieces of what is kept in memory one is laid away when it is full."""
AT_ONCE = 4096
"""Events that are laid away together."""
__all__ = ["OutOfReach", "Stream", "partition_of"]


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
        cold: where keys lie that nobody asks about; everything is kept in memory if None. What is
            there already is gone on with, from `mark`.

    Attributes:
        mark: what the caller told with the last rows that were taken; "" before any.

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
        cold: Cold | None = None,
    ) -> None:
        self.features, self.cold, self.turn, self.mark = list(features), cold, 0, ""
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
        self._codes = Texts()
        self.groups = [
            Group(compiled(group), self, self._codes, n) for n, group in enumerate(groups.values())
        ]
        self._written: dict[str, int] = {}
        self._enough = 0
        if cold is not None:
            self._open(cold)

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

    def apply(self, rows: pa.RecordBatch | pa.Table, mark: str = "") -> None:
        """Take stored rows, in the order in which they became known.

        Args:
            rows: the columns of `columns`, as stored.
            mark: says how far these rows go; it is kept with what they brought.
        """
        for group, taken in self._rows(rows):
            group.take(taken)
        self.mark = mark or self.mark
        self.settle()

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
        self.settle()
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
        self.recall(ids, id_at)
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
        from heptad.engine.local.kernel.asking import Ask

        self.turn += 1
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
            columns = [_strings(key_of(keys, e, f.name)) for e, f in group.named]
            entity = group.entities(columns, fresh=False)
            found |= group.read(Ask(entity, instants, ids, id_at), short)
        self.settle()
        return self._told(wanted, found, short)

    def _told(
        self, features: Sequence[Feature], found: Mapping[str, pa.Array], short: Any
    ) -> dict[str, pa.Array]:
        """Return the values, if all could be read."""
        if short.any():
            raise OutOfReach(np.flatnonzero(short).tolist())
        return filled(features, found)

    def recall(self, ids: Any, id_at: Ints) -> None:
        """Begin a turn: take back the keys whose events some rows may be later versions of.

        Args:
            ids: the bytes of the rows' keys.
            id_at: (n + 1,) where each begins.
        """
        self.turn += 1
        if self.cold is not None and self.cold.used:
            from heptad.engine.local.kernel.marks import marks

            found = marks(ids, id_at)
            for group in self.groups:
                group.recall_owners(found)

    def settle(self) -> None:
        """End a turn: lay keys into the row store if there are more than are kept in memory."""
        cold = self.cold
        if cold is None:
            return
        keys, events = self._held()
        self._enough = self._enough if events > cold.events else 0
        if keys <= cold.keys and events <= max(cold.events, self._enough):
            return
        if cold.lasting:
            self.keep()
        # All that changed is written at once where it lasts, so half is let go; else a little.
        left = 2 if cold.lasting else PIECES
        most = cold.keys - cold.keys // left, cold.events - cold.events // left
        piece = min(AT_ONCE, max(1, cold.events // left))
        while keys > most[0] or events > most[1]:
            kind = 0 if keys > most[0] else 1
            for group in sorted(self.groups, key=lambda g: -g.held[kind]):
                which = group.coldest(piece, max(AT_ONCE, cold.events // 4))
                if len(which):
                    break
            else:
                break
            if not cold.lasting:
                self._write({group.number: which})
            group.let_go(which)
            keys, events = self._held()
        # A key may have more events than are kept: then wait until there are twice as many.
        self._enough = 2 * events if events > most[1] else 0

    def _held(self) -> tuple[int, int]:
        """Return how many keys and places of events are in memory, of all groups."""
        held = [group.held for group in self.groups]
        return sum(keys for keys, _ in held), sum(events for _, events in held)

    def keep(self) -> None:
        """Write all that changed into the row store with the mark, durable at return.

        Raises:
            ContractError: if no cold keys are kept, or not for later.
        """
        if self.cold is None or not self.cold.lasting:
            raise ContractError("This stream is not kept for later.", do="give it a lasting `cold`")
        self._write(None)

    def _write(self, only: dict[int, Ints] | None) -> None:
        """Write what changed of all keys, or only of some of a group."""
        assert self.cold is not None  # noqa: S101 - looked at by the caller
        groups = dict.fromkeys(range(len(self.groups))) if only is None else only
        changed = [(n, *self.groups[n].changed(which)) for n, which in groups.items()]
        head = {
            "definitions": self._definitions() if only is None else [],
            "mark": self.mark,
            "newest": [int(group.ring.meta[3]) for group in self.groups],
        }
        self.cold.keep(
            head,
            self._codes.since(self._written),
            [(n, names, states) for n, names, states, _, _ in changed],
            [(n, owners, marks) for n, _, _, owners, marks in changed],
        )
        self._written = self._codes.counts()
        for n, which in groups.items():
            self.groups[n].written(which)

    def _open(self, cold: Cold) -> None:
        """Go on from what lies in the row store."""
        head, texts = cold.open(self._definitions())
        if not head:
            return
        known: dict[str, list[str]] = defaultdict(list)
        for part in texts:
            for name, more in part.items():
                known[name] += more
        self._codes.load(known)
        self._written, self.mark = self._codes.counts(), head["mark"]
        for group, newest in zip(self.groups, head["newest"], strict=True):
            group.ring.meta[3] = newest

    def snapshot(self) -> bytes:
        """Return all that is kept, so that `restore` goes on from here.

        Raises:
            ContractError: if some of it lies in the row store, where `keep` keeps all.
        """
        if self.cold is not None:
            raise ContractError("This stream is kept in the row store.", do="call `keep`")
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
            ContractError: if the stream goes on from the row store.
            Refused: if it is damaged, or of other features.
        """
        if self.cold is not None:
            raise ContractError("This stream is kept in the row store.", do="open it there")
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


def key_of(keys: Mapping[str, Any], entity: str, name: str) -> Any:
    """Return what is given for an entity: by its name, or by that of the field that holds its key.

    Raises:
        ContractError: if it is given by neither.
    """
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
