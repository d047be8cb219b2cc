# SPDX-License-Identifier: Apache-2.0
"""Project files: TOML that does not parse, keys and values that mean nothing, maps that attack."""

from __future__ import annotations

from tests.faults.malformed.case import Case, lines, loaded, payment, refused

ONE = lines(payment(1))
SOURCE = '[[source]]\ntable = "Payment"\nfrom = "in/*"\n'


def toml(name, text, *words, code="input"):
    """Return a case of a project file that is refused."""
    return Case(name, ONE, refused(code, *words), project=text)


def key(name, line, *words):
    """Return a case of one more line of the source, which is line 4; the error must say so."""
    return Case(name, ONE, refused("input", *words, "heptad.toml line 4"), project=SOURCE + line)


def entry(name, text, *words):
    """Return a case of a map's entry that is refused, with the line of its source."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    line = f'map = {{ customer = "{escaped}" }}'
    return Case(name, ONE, refused("input", *words, "heptad.toml line"), project=SOURCE + line)


CASES = [
    toml("TOML cut off", '[project]\nname = "ba', "not TOML", "end of document"),
    toml("a key twice", '[project]\nname = "a"\nname = "b"\n', "not TOML", "line 3"),
    toml("a section twice", "[engine]\n[serve]\n[engine]\n", "not TOML", "line 3"),
    toml("a value without quotes", "[project]\nname = bank\n", "not TOML", "line 2"),
    toml("a control character", '[project]\nname = "a\x07"\n', "not TOML", "line 2"),
    toml("bytes that are no UTF-8", b'[project]\nname = "\xff"\n', "UTF-8"),
    toml("UTF-16", '[project]\nname = "a"\n'.encode("utf-16"), "UTF-8"),
    toml("zero bytes", bytes(100), "not TOML"),
    toml("lists nested 100,000 deep", "x = " + "[" * 100_000, "not TOML"),
    toml("tables nested 100,000 deep", "x = " + "{a=" * 100_000, "not TOML"),
    toml("names of 100,000 parts", "a" + ".a" * 100_000 + " = 1\n", "100 parts", "line 1"),
    toml("a number of 5,000 digits", SOURCE + "x = " + "9" * 5000, "not TOML"),
    toml("a date that does not exist", '[project]\nclock = 2025-02-30\n', "not TOML", "line 2"),
    toml("a section that does not exist", "[sources]\n", "no key 'sources'", "'source'", "line 1"),
    toml("one bracket for a source", '[source]\ntable = "Payment"\n', "two brackets", "line 1"),
    toml("a list for a section", "engine = [1]\n", "engine must be a table", "line 1"),
    toml("text for a section", 'project = "bank"\n', "project", "line 1"),
    toml("a project without sources", '[project]\nname = "a"\n', "no source 'case'", code="unknown"),
    toml("a source without table", '[[source]]\nfrom = "in/*"\n', "does not say table", "line 1"),
    toml("a source without origin", '[[source]]\ntable = "Payment"\n', "does not say from", "line 1"),
    toml("a table that does not exist", '[[source]]\nfrom = "in/*"\ntable = "Paiment"\n',
         "'Paiment'", "did you mean 'Payment'", "line 3"),
    toml("SQL for a table", '[[source]]\nfrom = "in/*"\ntable = "Payment; DROP TABLE x"\n',
         "no table", "line 3"),
    toml("a path for a table", '[[source]]\nfrom = "in/*"\ntable = "../keys"\n', "no table", "line 3"),
    toml("two sources of one name", SOURCE + SOURCE, "Two sources", "line 4"),
    key("SQL for a source's name", "name = \"x'; DROP TABLE loads; --\"", "letters, digits"),
    key("an escape sequence in a source's name", 'name = "\\u001b[31m"', "letters, digits", "\\x1b"),
    key("a key that does not exist", 'seperator = ";"', "did you mean 'separator'"),
    key("a number for text", "zone = 7", "zone"),
    key("a zone that does not exist", 'zone = "Europe/Madird"', "IANA", "Europe/Madrid"),
    key("a path for a zone", 'zone = "../../etc/passwd"', "IANA"),
    key("a folder for a zone", 'zone = "Europe"', "IANA"),
    key("a zone of 5,000 characters", f'zone = "{"x" * 5000}"', "IANA"),
    key("a zone with a zero byte", 'zone = "a\\u0000b"', "IANA"),
    key("a list for a zone", 'zone = ["a"]', "zone"),
    key("an encoding that does not exist", 'encoding = "utf-9"', "no such encoding", "utf-8"),
    key("an encoding that runs code", 'encoding = "unicode_escape"', "no such encoding"),
    key("a list for an encoding", 'encoding = ["utf-8"]', "no such encoding"),
    key("two characters for a separator", 'separator = "||"', "one ASCII character"),
    key("a line end for a separator", 'separator = "\\n"', "one ASCII character"),
    key("a letter for a quote", 'quote = "é"', "one ASCII character"),
    key("a digit for a separator", 'separator = "1"', "separator"),
    key("the quote for the separator", "separator = '\"'", "same"),
    key("the separator for the quote", "quote = ','", "same"),
    key("the decimal mark for thousands", 'thousands = "."', "same"),
    key("a minus sign for thousands", 'thousands = "-"', "thousands"),
    key("a digit for thousands", 'thousands = "0"', "thousands"),
    Case("the separator for thousands", lines(payment(1, amount='"1,000.00"')), loaded(1),
         project=SOURCE + 'thousands = ","\n'),
    key("no header and no names", "header = false", "columns"),
    key("text for the header", 'header = "no"', "true or false"),
    key("a duration without unit", 'known_after = "2"', "duration", "2 days"),
    key("a duration below zero", 'known_after = "-2 days"', "duration"),
    key("a duration as a number", "known_after = -5", "duration"),
    key("a duration as a list", "known_after = [1]", "duration"),
    key("a duration as a float", "known_after = 1.5", "duration"),
    key("a duration of a million years", 'known_after = "999999999 weeks"', "duration"),
    key("null as a number", "null = [1]", "list of texts"),
    key("a map that is text", 'map = "id"', "a table"),
    key("a map of a field that does not exist", 'map = { amuont = "x" }', "did you mean 'amount'"),
    key("a map of a system column", 'map = { _load = "x" }', "no field '_load'"),
    key("SQL for a mapped field", "map = { \"id\\\"; DROP TABLE t; --\" = 'x' }", "no field"),
    key("a map that is a number", "map = { id = 5 }", "in quotes"),
    key("an empty map entry", 'map = { id = " " }', "in quotes"),
    key("codes that are text", 'codes = { status = "x" }', "codes"),
    key("codes of a field that does not exist", 'codes = { stattus = { A = "authorised" } }', "codes"),
    key("codes that are no codes", 'codes = { status = { A = "authorized" } }', "authorised"),
    key("a password in a URL", 'from2 = "postgresql://u:hunter2@h/d"', "no key"),
    entry("a map of a column that does not exist", "customr", "no column", "customer"),
    entry("a map with two statements", "customer; DROP TABLE t", "without ;"),
    entry("a map with a sub-query", "(SELECT max(id) FROM Customer)", "A map cannot use"),
    entry("a map that reads a file", "read_text('/etc/passwd')", "cannot use read_text"),
    entry("a map that reads a setting", "current_setting('home_directory')", "cannot use"),
    entry("a map that reads the environment", "getenv('HOME')", "cannot use getenv"),
    entry("a map of another table", "Customer.name", "its own source"),
    entry("a map that counts", "count(*)", "cannot use"),
    entry("a map with a window", "row_number() OVER ()", "cannot use"),
    entry("a map with a comment", "customer -- all", "no comments"),
    entry("a map whose quote is open", "'open", "quote"),
    entry("a map whose bracket is open", "lower(customer", "bracket"),
    entry("a map nested 1,000 deep", "(" * 1000 + "customer" + ")" * 1000, "800 parts"),
    entry("a map nested 300 deep", "(" * 300 + "customer" + ")" * 300, "deeply"),
    entry("a map that grows", "repeat(customer, 2000000000)", "cannot use"),
    entry("a map that pads", "lpad(customer, 2000000000, 'x')", "lpad"),
    entry("a map of 100,000 characters", "customer || " * 9000 + "customer", "4000 characters"),
    entry("a map with a lambda", "list_transform([customer], x -> x)", "cannot use"),
    Case("a map with a pattern that does not end", ONE, refused("input", "missing )"),
         project=SOURCE + "map = { customer = \"regexp_replace(customer, '(', '')\" }"),
    Case("a map that puts money through a float", ONE,
         refused("contract", "Payment.amount", "floating"),
         project=SOURCE + 'map = { amount = "amount::DOUBLE" }'),
    Case("a map that divides by zero", ONE, refused("input", "Division by zero"),
         project=SOURCE + 'map = { customer = "CAST(1 // 0 AS VARCHAR)" }'),
    Case("a map whose cast fails", ONE, loaded(0, parse=1),
         project=SOURCE + 'map = { customer = "CAST(CAST(customer AS INTEGER) AS VARCHAR)" }'),
    Case("a map with SQL in a constant", ONE, loaded(1),
         project=SOURCE + "map = { customer = \"'''; DROP TABLE Payment; --'\" }"),
    Case("a map with a pattern that explodes", lines(payment(1, customer="a" * 5000 + "!")),
         loaded(0, length=1),
         project=SOURCE + "map = { customer = \"regexp_replace(customer, '(a+)+$', '')\" }"),
    toml("memory without unit", "[engine]\nmemory = \"5\"\n", "memory", "line 2"),
    toml("no memory", "[engine]\nmemory = \"0GB\"\n", "memory", "line 2"),
    toml("no threads", "[engine]\nthreads = 0\n", "threads", "line 2"),
    toml("true for threads", "[engine]\nthreads = true\n", "whole number", "line 2"),
    toml("a port of 70000", "[serve]\nport = 70000\n", "port", "line 2"),
    toml("a passphrase in clear", "[security]\npassphrase = \"hunter2\"\n", "secret", "line 2"),
    toml("a clock that is no instant", "[project]\nclock = \"soon\"\n", "clock", "line 2"),
    toml("a clock in the year 0", "[project]\nclock = \"0000-01-01\"\n", "clock", "line 2"),
    toml("a currency that does not exist", "[project]\ncurrency = \"EURO\"\n", "EUR", "line 2"),
    toml("a folder with a zero byte", '[project]\nallow = ["a\\u0000b"]\n', "allow", "line 2"),
    toml("the home of nobody", '[project]\nallow = ["~nobody-here/x"]\n', "allow", "line 2"),
    toml("a policy that is a list", "[apps.fraud]\nx = [1]\n", "plain value", "line"),
    toml("retention as text that is none", "[retention]\ndecisions = \"ages\"\n", "duration", "line 2"),
    toml("retention below zero", "[retention]\ndecisions = -5\n", "duration", "line 2"),
]  # fmt: skip
