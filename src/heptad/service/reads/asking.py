# SPDX-License-Identifier: Apache-2.0
"""What a job reads by SQL: rows as of an instant, as known now; recorded as one read."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from heptad.service.reads.asof import read_sql

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from heptad.standards import Table

    Ask = Callable[..., Any]


@contextmanager
def asking(
    platform: Any, t: int, *, role: str, purpose: str, who: str, **asked: Any
) -> Iterator[Ask]:
    """Let a job read rows as of an instant, as known now; recorded as one read.

    What is given asks a table: `ask(Loan)` for all columns of the rows that held, or
    `ask(Transfer, "SELECT … FROM rows GROUP BY …")` over them; `every=True` gives all known
    states of a state table up to then, `columns=True` columns rather than rows. Sealed values
    stay sealed.

    Args:
        platform: the open project.
        t: what had happened by then, microseconds.
        role: in which role it reads.
        purpose: why.
        who: the account that reads, as the access log names it.
        **asked: what else the record says, plain values.
    """
    k = platform.clock.now()
    with platform.guard.reading("job", role=role, purpose=purpose, who=who, **asked) as access:
        reads = platform.reads.under(access)

        def ask(
            table: type[Table],
            sql: str = "SELECT * FROM rows",
            *,
            every: bool = False,
            columns: bool = False,
        ) -> Any:
            relation = reads.stored(table).relation
            rows = _every(table, relation, t, k) if every else read_sql(table, relation, t=t, k=k)
            found = reads.queries.arrow(f"WITH rows AS ({rows}) {sql}")
            return found if columns else found.to_pylist()

        yield ask


def latest_by(column: str, *, of: str = "*", where: str = "TRUE") -> str:
    """Return SQL for the row that happened last of each value of a column; see `asking`.

    Args:
        column: what tells them apart.
        of: the columns wanted, in SQL.
        where: which rows count, in SQL.
    """
    order = f"PARTITION BY {column} ORDER BY event_time DESC, id DESC"
    return f"SELECT {of} FROM rows WHERE {where} QUALIFY row_number() OVER ({order}) = 1"


def _every(table: type[Table], relation: str, t: int, k: int) -> str:
    """Return SQL for each state of each key up to t, as known at k."""
    key = table.key.name
    return (
        f"SELECT * FROM (SELECT *, row_number() OVER (PARTITION BY {key}, event_time ORDER BY "
        f"known_time DESC, _load DESC, _line DESC) AS _rank FROM {relation} "
        f"WHERE known_time <= {k} AND event_time <= {t}) WHERE _rank = 1 AND NOT _deleted"
    )
