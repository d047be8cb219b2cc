# SPDX-License-Identifier: Apache-2.0
"""The functions of expressions beyond operators: what each takes and gives, and how a row computes it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any, Literal

from heptad.standards import wording
from heptad.standards.calendars import calendar
from heptad.standards.errors import ContractError
from heptad.standards.money import parse_minor
from heptad.standards.zones import local, offsets

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Takes = Literal[
    "text", "integer", "number", "instant", "day", "zone", "calendar", "pattern", "count", "name",
    "amount", "currency", "key",
]  # fmt: skip
"""What an argument is: a type, or a constant of a kind that is checked before anything runs."""

CONSTANTS = frozenset({"zone", "calendar", "pattern", "count", "name", "amount", "currency"})

_SMALLEST, _LARGEST = -(2**63), 2**63 - 1
_EPOCH = date(1970, 1, 1)
_DAY = 86_400_000_000
_HOUR = 3_600_000_000
_DEGREES = 1e-7 * math.pi / 180.0
_RADIUS = 6_371_008.8


@dataclass(frozen=True)
class Function:
    """One function of the expression language.

    Attributes:
        name: as it is written.
        takes: what its arguments are.
        gives: the type of its value.
        says: what it answers, in one sentence.
        example: one use, as YAML, and what it gives.
        bind: constants → a function of the other arguments, none of them null; None where the
            platform reads the value (a list) or the check computes it (an amount).
        many: whether the last argument may be repeated.
    """

    name: str
    takes: tuple[Takes, ...]
    gives: Literal["text", "integer", "number", "day", "flag"]
    says: str
    example: str
    bind: Callable[..., Callable[..., Any]] | None = None
    many: bool = False

    def constants(self, values: Sequence[Any]) -> list[Any]:
        """Return those of the arguments that are constants by declaration."""
        return [v for v, takes in zip(values, self.takes, strict=False) if takes in CONSTANTS]


def _always(function: Callable[..., Any]) -> Callable[..., Callable[..., Any]]:
    return lambda: function


def _whole(value: float) -> int | None:
    """Return a whole float64 as an integer, null where it leaves 64 bits."""
    return int(value) if -9.223372036854775808e18 <= value < 9.223372036854775808e18 else None


def _round(value: float) -> int | None:
    return _whole(float(round(value)) if abs(value) < 2**53 else value)


def _floor(value: float) -> int | None:
    return _whole(float(math.floor(value)) if abs(value) < 2**53 else value)


def _decimals(places: int) -> Callable[[float], float | None]:
    scale = 10.0**places

    def decimals(value: float) -> float | None:
        raised = value * scale
        if not math.isfinite(raised):
            return None
        return (float(round(raised)) if abs(raised) < 2**53 else raised) / scale

    return decimals


def _power(one: float, other: float) -> float | None:
    try:
        found = math.pow(one, other)
    except (ValueError, OverflowError):
        return None
    return found if math.isfinite(found) else None


def _quotient(one: int, other: int) -> int | None:
    found = one // other if other else None
    return found if found is None or found <= _LARGEST else None


def _remainder(one: int, other: int) -> int | None:
    return one % other if other else None


def _date_in(name: str) -> Callable[[int], date | None]:
    def found(instant: int) -> date | None:
        shown = local(instant, name)
        return None if shown is None else _EPOCH + timedelta(shown // _DAY)

    return found


def _hour_in(name: str) -> Callable[[int], int | None]:
    def found(instant: int) -> int | None:
        shown = local(instant, name)
        return None if shown is None else shown % _DAY // _HOUR

    return found


def age(born: date, on: date) -> int:
    """Return whole years; whoever was born on 29 February has a birthday on 1 March otherwise.

    >>> age(date(2008, 2, 29), date(2026, 2, 28))
    17
    """
    return on.year - born.year - ((on.month, on.day) < (born.month, born.day))


def metres(lat: int, lon: int, to_lat: int, to_lon: int) -> int | None:
    """Return the great-circle distance between two places in 1e-7 degrees, in whole metres.

    Source: the haversine formula, R. W. Sinnott, Virtues of the Haversine, 1984.
    """
    if not (abs(lat) <= 900_000_000 and abs(to_lat) <= 900_000_000):
        return None
    if not (abs(lon) <= 1_800_000_000 and abs(to_lon) <= 1_800_000_000):
        return None
    one, two = lat * _DEGREES, to_lat * _DEGREES
    up = math.sin((two - one) * 0.5)
    across = math.sin((to_lon - lon) * _DEGREES * 0.5)
    chord = up * up + math.cos(one) * math.cos(two) * across * across
    return math.floor(2.0 * _RADIUS * math.asin(min(1.0, math.sqrt(chord))) + 0.5)


def _like(text: str) -> Callable[[str], bool]:
    match = wording.pattern(text).fullmatch
    return lambda value: match(value) is not None


def _left(n: int) -> Callable[[str], str]:
    return lambda text: text[:n]


FUNCTIONS: dict[str, Function] = {
    f.name: f
    for f in (
        Function("ends", ("text", "text"), "flag", "True where the text ends with the second.",
                 "ends: [{column: email}, .example]", _always(str.endswith)),
        Function("trim", ("text",), "text", "The text without spaces at its ends.",
                 "trim: {column: name}", _always(lambda text: text.strip(" "))),
        Function("plain", ("text",), "text",
                 "The text with the marks taken off letters and A to Z made small, for comparing names.",
                 "plain: {column: name}", _always(wording.plain)),
        Function("left", ("text", "count"), "text", "The first so many code points.",
                 "left: [{column: iban}, 2]", _left),
        Function("join", ("text", "text"), "text", "The texts one after the other.",
                 'join: [{column: country}, "-", {column: city}]',
                 _always(lambda *texts: "".join(texts)), many=True),
        Function("like", ("text", "pattern"), "flag",
                 "True where the whole text fits the pattern: * is any text, ? one code point.",
                 'like: [{column: merchant}, "CRYPTO*"]', _like),
        Function("edits", ("text", "text"), "integer",
                 "Levenshtein's distance, in bytes of UTF-8.",
                 "le: [{edits: [{plain: {column: name}}, {plain: {column: holder}}]}, 2]",
                 _always(wording.edits)),
        Function("similar", ("text", "text"), "number",
                 "1 for equal texts, 0 where every byte differs: 1 - edits / the longer length.",
                 "ge: [{similar: [{plain: {column: name}}, {plain: {column: holder}}]}, 0.9]",
                 _always(wording.similar)),
        Function("power", ("number", "number"), "number", "The first raised to the second.",
                 "power: [1.005, {neg: {column: term}}]", _always(_power)),
        Function("round", ("number",), "integer", "The nearest whole number, halves to even.",
                 "round: {div: [{column: amount}, 3]}", _always(_round)),
        Function("floor", ("number",), "integer", "The whole number at or below.",
                 "floor: {div: [{column: amount}, 3]}", _always(_floor)),
        Function("decimals", ("number", "count"), "number",
                 "The number with so many decimals, halves to even.",
                 "decimals: [{column: rate}, 2]", _decimals),
        Function("quotient", ("integer", "integer"), "integer",
                 "The first over the second, rounded down; null over 0.",
                 "mul: [{quotient: [{column: amount}, 10000]}, 10000]", _always(_quotient)),
        Function("remainder", ("integer", "integer"), "integer",
                 "What `quotient` leaves, with the sign of the divisor; null over 0.",
                 "remainder: [{column: amount}, 100]", _always(_remainder)),
        Function("date", ("instant", "zone"), "day", "The day in a time zone, 1970 to 2099.",
                 "date: [{column: event_time}, Europe/Madrid]", _date_in),
        Function("hour", ("instant", "zone"), "integer",
                 "The hour in a time zone, 0 to 23, 1970 to 2099.",
                 "between: [{hour: [{column: event_time}, Europe/Madrid]}, 0, 5]", _hour_in),
        Function("weekday", ("day",), "integer", "1 for Monday to 7 for Sunday.",
                 "weekday: {date: [{column: event_time}, UTC]}", _always(date.isoweekday)),
        Function("month_day", ("day",), "integer", "The day of the month.",
                 "month_day: {column: due}", _always(lambda d: d.day)),
        Function("month", ("day",), "integer", "The month, 1 to 12.",
                 "month: {column: due}", _always(lambda d: d.month)),
        Function("year", ("day",), "integer", "The year.", "year: {column: due}",
                 _always(lambda d: d.year)),
        Function("age", ("day", "day"), "integer", "Whole years from the first day to the second.",
                 "ge: [{age: [{column: born}, {date: [{column: event_time}, UTC]}]}, 18]",
                 _always(age)),
        Function("business", ("day", "calendar"), "flag", "Whether a calendar's people work that day.",
                 "business: [{date: [{column: event_time}, UTC]}, TARGET]",
                 lambda name: calendar(name).is_business),
        Function("business_days", ("day", "day", "calendar"), "integer",
                 "Worked days after the first up to the second.",
                 "gt: [{business_days: [{column: due}, {column: paid}, TARGET]}, 5]",
                 lambda name: calendar(name).between),
        Function("metres", ("integer", "integer", "integer", "integer"), "integer",
                 "Great-circle distance between two places, latitude and longitude in 1e-7 degrees.",
                 "metres: [{column: place_lat}, {column: place_lon}, 404168000, -37038000]",
                 _always(metres)),
        Function("money", ("amount", "currency"), "integer",
                 "An amount as it is stored, in minor units of its currency.",
                 'gt: [{column: amount}, {money: ["100.50", EUR]}]'),
        Function("listed", ("key", "name"), "flag",
                 "Whether the value stands on a list at the row's instant, as known by then.",
                 "listed: [{column: merchant}, watched_merchants]"),
    )
}  # fmt: skip
"""Every function by name; the page of functions is made from this table."""


def check_constant(takes: Takes, value: Any, title: str) -> Any:
    """Return a constant argument as the function takes it.

    Raises:
        ContractError: if it is of another kind.
        UnknownName: if there is no such calendar.
        InputError: if there is no such time zone.
    """
    if takes == "count":
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= 15:
            raise ContractError(
                f"{title} is a whole number from 0 to 15 here.", got=value, do="write it as it is"
            )
        return value
    if not isinstance(value, str):
        raise ContractError(f"{title} is a text here.", got=value, do="write it in quotes")
    made: dict[str, Callable[[str], Any]] = {
        "zone": offsets, "calendar": calendar, "pattern": wording.pattern,
    }  # fmt: skip
    if takes in made:
        made[takes](value)
    return value


def amount(text: str, currency: str) -> int:
    """Return an amount written in units of a currency as its minor units.

    Raises:
        ContractError: if it does not fit the currency's decimals.
    """
    return parse_minor(text, currency)
