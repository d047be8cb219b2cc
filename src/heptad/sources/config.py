# SPDX-License-Identifier: Apache-2.0
"""The project file `heptad.toml`: what is bound to which table, and how the project runs."""

from __future__ import annotations

import json
import os
import re
import tomllib
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from heptad.sources.binding import SECRET, Source, sources_of
from heptad.sources.sections import Section, duration
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
from heptad.standards.errors import InputError, UnknownName, suggest
from heptad.standards.money import CURRENCIES
from heptad.standards.time import day, parse_instant

if TYPE_CHECKING:
    from collections.abc import Mapping

    from heptad.standards.tables import Table

FILE = "heptad.toml"
_SECTIONS = (
    "project", "source", "engine", "serve", "signin", "security", "retention", "apps", "schedule", "provider",
    "outbox", "sink",
)  # fmt: skip
_SECURITY = ("passphrase", "origin", "keys", "token", "ca")
_ENDLESS = re.compile(r"""(?<![\w"'-])(?:[\w"'-]++[ \t]*\.[ \t]*){100}""")
"""A name of so many parts that reading it takes minutes."""
_MEMORY = re.compile(r"0{0,5}[1-9]\d{0,5}\s?[KMGT]i?B", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Engine:
    """How much of the machine the engine may take, and must leave.

    Attributes:
        memory: most memory of the query engine, for example "1GB".
        threads: most threads of a query, and processes that seal a large load beside it.
        low_water: free bytes of the disk below which nothing is written.
        stream_events: events that a stream of a served project keeps in memory; when more came,
            the keys that nobody asks about lie in the row store.
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
        sources=sources_of(root, tables),
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

    return SECRET.sub(found, text)


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
        if (value := section.text(name)) and not SECRET.fullmatch(value):
            raise section.error(
                "[security]: a secret does not stand in the project file.",
                name,
                None,
                f'write {name} = "${{env:NAME}}" or "${{file:path}}"',
            )
    return Security(**{name: section.text(name, getattr(Security(), name)) for name in _SECURITY})


def _retention(section: Section) -> Retention:
    return Retention(
        section.read("decisions", Retention().decisions, duration),
        section.read("quarantine", Retention().quarantine, duration),
    )


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
