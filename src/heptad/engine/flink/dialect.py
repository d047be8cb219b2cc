# SPDX-License-Identifier: Apache-2.0
"""Conditions as Flink SQL, as trees; what means something else there is refused by name."""

from __future__ import annotations

from sqlglot import exp, generator, tokens
from sqlglot.dialects.dialect import Dialect

from heptad.engine.sql.expressions import to_sql
from heptad.standards.errors import ContractError

_TEXT = {exp.DType.VARCHAR, exp.DType.TEXT}
_KEPT = (
    exp.And, exp.Or, exp.Not, exp.Paren, exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE, exp.In,
    exp.Between, exp.Is, exp.Column, exp.Identifier, exp.Literal, exp.Cast, exp.DataType, exp.Null,
    exp.Boolean, exp.Neg,
)  # fmt: skip
"""Parts of a condition that mean the same on Flink."""


class Flink(Dialect):
    """What Flink SQL is written like: names in backticks, texts of any length are STRING."""

    class Tokenizer(tokens.Tokenizer):
        """How names are quoted."""

        IDENTIFIERS = ["`"]  # noqa: RUF012 - as the library declares it

    class Generator(generator.Generator):
        """How types are called."""

        TYPE_MAPPING = generator.Generator.TYPE_MAPPING | dict.fromkeys(_TEXT, "STRING")


def condition(expression: object) -> str:
    """Write a condition for Flink, in brackets.

    Raises:
        ContractError: if it has a part that Flink has not, or that means something else there.
    """
    tree = to_sql(expression)
    for node in tree.walk():
        if not isinstance(node, _KEPT):
            name = node.name if isinstance(node, exp.Anonymous) else type(node).__name__
            raise ContractError(f"Flink does not say {name.lower()} as we do.", got=str(expression))
    return f"({tree.sql(dialect=Flink, identify=True)})"


def name(text: str) -> str:
    """Write a name.

    >>> name("a`b")
    '`a``b`'
    """
    return "`" + text.replace("`", "``") + "`"
