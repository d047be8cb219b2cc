# SPDX-License-Identifier: Apache-2.0
"""The definition of features in plain Python, slow and obvious: what every engine must equal."""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from heptad.service.features import Feature, Last
from heptad.standards import Path
from heptad.standards.evaluate import compile_row


@dataclass(frozen=True)
class Version:
    """One stored version of one row: values, known_time, whether it says that the row is gone."""

    values: dict[str, Any]
    known: int
    deleted: bool = False


def current(versions: list[Version], key: str, k: int) -> list[dict[str, Any]]:
    """Rows as known at k: the last version known of each key, in order of arrival for ties."""
    last: dict[str, Version] = {}
    for version in sorted(versions, key=lambda v: v.known):
        if version.known <= k:
            last[version.values[key]] = version
    return [v.values for v in last.values() if not v.deleted]


def value(feature: Feature, tables, key: Any, t: int, k: int, own: str | None = None) -> Any:
    """Compute one feature for one (key, t, k)."""
    if feature.parts:
        above, below = (value(p, tables, key, t, k, own) for p in feature.parts)
        return None if above is None or not below else above / below
    table = feature.table
    rows = []
    for row in current(tables[table], table.key.name, k):
        if reached(feature.by, row, tables, k) == key and key is not None:
            rows.append(row)
    edge = t - feature.delay
    ident = table.key.name
    rows = [
        r
        for r in rows
        if r["event_time"] <= edge and (r["event_time"] < t or own is None or r[ident] <= own)
    ]
    rows.sort(key=lambda r: (r["event_time"], r[ident]))
    if isinstance(feature.over, Last):
        rows = rows[-feature.over.n :]
    elif feature.over is not None:
        rows = [r for r in rows if r["event_time"] > edge - feature.over]
    return read(feature, rows, t)


def reached(by: Any, row: dict[str, Any], tables, k: int) -> Any:
    """Walk a path of Refs as known at k."""
    if not isinstance(by, Path):
        return row[by.name]
    at = row[by.fields[0].name]
    for field in by.fields[1:]:
        found = [
            r
            for r in current(tables[field.table], field.table.key.name, k)
            if r[field.table.key.name] == at
        ]
        if not found:
            return None
        at = found[0][field.name]
    return at


def read(feature: Feature, rows: list[dict[str, Any]], t: int) -> Any:
    """Apply the operator to the rows of the window."""
    name = feature.of.name
    everything = [r for r in rows if r[name] is not None]
    if feature.where is not None:
        where = compile_row(feature.where)
        rows = [r for r in rows if where(r) is True]
    held = [r for r in rows if r[name] is not None]
    values = [r[name] for r in held]
    op = feature.op
    if op == "count":
        return len(values)
    if op == "total":
        return sum(values)
    if op == "share":
        return len(values) / len(everything) if everything else None
    if op == "rate":
        return sum(values) / len(values) if values else None
    if not values:
        return None
    if op == "mean":
        return float(Fraction(sum(values), len(values)))
    if op == "spread":
        return statistics.stdev(map(Fraction, values)) if len(values) > 1 else None
    if op == "since":
        return math.floor((t - max(r["event_time"] for r in held)) / 1_000_000)
    return (
        {"smallest": min, "largest": max}[op](values)
        if op in ("smallest", "largest")
        else (values[-1] if op == "latest" else values[0])
    )
