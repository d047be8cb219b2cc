# SPDX-License-Identifier: Apache-2.0
"""Features: a question asked of a table at an instant, written once."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from heptad.service.operators.declared import OPERATORS
from heptad.standards import Code, Field, Flag, Instant, Money, Number, Path, Place, Ref
from heptad.standards.errors import ContractError, suggest
from heptad.standards.evaluate import check
from heptad.standards.expression import Call, Column, Expression, Value
from heptad.standards.money import exponent
from heptad.standards.time import format_duration

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from heptad.standards import Table

_AMOUNTS = frozenset(n for n, o in OPERATORS.items() if o.takes == "number") | {"decayed"}
_COMMON = ("by", "over", "every", "where", "into", "delay", "default")

By = Field | Path
"""One key of a feature: a field, or a walk over Refs to one."""


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

    A window ends at its edge: t - delay, moved back to a whole multiple of `every` since 1970
    where it is given. For (key, t, k) a time window holds the events e with
    edge - over < e.event_time <= edge that were known at k; a row that is itself an event ends
    its window at its own (event_time, key), inclusive. A count window holds the last n of the
    events up to the edge. `where` chooses among the events of the window. `default` stands where
    there would be no value. What each operator gives is said in `heptad.service.operators.declared`.

    Results: int64 in the stored unit of the field, float64 (mean and spread in that unit), one of
    the field's values, a flag, or a list of values; None without a value.
    """

    op: str
    of: Field
    by: By | tuple[By, ...]
    over: Window = None
    every: int = 0
    where: Expression | None = None
    into: str = ""
    delay: int = 0
    default: Any = None
    given: tuple[tuple[str, Any], ...] = ()
    parts: tuple[Feature, ...] = ()
    name: str = ""

    def __post_init__(self) -> None:
        _check(self)

    @property
    def table(self) -> type[Table]:
        """The table that the question is asked of."""
        return self.of.table

    @property
    def keys(self) -> tuple[By, ...]:
        """What the key is made of: one field or walk, or several."""
        return self.by if isinstance(self.by, tuple) else (self.by,)

    @property
    def ends(self) -> tuple[Field, ...]:
        """The fields whose values are the key."""
        return tuple(end_of(by) for by in self.keys)

    @property
    def entities(self) -> tuple[str, ...]:
        """What each part of the key names: a table, or `Table.field` for one that is no Ref."""
        return tuple(map(_entity, self.ends))

    @property
    def entity(self) -> str:
        """What the key names, in one text."""
        return " × ".join(self.entities)

    def argument(self, name: str) -> Any:
        """Return what the operator was told under this name."""
        return dict(self.given)[name]

    @property
    def currency(self) -> str:
        """The currency of a result that is money, or ''."""
        if not isinstance(self.of, Money) or self.op not in _AMOUNTS | {"latest", "earliest"}:
            return ""
        return self.into or _fixed_currency(self.of, self.where)

    def definition(self) -> dict[str, Any]:
        """Return the definition as plain data; equal definitions have equal data."""
        more = {} if self.default is None else {"default": self.default}
        if self.parts:
            return {"op": self.op, "parts": [part.definition() for part in self.parts]} | more
        data: dict[str, Any] = {
            "op": self.op,
            "of": self.of.title,
            "by": [repr(by) for by in self.by] if isinstance(self.by, tuple) else repr(self.by),
            "over": {"last": self.over.n} if isinstance(self.over, Last) else self.over,
        }
        if self.where is not None:
            data["where"] = self.where.to_json()
        for clause in ("into", "delay", "every"):
            if getattr(self, clause):
                data[clause] = getattr(self, clause)
        return data | {name: plain(value) for name, value in self.given} | more

    def version(self) -> str:
        """Return a hash of the definition."""
        text = json.dumps(self.definition(), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def sentence(self) -> str:
        """Say in words what is computed."""
        if self.parts:
            return " divided by ".join(part.sentence() for part in self.parts)
        told = "".join(f" {name} {value}" for name, value in self.given)
        keys = " and ".join(map(repr, self.keys))
        parts = [f"{self.op.replace('_', ' ')}{told} of {self.of.title}", f" by {keys}"]
        if isinstance(self.over, Last):
            last = "event" if self.over.n == 1 else f"{self.over.n} events"
            parts.append(f" over the last {last}")
        else:
            long = f" over {format_duration(self.over)}" if self.over else " over all history"
            parts.append(long)
        if self.every:
            parts.append(f", once every {format_duration(self.every)}")
        if self.delay:
            parts.append(f", ending {format_duration(self.delay)} before")
        if self.where is not None:
            parts.append(f", where {self.where}")
        if self.into:
            parts.append(f", in {self.into}")
        if self.default is not None:
            parts.append(f", else {self.default}")
        return "".join(parts)


def end_of(by: By) -> Field:
    """Return the field that a key or a walk ends at."""
    return by.end if isinstance(by, Path) else by


def steps_of(by: By) -> tuple[Field, ...]:
    """Return the fields that lead to a key."""
    return by.fields if isinstance(by, Path) else (by,)


def plain(value: Any) -> Any:
    """Return what an operator was told, as plain data."""
    return value.plain() if hasattr(value, "plain") else value


def _entity(end: Field) -> str:
    if isinstance(end, Ref):
        return end.target_name
    return end.table.__name__ if end.key else end.title


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


def tables_of(feature: Feature) -> list[type[Table]]:
    """Return the tables that a feature reads, its own first: also those that its key walks to."""
    from heptad.standards.model import Rate

    found: dict[type[Table], None] = {feature.table: None}
    for part in parts_of([feature]):
        found[part.table] = None
        found |= dict.fromkeys(step.table for by in part.keys for step in steps_of(by))
        if part.into:
            found[Rate] = None
    return list(found)


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
    if feature.parts:
        return
    _check_window(feature, title)
    _check_operand(feature, title)
    for by in feature.keys:
        if by.table is not of.table:
            raise ContractError(
                f"{title}: `by` must start at {of.table.__name__}.",
                got=repr(by),
                do=f"walk to it from a field of {of.table.__name__}",
            )
    if any(end.sealed for end in feature.ends) or of.sealed:
        raise ContractError(f"{title}: a sealed field cannot be computed with.", got=repr(of))
    if of.table.state:
        raise ContractError(
            f"{title}: windows are asked of events, and {of.table.__name__} holds states.",
            do="read it as of an instant instead",
        )
    if feature.where is not None:
        check(feature.where, of.table)
    _check_money(feature, title)
    _check_default(feature, title)


def _check_window(feature: Feature, title: str) -> None:
    """Refuse windows that hold nothing or look ahead."""
    if feature.every < 0:
        raise ContractError(f"{title}: `every` is a length of time.", got=feature.every)
    if isinstance(feature.over, int) and feature.over <= 0:
        raise ContractError(f"{title}: a window is longer than nothing.", got=feature.over)
    if feature.delay < 0:
        raise ContractError(f"{title}: a delay looks back, never ahead.", got=feature.delay)


def _check_operand(feature: Feature, title: str) -> None:
    """Refuse an operator on a field of the wrong kind."""
    of, takes = feature.of, OPERATORS[feature.op].takes
    kind = type(of).__name__
    if takes == "place" and not isinstance(of, Place):
        raise ContractError(f"{title}: is asked of a Place.", got=kind)
    if takes != "place" and len(of.columns()) != 1:
        raise ContractError(f"{title}: a place has no single value.", got=kind)
    if takes == "number" and of.kind != "integer":
        raise ContractError(f"{title}: needs a number.", got=kind)
    if takes == "flag" and not isinstance(of, Flag):
        raise ContractError(f"{title}: a rate is taken of a Flag.", got=kind)
    if feature.op in ("share", "streak") and feature.where is None:
        raise ContractError(f"{title}: say with `where` which {feature.op}.")


def result_of(feature: Feature) -> str:
    """Name the kind of a result: integer, number, text, instant, day, flag or list."""
    gives = OPERATORS[feature.op].gives
    return feature.of.columns()[0].kind if gives == "value" else gives


def _check_default(feature: Feature, title: str) -> None:
    """Refuse a default that is no result of the operator."""
    if feature.default is None:
        return
    kind = result_of(feature)
    fits: dict[str, tuple[type, ...]] = {
        "integer": (int,), "instant": (int,), "number": (int, float), "text": (str,),
        "flag": (bool,),
    }  # fmt: skip
    whole = isinstance(feature.default, bool) and kind != "flag"
    if whole or not isinstance(feature.default, fits.get(kind, ())):
        raise ContractError(
            f"{title}: the default is no {kind}.",
            got=repr(feature.default),
            do="leave it out, and handle None where the feature is used",
        )


def _check_money(feature: Feature, title: str) -> None:
    """Refuse to mix currencies."""
    of = feature.of
    if feature.into:
        if not isinstance(of, Money):
            raise ContractError(f"{title}: only money is converted.", got=feature.into)
        exponent(feature.into)
    if feature.into and OPERATORS[feature.op].tier == 2:
        raise ContractError(
            f"{title}: only operators of tier 1 convert money.",
            got=feature.into,
            do=f'fix the currency with where={of.table.__name__}.{of.currency} == "{feature.into}"'
            if isinstance(of, Money)
            else "",
        )
    if isinstance(of, Money) and feature.op in _AMOUNTS and not feature.currency:
        currency = of.table.fields[of.currency]
        codes = sorted(currency.codes)[:3] if isinstance(currency, Code) else []
        raise ContractError(
            f"{title} would add up different currencies.",
            do=f'say into="{codes[0] if codes else "EUR"}", or where={currency.title} == "EUR"',
        )


def ask(op: str, of: Field, clauses: dict[str, Any]) -> Feature:
    """Ask `op` of a field.

    Raises:
        ContractError: if a clause is unknown or missing, or the question has no exact meaning.
    """
    told = OPERATORS[op].clauses
    known = {*_COMMON, *told}
    for name in clauses:
        if name not in known:
            raise ContractError(f"{op} has no clause {name!r}.", got=name, do=suggest(name, known))
    for name in ("by", *told):
        if name not in clauses:
            what = ", the field whose value is the key" if name == "by" else ""
            raise ContractError(f"{op}({of.title}) needs {name}={what}.")
    common = {name: value for name, value in clauses.items() if name in _COMMON}
    if common.get("every") and "over" not in common:
        common["over"] = common["every"]
    return Feature(op, of, given=tuple((name, clauses[name]) for name in told), **common)


def count(of: Field, **clauses: Any) -> Feature:
    """Count the rows in which `of` has a value."""
    return ask("count", of, clauses)


def total(of: Field, **clauses: Any) -> Feature:
    """Add up `of`; 0 without values."""
    return ask("total", of, clauses)


def mean(of: Field, **clauses: Any) -> Feature:
    """Arithmetic mean of `of`, in its stored unit."""
    return ask("mean", of, clauses)


def smallest(of: Field, **clauses: Any) -> Feature:
    """Smallest `of`."""
    return ask("smallest", of, clauses)


def largest(of: Field, **clauses: Any) -> Feature:
    """Largest `of`."""
    return ask("largest", of, clauses)


def spread(of: Field, **clauses: Any) -> Feature:
    """Sample standard deviation of `of`, in its stored unit."""
    return ask("spread", of, clauses)


def latest(of: Field, **clauses: Any) -> Feature:
    """Value of `of` in the latest row that has one; ties go to the greater key."""
    return ask("latest", of, clauses)


def earliest(of: Field, **clauses: Any) -> Feature:
    """Value of `of` in the earliest row that has one; ties go to the smaller key."""
    return ask("earliest", of, clauses)


def share(of: Field, **clauses: Any) -> Feature:
    """Rows where `where` is true over all rows of the window that have `of`."""
    return ask("share", of, clauses)


def rate(of: Field, **clauses: Any) -> Feature:
    """Rows whose flag is true over rows that have the flag."""
    return ask("rate", of, clauses)


def since(of: Field, **clauses: Any) -> Feature:
    """Whole seconds between the latest row that has `of` and t."""
    return ask("since", of, clauses)


def ratio(numerator: Feature, denominator: Feature, default: float | None = None) -> Feature:
    """Divide two totals or counts of the same key; `default` where the denominator is 0.

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
    return replace(numerator, op="ratio", parts=(numerator, denominator), default=default)


def unit_of(feature: Feature) -> str:
    """Say what one unit of the result is, for people."""
    unit = OPERATORS[feature.op].unit
    if unit and unit != "per day":
        return unit
    after = " per day" if unit else ""
    if feature.currency:
        return f"{feature.currency} minor units{after}"
    if isinstance(feature.of, Instant):
        return "instant"
    if isinstance(feature.of, Number):
        return f"{feature.of.unit or 'units'} / 10^{feature.of.scale}{after}"
    return (feature.of.unit or "units") + after
