# SPDX-License-Identifier: Apache-2.0
"""Features as Flink SQL: one query per window; what Flink cannot say is refused by name."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any

from heptad.engine.flink.dialect import condition, name
from heptad.service.features import Feature, Last, parts_of, result_of, steps_of
from heptad.service.operators.declared import OPERATORS
from heptad.standards.errors import ContractError
from heptad.standards.time import day

if TYPE_CHECKING:
    from collections.abc import Sequence

MILLISECOND = 1_000
EVENTS = "events"
"""The table that queries read."""
_WIDE = "DECIMAL(38, 0)"


@dataclass
class FlinkQuery:
    """One query for Flink.

    Attributes:
        sql: SELECT from `events`; every column it gives is text.
        columns: feature → its columns of state.
        edged: whether rows are (keys, `_edge`) of a tumbling window, else the rows of the events.
        every: of the window.
        keys: how many columns `_key0`, … the key has.
    """

    sql: str
    columns: dict[str, list[str]] = field(default_factory=dict)
    edged: bool = False
    every: int = 0
    keys: int = 1


def why_not(feature: Feature) -> str:
    """Say why Flink cannot compute a feature exactly, or ''."""
    if feature.parts:
        return next(filter(None, map(why_not, feature.parts)), "")
    for refused, why in _REFUSALS:
        if refused(feature):
            return why.format(f=feature)
    try:
        if feature.where is not None:
            condition(feature.where)
    except ContractError as error:
        return error.what
    return ""


def _odd(feature: Feature) -> bool:
    return isinstance(feature.over, int) and bool(feature.every and feature.over % feature.every)


def _long(feature: Feature) -> bool:
    return isinstance(feature.over, int) and feature.over >= 1_000 * day


def _fine(feature: Feature) -> bool:
    lengths = (feature.over if isinstance(feature.over, int) else 0, feature.every)
    return any(length % MILLISECOND for length in lengths)


_REFUSALS: tuple[tuple[Any, str], ...] = (
    (lambda f: OPERATORS[f.op].tier == 2 and f.op != "distinct",
     "Flink SQL has no {f.op} that is exact: no user function runs in our streams"),
    (lambda f: f.op == "distinct" and bool(f.every), "distinct is not asked of tumbling windows"),
    (lambda f: len(f.of.columns()) != 1, "Flink SQL has no places"),
    (lambda f: bool(f.into), "into: a rate as known at k is not a join that Flink SQL has"),
    (lambda f: bool(f.delay), "delay: a window of Flink SQL ends at the row itself"),
    (lambda f: any(len(steps_of(by)) > 1 for by in f.keys),
     "by walks over Refs: a walk as known at k is not a join that Flink SQL has"),
    (lambda f: bool(f.every) and not isinstance(f.over, int),
     "every goes with a length of time only"),
    (_odd, "every does not divide over: Flink's windows hop by whole parts"),
    (_long, "Flink's intervals end at 999 days"),
    (_fine, "Flink's event time counts milliseconds, and the window is finer"),
)  # fmt: skip
"""What is refused, and why; in this order."""


def flink_plan(features: Sequence[Feature]) -> list[FlinkQuery]:
    """Return the queries of features of one table, one per key and window.

    Raises:
        ContractError: if Flink cannot compute one of them exactly.
    """
    groups: dict[tuple[str, ...], list[Feature]] = defaultdict(list)
    for feature in parts_of(features):
        why = why_not(feature)
        if why:
            raise ContractError(f"{feature.sentence()} is not computed on Flink.", got=why)
        groups[repr(feature.keys), repr(feature.over), str(feature.every)].append(feature)
    return [_query(group) for group in groups.values()]


def _query(group: Sequence[Feature]) -> FlinkQuery:
    first = group[0]
    keys = [name(steps_of(by)[0].name) for by in first.keys]
    query = FlinkQuery("", edged=bool(first.every), every=first.every, keys=len(keys))
    over = "" if first.every else " OVER w"
    selected: list[str] = []
    for n, feature in enumerate(group):
        made = _state(feature)
        query.columns[feature.name] = [f"f{n}_{i}" for i in range(len(made))]
        selected += [f"CAST({text}{over} AS STRING) AS f{n}_{i}" for i, text in enumerate(made)]
    there = " AND ".join(f"{key} IS NOT NULL" for key in keys)
    if first.every:
        query.sql = _tumbled(first, keys, selected, there)
    else:
        query.sql = (
            f"SELECT `_id`, {', '.join(selected)} FROM {EVENTS} WHERE {there} WINDOW w AS "
            f"(PARTITION BY {', '.join(keys)} ORDER BY `_rt` {_frame(first)})"
        )
    return query


def _frame(feature: Feature) -> str:
    """Write the window of a row: it ends with the row itself."""
    if isinstance(feature.over, Last):
        return f"ROWS BETWEEN {feature.over.n - 1} PRECEDING AND CURRENT ROW"
    if feature.over is None:
        return "RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW"
    # Both ends of Flink's range belong to it; ours is open where it begins.
    reach = _interval(feature.over - MILLISECOND)
    return f"RANGE BETWEEN {reach} PRECEDING AND CURRENT ROW"


def _tumbled(feature: Feature, keys: Sequence[str], selected: Sequence[str], there: str) -> str:
    """Write windows (edge - over, edge] at whole multiples of `every`."""
    assert isinstance(feature.over, int)  # noqa: S101 - others are refused
    every, over = _interval(feature.every), _interval(feature.over)
    # Flink's windows are [start, end): a millisecond later they are ours.
    sizes = every if feature.over == feature.every else f"{every}, {over}"
    kind = "TUMBLE" if feature.over == feature.every else "HOP"
    named = [f"CAST({key} AS STRING) AS `_key{n}`" for n, key in enumerate(keys)]
    return (
        f"SELECT {', '.join(named)}, CAST(window_end AS STRING) AS `_edge`, {', '.join(selected)} "
        f"FROM TABLE({kind}(TABLE {EVENTS}, DESCRIPTOR(`_rt`), {sizes}, {_interval(MILLISECOND)})) "
        f"WHERE {there} GROUP BY {', '.join(keys)}, window_start, window_end"
    )


def _interval(length: int) -> str:
    """Write a length of time in whole milliseconds."""
    seconds, rest = divmod(length // MILLISECOND, 1000)
    days, seconds = divmod(seconds, 86_400)
    hours, seconds = divmod(seconds, 3_600)
    clock = f"{hours:02d}:{seconds // 60:02d}:{seconds % 60:02d}.{rest:03d}"
    return f"INTERVAL '{days} {clock}' DAY(3) TO SECOND(3)"


def _state(feature: Feature) -> list[str]:
    """Write the aggregates of one feature, each followed by its window."""
    of = name(feature.of.columns()[0].name)
    test = "" if feature.where is None else f" AND {condition(feature.where)}"
    held = f"CASE WHEN {of} IS NOT NULL{test} THEN {{}} END"
    n = f"COUNT({held.format('1')})"
    if feature.op in ("latest", "earliest"):
        best = "MAX" if feature.op == "latest" else "MIN"
        dated = f"CONCAT(LPAD(CAST(`_us` AS STRING), 20, '0'), CAST({of} AS STRING))"
        return [f"{best}({held.format(dated)})"]
    wide = f"CAST({of} AS {_WIDE})"
    narrow = f"CAST({of} AS DECIMAL(19, 0))"
    made: dict[str, list[str]] = {
        "count": [n],
        "total": [f"SUM({held.format(wide)})", n],
        "mean": [f"SUM({held.format(wide)})", n],
        "smallest": [f"MIN({held.format(of)})"],
        "largest": [f"MAX({held.format(of)})"],
        "spread": [n, f"SUM({held.format(wide)})", f"SUM({held.format(f'{narrow} * {narrow}')})"],
        "share": [n, f"COUNT({of})"],
        "rate": [f"COUNT(CASE WHEN {of}{test} THEN 1 END)", n],
        "since": [f"MAX({held.format('`_us`')})"],
        "distinct": [f"COUNT(DISTINCT {held.format(of)})"],
    }
    return made[feature.op]


def parsed(feature: Feature, state: Sequence[str | None], t: int) -> Any:
    """Turn the state that Flink gave into the value of a feature, without its default.

    Args:
        feature: no ratio.
        state: its columns of one row.
        t: the instant asked about, microseconds.

    Raises:
        ContractError: if a total left 38 digits there, or 64 bits.
    """
    from heptad.service.operators.finish import finish

    if feature.op in ("latest", "earliest"):
        return None if state[0] is None else _value(feature, state[0][20:])
    numbers = [None if v is None else int(v) for v in state]
    _check_total(feature, numbers)
    if feature.op in ("mean", "share", "rate", "spread"):
        return finish(feature.op, numbers)
    if feature.op == "since":
        return None if numbers[0] is None else (t - numbers[0]) // 1_000_000
    if feature.op in ("count", "total"):
        return numbers[0] or 0
    # What nobody has seen has no different values, and so none to count.
    return numbers[0] or None if feature.op == "distinct" else numbers[0]


def _check_total(feature: Feature, numbers: Sequence[int | None]) -> None:
    sums = {"total": (0, 1), "mean": (0, 1), "spread": (2, 0)}
    if feature.op not in sums:
        return
    total, n = (numbers[i] for i in sums[feature.op])
    lost = bool(n) and total is None
    if lost or (feature.op != "spread" and abs(total or 0) >= 2**63):
        raise ContractError(
            f"A total leaves 64 bits in one of: {feature.name}.",
            do="shorten the window, or check the unit of the amounts",
        )


def _value(feature: Feature, text: str) -> Any:
    kind = result_of(feature)
    if kind in ("integer", "instant"):
        return int(text)
    if kind == "flag":
        return text.lower() == "true"
    return date.fromisoformat(text) if kind == "day" else text
