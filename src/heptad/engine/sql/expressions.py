# SPDX-License-Identifier: Apache-2.0
"""The SQL form of expressions: trees for DuckDB that give what the row form gives, bit for bit."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from sqlglot import exp

from heptad.engine.sql.functions import function_sql
from heptad.standards.functions import FUNCTIONS
from heptad.standards.resolve import Schema, Typed, resolve

if TYPE_CHECKING:
    from collections.abc import Callable

    from heptad.standards.expression import Scalar

_TYPES = {
    "text": "VARCHAR", "integer": "BIGINT", "number": "DOUBLE", "instant": "BIGINT",
    "day": "DATE", "flag": "BOOLEAN", "null": "BIGINT",
}  # fmt: skip
"""Type of an expression → DuckDB's type of the column or constant."""

_SMALL = "abcdefghijklmnopqrstuvwxyz"
_BINARY: dict[str, type[exp.Binary]] = {
    "eq": exp.EQ, "ne": exp.NEQ, "lt": exp.LT, "le": exp.LTE, "gt": exp.GT, "ge": exp.GTE,
    "add": exp.Add, "sub": exp.Sub, "mul": exp.Mul, "div": exp.Div,
}  # fmt: skip


def to_sql(expression: object, alias: str | None = None, schema: Schema | None = None) -> exp.Expr:
    """Write an expression as an SQL tree; `.sql("duckdb")` of it is the text.

    The columns read are BIGINT for integer and instant (microseconds), DOUBLE for number, DATE,
    BOOLEAN and VARCHAR. Every identifier is quoted, every constant typed, and no value makes it
    raise; what it means is said at `heptad.standards.evaluate.compile_row`.

    Args:
        expression: a tree, a field, or what `resolve` returned.
        alias: the table or alias that the columns are read from.
        schema: what the columns are; may be left out if every column comes from a field.

    Raises:
        UnknownName: if a column does not exist.
        ContractError: if the types do not fit.
    """
    return _Writer(alias).node(resolve(expression, schema))


def sql_text(expression: object, alias: str | None = None, schema: Schema | None = None) -> str:
    """Write an expression as SQL text for DuckDB, in brackets so that it can stand anywhere.

    Raises:
        UnknownName: if a column does not exist.
        ContractError: if the types do not fit.
    """
    return f"({to_sql(expression, alias, schema).sql('duckdb')})"


def constant(value: Scalar, kind: str) -> exp.Expr:
    """Write a constant with its type: `kind` is that of an expression."""
    if value is None:
        return _cast(exp.null(), kind)
    if isinstance(value, bool):
        return exp.true() if value else exp.false()
    if isinstance(value, int):
        number: exp.Expr = exp.Literal.number(abs(value))
        return _cast(exp.Neg(this=number) if value < 0 else number, kind)
    if isinstance(value, float):
        return _cast(exp.Literal.string(repr(value)), kind)
    if isinstance(value, date):
        return _cast(exp.Literal.string(value.isoformat()), kind)
    return _cast(exp.Literal.string(value), kind)


def _cast(inner: exp.Expr, kind: str) -> exp.Expr:
    return exp.Cast(this=inner, to=exp.DataType.build(_TYPES[kind], dialect="duckdb"))


def _call(name: str, *arguments: exp.Expr) -> exp.Expr:
    # Anonymous on purpose: sqlglot rewrites the functions that it knows.
    return exp.Anonymous(this=name, expressions=list(arguments))


def _finite(inner: exp.Expr) -> exp.Expr:
    """Give null for infinity and NaN, with `inner` written once, so that text stays linear."""
    v = exp.to_identifier("v", quoted=True)
    test = exp.Lambda(this=_call("ISFINITE", exp.Column(this=v.copy())), expressions=[v])
    kept = _call("LIST_FILTER", exp.Array(expressions=[inner]), test)
    return _call("LIST_EXTRACT", kept, exp.Literal.number(1))


def _in_64_bits(inner: exp.Expr) -> exp.Expr:
    """Give null for what leaves 64 bits; TRY(…) would, too, but 50 times slower per such row."""
    return exp.TryCast(this=inner, to=exp.DataType.build("BIGINT", dialect="duckdb"))


def _wide(inner: exp.Expr) -> exp.Expr:
    return exp.Cast(this=inner, to=exp.DataType.build("HUGEINT", dialect="duckdb"))


class _Writer:
    """Writes one checked tree."""

    def __init__(self, alias: str | None) -> None:
        self.table = exp.to_identifier(alias, quoted=True) if alias else None

    def node(self, node: Typed) -> exp.Expr:
        if node.op == "column":
            return self._column(node)
        if node.op == "value":
            return constant(node.value, node.kind)
        arguments = [self.node(a) for a in node.arguments]
        if node.op in ("add", "sub", "mul", "div", "neg", "abs"):
            return _arithmetic(node, arguments)
        if node.op in _BINARY:
            return exp.Paren(this=_BINARY[node.op](this=arguments[0], expression=arguments[1]))
        if node.op in FUNCTIONS:
            return function_sql(node, arguments)
        return _BUILDERS[node.op](arguments)

    def _column(self, node: Typed) -> exp.Expr:
        name = exp.to_identifier(node.name, quoted=True)
        column = exp.Column(this=name, table=self.table and self.table.copy())
        if node.kind != "number":
            return column
        return exp.Case(
            ifs=[exp.If(this=_call("ISFINITE", column), true=column.copy())], default=exp.null()
        )


def _arithmetic(node: Typed, arguments: list[exp.Expr]) -> exp.Expr:
    days, whole = node.arguments[0].kind == "day", node.kind != "number"
    if whole and not days:
        arguments = [_wide(a) for a in arguments]
    if node.op == "neg":
        made: exp.Expr = exp.Neg(this=arguments[0])
    elif node.op == "abs":
        made = _call("ABS", arguments[0])
    else:
        made = _BINARY[node.op](this=arguments[0], expression=arguments[1])
    if days:
        return exp.Paren(this=made)
    return _in_64_bits(made) if whole else _finite(made)


def _joined(kind: type[exp.Connector]) -> Callable[[list[exp.Expr]], exp.Expr]:
    def build(arguments: list[exp.Expr]) -> exp.Expr:
        made = arguments[0]
        for argument in arguments[1:]:
            made = kind(this=made, expression=argument)
        return exp.Paren(this=made)

    return build


def _translated(old: str, new: str) -> Callable[[list[exp.Expr]], exp.Expr]:
    alphabets = (exp.Literal.string(old), exp.Literal.string(new))
    return lambda a: _call("TRANSLATE", a[0], *(text.copy() for text in alphabets))


def _between(arguments: list[exp.Expr]) -> exp.Expr:
    one, low, high = arguments
    return exp.Paren(this=exp.Between(this=one, low=low, high=high))


def _if(arguments: list[exp.Expr]) -> exp.Expr:
    test, then, otherwise = arguments
    return exp.Case(ifs=[exp.If(this=test, true=then)], default=otherwise)


def _named(name: str) -> Callable[[list[exp.Expr]], exp.Expr]:
    return lambda arguments: _call(name, *arguments)


_BUILDERS: dict[str, Callable[[list[exp.Expr]], exp.Expr]] = {
    "and": _joined(exp.And),
    "or": _joined(exp.Or),
    "not": lambda a: exp.Paren(this=exp.Not(this=a[0])),
    "in": lambda a: exp.Paren(this=exp.In(this=a[0], expressions=a[1:])),
    "between": _between,
    "missing": lambda a: exp.Paren(this=exp.Is(this=a[0], expression=exp.null())),
    "coalesce": _named("COALESCE"),
    "if": _if,
    "least": _named("LEAST"),
    "greatest": _named("GREATEST"),
    "lower": _translated(_SMALL.upper(), _SMALL),
    "upper": _translated(_SMALL, _SMALL.upper()),
    "length": _named("LENGTH"),
    "starts": _named("STARTS_WITH"),
    "contains": _named("CONTAINS"),
    "number": lambda a: _cast(a[0], "number"),
}
