# SPDX-License-Identifier: Apache-2.0
"""Commands that keep a project in order: retention, compaction, configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from heptad.standards.time import format_duration, format_instant, parse_duration

if TYPE_CHECKING:
    from heptad.runtime import Platform


def retention(platform: Platform, keep: str = "", apply: bool = False) -> dict[str, Any]:
    """Say which versions could go, or remove them; never one that a decision or model names."""
    span = parse_duration(keep) if keep else platform.project.retention.decisions
    edge = platform.clock.now() - span
    found = []
    # A table is made when it is first asked for: until it holds rows there is nothing to keep.
    for name in (n for n in platform.lake.names() if platform.lake.files(n)):
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
            with platform.upkeep:
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
