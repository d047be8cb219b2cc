# SPDX-License-Identifier: Apache-2.0
"""The SQL form of declared functions: each gives what its row form gives, bit for bit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlglot
from sqlglot import exp

from heptad.standards.calendars import calendar
from heptad.standards.wording import alphabets, like_text
from heptad.standards.zones import FIRST, LAST, offsets

if TYPE_CHECKING:
    from collections.abc import Callable

    from heptad.standards.resolve import Typed

    Build = Callable[[Typed, list[exp.Expr]], exp.Expr]

LISTS = "lists"
"""The relation that `listed` reads: list, value, valid_from, valid_until, known_from, known_until."""

_PARTS = "abcd"


def function_sql(node: Typed, arguments: list[exp.Expr]) -> exp.Expr:
    """Write a declared function whose arguments are written already."""
    return _BUILDERS[node.op](node, arguments)


def _call(name: str, *arguments: exp.Expr) -> exp.Expr:
    return exp.Anonymous(this=name, expressions=list(arguments))


def _text(value: str) -> exp.Expr:
    return exp.Literal.string(value)


def _let(template: str, arguments: list[exp.Expr]) -> exp.Expr:
    """Write each argument once, however often the template names it: v.a, v.b.

    A null argument makes the whole null, as in the row form.
    """
    names = list(_PARTS[: len(arguments)])
    fields = [
        exp.PropertyEQ(this=exp.to_identifier(n), expression=a)
        for n, a in zip(names, arguments, strict=True)
    ]
    there = " AND ".join(f"v.{n} IS NOT NULL" for n in names)
    # Written as it stands: only constants that were checked before are part of a template, and to
    # parse the offsets of a zone takes longer than to run the query.
    body = exp.Var(this=f"CASE WHEN {there} THEN {template} END")
    test = exp.Lambda(this=body, expressions=[exp.to_identifier("v")])
    listed = exp.Array(expressions=[exp.Struct(expressions=fields)])
    return _call("LIST_EXTRACT", _call("LIST_TRANSFORM", listed, test), exp.Literal.number(1))


def _template(template: str) -> Build:
    return lambda node, arguments: _let(template, arguments)  # noqa: ARG005 - no constants


def _named(name: str) -> Build:
    return lambda node, arguments: _call(name, *arguments)  # noqa: ARG005 - no constants


def _big(name: str) -> Build:
    made = f"CAST({name}(v.a) AS BIGINT)"
    return lambda node, arguments: _let(made, arguments)  # noqa: ARG005 - no constants


def _plain(_: Typed, arguments: list[exp.Expr]) -> exp.Expr:
    out_of, into = alphabets()
    return _call("TRANSLATE", arguments[0], _text(out_of), _text(into))


def _join(_: Typed, arguments: list[exp.Expr]) -> exp.Expr:
    made = arguments[0]
    for argument in arguments[1:]:
        made = exp.DPipe(this=made, expression=argument, safe=True)
    return exp.Paren(this=made)


def _like(node: Typed, arguments: list[exp.Expr]) -> exp.Expr:
    wanted = _text(like_text(str(node.arguments[1].value)))
    like = exp.Like(this=arguments[0], expression=wanted)
    return exp.Paren(this=exp.Escape(this=like, expression=_text("!")))


def _left(node: Typed, arguments: list[exp.Expr]) -> exp.Expr:
    return _call("LEFT", arguments[0], exp.Literal.number(int(str(node.arguments[1].value))))


def _decimals(node: Typed, arguments: list[exp.Expr]) -> exp.Expr:
    scale = f"CAST('{10.0 ** int(str(node.arguments[1].value))!r}' AS DOUBLE)"
    return _let(
        f"CASE WHEN ISFINITE(v.a * {scale}) THEN (ROUND_EVEN(v.a * {scale}, 0) + 0.0::DOUBLE) / {scale} END",
        arguments[:1],
    )


def _local(name: str) -> str:
    """Return SQL for the microseconds that a zone's clocks show at v.a, by binary search."""
    table = offsets(name)

    def search(low: int, high: int) -> str:
        if low == high:
            return str(table.ahead[low])
        middle = (low + high + 1) // 2
        later, before = search(middle, high), search(low, middle - 1)
        return f"CASE WHEN v.a >= {table.at[middle]} THEN {later} ELSE {before} END"

    return f"(v.a + {search(0, len(table.at) - 1)})"


def _date(node: Typed, arguments: list[exp.Expr]) -> exp.Expr:
    shown = _local(str(node.arguments[1].value))
    day = f"DATE '1970-01-01' + CAST({shown} // 86400000000 AS INTEGER)"
    # Local time before 1970, just after the epoch in the west, must be rounded down.
    early = f"CASE WHEN {shown} < 0 THEN DATE '1969-12-31' ELSE {day} END"
    inner = early if min(offsets(str(node.arguments[1].value)).ahead) < 0 else day
    return _let(f"CASE WHEN v.a >= {FIRST} AND v.a < {LAST} THEN {inner} END", arguments[:1])


def _hour(node: Typed, arguments: list[exp.Expr]) -> exp.Expr:
    shown = _local(str(node.arguments[1].value))
    hour = f"(({shown} % 86400000000 + 86400000000) % 86400000000) // 3600000000"
    return _let(f"CASE WHEN v.a >= {FIRST} AND v.a < {LAST} THEN {hour} END", arguments[:1])


def _days(days: tuple[int, ...]) -> str:
    from datetime import date as day

    return ", ".join(f"DATE '{day.fromordinal(n).isoformat()}'" for n in days)


def _covered(name: str, part: str) -> str:
    found = calendar(name)
    return (
        f"v.{part} >= DATE '{found.first:04}-01-01' AND v.{part} < DATE '{found.last + 1:04}-01-01'"
    )


def _business(node: Typed, arguments: list[exp.Expr]) -> exp.Expr:
    name = str(node.arguments[1].value)
    found = calendar(name)
    weekend = ", ".join(map(str, sorted(found.weekend))) or "0"
    extra = f"v.a IN ({_days(found.extra)})" if found.extra else "false"
    free = f"v.a NOT IN ({_days(found.free)})" if found.free else "true"
    inner = f"CASE WHEN ISODOW(v.a) IN ({weekend}) THEN {extra} ELSE {free} END"
    return _let(f"CASE WHEN {_covered(name, 'a')} THEN {inner} END", arguments[:1])


def _until(name: str, part: str) -> str:
    """Return SQL for the worked days from a fixed Monday up to v.part."""
    found = calendar(name)
    day = f"v.{part}"
    passed = f"(({day} - DATE '1969-12-29') + 1)"
    worked = [n for n in range(1, 8) if n not in found.weekend]
    rest = " + ".join(f"CAST({passed} % 7 >= {n} AS BIGINT)" for n in worked) or "0"
    made = f"({passed} // 7) * {len(worked)} + {rest}"
    for sign, days in (("-", found.free), ("+", found.extra)):
        if days:
            made += f" {sign} LEN(LIST_FILTER([{_days(days)}], LAMBDA h: h <= {day}))"
    return f"({made})"


def _business_days(node: Typed, arguments: list[exp.Expr]) -> exp.Expr:
    name = str(node.arguments[2].value)
    inner = f"CAST({_until(name, 'b')} - {_until(name, 'a')} AS BIGINT)"
    return _let(
        f"CASE WHEN {_covered(name, 'a')} AND {_covered(name, 'b')} THEN {inner} END",
        arguments[:2],
    )


def _listed(node: Typed, arguments: list[exp.Expr]) -> exp.Expr:
    """Ask the relation of lists, at the row's own instant and as known by then.

    Of several entries of a value the one that began last counts, as for the feature.
    """
    value = exp.Cast(this=arguments[0], to=exp.DataType.build("VARCHAR", dialect="duckdb"))
    entry = sqlglot.parse_one(  # the relation is `LISTS`
        f'SELECT 1 FROM {LISTS} AS l WHERE l.valid_from <= "event_time" '
        'AND l.known_from <= "known_time" AND "known_time" < l.known_until '
        'HAVING max_by(l.valid_until, l.valid_from) > "event_time"',
        dialect="duckdb",
    )
    for name, wanted in (("list", _text(str(node.arguments[1].value))), ("value", value)):
        same = exp.EQ(this=exp.column(name, table="l"), expression=wanted)
        entry = exp.Select.where(entry, same)  # type: ignore[type-var]
    missing = exp.Is(this=arguments[0].copy(), expression=exp.null())
    exists = exp.Exists(this=entry)
    return exp.Case(ifs=[exp.If(this=missing, true=exp.null())], default=exists)


_SIMILAR = """CASE WHEN v.a = '' AND v.b = '' THEN CAST(1 AS DOUBLE)
ELSE CAST(1 AS DOUBLE) - CAST(LEVENSHTEIN(v.a, v.b) AS DOUBLE)
/ CAST(GREATEST(STRLEN(v.a), STRLEN(v.b)) AS DOUBLE) END"""
_AGE = """CAST(YEAR(v.b) - YEAR(v.a) - CASE WHEN MONTH(v.b) * 100 + DAY(v.b)
< MONTH(v.a) * 100 + DAY(v.a) THEN 1 ELSE 0 END AS BIGINT)"""
_FLOORED = "((CAST(v.a AS HUGEINT) % v.b) + v.b) % v.b"
_QUOTIENT = f"""CASE WHEN v.b <> 0
THEN TRY_CAST((CAST(v.a AS HUGEINT) - ({_FLOORED})) // v.b AS BIGINT) END"""
_REMAINDER = f"CASE WHEN v.b <> 0 THEN CAST({_FLOORED} AS BIGINT) END"
_RADIANS = "CAST('1.7453292519943295e-09' AS DOUBLE)"
_UP = f"SIN((v.c * {_RADIANS} - v.a * {_RADIANS}) * 0.5::DOUBLE)"
_ACROSS = f"SIN((v.d - v.b) * {_RADIANS} * 0.5::DOUBLE)"
_CHORD = (
    f"""({_UP} * {_UP} + COS(v.a * {_RADIANS}) * COS(v.c * {_RADIANS}) * {_ACROSS} * {_ACROSS})"""
)
_METRES = f"""CASE WHEN v.a BETWEEN -900000000 AND 900000000 AND v.c BETWEEN -900000000 AND 900000000
AND v.b BETWEEN -1800000000 AND 1800000000 AND v.d BETWEEN -1800000000 AND 1800000000
THEN CAST(FLOOR(CAST('12742017.6' AS DOUBLE) * ASIN(LEAST(1::DOUBLE, SQRT({_CHORD})))
+ 0.5::DOUBLE) AS BIGINT) END"""
_POWER = "CASE WHEN ISFINITE(POW(v.a, v.b)) THEN POW(v.a, v.b) END"

_BUILDERS: dict[str, Build] = {
    "ends": _named("ENDS_WITH"), "trim": _named("TRIM"), "plain": _plain, "left": _left,
    "join": _join, "like": _like, "edits": _template("CAST(LEVENSHTEIN(v.a, v.b) AS BIGINT)"),
    "similar": _template(_SIMILAR), "power": _template(_POWER),
    "round": _template("TRY_CAST(ROUND_EVEN(v.a, 0) AS BIGINT)"),
    "floor": _template("TRY_CAST(FLOOR(v.a) AS BIGINT)"), "decimals": _decimals,
    "quotient": _template(_QUOTIENT), "remainder": _template(_REMAINDER),
    "date": _date, "hour": _hour, "weekday": _big("ISODOW"), "month_day": _big("DAY"),
    "month": _big("MONTH"), "year": _big("YEAR"), "age": _template(_AGE),
    "business": _business, "business_days": _business_days, "metres": _template(_METRES),
    "listed": _listed,
}  # fmt: skip
