# SPDX-License-Identifier: Apache-2.0
"""The one expression language: a typed tree over the columns of a row."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from heptad.standards.errors import InputError, suggest
from heptad.standards.time import micros

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Scalar = bool | int | float | str | date | None

OPERATORS: dict[str, tuple[int, int]] = {
    "eq": (2, 2), "ne": (2, 2), "lt": (2, 2), "le": (2, 2), "gt": (2, 2), "ge": (2, 2),
    "and": (1, 64), "or": (1, 64), "not": (1, 1),
    "add": (2, 2), "sub": (2, 2), "mul": (2, 2), "div": (2, 2), "neg": (1, 1),
    "in": (2, 1025), "between": (3, 3), "missing": (1, 1), "coalesce": (1, 64),
    "if": (3, 3), "abs": (1, 1), "least": (1, 64), "greatest": (1, 64),
    "lower": (1, 1), "upper": (1, 1), "length": (1, 1), "starts": (2, 2), "contains": (2, 2),
    "ends": (2, 2), "trim": (1, 1), "plain": (1, 1), "left": (2, 2), "join": (2, 64), "like": (2, 2),
    "edits": (2, 2), "similar": (2, 2), "power": (2, 2), "round": (1, 1), "floor": (1, 1),
    "decimals": (2, 2), "quotient": (2, 2), "remainder": (2, 2), "date": (2, 2), "hour": (2, 2),
    "weekday": (1, 1), "month_day": (1, 1), "month": (1, 1), "year": (1, 1), "age": (2, 2),
    "business": (2, 2), "business_days": (3, 3), "metres": (4, 4), "money": (2, 2), "listed": (2, 2),
}  # fmt: skip
"""Operator → (fewest, most) arguments. What each means is said in `heptad.standards.evaluate`, and
of those from `ends` on in `heptad.standards.functions`."""

DEEPEST = 64
"""A tree deeper than this is refused wherever it comes from."""

LARGEST = 4096
"""A tree of more nodes than this is refused wherever it comes from."""

LONGEST = 10_000
"""A text constant or a column's name longer than this is refused."""

_INFIX = {
    "eq": "=", "ne": "≠", "lt": "<", "le": "≤", "gt": ">", "ge": "≥", "and": "and", "or": "or",
    "add": "+", "sub": "-", "mul": "*", "div": "/",
}  # fmt: skip


class Operand:
    """Anything that an expression can be built from with Python's operators."""

    __slots__ = ()

    def expression(self) -> Expression:
        """Return this operand as a node of the tree."""
        raise TypeError(f"{type(self).__name__} cannot stand in an expression")

    def _call(self, op: str, *others: object) -> Call:
        return Call(op, (self.expression(), *(operand(o) for o in others)))

    def _after(self, op: str, first: object) -> Call:
        return Call(op, (operand(first), self.expression()))

    def _join(self, op: str, first: object, second: object) -> Call:
        """Combine conditions; a chain of the same operator becomes one flat node."""
        one, two = operand(first), operand(second)
        if isinstance(one, Call) and one.op == op and len(one.arguments) < OPERATORS[op][1]:
            return Call(op, (*one.arguments, two))
        return Call(op, (one, two))

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
        return self._join("and", self, other)

    def __rand__(self, other: object) -> Call:
        return self._join("and", other, self)

    def __or__(self, other: object) -> Call:
        return self._join("or", self, other)

    def __ror__(self, other: object) -> Call:
        return self._join("or", other, self)

    def __invert__(self) -> Call:
        return self._call("not")

    def __add__(self, other: object) -> Call:
        return self._call("add", other)

    def __radd__(self, other: object) -> Call:
        return self._after("add", other)

    def __sub__(self, other: object) -> Call:
        return self._call("sub", other)

    def __rsub__(self, other: object) -> Call:
        return self._after("sub", other)

    def __mul__(self, other: object) -> Call:
        return self._call("mul", other)

    def __rmul__(self, other: object) -> Call:
        return self._after("mul", other)

    def __truediv__(self, other: object) -> Call:
        return self._call("div", other)

    def __rtruediv__(self, other: object) -> Call:
        return self._after("div", other)

    def __neg__(self) -> Call:
        return self._call("neg")

    def __abs__(self) -> Call:
        return self._call("abs")

    def __bool__(self) -> bool:
        raise TypeError("an expression has no truth of its own: combine with & | ~, not and/or/not")

    def isin(self, values: Iterable[Scalar]) -> Call:
        """True where the value is one of `values`."""
        if isinstance(values, str):
            raise InputError("isin takes a list of values.", got=values, do=f"write [{values!r}]")
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

    @property
    def depth(self) -> int:
        """The number of levels, 1 for a leaf."""
        return 1

    @property
    def size(self) -> int:
        """The number of nodes."""
        return 1

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
    """The value of a column of the row.

    A column that comes from a field also knows its kind and its table, so that it can be checked
    without naming the table again; both are left out of the JSON form and of `same`.
    """

    name: str
    kind: str | None = None
    table: str = ""

    def to_json(self) -> Any:
        """Return {"column": name}."""
        return {"column": self.name}

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, eq=False, slots=True)
class Value(Expression):
    """A constant: text, whole number, decimal fraction, truth value, day or null."""

    value: Scalar

    def to_json(self) -> Any:
        """Return the value itself; a day as ISO text."""
        return self.value.isoformat() if isinstance(self.value, date) else self.value

    def __str__(self) -> str:
        if self.value is None or isinstance(self.value, bool):
            return {None: "null", True: "true", False: "false"}[self.value]
        return str(self.value) if isinstance(self.value, date) else repr(self.value)


@dataclass(frozen=True, eq=False, slots=True)
class Call(Expression):
    """An operator applied to its arguments."""

    op: str
    arguments: tuple[Expression, ...]
    _depth: int = field(init=False, repr=False)
    _size: int = field(init=False, repr=False)

    def __post_init__(self) -> None:
        _check_operator(self.op)
        fewest, most = OPERATORS[self.op]
        if not fewest <= len(self.arguments) <= most:
            wants = str(fewest) if fewest == most else f"{fewest} to {most}"
            raise InputError(
                f"{self.op!r} takes {wants} arguments.",
                got=len(self.arguments),
                do=f'write {{"{self.op}": [ … ]}} with {wants}',
            )
        # Kept here so that a tree that shares nodes cannot grow faster than it is counted.
        object.__setattr__(self, "_depth", 1 + max(a.depth for a in self.arguments))
        object.__setattr__(self, "_size", 1 + sum(a.size for a in self.arguments))
        if self._depth > DEEPEST:
            raise InputError(
                f"An expression is at most {DEEPEST} levels deep.", do="split it in two"
            )
        if self._size > LARGEST:
            raise InputError(f"An expression has at most {LARGEST} parts.", do="split it in two")

    @property
    def depth(self) -> int:
        """The number of levels."""
        return self._depth

    @property
    def size(self) -> int:
        """The number of nodes."""
        return self._size

    def children(self) -> tuple[Expression, ...]:
        """Return the arguments."""
        return self.arguments

    def to_json(self) -> Any:
        """Return {op: [arguments]}."""
        return {self.op: [a.to_json() for a in self.arguments]}

    def __str__(self) -> str:
        shown = [str(a) for a in self.arguments]
        if self.op in _INFIX:
            inner = [
                f"({s})" if isinstance(a, Call) and a.op in _INFIX else s
                for s, a in zip(shown, self.arguments, strict=True)
            ]
            return f" {_INFIX[self.op]} ".join(inner)
        return f"{self.op}({', '.join(shown)})"


def _check_operator(op: object) -> None:
    if not isinstance(op, str) or op not in OPERATORS:
        raise InputError(
            "An expression uses an operator that does not exist.",
            got=op,
            do=suggest(
                str(op)[:100] if isinstance(op, str) else "", (*OPERATORS, "column", *SPACES)
            ),
        )


def operand(value: object) -> Expression:
    """Turn a field, a node or a plain value into a node; an aware datetime becomes microseconds.

    Raises:
        InputError: if it is none of these, not a finite number, or not storable text.
        ContractError: if it is a datetime without a time zone.
    """
    if isinstance(value, Operand):
        return value.expression()
    if isinstance(value, datetime):
        return Value(micros(value))
    if value is None or isinstance(value, bool | date):
        return Value(value)
    if isinstance(value, str):
        return Value(_text(value))
    if isinstance(value, int) and -(2**63) <= value < 2**63:
        return Value(int(value))
    if isinstance(value, float) and math.isfinite(value):
        return Value(float(value))
    raise InputError(
        "An expression takes text, 64-bit whole numbers, finite numbers, true, false and null.",
        got=value,
        do="turn it into one of these first",
    )


def _text(value: str) -> str:
    """Return plain storable text, also of a text enumeration."""
    if len(value) > LONGEST:
        raise InputError(
            f"Text in an expression has at most {LONGEST} characters.", got=value, do="shorten it"
        )
    try:
        value.encode()
    except UnicodeEncodeError:
        raise InputError(
            "Text in an expression must be valid Unicode.", got=value, do="read it as UTF-8"
        ) from None
    return str.__str__(value)


def column(name: str) -> Column:
    """Name a column that no field names, such as a feature or one coordinate of a place.

    Raises:
        InputError: if the name is not text, empty, too long or not valid Unicode.
    """
    if not isinstance(name, str) or not name:
        raise InputError("A column is named by text.", got=name, do='write {"column": "amount"}')
    return Column(_text(name))


def coalesce(*values: object) -> Call:
    """The first value that is not missing."""
    return Call("coalesce", tuple(map(operand, values)))


def when(condition: object, then: object, otherwise: object) -> Call:
    """`then` where the condition is true, else (false or null) `otherwise`."""
    return Call("if", (operand(condition), operand(then), operand(otherwise)))


def least(*values: object) -> Call:
    """The smallest value, missing ones ignored."""
    return Call("least", tuple(map(operand, values)))


def greatest(*values: object) -> Call:
    """The largest value, missing ones ignored."""
    return Call("greatest", tuple(map(operand, values)))


def lower(text: object) -> Call:
    """The text with A–Z made small; other letters stay."""
    return Call("lower", (operand(text),))


def upper(text: object) -> Call:
    """The text with a–z made capital; other letters stay."""
    return Call("upper", (operand(text),))


def length(text: object) -> Call:
    """The number of Unicode code points."""
    return Call("length", (operand(text),))


def starts(text: object, prefix: object) -> Call:
    """True where the text begins with `prefix`."""
    return Call("starts", (operand(text), operand(prefix)))


def contains(text: object, part: object) -> Call:
    """True where `part` occurs in the text."""
    return Call("contains", (operand(text), operand(part)))


def call(name: str, *arguments: object) -> Call:
    """Apply a function by its name, for example `call("similar", Customer.name, "Ana")`.

    Raises:
        InputError: if there is none of that name, or it takes another number of arguments.
    """
    return Call(name, tuple(map(operand, arguments)))


SPACES = {"feature": "", "policy": "policy.", "score": "score.", "amount": "amount."}
"""Other ways to name a column in rules: what a name of each kind begins with."""


def from_json(document: Any) -> Expression:
    """Read a tree from its JSON form.

    Raises:
        InputError: if the form is not that of an expression, deeper than `DEEPEST` or larger
            than `LARGEST`.
    """
    return _Reader().read(document, 1)


class _Reader:
    """Counts what it reads, so that a document that repeats itself cannot run on."""

    def __init__(self) -> None:
        self.left = LARGEST

    def read(self, document: Any, depth: int) -> Expression:
        self.left -= 1
        if depth > DEEPEST or self.left < 0:
            raise InputError(
                f"An expression is at most {DEEPEST} levels deep and has at most {LARGEST} parts.",
                do="split it in two",
            )
        if not isinstance(document, dict):
            return operand(document)
        if len(document) != 1:
            raise InputError(
                "Each part of an expression is {operator: [arguments]}.",
                got=document,
                do='write {"gt": [{"column": "amount"}, 100]}',
            )
        ((op, body),) = document.items()
        if op == "column":
            return column(body)
        if op in SPACES:
            return column(SPACES[op] + body if isinstance(body, str) and body else body)
        _check_operator(op)
        parts = body if isinstance(body, list) else [body]
        return Call(op, tuple(self.read(part, depth + 1) for part in parts))


def same(one: Expression, other: Expression) -> bool:
    """Tell whether two trees are equal node by node (1, 1.0 and true are different)."""
    if isinstance(one, Value) and isinstance(other, Value):
        return type(one.value) is type(other.value) and repr(one.value) == repr(other.value)
    if isinstance(one, Column) and isinstance(other, Column):
        return one.name == other.name
    if isinstance(one, Call) and isinstance(other, Call):
        return (
            one.op == other.op
            and len(one.arguments) == len(other.arguments)
            and all(map(same, one.arguments, other.arguments))
        )
    return False
