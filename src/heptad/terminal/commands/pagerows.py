# SPDX-License-Identifier: Apache-2.0
"""Rows of tables on pages: as a table, a chart, a timeline or one number."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from heptad.engine.sql.identifiers import literal, quote
from heptad.security.access import MOST_TAGS
from heptad.service.reads.asof import read_sql
from heptad.service.reads.reading import shown
from heptad.standards import Integer, Money, Number
from heptad.standards.errors import ContractError, suggest
from heptad.standards.money import exponent
from heptad.standards.time import format_instant

if TYPE_CHECKING:
    from collections.abc import Iterator

    from heptad.runtime import Platform
    from heptad.service.reads.guard import Access
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
    """Return how many rows there are, or the total of a field over them.

    Amounts of several currencies are not added up: the total is of the currency that most rows
    have, which stands in its unit, and those of the others are told under `others`.
    """
    declared = platform.table(table)
    field = _known(declared, total) if total else None
    with _reading(platform, declared) as access:
        if field is not None:
            _require_sum(field)
        rows, columns = _chosen(platform, access, declared, where, at), [total] if total else []
        asked = _summed(field) if field is not None else "SELECT '' AS by, count(*) AS total"
        found = platform.reads.under(access).queries.arrow(f"{rows} {asked} FROM chosen GROUP BY 1")
        _note_people(platform, access, declared, rows, columns)
    sums = sorted(found.to_pylist(), key=lambda row: (-row.get("n", 0), row["by"]))
    values = {row["by"]: _scaled(field, row["total"] or 0, row["by"]) for row in sums}
    main, *others = values or {"": 0}
    told = {"value": values.get(main, 0), "unit": unit or total or "rows"}
    if not others:
        return told
    return told | {"unit": f"{told['unit']} {main}", "others": {c: values[c] for c in others}}


def _require_sum(field: Field) -> None:
    """Refuse to add up what is no number, or is stored sealed, for whomever it may be opened."""
    if not isinstance(field, Money | Number | Integer) or field.sealed:
        raise ContractError(f"{field.name} cannot be added up.", do="leave out total: count rows")


def _summed(field: Field) -> str:
    """Return what is asked of chosen rows for the totals of a field, per currency if it has one."""
    by = quote(field.currency) if isinstance(field, Money) else "''"
    total = f"sum({quote(field.name)}::HUGEINT)::VARCHAR"
    return f"SELECT {by} AS by, {total} AS total, count({quote(field.name)}) AS n"


def _scaled(field: Field | None, total: str | int, currency: str) -> int | float:
    """Return a stored total in the units that people read."""
    places = exponent(currency) if isinstance(field, Money) else 0
    places = field.scale if isinstance(field, Number) else places
    return round(int(total) / 10**places, places) if places else int(total)


def _note_people(
    platform: Platform, access: Access, declared: type[Table], rows: str, columns: list[str]
) -> None:
    """Note whom an answer in numbers is about, as far as the access log names persons."""
    names = [declared.subject.name] if declared.subject is not None else []
    told = ", ".join(map(quote, names)) or "true AS anybody"
    sql = f"{rows} SELECT DISTINCT {told} FROM chosen LIMIT {MOST_TAGS + 1}"
    found = platform.reads.under(access).queries.arrow(sql)
    access.answered(declared, found.select(names))
    access.read.columns[declared.__name__] += columns


@contextmanager
def _reading(platform: Platform, declared: type[Table]) -> Iterator[Access]:
    """Yield the read that goes on, or one for this table."""
    if platform.guard.current is not None:
        yield platform.guard.current
        return
    with platform.guard.reading("rows", **platform._reader(), table=declared.__name__) as access:
        yield access


def _found(
    platform: Platform,
    declared: type[Table],
    limit: int,
    where: dict[str, str],
    at: int | None,
) -> list[dict[str, Any]]:
    """Read rows under the read that goes on, by the clauses of a page."""
    with _reading(platform, declared) as access:
        rows = _chosen(platform, access, declared, where, at)
        key = quote(declared.key.name)
        sql = f"{rows} SELECT * FROM chosen ORDER BY event_time DESC, {key} LIMIT {limit}"
        stored = platform.reads.under(access).queries.arrow(sql)
        found = shown(declared, stored, access, platform.keys)
    return [_plain(declared, row) for row in found.to_pylist()]


def _chosen(
    platform: Platform,
    access: Access,
    declared: type[Table],
    where: dict[str, str],
    at: int | None,
) -> str:
    """Return the SQL in front of a question that names the rows of a page's clauses `chosen`."""
    access.ground(declared)
    reads = platform.reads.under(access)
    rows = read_sql(declared, reads.stored(declared).relation, t=at, k=at)
    conditions = [_condition(platform, declared, name, value) for name, value in where.items()]
    latest = "event_time = (SELECT max(event_time) FROM rows)"
    wanted = " AND ".join(latest if c == "latest" else c for c in conditions) or "true"
    sql = f"WITH rows AS ({rows}), chosen AS (SELECT * FROM rows WHERE {wanted})"
    for name, through in _throughs(platform, where).items():
        sql = sql.replace(
            name, f"({read_sql(through, reads.stored(through).relation, t=at, k=at)})"
        )
    return sql


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
