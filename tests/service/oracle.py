# SPDX-License-Identifier: Apache-2.0
"""What a project must hold and answer, in plain Python: an oracle for loads, reads and features."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from heptad.standards.time import format_instant
from heptad.testing.definition import Version


@dataclass(frozen=True)
class Given:
    """One row as a source gives it.

    Attributes:
        values: plain values by field, in stored units; only the key and event_time of a deletion.
        known: the known_time that the source maps, µs UTC.
        gone: whether it says that the row is deleted.
    """

    values: dict[str, Any]
    known: int = 0
    gone: bool = False

    def identity(self, table) -> tuple:
        key = self.values[table.key.name]
        return (key, self.values["event_time"]) if table.state else (key,)

    def content(self) -> tuple:
        return (tuple(sorted((n, v) for n, v in self.values.items() if v is not None)), self.gone)


@dataclass
class Kept:
    """The row versions of one table in order of arrival, by the rules that users are told.

    - mapped: a version that says what is stored for the same identity and known_time is a
      duplicate; versions of an identity are ordered by their known_time.
    - assumed and arrival: a row that says what its identity said last is a duplicate; one that
      says something else corrects it from its arrival on; of two rows of one load that contradict
      each other, the first stays.
    """

    table: Any
    versions: list[Version] = field(default_factory=list)
    arrival: int = 0

    def load(self, rows: list[Given], now: int, *, known: str, known_after: int = 0) -> None:
        """Take one load."""
        self.arrival = max(now, self.arrival)
        met: dict[tuple, Given] = {}
        fresh: list[Version] = []
        for row in rows:
            identity = row.identity(self.table)
            if known == "mapped":
                if not any(self._same(row, v) for v in [*self.versions, *fresh]):
                    fresh.append(self._version(row, row.known))
                continue
            if identity in met:
                continue
            met[identity] = row
            before = [v for v in self.versions if self._identity(v) == identity]
            event = row.values["event_time"]
            if not before:
                first = event + known_after if known == "assumed" else max(self.arrival, event)
                fresh.append(self._version(row, first))
                continue
            last = max(enumerate(before), key=lambda pair: (pair[1].known, pair[0]))[1]
            if (self._filled(row), row.gone) != (last.values, last.deleted):
                fresh.append(self._version(row, max(self.arrival, event, last.known)))
        self.versions += fresh

    def _same(self, row: Given, version: Version) -> bool:
        return self._identity(version) == row.identity(self.table) and version.known == row.known

    def _identity(self, version: Version) -> tuple:
        return Given(version.values).identity(self.table)

    def _filled(self, row: Given) -> dict[str, Any]:
        names = [c.name for f in self.table.fields.values() for c in f.columns()]
        return {name: row.values.get(name) for name in names}

    def _version(self, row: Given, known: int) -> Version:
        return Version(self._filled(row), known, row.gone)

    def read(self, t: int | None, k: int | None) -> list[dict[str, Any]]:
        """The rows that hold at t as known at k, by key: the rule as §2 of the design says it."""
        last: dict[tuple, Version] = {}
        for version in sorted(self.versions, key=lambda v: v.known):
            if k is None or version.known <= k:
                last[self._identity(version)] = version
        held = [v.values for v in last.values() if not v.deleted]
        held = [row for row in held if t is None or row["event_time"] <= t]
        rows: dict[str, dict[str, Any]] = {}
        for row in sorted(held, key=lambda row: row["event_time"]):
            rows[row[self.table.key.name]] = row
        return [rows[key] for key in sorted(rows)]


def money(units: int | None) -> str:
    """Minor units of a currency with two decimals, as a source writes them."""
    return "" if units is None else f"{units // 100}.{units % 100:02d}"


def text(name: str, value: Any) -> str:
    """A value as a CSV cell."""
    if value is None:
        return ""
    if name in ("event_time", "known"):
        return format_instant(value)
    if name in ("amount", "due", "paid"):
        return money(value)
    if name == "rate":
        return f"{value // 10**9}.{value % 10**9:09d}"
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def csv_text(columns: list[str], rows: list[Given], known: bool) -> str:
    """Rows as a CSV file with a header; `op` is D for a deletion, `known` the mapped known_time."""
    names = [*columns, "op", *(["known"] if known else [])]
    lines = [",".join(names)]
    for row in rows:
        cells = {n: text(n, row.values.get(n)) for n in columns}
        cells["op"] = "D" if row.gone else "I"
        cells["known"] = format_instant(row.known)
        lines.append(",".join(cells[n] for n in names))
    return "\n".join(lines) + "\n"


def posted(row: Given) -> dict[str, Any]:
    """A row as it is posted."""
    given = {n: text(n, v) for n, v in row.values.items() if v is not None}
    return given | ({"_deleted": True} if row.gone else {})
