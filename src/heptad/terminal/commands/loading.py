# SPDX-License-Identifier: Apache-2.0
"""Commands about loads and the rows that were not let in."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from heptad.catalog.bindings import columns_named
from heptad.catalog.repairing import Place
from heptad.ingest.reasons import REASONS
from heptad.standards import Code
from heptad.standards.time import format_instant

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from heptad.ingest.quarantine import Refusal
    from heptad.ingest.report import LoadReport
    from heptad.runtime import Platform

_LOOKED_AT, _SHOWN = 500, 5
"""Refused rows that are looked at for words which are no codes; words that are told."""


def load(
    platform: Platform,
    source: str = "",
    plan: bool = False,
    history: bool = False,
    progress: Callable[[str, float], None] | None = None,
) -> dict[str, Any]:
    """Load what the sources hold and the project does not."""
    reports = platform.load(source or None, plan=plan, history=history, progress=progress)
    return {"plan": plan, "loads": [line(r) for r in reports]}


def line(report: LoadReport) -> dict[str, Any]:
    """Return a load as a line of a list."""
    # A database is read from its last mark on, inclusive, so that some rows come again.
    new = report.accepted or report.quarantined
    status = "planned" if report.plan else "loaded" if report.load and new else "nothing new"
    notes = [finding.says for finding in report.findings]
    if report.known == "assumed":
        notes.append("known_time is assumed: event_time + known_after")
    return {
        "source": report.source,
        "table": report.table,
        "status": status,
        "read": report.read,
        "accepted": report.accepted,
        "quarantined": sum(report.quarantined.values()),
        "reasons": dict(report.quarantined),
        "duplicates": report.duplicates,
        "corrections": report.corrections,
        "deletions": report.deletions,
        "version": report.version,
        "seconds": round(report.seconds, 2),
        "skipped": list(report.skipped),
        "notes": notes,
    }


def list_loads(platform: Platform, limit: int = 50) -> dict[str, Any]:
    """List past loads, the last one first."""
    return {
        "loads": [
            {
                "load": x.id,
                "source": x.source,
                "table": x.table,
                "status": x.status,
                "when": format_instant(x.started),
                "known": x.known,
                "read": x.counts.read,
                "accepted": x.counts.accepted,
                "quarantined": sum(x.counts.quarantined.values()),
                "version": x.version,
            }
            for x in platform.catalog.loads.recent(limit=limit)
        ]
    }


def list_quarantine(platform: Platform) -> dict[str, Any]:
    """Count the rows in quarantine by table, load and reason; of codes, say which words came."""
    return {
        "reasons": [
            line for t in platform.loading.quarantine.tables() for line in _why(platform, t)
        ]
    }


def _why(platform: Platform, table: str) -> Iterator[dict[str, Any]]:
    """Yield a line for each load, reason and field of a table."""
    quarantine = platform.loading.quarantine
    counts = quarantine.counts(table)
    words: dict[tuple[int, str, str], dict[str, None]] = {}
    if any(reason == "code" for _, reason, _ in counts):
        for row in quarantine.show(table, limit=_LOOKED_AT):
            found = words.setdefault((row.load, row.reason, row.field), {})
            found |= dict.fromkeys([word] if (word := _word(platform, row)) else [])
    for (load, reason, field), n in sorted(counts.items()):
        yield {
            "table": table,
            "load": load,
            "reason": reason,
            "field": field,
            "rows": n,
            "words": list(words.get((load, reason, field), {}))[:_SHOWN]
            if reason == "code"
            else [],
            "allowed": _allowed(platform, table, field) if reason == "code" else "",
            "do": REASONS[reason].do.replace("{ field", f"{{ {field}") if reason in REASONS else "",
        }


def _word(platform: Platform, row: Refusal) -> str:
    """Return what a refused row says for the field, where its map reads one column; else ""."""
    sources = {source.name: source for source in platform.project.sources}
    text = sources[row.source].map.get(row.field, "") if row.source in sources else ""
    names = columns_named(text) if text else (row.field,)
    try:
        values = json.loads(row.raw or "")
    except ValueError:
        return ""
    if len(names) != 1 or not isinstance(values, dict):
        return ""
    folded = {str(name).lower(): value for name, value in values.items()}
    return str(folded.get(names[0].lower()) or "")


def _allowed(platform: Platform, table: str, field: str) -> str:
    """Return the words that a field takes, or the standard that lists them."""
    declared = platform.tables[table].fields.get(field) if table in platform.tables else None
    if not isinstance(declared, Code):
        return ""
    return declared.standard or ", ".join(sorted(declared.codes))


def show_quarantine(platform: Platform, table: str, limit: int = 20) -> dict[str, Any]:
    """Show rows in quarantine: reason, file, line and what was read, masked."""
    platform.table(table)
    found = platform.loading.quarantine.show(table, limit=limit)
    return {
        "table": table,
        "rows": [
            asdict(row)
            | {"word": _word(platform, row) if row.reason == "code" else ""}
            | {"allowed": _allowed(platform, table, row.field) if row.reason == "code" else ""}
            for row in found
        ],
    }


def retry_quarantine(platform: Platform, table: str) -> dict[str, Any]:
    """Check the rows again, and load those that pass now."""
    reports = platform.loading.retry(platform.table(table).__name__)
    return {
        "table": table,
        "read": sum(r.read for r in reports),
        "accepted": sum(r.accepted for r in reports),
        "quarantined": sum(sum(r.quarantined.values()) for r in reports),
    }


def repair_row(  # noqa: PLR0913, PLR0917 - which row, what of it, and who does so
    platform: Platform,
    table: str,
    load: int,
    line: int,
    cells: Mapping[str, str],
    file: str = "",
    check: bool = False,
    who: str = "",
    role: str = "",
) -> dict[str, Any]:
    """Write some cells of one refused row anew and check it again; it is stored if it passes.

    Who did so to which columns is in the access log, also of a `check`, which opens the row as well
    and only says what would happen.
    """
    name = platform.table(table).__name__
    place = Place(load, file, line)
    asked: dict[str, Any] = place._asdict() | {"table": name, "columns": sorted(cells)}
    by = {"who": who or platform.who, "role": role or platform.role, "purpose": ""}
    with platform.guard.reading("check" if check else "repair", **by, **asked):
        found = platform.loading.repair(name, place, cells, check=check)
    return {
        "table": name,
        "check": check,
        "accepted": found.report.accepted,
        "duplicates": found.report.duplicates,
        "reasons": found.reasons,
    }


def drop_quarantine(platform: Platform, table: str) -> dict[str, Any]:
    """Drop the rows in quarantine for good."""
    return {
        "table": table,
        "dropped": platform.loading.quarantine.drop(platform.table(table).__name__),
    }
