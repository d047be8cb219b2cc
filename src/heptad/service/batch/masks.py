# SPDX-License-Identifier: Apache-2.0
"""Conditions over Arrow columns, equal to their row form: by columns where it can be, else by rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from heptad.standards.evaluate import compile_row
from heptad.standards.resolve import resolve

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import numpy.typing as npt

    from heptad.standards.expression import Expression
    from heptad.standards.resolve import Typed

    Flags = npt.NDArray[np.bool_]

_COMPARE: dict[str, Callable[..., Any]] = {
    "eq": pc.equal, "ne": pc.not_equal, "lt": pc.less, "le": pc.less_equal, "gt": pc.greater,
    "ge": pc.greater_equal,
}  # fmt: skip
_JOIN: dict[str, Callable[..., Any]] = {"and": pc.and_kleene, "or": pc.or_kleene}
_PLAIN = frozenset({"text", "integer", "instant", "flag"})


def mask(condition: Expression, columns: Mapping[str, pa.Array], n: int) -> Flags:
    """Return where a condition is true; null counts as false.

    Args:
        condition: over the columns.
        columns: stored columns by name.
        n: rows.
    """
    tree = resolve(condition)
    if _columnar(tree):
        found = _evaluate(tree, columns)
        if isinstance(found, pa.Scalar):
            return np.full(n, found.as_py() is True)
        return np.asarray(pc.fill_null(found, False).to_numpy(zero_copy_only=False), np.bool_)
    test = compile_row(condition)
    read = {name: columns[name].to_pylist() for name in condition.columns()}
    rows = (dict(zip(read, row, strict=True)) for row in zip(*read.values(), strict=True))
    return np.array([test(row) is True for row in rows], np.bool_)


def _columnar(node: Typed) -> bool:
    """Tell whether a tree has only parts of which Arrow means the same as the row form."""
    if node.op in ("column", "value"):
        return node.kind in _PLAIN
    if node.op == "in":
        constant = all(a.constant and a.value is not None for a in node.arguments[1:])
        return constant and _columnar(node.arguments[0])
    if node.op in _COMPARE:
        kinds = {a.kind for a in node.arguments}
        return kinds <= _PLAIN and all(map(_columnar, node.arguments))
    return node.op in (*_JOIN, "not", "missing") and all(map(_columnar, node.arguments))


def _evaluate(node: Typed, columns: Mapping[str, pa.Array]) -> Any:
    """Evaluate a tree over columns; the result may be a scalar."""
    if node.op == "column":
        return columns[node.name]
    if node.op == "value":
        return pa.scalar(node.value)
    first = _evaluate(node.arguments[0], columns)
    if node.op == "in":
        listed = pa.array([a.value for a in node.arguments[1:]], first.type)
        return pc.if_else(pc.is_valid(first), pc.is_in(first, listed), pa.scalar(None, pa.bool_()))
    if node.op == "not":
        return pc.invert(first)
    if node.op == "missing":
        return pc.is_null(first)
    join = _COMPARE.get(node.op) or _JOIN[node.op]
    for argument in node.arguments[1:]:
        first = join(first, _evaluate(argument, columns))
    return first
