# SPDX-License-Identifier: Apache-2.0
"""The sources of a project file: which files, queries or topics are bound to which table, and how."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from heptad.sources.sections import duration
from heptad.standards.errors import ContractError, suggest
from heptad.standards.fields import Code
from heptad.standards.time import zone

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from heptad.sources.sections import Section
    from heptad.standards.tables import Table

FORMATS = ("auto", "csv", "jsonl", "parquet")
COMPRESSIONS = ("auto", "none", "gzip", "zstd")
ENCODINGS = (
    "utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "latin-1", "iso-8859-1",
    "iso-8859-2", "iso-8859-15", "cp1250", "cp1251", "cp1252", "windows-1252", "gb18030", "gbk",
    "big5", "shift_jis", "euc-kr", "ascii",
)  # fmt: skip

_SOURCE_KEYS = (
    "name", "table", "from", "query", "map", "codes", "known_after", "zone", "watermark", "format",
    "separator", "quote", "encoding", "decimal", "thousands", "header", "columns", "null",
    "compression", "ca", "private",
)  # fmt: skip
SECRET = re.compile(r"\$\{(env|file):([^}]+)\}")
"""How a text of the project file names a secret."""
_PASSWORD = re.compile(r"^[a-z+]+://[^/@:]*:([^@/]+)@")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_. -]{0,62}")


@dataclass(frozen=True, slots=True)
class Format:
    """How a file is written.

    Attributes:
        kind: auto (by the file's name), csv, jsonl or parquet.
        separator: between the fields of a record; for `auto`, a tab in .tsv files, else a comma.
        quote: around fields that hold separators or line ends; "" if there is none.
        encoding: of text files.
        decimal: mark before the decimals, "." or ",".
        thousands: mark between thousands; "" if there is none.
        header: whether the first record names the columns.
        columns: names of the columns where there is no header.
        null: texts that stand for a missing value, beside the empty one.
        compression: auto (by the first bytes), none, gzip or zstd.
    """

    kind: str = "auto"
    separator: str = ""
    quote: str = '"'
    encoding: str = "utf-8"
    decimal: str = "."
    thousands: str = ""
    header: bool = True
    columns: tuple[str, ...] = ()
    null: tuple[str, ...] = ()
    compression: str = "auto"


@dataclass(frozen=True, slots=True)
class Source:
    """One binding of a source to a table.

    Attributes:
        name: of the source; what was loaded is remembered by it.
        table: name of the table.
        origin: files (a glob), `package:…`, or the URL of a database.
        query: the table or SELECT to read from a database.
        map: field → scalar SQL expression over the source's columns; `known_time` and `deleted`
            may be mapped too. A field without an entry is read from the column of its own name.
        codes: field → {value in the source: code of the field}.
        known_after: how long after the event history was known, µs.
        zone: IANA zone of instants without an offset; "" is UTC.
        watermark: column of a database that only grows.
        format: how its files are written.
        ca: file of the certificates to trust a server of files by; the system's by default.
        private: whether a server of files may stand in a private network.
        line: of the binding in the project file.
        lines: field → the line of its entry in the map.
    """

    name: str
    table: str
    origin: str
    query: str = ""
    map: Mapping[str, str] = field(default_factory=dict)
    codes: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    known_after: int = 0
    zone: str = ""
    watermark: str = ""
    format: Format = Format()
    ca: str = ""
    private: bool = False
    line: int = 0
    lines: Mapping[str, int] = field(default_factory=dict)


def sources_of(root: Section, tables: Mapping[str, type[Table]] | None) -> tuple[Source, ...]:
    """Read the sources of a project file.

    Args:
        root: the whole file.
        tables: those that there are, by name; None to take any name.

    Raises:
        InputError: if one is wrong, with file and line.
    """
    listed = root.values.get("source", [])
    if not isinstance(listed, list) or not all(isinstance(s, dict) for s in listed):
        raise root.error(
            "A source is written under [[source]], with two brackets.",
            "source",
            None,
            "write [[source]]",
        )
    sources: dict[str, Source] = {}
    for index, values in enumerate(listed):
        named = values.get("name") or values.get("table") or f"number {index + 1}"
        section = root.part(values, f"[[source]] {named}", "source", index)
        source = _source(section, tables)
        if source.name in sources:
            raise section.error(
                f"Two sources are called {source.name!r}.",
                "name",
                source.name,
                'give each its own name = "…"',
            )
        sources[source.name] = source
    return tuple(sources.values())


def _source(section: Section, tables: Mapping[str, type[Table]] | None) -> Source:
    section.only(_SOURCE_KEYS)
    table = section.text("table", needed=True)
    if tables is not None and table not in tables:
        raise section.error(f"There is no table {table!r}.", "table", table, suggest(table, tables))
    name = section.text("name", table)
    if not _NAME.fullmatch(name):
        raise section.error(
            "A source's name is letters, digits, _ . - and spaces.", "name", name, f"name = {table}"
        )
    origin = section.text("from", needed=True)
    if _PASSWORD.match(origin) and not SECRET.search(_PASSWORD.match(origin)[1]):  # type: ignore[index]
        raise section.error(
            "A password does not stand in the project file.",
            "from",
            None,
            "write ${env:NAME} in its place",
        )
    mapped = _map(section, tables[table] if tables else None)
    return Source(
        name=name,
        table=table,
        origin=origin,
        query=section.text("query"),
        map=mapped,
        codes=_codes(section, tables[table] if tables else None),
        known_after=section.read("known_after", 0, duration),
        zone=section.read("zone", "", lambda v: zone(str(v)).key),
        watermark=section.text("watermark"),
        format=_format(section),
        ca=section.text("ca"),
        private=section.flag("private", default=False),
        line=section.line(),
        lines={name: section.line("map", name) for name in mapped},
    )


def _map(section: Section, table: type[Table] | None) -> dict[str, str]:
    entries = section.mapping("map")
    for name, value in entries.items():
        if not isinstance(value, str) or not value.strip():
            raise section.error(
                f"{section.title}: the map of {name} must be an expression in quotes.",
                ("map", name),
                value,
                f'write {name} = "column"',
            )
        if table is not None and name not in (allowed := mappable(table)):
            raise section.error(
                f"{table.__name__} has no field {name!r} to map to.",
                ("map", name),
                name,
                suggest(name, allowed),
            )
    return entries


def mappable(table: type[Table]) -> tuple[str, ...]:
    """Return what a map may have entries for."""
    columns = [c.name for f in table.fields.values() for c in f.columns()]
    return (*dict.fromkeys((*table.fields, *columns)), "known_time", "deleted")


def _codes(section: Section, table: type[Table] | None) -> dict[str, dict[str, str]]:
    codes = section.mapping("codes")
    for name, words in codes.items():
        if not isinstance(words, dict) or not all(isinstance(v, str) for v in words.values()):
            raise section.error(
                f"{section.title}: codes of {name} is a table from text to code.",
                "codes",
                words,
                f'write codes = {{ {name} = {{ "their word" = "code" }} }}',
            )
        if table is not None:
            _check_codes(section, table, name, words.values())
    return codes


def _check_codes(section: Section, table: type[Table], name: str, codes: Iterable[str]) -> None:
    lists = {field.name: field.codes for field in table.fields.values() if isinstance(field, Code)}
    if name not in lists:
        raise section.error(
            f"{table.__name__} has no field {name!r} with a list of codes.",
            ("codes", name),
            name,
            suggest(name, lists),
        )
    for code in codes:
        if code not in lists[name]:
            raise section.error(
                f"{section.title}: codes of {name} gives what is none of its codes.",
                ("codes", name),
                code,
                suggest(code, sorted(lists[name])),
            )


def _format(section: Section) -> Format:
    plain = Format()
    made = Format(
        kind=section.choice("format", plain.kind, FORMATS),
        separator=section.text("separator"),
        quote=section.text("quote", plain.quote),
        encoding=section.read("encoding", plain.encoding, _encoding),
        decimal=section.choice("decimal", plain.decimal, (".", ",")),
        thousands=section.text("thousands"),
        header=section.flag("header", plain.header),
        columns=section.texts("columns"),
        null=section.texts("null"),
        compression=section.choice("compression", plain.compression, COMPRESSIONS),
    )
    _check_dialect(section, made)
    return made


def _check_dialect(section: Section, made: Format) -> None:
    marks = {"separator": made.separator, "quote": made.quote, "thousands": made.thousands}
    for key, mark in marks.items():
        if len(mark) > 1 or not mark.isascii() or mark in ("\n", "\r", "\0") or mark.isalnum():
            raise section.error(
                f"{section.title}: {key} is one ASCII character, no letter or digit.",
                key,
                mark,
                f'{key} = ";"',
            )
    if made.thousands and made.thousands in "+-":
        raise section.error(
            f"{section.title}: thousands is no sign of a number.",
            "thousands",
            made.thousands,
            'write thousands = "\'"',
        )
    if made.quote and made.quote == (made.separator or ","):
        raise section.error(
            f"{section.title}: separator and quote are the same.",
            "separator" if made.separator else "quote",
            made.quote,
            "change one",
        )
    if made.thousands and made.thousands == made.decimal:
        raise section.error(
            f"{section.title}: decimal and thousands are the same.",
            "thousands",
            made.thousands,
            "change one",
        )
    if not made.header and not made.columns and made.kind in ("auto", "csv"):
        raise section.error(
            f"{section.title}: without a header the columns must be named.",
            "header",
            made.header,
            'add columns = ["first", "second", …]',
        )


def _encoding(value: Any) -> str:
    name = str(value).lower().replace("_", "-")
    wanted = "shift_jis" if name == "shift-jis" else name
    if wanted not in ENCODINGS:
        raise ContractError("no such encoding.", got=value, do=suggest(wanted, ENCODINGS))
    return codecs.lookup(wanted).name
