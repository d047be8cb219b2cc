# SPDX-License-Identifier: Apache-2.0
"""Turn the SQL of a plan, written for DuckDB, into SQL that means the same on Spark, as trees."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlglot
from sqlglot import exp

from heptad.standards.errors import ContractError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

KNOWN = frozenset({
    "ABS", "AND", "ANY_VALUE", "CASE", "CAST", "CEIL", "COALESCE", "CONTAINS", "COUNT", "DATE_DIFF",
    "DATEDIFF", "FILTER", "GET", "GREATEST", "IF", "LEAD", "LEAST", "LENGTH", "MAX", "MAX_BY", "MIN",
    "MIN_BY", "OR", "ROW_NUMBER", "SHIFTRIGHT", "SIGN", "STARTSWITH", "STRUCT", "SUM", "TRANSLATE",
    "TRY_CAST", "TRY_DIVIDE", "ISNAN", "ARRAY", "XOR",
})  # fmt: skip
"""Functions that a plan may use on Spark: what was compared with DuckDB, and no other."""

_WIDE = "DECIMAL(38, 0)"
_LOW = 2**32 - 1


def to_spark(sql: str, names: Mapping[str, str] | None = None) -> str:
    """Return the text of a plan for Spark.

    Spark must run with ANSI mode on: an overflow is then an error, as on DuckDB.

    Args:
        sql: one SELECT in DuckDB's dialect.
        names: table → the name that it has on Spark.

    Raises:
        ContractError: if the plan uses a function whose meaning on Spark nobody has compared.
    """
    tree = sqlglot.parse_one(sql, read="duckdb")
    for table in list(tree.find_all(exp.Table)):
        if names and table.name in names and not table.db:
            alias = table.alias or table.name
            table.set("this", exp.to_identifier(names[table.name], quoted=True))
            table.set("alias", exp.TableAlias(this=exp.to_identifier(alias, quoted=True)))
    # Children first: what a rule copies has been changed already.
    for node in reversed(list(tree.walk(bfs=True))):
        changed = _changed(node)
        if changed is not node:
            node.replace(changed)
    _check(tree)
    return str(tree.sql(dialect="spark", identify=True))


def tables_in(sql: str) -> set[str]:
    """Return the names of the tables that a SELECT in DuckDB's dialect reads."""
    tree = sqlglot.parse_one(sql, read="duckdb")
    made = {cte.alias for cte in tree.find_all(exp.CTE)}
    return {t.name for t in tree.find_all(exp.Table) if not t.db} - made


def _check(tree: exp.Expr) -> None:
    """Refuse functions that are not known: the translator passes them on in silence."""
    for node in tree.find_all(exp.Func):
        name = str(node.name if isinstance(node, exp.Anonymous) else node.sql_name()).upper()
        if name not in KNOWN:
            raise ContractError(
                "A plan uses a function whose meaning on Spark was not compared.", got=name
            )


def _changed(node: exp.Expr) -> exp.Expr:
    """Replace one node by what means the same on Spark."""
    if isinstance(node.parent, exp.Filter) and isinstance(node, exp.AggFunc):
        return node
    if isinstance(node, exp.Anonymous):
        change = _NAMED.get(str(node.this).upper())
    else:
        change = _CHANGES.get(type(node))
    return change(node) if change else node


def _call(name: str, *arguments: exp.Expr) -> exp.Expr:
    return exp.Anonymous(this=name, expressions=[a.copy() for a in arguments])


def _cast(inner: exp.Expr, kind: str) -> exp.Expr:
    return exp.Cast(this=inner.copy(), to=exp.DataType.build(kind, dialect="spark"))


def _number(value: int) -> exp.Expr:
    return exp.Literal.number(value)


def _filtered(node: exp.Expr) -> exp.Expr:
    """An aggregate over some rows: one that chooses a row skips those without a value."""
    inner, test = node.this, node.expression.this
    if isinstance(inner, (exp.ArgMax, exp.ArgMin)):
        return _chosen(inner, test)
    if isinstance(inner, exp.Sum):
        return _summed(inner, test)
    return node


def _chosen(node: exp.Expr, test: exp.Expr | None = None) -> exp.Expr:
    """Spark compares structs where DuckDB compares tuples, and does not skip missing values."""
    order = node.expression
    parts = order.expressions if isinstance(order, exp.Tuple) else [order]
    name = "MAX_BY" if isinstance(node, exp.ArgMax) else "MIN_BY"
    there = exp.Not(this=exp.Is(this=node.this.copy(), expression=exp.null()))
    both = there if test is None else exp.And(this=exp.Paren(this=test.copy()), expression=there)
    return _where(_call(name, node.this, _call("STRUCT", *parts)), both)


def _where(aggregate: exp.Expr, test: exp.Expr | None) -> exp.Expr:
    if test is None:
        return aggregate
    return exp.Filter(this=aggregate, expression=exp.Where(this=test.copy()))


def _summed(node: exp.Expr, test: exp.Expr | None = None) -> exp.Expr:
    """Sum in two halves of 32 bits: exact whatever the order, and only the result may overflow."""
    inner = node.this
    if inner.find(exp.Mul) or any(c.to.this == exp.DType.INT128 for c in inner.find_all(exp.Cast)):
        return _where(exp.Sum(this=inner.copy()), test)
    high = _where(exp.Sum(this=_call("SHIFTRIGHT", inner, _number(32))), test)
    low = _where(exp.Sum(this=exp.BitwiseAnd(this=inner.copy(), expression=_number(_LOW))), test)
    above = exp.Mul(this=_cast(high, _WIDE), expression=_cast(_number(2**32), _WIDE))
    return exp.Paren(this=exp.Add(this=above, expression=_cast(low, _WIDE)))


def _typed(node: exp.Expr) -> exp.Expr:
    """128 bits are 38 digits on Spark: what leaves them is an error there, as it is here."""
    return exp.DataType.build(_WIDE, dialect="spark") if node.this == exp.DType.INT128 else node


def _alone(node: exp.Expr) -> exp.Expr:
    """Spark's greatest and least take two values at least."""
    return node if node.expressions else node.this


def _halves(node: exp.Expr) -> exp.Expr:
    """Spark raises where a divisor is zero; plans mean no value."""
    return _call("TRY_DIVIDE", _cast(node.this, "DOUBLE"), _cast(node.expression, "DOUBLE"))


def _signed(node: exp.Expr) -> exp.Expr:
    """Spark's sign is a float."""
    return node if isinstance(node.parent, exp.Cast) else _cast(node, "BIGINT")


def _days(node: exp.Expr) -> exp.Expr:
    """Whole days between two dates."""
    return _cast(_call("DATEDIFF", node.this, node.expression), "BIGINT")


def _finite(node: exp.Expr) -> exp.Expr:
    """Neither infinite nor NaN; null for null."""
    value = node.expressions[0]
    size = exp.Abs(this=value.copy())
    below = exp.LT(this=size, expression=_cast(exp.Literal.string("Infinity"), "DOUBLE"))
    return exp.Paren(this=exp.And(this=exp.Not(this=_call("ISNAN", value)), expression=below))


def _taken(node: exp.Expr) -> exp.Expr:
    """One of a list, from 1; null where there is none."""
    held, place = node.expressions
    return _call("GET", held, exp.Sub(this=place.copy(), expression=_number(1)))


_CHANGES: dict[type[exp.Expr], Callable[[exp.Expr], exp.Expr]] = {
    exp.Filter: _filtered,
    exp.ArgMax: _chosen,
    exp.ArgMin: _chosen,
    exp.Sum: _summed,
    exp.DataType: _typed,
    exp.Greatest: _alone,
    exp.Least: _alone,
    exp.Div: _halves,
    exp.Sign: _signed,
    exp.DateDiff: _days,
}
_NAMED: dict[str, Callable[[exp.Expr], exp.Expr]] = {"ISFINITE": _finite, "LIST_EXTRACT": _taken}
