# SPDX-License-Identifier: Apache-2.0
"""Rules: named conditions with an outcome, a code and sentences, decided for a row or a batch."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from heptad.standards.evaluate import compile_row
from heptad.standards.generated import compile_all

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import numpy as np
    import numpy.typing as npt

    from heptad.engine.batch.columns import Frame
    from heptad.service.app import Plain
    from heptad.standards.resolve import Typed


@dataclass(frozen=True)
class Rule:
    """One rule.

    Attributes:
        code: stable code of the reason that it gives.
        when: the condition; a rule fires where it is true, not where it is null.
        outcome: what it asks for; "" where it only adds points.
        points: what it adds to `score.rules`.
        numbers: name → expression of a number that the sentence names.
        amounts: name → expression of an amount that the outcome carries.
        says: language → sentence.
        lost: how many inputs that cost most points are told as further reasons.
        instead: whether those replace the rule's own reason where there are any.
        place: file and line.
    """

    code: str
    when: Typed
    outcome: str = ""
    points: int = 0
    numbers: Mapping[str, Typed] = field(default_factory=dict)
    amounts: Mapping[str, Typed] = field(default_factory=dict)
    says: Mapping[str, str] = field(default_factory=dict)
    lost: int = 0
    instead: bool = False
    place: str = ""

    def trees(self) -> Iterator[Typed]:
        """Yield every expression of the rule."""
        yield self.when
        yield from self.numbers.values()
        yield from self.amounts.values()


class Rules:
    """Rules in order, compiled for a row, a batch and SQL.

    Args:
        rules: in the order in which they are told.
    """

    def __init__(self, rules: Sequence[Rule]) -> None:
        self.rules = tuple(rules)
        self.fired = compile_all([rule.when for rule in self.rules])
        """Row → positions of the rules that fire, in order. Pure and without I/O."""
        self._told = [
            {name: compile_row(tree) for name, tree in rule.numbers.items()} for rule in self.rules
        ]
        self._batches: list[Any] | None = None

    def numbers(self, position: int, row: Mapping[str, Any]) -> dict[str, Plain]:
        """Return the numbers that the sentence of a rule names, for a row."""
        return {name: read(row) for name, read in self._told[position].items()}

    def each(self, frame: Frame) -> Iterator[npt.NDArray[np.bool_]]:
        """Yield for each rule the (n,) rows of a batch for which it fires."""
        from heptad.engine.batch.expressions import compile_batch

        if self._batches is None:
            self._batches = [compile_batch(rule.when) for rule in self.rules]
        for batch in self._batches:
            yield batch(frame).true(frame.n)

    def sql(self, alias: str | None = None) -> list[str]:
        """Return each condition as SQL text for DuckDB."""
        from heptad.engine.sql.expressions import sql_text

        return [sql_text(rule.when, alias) for rule in self.rules]


@dataclass(frozen=True)
class RuleSet:
    """A named, versioned set of rules as it was read from YAML.

    Attributes:
        name: of the set.
        version: that its authors gave it.
        on: name of the table whose rows it reads.
        rules: the rules, compiled.
        text: the YAML itself; its hash is the set's identity.
        policy: named values with their defaults.
    """

    name: str
    version: int
    on: str
    rules: Rules
    text: str
    policy: Mapping[str, Plain] = field(default_factory=dict)

    @property
    def sha256(self) -> str:
        """Hash of the bytes that were read."""
        return hashlib.sha256(self.text.encode()).hexdigest()
