# SPDX-License-Identifier: Apache-2.0
"""The online reading of features: values kept by key in the row store, with how fresh each is."""

from __future__ import annotations

import datetime as dt
import json
import re
import threading
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import msgspec

from heptad.engine.protocols import Family
from heptad.service.features import tables_of
from heptad.service.operators.declared import OPERATORS
from heptad.standards.errors import ContractError
from heptad.standards.time import second

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from heptad.engine.protocols import Rows
    from heptad.service.features import Feature

State = Literal["fresh", "late", "missing", "computed"]

FAMILY = "v"
MARKS = "online"
NOBODY = b"\x00"
"""The row that holds the values of a key without events."""
_MARK = b"marks"
_SEPARATOR = "\x1f"
_Kept = tuple[int, int, Any]
_decode = msgspec.msgpack.Decoder(_Kept).decode
_encode = msgspec.msgpack.Encoder().encode


class Reading(NamedTuple):
    """One feature of one key.

    Attributes:
        value: what the feature gives.
        at: the instant as of which it was computed, microseconds; None if it never was.
        state: `fresh`: what the definition gives now; `late`: it was right at `at`, and rows or
            the passing of time may have changed it; `missing`: nothing is kept for the key;
            `computed`: not kept or late, and computed from the tables for this answer.
    """

    value: Any
    at: int | None
    state: State


class Values(dict[str, Any]):
    """Feature name → value; `readings` says of each how fresh it is."""

    def __init__(self, readings: Mapping[str, Reading]) -> None:
        super().__init__({name: reading.value for name, reading in readings.items()})
        self.readings = dict(readings)


class OnlineStore:
    """Values of features by key in a row store.

    What is kept for a feature carries two bounds: the last load of each table that it reads which
    the values have seen (its mark), and per value the instant at which time alone may change it.
    Within both a kept value is what the definition gives, bit for bit.

    Args:
        rows: the store.
        newest: tells the number of the last load of a table; beyond all while rows wait for it.
    """

    def __init__(self, rows: Rows, newest: Callable[[str], int]) -> None:
        self._rows, self.newest = rows, newest
        self._lock = threading.Lock()
        self._tables: set[str] = set()
        rows.create(MARKS, {FAMILY: Family()})
        self._marks: dict[bytes, dict[str, int]] = {
            column: json.loads(mark) for column, mark in rows.get(MARKS, _MARK).items()
        }

    def read(
        self, keys: Mapping[str, str], features: Sequence[Feature], now: int
    ) -> dict[str, Reading]:
        """Read features of one key, as kept.

        Args:
            keys: entity or field → key, for example {"Customer": "42"}.
            features: what to read; names are unique.
            now: the present, microseconds.

        Raises:
            ContractError: if a key is not given.
        """
        found: dict[str, Reading] = {}
        current: dict[bytes, bool] = {}
        for table, group in plan(tuple(features)):
            row = row_of(key_of(keys, group[0][0]))
            self._ensure(table)
            cells = self._rows.get(table, row)
            if any(column not in cells for _, column, _ in group):
                # A key without events has the values of all such keys.
                cells = self._rows.get(table, NOBODY) | cells
            for feature, column, form in group:
                held = cells.get(column)
                if held is None:
                    found[feature.name] = Reading(feature.default, None, "missing")
                    continue
                at, until, value = _decode(held)
                if form:
                    value = given(form, value, now)
                if value is None:
                    value = feature.default
                fresh = at <= now < until and self._is_current(column, current)
                found[feature.name] = Reading(value, at, "fresh" if fresh else "late")
        return found

    def marks(self, feature: Feature) -> dict[str, int] | None:
        """Return table → the last load that the kept values of a feature have seen."""
        return self._marks.get(column_of(feature))

    def write(
        self, features: Sequence[Feature], rows: Iterable[tuple[bytes, Sequence[_Kept]]]
    ) -> None:
        """Keep values of features of one kind of key, durable at return.

        Args:
            features: with the same key.
            rows: key of the row, and per feature (computed at, holds until, value).
        """
        table = table_of(features[0])
        self._ensure(table)
        columns = [column_of(feature) for feature in features]
        made = [
            (row, {c: _encode(kept) for c, kept in zip(columns, values, strict=True)})
            for row, values in rows
        ]
        self._rows.put_many(table, made)

    def remove(self, feature: Feature, rows: Iterable[bytes]) -> None:
        """Let go of rows, and of every byte of them that a store can let go of."""
        for row in rows:
            self._rows.delete(table_of(feature), row)
        if hasattr(self._rows, "purge"):
            self._rows.purge()

    def mark(self, features: Sequence[Feature], seen: Mapping[str, int]) -> None:
        """Say that the kept values of features have seen these loads, table by table."""
        with self._lock:
            marks = {
                column_of(f): {t.__name__: seen[t.__name__] for t in tables_of(f)} for f in features
            }
            self._rows.put(
                MARKS, _MARK, {column: json.dumps(m).encode() for column, m in marks.items()}
            )
            self._marks |= marks

    def _ensure(self, table: str) -> None:
        """Make a table; to read one that nothing was written to is no error of whoever reads."""
        if table not in self._tables:
            self._rows.create(table, {FAMILY: Family()})
            self._tables.add(table)

    def _is_current(self, column: bytes, known: dict[bytes, bool]) -> bool:
        """Tell whether no table of a feature has had a load that its values have not seen."""
        if column not in known:
            mark = self._marks.get(column)
            known[column] = mark is not None and all(
                self.newest(table) <= seen for table, seen in mark.items()
            )
        return known[column]


Form = Literal["", "since", "day"]
"""How a kept value becomes what the feature gives, where it is not that already."""


@lru_cache(maxsize=256)
def plan(features: tuple[Feature, ...]) -> list[tuple[str, list[tuple[Feature, bytes, Form]]]]:
    """Return which row table holds which of the features, those of one key together."""
    groups: dict[tuple[str, tuple[str, ...]], list[tuple[Feature, bytes, Form]]] = {}
    for feature in features:
        kind = table_of(feature), tuple(end.name for end in feature.ends)
        groups.setdefault(kind, []).append((feature, column_of(feature), _form(feature)))
    return [(table, group) for (table, _), group in groups.items()]


@lru_cache(maxsize=4096)
def column_of(feature: Feature) -> bytes:
    """Return the column of a feature: its name and the version of its definition.

    A changed definition is another column, which holds nothing until it is filled.
    """
    return f"{FAMILY}:{feature.name}@{feature.version()}".encode()


@lru_cache(maxsize=4096)
def table_of(feature: Feature) -> str:
    """Return the row table of a feature, named after what its key names."""
    name = re.sub(r"[^A-Za-z0-9]", "_", "_x_".join(feature.entities))
    return f"online_{name}"[:62]


@lru_cache(maxsize=4096)
def stands_for(feature: Feature) -> Feature:
    """Return what is kept for a feature: for `since` the instant, which time does not change."""
    single = len(feature.of.columns()) == 1
    if feature.op != "since" or not single:
        return feature
    there = None if feature.of.key else ~feature.of.is_missing()
    where = feature.where
    if there is not None:
        where = there if where is None else where & there
    moment = feature.table.fields["event_time"]
    return replace(feature, op="latest", of=moment, where=where, default=None)


def row_of(key: Sequence[str]) -> bytes:
    """Return the row of a key, given part by part."""
    if len(key) == 1:
        return key[0].encode()
    return _SEPARATOR.join(p.replace("\\", "\\\\").replace(_SEPARATOR, "\\u") for p in key).encode()


def kept(value: Any) -> Any:
    """Return a value as it is kept."""
    if isinstance(value, list):
        return [kept(one) for one in value]
    return value.isoformat() if isinstance(value, dt.date) else value


def given(form: Form, value: Any, now: int) -> Any:
    """Return a kept value as the feature gives it."""
    if value is None:
        return None
    if isinstance(value, list):
        return [given(form, one, now) for one in value]
    return (now - value) // second if form == "since" else dt.date.fromisoformat(value)


def _form(feature: Feature) -> Form:
    if stands_for(feature) is not feature:
        return "since"
    gives = OPERATORS[feature.op].gives in ("value", "list")
    return "day" if gives and feature.of.columns()[0].kind == "day" else ""


def key_of(keys: Mapping[str, str], feature: Feature) -> list[str]:
    """Return the key of a feature, part by part.

    Args:
        keys: entity or field → key.
        feature: whose key.

    Raises:
        ContractError: if a part is not given.
    """
    parts = []
    for entity, end in zip(feature.entities, feature.ends, strict=True):
        wanted = next((n for n in (entity, end.name, entity.lower()) if n in keys), None)
        if wanted is None:
            raise ContractError(f"A read needs the key of a {entity}.", got=", ".join(keys))
        parts.append(keys[wanted])
    return parts
