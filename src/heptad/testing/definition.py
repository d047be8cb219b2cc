# SPDX-License-Identifier: Apache-2.0
"""The definition of features in plain Python, slow and obvious: what every engine must equal."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from heptad.service.features import Feature, Last
from heptad.service.finish import finish
from heptad.standards import Money, Path
from heptad.standards.evaluate import compile_row
from heptad.standards.model import Rate
from heptad.standards.money import exponent
from heptad.standards.time import second

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from heptad.standards import Field, Table

    Row = dict[str, Any]
    Rows = Mapping[type[Table], Sequence["Version"]]


@dataclass(frozen=True)
class Version:
    """One stored version of one row: its values, known_time, whether it says that the row is gone."""

    values: dict[str, Any]
    known: int
    deleted: bool = False


@dataclass(frozen=True)
class Ask:
    """Where a feature is asked: key, t and k in microseconds, and the row's own key if it is one.

    A key of several parts is a tuple.
    """

    key: str | tuple[str | None, ...] | None
    t: int
    k: int
    own: str | None = None


def current(versions: Sequence[Version], key: str, k: int) -> list[Row]:
    """Return the rows as known at k: of each key the version known last, in order of arrival."""
    last: dict[str, Version] = {}
    for version in sorted(versions, key=lambda v: v.known):
        if version.known <= k:
            last[version.values[key]] = version
    return [v.values for v in last.values() if not v.deleted]


def value(feature: Feature, tables: Rows, ask: Ask) -> Any:
    """Compute one feature where it is asked; the default stands where there is no value."""
    found = _value(feature, tables, ask)
    return feature.default if found is None else found


def _value(feature: Feature, tables: Rows, ask: Ask) -> Any:
    if feature.parts:
        above, below = (value(part, tables, ask) for part in feature.parts)
        return None if above is None or not below else above / below
    rows = _window(feature, tables, ask)
    if feature.into:
        return _converted(feature, rows, tables, ask)
    return _read(feature, rows, ask.t)


def _converted(feature: Feature, rows: list[Row], tables: Rows, ask: Ask) -> Any:
    """Apply the operator to amounts in one currency; one that cannot be makes it unknown."""
    raw, name = feature.of.name, _operand(feature)
    rows = [{**row, name: _exchanged(feature, row, tables, ask.k)} for row in rows]
    lost = any(r[raw] is not None and r[name] is None for r in _chosen(feature, rows))
    counted = feature.op in ("count", "share", "since")
    return None if lost and not counted else _read(feature, rows, ask.t)


def _operand(feature: Feature) -> str:
    """Name the value that the operator is applied to."""
    return f"{feature.of.name}>{feature.into}" if feature.into else feature.of.name


def _chosen(feature: Feature, rows: list[Row]) -> list[Row]:
    """Return the rows of which `where` is true."""
    if feature.where is None:
        return rows
    where = compile_row(feature.where)
    return [row for row in rows if where(row) is True]


def _exchanged(feature: Feature, row: Row, tables: Rows, k: int) -> int | None:
    """Convert an amount at the rate that applied at the event, as known at k: halves away from 0."""
    of, amount = feature.of, row[feature.of.name]
    code = str(row[of.currency]) if isinstance(of, Money) else ""
    if amount is None or code == feature.into:
        return None if amount is None else int(amount)
    rates = [
        (rate["event_time"], rate["id"], rate["rate"])
        for rate in current(tables[Rate], "id", k)
        if (rate["base"], rate["quote"]) == (code, feature.into)
        and rate["event_time"] <= row["event_time"]
    ]
    if not rates:
        return None
    exact = Fraction(amount * max(rates)[2], 10**9) * Fraction(10) ** (
        exponent(feature.into) - exponent(code)
    )
    whole = int(abs(exact) + Fraction(1, 2))
    return whole if exact >= 0 else -whole


def _window(feature: Feature, tables: Rows, ask: Ask) -> list[Row]:
    """Return the events of the window, in order."""
    table, key = feature.table, feature.table.key.name
    edge = ask.t - feature.delay
    if feature.every:
        edge = edge // feature.every * feature.every
    asked = ask.key if isinstance(ask.key, tuple) else (ask.key,)
    rows = [
        row
        for row in current(tables[table], key, ask.k)
        if None not in asked
        and tuple(_reached(by, row, tables, ask.k) for by in feature.keys) == asked
        and row["event_time"] <= edge
        and (row["event_time"] < ask.t or ask.own is None or row[key] <= ask.own)
    ]
    rows.sort(key=lambda row: (row["event_time"], row[key]))
    if isinstance(feature.over, Last):
        return rows[-feature.over.n :]
    if feature.over is not None:
        return [row for row in rows if row["event_time"] > edge - feature.over]
    return rows


def _reached(by: Field | Path, row: Row, tables: Rows, k: int) -> Any:
    """Walk one part of `by` as known at k."""
    if not isinstance(by, Path):
        return row[by.name]
    at = row[by.fields[0].name]
    for field in by.fields[1:]:
        key = field.table.key.name
        found = [r for r in current(tables[field.table], key, k) if r[key] == at]
        if not found:
            return None
        at = found[0][field.name]
    return at


def _read(feature: Feature, rows: list[Row], t: int) -> Any:
    """Apply the operator to the rows of the window."""
    name = _operand(feature)
    whole = sum(row[name] is not None for row in rows)
    held = [row for row in _chosen(feature, rows) if row[name] is not None]
    values = [row[name] for row in held]
    n = len(values)
    if feature.op in ("count", "total"):
        return n if feature.op == "count" else sum(values)
    if feature.op == "share":
        return n / whole if whole else None
    if not values or feature.op == "since":
        return (t - max(row["event_time"] for row in held)) // second if held else None
    if feature.op == "spread":
        return finish("spread", [n, sum(values), sum(v * v for v in values)])
    if feature.op in ("mean", "rate"):
        return float(Fraction(sum(values), n))
    return _one(feature.op, values)


def _one(op: str, values: list[Any]) -> Any:
    """Choose one of the values, which are in order of time."""
    if op in ("smallest", "largest"):
        return min(values) if op == "smallest" else max(values)
    return values[-1] if op == "latest" else values[0]
