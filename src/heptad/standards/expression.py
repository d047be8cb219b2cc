# SPDX-License-Identifier: Apache-2.0
"""The one expression language: a typed tree over the columns of a row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from heptad.standards.errors import InputError, suggest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Scalar = bool | int | float | str | None

OPERATORS: dict[str, tuple[int, int]] = {
    "eq": (2, 2), "ne": (2, 2), "lt": (2, 2), "le": (2, 2), "gt": (2, 2), "ge": (2, 2),
    "and": (1, 64), "or": (1, 64), "not": (1, 1),
    "add": (2, 2), "sub": (2, 2), "mul": (2, 2), "div": (2, 2), "neg": (1, 1),
    "in": (2, 1025), "between": (3, 3), "missing": (1, 1), "coalesce": (1, 64),
    "if": (3, 3), "abs": (1, 1), "least": (1, 64), "greatest": (1, 64),
    "lower": (1, 1), "upper": (1, 1), "length": (1, 1), "starts": (2, 2), "contains": (2, 2),
}  # fmt: skip
"""Operator → (fewest, most) arguments."""

DEEPEST = 64
"""A tree deeper than this is refused wherever it comes from."""


class Operand:
    """Anything that an expression can be built from with Python's operators."""

    __slots__ = ()

    def expression(self) -> Expression:
        """Return this operand as a node of the tree."""
        raise TypeError(f"{type(self).__name__} cannot stand in an expression")

    def _call(self, op: str, *others: object) -> Call:
        return Call(op, (self.expression(), *(operand(o) for o in others)))

    def __eq__(self, other: object) -> Call:  # type: ignore[override]
        return self._call("eq", other)

    def __ne__(self, other: object) -> Call:  # type: ignore[override]
        return self._call("ne", other)

    def __hash__(self) -> int:
        return id(self)

    def __lt__(self, other: object) -> Call:
        return self._call("lt", other)

    def __le__(self, other: object) -> Call:
        return self._call("le", other)

    def __gt__(self, other: object) -> Call:
        return self._call("gt", other)

    def __ge__(self, other: object) -> Call:
        return self._call("ge", other)

    def __and__(self, other: object) -> Call:
        return self._call("and", other)

    def __or__(self, other: object) -> Call:
        return self._call("or", other)

    def __invert__(self) -> Call:
        return self._call("not")

    def __add__(self, other: object) -> Call:
        return self._call("add", other)

    def __sub__(self, other: object) -> Call:
        return self._call("sub", other)

    def __mul__(self, other: object) -> Call:
        return self._call("mul", other)

    def __truediv__(self, other: object) -> Call:
        return self._call("div", other)

    def __neg__(self) -> Call:
        return self._call("neg")

    def __abs__(self) -> Call:
        return self._call("abs")

    def __bool__(self) -> bool:
        raise TypeError("an expression has no truth of its own: combine with & | ~, not and/or/not")

    def isin(self, values: Iterable[Scalar]) -> Call:
        """True where the value is one of `values`."""
        return self._call("in", *values)

    def between(self, low: object, high: object) -> Call:
        """True where low ≤ value ≤ high."""
        return self._call("between", low, high)

    def is_missing(self) -> Call:
        """True where there is no value; never null itself."""
        return self._call("missing")


@dataclass(frozen=True, eq=False, slots=True)
class Expression(Operand):
    """A node of the tree; compare two trees with `same`, since == builds a new node."""

    def expression(self) -> Expression:
        """Return this node."""
        return self

    def children(self) -> tuple[Expression, ...]:
        """Return the arguments of this node."""
        return ()

    def walk(self) -> Iterator[Expression]:
        """Yield this node and all below it, parents first."""
        todo: list[Expression] = [self]
        while todo:
            node = todo.pop()
            yield node
            todo.extend(reversed(node.children()))

    def columns(self) -> frozenset[str]:
        """Return the names of all columns read."""
        return frozenset(n.name for n in self.walk() if isinstance(n, Column))

    def to_json(self) -> Any:
        """Return the tree as JSON: {"op": […]}, {"column": name}, or the plain value."""
        raise TypeError("a tree is made of Column, Value and Call")


@dataclass(frozen=True, eq=False, slots=True)
class Column(Expression):
    """The value of a column of the row."""

    name: str

    def to_json(self) -> Any:
        """Return {"column": name}."""
        return {"column": self.name}


@dataclass(frozen=True, eq=False, slots=True)
class Value(Expression):
    """A constant: text, whole number, decimal fraction, truth value or null."""

    value: Scalar

    def to_json(self) -> Any:
        """Return the value itself."""
        return self.value


@dataclass(frozen=True, eq=False, slots=True)
class Call(Expression):
    """An operator applied to its arguments."""

    op: str
    arguments: tuple[Expression, ...]

    def __post_init__(self) -> None:
        if self.op not in OPERATORS:
            raise InputError(
                "An expression uses an operator that does not exist.",
                got=self.op,
                do=suggest(self.op, OPERATORS),
            )
        fewest, most = OPERATORS[self.op]
        if not fewest <= len(self.arguments) <= most:
            wants = str(fewest) if fewest == most else f"{fewest} to {most}"
            raise InputError(f"{self.op!r} takes {wants} arguments.", got=len(self.arguments))

    def children(self) -> tuple[Expression, ...]:
        """Return the arguments."""
        return self.arguments

    def to_json(self) -> Any:
        """Return {op: [arguments]}."""
        return {self.op: [a.to_json() for a in self.arguments]}


def operand(value: object) -> Expression:
    """Turn a field, a node or a plain value into a node.

    Raises:
        InputError: if it is none of these, or not a finite number.
    """
    if isinstance(value, Operand):
        return value.expression()
    if value is None or isinstance(value, bool | str):
        return Value(value)
    if isinstance(value, int) and -(2**63) <= value < 2**63:
        return Value(value)
    if isinstance(value, float) and value - value == 0:
        return Value(value)
    raise InputError(
        "An expression takes text, 64-bit whole numbers, finite numbers, true, false and null.",
        got=value,
    )


def from_json(document: Any, *, _depth: int = 0) -> Expression:
    """Read a tree from its JSON form.

    Raises:
        InputError: if the form is not that of an expression, or deeper than `DEEPEST`.
    """
    if _depth > DEEPEST:
        raise InputError(f"An expression is at most {DEEPEST} levels deep.", do="split it in two")
    if not isinstance(document, dict):
        return operand(document)
    if len(document) != 1:
        raise InputError("Each part of an expression is {operator: [arguments]}.", got=document)
    ((op, body),) = document.items()
    if op == "column":
        if not isinstance(body, str):
            raise InputError("A column is named by text.", got=body)
        return Column(body)
    if not isinstance(op, str) or op not in OPERATORS:
        raise InputError(
            "An expression uses an operator that does not exist.",
            got=op,
            do=suggest(str(op), OPERATORS),
        )
    parts = body if isinstance(body, list) else [body]
    return Call(op, tuple(from_json(part, _depth=_depth + 1) for part in parts))


def same(one: Expression, other: Expression) -> bool:
    """Tell whether two trees are equal node by node (1, 1.0 and true are different)."""
    if type(one) is not type(other):
        return False
    if isinstance(one, Value) and isinstance(other, Value):
        return type(one.value) is type(other.value) and one.value == other.value
    if isinstance(one, Column) and isinstance(other, Column):
        return one.name == other.name
    if isinstance(one, Call) and isinstance(other, Call):
        return (
            one.op == other.op
            and len(one.arguments) == len(other.arguments)
            and all(map(same, one.arguments, other.arguments))
        )
    return False
