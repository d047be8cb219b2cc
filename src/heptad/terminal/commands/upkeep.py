# SPDX-License-Identifier: Apache-2.0
"""Commands that keep a project in order: retention, compaction, doctor, configuration."""

from __future__ import annotations

import shutil
import sys
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from heptad.standards.errors import HeptadError
from heptad.standards.time import format_duration, format_instant, parse_duration

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from heptad.runtime import Platform

LOW_WATER = 1 << 30
"""Free bytes below which `doctor` warns."""
NEEDED = ("duckdb", "deltalake", "pyarrow", "rocksdict", "sqlalchemy", "cryptography", "lightgbm")
EXTRAS = {"psycopg": "postgres", "lifetimes": "demo"}


def retention(platform: Platform, keep: str = "", apply: bool = False) -> dict[str, Any]:
    """Say which versions could go, or remove them; never one that a decision or model names."""
    span = parse_duration(keep) if keep else platform.project.retention.decisions
    edge = platform.clock.now() - span
    found = []
    for name in platform.lake.names():
        versions = platform.catalog.versions
        history = versions.history(name, limit=1_000_000)
        newer = max(1, sum(v.instant >= edge for v in history))
        pinned = versions.pinned(name)
        old = [v.version for v in history[newer:] if v.version not in pinned]
        row: dict[str, Any] = {
            "table": name,
            "versions": len(history),
            "kept": newer,
            "pinned": len(pinned),
            "old": len(old),
        }
        if apply and old:
            # The lake counts its own versions, among them those that merged files.
            keep_versions = platform.lake.version(name) - history[newer - 1].version + 1
            released = platform.lake.retain(name, keep_versions, pinned)
            row |= {"files_removed": released.files, "bytes_freed": released.size}
        found.append(row)
    return {"keep": format_duration(span), "applied": apply, "tables": found}


def compact(platform: Platform, table: str = "") -> dict[str, Any]:
    """Merge small files of one table, or of all; rows and old versions stay as they are."""
    names = [platform.table(table).__name__] if table else platform.lake.names()
    found = []
    for name in names:
        before = len(platform.lake.files(name))
        made = platform.compact(name)
        found.append(
            {
                "table": name,
                "files_before": before,
                "files": len(platform.lake.files(name)),
                "version": made,
            }
        )
    return {"tables": found}


def show_config(platform: Platform) -> dict[str, Any]:
    """Show what the project file says, with defaults filled in and secrets left out."""
    project = platform.project
    plain = project.to_dict()
    plain["clock"] = None if project.clock is None else format_instant(project.clock)
    for name in plain["retention"]:
        plain["retention"][name] = format_duration(plain["retention"][name])
    for source in plain["sources"]:
        source["known_after"] = format_duration(source["known_after"])
    return plain


def doctor(platform: Platform, scrub: bool = False) -> dict[str, Any]:
    """Check the machine and the project; each thing missing comes with its cure.

    Args:
        platform: the open project.
        scrub: read every byte of the tables too.
    """
    return {"checks": [*_machine(), *_project(platform), *_tables(platform, scrub=scrub)]}


def _whole(platform: Platform) -> str:
    platform.catalog.check()
    return "whole"


def _check(what: str, ok: bool, found: object, do: str = "") -> dict[str, Any]:
    return {"what": what, "ok": ok, "found": str(found), "do": do}


def _machine() -> Iterator[dict[str, Any]]:
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


def _project(platform: Platform) -> Iterator[dict[str, Any]]:
    """The project's stores."""
    free = shutil.disk_usage(platform.path).free
    yield _check("free disk", free > LOW_WATER, f"{free >> 20:,} MiB", "free at least 1 GiB")
    stores: dict[str, Callable[[Platform], str]] = {
        "catalog": _whole,
        "decision log": lambda p: f"{p.log.ledger.verify().entries:,} entries verified",
        "keys": lambda p: f"{len(p.keys):,} subjects, epoch {p.keys.epoch}",
    }
    for what, look in stores.items():
        try:
            yield _check(what, True, look(platform))
        except HeptadError as error:
            yield _check(what, False, error.what, error.do)


def _tables(platform: Platform, *, scrub: bool) -> Iterator[dict[str, Any]]:
    """The stored tables; that no file is missing was checked when the project was opened."""
    for name in platform.lake.names():
        damaged = platform.lake.damaged(name) if scrub else []
        rows = f"{sum(f.rows for f in platform.lake.files(name)):,} rows"
        yield _check(
            f"table {name}",
            not damaged,
            f"{len(damaged)} damaged files" if damaged else rows,
            "restore these files from a backup: " + ", ".join(f.path for f in damaged[:5]),
        )
