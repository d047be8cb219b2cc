# SPDX-License-Identifier: Apache-2.0
"""The doctor: checks of the machine, the disk and the project, each with its cure."""

from __future__ import annotations

import sys
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from heptad.standards.errors import HeptadError
from heptad.standards.time import FixedClock, SystemClock, format_duration, format_instant, minute

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from heptad.runtime import Platform
    from heptad.standards.time import Clock

    Told = Callable[[str, float], None]
    Check = dict[str, Any]
    Looks = dict[str, Callable[[Platform], str]]

LOW_WATER = 1 << 30
"""Free bytes below which `doctor` warns."""
NEEDED = ("duckdb", "deltalake", "pyarrow", "rocksdict", "sqlalchemy", "cryptography", "lightgbm")
EXTRAS = {"psycopg": "postgres", "lifetimes": "demo"}
RELEASED = 1_792_368_000_000_000
"""The day on which this release was made, 2026-10-19: no clock that is right stands before it."""
_BATCH = 4096
_MADE = ("owner.lock", "seals.json", "catalog.sqlite", "keys/subjects.sqlite", "log/decisions")
"""What lies in a project that was opened once."""


def doctor(platform: Platform, scrub: bool = False, progress: Told | None = None) -> dict[str, Any]:
    """Check the machine and the project; each thing missing comes with its cure.

    Args:
        platform: the open project.
        scrub: read every byte of every store too.
        progress: told (what, share done).
    """
    checks = [*_machine(), *_disk(platform.path), *_clock(platform.clock, _last(platform))]
    checks += [*_project(platform), *_tables(platform), *_silent(platform), *_erasures(platform)]
    if scrub:
        checks += [*_opened(platform), *_scrubbed(platform.path, progress)]
    return {"checks": checks}


def unopened(folder: Path) -> bool:
    """Whether no project file lies in a folder, or one of a project that was never opened."""
    from heptad.sources.config import FILE

    return not ((folder / FILE).is_file() and _made(folder))


def _made(folder: Path) -> bool:
    return any((folder / name).exists() for name in _MADE)


def beforehand(folder: Path) -> dict[str, Any]:
    """Check the machine and the disk where a project may come to lie; nothing is made.

    Args:
        folder: there, with a project file or without.

    Raises:
        InputError: if the project file is wrong.
    """
    from heptad.runtime import discover, tables_of
    from heptad.sources.config import FILE, read_project

    if (folder / FILE).is_file():
        read_project(folder, tables_of(discover().values()))
        project = _check("project", True, f"{FILE} is well formed; nothing is stored yet")
    elif _made(folder):
        project = _check("project", False, f"{FILE} is gone", f"restore {FILE} from a backup")
    else:
        project = _check("project", True, "none here yet: make one with `heptad init`")
    return {"checks": [*_machine(), *_disk(folder), *_clock(SystemClock(), 0), project]}


def offline(folder: Path, error: HeptadError, progress: Told | None = None) -> dict[str, Any]:
    """Check a project that cannot be opened, down to every byte.

    Args:
        folder: the project folder.
        error: why it was not opened.
        progress: told (what, share done).
    """
    refused = _check("project", False, str(error.what), error.do)
    return {"checks": [*_machine(), *_disk(folder), refused, *_scrubbed(folder, progress)]}


def _check(what: str, ok: bool, found: object, do: str = "") -> Check:
    return {"what": what, "ok": ok, "found": str(found), "do": do}


def _looked(platform: Platform, looks: Looks) -> Iterator[Check]:
    """Look at each thing by name; an error is what was found."""
    for what, look in looks.items():
        try:
            yield _check(what, True, look(platform))
        except HeptadError as error:
            yield _check(what, False, error.what, error.do)


def _machine() -> Iterator[Check]:
    """Versions of what Heptad stands on."""
    yield _check("python", sys.version_info >= (3, 11), sys.version.split()[0], "install 3.11")
    for name in NEEDED:
        try:
            yield _check(name, True, version(name))
        except PackageNotFoundError:
            yield _check(name, False, "absent", f"pip install {name}")
    for name, extra in EXTRAS.items():
        try:
            yield _check(f"{name} (optional)", True, version(name))
        except PackageNotFoundError:
            yield _check(f"{name} (optional)", True, f"absent: pip install 'heptad[{extra}]'")


def _disk(folder: Path) -> Iterator[Check]:
    """What the disk under the project can be trusted with, and how much room it has."""
    from heptad.engine.local.probe import trials
    from heptad.engine.local.room import Room

    try:
        for found in trials(folder):
            yield _check(found.what, found.ok, found.found, found.do)
    except OSError as error:
        yield _check("disk", False, error.strerror, "make the project folder writable")
    free = Room(folder, 0).free
    yield _check("free disk", free > LOW_WATER, f"{free >> 20:,} MiB", "free at least 1 GiB")


def _last(platform: Platform) -> int:
    """Return the instant at which something was stored last; 0 if nothing was."""
    return max((v.instant for v in platform.catalog.versions.current().values()), default=0)


def _clock(clock: Clock, last: int) -> Iterator[Check]:
    """Compare the clock with what was stored under it."""
    now, do = clock.now(), "set the clock (chrony or ntpd), before anything is stored"
    if isinstance(clock, FixedClock):
        yield _check("clock", True, f"simulated, {format_instant(now)}")
        return
    real = SystemClock().now()
    if real < RELEASED:
        yield _check("clock", False, f"{format_instant(real)}, before this release was made", do)
    elif last > real + minute:
        behind = format_duration((last - real) // minute * minute)
        yield _check("clock", False, f"{behind} behind what was stored last", do)
    else:
        yield _check("clock", True, format_instant(real))


def _project(platform: Platform) -> Iterator[Check]:
    """The project's stores."""
    stores: Looks = {
        "catalog": _whole,
        "decision log": lambda p: f"{p.log.ledger.verify().entries:,} entries verified",
        "access log": lambda p: f"{p.access.verify().entries:,} entries verified",
        "keys": lambda p: f"{len(p.keys):,} subjects, epoch {p.keys.epoch}",
    }
    yield from _looked(platform, stores)


def _silent(platform: Platform) -> Iterator[Check]:
    """Applications with features that count nothing, since no source fills what they read."""
    from heptad.service.tracing import unfilled

    for app in platform.apps.values():
        if found := unfilled(platform.catalog, app):
            columns = sorted({column for columns in found.values() for column in columns})
            said = f"{', '.join(found)} count nothing: no load has filled {', '.join(columns)}"
            yield _check(
                f"features of {app.name}", True, said, "map these columns, if you have them"
            )


def _whole(platform: Platform) -> str:
    platform.catalog.check()
    return "whole"


def _tables(platform: Platform) -> Iterator[Check]:
    """The stored tables; that no file is missing was checked when the project was opened."""
    for name in platform.lake.names():
        rows = sum(f.rows for f in platform.lake.files(name))
        lost = _unlisted(platform, name)
        found = f"{len(lost)} versions differ from the catalog's" if lost else f"{rows:,} rows"
        yield _check(f"table {name}", not lost, found, "restore the project from a backup")


def _unlisted(platform: Platform, name: str) -> list[int]:
    """Return the versions, of those that are needed, whose files are not the catalog's."""
    versions = platform.catalog.versions
    wanted = {v.version for v in versions.history(name, limit=1)} | {
        v for v in versions.pinned(name) if versions.find(name, v) is not None
    }
    wrong = []
    for number in sorted(wanted):
        listed = {(f.path, f.sha256) for f in versions.files(name, number)}
        if listed != {(f.path, f.sha256) for f in platform.lake.files(name, number)}:
            wrong.append(number)
    return wrong


def _erasures(platform: Platform) -> Iterator[Check]:
    """Erasures that were begun and not ended, and files that no store answers for."""
    begun = len(platform.catalog.erasures.unfinished())
    ended = "open the project again; what keeps them is in the log of the process that holds it"
    yield _check("erasures", not begun, f"{begun or 'none'} begun and not ended", ended)
    strange = platform.erasing.uncovered()
    told = f"{len(strange) or 'none'} that no store answers for {', '.join(strange[:3])}".strip()
    yield _check("files", True, told)


def _opened(platform: Platform) -> Iterator[Check]:
    """Open every key and every decision, and compare the index of decisions with the log."""
    looks: Looks = {
        "sealed keys": lambda p: f"{_keys_that_open(p):,} open",
        "sealed decisions": lambda p: f"{sum(1 for _ in p.log.entries()):,} opened",
        "index of decisions": lambda p: f"{p.log.check_index():,} as in the log",
    }
    yield from _looked(platform, looks)


def _keys_that_open(platform: Platform) -> int:
    """Open the key of every subject; return how many there are."""
    from contextlib import closing

    from heptad.catalog.backup import reading

    with closing(reading(platform.path / "keys" / "subjects.sqlite")) as db:
        names = [str(row[0]) for row in db.execute("SELECT name FROM subject")]
    for start in range(0, len(names), _BATCH):
        platform.keys.of(names[start : start + _BATCH], create=False)
    return len(names)


def _scrubbed(folder: Path, progress: Told | None) -> Iterator[Check]:
    """Every byte of every store."""
    from heptad.catalog.scrub import scrub

    report = scrub(folder, progress)
    read = f"{report.files:,} files, {report.size:,} bytes read"
    yield _check("scrub", True, f"{read}, {len(report.findings)} findings")
    for finding in report.findings:
        found = f"{finding.place}: {finding.what}" if finding.place else finding.what
        yield _check(finding.store, False, found, finding.do)
