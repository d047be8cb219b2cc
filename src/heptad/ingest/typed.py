# SPDX-License-Identifier: Apache-2.0
"""SQL that turns one text value into the value that a field stores, exactly or not at all."""

from __future__ import annotations

from typing import NamedTuple

from heptad.ingest.zones import local_to_utc
from heptad.standards.errors import ContractError
from heptad.standards.money import CURRENCIES

_PLAIN_NUMBER = "'[-+]?([0-9]+[.]?[0-9]*|[.][0-9]+)'"
_FLOATS = ("DOUBLE", "FLOAT")
_TRUE = ("true", "t", "yes", "y", "1", "on", "si", "sí", "oui", "ja", "是")
_FALSE = ("false", "f", "no", "n", "0", "off", "non", "nein", "否")
_OFFSET = "[+-](0[0-9]|1[0-4])(:?[0-5][0-9])?"
"""No zone is further than 14 hours from UTC."""
_DIGIT_FIRST = "({x} >= '0' AND {x} < ':')"
"""Keeps words that the engine knows as instants, such as infinity and epoch, out."""


class Given(NamedTuple):
    """A value as it comes from the source.

    Attributes:
        sql: an expression; evaluated once, it should be a column's name.
        kind: its DuckDB type.
    """

    sql: str
    kind: str = "VARCHAR"


class Marks(NamedTuple):
    """How numbers are written: the mark before decimals and the one between thousands."""

    decimal: str = "."
    thousands: str = ""


DOT = Marks()


def literal(text: str) -> str:
    """Write text as an SQL constant."""
    return "'" + text.replace("'", "''") + "'"


def text(given: Given) -> str:
    """Text as it is; other types as the engine writes them."""
    return given.sql if given.kind == "VARCHAR" else f"CAST({given.sql} AS VARCHAR)"


def phone(given: Given) -> str:
    """A telephone number in E.164: digits behind a +, where the source gives the country."""
    digits = f"regexp_replace({text(given)}, '[ ().\\-/]', '', 'g')"
    return (
        f"CASE WHEN regexp_full_match({digits}, '00[1-9][0-9]{{6,14}}') "
        f"THEN '+' || substr({digits}, 3) "
        f"WHEN regexp_full_match({digits}, '[+]?[0-9]{{3,15}}') THEN {digits} ELSE {text(given)} END"
    )


def card(given: Given) -> str:
    """A card number without spaces and hyphens."""
    return f"regexp_replace({text(given)}, '[ -]', '', 'g')"


def no_card(value: str) -> str:
    """Whether a text is no card number: 12 to 19 digits, the check digit right.

    Source: ISO/IEC 7812-1, annex B (Luhn).
    """
    digits = [f"(n // {10**k} % 10)" for k in range(19)]
    terms = [d if k % 2 == 0 else f"(2 * {d} - 9 * CAST({d} > 4 AS UTINYINT))"
             for k, d in enumerate(digits)]  # fmt: skip
    total = " + ".join(terms).replace("n // 1 %", "n %").replace("n", f"CAST({value} AS UBIGINT)")
    return (
        f"CASE WHEN regexp_full_match({value}, '[0-9]{{12,19}}') THEN ({total}) % 10 <> 0 "
        f"WHEN {value} IS NOT NULL THEN true END"
    )


def code(given: Given, codes: frozenset[str], synonyms: dict[str, str]) -> str:
    """A code of a list: as it is, or in another case, or by a synonym; else null.

    Args:
        given: the value.
        codes: the list.
        synonyms: word, in lower case → code.
    """
    value = text(given)
    folded = {c.lower(): c for c in sorted(codes)} | synonyms
    words, meant = _constants(sorted(folded)), _constants([folded[w] for w in sorted(folded)])
    listed = _constants(sorted(codes))
    return (
        f"CASE WHEN list_contains({listed}, {value}) THEN {value} "
        f"ELSE {meant}[list_position({words}, lower({value}))] END"
    )


def flag(given: Given) -> str:
    """True or false, in the words of several languages."""
    if given.kind == "BOOLEAN":
        return given.sql
    true, false = (", ".join(literal(w) for w in words) for words in (_TRUE, _FALSE))
    word = f"lower({text(given)})"
    return f"CASE WHEN {word} IN ({true}) THEN true WHEN {word} IN ({false}) THEN false END"


def integer(given: Given, marks: Marks) -> str:
    """A whole number of 64 bits; decimals are allowed if they are zero."""
    if given.kind in ("TINYINT", "SMALLINT", "INTEGER", "BIGINT"):
        return f"CAST({given.sql} AS BIGINT)"
    value = _number_text(given, marks)
    return (
        f"CASE WHEN regexp_full_match({value}, '[-+]?[0-9]{{1,19}}([.]0*)?') "
        f"THEN TRY_CAST({value} AS BIGINT) END"
    )


def number(given: Given, scale: int, marks: Marks) -> str:
    """A number × 10^scale; more decimals are rounded, halves away from zero."""
    value = _number_text(given, marks)
    ten = 10**scale
    wide = f"TRY(CAST(TRY_CAST({value} AS DECIMAL(38, {scale})) * {ten} AS BIGINT))"
    # The engine reads 1_000 as a number; nobody who writes amounts means it so.
    plain = f"NOT contains({value}, '_')"
    if scale > 8:
        return f"CASE WHEN {plain} THEN {wide} END"
    # A decimal of at most 18 digits is a machine word; wider ones cost six times as much. It
    # holds the product only of small numbers, and raises on others.
    narrow = f"TRY_CAST({value} AS DECIMAL(18, {scale}))"
    most = 10 ** (18 - 2 * scale) - 1
    return (
        f"CASE WHEN strlen({value}) < {17 - scale} AND {narrow} BETWEEN {-most} AND {most} "
        f"AND {plain} THEN CAST({narrow} * {ten} AS BIGINT) WHEN {plain} THEN {wide} END"
    )


def number_fault(given: Given, marks: Marks) -> str:
    """Why a number could not be read: overflow or parse."""
    value = _number_text(given, marks)
    return f"CASE WHEN regexp_full_match({value}, {_PLAIN_NUMBER}) THEN 'overflow' ELSE 'parse' END"


def integer_fault(given: Given, marks: Marks) -> str:
    """Why a whole number could not be read: overflow or parse."""
    value = _number_text(given, marks)
    return (
        f"CASE WHEN regexp_full_match({value}, '[-+]?[0-9]{{19,}}([.]0*)?') "
        "THEN 'overflow' ELSE 'parse' END"
    )


def rounded(given: Given, scale: int, marks: Marks) -> str:
    """Whether `number` had to round."""
    value = _number_text(given, marks)
    least = f"strlen({value}) > {scale + 2}"
    exact = f"TRY_CAST({value} AS DECIMAL(38, {min(scale + 12, 24)}))"
    return f"({least} AND {exact} <> TRY_CAST({value} AS DECIMAL(38, {scale})))"


def money(given: Given, decimals: str, marks: Marks) -> str:
    """An amount in minor units of its currency, digit by digit, never through a float.

    Args:
        given: the amount.
        decimals: expression of its currency's number of decimals, null without a currency.
        marks: how it is written.
    """
    value = _number_text(given, marks)
    whole = "'[-+]?[0-9]{1,18}'"
    # One digit more, taken off again, so that .0 of a currency without decimals is still a number.
    fraction = f"rpad(rtrim(split_part({value}, '.', 2), '0'), {decimals}, '0')"
    digits = f"split_part({value}, '.', 1) || {fraction} || '0'"
    return (
        f"CASE WHEN {decimals} = 2 "
        f"AND regexp_full_match({value}, '[-+]?[0-9]{{1,13}}([.][0-9]{{1,2}})?') "
        f"THEN CAST(TRY_CAST({value} AS DECIMAL(18, 2)) * 100 AS BIGINT) "
        f"WHEN {decimals} = 0 AND regexp_full_match({value}, {whole}) "
        f"THEN TRY_CAST({value} AS BIGINT) "
        f"WHEN regexp_full_match({value}, {_PLAIN_NUMBER}) AND {too_fine(value, decimals)} = 0 "
        f"THEN TRY_CAST(TRY_CAST({digits} AS HUGEINT) // 10 AS BIGINT) END"
    )


def money_fault(given: Given, decimals: str, marks: Marks) -> str:
    """Why an amount could not be read: decimals, overflow or parse."""
    value = _number_text(given, marks)
    return (
        f"CASE WHEN NOT regexp_full_match({value}, {_PLAIN_NUMBER}) THEN 'parse' "
        f"WHEN {too_fine(value, decimals)} > 0 THEN 'decimals' ELSE 'overflow' END"
    )


def too_fine(value: str, decimals: str) -> str:
    """By how many decimals other than trailing zeros an amount exceeds its currency's."""
    return f"greatest(length(rtrim(split_part({value}, '.', 2), '0')) - {decimals}, 0)"


def exponent(currency: str) -> str:
    """The number of decimals of a checked currency; null without one."""
    odd = {c: e for c, e in sorted(CURRENCIES.items()) if e != 2}
    listed = _constants(list(odd))
    marks = _constants([str(e) for e in odd.values()])
    return (
        f"CASE WHEN {currency} IS NULL THEN NULL WHEN NOT list_contains({listed}, {currency}) "
        f"THEN 2 ELSE CAST({marks}[list_position({listed}, {currency})] AS INTEGER) END"
    )


def instant(given: Given, zone: str) -> str:
    """Microseconds since 1970, UTC; a local time that is not one instant gives null.

    Args:
        given: ISO 8601 text, or a date or timestamp made by the map.
        zone: IANA name of the zone of what has no offset; "" is UTC.
    """
    if given.kind == "BIGINT":
        return given.sql
    if given.kind == "TIMESTAMP WITH TIME ZONE":
        return f"epoch_us({given.sql})"
    if given.kind in ("TIMESTAMP", "DATE"):
        return local_to_utc(f"epoch_us(CAST({given.sql} AS TIMESTAMP))", zone)
    value = text(given)
    digits = f"({_DIGIT_FIRST.format(x=value)} AND {_ends_well(value)})"
    absolute = f"epoch_us(TRY_CAST({value} AS TIMESTAMPTZ))"
    if not zone:
        return f"CASE WHEN {digits} THEN {absolute} END"
    local = local_to_utc(f"epoch_us(TRY_CAST({value} AS TIMESTAMP))", zone)
    return f"CASE WHEN NOT {digits} THEN NULL WHEN {has_offset(value)} THEN {absolute} ELSE {local} END"


def has_offset(value: str) -> str:
    """Whether ISO text says its offset."""
    return f"regexp_matches({value}, ':[0-9:.]+ ?([zZ]|{_OFFSET})$')"


def _ends_well(value: str) -> str:
    """Whether what stands behind a time is an offset that exists, and not the name of a zone.

    The engine would take one of the two instants of an hour that a zone showed twice. Instants
    in their usual forms are told by their length, which costs next to nothing.
    """
    return (
        f"(strlen({value}) = 10 OR strlen({value}) = 20 AND suffix({value}, 'Z') "
        f"OR strlen({value}) = 19 AND array_extract({value}, 17) = ':' "
        f"OR regexp_full_match({value}, '[0-9:./tT -]*([zZ]|{_OFFSET}| ?UTC)?'))"
    )


def instant_readable(given: Given) -> str:
    """Whether there is a time in it, be it one instant or not."""
    if given.kind != "VARCHAR":
        return f"{given.sql} IS NOT NULL"
    begins, ends = _DIGIT_FIRST.format(x=given.sql), _ends_well(given.sql)
    return f"({begins} AND {ends} AND TRY_CAST({given.sql} AS TIMESTAMP) IS NOT NULL)"


def day(given: Given) -> str:
    """A calendar day."""
    if given.kind == "DATE":
        return given.sql
    if given.kind != "VARCHAR":
        return f"TRY_CAST({given.sql} AS DATE)"
    return f"CASE WHEN {_DIGIT_FIRST.format(x=given.sql)} THEN TRY_CAST({given.sql} AS DATE) END"


def refuse_float(given: Given, title: str) -> None:
    """Refuse a map that would put an amount through a float.

    Raises:
        ContractError: if the expression gives a floating-point number.
    """
    if given.kind in _FLOATS:
        raise ContractError(
            f"{title} is money, and its map makes a floating-point number of it.",
            got=given.kind,
            do="leave the text as it is, or cast it to DECIMAL(18, 2)",
        )


def _number_text(given: Given, marks: Marks) -> str:
    """Return a number's text with a decimal point and no thousands; null if it is not so written.

    Without declared thousands the other mark makes the text unreadable: 1.234 is not guessed.
    """
    if given.kind != "VARCHAR" or marks == DOT:
        return text(given)
    value, decimal = given.sql, f"[{marks.decimal}]"
    other = "." if marks.decimal == "," else ","
    if not marks.thousands:
        return f"replace(replace({value}, {literal(other)}, '?'), {literal(marks.decimal)}, '.')"
    mark = f"[{marks.thousands}]" if marks.thousands not in "^]\\" else f"\\{marks.thousands}"
    grouped = f"[-+]?[0-9]{{1,3}}({mark}[0-9]{{3}})*({decimal}[0-9]*)?"
    plain = f"[-+]?[0-9]*({decimal}[0-9]*)?"
    bare = f"replace({value}, {literal(marks.thousands)}, '')"
    return (
        f"(CASE WHEN regexp_full_match({value}, {literal(grouped + '|' + plain)}) "
        f"THEN replace({bare}, {literal(marks.decimal)}, '.') ELSE '?' END)"
    )


def _constants(values: list[str]) -> str:
    """Write a list of texts as one constant: hundreds of constants take long to plan."""
    mark = next(m for m in ("|", "\x1f", "\x1e") if not any(m in value for value in values))
    return f"string_split({literal(mark.join(values))}, {literal(mark)})"
