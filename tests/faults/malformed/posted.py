# SPDX-License-Identifier: Apache-2.0
"""Bodies posted to a table: not JSON, not rows, too many, too deep, or with bad values."""

from __future__ import annotations

import json

from tests.faults.malformed.case import Posting, fresh, loaded, refused

RATE = {"id": "r1", "event_time": "2025-06-01", "base": "EUR", "quote": "USD", "rate": "1.1"}
PAYMENT = {
    "id": "q1", "event_time": "2025-06-01T10:00:00Z", "customer": "c1", "amount": "1.00",
    "currency": "EUR", "status": "authorised",
}  # fmt: skip
JSON = "application/json"
ONE = json.dumps(RATE)
LIMIT = 8 << 20


def rate(name, wants, **fields):
    """Return a case of a good rate and one with other fields."""
    rows = [RATE | {"id": f"r{fresh()}"}, RATE | {"id": f"r{fresh()}"} | fields]
    return Posting(name, json.dumps(rows), wants, kind=JSON)


def bare(name, text, wants):
    """Return a case of a rate that is a bare JSON value."""
    first, second = (ONE.replace('"r1"', f'"r{fresh()}"') for _ in range(2))
    return Posting(name, f"{first}\n" + second.replace('"1.1"', text), wants)


def amount(name, text, wants, **more):
    """Return a case of a payment whose amount is a bare JSON value."""
    body = json.dumps(PAYMENT).replace('"1.00"', text)
    return Posting(name, body, wants, table="Payment", **more)


CASES = [
    Posting("an empty body", b"", loaded(0)),
    Posting("an empty list", "[]", loaded(0), kind=JSON),
    Posting("no JSON", "id,rate\n1,2\n", refused("input", "not JSON", "line 1")),
    Posting("JSON cut off", ONE[:-5], refused("input", "not JSON", "line 1")),
    Posting("a second line that is no JSON", f"{ONE}\n{{\n", refused("input", "not JSON", "line 2")),
    Posting("rows that are no objects", "[1, null]", refused("input", "object", "row 1"), kind=JSON),
    Posting("a list within the list", f"[[{ONE}]]", refused("input", "object", "row 1"), kind=JSON),
    Posting("a text", '"rows"', refused("input", "object", "row 1"), kind=JSON),
    Posting("an object without fields", "{}", loaded(0, required=1)),
    Posting("bytes that are no UTF-8", b'{"id": "\xff"}', refused("input", "not JSON")),
    Posting("UTF-16", ONE.encode("utf-16"), refused("input", "not JSON")),
    Posting("the mark of UTF-8", b"\xef\xbb\xbf" + ONE.encode(), loaded(1)),
    Posting("nesting of 100,000", '{"a":' * 100_000 + "1" + "}" * 100_000,
            refused("input", "deep", "line 1")),
    Posting("nesting of 900", '{"a":' * 900 + "1" + "}" * 900, refused("input")),
    Posting("lists of 8 MiB that never close", b"[" * LIMIT, refused("input", "500,000 values"),
            kind=JSON),
    Posting("10,001 rows", f"{ONE}\n" * 10_001, refused("input", "10,000 rows")),
    Posting("2,700,000 rows of nothing in a list", b"[" + b"{}," * 2_796_000 + b"{}]",
            refused("input", "500,000 values"), kind=JSON),
    Posting("2,700,000 rows of nothing", b"{}\n" * 2_796_000, refused("input", "500,000 values")),
    Posting("2,700,000 lines that are numbers", b"12\n" * 2_796_000, refused("input", "10,000 rows")),
    Posting("8 MiB in one value", lambda: json.dumps(RATE | {"note": "x" * (LIMIT - 200)}),
            refused("input", "longer", "row 1")),
    Posting("500 KB in one value", json.dumps(RATE | {"note": "x" * 500_000}), loaded(1)),
    Posting("500 KB in one key", json.dumps(RATE | {"id": "x" * 500_000}), loaded(0, length=1)),
    Posting("8 MiB in one unknown name", lambda: json.dumps(RATE | {"x" * (LIMIT - 200): 1}),
            refused("input", "name")),
    Posting("600,000 names", lambda: json.dumps({f"{n}": 1 for n in range(600_000)}),
            refused("input", "500,000 values")),
    Posting("60,000 names", lambda: json.dumps({f"{n}": 1 for n in range(60_000)}),
            refused("input", "2000 columns")),
    Posting("a name twice", ONE[:-1] + ', "rate": "9"}', refused("input", "twice", "line 1")),
    Posting("a name twice in another case", ONE[:-1] + ', "Rate": "9"}', refused("input", "once")),
    Posting("a system column", ONE[:-1] + ', "_load": 7, "_hash": 1, "known_time": "2001-01-01"}',
            loaded(1)),
    Posting("the reader's own column", ONE[:-1] + ', "__line": 7}', refused("input", "__")),
    Posting("SQL for a name", json.dumps(RATE | {'x"; DROP TABLE t; --': 1}), loaded(1)),
    Posting("an escape sequence for a name", json.dumps(RATE | {"\x1b[31m": 1}),
            refused("input", "printable")),
    Posting("a deletion that says neither yes nor no", json.dumps(RATE | {"_deleted": "perhaps"}),
            loaded(0, parse=1)),
    bare("NaN", "NaN", refused("input", "not JSON", "line 2")),
    bare("infinity", "-Infinity", refused("input", "not JSON", "line 2")),
    bare("1e400", "1e400", loaded(1, parse=1)),
    bare("1.5", "1.5", loaded(2)),
    bare("an exponent", "15e-1", loaded(2)),
    bare("10,000 digits", "9" * 10_000, loaded(1, overflow=1)),
    bare("an object for a number", '{"a": 1}', loaded(1, required=1)),
    bare("null", "null", loaded(1, required=1)),
    bare("true", "true", loaded(1, parse=1)),
    rate("a lone surrogate", refused("input", "no text", "row 2"), id="\ud800"),
    rate("a zero byte", loaded(1, control=1), id="a\0b"),
    rate("an escape sequence", loaded(1, control=1), id="\x1b[2J"),
    rate("no key", loaded(1, required=1), id=""),
    rate("a key that is a list", loaded(2), id=[1, 2]),
    rate("SQL in a value", loaded(2), id="'; DROP TABLE Rate; --"),
    rate("the year 300000", loaded(1, parse=1), event_time="300000-01-01"),
    rate("a rate of 400 digits", loaded(1, overflow=1), rate="9" * 400),
    amount("an amount as a number of 17 digits", "9007199254740993.01", loaded(1)),
    amount("an amount as a number of three decimals", "1.001", loaded(0, decimals=1)),
    amount("an amount as infinity in quotes", '"inf"', loaded(0, parse=1)),
    Posting("a card number that fails its check", json.dumps(
        PAYMENT | {"card": "4111111111111112"}), loaded(0, luhn=1), table="Payment",
        secrets=("4111111111111112",)),
    Posting("a card number for a status", json.dumps(PAYMENT | {"status": "4012888888881881"}),
            loaded(0, code=1), table="Payment", secrets=("4012888888881881",)),
    Posting("a table that does not exist", ONE, refused("unknown", "no table"), table="Rats"),
    Posting("a path for a table", ONE, refused("unknown", "no table"), table="../keys"),
]  # fmt: skip
