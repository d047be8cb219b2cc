# SPDX-License-Identifier: Apache-2.0
"""Features: a question asked of a table at an instant, written once."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from heptad.standards import Code, Field, Flag, Instant, Money, Number, Path, Ref
from heptad.standards.errors import ContractError, suggest
from heptad.standards.evaluate import check
from heptad.standards.expression import Call, Column, Expression, Value
from heptad.standards.money import exponent
from heptad.standards.time import format_duration

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from heptad.standards import Table

Operator = Literal[
    "count", "total", "mean", "smallest", "largest", "spread",
    "latest", "earliest", "share", "rate", "ratio", "since",
]  # fmt: skip
OPERATORS: frozenset[str] = frozenset(Operator.__args__)  # type: ignore[attr-defined]

_UNITS: dict[str, str] = {
    "share": "fraction", "rate": "fraction", "ratio": "fraction",
    "since": "seconds", "count": "events",
}  # fmt: skip
_NUMBERS = frozenset({"total", "mean", "smallest", "largest", "spread"})


@dataclass(frozen=True, slots=True)
class Last:
    """A count window: the last `n` events."""

    n: int


Window = int | Last | None


def last(n: int) -> Last:
    """Declare a window of the last `n` events of the key.

    Raises:
        ContractError: if n is below 1.
    """
    if n < 1:
        raise ContractError("A count window holds at least one event.", got=n)
    return Last(n)


@dataclass(frozen=True, eq=False)
class Feature:
    """`op` of `of` over the events of one key in a window.

    For (key, t, k) a time window holds the events e with
    t - delay - over < e.event_time <= t - delay that were known at k; a row that is itself an
    event ends its window at its own (event_time, key), inclusive. A count window holds the last n
    of the events up to t - delay. `where` chooses among the events of the window.

    Results: count whole number (0 without events); total integer in the field's stored unit (0
    without values); smallest, largest, latest, earliest the stored value or None; mean and spread
    float64 in the stored unit (spread is the sample standard deviation, None below two values);
    share, rate and ratio fractions or None; since whole seconds or None.
    """

    op: Operator
    of: Field
    by: Field | Path
    over: Window = None
    where: Expression | None = None
    into: str = ""
    delay: int = 0
    parts: tuple[Feature, ...] = ()
    name: str = ""

    def __post_init__(self) -> None:
        _check(self)

    @property
    def table(self) -> type[Table]:
        """The table that the question is asked of."""
        return self.of.table

    @property
    def by_end(self) -> Field:
        """The field whose value is the key."""
        return self.by.end if isinstance(self.by, Path) else self.by

    @property
    def entity(self) -> str:
        """What the key names: a table, or `Table.field` for a key that is no Ref."""
        end = self.by_end
        if isinstance(end, Ref):
            return end.target_name
        return end.table.__name__ if end.key else end.title

    @property
    def currency(self) -> str:
        """The currency of a result that is money, or ''."""
        if not isinstance(self.of, Money) or self.op not in _NUMBERS | {"latest", "earliest"}:
            return ""
        return self.into or _fixed_currency(self.of, self.where)

    def definition(self) -> dict[str, Any]:
        """Return the definition as plain data; equal definitions have equal data."""
        over: Any = {"last": self.over.n} if isinstance(self.over, Last) else self.over
        data: dict[str, Any] = {
            "op": self.op,
            "of": self.of.title,
            "by": repr(self.by),
            "over": over,
        }
        if self.where is not None:
            data["where"] = self.where.to_json()
        if self.into:
            data["into"] = self.into
        if self.delay:
            data["delay"] = self.delay
        if self.parts:
            return {"op": self.op, "parts": [part.definition() for part in self.parts]}
        return data

    def version(self) -> str:
        """Return a hash of the definition."""
        text = json.dumps(self.definition(), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def sentence(self) -> str:
        """Say in words what is computed."""
        if self.parts:
            return " divided by ".join(part.sentence() for part in self.parts)
        if isinstance(self.over, Last):
            over = f" over the last {self.over.n} events"
        else:
            over = f" over {format_duration(self.over)}" if self.over else " over all history"
        parts = [f"{self.op} of {self.of.title}", f" by {self.by!r}", over]
        if self.delay:
            parts.append(f", ending {format_duration(self.delay)} before")
        if self.where is not None:
            parts.append(f", where {self.where}")
        if self.into:
            parts.append(f", in {self.into}")
        return "".join(parts)


def named(features: Mapping[str, Feature]) -> dict[str, Feature]:
    """Give each feature the name that it is declared under."""
    return {name: replace(feature, name=name) for name, feature in features.items()}


def parts_of(features: Iterable[Feature]) -> list[Feature]:
    """Replace each ratio by its two parts, named `name#0` and `name#1`."""
    flat: list[Feature] = []
    for feature in features:
        if feature.parts:
            flat += [replace(p, name=f"{feature.name}#{i}") for i, p in enumerate(feature.parts)]
        else:
            flat.append(feature)
    return flat


def _fixed_currency(of: Money, where: Expression | None) -> str:
    """Find the one currency that `where` demands, or ''."""
    todo = [where] if where is not None else []
    while todo:
        node = todo.pop()
        if not isinstance(node, Call):
            continue
        if node.op == "and":
            todo.extend(node.arguments)
        if node.op == "eq":
            names = [a.name for a in node.arguments if isinstance(a, Column)]
            values = [a.value for a in node.arguments if isinstance(a, Value)]
            if names == [of.currency] and values:
                return str(values[0])
    return ""


def _check(feature: Feature) -> None:
    """Refuse a feature that has no exact meaning."""
    of, title = feature.of, f"{feature.op}({feature.of.title})"
    _check_window(feature, title)
    _check_operand(feature, title)
    if feature.by.table is not of.table:
        raise ContractError(
            f"{title}: `by` must start at {of.table.__name__}.",
            got=repr(feature.by),
            do=f"walk to it from a field of {of.table.__name__}",
        )
    if feature.by_end.sealed or of.sealed:
        raise ContractError(f"{title}: a sealed field cannot be computed with.", got=repr(of))
    if of.table.state:
        raise ContractError(
            f"{title}: windows are asked of events, and {of.table.__name__} holds states.",
            do="read it as of an instant instead",
        )
    if feature.where is not None:
        check(feature.where, of.table)
    _check_money(feature, title)


def _check_window(feature: Feature, title: str) -> None:
    """Refuse windows that hold nothing or look ahead."""
    if isinstance(feature.over, int) and feature.over <= 0:
        raise ContractError(f"{title}: a window is longer than nothing.", got=feature.over)
    if feature.delay < 0:
        raise ContractError(f"{title}: a delay looks back, never ahead.", got=feature.delay)


def _check_operand(feature: Feature, title: str) -> None:
    """Refuse an operator on a field of the wrong kind."""
    of = feature.of
    if len(of.columns()) != 1:
        raise ContractError(f"{title}: a place has no single value.", got=type(of).__name__)
    if feature.op in _NUMBERS and of.kind != "integer":
        raise ContractError(f"{title}: needs a number.", got=type(of).__name__)
    if feature.op == "rate" and not isinstance(of, Flag):
        raise ContractError(f"{title}: a rate is taken of a Flag.", got=type(of).__name__)
    if feature.op == "share" and feature.where is None:
        raise ContractError(f"{title}: say with `where` which share.")


def _check_money(feature: Feature, title: str) -> None:
    """Refuse to mix currencies."""
    of = feature.of
    if feature.into:
        if not isinstance(of, Money):
            raise ContractError(f"{title}: only money is converted.", got=feature.into)
        exponent(feature.into)
    if isinstance(of, Money) and feature.op in _NUMBERS and not feature.currency:
        currency = of.table.fields[of.currency]
        codes = sorted(currency.codes)[:3] if isinstance(currency, Code) else []
        raise ContractError(
            f"{title} would add up different currencies.",
            do=f'say into="{codes[0] if codes else "EUR"}", or where={currency.title} == "EUR"',
        )


def _feature(op: Operator, of: Field, clauses: dict[str, Any]) -> Feature:
    known = {"by", "over", "where", "into", "delay"}
    for name in clauses:
        if name not in known:
            raise ContractError(f"{op} has no clause {name!r}.", got=name, do=suggest(name, known))
    if "by" not in clauses:
        raise ContractError(f"{op}({of.title}) needs by=, the field whose value is the key.")
    return Feature(op, of, **clauses)


def count(of: Field, **clauses: Any) -> Feature:
    """Count the rows in which `of` has a value."""
    return _feature("count", of, clauses)


def total(of: Field, **clauses: Any) -> Feature:
    """Add up `of`; 0 without values."""
    return _feature("total", of, clauses)


def mean(of: Field, **clauses: Any) -> Feature:
    """Arithmetic mean of `of`, in its stored unit."""
    return _feature("mean", of, clauses)


def smallest(of: Field, **clauses: Any) -> Feature:
    """Smallest `of`."""
    return _feature("smallest", of, clauses)


def largest(of: Field, **clauses: Any) -> Feature:
    """Largest `of`."""
    return _feature("largest", of, clauses)


def spread(of: Field, **clauses: Any) -> Feature:
    """Sample standard deviation of `of`, in its stored unit."""
    return _feature("spread", of, clauses)


def latest(of: Field, **clauses: Any) -> Feature:
    """Value of `of` in the latest row that has one; ties go to the greater key."""
    return _feature("latest", of, clauses)


def earliest(of: Field, **clauses: Any) -> Feature:
    """Value of `of` in the earliest row that has one; ties go to the smaller key."""
    return _feature("earliest", of, clauses)


def share(of: Field, **clauses: Any) -> Feature:
    """Rows where `where` is true over all rows of the window that have `of`."""
    return _feature("share", of, clauses)


def rate(of: Field, **clauses: Any) -> Feature:
    """Rows whose flag is true over rows that have the flag."""
    return _feature("rate", of, clauses)


def since(of: Field, **clauses: Any) -> Feature:
    """Whole seconds between the latest row that has `of` and t."""
    return _feature("since", of, clauses)


def ratio(numerator: Feature, denominator: Feature) -> Feature:
    """Divide two totals or counts of the same key; None where the denominator is 0.

    Raises:
        ContractError: if they have different keys, or are no totals or counts.
    """
    for part in (numerator, denominator):
        if part.op not in ("count", "total"):
            raise ContractError("A ratio is taken of totals and counts.", got=part.op)
    if numerator.entity != denominator.entity:
        raise ContractError(
            "A ratio needs the same key above and below.",
            got=f"{numerator.entity} / {denominator.entity}",
        )
    if numerator.currency != denominator.currency and numerator.currency and denominator.currency:
        raise ContractError(
            "A ratio of money needs one currency.",
            got=f"{numerator.currency} / {denominator.currency}",
        )
    return replace(numerator, op="ratio", parts=(numerator, denominator))


def unit_of(feature: Feature) -> str:
    """Say what one unit of the result is, for people."""
    if feature.op in _UNITS:
        return _UNITS[feature.op]
    if feature.currency:
        return f"{feature.currency} minor units"
    if isinstance(feature.of, Instant):
        return "instant"
    if isinstance(feature.of, Number):
        return f"{feature.of.unit or 'units'} / 10^{feature.of.scale}"
    return feature.of.unit or "units"
