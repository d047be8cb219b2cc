# SPDX-License-Identifier: Apache-2.0
"""Reads of a table as of an instant in both times: what had happened, as it was known."""

from __future__ import annotations

from typing import TYPE_CHECKING

from heptad.engine.sql.identifiers import quote

if TYPE_CHECKING:
    from collections.abc import Sequence

    from heptad.standards import Table

_NEWEST = "known_time DESC, _load DESC, _line DESC"


def identity(table: type[Table]) -> str:
    """Return the SQL list of columns that say which row a version belongs to."""
    key = quote(table.key.name)
    return f"{key}, event_time" if table.state else key


def read_sql(
    table: type[Table], relation: str, *, t: int | None, k: int | None, columns: Sequence[str] = ()
) -> str:
    """Return SQL for the rows that hold at t as known at k.

    Args:
        table: the table read.
        relation: SQL of its stored row versions.
        t: only what had happened by then, microseconds; None for no limit.
        k: only what was known by then, microseconds; None for all that is known.
        columns: physical columns wanted; all but the system's if empty.

    Returns:
        One row per key: for events the version known last, if it had happened and is not
        deleted; for states the one that held at t.
    """
    wanted = columns or [c.name for c in table.columns() if not c.name.startswith("_")]
    chosen = ", ".join(quote(name) for name in wanted)
    key = quote(table.key.name)
    known = f"WHERE known_time <= {int(k)}" if k is not None else ""
    happened = f"AND event_time <= {int(t)}" if t is not None else ""
    current = (
        f"SELECT * EXCLUDE _rank FROM (SELECT *, row_number() OVER "
        f"(PARTITION BY {identity(table)} ORDER BY {_NEWEST}) AS _rank FROM {relation} {known}) "
        f"WHERE _rank = 1 AND NOT _deleted {happened}"
    )
    if table.state:
        current = (
            f"SELECT * EXCLUDE _rank FROM (SELECT *, row_number() OVER "
            f"(PARTITION BY {key} ORDER BY event_time DESC) AS _rank FROM ({current})) "
            f"WHERE _rank = 1"
        )
    return f"SELECT {chosen} FROM ({current})"


def versions_sql(
    table: type[Table],
    relation: str,
    columns: Sequence[str],
    *,
    corrected: bool,
    only: str = "true",
) -> str:
    """Return SQL for the row versions of an event table with the span in which each was current.

    Args:
        table: an event table.
        relation: SQL of its stored row versions.
        columns: physical columns wanted beside the key.
        corrected: whether any key may have several versions; False skips the search for them.
        only: SQL condition over the stored columns; of a key of which any version meets it, all
            versions are read, since a later one ends the span of an earlier.

    Returns:
        Columns `_id` (key), `_us` (event_time), `_from` and `_to` (known from, inclusive, and to,
        exclusive; NULL for ever), all int64 microseconds, and the columns wanted.
    """
    key = quote(table.key.name)
    chosen = "".join(f", {quote(name)}" for name in columns)
    if not corrected:
        return (
            f"SELECT {key} AS _id, event_time AS _us, known_time AS _from, NULL::BIGINT AS _to"
            f"{chosen} FROM {relation} WHERE NOT _deleted AND {only}"
        )
    near = "" if only == "true" else f"WHERE {key} IN (SELECT {key} FROM {relation} WHERE {only})"
    spans = (
        f"SELECT {key} AS _id, event_time AS _us, known_time AS _from, lead(known_time) OVER "
        f"(PARTITION BY {key} ORDER BY known_time, _load, _line) AS _to, _deleted{chosen} "
        f"FROM {relation} {near}"
    )
    return (
        f"SELECT * EXCLUDE _deleted FROM ({spans}) "
        f"WHERE NOT _deleted AND (_to IS NULL OR _to > _from)"
    )
