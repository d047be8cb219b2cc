# SPDX-License-Identifier: Apache-2.0
"""What a value must satisfy: rules as SQL conditions, each with the code of its reason."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from heptad.ingest import typed
from heptad.standards.fields import Code, Instant, Integer, Money, Number, Place, Text
from heptad.standards.time import EARLIEST, LATEST

if TYPE_CHECKING:
    from heptad.ingest.typed import Given
    from heptad.standards.fields import Field

LONGEST = 1000
"""Most characters of a key or a reference."""


class Rule(NamedTuple):
    """A condition under which a row is refused.

    Attributes:
        field: name of the field.
        code: of the reason; "" if `chosen` says it.
        when: SQL, true for rows to be refused; they have passed all rules before this one.
        chosen: SQL that gives the code.
    """

    field: str
    code: str
    when: str
    chosen: str = ""


def rules_of(field: Field, given: Given, value: str, context: dict[str, Any]) -> list[Rule]:
    """Return the rules of one physical column.

    Args:
        field: what is declared.
        given: the mapped value.
        value: expression of the typed value.
        context: `failed` (condition under which a conversion in the map failed), `currency`
            (as given), `decimals` (of the currency), `marks`, `zone`, `latest` (instant), `bound` (of a
            coordinate, degrees).
    """
    name = field.name
    rules = [Rule(name, "parse", context["failed"])] if context["failed"] else []
    if not field.optional:
        rules.append(Rule(name, "required", f"{given.sql} IS NULL"))
    rules += _readable(field, given, value, context)
    rules += _bounds(field, value, context)
    if isinstance(field, Text) and field.pan:
        rules.append(Rule(name, "luhn", typed.no_card(value)))
    if field.kind == "text" and not isinstance(field, Code):
        rules += _lengths(field, value)
    return rules


def _readable(field: Field, given: Given, value: str, context: dict[str, Any]) -> list[Rule]:
    """Refuse a value that is there but means nothing."""
    name, unread = field.name, f"{given.sql} IS NOT NULL AND {value} IS NULL"
    if isinstance(field, Code):
        return [Rule(name, "code", unread)]
    if isinstance(field, Money):
        decimals, marks = context["decimals"], context["marks"]
        return [
            Rule(name, "currency", f"{given.sql} IS NOT NULL AND {context['currency']} IS NULL"),
            # A currency that is there but no code is told of as what it is.
            Rule(
                name,
                "",
                f"{unread} AND {decimals} IS NOT NULL",
                typed.money_fault(given, decimals, marks),
            ),
        ]
    if isinstance(field, Integer | Number):
        fault = typed.integer_fault if isinstance(field, Integer) else typed.number_fault
        return [Rule(name, "", unread, fault(given, context["marks"]))]
    if isinstance(field, Instant) and context["zone"]:
        skipped = f"{unread} AND {typed.instant_readable(given)}"
        return [Rule(name, "zone", skipped), Rule(name, "parse", unread)]
    return [Rule(name, "parse", unread)]


def _bounds(field: Field, value: str, context: dict[str, Any]) -> list[Rule]:
    """Refuse a value out of bounds; they are in the unit that people read."""
    name = field.name
    if isinstance(field, Instant):
        rules = [Rule(name, "range", f"{value} NOT BETWEEN {EARLIEST} AND {LATEST}")]
        if context["latest"] is not None:
            rules.append(Rule(name, "future", f"{value} > {context['latest']}"))
        return rules
    if isinstance(field, Place):
        most = context["bound"] * 10**Place.SCALE
        return [Rule(name, "range", f"{value} NOT BETWEEN {-most} AND {most}")]
    rules = []
    for bound, sign in ((field.ge, "<"), (field.le, ">")):
        if bound is not None:
            rules.append(Rule(name, "range", f"{value} {sign} {_scaled(field, bound, context)}"))
    return rules


def _scaled(field: Field, bound: int, context: dict[str, Any]) -> str:
    """Return a bound in the stored unit."""
    if isinstance(field, Number):
        return str(bound * 10**field.scale)
    if isinstance(field, Money) and bound:
        return f"{bound} * CAST(power(10, {context['decimals']}) AS BIGINT)"
    return str(bound)


def _lengths(field: Field, value: str) -> list[Rule]:
    """Refuse long text; its bytes are counted first, which costs nothing."""
    most = field.max_length if isinstance(field, Text) else LONGEST
    return [Rule(field.name, "length", f"strlen({value}) > {most} AND length({value}) > {most}")]
