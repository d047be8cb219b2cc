# SPDX-License-Identifier: Apache-2.0
"""Commands about change: what a column touched, and how two versions of a table differ."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from heptad.standards.time import format_instant

if TYPE_CHECKING:
    from heptad.runtime import Platform
    from heptad.service.decisions.impact import Touched

SHOWN = 20


def impact(
    platform: Platform, node: str, since: int | None = None, rerun: bool = False
) -> dict[str, Any]:
    """Say what a column, table or feature touched, down to each decision.

    Args:
        platform: the open project.
        node: for example `Payment.amount`.
        since: a load: only what read the table as this load left it, or later.
        rerun: make exactly these decisions again from what is known today, and say which would
            be others; nothing is recorded.
    """
    from heptad.service.decisions.impact import rerun as again
    from heptad.service.decisions.impact import touched

    found = touched(platform.log, platform.catalog, node, since)
    answer = _plain(found)
    if rerun:
        ids = [name for names in found.decisions.values() for name in names]
        with platform.reviewing("rerun", decisions=ids) as access:
            entries = access.each_reviewed(platform.apps, map(platform.log.get, ids))
            report = again(
                platform.apps, platform.reads, platform.guard, platform.desk.scorer, entries
            )
        answer["rerun"] = asdict(report)
    return answer


def _plain(found: Touched) -> dict[str, Any]:
    return {
        "node": found.node,
        "since_version": found.version,
        "features": list(found.features),
        "models": [
            {"model": m.title, "app": m.app, "stage": m.stage, "trained": format_instant(m.trained)}
            for m in found.models
        ],
        "apps": list(found.apps),
        "decisions": found.decisions,
        "counts": {app: len(ids) for app, ids in found.decisions.items()},
    }


def diff(platform: Platform, name: str, old: int, new: int, limit: int = SHOWN) -> dict[str, Any]:
    """Compare two versions of a table: rows, declaration, and what reads the columns that differ.

    Where the table is declared with other columns than are stored, no rows are compared.

    Args:
        platform: the open project.
        name: of the table.
        old: a version.
        new: another.
        limit: most rows that are named.
    """
    from heptad.catalog.contracts import changes
    from heptad.service.reads.changes import Difference, declaration, difference

    table = platform.table(name)
    if not platform.lake.exists(name):
        platform.lake.create(table)
    before, after = (
        declaration(platform.catalog, platform.lake, name, number) for number in (old, new)
    )
    schema = changes(before.contract, after.contract) if before and after else []
    last = platform.catalog.versions.contract(name)
    undeclared = changes(last.contract, table.contract()) if last else []
    with platform.guard.reading(
        "diff", role=platform.role, purpose="", who=platform.who, table=name
    ) as access:
        fits = {(c.name, c.kind) for c in table.columns()} == {
            (c.name, c.kind) for c in platform.lake.schema(name)
        }
        found = (
            difference(platform.reads.under(access), table, old, new, limit)
            if fits
            else Difference()
        )
        access.read.rows += len(found.rows)
    columns = {c.field for c in schema if c.field} | {*found.columns}
    return {
        "table": name,
        "from": old,
        "to": new,
        "schema": [asdict(c) for c in schema],
        "declared": [asdict(c) for c in undeclared],
        **asdict(found),
        "touches": _touches(platform, name, columns & {*table.fields}),
    }


def _touches(platform: Platform, table: str, columns: set[str]) -> list[dict[str, Any]]:
    """Return what reads each of some columns, by the lineage."""
    from heptad.standards.errors import UnknownName

    found = []
    for column in sorted(columns):
        try:
            reached = platform.catalog.lineage.impact(f"{table}.{column}")
        except UnknownName:
            continue
        kinds = {"features": reached.features, "models": reached.models, "apps": reached.apps}
        found.append({"column": column} | {name: list(names) for name, names in kinds.items()})
    return found
