# SPDX-License-Identifier: Apache-2.0
"""Commands about loads and the rows that were not let in."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from heptad.standards.time import format_instant

if TYPE_CHECKING:
    from collections.abc import Callable

    from heptad.ingest.report import LoadReport
    from heptad.runtime import Platform


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
    """Count the rows in quarantine by table, load and reason."""
    quarantine = platform.loading.quarantine
    return {
        "reasons": [
            {"table": table, "load": load, "reason": reason, "field": field, "rows": n}
            for table in quarantine.tables()
            for (load, reason, field), n in sorted(quarantine.counts(table).items())
        ]
    }


def show_quarantine(platform: Platform, table: str, limit: int = 20) -> dict[str, Any]:
    """Show rows in quarantine: reason, file, line and what was read, masked."""
    platform.table(table)
    found = platform.loading.quarantine.show(table, limit=limit)
    return {"table": table, "rows": [asdict(refusal) for refusal in found]}


def retry_quarantine(platform: Platform, table: str) -> dict[str, Any]:
    """Check the rows again, and load those that pass now."""
    reports = platform.loading.retry(platform.table(table).__name__)
    return {
        "table": table,
        "read": sum(r.read for r in reports),
        "accepted": sum(r.accepted for r in reports),
        "quarantined": sum(sum(r.quarantined.values()) for r in reports),
    }


def drop_quarantine(platform: Platform, table: str) -> dict[str, Any]:
    """Drop the rows in quarantine for good."""
    return {
        "table": table,
        "dropped": platform.loading.quarantine.drop(platform.table(table).__name__),
    }
