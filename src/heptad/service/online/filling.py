# SPDX-License-Identifier: Apache-2.0
"""Fill the online store: all keys of a feature once, and from then on those that new rows touch."""

from __future__ import annotations

import threading
from collections import defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pyarrow as pa

from heptad.engine.sql.identifiers import quote
from heptad.security.keys import gone
from heptad.service.batch.history import Spine
from heptad.service.features import steps_of, tables_of
from heptad.service.online.values import (
    NOBODY,
    column_of,
    kept,
    key_of,
    row_of,
    stands_for,
    table_of,
)
from heptad.service.operators.lasting import lasting

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager

    from heptad.catalog.loads import Loads
    from heptad.security.keys import KeyStore
    from heptad.service.features import Feature
    from heptad.service.online.values import OnlineStore
    from heptad.service.reads.reads import Reads
    from heptad.standards.time import Clock

CHUNK = 20_000
"""Keys whose values are computed together."""


@dataclass(frozen=True, slots=True)
class Filled:
    """What one filling did: how many features of how many keys were written."""

    features: int
    keys: int


class Filling:
    """Keeps the values of features in the online store what their definitions give.

    Args:
        store: the online store.
        reads: computes values from the tables.
        loads: tells how far each table has been loaded.
        keys: knows who is erased; nothing is kept of them.
        clock: tells the present.
        paused: lets nobody be erased in its block.
    """

    def __init__(
        self,
        store: OnlineStore,
        reads: Reads,
        loads: Loads,
        keys: KeyStore,
        clock: Clock,
        paused: Callable[[], AbstractContextManager[None]],
    ) -> None:
        self._store, self._reads, self._loads = store, reads, loads
        self._keys, self._clock, self._paused = keys, clock, paused
        self._lock = threading.Lock()

    def backfill(
        self, features: Sequence[Feature], told: Callable[[str, float], None] = lambda *_: None
    ) -> Filled:
        """Write the values of all keys; from then on `catch_up` keeps them.

        Args:
            features: whose values.
            told: told (what, share done).
        """
        with self._lock:
            groups = _grouped(features)
            done = 0
            for n, group in enumerate(groups):
                told(f"{table_of(group[0])}: {len(group)} features", n / len(groups))
                done += self._fill(group, whole=True)
            return Filled(len(features), done)

    def catch_up(self, features: Sequence[Feature]) -> Filled:
        """Write the values of the keys that rows have touched since the features were written.

        Args:
            features: all that may be kept; those never filled are left out.
        """
        with self._lock:
            behind = [f for f in features if self.is_behind(f)]
            done = sum(self._fill(group, whole=False) for group in _grouped(behind))
            return Filled(len(behind), done)

    def refresh(self, given: Mapping[str, str], features: Sequence[Feature]) -> None:
        """Write the values of one key again, whose time has run out.

        Args:
            given: entity or field → key.
            features: whose values.
        """
        with self._lock:
            now = self._clock.now()
            for group in _grouped(features):
                parts = key_of(given, group[0])
                names = dict(zip(group[0].entities, parts, strict=True))
                self._write(group, pa.table({e: [part] for e, part in names.items()}), now)
                self._write_nobody(group, now)

    def is_behind(self, feature: Feature) -> bool:
        """Tell whether rows came that the kept values of a feature have not seen."""
        marks = self._store.marks(feature)
        return marks is not None and any(self._store.newest(t) > m for t, m in marks.items())

    def _fill(self, group: Sequence[Feature], *, whole: bool) -> int:
        """Write values of features of one key and table; return of how many keys."""
        # The marks are taken before the rows are read: what comes meanwhile is seen again.
        seen = {t.__name__: self._loads.newest(t.__name__) for f in group for t in tables_of(f)}
        now, done = self._clock.now(), 0
        for chunk in self._chunks(group, None if whole else self._since(group)):
            done += self._write(group, chunk, now)
        self._write_nobody(group, now)
        self._store.mark(group, seen)
        return done

    def _since(self, group: Sequence[Feature]) -> int | None:
        """Return the load after which rows are new; None if another table makes all keys new."""
        least = None
        for feature in group:
            marks = dict(self._store.marks(feature) or {})
            own = marks.pop(feature.table.__name__)
            if any(self._loads.newest(table) > mark for table, mark in marks.items()):
                return None
            least = own if least is None else min(least, own)
        return least

    def _chunks(self, group: Sequence[Feature], since: int | None) -> Iterator[pa.Table]:
        """Yield the keys to be written, a column per entity."""
        sql = keys_sql(group[0], self._reads, since)
        found = self._reads.queries.arrow(f"SELECT DISTINCT * FROM ({sql})")
        found = found.rename_columns(list(group[0].entities)).drop_null()
        for start in range(0, len(found), CHUNK):
            yield found.slice(start, CHUNK).combine_chunks()

    def _write(self, group: Sequence[Feature], chunk: pa.Table, now: int) -> int:
        """Compute and keep the values of some keys."""
        keys = {name: chunk.column(name).combine_chunks() for name in chunk.column_names}
        rows = self._values(group, keys, now)
        names = list(zip(*(keys[e].to_pylist() for e in group[0].entities), strict=True))
        gone = self._erased(group[0], names)
        self._store.write(
            group, [(row_of(k), v) for k, v in zip(names, rows, strict=True) if k not in gone]
        )
        with self._paused():
            # One who was erased while this was computed is let go of again.
            late = self._erased(group[0], names) - gone
            if late:
                self._store.remove(group[0], [row_of(key) for key in late])
        return len(names) - len(gone | late)

    def _write_nobody(self, group: Sequence[Feature], now: int) -> None:
        keys = {entity: pa.nulls(1, pa.string()) for entity in group[0].entities}
        (row,) = self._values(group, keys, now)
        self._store.write(group, [(NOBODY, row)])

    def _values(
        self, group: Sequence[Feature], keys: dict[str, pa.Array], now: int
    ) -> list[list[tuple[int, int, object]]]:
        """Return per key and feature when it was computed, until when it holds, and its value."""
        wanted = [replace(stands_for(f), name=f"f{i}") for i, f in enumerate(group)]
        n = len(next(iter(keys.values())))
        at = pa.array([now] * n, pa.int64())
        values = self._reads.compute(wanted)(Spine(keys, at, at))
        until = lasting(self._reads.queries, wanted, keys, self._reads.stored, now)
        columns = [
            [
                (now, u, kept(value))
                for u, value in zip(until[f.name].tolist(), values[f.name].to_pylist(), strict=True)
            ]
            for f in wanted
        ]
        return [list(row) for row in zip(*columns, strict=True)]

    def _erased(self, feature: Feature, names: Sequence[tuple[str, ...]]) -> set[tuple[str, ...]]:
        """Return those keys that name an erased person."""
        entities = feature.entities
        subjects = {f"{e}:{part}" for key in names for e, part in zip(entities, key, strict=True)}
        erased = gone(self._keys, subjects)
        return (
            {
                key
                for key in names
                if any(f"{e}:{part}" in erased for e, part in zip(entities, key, strict=True))
            }
            if erased
            else set()
        )


def _grouped(features: Sequence[Feature]) -> list[list[Feature]]:
    """Return features by what their keys are and where they are read from."""
    groups: dict[tuple[str, str, str], dict[bytes, Feature]] = defaultdict(dict)
    for feature in features:
        kind = table_of(feature), feature.table.__name__, repr(feature.keys)
        groups[kind][column_of(feature)] = feature
    return [list(group.values()) for group in groups.values()]


def keys_sql(feature: Feature, reads: Reads, since: int | None) -> str:
    """SQL of the keys that rows of a feature's table have or had; more than once.

    Args:
        feature: whose key.
        reads: where the tables are.
        since: only keys of rows that came with a later load; None for all.
    """
    relation, key = reads.stored(feature.table).relation, quote(feature.table.key.name)
    only = (
        ""
        if since is None
        else (f" WHERE {key} IN (SELECT {key} FROM {relation} WHERE _load > {int(since)})")
    )
    joins, columns = "", []
    for n, by in enumerate(feature.keys):
        first, *rest = steps_of(by)
        link = f"a.{quote(first.name)}"
        for m, field in enumerate(rest):
            alias = f"j{n}_{m}"
            other = quote(field.table.key.name)
            joins += (
                f" JOIN {reads.stored(field.table).relation} {alias} ON {alias}.{other} = {link}"
            )
            link = f"{alias}.{quote(field.name)}"
        columns.append(f"{link} AS k{n}")
    return f"SELECT {', '.join(columns)} FROM (SELECT * FROM {relation}{only}) a{joins}"
