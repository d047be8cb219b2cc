# SPDX-License-Identifier: Apache-2.0
"""Rows of tables on pages: as a table, a chart, a timeline or one number."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from heptad.engine.sql.identifiers import literal, quote
from heptad.service.reads.asof import read_sql
from heptad.service.reads.reading import shown
from heptad.standards import Money, Number
from heptad.standards.errors import ContractError, suggest
from heptad.standards.money import exponent
from heptad.standards.time import format_instant

if TYPE_CHECKING:
    from heptad.runtime import Platform
    from heptad.standards import Field, Table

MOST = 5_000
_EPOCH = date(1970, 1, 1)


def table_rows(
    platform: Platform,
    table: str,
    columns: str = "",
    limit: str = "50",
    at: int | None = None,
    **where: str,
) -> list[dict[str, Any]]:
    """Return rows as people read them, the latest first.

    Args:
        platform: the open project.
        table: its name.
        columns: fields to show, with commas between; all of them by default.
        limit: most rows.
        at: as of this instant, microseconds; now by default.
        **where: field → value, or values with commas; `latest=yes` for the rows of the latest
            instant only; `through=Loan.application` for the row that those rows refer to.
    """
    rows = _found(platform, platform.table(table), int(limit), where, at)
    names = columns.split(",") if columns else None
    return [{n: row[n] for n in names or row} for row in rows]


def chart_rows(  # noqa: PLR0913, PLR0917 - what is drawn against what
    platform: Platform,
    table: str,
    x: str,
    y: str,
    by: str = "",
    drawn: str = "bars",
    at: int | None = None,
    **where: str,
) -> dict[str, Any]:
    """Return one series of points for each value of `by`, in order of x.

    `drawn` says how: `bars` of counts, which add up, or `lines` of measures, which do not.
    """
    rows = _found(platform, platform.table(table), MOST, where, at)
    series: dict[str, list[list[Any]]] = {}
    for row in rows:
        series.setdefault(str(row[by]) if by else y, []).append([row[x], row[y]])
    return {
        "x": x,
        "y": y,
        "drawn": drawn,
        "series": [
            {"name": n, "points": sorted(points, key=lambda p: str(p[0]))}
            for n, points in sorted(series.items())
        ],
    }


def timeline_rows(
    platform: Platform,
    table: str,
    kind: str,
    text: str,
    limit: str = "100",
    at: int | None = None,
    **where: str,
) -> list[dict[str, Any]]:
    """Return rows as events: `kind` is a field, `text` fields with commas between."""
    return [
        {
            "at": row["event_time"],
            "kind": str(row[kind]),
            "text": ", ".join(f"{n} {row[n]}" for n in text.split(",") if row[n] is not None),
        }
        for row in _found(platform, platform.table(table), int(limit), where, at)
    ]


def count_rows(
    platform: Platform,
    table: str,
    total: str = "",
    unit: str = "",
    at: int | None = None,
    **where: str,
) -> dict[str, Any]:
    """Return how many rows there are, or the total of a field over them."""
    rows = _found(platform, platform.table(table), 1_000_000, where, at)
    value = round(sum(row[total] or 0 for row in rows), 6) if total else len(rows)
    return {"value": value, "unit": unit or (total or "rows")}


def _found(
    platform: Platform,
    declared: type[Table],
    limit: int,
    where: dict[str, str],
    at: int | None,
) -> list[dict[str, Any]]:
    """Read rows under the read that goes on, by the clauses of a page."""
    access = platform.guard.current
    if access is None:
        with platform.guard.reading("rows", **platform._reader(), table=declared.__name__):
            return _found(platform, declared, limit, where, at)
    reads = platform.reads.under(access)
    rows = read_sql(declared, reads.stored(declared).relation, t=at, k=at)
    conditions = [_condition(platform, declared, name, value) for name, value in where.items()]
    latest = "event_time = (SELECT max(event_time) FROM rows)"
    wanted = " AND ".join(latest if c == "latest" else c for c in conditions) or "true"
    key = quote(declared.key.name)
    sql = (
        f"WITH rows AS ({rows}) SELECT * FROM rows WHERE {wanted} "
        f"ORDER BY event_time DESC, {key} LIMIT {limit}"
    )
    for name, through in _throughs(platform, where).items():
        sql = sql.replace(
            name, f"({read_sql(through, reads.stored(through).relation, t=at, k=at)})"
        )
    found = shown(declared, reads.queries.arrow(sql), access, platform.keys)
    return [_plain(declared, row) for row in found.to_pylist()]


def _throughs(platform: Platform, where: dict[str, str]) -> dict[str, type[Table]]:
    if "through" not in where:
        return {}
    name = where["through"].partition(".")[0]
    return {f"$through_{name}": platform.table(name)}


def _condition(platform: Platform, declared: type[Table], name: str, value: str) -> str:
    """Return one clause of a page as SQL."""
    if name == "latest":
        return "latest"
    if name == "through":
        table, _, rest = value.partition(".")
        field, _, key = rest.partition(":")
        of = platform.table(table)
        _known(of, field)
        return (
            f"{quote(declared.key.name)} IN (SELECT {quote(field)} FROM $through_{table} "
            f"WHERE {quote(of.key.name)} = {literal(key)})"
        )
    _known(declared, name)
    values = ", ".join(literal(v) for v in value.split(","))
    return f"CAST({quote(name)} AS VARCHAR) IN ({values})"


def _known(table: type[Table], name: str) -> Field:
    if name not in table.fields:
        raise ContractError(
            f"{table.__name__} has no field {name!r}.", got=name, do=suggest(name, table.fields)
        )
    return table.fields[name]


def _plain(table: type[Table], row: dict[str, Any]) -> dict[str, Any]:
    """Return a stored row in the units that people read."""
    found = {}
    for name, field in table.fields.items():
        value = row.get(name)
        if value is not None and isinstance(field, Money):
            places = exponent(row[field.currency])
            value = round(value / 10**places, places)
        elif value is not None and isinstance(field, Number):
            value = round(value / 10**field.scale, field.scale)
        elif value is not None and field.kind == "instant":
            value = format_instant(value)
        elif isinstance(value, int) and field.kind == "day":
            value = (_EPOCH + timedelta(days=value)).isoformat()
        elif isinstance(value, date):
            value = value.isoformat()
        found[name] = value
    return found
