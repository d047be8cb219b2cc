# SPDX-License-Identifier: Apache-2.0
"""Values: numbers, instants, codes, texts and card numbers that are not what they should be."""

from __future__ import annotations

from tests.faults.malformed.case import (
    CARDS,
    ORDERS,
    PEOPLE,
    RATES,
    Case,
    fresh,
    lines,
    loaded,
    payment,
    refused,
)

MADRID = 'zone = "Europe/Madrid"\n'
COMMA = 'decimal = ","\nseparator = ";"\n'
PAN = "4111111111111112"


def money(name, text, wants, source="", currency="EUR"):
    """Return a case of a good payment and one with another amount."""
    quoted = f'"{text}"' if "," in text else text
    rows = lines(payment(fresh()), payment(fresh(), amount=quoted, currency=currency))
    return Case(name, rows, wants, source)


def rate(name, text, wants):
    """Return a case of a good rate of exchange and another one."""
    rows = [f"r{fresh()},2025-06-01,EUR,USD,1.1", f'r{fresh()},2025-06-01,EUR,USD,"{text}"']
    return Case(name, lines(*rows, head=RATES), wants, table="Rate")


def pieces(name, text, wants):
    """Return a case of a good order and one with another quantity."""
    rows = [f"o{fresh()},2025-06-01,c1,1,1.00,EUR", f'o{fresh()},2025-06-01,c1,"{text}",1.00,EUR']
    return Case(name, lines(*rows, head=ORDERS), wants, table="Order")


def instant(name, text, wants, source=""):
    """Return a case of a good payment and one at another time."""
    return Case(
        name, lines(payment(fresh()), payment(fresh(), event_time=f'"{text}"')), wants, source
    )


def customer(name, text, wants, **more):
    """Return a case of a good payment and one of another customer."""
    return Case(name, lines(payment(fresh()), payment(fresh(), customer=text)), wants, **more)


def person(name, text, wants, **more):
    """Return a case of a good customer and another one, from name to home."""
    rows = [
        f"c{fresh()},2025-06-01,Ana,1990-01-01,+34600000001,1000.00,EUR,40.1,-3.2",
        f"c{fresh()},2025-06-01,{text}",
    ]
    return Case(name, lines(*rows, head=PEOPLE), wants, table="Customer", **more)


def card(name, number, wants, **more):
    """Return a case of a good card and one with another number."""
    rows = [
        f"k{fresh()},2025-06-01,c1,4111111111111111,active",
        f'k{fresh()},2025-06-01,c1,"{number}",active',
    ]
    return Case(name, lines(*rows, head=CARDS), wants, table="Card", secrets=(number,), **more)


CASES = [
    money("NaN", "NaN", loaded(1, parse=1)),
    money("infinity", "inf", loaded(1, parse=1)),
    money("minus infinity", "-Infinity", loaded(1, parse=1)),
    money("1e400", "1e400", loaded(1, parse=1)),
    money("1e2", "1e2", loaded(1, parse=1)),
    money("hexadecimal", "0x1F", loaded(1, parse=1)),
    money("underscores", "1_000", loaded(1, parse=1)),
    money("Arabic digits", "١٢", loaded(1, parse=1)),
    money("full-width digits", "１２", loaded(1, parse=1)),
    money("a minus sign of typography", "−5", loaded(1, parse=1)),
    money("thousands not declared", "1,000.00", loaded(1, parse=1)),
    money("a decimal comma not declared", "12,50", loaded(1, parse=1)),
    Case("1.234 under a decimal comma", lines("p1;2025-06-01;c1;1.234;EUR;authorised",
         "p2;2025-06-01;c1;1,23;EUR;authorised", head="id;event_time;customer;amount;currency;status"),
         loaded(1, parse=1), COMMA),
    Case("thousands at odd places", lines("p1;2025-06-01;c1;12.34.567,8;EUR;authorised",
         "p2;2025-06-01;c1;1.234.567,80;EUR;authorised",
         head="id;event_time;customer;amount;currency;status"),
         loaded(1, parse=1), COMMA + 'thousands = "."\n'),
    money("a currency sign", "€5.00", loaded(1, parse=1)),
    money("brackets for a minus", "(5.00)", loaded(1, parse=1)),
    money("a formula", "=1+1", loaded(1, parse=1)),
    money("only a sign", "-", loaded(1, parse=1)),
    money("only a point", ".", loaded(1, parse=1)),
    money("two points", "1.2.3", loaded(1, parse=1)),
    money("nothing", "", loaded(1, required=1)),
    money("only spaces", "   ", loaded(1, required=1)),
    money("negative", "-5.00", loaded(1, range=1)),
    money("negative zero", "-0.00", loaded(2)),
    money("cents of 2^63 - 1", "92233720368547758.07", loaded(2)),
    money("cents of 2^63", "92233720368547758.08", loaded(1, overflow=1)),
    money("100 digits", "9" * 100, loaded(1, overflow=1)),
    money("1,000,000 digits", "9" * 1_000_000, loaded(1, overflow=1)),
    money("leading zeros", "000000000000000000000000001.00", loaded(2)),
    money("three decimals", "1.005", loaded(1, decimals=1)),
    money("400 decimals of which the last counts", "1." + "0" * 399 + "1", loaded(1, decimals=1)),
    money("400 zeros behind the point", "1." + "0" * 400, loaded(2)),
    money("decimals of a currency without", "1.5", loaded(1, decimals=1), "", "JPY"),
    money("three decimals where there are three", "1.005", loaded(2), "", "KWD"),
    money("no currency", "5.00", loaded(1, currency=1), "", ""),
    money("a currency that does not exist", "5.00", loaded(1, code=1), "", "XXQ"),
    money("a currency in lower case", "5.00", loaded(2), "", "eur"),
    money("a currency with a look-alike letter", "5.00", loaded(1, code=1), "", "ЕUR"),
    money("a currency with SQL", "5.00", loaded(1, code=1), "", "E'; DROP TABLE t"),
    rate("a rate of NaN", "NaN", loaded(1, parse=1)),
    rate("a rate of infinity", "Infinity", loaded(1, parse=1)),
    rate("a rate of 1e400", "1e400", loaded(1, parse=1)),
    rate("a rate with an exponent", "1.5e-3", loaded(2)),
    rate("a rate with underscores", "1_0.5", loaded(1, parse=1)),
    rate("a rate in hexadecimal", "0x1.8p1", loaded(1, parse=1)),
    rate("a rate of 40 decimals", "1." + "1" * 40, loaded(2)),
    rate("a rate that overflows by its scale", "9223372037", loaded(1, overflow=1)),
    rate("a rate of 100 digits", "9" * 100, loaded(1, overflow=1)),
    rate("a rate with spaces within", "1 000", loaded(1, parse=1)),
    rate("a rate of negative zero", "-0.0000000000001", loaded(2)),
    pieces("2^63 - 1 pieces", "9223372036854775807", loaded(2)),
    pieces("2^63 pieces", "9223372036854775808", loaded(1, overflow=1)),
    pieces("half a piece", "1.5", loaded(1, parse=1)),
    pieces("pieces with decimals that are zero", "2.000", loaded(2)),
    pieces("pieces in words", "three", loaded(1, parse=1)),
    pieces("minus one piece", "-1", loaded(1, range=1)),
    instant("the 30th of February", "2025-02-30", loaded(1, parse=1)),
    instant("the 29th of February of no leap year", "2025-02-29T10:00:00Z", loaded(1, parse=1)),
    instant("the 29th of February of a leap year", "2024-02-29", loaded(2)),
    instant("a leap second", "2016-12-31T23:59:60Z", loaded(1, parse=1)),
    instant("month 13", "2025-13-01", loaded(1, parse=1)),
    instant("25 o'clock", "2025-06-01T25:00:00Z", loaded(1, parse=1)),
    instant("24 o'clock", "2025-06-01T24:00:00Z", loaded(2)),
    instant("the year 0", "0000-01-01", loaded(1, range=1)),
    instant("the year 1", "0001-01-01", loaded(1, range=1)),
    instant("the year -5", "-0005-01-01", loaded(1, parse=1)),
    instant("the year 9999", "9999-12-31T23:59:59Z", loaded(1, future=1)),
    instant("the year 10000", "10000-01-01", loaded(1, range=1)),
    instant("the year 290000", "290000-01-01", loaded(1, range=1)),
    instant("tomorrow's tomorrow", "2026-01-03", loaded(1, future=1)),
    instant("the word epoch", "epoch", loaded(1, parse=1)),
    instant("the word infinity", "infinity", loaded(1, parse=1)),
    instant("the word now", "now", loaded(1, parse=1)),
    instant("the word today", "today", loaded(1, parse=1)),
    instant("seconds since 1970", "1748772000", loaded(1, parse=1)),
    instant("a day of Excel", "45809", loaded(1, parse=1)),
    instant("day before month", "01/06/2025", loaded(1, parse=1)),
    instant("two digits of a year", "25-06-01", loaded(1, range=1)),
    instant("a week", "2025-W22-1", loaded(1, parse=1)),
    instant("text behind it", "2025-06-01 10:00:00 probably", loaded(1, parse=1)),
    instant("an offset of 30 hours", "2025-06-01T10:00:00+30:00", loaded(1, parse=1)),
    instant("the name of a zone", "2025-06-01 10:00:00 Europe/Madrid", loaded(1, parse=1)),
    instant("an hour that did not exist", "2025-03-30 02:30:00", loaded(1, zone=1), MADRID),
    instant("an hour that existed twice", "2025-10-26 02:30:00", loaded(1, zone=1), MADRID),
    instant("an hour that existed twice, with its offset", "2025-10-26T02:30:00+02:00", loaded(2),
            MADRID),
    Case("a map that cannot read the time", lines(payment(fresh(), event_time="01/06/2025"), payment(2)),
         loaded(1, parse=1), """map = { event_time = "strptime(event_time, '%d/%m/%Y')" }\n"""),
    customer("SQL in a value", "'; DROP TABLE Payment; --", loaded(2)),
    customer("quotes of every kind in a value", "\"'`\"\"\\\"", loaded(2)),
    customer("a backslash and a percent sign", "\\%s%d{0}", loaded(2)),
    customer("an escape sequence", "\x1b[2J\x1b[31mred", loaded(1, control=1)),
    customer("a bell and a backspace", "a\x07\x08", loaded(1, control=1)),
    customer("a sequence of the upper control set", "\x9b31mred", loaded(1, control=1)),
    customer("text that runs right to left", "\u202egnp.exe", loaded(1, control=1)),
    customer("a mark of byte order within", "a\ufeffb", loaded(1, control=1)),
    customer("a character outside of all planes in use", "\U0010ffff", loaded(2)),
    customer("a hundred accents on a letter", "e" + "\u0301" * 100, loaded(2)),
    customer("the same name in two forms", "Jose\u0301", loaded(2)),
    customer("only spaces of other kinds", "\u00a0\u2003\u3000", loaded(1, required=1)),
    customer("a spreadsheet's formula", '"=cmd|\' /C calc\'!A0"', loaded(2)),
    customer("a reference of 1,001 characters", "x" * 1001, loaded(1, length=1)),
    customer("a key that is empty", '""', loaded(1, required=1)),
    Case("no key", lines(payment(fresh()), payment(fresh(), id="")), loaded(1, required=1)),
    Case("no subject", lines(payment(fresh()), payment(fresh(), customer="")), loaded(1, required=1)),
    Case("a status that is no code", lines(payment(fresh()), payment(fresh(), status="maybe")),
         loaded(1, code=1)),
    Case("a code in capitals and with spaces", lines(payment(fresh()), payment(fresh(), status=" AUTHORISED ")),
         loaded(2)),
    Case("the same key, other values", lines(payment(1), payment(1, amount="2.00"), payment(1)),
         loaded(1, duplicates=1, conflict=1)),
    Case("the same row a thousand times", lines(*[payment(1)] * 1000), loaded(1, duplicates=999)),
    Case("keys that differ by case and accent", lines(*(payment(id=k) for k in ("a", "A", "á", "à"))),
         loaded(4)),
    person("a birth in the year 3000", "Eva,3000-01-01,,,,,", loaded(2)),
    person("a birth on the 31st of June", "Eva,1990-06-31,,,,,", loaded(1, parse=1),
           secrets=("1990-06-31",)),
    person("an income without currency", "Eva,,,1000.00,,,", loaded(1, currency=1)),
    person("half a place", "Eva,,,,,40.1,", loaded(1, required=1)),
    person("a latitude of 91", "Eva,,,,,91.0,0", loaded(1, range=1)),
    person("a latitude of NaN", "Eva,,,,,NaN,0", loaded(1, parse=1)),
    person("a longitude of 1e400", "Eva,,,,,0,1e400", loaded(1, parse=1)),
    person("a name of 100,000 characters", "E" + "v" * 99_999 + ",,,,,,", loaded(1, length=1)),
    person("a name refused for another field", "Secret Name,1990-99-99,,,,,", loaded(1, parse=1),
           secrets=("Secret Name",)),
    card("a card number that fails its check", PAN, loaded(1, luhn=1)),
    card("a card number of letters", "4111x11111111111", loaded(1, luhn=1)),
    card("a card number too long", "41111111111111111111111", loaded(1, luhn=1)),
    card("a card number in Arabic digits", "٤١١١١١١١١١١١١١١١", loaded(1, luhn=1)),
    card("a card number as a float", "4.111111111111111E+15", loaded(1, luhn=1)),
    Case("a card number in an unreadable record",
         lines("k1,2025-06-01,c1,4111111111111111,active", "k2,2025-06-01,c1,4012888888881881",
               head=CARDS), loaded(1, columns=1), table="Card", secrets=("4012888888881881",)),
    Case("a card number in a row refused for its status",
         lines("k1,2025-06-01,c1,4111111111111111,active",
               "k2,2025-06-01,c1,4012888888881881,lost", head=CARDS),
         loaded(1, code=1), table="Card", secrets=("4012888888881881",)),
    Case("a card number where the status belongs",
         lines("k1,2025-06-01,c1,4111111111111111,active",
               "k2,2025-06-01,c1,,4012888888881881", head=CARDS),
         loaded(1, code=1), table="Card", secrets=("4012888888881881",)),
    Case("a card number for a header", "4012888888881881,b,c\n1,2,3\n",
         refused("input", "no value"), table="Card", secrets=("4012888888881881",)),
]  # fmt: skip
