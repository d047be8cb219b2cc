# SPDX-License-Identifier: Apache-2.0
"""Commands about the row store: what a row holds, family by family."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from heptad.service.online.gate import MASKED
from heptad.standards.errors import UnknownName
from heptad.standards.time import format_instant

if TYPE_CHECKING:
    from heptad.runtime import Platform
    from heptad.service.online.gate import Gate

LONGEST = 60
MOST_VERSIONS, MOST_ROWS = 20, 100


def list_rows(
    platform: Platform, table: str = "", purpose: str = "", role: str = "", who: str = ""
) -> dict[str, Any]:
    """List the tables of the row store, or the first rows of one."""
    rows = platform.gate(purpose=purpose or None, role=role, who=who)
    if not table:
        named = [{"table": t, "families": ", ".join(rows.families(t))} for t in rows.tables()]
        return {"tables": named}
    keys = [key.decode(errors="backslashreplace") for key, _ in rows.scan(table, limit=MOST_ROWS)]
    return {"table": table, "rows": [{"key": key} for key in keys]}


def show_row(
    platform: Platform, table: str, key: str, purpose: str = "", role: str = "", who: str = ""
) -> dict[str, Any]:
    """Show one row: families, qualifiers and the versions of each cell, newest first."""
    rows = platform.gate(purpose=purpose or None, role=role, who=who)
    row = key.encode()
    columns = sorted(rows.get(table, row))
    if not columns:
        raise UnknownName(
            f"{table} has no row {key!r}.", got=key, do=f"see `heptad row list {table}`"
        )
    drawn = []
    for name, kept in rows.families(table).items():
        own = [column for column in columns if column.startswith(name.encode() + b":")]
        told = [_column(rows, table, row, column) for column in own]
        drawn.append({"family": name, "versions": kept.versions, "columns": told})
    return {"table": table, "key": key, "families": drawn}


def _column(rows: Gate, table: str, row: bytes, column: bytes) -> dict[str, Any]:
    """Tell the versions of one column, newest first."""
    cells = rows.cells(table, row, column)[:MOST_VERSIONS]
    return {
        "qualifier": column.partition(b":")[2].decode(errors="backslashreplace"),
        "cells": [{"at": format_instant(c.timestamp), "value": shown(c.value)} for c in cells],
    }


def shown(value: bytes) -> str:
    """Write a value for people: text as it is, what the online store keeps unpacked."""
    if value == MASKED:
        return MASKED.decode()
    try:
        at, _, held = msgspec.msgpack.decode(value, type=tuple[int, int, Any])
    except (msgspec.DecodeError, msgspec.ValidationError):
        text = value.decode(errors="backslashreplace")
    else:
        text = f"{held!r} (as of {format_instant(at)})"
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
