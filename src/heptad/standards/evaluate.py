# SPDX-License-Identifier: Apache-2.0
"""Expressions over one row: compiled once into a function, equal bit for bit to their SQL form."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from math import isfinite
from typing import Any

from heptad.standards.functions import CONSTANTS, FUNCTIONS
from heptad.standards.resolve import Schema, Type, Typed, check, resolve, units

__all__ = [
    "Row",
    "Schema",
    "Type",
    "Typed",
    "check",
    "compile_row",
    "condition",
    "resolve",
    "units",
]

Row = Callable[[Mapping[str, Any]], Any]
"""A function from a row to the value of an expression, or None for null."""

_SMALLEST, _LARGEST = -(2**63), 2**63 - 1
_TO_LOWER = {upper: upper + 32 for upper in range(ord("A"), ord("Z") + 1)}
_TO_UPPER = {lower: lower - 32 for lower in range(ord("a"), ord("z") + 1)}


def compile_row(expression: object, schema: Schema | None = None) -> Row:
    """Compile an expression into a function of one row.

    A row maps columns to values: text str, integer and instant int, number float, day
    datetime.date, flag bool; None or an absent column is null. On such values the function never
    raises, and it gives what `heptad.engine.sql.expressions.to_sql` gives in DuckDB, bit for bit:

    - Null, as in SQL: what is computed from null is null; `and`, `or` and `in` follow Kleene's
      three-valued logic; `if` takes its second branch on null; `missing` is never null;
      `coalesce` takes the first value, `least` and `greatest` ignore nulls.
    - Integers are exact in 64 bits; a result that does not fit is null.
    - A whole number beside a decimal fraction becomes the nearest float64 first. `div` always
      divides float64. A result that is not finite, so also a division by zero, is null, and
      so is a column's NaN or infinity.
    - Text is compared by Unicode code points, never by a locale; `lower` and `upper` change the
      letters A to Z only, since the rules for others differ between versions of Unicode;
      `length` counts code points.
    - Instants move by microseconds and differ by microseconds; days differ by days.

    Args:
        expression: a tree, a field, or what `resolve` returned.
        schema: what the columns are; may be left out if every column comes from a field.

    Raises:
        UnknownName: if a column does not exist.
        ContractError: if the types do not fit.
    """
    return _compile(resolve(expression, schema))


def condition(
    expression: object, schema: Schema | None = None
) -> Callable[[Mapping[str, Any]], bool]:
    """Compile a condition into a function that tells whether a row is kept: only on true.

    Raises:
        UnknownName: if a column does not exist.
        ContractError: if the types do not fit, or the expression is no condition.
    """
    test = _compile(resolve(expression, schema, want="flag"))
    return lambda row: test(row) is True


def _compile(node: Typed) -> Row:
    if node.op == "column":
        return _column(node)
    if node.op == "value":
        value = node.value
        return lambda row: value  # noqa: ARG005 - a constant is the same in every row
    return _function(node) if node.op in FUNCTIONS else _operator(node)


def _operator(node: Typed) -> Row:
    arguments = [_compile(a) for a in node.arguments]
    if node.op in _COMPARISONS:
        return _strict(_COMPARISONS[node.op], *arguments)
    if node.op in _ARITHMETIC:
        return _arithmetic(node, arguments)
    if node.op == "in" and all(a.constant for a in node.arguments[1:]):
        listed = frozenset(a.value for a in node.arguments[1:])
        return _strict(listed.__contains__, arguments[0])
    return _BUILDERS[node.op](*arguments)


def _column(node: Typed) -> Row:
    name = node.name
    if node.kind != "number":
        return lambda row: row.get(name)

    def read(row: Mapping[str, Any]) -> float | None:
        value = row.get(name)
        return float(value) if value is not None and isfinite(value) else None

    return read


def _function(node: Typed) -> Row:
    """Apply a declared function where no argument is null; what is on a list stands in the row."""
    declared = FUNCTIONS[node.op]
    if declared.bind is None:
        name = listing(node)
        return lambda row: row.get(name)
    takes = declared.takes
    fixed = [a.value for a, t in zip(node.arguments, takes, strict=False) if t in CONSTANTS]
    function = declared.bind(*fixed)
    read = [
        _compile(a)
        for n, a in enumerate(node.arguments)
        if takes[min(n, len(takes) - 1)] not in CONSTANTS
    ]
    return _strict(function, *read) if len(read) < 3 else _strict_many(function, read)


def listing(node: Typed) -> str:
    """Name the input that tells whether a value stands on a list."""
    return f"listed({node.arguments[0].title}, {node.arguments[1].value})"


def _strict_many(function: Callable[..., Any], read: list[Row]) -> Row:
    def many(row: Mapping[str, Any]) -> Any:
        values = [one(row) for one in read]
        return None if None in values else function(*values)

    return many


def _strict(function: Callable[..., Any], one: Row, other: Row | None = None) -> Row:
    """Apply a function where no argument is null."""
    if other is None:

        def single(row: Mapping[str, Any]) -> Any:
            value = one(row)
            return None if value is None else function(value)

        return single

    def double(row: Mapping[str, Any]) -> Any:
        left = one(row)
        if left is None:
            return None
        right = other(row)
        return None if right is None else function(left, right)

    return double


def _arithmetic(node: Typed, arguments: list[Row]) -> Row:
    """Compute, and give null for what leaves 64 bits or is not finite."""
    if node.arguments[0].kind == "day":
        return _strict(lambda one, other: (one - other).days, *arguments)
    if node.op == "div":
        inner = _strict(lambda one, other: one / other if other else None, *arguments)
    else:
        inner = _strict(_ARITHMETIC[node.op], *arguments)
    return _finite(inner) if node.kind == "number" else _in_64_bits(inner)


def _finite(inner: Row) -> Row:
    def compute(row: Mapping[str, Any]) -> Any:
        value = inner(row)
        return value if value is not None and isfinite(value) else None

    return compute


def _in_64_bits(inner: Row) -> Row:
    def compute(row: Mapping[str, Any]) -> Any:
        value = inner(row)
        return value if value is not None and _SMALLEST <= value <= _LARGEST else None

    return compute


def _every(*arguments: Row) -> Row:
    def test(row: Mapping[str, Any]) -> bool | None:
        result: bool | None = True
        for argument in arguments:
            value = argument(row)
            if value is False:
                return False
            if value is None:
                result = None
        return result

    return test


def _any(*arguments: Row) -> Row:
    def test(row: Mapping[str, Any]) -> bool | None:
        result: bool | None = False
        for argument in arguments:
            value = argument(row)
            if value is True:
                return True
            if value is None:
                result = None
        return result

    return test


def _member(one: Row, *others: Row) -> Row:
    return _any(*(_strict(operator.eq, one, other) for other in others))


def _between(one: Row, low: Row, high: Row) -> Row:
    return _every(_strict(operator.ge, one, low), _strict(operator.le, one, high))


def _if(test: Row, then: Row, otherwise: Row) -> Row:
    return lambda row: then(row) if test(row) is True else otherwise(row)


def _missing(one: Row) -> Row:
    return lambda row: one(row) is None


def _first(*arguments: Row) -> Row:
    def choose(row: Mapping[str, Any]) -> Any:
        for argument in arguments:
            value = argument(row)
            if value is not None:
                return value
        return None

    return choose


def _extreme(pick: Callable[..., Any]) -> Callable[..., Row]:
    """Pick among the values that are there; of equal ones (0.0 and -0.0) the first."""

    def build(*arguments: Row) -> Row:
        def choose(row: Mapping[str, Any]) -> Any:
            return pick((v for a in arguments if (v := a(row)) is not None), default=None)

        return choose

    return build


def _of_one(function: Callable[[Any], Any]) -> Callable[..., Row]:
    return lambda one: _strict(function, one)


_COMPARISONS: dict[str, Callable[[Any, Any], Any]] = {
    "eq": operator.eq, "ne": operator.ne, "lt": operator.lt,
    "le": operator.le, "gt": operator.gt, "ge": operator.ge,
    "starts": str.startswith, "contains": operator.contains,
}  # fmt: skip
_ARITHMETIC: dict[str, Callable[..., Any]] = {
    "add": operator.add, "sub": operator.sub, "mul": operator.mul, "div": operator.truediv,
    "neg": operator.neg, "abs": operator.abs,
}  # fmt: skip
_BUILDERS: dict[str, Callable[..., Row]] = {
    "and": _every, "or": _any, "not": _of_one(operator.not_),
    "in": _member, "between": _between, "missing": _missing, "coalesce": _first, "if": _if,
    "least": _extreme(min), "greatest": _extreme(max),
    "lower": _of_one(lambda text: text.translate(_TO_LOWER)),
    "upper": _of_one(lambda text: text.translate(_TO_UPPER)),
    "length": _of_one(len), "number": _of_one(float),
}  # fmt: skip
