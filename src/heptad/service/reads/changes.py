# SPDX-License-Identifier: Apache-2.0
"""Two versions of a table compared: declarations, and which rows came, changed and went."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from heptad.engine.sql.identifiers import quote
from heptad.service.reads.asof import read_sql

if TYPE_CHECKING:
    from heptad.catalog import Catalog
    from heptad.catalog.contracts import Contract
    from heptad.engine.protocols import Tables
    from heptad.service.reads.reads import Reads
    from heptad.standards import Table

SEALED = "a sealed value"


@dataclass(slots=True)
class Difference:
    """How the rows of a table at one version differ from those at another.

    Attributes:
        counts: added, changed, removed → rows.
        columns: column → rows in which it differs; sealed ones are not told apart.
        rows: the first of them: key, what happened, columns that differ.
    """

    counts: dict[str, int] = field(default_factory=dict)
    columns: dict[str, int] = field(default_factory=dict)
    rows: list[dict[str, Any]] = field(default_factory=list)


def declaration(catalog: Catalog, lake: Tables, table: str, version: int) -> Contract | None:
    """Return the declaration that a version of a table follows; None if none was recorded.

    A version that only made the table, or gave it columns, is recorded with no load. It follows the
    first declaration that has its columns and has one that the version before lacks.

    Raises:
        UnknownName: if there is no such version.
    """
    recorded = catalog.versions.find(table, version)
    if recorded is not None:
        known = recorded.contract
        return None if known is None else catalog.versions.contract(table, known)
    held = {c.name for c in lake.schema(table, version)}
    before = {c.name for c in lake.schema(table, version - 1)} if version > 0 else set()
    return next(
        (
            found
            for found in catalog.versions.contracts(table)
            if all(_held(name, held) for name in found.contract["fields"])
            and not all(_held(name, before) for name in found.contract["fields"])
        ),
        None,
    )


def _held(field: str, columns: set[str]) -> bool:
    """Whether a field is among some columns; a place is held as two."""
    return field in columns or f"{field}_lat" in columns


def difference(reads: Reads, table: type[Table], old: int, new: int, limit: int) -> Difference:
    """Compare the rows that hold at two versions, by key.

    Args:
        reads: of the project.
        table: the table.
        old: a version.
        new: another.
        limit: most rows that are named.

    Raises:
        UnknownName: if there is no such version, or retention has given it up.
    """
    key = table.key.name
    plain = [c.name for f in table.fields.values() if not f.sealed for c in f.columns()]
    plain = [name for name in [*dict.fromkeys(plain), "event_time"] if name != key]
    plain = list(dict.fromkeys(plain))
    wanted = [key, *plain, "_hash"]
    sides = [
        read_sql(table, reads.stored(table, version).relation, t=None, k=None, columns=wanted)
        for version in (old, new)
    ]
    flags = ", ".join(
        f"o.{quote(n)} IS DISTINCT FROM n.{quote(n)} AS {quote('d' + str(i))}"
        for i, n in enumerate(plain)
    )
    differ = " OR ".join(f"o.{quote(n)} IS DISTINCT FROM n.{quote(n)}" for n in [*plain, "_hash"])
    k = quote(key)
    found = reads.queries.arrow(
        f"SELECT coalesce(o.{k}, n.{k}) AS key, CASE WHEN o.{k} IS NULL THEN 'added' "
        f"WHEN n.{k} IS NULL THEN 'removed' ELSE 'changed' END AS what, {flags} "
        f"FROM ({sides[0]}) o FULL JOIN ({sides[1]}) n ON o.{k} = n.{k} "
        f"WHERE o.{k} IS NULL OR n.{k} IS NULL OR {differ} ORDER BY 1"
    )
    report, columns = Difference(), Counter[str]()
    what = found.column("what").to_pylist()
    marks = [found.column(f"d{i}").to_pylist() for i in range(len(plain))]
    for n, (row_key, how) in enumerate(zip(found.column("key").to_pylist(), what, strict=True)):
        names = [plain[i] for i in range(len(plain)) if marks[i][n]] if how == "changed" else []
        names = names or ([SEALED] if how == "changed" else [])
        columns.update(names)
        if n < limit:
            report.rows.append({"key": row_key, "what": how, "columns": names})
    report.counts = {name: what.count(name) for name in ("added", "changed", "removed")}
    report.columns = dict(sorted(columns.items()))
    return report
