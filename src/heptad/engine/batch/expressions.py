# SPDX-License-Identifier: Apache-2.0
"""The batch form of expressions: by arrays, equal bit for bit to the row form.

What arrays cannot compute exactly (text, rare functions, sums that leave 64 bits) is computed by
the row form, once for each distinct combination of its arguments.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from heptad.engine.batch.columns import Column, Frame, constant, from_values
from heptad.standards.evaluate import compile_row, listing
from heptad.standards.resolve import Schema, Typed, resolve
from heptad.standards.zones import FIRST, LAST, offsets

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    Array = npt.NDArray[Any]
    Batch = Callable[[Frame], Column]

_DAY = 86_400_000_000
_HOUR = 3_600_000_000
_COMPARE: dict[str, Callable[..., Any]] = {
    "eq": np.equal, "ne": np.not_equal, "lt": np.less, "le": np.less_equal,
    "gt": np.greater, "ge": np.greater_equal,
}  # fmt: skip
_COMPUTE: dict[str, Callable[..., Any]] = {"add": np.add, "sub": np.subtract, "mul": np.multiply}
_LIMIT = 2**63 - 1


def compile_batch(expression: object, schema: Schema | None = None) -> Batch:
    """Compile an expression into a function of a frame.

    Args:
        expression: a tree, a field, or what `resolve` returned.
        schema: what the columns are; may be left out if every column comes from a field.

    Raises:
        UnknownName: if a column does not exist.
        ContractError: if the types do not fit.
    """
    return _compile(resolve(expression, schema))


def _compile(node: Typed) -> Batch:
    if node.op == "column":
        return lambda frame: frame.column(node.name, node.kind)
    if node.op == "value":
        fixed = constant(node.kind, node.value)
        return lambda frame: fixed  # noqa: ARG005 - a constant is the same in every row
    if node.op == "listed":
        name = listing(node)
        return lambda frame: frame.column(name, "flag")
    if node.op in ("and", "or"):
        return _joined(node)
    if node.op == "between":
        one, low, high = node.arguments
        bounds = (
            replace(node, op="ge", arguments=(one, low)),
            replace(node, op="le", arguments=(one, high)),
        )
        return _compile(replace(node, op="and", arguments=bounds))
    build = _BUILDERS.get(node.op) if _by_array(node) else None
    return build(node) if build else _by_rows(node)


def _by_array(node: Typed) -> bool:
    """Tell whether arrays compute an operator on arguments of these types exactly."""
    if node.op in ("missing", "not"):
        return True
    if node.op == "if":
        return node.kind != "text"
    return all(a.kind not in ("text", "null") for a in node.arguments) or node.op in _OF_CONSTANTS


def _meet(*columns: Column) -> Any:
    """Return where all columns have a value; None where they do everywhere."""
    found: Any = None
    for column in columns:
        if column.there is not None:
            found = column.there if found is None else found & column.there
    return found


def _joined(node: Typed) -> Batch:
    """Join conditions by Kleene's logic; what is slow is asked of undecided rows only."""
    parts = sorted(node.arguments, key=_is_slow)
    tests = [(_compile(part), _is_slow(part)) for part in parts]
    ends = node.op == "or"

    def join(frame: Frame) -> Column:
        decided = np.zeros(frame.n, np.bool_)
        unknown: Any = None
        for test, slow in tests:
            if slow and decided.any():
                rows = np.flatnonzero(~decided)
                found = _spread(test(frame.taken(rows)), rows, frame.n)
            else:
                found = test(frame)
            hit = found.data if ends else ~found.data
            if found.there is not None:
                hit = hit & found.there
                unknown = ~found.there if unknown is None else unknown | ~found.there
            decided |= hit
        there = None if unknown is None else decided | ~np.broadcast_to(unknown, frame.n)
        return Column("flag", decided if ends else ~decided, there)

    return join


def _spread(found: Column, rows: Array, n: int) -> Column:
    """Put the values of some rows at their places; the others are decided already."""
    data = np.zeros(n, np.bool_)
    data[rows] = found.data
    if found.there is None:
        return Column("flag", data)
    there = np.ones(n, np.bool_)
    there[rows] = found.there
    return Column("flag", data, there)


def _is_slow(node: Typed) -> bool:
    """Tell whether a part may have to be computed row by row."""
    if node.op in ("column", "value", "listed"):
        return False
    slow = node.op in ("edits", "similar", "metres", "power", "like", "contains")
    return slow or any(map(_is_slow, node.arguments))


def _not(node: Typed) -> Batch:
    inner = _compile(node.arguments[0])

    def negate(frame: Frame) -> Column:
        found = inner(frame)
        return Column("flag", ~found.data, found.there)

    return negate


def _missing(node: Typed) -> Batch:
    inner = _compile(node.arguments[0])

    def missing(frame: Frame) -> Column:
        there = inner(frame).there
        return Column("flag", np.zeros(frame.n, np.bool_) if there is None else ~there)

    return missing


def _compare(node: Typed) -> Batch:
    test = _COMPARE[node.op]
    one, other = map(_compile, node.arguments)

    def compare(frame: Frame) -> Column:
        a, b = one(frame), other(frame)
        return Column("flag", test(a.data, b.data), _meet(a, b))

    return compare


def _compute(node: Typed) -> Batch:
    """Add, subtract or multiply; whole numbers that may leave 64 bits go row by row."""
    function, rare = _COMPUTE[node.op], _by_rows(node)
    one, other = map(_compile, node.arguments)

    def compute(frame: Frame) -> Column:
        a, b = one(frame), other(frame)
        if node.kind == "number":
            with np.errstate(all="ignore"):
                return _finite(function(a.data, b.data), _meet(a, b))
        if not _fits(node.op, a.data, b.data):
            return rare(frame)
        return Column(node.kind, function(a.data, b.data), _meet(a, b))

    return compute


def _fits(op: str, a: Array, b: Array) -> bool:
    """Tell whether no result can leave 64 bits."""
    if a.size == 0 or b.size == 0:
        return True
    most, more = (max(int(x.max()), -int(x.min())) for x in (a, b))
    return (most * more if op == "mul" else most + more) <= _LIMIT


def _finite(data: Array, there: Any) -> Column:
    finite = np.isfinite(data)
    if finite.all():
        return Column("number", data, there)
    return Column(
        "number", np.where(finite, data, 0.0), finite if there is None else finite & there
    )


def _divide(node: Typed) -> Batch:
    one, other = map(_compile, node.arguments)

    def divide(frame: Frame) -> Column:
        a, b = one(frame), other(frame)
        with np.errstate(all="ignore"):
            return _finite(a.data / b.data, _meet(a, b))

    return divide


def _sign(node: Typed) -> Batch:
    inner, rare = _compile(node.arguments[0]), _by_rows(node)
    function = np.negative if node.op == "neg" else np.abs

    def change(frame: Frame) -> Column:
        found = inner(frame)
        if node.kind == "integer" and found.data.size and int(found.data.min()) == -(2**63):
            return rare(frame)
        return Column(node.kind, function(found.data), found.there)

    return change


def _number(node: Typed) -> Batch:
    inner = _compile(node.arguments[0])

    def number(frame: Frame) -> Column:
        found = inner(frame)
        return Column("number", found.data.astype(np.float64), found.there)

    return number


def _if(node: Typed) -> Batch:
    test, then, otherwise = map(_compile, node.arguments)

    def choose(frame: Frame) -> Column:
        return _pick(test(frame).true(frame.n), then(frame), otherwise(frame), node)

    return choose


def _pick(here: Array, one: Column, other: Column, node: Typed) -> Column:
    data = np.where(here, one.data, other.data)
    if one.there is None and other.there is None:
        return Column(node.kind, data)
    left, right = (np.True_ if c.there is None else c.there for c in (one, other))
    return Column(node.kind, data, np.where(here, left, right))


def _coalesce(node: Typed) -> Batch:
    parts = [_compile(a) for a in node.arguments]

    def choose(frame: Frame) -> Column:
        found = parts[0](frame)
        for part in parts[1:]:
            if found.there is None:
                return found
            found = _pick(found.there, found, part(frame), node)
        return found

    return choose


def _extreme(node: Typed) -> Batch:
    parts = [_compile(a) for a in node.arguments]
    better = np.less if node.op == "least" else np.greater

    def choose(frame: Frame) -> Column:
        found = parts[0](frame)
        for part in parts[1:]:
            other = part(frame)
            here = better(other.data, found.data)
            if found.there is not None:
                here = here | ~found.there
            if other.there is not None:
                here = here & other.there
            found = _pick(here, other, found, node)
        return found

    return choose


def _in(node: Typed) -> Batch:
    one, *listed = node.arguments
    inner = _compile(one)
    values = [a.value for a in listed]
    if not all(a.constant for a in listed) or None in values or one.kind == "day":
        return _by_rows(node)
    if one.kind == "text":
        wanted = frozenset(values)
        return _of_texts(inner, lambda text: text in wanted)
    members = np.array(values, np.float64 if one.kind == "number" else None)
    if one.kind == "flag":
        members = members.astype(np.bool_)

    def member(frame: Frame) -> Column:
        found = inner(frame)
        data = np.zeros(found.data.shape, np.bool_)
        for value in members:
            data |= found.data == value
        return Column("flag", data, found.there)

    return member if len(members) <= 64 else _by_rows(node)


def _of_texts(inner: Batch, test: Callable[[str], bool]) -> Batch:
    """Ask something of each distinct text once."""

    def asked(frame: Frame) -> Column:
        found = inner(frame)
        answers = np.fromiter(map(test, found.texts), np.bool_, len(found.texts))
        return Column("flag", answers[found.data], found.there)

    return asked


def _text_compare(node: Typed) -> Batch:
    """Compare texts with a constant, each distinct one once; two columns go by rows."""
    one, other = node.arguments
    if not other.constant or other.value is None or one.constant:
        return _by_rows(node)
    single = compile_row(replace(node, arguments=(_stand_in(0, one), other)))
    return _of_texts(_compile(one), lambda text: single({"0": text}) is True)


def _shown(node: Typed) -> Callable[[Frame], tuple[Column, Any, Any]]:
    """Return what a zone's clocks show, in microseconds, and where they are known to."""
    inner = _compile(node.arguments[0])
    table = offsets(str(node.arguments[1].value))
    at, ahead = np.array(table.at, np.int64), np.array(table.ahead, np.int64)

    def shown(frame: Frame) -> tuple[Column, Any, Any]:
        found = inner(frame)
        known = (found.data >= FIRST) & (found.data < LAST)
        where = np.where(known, found.data, FIRST)
        there = known if found.there is None else known & found.there
        return found, where + ahead[np.searchsorted(at, where, "right") - 1], there

    return shown


def _hour(node: Typed) -> Batch:
    shown = _shown(node)

    def hour(frame: Frame) -> Column:
        _, local, there = shown(frame)
        return Column("integer", local % _DAY // _HOUR, there)

    return hour


def _date(node: Typed) -> Batch:
    shown = _shown(node)

    def day(frame: Frame) -> Column:
        _, local, there = shown(frame)
        return Column("day", local // _DAY, there)

    return day


def _weekday(node: Typed) -> Batch:
    inner = _compile(node.arguments[0])

    def weekday(frame: Frame) -> Column:
        found = inner(frame)
        return Column("integer", (found.data + 3) % 7 + 1, found.there)

    return weekday


def _metres(node: Typed) -> Batch:
    parts = [_compile(a) for a in node.arguments]

    def far(frame: Frame) -> Column:
        from heptad.engine.batch.loops import distances

        columns = [part(frame) for part in parts]
        data, there = distances(
            *(np.ascontiguousarray(np.broadcast_to(c.data, frame.n)) for c in columns)
        )
        met = _meet(*columns)
        return Column("integer", data, there if met is None else there & met)

    return far


def _stand_in(n: int, argument: Typed) -> Typed:
    """Return a column in the place of an argument."""
    return Typed("column", argument.kind, name=str(n), title=argument.title)


def _by_rows(node: Typed) -> Batch:
    """Compute by the row form, once for each distinct combination of the arguments."""
    kept = [a.constant for a in node.arguments]
    stand_ins = tuple(
        a if k else _stand_in(n, a)
        for n, (a, k) in enumerate(zip(node.arguments, kept, strict=True))
    )
    row = compile_row(replace(node, arguments=stand_ins))
    read = [(str(n), _compile(a)) for n, a in enumerate(node.arguments) if not kept[n]]

    def compute(frame: Frame) -> Column:
        columns = [(name, part(frame)) for name, part in read]
        if all(c.constant for _, c in columns):
            value = row({name: c.plain(np.zeros(1, np.int64))[0] for name, c in columns})
            return constant(node.kind, value)
        first, places = _distinct([c for _, c in columns], frame.n)
        cells = [c.plain(first) for _, c in columns]
        names = [name for name, _ in columns]
        answers = [
            row(dict(zip(names, values, strict=True))) for values in zip(*cells, strict=True)
        ]
        found = from_values(node.kind, answers)
        return found.taken(places)

    return compute


def _distinct(columns: list[Column], n: int) -> tuple[Array, Array]:
    """Return where each distinct combination is first met, and of each row which one it has."""
    codes = np.zeros(n, np.int64)
    for column in columns:
        if column.constant:
            continue
        own, size = _codes(column)
        if size > 1:
            codes, _ = _codes(Column("integer", codes * size + own))
    places, count = _codes(Column("integer", codes))
    first = np.empty(count, np.int64)
    first[places[::-1]] = np.arange(n - 1, -1, -1)
    return first, places


def _codes(column: Column) -> tuple[Array, int]:
    """Number the distinct values of a column; null is one of them."""
    data = column.data
    if column.kind == "number":
        data = data.view(np.int64)  # 0.0 and -0.0 are two
    elif column.kind == "flag":
        data = data.astype(np.int64)
    coded = pc.dictionary_encode(pa.array(data))
    codes = coded.indices.to_numpy().astype(np.int64)
    if column.there is None:
        return codes, len(coded.dictionary)
    return np.where(column.there, codes + 1, 0), len(coded.dictionary) + 1


def _mixed(node: Typed) -> Batch:
    """Compare: texts by distinct text, everything else by arrays."""
    kinds = {a.kind for a in node.arguments}
    if kinds == {"text"}:
        return _text_compare(node)
    return _by_rows(node) if kinds & {"text", "null"} else _compare(node)


_OF_CONSTANTS = frozenset({*_COMPARE, "in", "hour", "date"})
_BUILDERS: dict[str, Callable[[Typed], Batch]] = {
    **dict.fromkeys(_COMPARE, _mixed), **dict.fromkeys(_COMPUTE, _compute), "div": _divide,
    "neg": _sign, "abs": _sign, "number": _number, "not": _not, "missing": _missing, "if": _if,
    "coalesce": _coalesce, "least": _extreme, "greatest": _extreme, "in": _in, "hour": _hour,
    "date": _date, "weekday": _weekday, "metres": _metres,
}  # fmt: skip
