# SPDX-License-Identifier: Apache-2.0
"""Separated text: encodings, quotes, records and headers that are wrong."""

from __future__ import annotations

from tests.faults.malformed.case import GOOD, HEAD, Case, large, lines, loaded, payment, refused

TWO = lines(payment(1), payment(2))
UTF16 = 'encoding = "utf-16"'
MIB = 1 << 20


def _ten_million_columns(folder):
    (folder / "a.csv").write_bytes(b",".join(b"c%d" % n for n in range(1_000_000)) + b"\n1\n")


def _many_short_columns(folder):
    (folder / "a.csv").write_bytes(b"," * 1_000_000 + b"\n" + b"," * 1_000_000 + b"\n")


def _a_huge_line(folder):
    with (folder / "a.csv").open("wb") as file:
        file.write(f"{HEAD}\n{GOOD}\n".encode())
        for _ in range(200):
            file.write(b"x" * MIB)
        file.write(f"\n{payment(2)}\n".encode())


def _long_records(folder):
    with (folder / "a.csv").open("w") as file:
        file.write(f"{HEAD}\n{GOOD}\n")
        for n in range(8):
            file.write(payment(n + 2, customer="y" * 900_000) + "\n")


def _a_quote_that_never_closes(folder):
    with (folder / "a.csv").open("wb") as file:
        file.write(f'{HEAD}\n{GOOD}\np2,"open\n'.encode())
        for n in range(200_000):
            file.write(f"{payment(n + 10)}\n".encode())


def _a_quote_in_every_record(folder):
    with (folder / "a.csv").open("wb") as file:
        file.write(f"{HEAD}\n".encode())
        file.write(b'p1,"x"y,c,1,EUR,authorised\n' * 100_000)
        file.write(f"{GOOD}\n".encode())


CASES = [
    # first, since what other files leave in the allocators counts too
    large("8 records of 900,000 characters", _long_records, loaded(1, length=8)),
    # the bytes
    Case("an empty file", b"", refused("input", "empty", "leave it out")),
    Case("only line ends", b"\n\r\n\n", refused("input", "empty")),
    Case("only spaces", b"   ", refused("input", "no value", "add to the map")),
    Case("only a header", HEAD + "\n", loaded(0)),
    Case("only a header without line end", HEAD, loaded(0)),
    Case("no line end at the end", f"{HEAD}\n{GOOD}", loaded(1)),
    Case("UTF-8 with its mark", b"\xef\xbb\xbf" + TWO.encode(), loaded(2)),
    Case("the mark twice", b"\xef\xbb\xbf\xef\xbb\xbf" + TWO.encode(),
         refused("input", "printable", "\\ufeff")),
    Case("UTF-16 with its mark, not declared", TWO.encode("utf-16"),
         refused("input", "UTF-16", 'encoding = "utf-16"')),
    Case("UTF-16 without mark, not declared", TWO.encode("utf-16-le"), refused("input", "UTF-16")),
    Case("UTF-16 big end first, not declared", TWO.encode("utf-16-be"), refused("input", "UTF-16")),
    Case("UTF-32, not declared", TWO.encode("utf-32"), refused("input", "UTF-32", "save it as")),
    Case("UTF-8 declared as UTF-16", TWO + "x", refused("input", "begin", "encoding"), UTF16),
    Case("UTF-16 declared, cut within a character", TWO.encode("utf-16")[:-3],
         loaded(1, encoding=1), UTF16),
    Case("UTF-16 with a lone surrogate",
         lines(payment(1), payment(2, customer="\ud800")).encode("utf-16-le", "surrogatepass"),
         loaded(1, encoding=1), 'encoding = "utf-16-le"'),
    Case("UTF-8 with an encoded surrogate",
         lines(payment(1), payment(2, customer="\ud800")).encode("utf-8", "surrogatepass"),
         loaded(1, encoding=1)),
    Case("overlong UTF-8", TWO.encode().replace(b"p2", b"\xc0\xaf"), loaded(1, encoding=1)),
    Case("Latin-1 not declared", lines(payment(1), payment(2, customer="José")).encode("latin-1"),
         loaded(1, encoding=1)),
    Case("a header in Latin-1 not declared", ("Größe," + HEAD + "\nx," + GOOD).encode("latin-1"),
         refused("input", "header", "encoding")),
    Case("an unassigned byte of Windows-1252", TWO.encode().replace(b"p2", b"\x81"),
         loaded(1, encoding=1), 'encoding = "cp1252"'),
    Case("Shift JIS cut within a character",
         lines(payment(1), payment(2)).encode() + b"p3,2025-06-01,\x83",
         loaded(2, encoding=1), 'encoding = "shift_jis"'),
    Case("an encoding that changes midway", TWO.encode() + payment(3, id="é").encode("utf-16-le"),
         loaded(2, encoding=1)),
    Case("a zero byte in a value", TWO.encode().replace(b"p2", b"p\x002"), loaded(1, control=1)),
    Case("zero bytes for a file", bytes(5000), refused("input", "zeros")),
    Case("zero bytes at the end, as after a crash", TWO.encode() + bytes(4096),
         loaded(2, columns=1)),
    Case("a program for a file", b"\x7fELF\x02\x01\x01" + bytes(range(256)) * 20,
         refused("input", "a program")),
    Case("a page of HTML", "<!DOCTYPE html>\n<html><body>\n<p>Sign in, please</p>\n",
         refused("input", "no value")),
    Case("a spreadsheet named .csv", b"PK\x03\x04\x14\x00\x06\x00" + b"\x00\x01\xfe" * 500,
         refused("input", "spreadsheet", "CSV")),
    Case("a database named .csv", b"SQLite format 3\x00" + bytes(4000),
         refused("input", "SQLite", "sqlite:")),
    Case("a PDF named .csv", b"%PDF-1.7\n1 0 obj\n", refused("input", "PDF")),
    # records and quotes
    Case("a quote that never closes", lines(payment(1), 'p2,"open', payment(3)),
         loaded(2, quote=1)),
    large("a quote that never closes, 8 MB before the end", _a_quote_that_never_closes, loaded(200_001, quote=1)),
    Case("text behind a closing quote", lines(payment(1), '"p2"x,', payment(3)),
         loaded(2, quote=1)),
    large("text behind a closing quote in 100,000 records", _a_quote_in_every_record, refused("input", "Most records", "quote")),
    Case("a header that is not closed", f'"{HEAD}\n{GOOD}\n', refused("input", "header", "quote")),
    Case("fewer and more fields", lines(payment(1), "p2,2025-06-01", payment(3) + ",x"),
         loaded(1, columns=2)),
    Case("another separator than declared", lines(payment(1)).replace(",", ";"),
         refused("input", "no value", "map")),
    Case("another separator in the rows", HEAD + "\n" + (GOOD.replace(",", ";") + "\n") * 50,
         refused("input", "Most records", "separator")),
    Case("line ends of three kinds", f"{HEAD}\r\n{GOOD}\r{payment(2)}\n{payment(3)}", loaded(3)),
    Case("line ends in a value", lines(payment(1, customer='"a\nb\r\nc"')), loaded(1)),
    large("a line of 200 MiB", _a_huge_line, loaded(2, length=1)),
    Case("a value of 900,000 characters", lines(payment(1, customer="y" * 900_000), payment(2)),
         loaded(1, length=1)),
    Case("spaces around the names and values", lines(" p1 , 2025-06-01 ,c1 , 1.00, EUR,authorised",
         head=" id , event_time,customer ,amount,currency , status "), loaded(1)),
    # headers
    large("1,000,000 columns", _ten_million_columns, refused("input", "header")),
    large("1,000,000 columns without name", _many_short_columns, refused("input", "2000 columns")),
    Case("2,001 columns", HEAD + ",x" * 2001 + "\n", refused("input", "2000 columns")),
    Case("a column name twice", lines(GOOD + ",x", head=HEAD + ",ID"),
         refused("input", "once", "columns = [")),
    Case("columns without a name", lines(GOOD + ",x,y", head=HEAD + ",,"), loaded(1)),
    Case("a needed column missing", lines(GOOD[:-11], head=HEAD[:-7]),
         refused("input", "Payment.status", "add to the map")),
    Case("columns named like system columns",
         lines(GOOD + ",7,1,2025-01-01,0,2025-06", head=HEAD + ",_load,_line,known_time,_hash,_month"),
         loaded(1)),
    Case("a column named like the reader's own", lines(GOOD + ",x", head=HEAD + ",__fault"),
         refused("input", "__")),
    Case("a column named _record", lines(GOOD + ",x", head=HEAD + ",_record"),
         refused("input", "_record")),
    Case("columns named like SQL words",
         lines(GOOD + ",1,2,3,4", head=HEAD + ",select,order,table,null"), loaded(1),
         'map = { merchant = "\\"select\\" || \\"order\\"" }'),
    Case("SQL injected by a column's name",
         lines(GOOD + ",x", head=HEAD + ",\"x\"\"; DROP TABLE t; --\""), loaded(1)),
    Case("a quote in a column's name", lines(GOOD + ",x,y", head=HEAD + ",it's,a\"b"), loaded(1)),
    Case("a column's name with an escape sequence", lines(GOOD + ",x", head=HEAD + ",\x1b[31mred"),
         refused("input", "printable", "\\x1b")),
    Case("a column's name of 100,000 characters", lines(GOOD + ",x", head=HEAD + "," + "n" * 100_000),
         refused("input", "name")),
    Case("a column's name that runs right to left", lines(GOOD + ",x", head=HEAD + ",\u202eeman"),
         refused("input", "printable")),
    Case("more names declared than there are", lines(GOOD), loaded(0, columns=1),
         'columns = ["id", "event_time", "customer", "amount", "currency", "status", "more"]'),
    Case("the header skipped twice", lines(payment(50)), loaded(1, parse=1),
         'columns = ["id", "event_time", "customer", "amount", "currency", "status"]\nheader = false'),
]  # fmt: skip
