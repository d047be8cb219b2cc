# SPDX-License-Identifier: Apache-2.0
"""Many conditions compiled into one Python function, from checked trees only.

The text of that function is made of our own words and numbered names; what a user wrote (names
of columns, constants, patterns) enters it as values, never as text.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import inf
from typing import Any

from heptad.standards.evaluate import compile_row
from heptad.standards.resolve import Typed

Fired = Callable[[Mapping[str, Any]], list[int]]
"""A function from a row to the positions of the conditions that are true, in order."""

_SIGNS = {"eq": "==", "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">="}
_OPPOSITE = {"eq": "ne", "ne": "eq", "lt": "ge", "ge": "lt", "le": "gt", "gt": "le"}


def compile_all(conditions: Sequence[Typed]) -> Fired:
    """Compile conditions into one function that tells which are true of a row.

    It is equal to asking `heptad.standards.evaluate.condition` of each, and several times faster:
    columns are read once, `and` and `or` stop early with what is cheap first.
    """
    writer = _Writer()
    tests = [writer.truth(condition) for condition in conditions]
    reads = [
        f"    {v} = get({k})"
        + (f"\n    if {v} is not None and not -inf < {v} < inf: {v} = None" if number else "")
        for v, k, number in writer.columns.values()
    ]
    fires = [f"    if {test}: append({n})" for n, test in enumerate(tests)]
    given = ", ".join(f"{name}={name}" for name in writer.values)
    lines = [
        f"def fired(row, *, inf=inf{', ' + given if given else ''}):",
        "    get = row.get",
        *reads,
        "    found = []",
        "    append = found.append",
        *fires,
        "    return found",
    ]
    space: dict[str, Any] = {"inf": inf, **writer.values}
    exec(compile("\n".join(lines), "<rules>", "exec"), space)  # noqa: S102 - our own text, see above
    made: Fired = space["fired"]
    return made


class _Writer:
    """Writes tests in Python over numbered names."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}
        self.columns: dict[str, tuple[str, str, bool]] = {}

    def value(self, value: Any) -> str:
        name = f"k{len(self.values)}"
        self.values[name] = value
        return name

    def column(self, node: Typed) -> str:
        if node.name not in self.columns:
            made = f"v{len(self.columns)}", self.value(node.name), node.kind == "number"
            self.columns[node.name] = made
        return self.columns[node.name][0]

    def truth(self, node: Typed, wanted: bool = True) -> str:
        """Write a test that holds where a condition is true, or where it is false."""
        if node.op == "not":
            return self.truth(node.arguments[0], not wanted)
        if node.op in ("and", "or"):
            return self._joined(node, wanted)
        if node.op == "between":
            one, low, high = node.arguments
            parts = (Typed("ge", "flag", (one, low)), Typed("le", "flag", (one, high)))
            return self._joined(Typed("and", "flag", parts), wanted)
        if node.op == "value":
            return str(node.value is wanted)
        if node.op == "missing" and self._simple(node.arguments[0]):
            sign = "is" if wanted else "is not"
            return f"{self._operand(node.arguments[0])} {sign} None"
        return self._leaf(node, wanted)

    def _joined(self, node: Typed, wanted: bool) -> str:
        word = " and " if (node.op == "and") == wanted else " or "
        parts = sorted(node.arguments, key=self._cost)
        return "(" + word.join(self.truth(part, wanted) for part in parts) + ")"

    def _leaf(self, node: Typed, wanted: bool) -> str:
        if node.op == "column":
            return f"{self.column(node)} is {wanted}"
        if node.op in _SIGNS and all(map(self._simple, node.arguments)):
            return self._compared(node, wanted)
        if node.op == "in" and self._listed(node):
            values = self.value(frozenset(a.value for a in node.arguments[1:]))
            name = self._operand(node.arguments[0])
            there = f"{name} in {values}"
            return there if wanted else f"({name} is not None and not {there})"
        return f"{self.value(compile_row(node))}(row) is {wanted}"

    def _compared(self, node: Typed, wanted: bool) -> str:
        sign = _SIGNS[node.op if wanted else _OPPOSITE[node.op]]
        one, other = map(self._operand, node.arguments)
        nulls = [
            f"{name} is not None"
            for name, a in zip((one, other), node.arguments, strict=True)
            if not a.constant or a.value is None
        ]
        return "(" + " and ".join([*nulls, f"{one} {sign} {other}"]) + ")"

    def _listed(self, node: Typed) -> bool:
        constants = all(a.constant and a.value is not None for a in node.arguments[1:])
        return constants and node.arguments[0].op == "column"

    def _simple(self, node: Typed) -> bool:
        return node.op in ("column", "value")

    def _operand(self, node: Typed) -> str:
        return self.column(node) if node.op == "column" else self.value(node.value)

    def _cost(self, node: Typed) -> int:
        """Say how dear a test is: what is written out comes before what is called."""
        if node.op in ("and", "or", "not"):
            return max(map(self._cost, node.arguments))
        simple = all(map(self._simple, node.arguments))
        if node.op in (*_SIGNS, "in", "between", "missing", "column", "value") and simple:
            return 0
        return 2 if any(n.op in ("edits", "similar", "metres") for n in _below(node)) else 1


def _below(node: Typed) -> list[Typed]:
    found = [node]
    for part in found:
        found.extend(part.arguments)
    return found
