# SPDX-License-Identifier: Apache-2.0
"""Who need not be kept any more: persons whose relation has ended and whose last duty has run out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from heptad.engine.sql.identifiers import literal, quote
from heptad.security.purposes import group_of
from heptad.service.reads.asof import read_sql
from heptad.standards import Ref
from heptad.standards.errors import ContractError
from heptad.standards.model import Account, Holding, Loan
from heptad.standards.time import day

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from heptad.service.reads.guard import Access
    from heptad.service.reads.reads import Reads
    from heptad.service.subjects.regimes import Regime
    from heptad.standards import Table

OPEN = (
    (Account, "r.status <> 'closed'"),
    (Holding, "r.active"),
    (Loan, "r.status IN ('running', 'late', 'defaulted')"),
)
"""Table and condition by which a person's relation to the institution goes on."""


@dataclass(frozen=True)
class RunOut:
    """A person who need not be kept any more.

    Attributes:
        subject: who.
        last: when the last thing that is kept of them happened, µs.
        until: when the last duty to keep it ran out, µs.
    """

    subject: str
    last: int
    until: int


def run_out(
    law: Regime, tables: Iterable[type[Table]], access: Access, reads: Reads
) -> list[RunOut]:
    """Find the persons of whom no rule asks to keep anything any more.

    Each row is kept for its group's days after it happened; a group for which the law names no
    days is kept as long as the longest that it names. Who has an open account, holding or loan is
    kept, whatever happened when.

    Args:
        law: says how long groups of tables are kept.
        tables: those of the project that hold rows.
        access: the read that goes on.
        reads: rows.

    Returns:
        Those whose last day has passed, the first one first.

    Raises:
        ContractError: if the law says of nothing how long it is kept.
    """
    if not law.retention:
        raise ContractError(
            "No law is chosen that says how long persons are kept.", got=law.name,
            do='write regime = "eu" under [project]',
        )  # fmt: skip
    longest, under = max(rule.days for rule in law.retention), reads.under(access)
    last: dict[str, tuple[int, int]] = {}
    stored = list(tables)
    for table in (t for t in stored if t.subject is not None):
        rule = law.keeps(group_of(table))
        days = longest if rule is None else rule.days
        for who, at in _lasts(table, under):
            before = last.get(who, (at, at + days * day))
            last[who] = (max(before[0], at), max(before[1], at + days * day))
    for table, condition in OPEN:
        if table in stored:
            for who in _open(table, condition, access, under):
                last.pop(who, None)
    done = [RunOut(who, at, until) for who, (at, until) in last.items() if until < access.now]
    return sorted(done, key=lambda one: (one.until, one.subject))


def _who(table: type[Table]) -> tuple[str, str]:
    """Return the column that names a table's person, and how the person's name begins."""
    field = table.subject
    assert field is not None  # noqa: S101 - tables about nobody are left out
    entity = field.target_name if isinstance(field, Ref) else table.__name__
    return quote(field.name), f"{entity}:"


def _lasts(table: type[Table], reads: Reads) -> Iterator[tuple[str, int]]:
    column, begins = _who(table)
    found = reads.queries.arrow(
        f"SELECT {column} AS who, max(event_time) AS at "
        f"FROM {reads.stored(table).relation} WHERE {column} IS NOT NULL GROUP BY 1"
    )
    for row in found.to_pylist():
        yield f"{begins}{row['who']}", row["at"]


def _open(table: type[Table], condition: str, access: Access, reads: Reads) -> Iterator[str]:
    column, begins = _who(table)
    sql = read_sql(table, reads.stored(table).relation, t=access.now, k=access.now)
    found = reads.queries.arrow(
        f"SELECT DISTINCT {literal(begins)} || {column} AS who FROM ({sql}) r WHERE {condition}"
    )
    yield from found.column("who").to_pylist()
