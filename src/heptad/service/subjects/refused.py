# SPDX-License-Identifier: Apache-2.0
"""Quarantine, as what it holds of a person: refused rows, found by what their map says of them."""

from __future__ import annotations

import json
import re
import unicodedata
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from heptad.catalog.bindings import RECORD, trees_of
from heptad.catalog.retrying import source_of
from heptad.ingest.reasons import UNREADABLE
from heptad.security.erasure import Holding
from heptad.service.subjects.holders import naming
from heptad.standards.errors import Corrupt, HeptadError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from heptad.catalog.loading import Loading
    from heptad.ingest.quarantine import Origin, Refusal
    from heptad.security.erasure import Person

    Row = tuple[str, int]
    """File and record number of a refused row."""

_BATCH = 10_000


class QuarantineHolder:
    """Refused rows: those about a person go, and the load's key with them.

    Whom a row is about is what its source's map makes of it. A row whose map tells nobody, or that
    could not even be read, goes if it quotes the person's key or a personal value of theirs.

    Args:
        loading: has the quarantine and knows the sources.
    """

    name, covers = "quarantine", ("quarantine/*",)
    lets_go = True

    def __init__(self, loading: Loading) -> None:
        self._loading, self._quarantine = loading, loading.quarantine

    def held(self, person: Person) -> list[Holding]:
        """Count refused rows."""
        found = []
        for table in self._quarantine.tables():
            n = 0
            for path in self._quarantine.paths(table):
                try:
                    n += len(self._about([person], path))
                except Corrupt:
                    continue
            if n:
                found.append(Holding(self.name, f"refused rows of {table}", n, "removed"))
        return found

    def erase(self, people: Sequence[Person]) -> int:
        """Write each file anew without their rows, and destroy the key of what was there.

        A damaged file cannot be told apart any more: its key is destroyed as it is.
        """
        gone = 0
        for table in self._quarantine.tables():
            for path in self._quarantine.paths(table):
                try:
                    rows = self._about(people, path)
                    if rows:
                        gone += self._quarantine.without(path, lambda r: (r.file, r.line) in rows)  # noqa: B023
                except Corrupt:
                    gone += self._quarantine.forget(path)
        self._quarantine.sweep()
        return gone

    def _about(self, people: Sequence[Person], path: Path) -> set[Row]:
        """Return the rows of a file that are about one of the people."""
        origin, rows = self._quarantine.raws(path)
        names = _Names(people)
        found: set[Row] = set()
        batch: list[tuple[Refusal, dict[str, Any]]] = []
        for row in rows:
            values = _values(row)
            if values is None:
                if row.raw and names.quoted(row.raw):
                    found.add((row.file, row.line))
                continue
            batch.append((row, values))
            if len(batch) >= _BATCH:
                found |= self._told(origin, batch, names)
                batch = []
        return found | self._told(origin, batch, names)

    def _told(
        self, origin: Origin, batch: list[tuple[Refusal, dict[str, Any]]], names: _Names
    ) -> set[Row]:
        """Return those of some readable rows that are about one of the people."""
        found: set[Row] = set()
        keys = self._keys(origin, batch, names.types)
        for n, (row, values) in enumerate(batch):
            told = keys.get(n)
            if bool(told & names.subjects) if told else names.quoted(*_texts(values)):
                found.add((row.file, row.line))
        return found

    def _keys(
        self, origin: Origin, batch: list[tuple[Refusal, dict[str, Any]]], kinds: frozenset[str]
    ) -> dict[int, set[str]]:
        """Return whom the rows name, by their position, as far as their map tells."""
        named: dict[int, set[str]] = defaultdict(set)
        if not batch or origin.table not in self._loading.tables:
            return named
        wanted = self._expressions(origin, kinds)
        if not wanted:
            return named
        cells = {c: pa.array([_text(v.get(c)) for _, v in batch], pa.string())
                 for c in origin.columns}  # fmt: skip
        records = pa.array([row.line for row, _ in batch], pa.int64())
        rows = pa.table(cells | {RECORD: records, "_n": pa.array(range(len(batch)), pa.int64())})
        for kind, sql in wanted:
            query = f"SELECT _n, CAST(({sql}) AS VARCHAR) AS key FROM incoming"
            try:
                made = self._loading.small.arrow(query, incoming=rows)
            except HeptadError:
                continue  # one value that the map cannot take spoils the query: words decide
            for n, key in zip(*(c.to_pylist() for c in made.columns), strict=True):
                if key and key.strip():
                    named[n].add(f"{kind}:{_standard(key)}")
        return named

    def _expressions(self, origin: Origin, kinds: frozenset[str]) -> list[tuple[str, str]]:
        """Return (type, SQL over the source's columns) of each field that names a person."""
        table = self._loading.tables[origin.table]
        try:
            trees = trees_of(source_of(self._loading, origin), table, origin.columns)
        except HeptadError:
            return []
        fields = [(kind, field.name) for kind in sorted(kinds) for field in naming(table, kind)]
        return [(kind, trees[name].sql("duckdb")) for kind, name in fields if name in trees]


class _Names:
    """Whom to look for."""

    def __init__(self, people: Sequence[Person]) -> None:
        self._people = people
        self.types = frozenset(person.type for person in people)
        self.subjects = {f"{person.type}:{_standard(person.key)}" for person in people}
        keys = "|".join(re.escape(person.key) for person in people)
        self._keys = re.compile(rf"(?<![0-9A-Za-z])(?:{keys})(?![0-9A-Za-z])")

    def quoted(self, *texts: str) -> bool:
        """Whether a text has a person's key as a word, or a personal value, in it."""
        return any(
            self._keys.search(text) or any(p.said_in(text) for p in self._people) for text in texts
        )


def _values(row: Refusal) -> dict[str, Any] | None:
    """Read a row's columns; None if it is no row."""
    if row.raw is None or row.reason in UNREADABLE:
        return None
    try:
        values = json.loads(row.raw)
    except (ValueError, RecursionError):
        return None
    return values if isinstance(values, dict) else None


def _texts(values: Mapping[str, Any]) -> Iterator[str]:
    """Yield the values of a row, those of inner objects as the JSON that they are."""
    return (text for value in values.values() if (text := _text(value)))


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False)


def _standard(key: str) -> str:
    """Write a key as ingest does."""
    return unicodedata.normalize("NFC", key).strip()
