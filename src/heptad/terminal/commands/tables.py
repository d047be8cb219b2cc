# SPDX-License-Identifier: Apache-2.0
"""Commands about tables: what they declare, hold and held."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from heptad.service.features import parts_of
from heptad.service.units import shown_column
from heptad.standards import Money
from heptad.standards.time import as_of, format_instant

if TYPE_CHECKING:
    from heptad.runtime import Platform
    from heptad.standards import Table


def list_tables(platform: Platform) -> dict[str, Any]:
    """List the tables that hold rows, then the others that are declared."""
    held = platform.catalog.versions.current()
    rows = []
    for name, table in sorted(
        platform.tables.items(), key=lambda item: (item[0] not in held, item[0])
    ):
        version = held.get(name)
        rows.append(
            {
                "table": name,
                "rows": version.rows if version else 0,
                "version": version.version if version else None,
                "bytes": version.size if version else 0,
                "kind": "state" if table.state else "event",
                "sources": len(platform.project.of(name)),
                "what": (table.__doc__ or "").strip().splitlines()[0],
            }
        )
    return {"tables": rows}


def show_table(platform: Platform, name: str) -> dict[str, Any]:
    """Show one table: fields, versions, quality, and the features that read it."""
    table = platform.table(name)
    versions = platform.catalog.versions.history(name, limit=20)
    latest = versions[0] if versions else None
    return {
        "table": name,
        "doc": (table.__doc__ or "").strip().splitlines()[0],
        "kind": "state" if table.state else "event",
        "contract": table.version_hash(),
        "rows": latest.rows if latest else 0,
        "size": latest.size if latest else 0,
        "version": latest.version if latest else None,
        "fields": [_field(table, field) for field in table.fields],
        "versions": [
            {
                "version": v.version,
                "load": v.load,
                "when": format_instant(v.instant),
                "rows": v.rows,
                "files": v.files,
                "bytes": v.size,
            }
            for v in versions
        ],
        "features": _readers(platform, table),
    }


def _field(table: type[Table], name: str) -> dict[str, Any]:
    """Return a field as a line of the table's page."""
    field = table.fields[name]
    declared = field.contract()
    kept = {"key": "key", "optional": "optional", "subject": "subject"}
    marks = [word for clause, word in kept.items() if declared.get(clause)]
    if field.personal:
        marks.append("sealed" if field.sealed else "token")
    return {
        "field": name,
        "type": declared["type"],
        "unit": field.unit or declared.get("standard", "")
        if not isinstance(declared.get("standard"), list)
        else "",
        "codes": codes if isinstance(codes := declared.get("standard"), list) else [],
        "is": ", ".join(marks),
        "means": field.doc,
    }


def _readers(platform: Platform, table: type[Table]) -> list[str]:
    """Return the features that read a table."""
    return [
        f"{app.name}.{name}"
        for app in platform.apps.values()
        for name, feature in app.features.items()
        if any(part.table is table for part in parts_of([feature]))
    ]


def show_rows(  # noqa: PLR0913, PLR0917 - what a read is
    platform: Platform,
    name: str,
    t: str = "",
    k: str = "",
    version: int = -1,
    limit: int = 20,
    purpose: str = "",
    after: str = "",
    role: str = "",
    who: str = "",
) -> dict[str, Any]:
    """Show rows as of an instant in both times, in key order; masked without a purpose.

    `money` names the columns that hold minor units, and the column of each one's currency.
    """
    table = platform.table(name)
    rows = platform.read(
        name,
        as_of(t),
        as_of(k),
        version=version if version >= 0 else None,
        limit=limit,
        purpose=purpose,
        after=after,
        role=role,
        who=who,
    )
    columns = {n: shown_column(table, n, rows.column(n)) for n in rows.column_names}
    shown = [
        dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)
    ]
    more = rows.column(table.key.name)[-1].as_py() if rows.num_rows == limit else None
    money = {f.name: f.currency for f in table.fields.values() if isinstance(f, Money)}
    return {"table": name, "rows": shown, "money": money, "after": more}


def export_contract(platform: Platform, table: str) -> dict[str, Any]:
    """Return the contract of a table in the Open Data Contract Standard, as YAML."""
    import yaml

    from heptad.standards.odcs import odcs

    document = odcs(platform.table(table))
    return {"table": table, "odcs": yaml.safe_dump(document, sort_keys=False, allow_unicode=True)}
