# SPDX-License-Identifier: Apache-2.0
"""The page of operators and functions of expressions, made from their declarations."""

from __future__ import annotations

from heptad.standards.expression import OPERATORS
from heptad.standards.functions import FUNCTIONS

PLAIN = {
    "eq, ne, lt, le, gt, ge": "compare two values of one type",
    "and, or, not": "join conditions, by three-valued logic",
    "add, sub, mul, div, neg, abs": "compute; what leaves 64 bits or is not finite is null",
    "in": "true where the first is one of the others",
    "between": "true where the first lies between the others, both included",
    "missing": "true where there is no value; never null itself",
    "coalesce": "the first value that is there",
    "if": "the second where the first is true, else the third",
    "least, greatest": "the smallest or largest of what is there",
    "lower, upper": "A to Z made small, or capital",
    "length": "the number of Unicode code points",
    "starts, contains": "true where the text begins with, or contains, the second",
}
"""The operators that are no declared functions, in words."""


def page() -> str:
    """Return the page as Markdown."""
    lines = [
        "# Operators and functions of expressions",
        "",
        f"Made from the declarations by `heptad.service.rules.functions`. There are {len(OPERATORS)}. "
        "Each gives the same for a row, a batch of columns and SQL, bit for bit; null, where an argument is null.",
        "",
        "| operators | what they do |",
        "|---|---|",
        *(f"| `{names.replace(', ', '` `')}` | {says} |" for names, says in PLAIN.items()),
        "",
        "| function | takes | gives | what it answers | example |",
        "|---|---|---|---|---|",
    ]
    for f in FUNCTIONS.values():
        takes = ", ".join(f.takes) + (", …" if f.many else "")
        lines.append(f"| `{f.name}` | {takes} | {f.gives} | {f.says} | `{f.example}` |")
    return "\n".join([*lines, ""])
