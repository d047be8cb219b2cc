# SPDX-License-Identifier: Apache-2.0
"""The definition of features in plain Python, slow and obvious: what every engine must equal."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from operator import sub
from typing import TYPE_CHECKING, Any

from heptad.service.features import Feature, Last
from heptad.service.operators.finish import entropy, finish
from heptad.standards import Money, Path, Place
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
    edge = _edge(feature, ask.t)
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


def _edge(feature: Feature, t: int) -> int:
    """Return the instant at which the window ends."""
    edge = t - feature.delay
    return edge // feature.every * feature.every if feature.every else edge


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


def _read(feature: Feature, rows: list[Row], t: int) -> Any:  # noqa: PLR0911 - one answer each
    """Apply the operator to the rows of the window."""
    whole = [row for row in rows if _of(feature, row) is not None]
    held = [row for row in _chosen(feature, rows) if _of(feature, row) is not None]
    values = [_of(feature, row) for row in held]
    n = len(values)
    if feature.op in ("count", "total"):
        return n if feature.op == "count" else sum(values)
    if feature.op == "share":
        return n / len(whole) if whole else None
    if feature.op == "streak":
        return _streak(feature, whole)
    if feature.op == "decayed":
        return _decayed(feature, held, _edge(feature, t))
    if not values or feature.op == "since":
        return (t - max(row["event_time"] for row in held)) // second if held else None
    if feature.op == "spread":
        return finish("spread", [n, sum(values), sum(v * v for v in values)])
    if feature.op in ("mean", "rate"):
        return float(Fraction(sum(values), n))
    return _varied(feature, held, values)


def _of(feature: Feature, row: Row) -> Any:
    """Return the value that the operator is applied to; a place is a pair."""
    if not isinstance(feature.of, Place):
        return row[_operand(feature)]
    pair = tuple(row[column.name] for column in feature.of.columns())
    return None if None in pair else pair


def _one(op: str, values: list[Any]) -> Any:
    """Choose one of the values, which are in order of time."""
    if op in ("smallest", "largest"):
        return min(values) if op == "smallest" else max(values)
    return values[-1] if op == "latest" else values[0]


def _varied(  # noqa: PLR0911, C901 - one answer each
    feature: Feature, held: list[Row], values: list[Any]
) -> Any:
    """Apply the operators of order and variety to at least one value, in order of time."""
    n, common = len(values), _by_frequency(values)
    times = [row["event_time"] for row in held]
    if feature.op == "percentile":
        return sorted(values)[max(1, -(-n * round(feature.argument("q") * 10**6) // 10**6)) - 1]
    if feature.op == "previous":
        k = feature.argument("k")
        return values[-1 - k] if n > k else None
    if feature.op == "sequence":
        return values[-feature.argument("n") :]
    if feature.op == "entropy":
        from heptad.service.batch.programs import LOG_SCALE, log_of

        return entropy(n, sum(log_of(values.count(v)) for v in common), LOG_SCALE)
    if feature.op == "gap":
        return max(map(sub, times[1:], times)) // second if n > 1 else None
    if feature.op == "trend":
        return _trend([Fraction(us // second) for us in times], values)
    if feature.op in ("distinct", "top", "most_common"):
        lists = {"distinct": len(common), "most_common": common[0]}
        return lists[feature.op] if feature.op in lists else common[: feature.argument("n")]
    if isinstance(feature.of, Place):
        return _placed(feature, times, values)
    return _one(feature.op, values)


def _by_frequency(values: list[Any]) -> list[Any]:
    """Return the different values, most frequent first; ties go to the one met last."""
    last = {value: n for n, value in enumerate(values)}
    return sorted(last, key=lambda value: (-values.count(value), -last[value]))


def _streak(feature: Feature, rows: list[Row]) -> int:
    """Count the last rows in a row of which `where` is true."""
    kept = [bool(_chosen(feature, [row])) for row in rows]
    return kept[::-1].index(False) if False in kept else len(kept)


def _decayed(feature: Feature, held: list[Row], edge: int) -> float:
    """Add up the values, halved for every half-life in steps of 1/1024."""
    half, amount = feature.argument("half"), 0
    for row in held:
        age = edge - row["event_time"]
        weight = round(2.0 ** (40 - age % half * 1024 // half / 1024)) >> age // half
        amount += weight * (_of(feature, row) if feature.of.kind == "integer" else 1)
    return amount / 2**40


def _trend(seconds: list[Fraction], values: list[int]) -> float | None:
    """Slope of the least-squares line, per day."""
    n, center = len(values), sum(seconds) / len(values)
    below = sum((x - center) ** 2 for x in seconds)
    middle = Fraction(sum(values), n)
    above = sum((x - center) * (y - middle) for x, y in zip(seconds, values, strict=True))
    return float(above / below * 86_400) if below else None


def _placed(  # noqa: PLR0911 - one answer each
    feature: Feature, times: list[int], places: list[tuple[int, int]]
) -> Any:
    """Apply the operators of places to at least one place, in order of time."""
    from heptad.analysis.legs import leg

    if feature.op == "distance":
        return sum(leg(*a, *b) for a, b in pairwise(places)) / 1000
    if feature.op == "moved":
        return leg(*places[0], *places[-1]) / 1000
    if feature.op == "speed":
        apart = times[-1] - times[-2] if len(times) > 1 else 0
        return leg(*places[-2], *places[-1]) * 1000 / apart if apart else None
    if feature.op == "inside":
        return _inside(places[-1], feature.argument("fence"))
    if feature.op == "near":
        points = feature.argument("layer")
        most = feature.argument("metres") * 1000
        return any(
            leg(*places[-1], *point) <= most for point in zip(points.lats, points.lons, strict=True)
        )
    if feature.op == "region":
        return _region(places[-1], feature.argument("regions"))
    from h3.api.basic_int import latlng_to_cell

    size = feature.argument("resolution")
    return len({latlng_to_cell(lat / 1e7, lon / 1e7, size) for lat, lon in places})


def _region(place: tuple[int, int], regions: Any) -> str | None:
    """Name the first region that a place lies in."""
    for n, name in enumerate(regions.names):
        edges = [(e[:2], e[2:4]) for e in regions.edges.tolist() if e[4] == n]
        if _odd(place, edges):
            return str(name)
    return None


def _inside(place: tuple[int, int], fence: Any) -> bool:
    """Tell whether a place lies in a ring."""
    ring = list(zip(fence.lats, fence.lons, strict=True))
    return _odd(place, list(zip(ring, [ring[-1], *ring[:-1]], strict=True)))


def _odd(place: tuple[int, int], edges: Sequence[tuple[Sequence[int], Sequence[int]]]) -> bool:
    """Tell whether a ray to the east crosses the edges an odd number of times."""
    lat, lon = place
    crossed = 0
    for (a, x), (b, y) in edges:
        if (a > lat) != (b > lat):
            crossed += lon < x + Fraction((y - x) * (lat - a), b - a)
    return crossed % 2 == 1
