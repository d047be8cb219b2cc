# SPDX-License-Identifier: Apache-2.0
"""The project file `heptad.toml`: what is bound to which table, and how the project runs."""

from __future__ import annotations

import codecs
import json
import os
import re
import tomllib
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from heptad.sources.sections import Section
from heptad.sources.signin import SIGNIN_KEYS, Signin, signin
from heptad.sources.toml_lines import Lines
from heptad.sources.work import (
    OUTBOX_KEYS,
    REGIMES,
    Outbox,
    Provider,
    Schedule,
    Sink,
    outbox,
    providers,
    schedules,
    sinks,
)
from heptad.standards.errors import ContractError, InputError, UnknownName, suggest
from heptad.standards.fields import Code
from heptad.standards.money import CURRENCIES
from heptad.standards.time import day, parse_duration, parse_instant, zone

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from heptad.standards.tables import Table

FILE = "heptad.toml"
FORMATS = ("auto", "csv", "jsonl", "parquet")
COMPRESSIONS = ("auto", "none", "gzip", "zstd")
ENCODINGS = (
    "utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "latin-1", "iso-8859-1",
    "iso-8859-2", "iso-8859-15", "cp1250", "cp1251", "cp1252", "windows-1252", "gb18030", "gbk",
    "big5", "shift_jis", "euc-kr", "ascii",
)  # fmt: skip

_SECTIONS = (
    "project", "source", "engine", "serve", "signin", "security", "retention", "apps", "schedule", "provider",
    "outbox", "sink",
)  # fmt: skip
_SOURCE_KEYS = (
    "name", "table", "from", "query", "map", "codes", "known_after", "zone", "watermark", "format",
    "separator", "quote", "encoding", "decimal", "thousands", "header", "columns", "null",
    "compression", "ca", "private",
)  # fmt: skip
_SECURITY = ("passphrase", "origin", "keys", "token", "ca")
_SECRET = re.compile(r"\$\{(env|file):([^}]+)\}")
_PASSWORD = re.compile(r"^[a-z+]+://[^/@:]*:([^@/]+)@")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_. -]{0,62}")
LONGEST = 36_500 * day
"""The longest duration of a project file."""
_ENDLESS = re.compile(r"""(?<![\w"'-])(?:[\w"'-]++[ \t]*\.[ \t]*){100}""")
"""A name of so many parts that reading it takes minutes."""
_MEMORY = re.compile(r"0{0,5}[1-9]\d{0,5}\s?[KMGT]i?B", re.IGNORECASE)


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


@dataclass(frozen=True, slots=True)
class Engine:
    """How much of the machine the engine may take, and must leave.

    Attributes:
        memory: most memory of the query engine, for example "1GB".
        threads: most threads of a query.
        low_water: free bytes of the disk below which nothing is written.
        stream_events: events that a stream of a served project keeps in memory; where a table has
            more, the keys that nobody asks about lie in the row store.
    """

    memory: str = "1GB"
    threads: int = 2
    low_water: int = 256 << 20
    stream_events: int = 10_000_000


@dataclass(frozen=True, slots=True)
class Serve:
    """Where the project is served."""

    host: str = "127.0.0.1"
    port: int = 8080


@dataclass(frozen=True, slots=True)
class Security:
    """How keys are kept; a secret is `${env:…}` or `${file:…}`, never the secret itself.

    Attributes:
        passphrase: locks the file of the key-encryption key.
        origin: name of the decision log, which its signatures cover.
        keys: where the key-encryption key lies; see `heptad.security.places.open_keys`.
        token: for the key service.
        ca: file of the certificates to trust the key service by.
    """

    passphrase: str = ""
    origin: str = "heptad"
    keys: str = ""
    token: str = ""
    ca: str = ""


@dataclass(frozen=True, slots=True)
class Retention:
    """How long things are kept, µs."""

    decisions: int = 3650 * day
    quarantine: int = 90 * day


@dataclass(frozen=True, slots=True)
class Project:
    """A project file.

    Attributes:
        folder: the project's folder; paths in the file are relative to it.
        name: of the project.
        currency: into which amounts are converted by default, ISO 4217.
        clock: the instant at which the project's clock stands (simulated projects); else None.
        allow: further folders from which files may be read, resolved.
        sources: the bindings, in order.
        policies: application → the policy values that the project changes, from `[apps.NAME]`.
        regime: the law that holds: none, cn, eu or us-2026.
        schedules: what is due when.
        providers: who carries messages.
        outbox: how messages are sent.
        sinks: where decisions are sent.
    """

    folder: Path
    name: str
    currency: str = "EUR"
    clock: int | None = None
    allow: tuple[Path, ...] = ()
    sources: tuple[Source, ...] = ()
    engine: Engine = Engine()
    serve: Serve = Serve()
    security: Security = Security()
    retention: Retention = Retention()
    policies: Mapping[str, Mapping[str, bool | int | float | str]] = field(default_factory=dict)
    regime: str = "none"
    schedules: tuple[Schedule, ...] = ()
    providers: tuple[Provider, ...] = ()
    outbox: Outbox = field(default_factory=Outbox)
    sinks: tuple[Sink, ...] = ()
    signin: Signin = field(default_factory=Signin)

    def to_dict(self) -> dict[str, Any]:
        """Return what the file says as plain data; secrets are there by reference only."""
        plain: dict[str, Any] = json.loads(json.dumps(asdict(self), default=str))
        return plain

    def source(self, name: str) -> Source:
        """Find a source by its name.

        Raises:
            UnknownName: if there is none.
        """
        for source in self.sources:
            if source.name == name:
                return source
        names = [source.name for source in self.sources]
        raise UnknownName(f"There is no source {name!r}.", got=name, do=suggest(name, names))

    def folders(self) -> tuple[Path, ...]:
        """Return the folders outside the project from which files may be read."""
        return self.allow

    def of(self, table: str) -> tuple[Source, ...]:
        """Return the sources bound to a table, in order."""
        return tuple(source for source in self.sources if source.table == table)


def read_project(folder: Path, tables: Mapping[str, type[Table]] | None = None) -> Project:
    """Read `heptad.toml` of a folder.

    Args:
        folder: the project's folder.
        tables: the tables that may be bound; names are not checked if not given.

    Raises:
        InputError: at the first mistake, with its line, the value and what to write instead.
        UnknownName: if the folder has no project file.
    """
    path = folder / FILE
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise UnknownName(
            "This folder holds no project.", got=str(folder), do="run `heptad init` in it"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"{FILE} cannot be read as UTF-8 text.", got=str(error), do="save it as UTF-8"
        ) from error
    return parse_project(text, folder, tables)


def parse_project(
    text: str, folder: Path, tables: Mapping[str, type[Table]] | None = None
) -> Project:
    """Read the text of a project file; see `read_project`."""
    if endless := _ENDLESS.search(text):
        raise InputError(
            f"{FILE} has a name of 100 parts or more.",
            got=endless[0][:20],
            do="shorten it",
            place=f"{FILE} line {text.count(chr(10), 0, endless.start()) + 1}",
        )
    try:
        document = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # a number may have too many digits for Python
        raise InputError(
            f"{FILE} is not TOML: {error}",
            do="see https://toml.io; text stands in quotes, a section in [brackets]",
            place=FILE,
        ) from error
    lines = Lines(text)
    root = Section(document, FILE, (), lines, FILE)
    root.only(_SECTIONS)
    home = folder.resolve()
    project = _section(root, "project", ("name", "currency", "clock", "allow", "regime"))
    return Project(
        folder=home,
        name=project.text("name", home.name or "heptad"),
        currency=_currency(project),
        clock=project.read("clock", None, lambda v: parse_instant(str(v))),
        allow=tuple(_folder(project, home, place) for place in project.texts("allow")),
        sources=_sources(root, tables),
        engine=_engine(
            _section(root, "engine", ("memory", "threads", "low_water", "stream_events"))
        ),
        serve=_serve(_section(root, "serve", ("host", "port"))),
        security=_security(_section(root, "security", _SECURITY)),
        retention=_retention(_section(root, "retention", ("decisions", "quarantine"))),
        policies=_policies(root),
        regime=project.choice("regime", "none", REGIMES),
        schedules=schedules(root),
        providers=providers(root),
        outbox=outbox(_section(root, "outbox", OUTBOX_KEYS)),
        sinks=sinks(root),
        signin=signin(_section(root, "signin", SIGNIN_KEYS)),
    )


def revealed(text: str, folder: Path) -> str:
    """Put the secrets into a text that names them as `${env:NAME}` or `${file:path}`.

    Raises:
        InputError: if a variable is not set or a file cannot be read.
    """

    def found(match: re.Match[str]) -> str:
        kind, name = match[1], match[2]
        try:
            if kind == "env":
                return os.environ[name]
            return (folder / name).read_text(encoding="utf-8").strip()
        except (KeyError, OSError, UnicodeDecodeError) as error:
            do = f"export {name}=…" if kind == "env" else f"write the secret into {name}"
            raise InputError("A secret is not there.", got=match[0], do=do) from error

    return _SECRET.sub(found, text)


def _section(root: Section, name: str, keys: tuple[str, ...]) -> Section:
    section = root.part(root.mapping(name), f"[{name}]", name)
    section.only(keys)
    return section


def _policies(root: Section) -> dict[str, dict[str, bool | int | float | str]]:
    """Read the policy values of each application."""
    found: dict[str, dict[str, bool | int | float | str]] = {}
    apps = root.part(root.mapping("apps"), "[apps]", "apps")
    for name in root.mapping("apps"):
        values = apps.mapping(name)
        for key, value in values.items():
            if not isinstance(value, bool | int | float | str):
                raise apps.error(
                    f"[apps.{name}] {key} must be a plain value.", name, value, f"write {key} = 5"
                )
        found[name] = dict(values)
    return found


def _currency(project: Section) -> str:
    return project.choice("currency", "EUR", tuple(CURRENCIES))


def _engine(section: Section) -> Engine:
    memory = section.text("memory", Engine().memory)
    if not _MEMORY.fullmatch(memory):
        raise section.error(
            "[engine]: memory is a number above 0 and a unit.",
            "memory",
            memory,
            'write memory = "1GB"',
        )
    threads = section.integer("threads", Engine().threads, least=1, most=256)
    events = section.integer("stream_events", Engine().stream_events, least=1, most=10**12)
    return Engine(memory, threads, _low_water(section), events)


def _low_water(section: Section) -> int:
    """Read a size of the disk, such as "256MB"."""
    text = section.text("low_water", "")
    if not text:
        return Engine().low_water
    if not _MEMORY.fullmatch(text):
        raise section.error(
            "[engine]: low_water is a number and a unit.",
            "low_water",
            text,
            'write low_water = "256MB"',
        )
    number, unit = re.split(r"(?<=\d)\s?(?=\D)", text)
    return int(number) << {"k": 10, "m": 20, "g": 30, "t": 40}[unit[0].lower()]


def _serve(section: Section) -> Serve:
    return Serve(
        section.text("host", Serve().host),
        section.integer("port", Serve().port, least=1, most=65535),
    )


def _security(section: Section) -> Security:
    for name in ("passphrase", "token"):
        if (value := section.text(name)) and not _SECRET.fullmatch(value):
            raise section.error(
                "[security]: a secret does not stand in the project file.",
                name,
                None,
                f'write {name} = "${{env:NAME}}" or "${{file:path}}"',
            )
    return Security(**{name: section.text(name, getattr(Security(), name)) for name in _SECURITY})


def _retention(section: Section) -> Retention:
    return Retention(
        section.read("decisions", Retention().decisions, _duration),
        section.read("quarantine", Retention().quarantine, _duration),
    )


def _sources(root: Section, tables: Mapping[str, type[Table]] | None) -> tuple[Source, ...]:
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
    if _PASSWORD.match(origin) and not _SECRET.search(_PASSWORD.match(origin)[1]):  # type: ignore[index]
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
        known_after=section.read("known_after", 0, _duration),
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


def _duration(value: Any) -> int:
    """Read a duration of the file; a bare number would leave the unit open."""
    if not isinstance(value, str):
        raise InputError(
            "a duration is a number and a unit, in quotes.", do='write for example "2 days"'
        )
    found = parse_duration(value)
    if found > LONGEST:
        raise InputError("a duration is at most 36,500 days.", do="correct it")
    return found


def _encoding(value: Any) -> str:
    name = str(value).lower().replace("_", "-")
    wanted = "shift_jis" if name == "shift-jis" else name
    if wanted not in ENCODINGS:
        raise ContractError("no such encoding.", got=value, do=suggest(wanted, ENCODINGS))
    return codecs.lookup(wanted).name


def _folder(section: Section, home: Path, place: str) -> Path:
    try:
        return (home / Path(place).expanduser()).resolve()
    except (OSError, RuntimeError, ValueError) as error:
        raise section.error(
            f"[project]: a folder of allow cannot be used: {error}.",
            "allow",
            place,
            'write allow = ["/path/to/folder"]',
        ) from error
