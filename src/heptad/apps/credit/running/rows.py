# SPDX-License-Identifier: Apache-2.0
"""Read stored rows as of a day, and store published rows so that only what differs is new."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from heptad.service.reads.asof import read_sql
from heptad.standards import Money, Number
from heptad.standards.money import exponent
from heptad.standards.time import day, format_instant, micros, second

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from heptad.standards import Table

    Ask = Callable[..., Any]

_EPOCH = date(1970, 1, 1)
PURPOSE = "service"
"""Loans are run under their contract."""


def start_of(on: date) -> int:
    """Return the instant at which a day begins, microseconds."""
    return micros(datetime(on.year, on.month, on.day, tzinfo=UTC))


def end_of(on: date) -> int:
    """Return the last second of a day, microseconds."""
    return start_of(on) + day - second


def day_of(instant: int) -> date:
    """Return the day of an instant, UTC."""
    return _EPOCH + timedelta(days=instant // day)


@contextmanager
def asking(platform: Any, job: str, on: date) -> Iterator[Ask]:
    """Let a job read rows as of the end of a day, as known now; recorded as one read.

    What is given asks a table: `ask(Loan)` for all columns of the rows that held, or
    `ask(Transfer, "SELECT … FROM rows GROUP BY …")` over them; `every=True` gives all known
    states of a state table up to then, `columns=True` columns rather than rows.
    """
    t, k = end_of(on), platform.clock.now()
    who = {"role": platform.role, "purpose": PURPOSE, "who": platform.who}
    with platform.guard.reading("job", **who, job=job, date=on.isoformat()) as access:
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


def _every(table: type[Table], relation: str, t: int, k: int) -> str:
    """Return SQL for each state of each key up to t, as known at k."""
    key = table.key.name
    return (
        f"SELECT * FROM (SELECT *, row_number() OVER (PARTITION BY {key}, event_time ORDER BY "
        f"known_time DESC, _load DESC, _line DESC) AS _rank FROM {relation} "
        f"WHERE known_time <= {k} AND event_time <= {t}) WHERE _rank = 1 AND NOT _deleted"
    )


def restate(
    platform: Any, table: type[Table], on: date, rows: Sequence[Mapping[str, Any]],
    besides: Iterable[str] = (),
) -> dict[str, int]:  # fmt: skip
    """Store a day's rows of a published table in one piece; what stands there already is left.

    Done again after a kill it comes to the same; done again after a correction it stores new
    versions of just the rows that differ, and says of rows that are no longer made that they are
    gone.

    Args:
        platform: the open project.
        table: the published table.
        on: the day that the rows are of.
        rows: values as stored, by column.
        besides: columns in which a difference alone does not count, such as evidence.

    Returns:
        How many rows were written, were the same, and are gone.
    """
    at, left = end_of(on), {"known_time", *besides}
    with asking(platform, f"restate {table.__name__}", on) as ask:
        held = {
            r[table.key.name]: r for r in ask(table, f"SELECT * FROM rows WHERE event_time = {at}")
        }
    new, same = [], 0
    for row in rows:
        before = held.pop(row[table.key.name], None)
        if before is not None and _equal(row, before, left):
            same += 1
        else:
            new.append(written(table, row))
    gone = [written(table, row) | {"_deleted": True} for row in held.values()]
    if new or gone:
        platform.store(table.__name__, [*new, *gone], source="credit-jobs")
    return {"written": len(new), "same": same, "gone": len(gone)}


def _equal(row: Mapping[str, Any], before: Mapping[str, Any], left: set[str]) -> bool:
    return all(row.get(name) == value for name, value in before.items() if name not in left)


def written(table: type[Table], row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a stored row as a source would write it; missing values are left out."""
    found = {}
    for name, field in table.fields.items():
        value = row.get(name)
        if value is None:
            continue
        if isinstance(field, Money):
            value = str(Decimal(value).scaleb(-exponent(row[field.currency])))
        elif isinstance(field, Number):
            value = str(Decimal(value).scaleb(-field.scale))
        elif field.kind == "instant":
            value = format_instant(value)
        elif field.kind == "day":
            value = (
                (_EPOCH + timedelta(days=value)).isoformat() if isinstance(value, int) else value
            )
        found[name] = value
    return found
