# SPDX-License-Identifier: Apache-2.0
"""Rows that are already there, corrections of rows, and keys used twice with different values."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from heptad.ingest.checks import quote

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from heptad.standards.tables import Table

    Hashes = NDArray[np.int64]

DUPLICATE, CONFLICT, CORRECTION, NEW = "duplicate", "conflict", "correction", "new"


def identity_sql(table: type[Table]) -> str:
    """Return the hash of what a stored row is a version of, as `checks.IDENTITY` has it."""
    names = [table.key.name, *(["event_time"] if table.state else [])]
    return f"CAST(hash({', '.join(map(quote, names))}) >> 1 AS BIGINT)"


def candidates(fresh: list[Hashes], stored: Iterable[Hashes]) -> Hashes:
    """Return the identities that stand twice among the fresh rows, or also among the stored.

    Hashes may collide: what is returned is looked at closely, what is not is certainly alone.

    Args:
        fresh: identity hashes of the fresh rows, in parts; copied.
        stored: those of the stored rows, in parts.
    """
    ordered = np.concatenate(fresh) if fresh else np.empty(0, np.int64)
    ordered.sort()
    twice = ordered[1:][ordered[1:] == ordered[:-1]]
    found = [np.unique(twice)]
    for part in stored:
        if len(ordered):
            at = np.minimum(np.searchsorted(ordered, part), len(ordered) - 1)
            found.append(np.unique(part[ordered[at] == part]))
    return np.unique(np.concatenate(found))


def verdict_sql(
    table: type[Table],
    fresh: str,
    stored: str,
    *,
    mapped: bool,
    arrival: int,
    by_hash: bool = False,
) -> str:
    """Return SQL that judges the fresh rows of the identities in `candidates(h)`.

    With a mapped known_time, rows of one identity are its versions in the order in which they
    were known: one that says what the version before says is a duplicate; two that were known at
    the same time and differ are a conflict, and the first of them stays; one that was known before
    the stored ones takes its place before them. Without, the source does
    not say which of two rows is later: rows of one load that differ are a conflict, and one that
    differs from the stored version corrects it from its arrival on.

    Args:
        table: the table.
        fresh: relation of the staged rows.
        stored: relation of the stored rows.
        mapped: whether known_time is mapped.
        arrival: when the load came, µs UTC.
        by_hash: compare hashes only: quicker, and right for hashes of one program's making.

    Returns:
        SELECT of `line`, `verdict`, `known` (its new known_time, or null) and `gone` (whether it
        says that the row is deleted).
    """
    key = quote(table.key.name)
    identity = f"{key}, event_time" if table.state else key
    content = "_hash" if by_hash else _content(table)
    columns = f"{identity}, event_time AS happened, known_time, _deleted, {content} AS content"
    both = (
        f"SELECT true AS fresh, 0 AS load, _line, {columns} FROM {fresh} "
        f"SEMI JOIN candidates ON h = {identity_sql(table)} UNION ALL "
        f"SELECT false, _load, _line, {columns} FROM {stored} "
        f"SEMI JOIN candidates ON h = {identity_sql(table)}"
    )
    chosen = _mapped_sql(identity) if mapped else _arrived_sql(identity, arrival)
    return f"WITH rows AS MATERIALIZED ({both}) {chosen}"


def _mapped_sql(identity: str) -> str:
    first = "row_number() OVER (same ORDER BY fresh, load DESC, if(fresh, _line, -_line))"
    reference = (
        "first_value(content) OVER (same ORDER BY fresh, load DESC, if(fresh, _line, -_line))"
    )
    return (
        f", ranked AS (SELECT *, {first} AS place, {reference} AS reference FROM rows "
        f"WINDOW same AS (PARTITION BY {identity}, known_time)), "
        f"heads AS (SELECT *, lag(content) OVER versions AS former, "
        f"row_number() OVER versions > 1 AS follows, "
        f"bool_or(NOT fresh) OVER (PARTITION BY {identity}) AS held FROM ranked WHERE place = 1 "
        f"WINDOW versions AS (PARTITION BY {identity} ORDER BY known_time)) "
        f"SELECT _line AS line, CASE WHEN follows AND content IS NOT DISTINCT FROM former "
        f"THEN '{DUPLICATE}' WHEN follows OR held THEN '{CORRECTION}' ELSE '{NEW}' END AS verdict, "
        f"NULL::BIGINT AS known, _deleted AS gone FROM heads WHERE fresh UNION ALL "
        f"SELECT _line, CASE WHEN content IS NOT DISTINCT FROM reference THEN '{DUPLICATE}' "
        f"ELSE '{CONFLICT}' END, NULL, _deleted FROM ranked WHERE fresh AND place > 1"
    )


def _arrived_sql(identity: str, arrival: int) -> str:
    return (
        f", latest AS (SELECT {identity}, arg_max(content, (known_time, load, _line)) AS former, "
        f"max(known_time) AS known_before FROM rows WHERE NOT fresh GROUP BY {identity}), "
        f"ranked AS (SELECT *, row_number() OVER inside AS place, "
        f"first_value(content) OVER inside AS reference FROM rows WHERE fresh "
        f"WINDOW inside AS (PARTITION BY {identity} ORDER BY _line)) "
        f"SELECT _line AS line, CASE "
        f"WHEN place > 1 AND content IS NOT DISTINCT FROM reference THEN '{DUPLICATE}' "
        f"WHEN place > 1 THEN '{CONFLICT}' WHEN known_before IS NULL THEN '{NEW}' "
        f"WHEN content IS NOT DISTINCT FROM former THEN '{DUPLICATE}' ELSE '{CORRECTION}' END "
        f"AS verdict, CASE WHEN verdict = '{CORRECTION}' "
        f"THEN greatest({arrival}, happened, known_before) END AS known, _deleted AS gone "
        f"FROM ranked LEFT JOIN latest USING ({identity})"
    )


def _content(table: type[Table]) -> str:
    """Return what makes two rows the same: their values, or their keyed hash if some are sealed."""
    if table.sealed():
        return "_hash"
    names = [c.name for f in table.fields.values() for c in f.columns()]
    values = ", ".join(f"{quote(name)} := {quote(name)}" for name in [*names, "_deleted"])
    return f"struct_pack({values})"
