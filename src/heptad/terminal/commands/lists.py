# SPDX-License-Identifier: Apache-2.0
"""Commands about lists: what stands on them, and what a file puts on one."""

from __future__ import annotations

import base64
from collections import Counter
from typing import TYPE_CHECKING, Any

from heptad.service.rules.lists import REFS, entries
from heptad.sources.sheets import read_sheet
from heptad.standards.time import as_of, format_instant, parse_instant

if TYPE_CHECKING:
    from heptad.runtime import Platform


def list_lists(
    platform: Platform, purpose: str | None = None, role: str = "", who: str = ""
) -> dict[str, Any]:
    """Say which lists there are, and how many stand on each now."""
    now = platform.guard.now()
    read = platform.read("Listing", now, now, purpose=purpose, role=role, who=who)
    rows = read.select(["list", "kind", "until"]).to_pylist()
    found = Counter((r["list"], r["kind"]) for r in rows)
    ended = Counter(r["list"] for r in rows if _instant(r["until"]) <= now)
    return {
        "lists": [
            {"list": name, "kind": kind, "entries": n, "ended": ended[name]}
            for (name, kind), n in sorted(found.items())
        ]
    }


def _instant(value: Any) -> int:
    return value if isinstance(value, int) else parse_instant(value.isoformat())


def show_list(
    platform: Platform,
    name: str,
    limit: int = 100,
    purpose: str | None = None,
    role: str = "",
    who: str = "",
) -> dict[str, Any]:
    """Show the entries of a list as known now."""
    now = platform.guard.now()
    read = platform.read("Listing", now, now, purpose=purpose, role=role, who=who)
    rows = read.to_pylist()
    refs = {field.name: table for table, field in REFS.items()}
    found = [
        {
            "id": r["id"], "kind": r["kind"],
            "of": next((table for n, table in refs.items() if r.get(n)), ""),
            "key": next((r[n] for n in refs if r.get(n)), None),
            "since": format_instant(_instant(r["event_time"])),
            "until": format_instant(_instant(r["until"])),
        }
        for r in rows if r["list"] == name
    ]  # fmt: skip
    return {"list": name, "entries": found[:limit], "of": len(found)}


def upload(  # noqa: PLR0913, PLR0917 - what a file is read by
    platform: Platform,
    name: str,
    content: str,
    file: str,
    kind: str = "watch",
    of: str = "Merchant",
    column: str = "id",
    since: str = "",
    until: str = "",
) -> dict[str, Any]:
    """Put what a CSV file or a workbook names on a list; the same file again changes nothing.

    Raises:
        InputError: if the file cannot be read; nothing is stored then.
    """
    start = parse_instant(since) if since else platform.clock.now()
    made = entries(
        read_sheet(base64.b64decode(content), file), name=name, kind=kind, of=of, column=column,
        since=start, until=as_of(until),
    )  # fmt: skip
    report = platform.store("Listing", made, source=f"list {name}")
    return {
        "list": name, "rows": len(made), "stored": len(report.accepted),
        "known before": len(report.duplicates), "refused": len(report.rejected),
        "version": report.version,
    }  # fmt: skip
