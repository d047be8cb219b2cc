# SPDX-License-Identifier: Apache-2.0
"""JSON Lines: what is not JSON, not an object, too deep, too long, said twice or no text."""

from __future__ import annotations

import json

from tests.faults.malformed.case import GOOD, HEAD, Case, fresh, large, loaded, refused

ROW = dict(zip(HEAD.split(","), GOOD.split(","), strict=True))
ONE = json.dumps(ROW)
RATE = {"id": "r1", "event_time": "2025-06-01", "base": "EUR", "quote": "USD", "rate": "1.1"}


def row(**fields):
    """Return the line of a payment with some fields changed."""
    return json.dumps(ROW | fields)


def bare(name, text, wants, **more):
    """Return a case of a payment whose amount is a bare JSON value."""
    line = row(id=f"p{fresh()}").replace('"1.00"', text)
    return Case(name, f"{row(id=f'p{fresh()}')}\n{line}\n", wants, file="a.jsonl", **more)


def _many_names(folder):
    """Ever new names: 30 MB of them."""
    with (folder / "a.jsonl").open("w") as file:
        for n in range(60):
            file.write(json.dumps({f"k{n}-{m}": m for m in range(30_000)}) + "\n")


def _deep(depth):
    return '{"a":' * depth + "1" + "}" * depth


def _long(folder):
    with (folder / "a.jsonl").open("w") as file:
        file.write(ONE + "\n" + '{"id": "')
        for _ in range(64):
            file.write("x" * (1 << 20))
        file.write('"}\n' + row(id="p2") + "\n")


def jsonl(name, text, wants, **more):
    """Return a case of a JSON Lines file."""
    return Case(name, text, wants, file="a.jsonl", **more)


CASES = [
    jsonl("an empty file", "", refused("input", "empty", "a.jsonl")),
    jsonl("CSV named .jsonl", f"{HEAD}\n{GOOD}\n", refused("input", "not JSON objects", "csv")),
    jsonl("one JSON list over lines", f"[\n{ONE},\n{ONE}\n]\n", refused("input", "one JSON document", "jq")),
    jsonl("one JSON document over lines", json.dumps([ROW], indent=1),
          refused("input", "one JSON document", "jq")),
    jsonl("lines that are no objects", f'{ONE}\n[1]\n"x"\nnull\n7\n', loaded(1, json=4)),
    jsonl("a line cut off", f'{ONE}\n{ONE[:-9]}', loaded(1, json=1)),
    jsonl("two objects on a line", f"{ONE}{ONE}\n{row(id='p2')}\n", loaded(1, json=1)),
    jsonl("single quotes", f"{ONE}\n{{'id': 'p2'}}\n", loaded(1, json=1)),
    jsonl("a name twice in an object", ONE[:-1] + ', "amount": "9999999.00"}\n' + row(id="p2"),
          loaded(1, json=1)),
    jsonl("a name twice in another case", ONE[:-1] + ', "Amount": "9999999.00"}\n',
          refused("input", "once", "Amount")),
    jsonl("a name twice by nesting", ONE[:-1] + ', "a": {"b": 1}, "a.b": 2}\n' + row(id="p2"),
          loaded(1, json=1)),
    jsonl("NaN and infinity", f"{ONE}\n" + "\n".join(
          ONE.replace('"1.00"', v) for v in ("NaN", "Infinity", "-Infinity")), loaded(1, json=3)),
    bare("1e400", "1e400", loaded(1, parse=1)),
    bare("a number of 10,000 digits", "1" * 10_000, loaded(1, overflow=1)),
    bare("a number written 1.0e2", "1.0e2", loaded(1, parse=1)),
    bare("a hexadecimal number", "0x10", loaded(1, json=1)),
    bare("an object for an amount", '{"value": 1}', loaded(1, required=1)),
    bare("a list for an amount", "[1]", loaded(1, parse=1)),
    bare("true for an amount", "true", loaded(1, parse=1)),
    jsonl("nesting of 100,000", f"{ONE}\n{_deep(100_000)}\n", loaded(1, json=1)),
    jsonl("nesting of 900", f"{ONE}\n{_deep(900)}\n", loaded(1, json=1)),
    jsonl("lists nested 100,000 deep", f'{ONE}\n{"[" * 100_000}\n', loaded(1, json=1)),
    large("a line of 64 MiB", _long, loaded(2, length=1)),
    large("1,800,000 names", _many_names, refused("input", "2000 columns")),
    jsonl("a lone surrogate escaped", f'{ONE}\n{row(id="p2", customer="@")}\n'.replace("@", "\\ud800"),
          loaded(1, encoding=1)),
    jsonl("half a surrogate pair in a name", f'{ONE}\n{{"\\udfff": 1}}\n', loaded(1, encoding=1)),
    jsonl("an escaped zero", f'{ONE}\n{row(id="p2", customer=chr(0))}\n', loaded(1, control=1)),
    jsonl("bytes that are no UTF-8", f"{ONE}\n".encode() + b'{"id": "\xff"}\n', loaded(1, encoding=1)),
    jsonl("UTF-16", f"{ONE}\n".encode("utf-16"), refused("input", "UTF-16")),
    jsonl("the mark of UTF-8", b"\xef\xbb\xbf" + ONE.encode(), loaded(1)),
    jsonl("line ends of Windows", f"{ONE}\r\n\r\n{row(id='p2')}\r\n", loaded(2)),
    jsonl("names with SQL in them", row(**{'x"; DROP TABLE t --': "1"}), loaded(1)),
    jsonl("names like the reader's own", row(__line="1"), refused("input", "__")),
    jsonl("no name at all", row(**{"": "1"}), loaded(1)),
]  # fmt: skip
