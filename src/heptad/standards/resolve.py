# SPDX-License-Identifier: Apache-2.0
"""The types of expressions: every column, operator and constant checked before anything runs."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Literal, get_args

from heptad.standards.errors import ContractError, UnknownName, suggest
from heptad.standards.expression import Call, Column, Expression, Operand, Scalar, Value, operand
from heptad.standards.fields import Code, Field, Integer, Money, Number, Place
from heptad.standards.functions import CONSTANTS, FUNCTIONS, amount, check_constant
from heptad.standards.money import parse_minor, parse_scaled
from heptad.standards.tables import Table
from heptad.standards.time import day, parse_instant

Type = Literal["text", "integer", "number", "instant", "day", "flag", "null"]
"""The type of an expression: that of a column, or `number` (a float64), or `null` (always)."""

Schema = type[Table] | Mapping[str, str | Field]
"""What the columns are: a table, or column → type (features are `integer` or `number`) or field."""

_NOUNS: dict[str, str] = {
    "text": "text", "integer": "a whole number", "number": "a number", "instant": "an instant",
    "day": "a day", "flag": "true or false", "null": "always null",
}  # fmt: skip
_COMPARED = frozenset({"eq", "ne", "lt", "le", "gt", "ge", "in", "between"})
_ORDERED = frozenset({"lt", "le", "gt", "ge", "between", "least", "greatest"})
_NUMERIC = frozenset({"integer", "number"})
_ISO_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)


@dataclass(frozen=True, slots=True)
class Typed:
    """A checked node: what a row function or an SQL text is made from.

    Args:
        op: an operator, `column`, `value`, or `number` (a whole number made a float64).
        kind: the type of its value.
        arguments: the checked arguments, converted to the types that the operator needs.
        name: of a column.
        value: of a constant; an instant is int microseconds, a day is a date.
        measure: what a stored integer counts, so that cents are not compared with yen.
        title: how errors name it.
        codes: the closed list that a column's text comes from.
    """

    op: str
    kind: Type
    arguments: tuple[Typed, ...] = ()
    name: str = ""
    value: Scalar = None
    measure: str = ""
    title: str = ""
    codes: frozenset[str] | None = None

    @property
    def constant(self) -> bool:
        """Whether this is a constant."""
        return self.op == "value"


def check(expression: object, schema: Schema | None = None, *, want: Type | None = None) -> Type:
    """Check an expression against the columns that it will read and return its type.

    Args:
        expression: a tree, or a field.
        schema: a table, or column → type; may be left out if every column comes from a field.
        want: the type that it must have; a condition is `flag`.

    Raises:
        UnknownName: if a column does not exist.
        ContractError: if an operator does not take the types given to it.

    What is refused, beside text where a number belongs: sealed fields (they are ciphertext),
    codes outside their list, a comparison with the constant null, amounts in different currency
    columns or numbers of different scale side by side, and a decimal fraction beside a stored
    integer. **Money and Number are seen as they are stored**: minor units, or value × 10^scale.
    `units(Payment.amount, "100.50", currency="EUR")` writes 10050.
    """
    return resolve(expression, schema, want=want).kind


def resolve(expression: object, schema: Schema | None = None, *, want: Type | None = None) -> Typed:
    """Check an expression as `check` does and return it with its types.

    Constants take the type of what they meet: ISO text or microseconds beside an instant, ISO
    text beside a day, a whole number beside a float64.

    Raises:
        UnknownName: if a column does not exist.
        ContractError: if an operator does not take the types given to it.
    """
    checked = (
        expression if isinstance(expression, Typed) else _Checker(schema).node(operand(expression))
    )
    if want and checked.kind not in (want, "null"):
        wanted = "a condition, true or false" if want == "flag" else _NOUNS[want]
        raise ContractError(
            f"This expression must be {wanted}, but it is {_NOUNS[checked.kind]}.",
            got=checked.title,
            do="compare it with a value" if want == "flag" else "give a value of that type",
        )
    return checked


def units(field: Operand, text: str, *, currency: str = "") -> int:
    """Write a value in units of a field as the stored integer that expressions see.

    Raises:
        ContractError: if the field is no number, or the text does not fit its decimals.

    >>> from heptad.standards.model import Payment
    >>> units(Payment.amount, "100.50", currency="EUR")
    10050
    """
    if isinstance(field, Money):
        if not currency:
            raise ContractError(
                f"{field.title} is money, which needs a currency.", do='say currency="EUR"'
            )
        return parse_minor(text, currency)
    if isinstance(field, Number | Integer):
        scale = field.scale if isinstance(field, Number) else 0
        return parse_scaled(text, scale, what=field.title)
    raise ContractError(f"{field!r} is not measured in units.", do="give a Money or Number field")


def _measure(field: Field) -> str:
    """Say what one step of a stored integer is, or "" for a plain count."""
    if isinstance(field, Money):
        return f"minor units of {field.currency}"
    if isinstance(field, Number) and field.scale:
        return f"steps of 10^-{field.scale}"
    return f"steps of 10^-{Place.SCALE} degrees" if isinstance(field, Place) else ""


def _known(table: type[Table]) -> dict[str, tuple[str, Field | None]]:
    """Return the columns that an expression may read: what is declared, and known_time."""
    known: dict[str, tuple[str, Field | None]] = {
        c.name: (c.kind, field) for field in table.fields.values() for c in field.columns()
    }
    return known | {"known_time": ("instant", None)}


class _Checker:
    """Walks a tree once, from the leaves up."""

    def __init__(self, schema: Schema | None) -> None:
        self.schema = schema
        self.table = schema if isinstance(schema, type) else None
        self.known: dict[str, tuple[str, Field | None]] = {}
        if isinstance(schema, type):
            self.known = _known(schema)
        elif schema is not None:
            self.known = {
                name: (kind.kind, kind) if isinstance(kind, Field) else (kind, None)
                for name, kind in schema.items()
            }

    def node(self, expression: Expression) -> Typed:
        if isinstance(expression, Column):
            return self.column(expression)
        if isinstance(expression, Value):
            return _constant(expression)
        if isinstance(expression, Call):
            arguments = [self.node(a) for a in expression.arguments]
            made = _RULES[expression.op](expression.op, arguments)
            return replace(made, title=str(expression)[:200])
        raise ContractError(
            "An expression is made of Column, Value and Call.",
            got=expression,
            do="build it with operators on fields",
        )

    def column(self, node: Column) -> Typed:
        if self.table and node.table not in ("", self.table.__name__):
            raise ContractError(
                f"{node.table}.{node.name} cannot be read from a row of {self.table.__name__}.",
                do=f"use a field of {self.table.__name__}",
            )
        title = f"{self.table.__name__}.{node.name}" if self.table else node.name
        kind, field = self._find(node, title)
        if kind == "sealed":
            raise ContractError(
                f"{title} is personal: it is stored as ciphertext, which no expression can read.",
                do="use the subject's token, or map what you need into a field that is not personal",
            )
        if kind not in get_args(Type):
            raise ContractError(
                f"{title} has a type that does not exist.",
                got=kind,
                do=suggest(kind, get_args(Type)),
            )
        return Typed(
            "column",
            kind,  # type: ignore[arg-type]
            name=node.name,
            measure="" if field is None else _measure(field),
            title=title,
            codes=field.codes if isinstance(field, Code) else None,
        )

    def _find(self, node: Column, title: str) -> tuple[str, Field | None]:
        if self.schema is None:
            if node.kind is None:
                raise ContractError(
                    f"{title} has no type yet.", do="name the table it is read from"
                )
            return node.kind, None
        if node.name in self.known:
            return self.known[node.name]
        if self.table and isinstance(self.table.fields.get(node.name), Place):
            raise ContractError(
                f"{title} is a place, which has two columns.",
                do=f'use column("{node.name}_lat") and column("{node.name}_lon")',
            )
        where = self.table.__name__ if self.table else "This expression"
        raise UnknownName(
            f"{where} has no column {node.name[:100]!r}.", do=suggest(node.name[:100], self.known)
        )


_NULL = Typed("value", "null", title="null")
"""What always gives null is the constant null, so that `null` is a type of constants only."""


def _constant(node: Value) -> Typed:
    value = node.value
    kind: Type = "null"
    if isinstance(value, bool):
        kind = "flag"
    elif isinstance(value, int):
        kind = "integer"
    elif isinstance(value, float):
        kind = "number"
    elif isinstance(value, date):
        kind = "day"
    elif isinstance(value, str):
        kind = "text"
    return Typed("value", kind, value=value, title=str(node)[:200])


def _refuse(op: str, one: Typed, other: Typed, do: str = "") -> ContractError:
    verb = "compared with" if op in _COMPARED else f"combined by {op!r} with"
    return ContractError(
        f"{one.title} is {_NOUNS[one.kind]}: it cannot be {verb} {other.title},"
        f" which is {_NOUNS[other.kind]}.",
        do=do or _cure(one, other),
    )


def _cure(one: Typed, other: Typed) -> str:
    kinds = {one.kind, other.kind}
    if "text" in kinds and kinds & _NUMERIC and (one.constant or other.constant):
        text = one if one.kind == "text" else other
        return "write the number without quotes" if text.constant else "write the value in quotes"
    if kinds == {"instant", "day"}:
        return "map the day into an instant first, in the zone that it belongs to"
    return "use values of one type"


def _convert(op: str, argument: Typed, kind: Type, beside: Typed) -> Typed:
    """Give an argument the type `kind`, which that of `beside` asks for."""
    if argument.kind == kind:
        return argument
    if not argument.constant:
        if argument.kind == "integer" and kind == "number":
            return Typed("number", "number", (argument,), title=argument.title)
        raise _refuse(op, beside, argument)
    return replace(argument, kind=kind, value=_literal(op, argument, kind, beside))


def _literal(op: str, constant: Typed, kind: Type, beside: Typed) -> Scalar:
    """Return the value of a constant as one of `kind`."""
    value = constant.value
    if value is None:
        return None
    if kind == "number" and constant.kind == "integer":
        return float(value)  # type: ignore[arg-type]
    if kind == "instant" and isinstance(value, str):
        return parse_instant(value)
    if kind == "instant" and isinstance(value, date):
        return (value - date(1970, 1, 1)).days * day
    if kind == "instant" and constant.kind == "integer":
        return value
    if kind == "day" and isinstance(value, str):
        return _parse_day(value, beside)
    raise _refuse(op, beside, constant)


def _parse_day(text: str, beside: Typed) -> date:
    try:
        if _ISO_DAY.fullmatch(text):
            return date.fromisoformat(text)
    except ValueError:
        pass
    raise ContractError(
        f"{beside.title} is a day, which is written YYYY-MM-DD.", got=text, do="write 2026-03-01"
    )


def _unify(op: str, arguments: list[Typed]) -> tuple[Type, list[Typed]]:
    """Bring arguments to one type: that of the columns; constants follow."""
    lead = [a for a in arguments if not a.constant and a.kind != "null"]
    lead = lead or [a for a in arguments if a.kind != "null"]
    if not lead:
        return "null", arguments
    kind = lead[0].kind
    if kind in _NUMERIC:
        kind = "number" if any(a.kind == "number" for a in arguments) else "integer"
    _one_measure(op, arguments)
    return kind, [_convert(op, a, kind, lead[0]) for a in arguments]


def _one_measure(op: str, arguments: list[Typed]) -> str:
    """Return what the integers among the arguments count, which must be one thing."""
    measured = [a for a in arguments if a.measure]
    for other in measured[1:]:
        if other.measure != measured[0].measure:
            raise ContractError(
                f"{measured[0].title} is in {measured[0].measure}, but {other.title} is in"
                f" {other.measure}: {op!r} would mix them up.",
                do="multiply or divide one of them first",
            )
    return measured[0].measure if measured else ""


def _compare(op: str, arguments: list[Typed]) -> Typed:
    for argument in arguments:
        if argument.constant and argument.value is None:
            raise ContractError(
                "A comparison with null is never true.",
                do='ask "missing" of the value (in Python: .is_missing())',
            )
    _no_fractions(arguments)
    kind, converted = _unify(op, arguments)
    if op in _ORDERED and kind == "flag":
        raise ContractError(
            f"{converted[0].title} is true or false, which has no order.", do="use = or ≠"
        )
    if op in ("eq", "ne", "in"):
        _known_codes(converted)
    return Typed(op, "flag", tuple(converted))


def _no_fractions(arguments: list[Typed]) -> None:
    """Refuse 100.50 beside stored minor units: it would mean one euro and half a cent."""
    fraction = next((a for a in arguments if a.constant and a.kind == "number"), None)
    scaled = (a for a in arguments if a.measure.startswith(("minor", "steps")))
    stored = next((a for a in scaled if a.kind == "integer"), None)
    if fraction and stored:
        currency = ', currency="EUR"' if stored.measure.startswith("minor") else ""
        raise ContractError(
            f"{stored.title} is stored in {stored.measure}, so it is compared with whole numbers.",
            got=fraction.value,
            do=f'write units({stored.title}, "{fraction.value}"{currency})',
        )


def _known_codes(arguments: list[Typed]) -> None:
    listed = next((a for a in arguments if a.codes is not None), None)
    if listed is None or listed.codes is None:
        return
    for other in arguments:
        if other.constant and other.value not in listed.codes:
            raise ContractError(
                f"{listed.title} never has this code.",
                got=other.value,
                do=suggest(str(other.value)[:100], listed.codes),
            )


def _logic(op: str, arguments: list[Typed]) -> Typed:
    for argument in arguments:
        if argument.kind not in ("flag", "null"):
            raise ContractError(
                f"{op!r} joins conditions, but {argument.title} is {_NOUNS[argument.kind]}.",
                do="compare it with a value",
            )
    return Typed(op, "flag", tuple(replace(a, kind="flag") for a in arguments))


def _arithmetic(op: str, arguments: list[Typed]) -> Typed:
    first, last = arguments[0], arguments[-1]
    if {first.kind, last.kind} & {"instant", "day"}:
        return _temporal(op, arguments)
    for argument in arguments:
        if argument.kind not in (*_NUMERIC, "null"):
            raise ContractError(
                f"{op!r} takes numbers, but {argument.title} is {_NOUNS[argument.kind]}.",
                do="map it into a number first" if argument.kind == "text" else "leave it out",
            )
    if op == "div":
        return Typed(op, "number", tuple(_convert(op, a, "number", a) for a in arguments))
    kind: Type = "number" if any(a.kind == "number" for a in arguments) else "integer"
    measure = "" if op == "mul" else _one_measure(op, arguments)
    return Typed(op, kind, tuple(_convert(op, a, kind, a) for a in arguments), measure=measure)


def _temporal(op: str, arguments: list[Typed]) -> Typed:
    """Instants move by microseconds; two instants differ by microseconds, two days by days."""
    first, last = arguments[0], arguments[-1]
    kinds = (first.kind, last.kind)
    moved = kinds == ("instant", "integer") or (op == "add" and kinds == ("integer", "instant"))
    if op in ("add", "sub") and moved and {first.measure, last.measure} <= {"", "microseconds"}:
        return Typed(op, "instant", tuple(arguments))
    if op == "sub" and not moved:
        kind, converted = _unify(op, arguments)
        unit = {"day": "days", "instant": "microseconds"}[kind]
        return Typed(op, "integer", tuple(converted), measure=unit)
    raise ContractError(
        f"{op!r} cannot be done with {first.title}, which is {_NOUNS[first.kind]}"
        + (f", and {last.title}, which is {_NOUNS[last.kind]}." if last is not first else "."),
        do="instants take + and - of microseconds (7 * day); two instants or two days take -",
    )


def _missing(op: str, arguments: list[Typed]) -> Typed:
    return Typed(op, "flag", tuple(arguments))


def _choice(op: str, arguments: list[Typed]) -> Typed:
    kind, converted = _unify(op, arguments)
    if op in _ORDERED and kind == "flag":
        raise ContractError(
            f"{op!r} takes values that have an order, not true or false.", do='use "and" or "or"'
        )
    if kind == "null":
        return _NULL
    return Typed(op, kind, tuple(converted), measure=_one_measure(op, arguments))


def _if(op: str, arguments: list[Typed]) -> Typed:
    condition, *branches = arguments
    kind, converted = _unify(op, branches)
    tested = _logic(op, [condition]).arguments
    if kind == "null":
        return _NULL
    return Typed(op, kind, (*tested, *converted), measure=_one_measure(op, branches))


def _of_text(op: str, arguments: list[Typed]) -> Typed:
    for argument in arguments:
        if argument.kind not in ("text", "null"):
            raise ContractError(
                f"{op!r} takes text, but {argument.title} is {_NOUNS[argument.kind]}.",
                do="compare it as what it is",
            )
    kinds: dict[str, Type] = {"length": "integer", "lower": "text", "upper": "text"}
    return Typed(op, kinds.get(op, "flag"), tuple(replace(a, kind="text") for a in arguments))


def _function(op: str, arguments: list[Typed]) -> Typed:
    """Check a function by its declaration."""
    declared = FUNCTIONS[op]
    takes = declared.takes
    if declared.many:
        takes = (*takes, *takes[-1:] * (len(arguments) - len(takes)))
    taken = tuple(_taken(op, t, a) for t, a in zip(takes, arguments, strict=True))
    if op == "money":
        value = amount(str(taken[0].value), str(taken[1].value))
        return Typed("value", "integer", value=value)
    return Typed(op, declared.gives, taken)


def _taken(op: str, takes: str, argument: Typed) -> Typed:
    """Return an argument as a function takes it."""
    if takes in CONSTANTS:
        if not argument.constant:
            raise ContractError(
                f"{op!r} takes a constant here, but {argument.title} is read from the row.",
                do="write the value itself",
            )
        value = check_constant(takes, argument.value, argument.title)  # type: ignore[arg-type]
        return replace(argument, value=value)
    if takes == "key":
        if argument.kind in ("text", "integer") and len(argument.title) < 200:
            return argument
        raise ContractError(
            f"A list holds texts and whole numbers, but {argument.title} is {_NOUNS[argument.kind]}.",
            do="give the key that the list holds",
        )
    if argument.kind not in (takes, "null") and not (
        takes == "number" and argument.kind == "integer"
    ):
        convertible = argument.constant and takes in ("instant", "day")
        if not convertible:
            raise ContractError(
                f"{op!r} takes {_NOUNS[takes]}, but {argument.title} is {_NOUNS[argument.kind]}.",
                do="turn it into a day with `date` first"
                if takes == "day" and argument.kind == "instant"
                else "give a value of that type",
            )
    return _convert(op, argument, takes, argument)  # type: ignore[arg-type]


_RULES: dict[str, Callable[[str, list[Typed]], Typed]] = {
    **dict.fromkeys(sorted(_COMPARED), _compare),
    **dict.fromkeys(("and", "or", "not"), _logic),
    **dict.fromkeys(("add", "sub", "mul", "div", "neg", "abs"), _arithmetic),
    **dict.fromkeys(("coalesce", "least", "greatest"), _choice),
    **dict.fromkeys(("lower", "upper", "length", "starts", "contains"), _of_text),
    "missing": _missing,
    "if": _if,
    **dict.fromkeys(FUNCTIONS, _function),
}
